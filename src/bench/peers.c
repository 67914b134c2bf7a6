/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/peers.h"

#include <dlfcn.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

struct peers_libpmem peers_libpmem;
struct isa_choice peers_choice;

/* A data pointer of dlsym as the function that it is. */
static bool find(void *library, const char *name, void *function) {
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

const char *peers_load_libpmem(void) {
    if (peers_libpmem.flush != NULL)
        return NULL;
    void *library = dlopen("libpmem.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return dlerror();
    struct peers_libpmem found;
    if (!find(library, "pmem_flush", &found.flush) || !find(library, "pmem_drain", &found.drain) ||
        !find(library, "pmem_persist", &found.persist) ||
        !find(library, "pmem_msync", &found.msync) || !find(library, "pmem_memcpy", &found.copy) ||
        !find(library, "pmem_memset", &found.fill))
        return "it lacks a function";
    peers_libpmem = found;
    return NULL;
}

#define LINE ((size_t)64)
/* From so many bytes on streaming stores are faster, alone where that is enough, and else with the
   write-back of so many lines at a time, once they have left the buffers that combine such
   stores. */
#define STREAMS_FROM ((size_t)4096)
#define STREAMS_ALONE_FROM ((size_t)640)
#define BURST (16 * LINE)

static void claim(const char *at, size_t length) {
#if defined(__x86_64__)
    const char *line = (const char *)((uintptr_t)at & ~(uintptr_t)(LINE - 1));
    for (; line < at + length; line += LINE)
        __asm__ volatile("prefetchw (%0)" ::"r"(line));
#endif
    (void)at, (void)length;
}

/* pre: to is aligned to a line */
static void store_line(char *to, const char *from, bool streams) {
#if defined(__x86_64__)
    for (size_t i = 0; streams && i < LINE; i += 16)
        _mm_stream_si128((__m128i *)(void *)(to + i),
                         _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
    if (streams)
        return;
#endif
    memcpy(to, from, LINE);
}

static void copy_streaming_back(char *to, const char *from, size_t length) {
    const bool streams = length >= STREAMS_FROM;
    const size_t behind = streams ? 2 * BURST : LINE, burst = streams ? BURST : LINE;
    size_t head = -(uintptr_t)to & (LINE - 1);
    if (head > length)
        head = length;
    memcpy(to, from, head);
    char *back = to - (uintptr_t)to % LINE;
    to += head, from += head, length -= head;
    for (; length >= LINE; to += LINE, from += LINE, length -= LINE) {
        store_line(to, from, streams);
        if ((size_t)(to + LINE - back) < behind)
            continue;
        peers_flush(back, burst);
        back += burst;
    }
    memcpy(to, from, length);
    peers_flush(back, (size_t)(to - back) + length);
}

/* Lines past the cache and nothing more, while those of the ends come to it. */
static void copy_past(char *to, const char *from, size_t length) {
    size_t head = -(uintptr_t)to & (LINE - 1), tail = ((uintptr_t)to + length) & (LINE - 1);
    claim(to, head);
    claim(to + length - tail, tail);
    for (size_t at = head; at < length - tail; at += LINE)
        store_line(to + at, from + at, true);
    memcpy(to, from, head);
    memcpy(to + length - tail, from + length - tail, tail);
    peers_flush(to, head);
    peers_flush(to + length - tail, tail);
}

/* One line, directly. pre: to is aligned to a line */
static inline void store_directly(char *to, const char *from) {
#if defined(__x86_64__)
    __asm__ volatile("movdir64b (%1), %0" ::"r"(to), "r"(from) : "memory");
#endif
    (void)to, (void)from;
}

/* Lines directly, or one aligned word; else, and at the ends, through the cache. */
static void copy_direct(char *to, const char *from, size_t length) {
    if (length == 8 && (uintptr_t)to % 8 == 0) {
        isa_copy_direct(to, from, length);
        return;
    }
    size_t head = -(uintptr_t)to & (LINE - 1), tail = ((uintptr_t)to + length) & (LINE - 1);
    if (length < LINE + head + tail || ((head | tail) != 0 && length < 2 * LINE + head + tail)) {
        memcpy(to, from, length);
        peers_flush(to, length);
        return;
    }
    memcpy(to, from, head);
    memcpy(to + length - tail, from + length - tail, tail);
    peers_flush(to, head);
    peers_flush(to + length - tail, tail);
    for (size_t at = head; at < length - tail; at += LINE)
        store_directly(to + at, from + at);
}

/* Lines that are claimed before they are stored, and written back behind. */
static void copy_claimed(char *to, const char *from, size_t length) {
    claim(to, length);
    memcpy(to, from, length);
    peers_flush(to, length);
}

void peers_copy_back(char *to, const char *from, size_t length) {
    if (peers_choice.direct) {
        copy_direct(to, from, length);
        return;
    }
    if (peers_choice.past && length >= STREAMS_ALONE_FROM) {
        copy_past(to, from, length);
        return;
    }
    if (peers_choice.past) {
        copy_claimed(to, from, length);
        return;
    }
    copy_streaming_back(to, from, length);
}

void peers_stream(char *to, const char *from, size_t length) {
#if defined(__x86_64__)
    for (; length >= 64 && (uintptr_t)to % 16 == 0; to += 64, from += 64, length -= 64) {
        for (unsigned i = 0; i < 64; i += 16)
            _mm_stream_si128((__m128i *)(void *)(to + i),
                             _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
    }
    for (; length >= 8; to += 8, from += 8, length -= 8) {
        long long word;
        memcpy(&word, from, sizeof word);
        _mm_stream_si64((long long *)(void *)to, word);
    }
#endif
    memcpy(to, from, length);
}

void peers_zero(char *to, size_t length) {
    static const _Alignas(64) char zeros[LINE];
    for (size_t at = 0; peers_choice.past && at + LINE <= length; at += LINE)
        store_line(to + at, zeros, true);
    for (size_t at = 0; peers_choice.direct && at + LINE <= length; at += LINE)
        store_directly(to + at, zeros);
    if (!peers_choice.past && !peers_choice.direct)
        peers_flush(to, length);
}
