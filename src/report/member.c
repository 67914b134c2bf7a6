/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/member.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/utf8.h"

bool member_fail(struct members *members, const char *key, const char *format, ...) {
    char *what = NULL;
    va_list arguments;
    if (members->failed)
        return false;
    members->failed = true;
    va_start(arguments, format);
    if (vasprintf(&what, format, arguments) < 0)
        what = NULL;
    va_end(arguments);
    const char *colon = members->path[0] != '\0' || key[0] != '\0' ? ": " : "";
    if (what == NULL || asprintf(&members->wrong, "%s%s%s%s", members->path, key, colon, what) < 0)
        members->wrong = NULL;
    free(what);
    if (members->wrong != NULL)
        utf8_tame(members->wrong);
    return false;
}

/* As member_fail, but nothing can be said. */
static bool out_of_memory(struct members *members) {
    members->failed = true;
    return false;
}

size_t member_enter(struct members *members, const char *key, long index) {
    size_t mark = strlen(members->path), room = sizeof members->path - mark;
    if (index >= 0)
        snprintf(members->path + mark, room, "%s[%ld].", key, index);
    else
        snprintf(members->path + mark, room, "%s.", key);
    return mark;
}

void member_leave(struct members *members, size_t mark) {
    members->path[mark] = '\0';
}

/* The member, or NULL: then *missing tells whether that is allowed. */
static const json_t *find(struct members *members, const json_t *object, const char *key,
                          bool required, bool *missing) {
    const json_t *value = json_object_get(object, key);
    *missing = value == NULL && !required && !members->failed;
    if (value == NULL && required)
        member_fail(members, key, "is missing");
    return members->failed ? NULL : value;
}

bool member_text(struct members *members, const json_t *object, const char *key, bool required,
                 const char **value) {
    bool missing;
    const json_t *found = find(members, object, key, required, &missing);
    if (found == NULL)
        return missing;
    if (!json_is_string(found))
        return member_fail(members, key, "is no string");
    *value = json_string_value(found);
    return true;
}

bool member_copy(struct members *members, const json_t *object, const char *key, bool required,
                 char **value) {
    const char *text = NULL;
    if (!member_text(members, object, key, required, &text))
        return false;
    if (text == NULL)
        return true;
    *value = strdup(text);
    return *value != NULL || out_of_memory(members);
}

bool member_number(struct members *members, const json_t *object, const char *key, uint64_t least,
                   uint64_t most, bool required, uint64_t *value) {
    bool missing;
    const json_t *found = find(members, object, key, required, &missing);
    if (found == NULL)
        return missing;
    json_int_t number = json_integer_value(found);
    if (!json_is_integer(found) || number < 0 || (uint64_t)number < least ||
        (uint64_t)number > most)
        return member_fail(members, key, "is no integer from %" PRIu64 " to %" PRIu64, least, most);
    *value = (uint64_t)number;
    return true;
}

bool member_choice(struct members *members, const json_t *object, const char *key,
                   const char *const *names, size_t count, const char *what, size_t *value) {
    const char *text = "";
    if (!member_text(members, object, key, true, &text))
        return false;
    for (*value = 0; *value < count; (*value)++) {
        if (strcmp(names[*value], text) == 0)
            return true;
    }
    return member_fail(members, key, "there is no %s '%.64s'", what, text);
}

bool member_object(struct members *members, const json_t *object, const char *key, bool required,
                   const json_t **value) {
    bool missing;
    const json_t *found = find(members, object, key, required, &missing);
    if (found == NULL)
        return missing;
    if (!json_is_object(found))
        return member_fail(members, key, "is no object");
    *value = found;
    return true;
}

/* The array, or NULL. */
static const json_t *find_array(struct members *members, const json_t *object, const char *key,
                                bool required, bool *missing) {
    const json_t *found = find(members, object, key, required, missing);
    if (found != NULL && !json_is_array(found)) {
        member_fail(members, key, "is no array");
        return NULL;
    }
    return found;
}

bool member_array(struct members *members, const json_t *object, const char *key, bool required,
                  size_t size, member_item *read, void **items, size_t *count) {
    bool missing;
    const json_t *array = find_array(members, object, key, required, &missing);
    if (array == NULL)
        return missing;
    size_t wanted = json_array_size(array);
    *items = calloc(wanted + 1, size);
    if (*items == NULL)
        return out_of_memory(members);
    while (*count < wanted) {
        const json_t *item = json_array_get(array, *count);
        size_t mark = member_enter(members, key, (long)*count);
        void *place = (char *)*items + *count * size;
        (*count)++; /* what is in it so far is to be released too */
        bool good = json_is_object(item) ? read(members, item, place)
                                         : member_fail(members, "", "is no object");
        member_leave(members, mark);
        if (!good)
            return false;
    }
    return true;
}

bool member_texts(struct members *members, const json_t *object, const char *key, size_t least,
                  char ***texts, size_t *count) {
    bool missing;
    const json_t *array = find_array(members, object, key, least > 0, &missing);
    if (array == NULL)
        return missing;
    size_t wanted = json_array_size(array);
    if (wanted < least)
        return member_fail(members, key, "is empty");
    *texts = calloc(wanted + 1, sizeof **texts);
    if (*texts == NULL)
        return out_of_memory(members);
    for (; *count < wanted; (*count)++) {
        const char *text = json_string_value(json_array_get(array, *count));
        if (text == NULL)
            return member_fail(members, key, "holds what is no string");
        (*texts)[*count] = strdup(text);
        if ((*texts)[*count] == NULL)
            return out_of_memory(members);
    }
    return true;
}
