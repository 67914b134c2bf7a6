/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recorded FILE [kill]: does one thing of each kind to its region, by instructions and by routines,
 * with two threads that hand a word over; in the end it may kill itself.
 */
#include <immintrin.h>
#include <nvrtl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct layout {
    uint64_t word, other, spare[6];
    char text[64];
    uint64_t counter, streamed, spare_too[6];
    uint64_t handed, taken;
};

static NvRtlMapping mapping;
static struct layout *layout;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready;

static void *take(void *unused) {
    int is_ready = 0;
    while (!is_ready) {
        pthread_mutex_lock(&lock);
        is_ready = ready;
        pthread_mutex_unlock(&lock);
    }
    *(volatile uint64_t *)&layout->taken = *(volatile uint64_t *)&layout->handed + 1;
    return unused;
}

static void hand_over(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, take, NULL);
    pthread_mutex_lock(&lock);
    *(volatile uint64_t *)&layout->handed = 41;
    ready = 1;
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    if (argc < 2 || NvRtlMapFile(argv[1], 0, 8192, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    layout = mapping.base;
    NvRtlVerifierMark(mapping.token, NVRTL_OP_BEGIN, 7, "first");
    *(volatile uint64_t *)&layout->word = 0x1122334455667788;
    *(volatile uint64_t *)&layout->word = 5;
    _mm_clflush(&layout->word);
    memcpy(layout->text, argv[0], 3);
    RtlFlushNonVolatileMemory(mapping.token, layout->text, 3, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    _mm_sfence();
    __atomic_fetch_add(&layout->counter, 3, __ATOMIC_SEQ_CST);
    _mm_stream_si64((long long *)&layout->streamed, 9);
    RtlDrainNonVolatileFlush(mapping.token);
    NvRtlVerifierMark(mapping.token, NVRTL_OP_ACK, 7, NULL);
    hand_over();
    msync(mapping.base, 4096, MS_SYNC);
    RtlFillNonVolatileMemory(mapping.token, layout->spare, 16, 0xab, 0);
    if (argc > 2)
        raise(SIGKILL);
    NvRtlUnmapFile(&mapping);
    return 0;
}
