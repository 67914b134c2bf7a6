/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker of test_nested.py: an account with a log of one entry. A commit word of 1 says that
 * the entry holds; recovery brings it into the balance and takes the commit word back. That can be
 * cut too. How it does so stands in the file:
 *
 *     0   the entry is the new balance; it is durable before the commit word goes    right
 *     1   the entry is added to the balance: not the same when it is done twice      wrong
 *     2   nothing waits for the balance before the commit word goes                  wrong
 *
 * Built with hooks it stores by itself, else by the routines.
 */
#include <nvrtl.h>
#include <nvrtl_crash.h>
#ifdef WITH_HOOKS
#include <immintrin.h>
#endif
#ifdef WITH_MAIN
#include <fcntl.h>
#include <sys/mman.h>
#endif

struct account {
    uint64_t how, spare[7];
    uint64_t commit, spare_too[7];
    uint64_t entry, spare_three[7];
    uint64_t balance, spare_four[7];
};

#ifdef WITH_HOOKS
static void put(volatile uint64_t *to, uint64_t value) {
    *to = value;
    _mm_clflushopt((void *)(uintptr_t)to);
}

static void wait_for_all(void) {
    _mm_sfence();
}

static int begin(const struct NvRtlCrashRegion *region) {
    (void)region;
    return 0;
}

static void end(void) {}
#define PUT(to, value) put(to, value)
#else
static void *token;

static void wait_for_all(void) {
    RtlDrainNonVolatileFlush(token);
}

static int begin(const struct NvRtlCrashRegion *region) {
    if (RtlGetNonVolatileToken(region->image, region->size, &token) != 0)
        return 1;
    NvRtlVerifierMark(token, NVRTL_OP_BEGIN, 99, NULL); /* none of the run's operations */
    return 0;
}

static void end(void) {
    RtlFreeNonVolatileToken(token);
}
#define PUT(to, value)                                                                             \
    RtlWriteNonVolatileMemory(token, to, &(const uint64_t){value}, 8, 0),                          \
        RtlFlushNonVolatileMemory(token, to, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN)
#endif

static void recover(struct account *account) {
    if (account->commit == 0)
        return;
    if (account->how == 1)
        PUT(&account->balance, account->balance + account->entry); /* at twice */
    else
        PUT(&account->balance, account->entry); /* missing too-early */
    if (account->how != 2)
        wait_for_all();
    PUT(&account->commit, 0); /* at too-early, missing twice */
    wait_for_all();
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    struct account *account = crash->regions[0].image;
    if (begin(&crash->regions[0]) != 0)
        return 9;
    recover(account);
    end();
    if (account->commit > 1)
        return 1;
    if (crash->begunCount > 1)
        return 4;
    if (crash->ackedCount != 0 && account->balance == 0)
        return 2;
    return account->balance != 0 && account->balance != 5 ? 3 : 0;
}

#ifdef WITH_MAIN
/* Recovery as a command, of the file that is named: 0, or 1 where it cannot be had. */
int main(int count, char **words) {
    int file = count > 1 ? open(words[1], O_RDWR | O_CLOEXEC) : -1;
    struct account *account =
        file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    const struct NvRtlCrashRegion region = {.image = account, .size = 4096};
    if (account == MAP_FAILED || begin(&region) != 0)
        return 1;
    recover(account);
    end();
    return 0;
}
#endif
