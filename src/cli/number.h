/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that a person types. Pure: false means that text is none, and nothing was stored. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* A count of bytes with an optional K, M, G or T, for powers of 1024. */
bool number_parse_bytes(const char *text, uint64_t *bytes);

/* A number of at least one digit, without a sign or space. */
bool number_parse(const char *text, uint64_t *value);

/* The number of a process: not 0, and no sign or space before it. */
bool number_parse_process(const char *text, uint32_t *process);

#endif
