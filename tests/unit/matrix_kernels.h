/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernels, and around each a function that marks what it made durable: for test_api_matrix.c,
   which has the marks. */
#ifndef UNIT_MATRIX_KERNELS_H
#define UNIT_MATRIX_KERNELS_H

#include "isa/isa.h"

#define WRAPPED(type, name, ...)                                                                   \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAPPED(enum fault, isa_write_back, enum isa_flush how, const void *address, size_t length,
        uint32_t line);
WRAPPED(void, isa_fence, void);
WRAPPED(enum fault, isa_stream_words, uint64_t *destination, const void *from, size_t count);
WRAPPED(enum fault, isa_stream_fill, uint64_t *destination, uint64_t value, size_t count);
WRAPPED(enum fault, isa_copy_back, void *destination, const void *from, size_t length);
WRAPPED(enum fault, isa_fill_back, void *destination, uint64_t pattern, size_t length);
WRAPPED(enum fault, isa_copy_direct, void *destination, const void *from, size_t length);
WRAPPED(enum fault, isa_fill_direct, void *destination, uint64_t pattern, size_t length);
WRAPPED(enum fault, isa_copy_lines, enum isa_lines how, enum isa_vector vector, void *destination,
        const void *from, size_t count);
WRAPPED(enum fault, isa_fill_lines, enum isa_lines how, enum isa_vector vector, void *destination,
        uint64_t pattern, size_t count);

enum fault __wrap_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line) {
    seen.write_backs++;
    if (length == 0)
        return FAULT_NONE;
    assert_int_equal(how, choice.flush);
    assert_int_equal(line, choice.line_size);
    uintptr_t first = align_down((uintptr_t)address, line);
    uintptr_t end = align_up((uintptr_t)address + length, line);
    seen.lines += (end - first) / line;
    enum fault fault = __real_isa_write_back(how, address, length, line);
    mark(seen.started, first, end - first);
    return fault;
}

UNWATCHED void __wrap_isa_fence(void) {
    seen.fences++;
    __real_isa_fence();
    if (domain == MAP_DOMAIN_CPU_CACHE)
        mark(seen.started, (uintptr_t)area, AREA);
    for (size_t i = seen.start; i < seen.start + seen.length; i++)
        seen.durable[i] |= seen.started[i];
}

enum fault __wrap_isa_stream_words(uint64_t *destination, const void *from, size_t count) {
    seen.streams++;
    return __real_isa_stream_words(destination, from, count);
}

enum fault __wrap_isa_stream_fill(uint64_t *destination, uint64_t value, size_t count) {
    seen.streams++;
    return __real_isa_stream_fill(destination, value, count);
}

/* A kernel has written back, or stored directly, all lines of a range. */
static void see_range(void *destination, size_t length) {
    uintptr_t first = align_down((uintptr_t)destination, 64);
    uintptr_t end = align_up((uintptr_t)destination + length, 64);
    assert_true(choice.lines && length > 0);
    seen.lines += (end - first) / 64;
    mark(seen.started, first, end - first);
}

enum fault __wrap_isa_copy_back(void *destination, const void *from, size_t length) {
    enum fault fault = __real_isa_copy_back(destination, from, length);
    see_range(destination, length);
    return fault;
}

enum fault __wrap_isa_fill_back(void *destination, uint64_t pattern, size_t length) {
    enum fault fault = __real_isa_fill_back(destination, pattern, length);
    see_range(destination, length);
    return fault;
}

enum fault __wrap_isa_copy_direct(void *destination, const void *from, size_t length) {
    assert_true(choice.direct);
    seen.directs++;
    enum fault fault = __real_isa_copy_direct(destination, from, length);
    see_range(destination, length);
    return fault;
}

enum fault __wrap_isa_fill_direct(void *destination, uint64_t pattern, size_t length) {
    assert_true(choice.direct);
    seen.directs++;
    enum fault fault = __real_isa_fill_direct(destination, pattern, length);
    see_range(destination, length);
    return fault;
}

static void see_lines(enum isa_lines how, void *destination, size_t count) {
    assert_true(is_aligned((uintptr_t)destination, 64));
    seen.streams += how == ISA_LINES_STREAM_BACK || how == ISA_LINES_STREAM;
    if (how == ISA_LINES_STREAM_BACK || how == ISA_LINES_STREAM)
        assert_int_equal(how == ISA_LINES_STREAM, choice.past);
    if (how == ISA_LINES_CACHED)
        return;
    assert_true(choice.lines);
    seen.lines += count;
    mark(seen.started, (uintptr_t)destination, count * 64);
}

enum fault __wrap_isa_copy_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                                 const void *from, size_t count) {
    enum fault fault = __real_isa_copy_lines(how, vector, destination, from, count);
    see_lines(how, destination, count);
    return fault;
}

enum fault __wrap_isa_fill_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                                 uint64_t pattern, size_t count) {
    enum fault fault = __real_isa_fill_lines(how, vector, destination, pattern, count);
    see_lines(how, destination, count);
    return fault;
}

#endif
