/* SPDX-License-Identifier: BSD-2-Clause */
/* Get and Free as other routines use them, with the site of the routine that the program called. */
#ifndef API_GET_H
#define API_GET_H

#include "api/call.h"

enum result get_token(const struct call_site *site, void *address, size_t length, PVOID *token);
enum result free_token(const struct call_site *site, PVOID token);

#endif
