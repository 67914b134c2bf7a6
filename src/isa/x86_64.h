/* SPDX-License-Identifier: BSD-2-Clause */
/* What an x86-64 CPU says about itself, as raw answers, so that tests can decode recorded ones. */
#ifndef ISA_X86_64_H
#define ISA_X86_64_H

#include <stdbool.h>
#include <stdint.h>

struct x86_64_leaf {
    uint32_t eax, ebx, ecx, edx;
};

/* CPUID leaves by number, subleaf 0, and XCR0: the register states that the system saves. A leaf
   above the highest of its group holds whatever the CPU gave; xcr0 is 0 without OSXSAVE. */
struct x86_64_raw {
    struct x86_64_leaf leaf_0, leaf_1, leaf_7, leaf_80000000, leaf_80000008;
    uint64_t xcr0;
};

/* The feature word. Pure. */
uint32_t isa_decode_features(const struct x86_64_raw *raw);

/* The line size in bytes; 64 where the CPU does not tell a usable one. Pure. */
uint32_t isa_decode_line_size(const struct x86_64_raw *raw);

/* Does the vendor document that a streaming store is durable at the next fence? Pure. */
bool isa_decode_streams(const struct x86_64_raw *raw);

#endif
