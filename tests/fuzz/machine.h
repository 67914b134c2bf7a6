/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine made of bytes: /proc and /sys in memory, without a file. What map/ asks the system for
   comes from here; the linker puts the functions in the place of libc's (--wrap). */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below this folder files are the machine's, elsewhere the system's. */
#define MACHINE_ROOT "/a-machine-of-bytes"

/* The machine consists of entries that end with a byte 0: 'f' or 'l', the path without the leading
   slash, a newline, then the file's text or the link's target. The bytes have to stay. */
void machine_make(const uint8_t *data, size_t size);

/* The text of a file, or NULL. */
const char *machine_text(const char *path, size_t *length);

/* Does the text stand in the target of a link? */
bool machine_links_to(const char *text);

/* Files and folders that were opened and not closed. */
unsigned machine_open_files(void);

#endif
