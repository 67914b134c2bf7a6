/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of JSON objects, of which it is not known what they are. The first thing that is wrong is
   kept, with its path, and fails all that follows. */
#ifndef REPORT_MEMBER_H
#define REPORT_MEMBER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMBER_PATH 256

struct members {
    char path[MEMBER_PATH]; /* of the object that is being read, "findings[3].stack[0]." */
    char *wrong;            /* malloc'ed; NULL: nothing, or that memory ran out */
    bool failed;
};

/* Always false, for a return. */
__attribute__((format(printf, 3, 4))) bool member_fail(struct members *members, const char *key,
                                                       const char *format, ...);

/* false: it is missing (if it may not be), or is something else. Of one that is missing *value
   stays as it was. */
bool member_text(struct members *members, const json_t *object, const char *key, bool required,
                 const char **value);
bool member_copy(struct members *members, const json_t *object, const char *key, bool required,
                 char **value);
bool member_number(struct members *members, const json_t *object, const char *key, uint64_t least,
                   uint64_t most, bool required, uint64_t *value);
/* Its place in names is *value; "what" is what a reader calls it. */
bool member_choice(struct members *members, const json_t *object, const char *key,
                   const char *const *names, size_t count, const char *what, size_t *value);
bool member_object(struct members *members, const json_t *object, const char *key, bool required,
                   const json_t **value);

/* Reads each item of an array of objects into items of size bytes, which are made for it and hang
   at *items from the start, so that what was read before a failure is released like the rest. */
typedef bool member_item(struct members *members, const json_t *object, void *item);
bool member_array(struct members *members, const json_t *object, const char *key, bool required,
                  size_t size, member_item *read, void **items, size_t *count);

/* An array of strings, copied; one more, NULL, behind them. least: how many there are at least. */
bool member_texts(struct members *members, const json_t *object, const char *key, size_t least,
                  char ***texts, size_t *count);

/* Steps into member key (item index, or -1) and back: the path for complaints. */
size_t member_enter(struct members *members, const char *key, long index);
void member_leave(struct members *members, size_t mark);

#endif
