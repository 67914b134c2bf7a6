/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths as URIs (RFC 3986, RFC 8089). */
#ifndef REPORT_URI_H
#define REPORT_URI_H

#include <stdbool.h>

/* What is left of path below the directory base, or NULL: it does not lie there. */
const char *uri_below(const char *path, const char *base);

/* path with all that a URI may not hold as %XX; "file://" before an absolute one; a slash behind it
   if directory. malloc'ed; NULL: out of memory. */
char *uri_of(const char *path, bool directory);

#endif
