/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores that the program makes without the routines are not seen by the `api` source. What a line
   holds tells of them: a flush is called redundant only if the line still holds what it did. */
#ifndef SOURCE_CONTENT_H
#define SOURCE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

/* Remembers the lines of [from, to) of a page that was just stored to; it begins at address. */
void content_remember(struct model_page *page, uint32_t from, uint32_t to, uintptr_t address);

/* May the page at address be read? Asks the system. */
bool content_readable(uintptr_t address);

/* Does the line at address hold something else than remembered? Remembers what it holds now.
   pre: it may be read */
bool content_changed(struct model_page *page, uint32_t line, uintptr_t address);

#endif
