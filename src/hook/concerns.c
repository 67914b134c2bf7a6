/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled without vector registers, as callout.c is and why. */
#include "hook/callout.h"
#include "source/regions.h"

bool hook_callout_concerns(uint32_t kind, uintptr_t address, size_t length) {
    uintptr_t low = atomic_load_explicit(&regions_low, memory_order_relaxed);
    uintptr_t high = atomic_load_explicit(&regions_high, memory_order_relaxed);
    if (kind == CALLOUT_FENCE || kind == CALLOUT_LOCKED)
        return high != 0;
    if (kind == CALLOUT_FLUSH || kind == CALLOUT_CLZERO)
        length = MODEL_LINE_SIZE;
    return address < high && (address >= low || length > low - address);
}
