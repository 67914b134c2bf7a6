/* SPDX-License-Identifier: BSD-2-Clause */
/* What the call-outs share. Compilers, the assembler step and the linker put calls of them into the
   program; each returns at once, after one branch, unless a run is verified and it concerns a
   region.

   They run anywhere: before constructors, in signal handlers, in threads that are about to end.
   They keep errno. */
#ifndef HOOK_HOOK_H
#define HOOK_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "source/hooks.h"
#include "source/regions.h"

#define HOOK_EXPORT __attribute__((visibility("default")))
/* The name that others know it by. In C it has one of its own, for libc's headers know the other,
   and compilers what such a function does. */
#define HOOK_AS(name) __asm__(name)

/* Is this run verified, and are the hooks its source? Set once, by the first __tsan_init. */
extern bool hook_on;

/* Are its reads looked at? Set with it. */
extern bool hook_reads;

/* In place of a run: are the lines that it reads noted? What it stores counts as read, since some
   compilers do not tell of a load that a store to the same place follows. See base/reads.h. */
extern bool hook_traced;
/* pre: hook_traced */
void hook_read_traced(uintptr_t address, size_t length);

static inline void hook_also_reads(const volatile void *address, size_t length) {
    if (UNLIKELY(hook_traced))
        hook_read_traced((uintptr_t)address, length);
}

/* The first object with hooks was loaded. */
void hook_begin(void);

/* May any byte of a range lie in a region? pre: length > 0, or there is none */
static inline bool hook_concerns(uintptr_t address, size_t length) {
    uintptr_t last = address + (length - 1);
    return UNLIKELY(regions_near(address) || (length > 1 && regions_near(last)));
}

/* Something that the program does: what, and where in it. */
struct hook_act {
    uint32_t kind; /* EVENT_RAW_... */
    uint32_t effect;
    uintptr_t address;
    size_t length;
    const void *site;  /* return address of the call-out */
    const char *frame; /* stack pointer of who called it */
};

/* Tells of it, now or when the runtime can listen. */
void hook_tell(const struct hook_act *act);

/* The same for an atomic store that may come to nothing: attempt makes it, and says whether it
   did. */
void hook_attempt(const struct hook_act *act, hooks_attempt *attempt, void *context, int order);

/* The stack pointer of the caller, in a function that is called directly. */
#define HOOK_FRAME ((const char *)__builtin_frame_address(0) + 2 * sizeof(void *))
#define HOOK_SITE __builtin_return_address(0)

/* Does the runtime itself call libc here? Its own memory may lie between two regions. */
bool hook_is_own(const void *site);

/* A store that the program is about to make, or has made. pre: hook_concerns */
static inline void hook_store(uintptr_t address, size_t length, const void *site,
                              const char *frame) {
    const struct hook_act act = {.kind = EVENT_RAW_STORE,
                                 .address = address,
                                 .length = length,
                                 .site = site,
                                 .frame = frame};
    hook_tell(&act);
}

/* The same by a function of libc, or by instructions, which the compiler may have announced. */
void hook_copy(uintptr_t address, size_t length, const void *site, const char *frame);

/* libc, or the kernel, has stored so much. */
void hook_stored_told(uintptr_t to, const void *site, size_t size);

static inline void hook_stored(const void *to, size_t size, const void *site) {
    if (size != 0 && hook_concerns((uintptr_t)to, size))
        hook_stored_told((uintptr_t)to, site, size);
}

/* The program reads, or has read, [address, address + length). Jumped to, as what tells of stores.
   pre: hook_reads */
void hook_read_told(uintptr_t address, const void *site, size_t length);

static inline void hook_reads_from(const volatile void *address, const void *site, size_t length) {
    if (UNLIKELY(hook_reads) && length != 0 && hook_concerns((uintptr_t)address, length))
        hook_read_told((uintptr_t)address, site, length);
}

/* The compiler announces a copy; it may then call a function for it. */
void hook_announce(uintptr_t address, size_t length, const void *site, const char *frame);

/* The stack of a place, by the calls that code with hooks has told of. */
arena_id hook_stack(struct self *me, const void *site, const char *frame);

#endif
