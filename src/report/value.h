/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON values, made with jansson. Every function that makes one returns NULL when memory is out,
   and jansson's _new calls take NULL for "fail": so a failure anywhere surfaces as NULL at the
   top. */
#ifndef REPORT_VALUE_H
#define REPORT_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes that are no UTF-8 are replaced. */
json_t *value_text(const char *string);
/* Numbers that JSON's readers cannot have become the largest that they can. */
json_t *value_number(uint64_t number);

/* false when value is NULL. */
bool value_put(json_t *object, const char *key, json_t *value);
/* What is not known (NULL) is left out. */
bool value_put_text(json_t *object, const char *key, const char *string);

/* Returns object, or NULL with object released. */
json_t *value_or_nothing(json_t *object, bool complete);

/* An array with one value for each of count items. */
typedef json_t *value_item(const void *items, size_t index);
json_t *value_array(const void *items, size_t count, value_item *make);
/* Of items that are char *. */
value_item value_item_text;

/* Writes value and releases it. Whole or not at all: half of a report is worse than none. */
bool value_write(FILE *out, json_t *value);

#endif
