/* SPDX-License-Identifier: BSD-2-Clause */
/* isa.h for a CPU whose write-back instructions are not known here: it has no feature, so
   isa_choose gives no instruction and no one calls for one. A write-back that does nothing would be
   a lie about durability; it stops the program instead, should that ever be broken. */
#include "isa/isa.h"

uint32_t isa_features(void) {
    return 0;
}

uint32_t isa_cpu(void) {
    return 0;
}

uint32_t isa_line_size(void) {
    return 64;
}

bool isa_streams_are_durable(void) {
    return false;
}

enum fault isa_write_back(enum isa_flush how, const void *address, size_t length,
                          uint32_t line_size) {
    (void)address, (void)line_size;
    if (how != ISA_FLUSH_NONE && length != 0)
        __builtin_trap();
    return FAULT_NONE;
}

void isa_fence(void) {
    __sync_synchronize();
}

/* ISA_KERNELS is 0 and no feature says that one of these may be called. */
const char isa_kernels_begin[1], isa_kernels_end[1], isa_kernels_pad[1];

enum fault isa_copy_up(void *destination, const void *source, size_t length) {
    (void)destination, (void)source, (void)length;
    __builtin_trap();
}

enum fault isa_copy_down(void *destination, const void *source, size_t length) {
    (void)destination, (void)source, (void)length;
    __builtin_trap();
}

enum fault isa_fill(void *destination, uint64_t pattern, size_t length) {
    (void)destination, (void)pattern, (void)length;
    __builtin_trap();
}

struct os_guarded isa_guarded(void) {
    return (struct os_guarded){0};
}

enum fault isa_copy_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          const void *source, size_t count) {
    (void)how, (void)vector, (void)destination, (void)source, (void)count;
    __builtin_trap();
}

enum fault isa_fill_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          uint64_t pattern, size_t count) {
    (void)how, (void)vector, (void)destination, (void)pattern, (void)count;
    __builtin_trap();
}

enum fault isa_touch(void *address) {
    __atomic_fetch_or((char *)address, 0, __ATOMIC_RELAXED);
    return FAULT_NONE;
}

enum fault isa_stream_words(uint64_t *destination, const void *source, size_t count) {
    (void)destination, (void)source, (void)count;
    __builtin_trap();
}

enum fault isa_stream_fill(uint64_t *destination, uint64_t value, size_t count) {
    (void)destination, (void)value, (void)count;
    __builtin_trap();
}

enum fault isa_copy_back(void *destination, const void *source, size_t length) {
    (void)destination, (void)source, (void)length;
    __builtin_trap();
}

enum fault isa_fill_back(void *destination, uint64_t pattern, size_t length) {
    (void)destination, (void)pattern, (void)length;
    __builtin_trap();
}

enum fault isa_copy_direct(void *destination, const void *source, size_t length) {
    (void)destination, (void)source, (void)length;
    __builtin_trap();
}

enum fault isa_fill_direct(void *destination, uint64_t pattern, size_t length) {
    (void)destination, (void)pattern, (void)length;
    __builtin_trap();
}
