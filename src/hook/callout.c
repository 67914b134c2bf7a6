/* SPDX-License-Identifier: BSD-2-Clause */
/* What callout.S calls: the words of callout.h, spelled out. Nothing here may use a vector register
   before callout.S has saved them, nor call anything that might. */
#include "hook/callout.h"

#include <cpuid.h>

#include "base/bits.h"

/* As callout.S has pushed them, and the caller's frame above. */
struct registers {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax, flags, rbp;
    const void *pc;
    uint64_t word, saved_rdi, saved_rsi;
    union {
        int32_t narrow[16];
        int64_t wide[8];
    } indexes; /* CALLOUT_SCATTERED only */
};

/* How callout.S keeps the vector registers; the numbers are its own. */
enum saving { SAVING_NOT, SAVING_FXSAVE, SAVING_XSAVE, SAVING_XSAVEC };

unsigned callout_wanted(const struct registers *registers);
void callout_deliver(const struct registers *registers);

#define FLAG_DIRECTION 0x400u
#define LINE 64u /* bytes: what clzero clears */

static unsigned kind_of(uint64_t word) {
    return word & 15;
}

static unsigned detail_of(uint64_t word) {
    return (word >> 4) & 15;
}

static unsigned shape_of(uint64_t word) {
    return (word >> 8) & 15;
}

static size_t unit_of(uint64_t word) {
    return (size_t)1 << ((word >> 12) & 15);
}

static size_t length_of(uint64_t word) {
    return (word >> 16) & 0x7fff;
}

/* The bits of the mask that stand for a unit; what a mask register has above them says nothing. */
static uint64_t mask_of(const struct registers *registers) {
    uint64_t word = registers->word;
    size_t units =
        shape_of(word) == CALLOUT_SCATTERED ? detail_of(word) + 1 : length_of(word) / unit_of(word);
    return units >= 64 ? registers->rsi : registers->rsi & (((uint64_t)1 << units) - 1);
}

/* [*address, +length), which the instruction stays in. */
static size_t span(const struct registers *registers, uintptr_t *address) {
    uint64_t word = registers->word;
    size_t unit = unit_of(word);
    uint64_t mask = mask_of(registers);
    *address = registers->rdi;
    if (kind_of(word) == CALLOUT_CLZERO)
        *address = align_down(*address, LINE);
    switch (shape_of(word)) {
    case CALLOUT_WHOLE:
        return length_of(word);
    case CALLOUT_MASKED:
        return mask == 0 ? 0 : (64 - (size_t)__builtin_clzll(mask)) * unit;
    case CALLOUT_PACKED: {
        size_t units = 0;
        for (; mask != 0; mask &= mask - 1)
            units++;
        return units * unit;
    }
    case CALLOUT_REPEATED:
        if ((registers->flags & FLAG_DIRECTION) != 0 && registers->rsi != 0)
            *address -= (registers->rsi - 1) * unit;
        return registers->rsi * unit;
    case CALLOUT_SCATTERED:
        *address = 0;
        return mask == 0 ? 0 : SIZE_MAX;
    default:
        *address = 0;
        return 0;
    }
}

/* CPUID is slow under a hypervisor, and the answer never changes: several threads may ask at
   once. */
static enum saving choose_saving(void) {
    static enum saving chosen;
    enum saving saving = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (LIKELY(saving != SAVING_NOT))
        return saving;
    unsigned a, b, c, d;
    saving = SAVING_FXSAVE;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE) != 0) {
        saving = SAVING_XSAVE;
        if (__get_cpuid_count(13, 1, &a, &b, &c, &d) && (a & bit_XSAVEC) != 0)
            saving = SAVING_XSAVEC;
    }
    __atomic_store_n(&chosen, saving, __ATOMIC_RELAXED);
    return saving;
}

/* enum saving: SAVING_NOT if the runtime need not be told. */
unsigned callout_wanted(const struct registers *registers) {
    uint64_t word = registers->word;
    uintptr_t address;
    size_t length = span(registers, &address);
    unsigned kind = kind_of(word);
    if (length == 0 && kind >= CALLOUT_STREAM)
        return SAVING_NOT; /* every bit of its mask is clear */
    return hook_callout_concerns(kind, address, length) ? choose_saving() : SAVING_NOT;
}

static void deliver_masked(const struct registers *registers, struct callout *callout) {
    size_t unit = unit_of(registers->word);
    uint64_t bits = mask_of(registers);
    while (bits != 0) {
        unsigned first = (unsigned)__builtin_ctzll(bits);
        uint64_t rest = ~(bits >> first);
        unsigned count = rest == 0 ? 64 : (unsigned)__builtin_ctzll(rest);
        callout->address = registers->rdi + first * unit;
        callout->length = count * unit;
        hook_callout(callout);
        if (first + count >= 64)
            return;
        bits &= ~(uint64_t)0 << (first + count);
    }
}

static void deliver_scattered(const struct registers *registers, struct callout *callout) {
    size_t scale = length_of(registers->word);
    bool wide = (scale & CALLOUT_WIDE) != 0;
    scale &= CALLOUT_WIDE - 1;
    callout->detail = 0;
    callout->length = unit_of(registers->word);
    for (uint64_t bits = mask_of(registers); bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits) & 15;
        int64_t index = wide ? registers->indexes.wide[i & 7] : registers->indexes.narrow[i];
        callout->address = registers->rdi + (uint64_t)index * scale;
        hook_callout(callout);
    }
}

void callout_deliver(const struct registers *registers) {
    uint64_t word = registers->word;
    unsigned shape = shape_of(word);
    size_t frame = shape == CALLOUT_SCATTERED ? CALLOUT_SCATTER_FRAME : CALLOUT_FRAME;
    struct callout callout = {
        .kind = kind_of(word),
        .detail = detail_of(word),
        .pc = registers->pc,
        .stack = (const char *)&registers->word + frame,
        .frame = (const void *)registers->rbp,
    };
    if (shape == CALLOUT_MASKED) {
        deliver_masked(registers, &callout);
    } else if (shape == CALLOUT_SCATTERED) {
        deliver_scattered(registers, &callout);
    } else {
        callout.length = span(registers, &callout.address);
        hook_callout(&callout);
    }
}
