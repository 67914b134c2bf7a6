/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads files of suppressions. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/suppress.h"
#include "report/utf8.h"

struct reader {
    struct suppressions *suppressions;
    struct suppression *entry; /* that is being read, or NULL */
    const char *name;
    int line;
    char **wrong;
};

/* Always false, for a return. line: 0 is the one that is being read. */
static bool fail(struct reader *reader, const char *place, const char *what, const char *word) {
    char line[32];
    snprintf(line, sizeof line, "%d", reader->line);
    int size = place != NULL
                   ? asprintf(reader->wrong, "%s: %s%.64s", place, what, word)
                   : asprintf(reader->wrong, "%s:%s: %s%.64s", reader->name, line, what, word);
    if (size < 0)
        *reader->wrong = NULL;
    else
        utf8_tame(*reader->wrong);
    return false;
}

/* The entry has ended: is it whole? */
static bool finish(struct reader *reader) {
    const struct suppression *entry = reader->entry;
    reader->entry = NULL;
    if (entry == NULL)
        return true;
    if (entry->reason == NULL)
        return fail(reader, entry->place, "the entry has no reason", "");
    if (entry->function == NULL && entry->file == NULL && entry->caller == NULL)
        return fail(reader, entry->place, "the entry has no function, file or caller", "");
    return true;
}

/* "[kind]" */
static bool begin(struct reader *reader, const char *line, size_t size) {
    char name[64] = "";
    if (!finish(reader))
        return false;
    if (line[size - 1] != ']' || size - 2 >= sizeof name)
        return fail(reader, NULL, "this is no kind of finding: ", line);
    memcpy(name, line + 1, size - 2);
    unsigned kind = 0;
    while (kind < KIND_COUNT && strcmp(kind_facts[kind].name, name) != 0)
        kind++;
    if (kind == KIND_COUNT && strcmp(name, "all") != 0)
        return fail(reader, NULL, "there is no kind of finding called ", name);
    struct suppressions *all = reader->suppressions;
    struct suppression *larger = realloc(all->items, (all->count + 1) * sizeof *larger);
    if (larger == NULL)
        return false;
    all->items = larger;
    reader->entry = &larger[all->count];
    *reader->entry = (struct suppression){.kind = (enum kind)kind};
    if (asprintf(&reader->entry->place, "%s:%d", reader->name, reader->line) < 0) {
        reader->entry->place = NULL;
        return false;
    }
    all->count++;
    return true;
}

/* "key = value" */
static bool set(struct reader *reader, const char *line) {
    struct suppression *entry = reader->entry;
    size_t size = strcspn(line, " \t=");
    const char *equals = line + size + strspn(line + size, " \t");
    if (*equals != '=')
        return fail(reader, NULL, "this is no [kind], no key = value and no comment: ", line);
    if (entry == NULL)
        return fail(reader, NULL, "there is no [kind] before ", line);
    const struct {
        const char *key;
        char **value;
    } keys[] = {{"function", &entry->function},
                {"file", &entry->file},
                {"caller", &entry->caller},
                {"reason", &entry->reason}};
    const char *value = equals + 1 + strspn(equals + 1, " \t");
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (strlen(keys[i].key) != size || memcmp(keys[i].key, line, size) != 0)
            continue;
        if (*keys[i].value != NULL)
            return fail(reader, NULL, "the entry has it already: ", keys[i].key);
        if (*value == '\0')
            return fail(reader, NULL, "there is nothing behind ", line);
        *keys[i].value = strdup(value);
        return *keys[i].value != NULL;
    }
    return fail(reader, NULL, "there is no such key (function, file, caller, reason): ", line);
}

static bool read_line(struct reader *reader, const char *line, size_t size) {
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL)
        size--;
    while (size > 0 && strchr(" \t", line[0]) != NULL) {
        line++;
        size--;
    }
    if (size == 0 || line[0] == '#')
        return true;
    if (memchr(line, '\0', size) != NULL)
        return fail(reader, NULL, "this is no text", "");
    char *copy = strndup(line, size);
    bool good = copy != NULL &&
                (copy[0] == '[' && size > 2 ? begin(reader, copy, size) : set(reader, copy));
    free(copy);
    return good;
}

bool suppress_read(struct suppressions *suppressions, const char *name, const char *bytes,
                   size_t size, char **wrong) {
    struct reader reader = {.suppressions = suppressions, .name = name, .line = 1, .wrong = wrong};
    *wrong = NULL;
    for (size_t at = 0; at < size; reader.line++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - bytes) - at : size - at;
        if (!read_line(&reader, bytes + at, length))
            return false;
        at += length + 1;
    }
    return finish(&reader);
}
