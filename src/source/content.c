/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/content.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
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
        page->content[l] =
            hash_line((const volatile uint64_t *)(address + (uintptr_t)l * MODEL_LINE_SIZE));
}

/* The program may flush what it has truncated or unmapped, and gets a status. The kernel reads the
   set of signals before it refuses what is to be done with it. This call, unlike process_vm_readv,
   is one that programs allow themselves, and containers too. */
bool content_readable(uintptr_t address) {
    return syscall(SYS_rt_sigprocmask, ~0L, address, NULL, sizeof(uint64_t)) != 0 &&
           errno == EINVAL;
}

bool content_changed(struct model_page *page, uint32_t line, uintptr_t address) {
    uint64_t content = hash_line((const volatile uint64_t *)address);
    bool changed = content != page->content[line];
    page->content[line] = content;
    return changed;
}
