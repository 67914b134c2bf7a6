/* SPDX-License-Identifier: BSD-2-Clause */
/* The atomic operations of the program, which its compiler leaves to the runtime: done, and told.
   Where the program asks for a weaker order than this, it gets more than it asked for; but what
   costs a locked instruction, and so drains, is exactly what does without the runtime. */
#include "hook/atomic.h"

#include "hook/hook.h"
#include "hook/sync.h"

/* As the program's code would have them: not one that is called for 16 bytes. */
static inline uint128_t load_128(const volatile uint128_t *at) {
    return __sync_val_compare_and_swap((volatile uint128_t *)at, 0, 0);
}

static inline uint128_t swap_128(volatile uint128_t *at, uint128_t expected, uint128_t value) {
    return __sync_val_compare_and_swap(at, expected, value);
}

#define WORD(bits)                                                                                 \
    static inline uint##bits##_t load_##bits(const volatile uint##bits##_t *at) {                  \
        return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                              \
    }                                                                                              \
    static inline uint##bits##_t swap_##bits(volatile uint##bits##_t *at, uint##bits##_t expected, \
                                             uint##bits##_t value) {                               \
        __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST,                 \
                                    __ATOMIC_SEQ_CST);                                             \
        return expected;                                                                           \
    }
WORD(8)
WORD(16)
WORD(32)
WORD(64)

/* A compare-exchange as the runtime has it done when nobody looks. */
struct swap {
    volatile void *at;
    uint128_t expected, value, found;
    size_t size;
    int order; /* if it succeeds; if not, it acquires as well */
};

static bool swap_now(void *context) {
    struct swap *swap = context;
#define SWAP(bits, bytes)                                                                          \
    if (swap->size == (bytes))                                                                     \
        swap->found = swap_##bits((volatile uint##bits##_t *)swap->at,                             \
                                  (uint##bits##_t)swap->expected, (uint##bits##_t)swap->value);
    ATOMIC_SIZES(SWAP)
    return swap->found == swap->expected;
}

/* Something changes memory that need not be a region's, and drains. */
APART static void tell_change(uintptr_t at, const void *site, size_t bytes) {
    const struct hook_act act = {.kind = regions_near(at) ? EVENT_RAW_STORE : EVENT_RAW_DRAIN,
                                 .effect = EFFECT_LOCKED,
                                 .address = at,
                                 .length = bytes,
                                 .site = site,
                                 .frame = HOOK_FRAME};
    hook_tell(&act);
}

APART static void tell_store(uintptr_t at, const void *site, size_t bytes) {
    hook_store(at, bytes, site, HOOK_FRAME);
}

/* Whether it stores is known when it is done, and others may see it then, and flush: so the runtime
   does it. */
APART static uint128_t swap_told(struct swap *swap, const void *site) {
    const struct hook_act act = {.kind = EVENT_RAW_STORE,
                                 .effect = EFFECT_LOCKED,
                                 .address = (uintptr_t)swap->at,
                                 .length = swap->size,
                                 .site = site,
                                 .frame = HOOK_FRAME};
    hook_attempt(&act, swap_now, swap, swap->order);
    return swap->found;
}

#define CHANGE(bits, bytes, name, becomes)                                                         \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile void *at, uint##bits##_t value,           \
                                                int order) {                                       \
        volatile uint##bits##_t *word = at;                                                        \
        uint##bits##_t found = load_##bits(word), before;                                          \
        hook_also_reads(at, bytes);                                                                \
        struct sync_point point = {NULL, NULL, order};                                             \
        if (UNLIKELY(hook_on)) {                                                                   \
            tell_change((uintptr_t)at, HOOK_SITE, bytes);                                          \
            sync_point_begin(&point, at, order);                                                   \
        }                                                                                          \
        do {                                                                                       \
            before = found;                                                                        \
            found = swap_##bits(word, before, (uint##bits##_t)(becomes));                          \
        } while (found != before);                                                                 \
        if (UNLIKELY(hook_on))                                                                     \
            sync_point_end(&point, false);                                                         \
        return found;                                                                              \
    }

#define COMPARE(bits, bytes)                                                                       \
    static inline uint##bits##_t compare_##bits(volatile void *at, uint##bits##_t expected,        \
                                                uint##bits##_t value, int order,                   \
                                                const void *site) {                                \
        struct swap swap = {at, expected, value, 0, bytes, order};                                 \
        if (UNLIKELY(hook_on))                                                                     \
            return (uint##bits##_t)swap_told(&swap, site);                                         \
        hook_also_reads(at, bytes);                                                                \
        return swap_##bits((volatile uint##bits##_t *)at, expected, value);                        \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile void *at, uint##bits##_t expected, uint##bits##_t value, int success,             \
        int failure) {                                                                             \
        (void)failure;                                                                             \
        return compare_##bits(at, expected, value, success, HOOK_SITE);                            \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(                                             \
        volatile void *at, void *expected, uint##bits##_t value, int success, int failure) {       \
        uint##bits##_t *wanted = expected, before = *wanted;                                       \
        (void)failure;                                                                             \
        *wanted = compare_##bits(at, before, value, success, HOOK_SITE);                           \
        return *wanted == before;                                                                  \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_weak(                                               \
        volatile void *at, void *expected, uint##bits##_t value, int success, int failure) {       \
        uint##bits##_t *wanted = expected, before = *wanted;                                       \
        (void)failure;                                                                             \
        *wanted = compare_##bits(at, before, value, success, HOOK_SITE);                           \
        return *wanted == before;                                                                  \
    }

/* A store in the strongest order is an exchange, or has a fence behind it. */
#define STORE(bits, bytes)                                                                         \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order) {                \
        hook_also_reads(at, bytes);                                                                \
        if (LIKELY(!hook_on || !sync_acquires(order)))                                             \
            return load_##bits((const volatile uint##bits##_t *)at);                               \
        struct sync_point point;                                                                   \
        sync_point_begin(&point, at, __ATOMIC_ACQUIRE);                                            \
        uint##bits##_t value = load_##bits((const volatile uint##bits##_t *)at);                   \
        sync_point_end(&point, false);                                                             \
        hook_reads_from(at, HOOK_SITE, bytes);                                                     \
        return value;                                                                              \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order) {         \
        volatile uint##bits##_t *word = at;                                                        \
        bool locked = order == __ATOMIC_SEQ_CST || (bytes) > sizeof(long);                         \
        if (UNLIKELY(hook_on) && locked)                                                           \
            tell_change((uintptr_t)at, HOOK_SITE, bytes);                                          \
        else if (UNLIKELY(regions_near((uintptr_t)at)))                                            \
            tell_store((uintptr_t)at, HOOK_SITE, bytes);                                           \
        struct sync_point point = {NULL, NULL, order};                                             \
        if (UNLIKELY(hook_on))                                                                     \
            sync_point_begin(&point, at, order);                                                   \
        store_##bits(word, value, locked);                                                         \
        if (UNLIKELY(hook_on))                                                                     \
            sync_point_end(&point, true);                                                          \
    }

#define STORE_WORD(bits)                                                                           \
    static inline void store_##bits(volatile uint##bits##_t *word, uint##bits##_t value,           \
                                    bool locked) {                                                 \
        if (locked)                                                                                \
            __atomic_store_n(word, value, __ATOMIC_SEQ_CST);                                       \
        else                                                                                       \
            __atomic_store_n(word, value, __ATOMIC_RELEASE);                                       \
    }
STORE_WORD(8)
STORE_WORD(16)
STORE_WORD(32)
STORE_WORD(64)

static inline void store_128(volatile uint128_t *word, uint128_t value, bool locked) {
    uint128_t found = load_128(word), before;
    (void)locked;
    do {
        before = found;
        found = swap_128(word, before, value);
    } while (found != before);
}

#define CHANGES(bits, bytes) ATOMIC_CHANGES(CHANGE, bits, bytes)
ATOMIC_SIZES(CHANGES)
ATOMIC_SIZES(COMPARE)
ATOMIC_SIZES(STORE)

APART static void tell_fence(const void *site) {
    const struct hook_act act = {.kind = EVENT_RAW_DRAIN, .site = site, .frame = HOOK_FRAME};
    hook_tell(&act);
}

/* Weaker fences are no instruction, where stores are kept in order. */
void __tsan_atomic_thread_fence(int order) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (order == __ATOMIC_SEQ_CST && UNLIKELY(hook_on))
        tell_fence(HOOK_SITE);
}

void __tsan_atomic_signal_fence(int order) {
    (void)order;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
