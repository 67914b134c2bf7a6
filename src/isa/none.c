/* SPDX-License-Identifier: BSD-2-Clause */
/* isa.h for a CPU whose write-back instructions are not known here: it has no feature, so
   isa_choose gives no instruction and no one calls for one. A write-back that does nothing would be
   a lie about durability; it stops the program instead, should that ever be broken. */
#include "isa/isa.h"

uint32_t isa_features(void) {
    return 0;
}

uint32_t isa_line_size(void) {
    return 64;
}

void isa_write_back(enum isa_flush how, const void *address, size_t length, uint32_t line_size) {
    (void)address, (void)line_size;
    if (how != ISA_FLUSH_NONE && length != 0)
        __builtin_trap();
}

void isa_fence(void) {
    __sync_synchronize();
}

void isa_stream_words(uint64_t *destination, const void *source, size_t count) {
    (void)destination, (void)source, (void)count;
    __builtin_trap();
}

void isa_stream_fill(uint64_t *destination, uint64_t value, size_t count) {
    (void)destination, (void)value, (void)count;
    __builtin_trap();
}

void isa_direct_words(uint64_t *destination, const void *source, size_t count) {
    (void)destination, (void)source, (void)count;
    __builtin_trap();
}

void isa_direct_fill(uint64_t *destination, uint64_t value, size_t count) {
    (void)destination, (void)value, (void)count;
    __builtin_trap();
}
