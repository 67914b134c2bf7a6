/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of findings, in the published order of kinds.def. */
#ifndef ARENA_KINDS_H
#define ARENA_KINDS_H

enum kind {
#define KIND(id, name, severity, on) KIND_##id,
#include "arena/kinds.def"
#undef KIND
    KIND_COUNT
};

#endif
