/* SPDX-License-Identifier: BSD-2-Clause */
/* What places of the program cost: how often each stores, flushes and drains, and what that takes
   at the prices of a machine. */
#ifndef VERIFY_PROFILE_H
#define VERIFY_PROFILE_H

#include <stdbool.h>

#include "verify/finding.h"

/* Prices everything in the profile. */
void profile_price(struct report_profile *profile, const struct profile_costs *costs);

/* Bytes written back by lines, or by pages, for each byte that was stored; 0: none was. */
double profile_line_factor(const struct profile_count *count);
double profile_page_factor(const struct profile_count *count);

/* The site of the same line and domain, or NULL. */
struct profile_site *profile_find(const struct report_profile *profile,
                                  const struct profile_site *wish);

/* Adds a profile to another one; what is moved is left empty. false: out of memory. */
bool profile_absorb(struct report_profile *into, struct report_profile *part);

void profile_free(struct report_profile *profile);

#endif
