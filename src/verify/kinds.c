/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/finding.h"

const struct kind_fact kind_facts[KIND_COUNT] = {
#define KIND(id, name, severity, on) [KIND_##id] = {name, severity, on},
#include "arena/kinds.def"
#undef KIND
};
