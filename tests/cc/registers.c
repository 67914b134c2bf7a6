/* SPDX-License-Identifier: BSD-2-Clause */
/* Call-outs change nothing: every register, the flags and the red zone are as they were, though the
   stub of the runtime changes all that a function may. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "stub.h"

struct registers {
    uint64_t general[16]; /* rax rbx rcx rdx rsi rdi rbp flags r8 ... r15 */
    uint32_t control, unused;
    double x87[2];
    uint64_t padding[5];
    uint8_t vectors[32][64];
    uint64_t masks[8];
};

extern int wide;
void registers_around(const struct registers *before, struct registers *after, void *to);

static struct registers before, after;
static char memory[4096] __attribute__((aligned(64)));

static int differ(const char *what, const void *one, const void *other, size_t length) {
    if (memcmp(one, other, length) == 0)
        return 0;
    printf("%s: changed\n", what);
    return 1;
}

static int compare(void) {
    int failures = 0;
    char name[32];
    before.general[15] = 0;
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "general register %d", i);
        failures += differ(name, &before.general[i], &after.general[i], 8);
    }
    failures += differ("mxcsr", &before.control, &after.control, 4);
    failures += differ("x87", before.x87, after.x87, sizeof before.x87);
    for (int i = 0; i < (wide ? 32 : 16); i++) {
        snprintf(name, sizeof name, "vector %d", i);
        failures += differ(name, before.vectors[i], after.vectors[i], wide ? 64 : 16);
    }
    if (wide)
        failures += differ("masks", before.masks, after.masks, sizeof before.masks);
    return failures;
}

int main(void) {
    static const uint64_t flags[] = {0x202, 0xad7, 0x646, 0x283};
    int failures = 0;
    wide = __builtin_cpu_supports("avx512bw");
    puts(wide ? "AVX-512" : "SSE alone: AVX-512 not run");
    stub_watch(memory, 64);
    stub_say("begin");
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 16; i++)
            before.general[i] = 0x1111111111111111u * i + round;
        before.general[5] = (uintptr_t)memory + 256;
        before.general[7] = flags[round];
        before.general[14] = (uintptr_t)memory;
        before.control = 0x1f80 | round << 13;
        before.x87[0] = 0.5 + round;
        before.x87[1] = -3.25;
        for (unsigned i = 0; i < sizeof before.vectors; i++)
            before.vectors[i / 64][i % 64] = (uint8_t)(i * 7 + round + i / 64);
        for (unsigned i = 0; i < 8; i++)
            before.masks[i] = 0x0123456789abcdefu * (i + 1) + round;
        registers_around(&before, &after, memory);
        failures += compare();
    }
    puts(failures == 0 ? "kept" : "broken");
    return failures != 0;
}
