/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way of a flush where hooks tell of stores: all that is to be said of it is said before
   it is made. Its lines can be read without waiting then, and nothing is looked at between a
   program's write-backs and its drain. */
#ifndef SOURCE_EARLY_H
#define SOURCE_EARLY_H

#include "source/self.h"

/* The routine is about to flush. false: nothing was done, this is not so simple, or the token was
   not admitted (plain.h). */
bool early_flush(struct self *me, const struct event *event);

#endif
