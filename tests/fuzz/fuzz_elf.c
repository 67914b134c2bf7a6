/* SPDX-License-Identifier: BSD-2-Clause */
/* Symbols out of damaged files. Input: a number of addresses, each of them, the file. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "verify/collect.h"
#include "verify/symbols.h"

#define ADDRESSES_MAX 8

static int descriptor = -1;

static void write_file(const uint8_t *data, size_t size) {
    if (descriptor < 0)
        descriptor = memfd_create("fuzz_elf", MFD_CLOEXEC);
    FUZZ_CHECK(descriptor >= 0 && ftruncate(descriptor, 0) == 0);
    FUZZ_CHECK(pwrite(descriptor, data, size, 0) == (ssize_t)size);
}

static void check_stack(const struct source_stack *stack, const char *path, uint64_t offset) {
    FUZZ_CHECK(stack->count > 0);
    for (size_t i = 0; i < stack->count; i++) {
        const struct source_frame *frame = &stack->frames[i];
        FUZZ_CHECK(strcmp(frame->module, path) == 0 && frame->offset == offset);
        FUZZ_CHECK(frame->line >= 0 && frame->inlined == (i + 1 < stack->count));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    uint64_t addresses[ADDRESSES_MAX];
    size_t count = 1 + fuzz_byte(&input) % ADDRESSES_MAX;
    char path[64];
    for (size_t i = 0; i < count; i++)
        addresses[i] = fuzz_number(&input, 4);
    write_file(input.at, (size_t)(input.end - input.at));
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    struct symbols *symbols = symbols_open();
    FUZZ_CHECK(symbols != NULL);
    for (size_t i = 0; i < count; i++) {
        struct source_stack stack = {0};
        FUZZ_CHECK(symbols_append(symbols, path, NULL, 0, addresses[i], &stack));
        check_stack(&stack, path, addresses[i]);
        verify_free_stack(&stack);
    }
    symbols_close(symbols);
    return 0;
}
