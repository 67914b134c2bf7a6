/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_API_H
#define SOURCE_API_H

#include "source/self.h"

/* Works one event of the routines into the arena's state. late: it happened a while ago, what it
   stored may be unmapped by now. */
void api_handle(struct self *me, const struct event *event, arena_id stack, bool late);

#endif
