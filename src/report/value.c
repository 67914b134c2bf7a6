/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/value.h"

#include <stdlib.h>

#include "report/utf8.h"

json_t *value_text(const char *string) {
    char *clean = utf8_clean(string);
    json_t *value = clean != NULL ? json_string(clean) : NULL;
    free(clean);
    return value;
}

json_t *value_number(uint64_t number) {
    return json_integer(number <= INT64_MAX ? (json_int_t)number : INT64_MAX);
}

bool value_put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

bool value_put_text(json_t *object, const char *key, const char *string) {
    return string == NULL || value_put(object, key, value_text(string));
}

json_t *value_or_nothing(json_t *object, bool complete) {
    if (complete)
        return object;
    json_decref(object);
    return NULL;
}

json_t *value_array(const void *items, size_t count, value_item *make) {
    json_t *array = json_array();
    bool complete = true;
    for (size_t i = 0; i < count && complete; i++)
        complete = json_array_append_new(array, make(items, i)) == 0;
    return value_or_nothing(array, complete);
}

json_t *value_item_text(const void *items, size_t index) {
    return value_text(((char *const *)items)[index]);
}

bool value_write(FILE *out, json_t *value) {
    char *written = value != NULL ? json_dumps(value, JSON_INDENT(2)) : NULL;
    json_decref(value);
    bool complete =
        written != NULL && fputs(written, out) >= 0 && fputc('\n', out) != EOF && fflush(out) == 0;
    free(written);
    return complete;
}
