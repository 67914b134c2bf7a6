/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuzz target is a function of bytes. It returns, or it says what is wrong and aborts. With a
   fuzzer it is called by libFuzzer, in the tests by replay.c with the files of a corpus. It must
   depend on nothing but the bytes, and leave nothing behind. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: this is not so: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The bytes as choices; behind the last one every choice is 0. */
struct fuzz_input {
    const uint8_t *at, *end;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size) {
    return (struct fuzz_input){data, data + size};
}

static inline bool fuzz_more(const struct fuzz_input *input) {
    return input->at < input->end;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input) {
    return fuzz_more(input) ? *input->at++ : 0;
}

/* A little-endian number of so many bytes, at most 8. */
static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes) {
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t)fuzz_byte(input) << (8 * i);
    return number;
}

/* Up to count bytes into buffer; the rest of it is 0. */
static inline void fuzz_bytes(struct fuzz_input *input, void *buffer, size_t count) {
    size_t left = (size_t)(input->end - input->at);
    size_t taken = left < count ? left : count;
    memset(buffer, 0, count);
    if (taken > 0)
        memcpy(buffer, input->at, taken);
    input->at += taken;
}

/* The bytes up to the next one that is separator, or to the end, as a string in a block of exactly
   its size, so that a step beyond it is seen. The caller frees it. */
static inline char *fuzz_string(struct fuzz_input *input, uint8_t separator) {
    size_t left = (size_t)(input->end - input->at);
    const uint8_t *end = left > 0 ? (const uint8_t *)memchr(input->at, separator, left) : NULL;
    size_t length = end != NULL ? (size_t)(end - input->at) : left;
    char *string = (char *)malloc(length + 1);
    FUZZ_CHECK(string != NULL);
    if (length > 0)
        memcpy(string, input->at, length);
    string[length] = '\0';
    input->at += length + (end != NULL);
    return string;
}

#endif
