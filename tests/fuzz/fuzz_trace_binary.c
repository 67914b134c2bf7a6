/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary form. The first byte says what the others are: a file as it is, or what one block of a
   file holds, since hardly any change of a file leaves its checksums right. */
#include <zstd.h>

#include "trace/binary.h"
#include "trace_forms.h"

static void put_word(uint8_t *at, size_t word) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> 8 * i);
}

/* A file of one block. */
static struct form wrap(const uint8_t *data, size_t size) {
    size_t room = ZSTD_compressBound(size), head = BINARY_MAGIC_SIZE + BINARY_BLOCK_HEAD;
    uint8_t *file = malloc(head + room);
    FUZZ_CHECK(file != NULL);
    size_t frame = ZSTD_compress(file + head, room, data, size, 1);
    FUZZ_CHECK(!ZSTD_isError(frame));
    memcpy(file, BINARY_MAGIC, BINARY_MAGIC_SIZE);
    put_word(file + BINARY_MAGIC_SIZE, BINARY_BLOCK);
    put_word(file + BINARY_MAGIC_SIZE + 4, frame);
    put_word(file + BINARY_MAGIC_SIZE + 8, size);
    return (struct form){(char *)file, head + frame};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct form file = {(char *)(uintptr_t)(data + 1), size - 1};
    bool wrapped = (data[0] & 1) != 0;
    if (wrapped)
        file = wrap(data + 1, size - 1);
    FILE *stream = form_stream(&file);
    form_check(trace_read(stream));
    fclose(stream);
    if (wrapped)
        free(file.bytes);
    return 0;
}
