/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands before the real header of this name: a library in which nobody can ever listen. */
#ifndef UNOBSERVED_OBSERVE_H
#define UNOBSERVED_OBSERVE_H

#include_next "observe/observe.h"

#define observed() false

#endif
