/* SPDX-License-Identifier: BSD-2-Clause */
/* From the arena's counts to a profile. */
#ifndef VERIFY_SITES_H
#define VERIFY_SITES_H

#include "verify/collect.h"

/* Finds the frames of a stack by its id. false: out of memory. */
typedef bool sites_stack(void *context, uint32_t id, struct source_stack *stack);

/* Fills in all of the profile but its times. false: out of memory. pre: the arena was screened */
bool sites_collect(const struct arena *arena, sites_stack *stack, void *context,
                   struct report_profile *profile);

#endif
