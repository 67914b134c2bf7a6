/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/content.h"

#include <sys/uio.h>
#include <unistd.h>

#define LINE_WORDS (MODEL_LINE_SIZE / sizeof(uint64_t))

static uint64_t hash_line(const volatile uint64_t *words) {
    uint64_t hash = 0;
    for (size_t i = 0; i < LINE_WORDS; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return hash;
}

void content_remember(struct model_page *page, uint32_t from, uint32_t to, uintptr_t address) {
    for (uint32_t l = from / MODEL_LINE_SIZE; l * MODEL_LINE_SIZE < to; l++)
        page->line[l].content =
            hash_line((const volatile uint64_t *)(address + l * MODEL_LINE_SIZE));
}

bool content_changed(struct model_line *line, uintptr_t address) {
    uint64_t words[LINE_WORDS];
    const struct iovec to = {words, sizeof words};
    const struct iovec from = {(void *)address, sizeof words};
    /* Not by a load: the program may flush what it has truncated or unmapped, and gets a status. */
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)sizeof words)
        return true;
    uint64_t content = hash_line(words);
    bool changed = content != line->content;
    line->content = content;
    return changed;
}
