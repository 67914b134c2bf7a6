/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of text files by lines, through a buffer of fixed size, from reads of any size. Input:
   the buffer's size, a pattern of read sizes up to a byte 0, the text. */
#include <errno.h>
#include <sys/types.h>

#include "fuzz.h"
#include "map/read.h"
#include "os/calls.h"

static struct {
    const char *text;
    size_t left;
    const char *pattern;
    size_t pattern_length, step;
    bool interrupted;
} file;

static int fake_open(const char *path, int flags, ...) {
    (void)path;
    (void)flags;
    return 77;
}

static ssize_t fake_read(int descriptor, void *buffer, size_t size) {
    FUZZ_CHECK(descriptor == 77 && size > 0);
    file.interrupted = !file.interrupted;
    if (file.interrupted) {
        errno = EINTR;
        return -1;
    }
    size_t wish = size;
    if (file.pattern_length > 0)
        wish = (unsigned char)file.pattern[file.step++ % file.pattern_length];
    size_t got = wish < size ? wish : size;
    got = got < file.left ? got : file.left;
    if (got > 0)
        memcpy(buffer, file.text, got);
    file.text += got;
    file.left -= got;
    return (ssize_t)got;
}

static int fake_close(int descriptor) {
    FUZZ_CHECK(descriptor == 77);
    return 0;
}

/* A line that fits comes whole. Of another its head comes, of half the buffer's size, and a tail of
   at least a quarter. */
static void check_line(struct map_span got, const char *line, size_t length, size_t size) {
    if (length < size) {
        FUZZ_CHECK(got.length == length && (length == 0 || memcmp(got.text, line, length) == 0));
        return;
    }
    size_t head = size / 2, tail = size / 4;
    FUZZ_CHECK(got.length <= size && got.length >= head + tail);
    FUZZ_CHECK(memcmp(got.text, line, head) == 0);
    FUZZ_CHECK(memcmp(got.text + got.length - tail, line + length - tail, tail) == 0);
}

static void check_text(const char *text, size_t size_of_text, char *buffer, size_t size) {
    struct map_lines lines;
    struct map_span line;
    FUZZ_CHECK(map_lines_open(&lines, "", buffer, size));
    for (size_t at = 0; at < size_of_text;) {
        const char *newline = (const char *)memchr(text + at, '\n', size_of_text - at);
        size_t length = newline != NULL ? (size_t)(newline - text) - at : size_of_text - at;
        FUZZ_CHECK(map_lines_next(&lines, &line));
        FUZZ_CHECK(line.text >= buffer && line.text + line.length <= buffer + size);
        check_line(line, text + at, length, size);
        at += length + 1;
    }
    FUZZ_CHECK(!map_lines_next(&lines, &line));
    map_lines_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    size_t buffer_size = 128 + fuzz_byte(&input);
    char *pattern = fuzz_string(&input, 0);
    char *buffer = (char *)malloc(buffer_size);
    size_t left = (size_t)(input.end - input.at);
    char *text = (char *)malloc(left + 1);
    FUZZ_CHECK(buffer != NULL && text != NULL);
    fuzz_bytes(&input, text, left);
    file.text = text;
    file.left = left;
    file.pattern = pattern;
    file.pattern_length = strlen(pattern);
    file.step = 0;
    file.interrupted = false;
    os_calls.open = fake_open;
    os_calls.read = fake_read;
    os_calls.close = fake_close;
    check_text(text, left, buffer, buffer_size);
    free(text);
    free(buffer);
    free(pattern);
    return 0;
}
