/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `nvrtl info`. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* An answer goes to json, or as text to standard output while json is NULL. */

/* What the machine has: the CPU, and the regions of persistent memory. */
void info_machine(json_t *json);

/* What changes the answer from outside the machine: settings of the library in the environment of
   process pid (0 = this one), and a libeatmydata inside it. */
void info_surroundings(json_t *json, uint32_t pid);

/* Sets a member; bytes that are no UTF-8 are replaced. */
void info_set_string(json_t *json, const char *name, const char *value);

/* Prints text; what a terminal may not get is replaced. */
void info_print(const char *text);

#endif
