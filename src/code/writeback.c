/* SPDX-License-Identifier: BSD-2-Clause */
#include "code/writeback.h"

#include <elf.h>
#include <string.h>

/* x86-64, SDM vol. 2. What is compared with lies around the last byte of an opcode. */

static bool is_rex(uint8_t byte) {
    return (byte & 0xf0) == 0x40;
}

static bool is_in_memory(uint8_t modrm) {
    return modrm < 0xc0;
}

/* Has the opcode of so many bytes this prefix, with or without REX between? */
static bool has_prefix(const uint8_t *code, size_t at, size_t opcode, uint8_t prefix) {
    size_t before = at + 1 - opcode;
    if (before > 0 && is_rex(code[before - 1]))
        before--;
    return before > 0 && code[before - 1] == prefix;
}

/* `clflush (r); lock add x, (r)` is how OpenSSL times its bus: no program makes a line durable only
   to change it by the very next instruction. */
static bool is_timing(const uint8_t *code, size_t size, size_t at) {
    uint8_t modrm = code[at + 1], low = modrm & 7;
    const uint8_t *next = code + at + 2;
    size_t left = size - at - 2;
    if (modrm >= 0x40 || low == 4 || low == 5 || left < 4 || next[0] != 0xf0)
        return false;
    next += is_rex(next[1]) ? 2 : 1;
    return next[0] == 0x01 && next[1] < 0x40 && (next[1] & 7) == low;
}

/* 0f ae /7: clflush, and with 66 clflushopt; 66 0f ae /6: clwb. */
static const char *flush_at(const uint8_t *code, size_t size, size_t at) {
    if (at < 1 || at + 1 >= size || code[at - 1] != 0x0f || !is_in_memory(code[at + 1]))
        return NULL;
    bool prefixed = has_prefix(code, at, 2, 0x66);
    switch (code[at + 1] >> 3 & 7) {
    case 7:
        return is_timing(code, size, at) ? NULL : prefixed ? "clflushopt" : "clflush";
    case 6:
        return prefixed ? "clwb" : NULL;
    default:
        return NULL;
    }
}

/* Is the opcode one of VEX or EVEX in the map of 0f, with one of the prefixes (a set of bits; bit
   0: none, bit 1: 66) and no operands but a register and memory? Each bit counts that has one value
   alone there: `mov %r12, %rdi` behind `add %rax, %r12` holds c4 and e7 too, two bytes apart. Short
   VEX with an upper register is left out, since `mov %eax, %ebp; jl` looks like it: code that
   streams from those streams from lower ones first. */
static bool is_vector_move(const uint8_t *code, size_t at, unsigned prefixes) {
    uint8_t last = code[at - 1];
    bool one_source = (last & 0x78) == 0x78 && (prefixes >> (last & 3) & 1) != 0;
    if (one_source && code[at - 2] == 0xc5)
        return (last & 0x80) != 0;
    if (one_source && at >= 3 && code[at - 3] == 0xc4)
        return (code[at - 2] & 0x1f) == 1;
    if (at < 4 || code[at - 4] != 0x62)
        return false;
    uint8_t map = code[at - 3] & 0x0f, source = code[at - 2] & 0x7c, mask = last & 0x9f;
    return map == 1 && source == 0x7c && (prefixes >> (code[at - 2] & 3) & 1) != 0 && mask == 0x08;
}

/* 66 0f e7, and by VEX and EVEX: movntdq. */
static bool is_movntdq(const uint8_t *code, size_t at) {
    if (code[at - 1] == 0x0f)
        return has_prefix(code, at, 2, 0x66);
    return is_vector_move(code, at, 1U << 1);
}

/* 66 0f 2b, and by VEX and EVEX: movntpd, and movntps there. */
static bool is_movntpd(const uint8_t *code, size_t at) {
    if (code[at - 1] == 0x0f)
        return has_prefix(code, at, 2, 0x66);
    return is_vector_move(code, at, 1U << 0 | 1U << 1);
}

/* Stores past the cache, and direct ones. Of movnti the form with 8 bytes alone: the two bytes of
   the other one are all over (and $15, %eax; ret). */
static const char *stream_at(const uint8_t *code, size_t size, size_t at) {
    if (at < 2 || at + 1 >= size || !is_in_memory(code[at + 1]))
        return NULL;
    switch (code[at]) {
    case 0xe7:
        return is_movntdq(code, at) ? "movntdq" : NULL;
    case 0xc3:
        return code[at - 1] == 0x0f && (code[at - 2] & 0xf8) == 0x48 ? "movnti" : NULL;
    case 0x2b:
        return is_movntpd(code, at) ? "movntpd" : NULL;
    case 0xf8:
        return code[at - 1] == 0x38 && code[at - 2] == 0x0f && has_prefix(code, at, 3, 0x66)
                   ? "movdir64b"
                   : NULL;
    case 0xf9:
        return code[at - 1] == 0x38 && code[at - 2] == 0x0f ? "movdiri" : NULL;
    default:
        return NULL;
    }
}

static bool find_x86_64(const uint8_t *code, size_t size, bool streams, size_t from,
                        struct writeback *found) {
    for (size_t at = from; at < size; at++) {
        if (!streams) {
            const uint8_t *next = memchr(code + at, 0xae, size - at);
            if (next == NULL)
                return false;
            at = (size_t)(next - code);
        }
        const char *name = code[at] == 0xae ? flush_at(code, size, at) : NULL;
        if (name == NULL && streams)
            name = stream_at(code, size, at);
        *found = (struct writeback){name, at};
        if (name != NULL)
            return true;
    }
    return false;
}

/* AArch64: SYS #3, C7, Cm, #1, Xt; Arm ARM, C5.3. */
static const char *clean_of(uint32_t word) {
    switch (word & ~UINT32_C(31)) {
    case 0xd50b7a20:
        return "dc cvac";
    case 0xd50b7c20:
        return "dc cvap";
    case 0xd50b7d20:
        return "dc cvadp";
    case 0xd50b7e20:
        return "dc civac";
    default:
        return NULL;
    }
}

static uint32_t word_at(const uint8_t *code) {
    return (uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 |
           (uint32_t)code[3] << 24;
}

static bool find_aarch64(const uint8_t *code, size_t size, size_t from, struct writeback *found) {
    for (size_t at = (from + 3) / 4 * 4; at + 4 <= size; at += 4) {
        *found = (struct writeback){clean_of(word_at(code + at)), at};
        if (found->name != NULL)
            return true;
    }
    return false;
}

bool writeback_find(const uint8_t *code, size_t size, unsigned machine, bool streams, size_t from,
                    struct writeback *found) {
    *found = (struct writeback){0};
    if (machine == EM_AARCH64)
        return find_aarch64(code, size, from, found);
    return machine == EM_X86_64 && find_x86_64(code, size, streams, from, found);
}

/* 0f ae f8: sfence; f0: mfence, which a prefix makes an instruction that waits. */
static const char *fence_x86_64(const uint8_t *code, size_t at) {
    static const uint8_t others[] = {0x66, 0xf2, 0xf3};
    if (code[at] != 0x0f || code[at + 1] != 0xae ||
        (at > 0 && memchr(others, code[at - 1], sizeof others) != NULL))
        return NULL;
    return code[at + 2] == 0xf8 ? "sfence" : code[at + 2] == 0xf0 ? "mfence" : NULL;
}

/* DSB with any option; Arm ARM, C6.2. */
static const char *fence_aarch64(uint32_t word) {
    return (word & ~UINT32_C(0xf00)) == 0xd503309f ? "dsb" : NULL;
}

bool writeback_find_fence(const uint8_t *code, size_t size, unsigned machine, size_t from,
                          struct writeback *found) {
    bool arm = machine == EM_AARCH64;
    size_t step = arm ? 4 : 1, width = arm ? 4 : 3;
    *found = (struct writeback){0};
    if (!arm && machine != EM_X86_64)
        return false;
    for (size_t at = (from + step - 1) / step * step; at + width <= size; at += step) {
        const char *name = arm ? fence_aarch64(word_at(code + at)) : fence_x86_64(code, at);
        *found = (struct writeback){name, arm ? at : at + 1};
        if (name != NULL)
            return true;
    }
    return false;
}

static bool is_prefix(uint8_t byte) {
    static const uint8_t prefixes[] = {0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3};
    return is_rex(byte) || memchr(prefixes, byte, sizeof prefixes) != NULL;
}

/* A call-out ends by giving back the frame that it took: leaq 152(%rsp), %rsp (src/as/emit.c). */
bool writeback_is_told(const uint8_t *code, const struct writeback *found) {
    static const uint8_t end[] = {0x48, 0x8d, 0xa4, 0x24, 152, 0, 0, 0};
    size_t at = found->at - 1;
    while (at > 0 && is_prefix(code[at - 1]))
        at--;
    return at >= sizeof end && memcmp(code + at - sizeof end, end, sizeof end) == 0;
}
