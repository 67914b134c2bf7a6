/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens are handles with generations, never addresses. A handle is looked up in a table whose
   memory is never given back, and a call copies out what it needs between two looks at the slot's
   state, so a lookup takes no lock, writes nothing and cannot fault, whatever value it is given and
   whoever frees the token meanwhile.
   Handle: 16 bits tag | 28 bits generation | 20 bits slot. The tag makes it no address that a
   program can have (not canonical on x86-64), so a handle that is dereferenced by mistake faults at
   once. */
#ifndef TOKEN_TOKEN_H
#define TOKEN_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/result.h"
#include "isa/isa.h"
#include "map/map.h"
#include "os/os.h"
#include "range/range.h"
#include "range/span.h"
#include "token/kin.h"
#include "token/settings.h"

#define TOKEN_INDEX_BITS 20
#define TOKEN_GENERATION_BITS 28
#define TOKEN_TAG 0x4E56u
#define TOKEN_LENGTH_MAX ((size_t)1 << 47)

/* Everything decided when the token was made, in one word that is read at once. */
struct token_operations {
    uint8_t domain;     /* enum map_domain */
    uint8_t flush;      /* enum isa_flush */
    uint8_t line_shift; /* log2 of the line size */
    uint8_t flags;      /* TOKEN_... */
    uint32_t file;      /* index of its struct token_file */
};
_Static_assert(sizeof(struct token_operations) == sizeof(uint64_t), "read as one word");

enum token_flag {
    TOKEN_STREAM = 1,     /* streaming stores may be used */
    TOKEN_INTERNAL = 4,   /* made for the default token */
    TOKEN_OVERRIDDEN = 8, /* NVRTL_DOMAIN chose the domain */
    TOKEN_EVERY = 16,     /* in a view only: stands for every token there is */
    TOKEN_LENT = 32,      /* in a view only: stands for the default token */
    TOKEN_DEFERS = 64,    /* flushes without a drain are remembered; set at any time */
};

/* What is told about a token and needed by no call. One for each slot, reused with it. */
struct token_text {
    char reason[MAP_REASON_SIZE];
    char path[MAP_PATH_SIZE];
};

/* Are there pages that were flushed with the default token? The first is set at any time, before
   and after its pages become pending; else they change under the flight lock. */
enum token_lent { TOKEN_LENT_PENDING = 1, TOKEN_LENT_IN_FLIGHT = 2 };

/* What a call must be able to rely on to go the short way, see token_quick. */
enum token_key {
    TOKEN_KEY_STORES, /* stores through the cache are all that a Write without flags is */
    TOKEN_KEY_LINES,  /* lines of 64 bytes, written back by clwb, are all that a flush is */
    TOKEN_KEY_DEFERS, /* a flush without a drain is remembered */
    TOKEN_KEYS
};

/* What is flushed of a token is kept as so many spans, which lie more than so many units apart, or
   are drained as one. */
#define TOKEN_SPANS 2
#define TOKEN_SPANS_NEAR 4096

/* One place of the table. state is generation * 2 + live; every other field changes only while the
   state says dead, by release stores. Two cache lines: neighbours never share one. */
struct token_slot {
    _Alignas(128) _Atomic uint64_t state;
    _Atomic uintptr_t base;
    _Atomic size_t length;
    _Atomic uintptr_t last;            /* byte of the region */
    _Atomic uint64_t keys[TOKEN_KEYS]; /* for each: the handle, or token_no_key */
    _Atomic uint64_t operations;       /* struct token_operations */
    /* page-cache: flushed and not yet drained; being drained, which a forked child does again */
    _Atomic span pending[TOKEN_SPANS], in_flight[TOKEN_SPANS];
    _Atomic uint64_t mapped_offset; /* TOKEN_INTERNAL: of its mapping, in the file */
    _Atomic uint8_t lent; /* page-cache: TOKEN_LENT_..., what was flushed with the default token */
    uint32_t next_free;   /* under the table's lock */
};

/* The threads that drain a file: how many have come, had come when the last drain began, and are to
   have come before the next one does (drain/gather.h). Hints: a wrong one costs time. */
struct token_crowd {
    _Atomic uint32_t arrived, begun, due;
    _Atomic bool gathers;     /* somebody waits for arrived to come to due */
    _Atomic uint32_t skips;   /* drains that are not to wait for others */
    _Atomic uint32_t in_vain; /* so many the next time that nobody comes */
    /* Of the last drain: the threads that it lets go; and if they are several when it began, and
       nanoseconds. Here, since a drain has little stack. */
    _Atomic uint32_t released;
    _Atomic uint64_t since, took;
};

/* One file, for as long as a token of it lives, and for good once its write-back failed or a token
   of it was freed between a flush and its drain. */
struct token_file {
    struct os_lock lock; /* held while its pages are drained */
    struct token_crowd crowd;
    _Atomic uint32_t failure;       /* enum result; RESULT_OK until a write-back fails */
    _Atomic uint64_t unsettled;     /* tokens of it that ended with pages flushed and not drained */
    struct kin_file *kin;           /* what other processes tell of it; changed with inode */
    _Atomic uint32_t heard;         /* their failures that a retry has made up for */
    _Atomic uint32_t deaths;        /* theirs, that a drain has made up for */
    _Atomic uint64_t left_behind;   /* mark of a write-back that this process was forked out of */
    _Atomic uint64_t forked_in;     /* the same, for the process that is being forked */
    _Atomic uint64_t begun;         /* drains of it, ever */
    _Atomic uint64_t settled;       /* the last of them that ended well, by its number */
    _Atomic uint64_t device, inode; /* changed under the table's lock */
    uint32_t tokens; /* under the table's lock; 0: may be reused, if there is nothing to remember */
};

struct token_table {
    struct token_slot *_Atomic slots; /* NULL before the first Get */
    struct token_file *files;
    struct token_text *texts;
    struct token_slot *_Atomic quick; /* slots, or a dead one before the first Get */
    _Atomic uint64_t quick_mask;      /* of the index of a handle */
    uint32_t capacity;                /* of all three; set, as they are, before slots */
    _Atomic uint32_t slots_used;      /* slots ever used: [0, slots_used) */
    _Atomic uint32_t files_used;
    _Atomic bool lost;              /* pages flushed with the default token cannot be waited for any
                                       more: their view was gone; told once */
    struct os_lock lock;            /* Get and Free */
    struct os_lock flight_lock;     /* a token ends, or a drain takes or gives back its pages */
    uint64_t moves;                 /* under that lock; see token_moves */
    uint32_t rests;                 /* slots in TOKEN_REST; under lock */
    uint32_t first_free;            /* slot index + 1 */
    struct isa_choice choice;       /* set with slots, and never changed */
    struct token_settings settings; /* likewise */
};
extern struct token_table token_table __attribute__((visibility("hidden")));
/* The place of every handle before the first Get. It holds no address. */
extern struct token_slot token_nowhere;

/* A live token as one call sees it. */
struct token_view {
    uintptr_t base;
    size_t length;
    struct token_operations operations;
    struct token_slot *slot;
    uint64_t state; /* of the slot when it was looked up */
};

/* In the state of a slot that outlives its token because some of its pages wait for a drain; no
   handle has it. */
#define TOKEN_REST (UINT64_C(1) << 62)
#define TOKEN_RESTS_MAX 256 /* more are given up, which a drain with the default token tells */

static inline bool token_is_rest(const struct token_view *view) {
    return (view->state & TOKEN_REST) != 0;
}

/* Is the token of this view still the one in its slot, alive? */
static inline bool token_lives(const struct token_view *view) {
    return atomic_load_explicit(&view->slot->state, memory_order_acquire) == view->state;
}

/* Copies the slot out; false unless it was alive, in that state, throughout. */
static inline bool token_read(struct token_slot *slot, uint64_t state, struct token_view *view) {
    if (UNLIKELY(atomic_load_explicit(&slot->state, memory_order_acquire) != state))
        return false;
    view->base = atomic_load_explicit(&slot->base, memory_order_acquire);
    view->length = atomic_load_explicit(&slot->length, memory_order_acquire);
    uint64_t operations = atomic_load_explicit(&slot->operations, memory_order_acquire);
    __builtin_memcpy(&view->operations, &operations, sizeof operations);
    view->slot = slot;
    view->state = state;
    return token_lives(view);
}

/* Looks a handle up; any value is safe. */
static inline bool token_find(uint64_t handle, struct token_view *view) {
    struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_acquire);
    uint32_t index = (uint32_t)handle & ((1u << TOKEN_INDEX_BITS) - 1);
    if (UNLIKELY(handle >> 48 != TOKEN_TAG || slots == NULL || index >= token_table.capacity))
        return false;
    uint64_t generation = handle >> TOKEN_INDEX_BITS & ((1u << TOKEN_GENERATION_BITS) - 1);
    return token_read(&slots[index], generation << 1 | 1, view);
}

/* The key of a place that has none: a value which is looked for in another place, whoever passes it
   for a handle. */
static inline uint64_t token_no_key(uint64_t index) {
    return index == 0;
}

/* Gives the slot no key at all. pre: the table's lock is held */
static inline void token_clear_keys(struct token_slot *slot, uint64_t index) {
    for (unsigned key = 0; key < TOKEN_KEYS; key++)
        atomic_store_explicit(&slot->keys[key], token_no_key(index), memory_order_seq_cst);
}

/* The one place where a handle can be; any value has one. */
static inline struct token_slot *token_quick_slot(uint64_t handle) {
    struct token_slot *slots = atomic_load_explicit(&token_table.quick, memory_order_acquire);
    return &slots[handle & atomic_load_explicit(&token_table.quick_mask, memory_order_relaxed)];
}

/* Is handle a token with this key, and does its region hold [address, address + length), which is
   not empty? In 20 instructions; false leaves all open. Looks twice, as token_read does: a key
   never stands for two tokens. */
static inline bool token_quick(enum token_key key, uint64_t handle, uintptr_t address,
                               size_t length) {
    size_t last; /* byte of the range, counted from the region's first; an empty range wraps */
    struct token_slot *slot = token_quick_slot(handle);
    return LIKELY(atomic_load_explicit(&slot->keys[key], memory_order_acquire) == handle) &&
           LIKELY(!__builtin_add_overflow(
               address - atomic_load_explicit(&slot->base, memory_order_acquire), length - 1,
               &last)) &&
           LIKELY(last < atomic_load_explicit(&slot->length, memory_order_acquire)) &&
           LIKELY(atomic_load_explicit(&slot->keys[key], memory_order_relaxed) == handle);
}

/* The first and last byte of the region of a token with this key; see token_quick. */
static inline bool token_quick_region(enum token_key key, uint64_t handle, uintptr_t *base,
                                      uintptr_t *last) {
    struct token_slot *slot = token_quick_slot(handle);
    if (UNLIKELY(atomic_load_explicit(&slot->keys[key], memory_order_acquire) != handle))
        return false;
    *base = atomic_load_explicit(&slot->base, memory_order_acquire);
    *last = atomic_load_explicit(&slot->last, memory_order_acquire);
    return LIKELY(*base <= *last) &&
           LIKELY(atomic_load_explicit(&slot->keys[key], memory_order_relaxed) == handle);
}

/* The pages that hold [address, address + length) as a span: in units of 2^span_shift bytes,
   counted from the region's first. pre: length > 0, the range lies in the region */
static inline span token_span(const struct token_view *view, uintptr_t address, size_t length) {
    unsigned shift = span_shift(view->length, os_page_size());
    uintptr_t base = view->base >> shift;
    return span_make((address >> shift) - base, ((address + (length - 1)) >> shift) - base + 1);
}

/* The handle of a view's token. */
uint64_t token_handle(const struct token_view *view);

/* The slot in [0, slots_used) at index, if a token lives there. */
bool token_at(uint32_t index, struct token_view *view);

/* A live token whose region holds [address, address + length), told by the program's own Get if
   there is one. Lock-free. */
bool token_covering(uintptr_t address, size_t length, struct token_view *view);

/* Makes a token for [event->address, event->address + event->length) and tells the observer with
   event, whose token and region it fills in. TOKEN_INTERNAL in flags: for the one mapping that
   holds the range instead. Results of map_probe; RESULT_NO_MEMORY: no place left; RESULT_BUSY: this
   thread is inside token_make or token_free already (a signal handler).
   pre: length is in [1, TOKEN_LENGTH_MAX] and the range does not wrap */
struct event;
enum result token_make(struct event *event, uint32_t flags);

/* Ends the token event->token and tells the observer just before. RESULT_INVALID: not a live
   token; RESULT_BUSY as token_make. */
enum result token_free(const struct event *event);

/* Lets the token defer its flushes, or no longer. RESULT_INVALID: not a live token; RESULT_BUSY as
   token_make. */
enum result token_defer(uint64_t handle, bool defers);

/* Copies the token's reason and path; false if it died meanwhile. pre: both are 8-aligned and have
   the sizes of struct token_text */
bool token_describe(const struct token_view *view, char *reason, char *path);

/* The text of a slot, alive or not. */
struct token_text *token_text(const struct token_slot *slot);

/* The path alone, in place; another one's, or a mixture of two, should the token have died. */
const char *token_path(const struct token_view *view);

/* The file of a view. Never NULL; another file's, should the token have died. */
struct token_file *token_file(const struct token_view *view);

/* Is some of it flushed, and not taken by a drain? */
static inline bool token_is_pending(const struct token_slot *slot) {
    return (atomic_load(&slot->pending[0]) | atomic_load(&slot->pending[1])) != 0;
}

/* Is some of it flushed, and not drained? Asked in this order, because a drain by another thread
   moves it from the first to the second. */
static inline bool token_is_waiting(const struct token_slot *slot) {
    return token_is_pending(slot) ||
           (atomic_load(&slot->in_flight[0]) | atomic_load(&slot->in_flight[1])) != 0;
}

/* Takes what is pending of a live token, to be drained: it is in flight from then on. Empty spans:
   nothing, or the token died, and its pages are its file's business. RESULT_BUSY: this thread is
   inside this call, or frees a token, already (a signal handler). */
enum result token_take_pending(const struct token_view *view, span pages[TOKEN_SPANS]);

/* What was in flight, these pages, is drained, or its file has failed; or it is left to be drained
   again. */
void token_end_flight(const struct token_view *view, const span pages[TOKEN_SPANS], bool left);

/* Does this thread hold a lock of all tokens, or has it not woken yet who waits for one? Then it is
   in a signal handler, and who drains a file may be waiting for it. */
bool token_holds_lock(void);

/* How often pages moved from a token to others, or from in flight back to pending: a look at the
   tokens beside such a move may have missed them. Waits for a move under way. RESULT_BUSY as
   above. */
enum result token_moves(uint64_t *moves);

/* Does the mapping that an internal token was made for still stand? Always so of other tokens: the
   program promised to keep their views. RESULT_INVALID: it does not; RESULT_NO_MEMORY: that cannot
   be found out now. */
enum result token_stands(const struct token_view *view);

/* The view of an internal token is gone: what is in flight of it can no longer be waited for. Its
   file's other tokens drain all that they hold at their next drain. true: some of it was flushed
   with the default token, whose users have to be told. */
bool token_abandon(const struct token_view *view);

/* Ends what was left of a token, if nothing of it waits any more. */
void token_end_rest(const struct token_view *view);

/* As token_stands, for a token that is about to be used. RESULT_INVALID: it does not, and the token
   has ended; RESULT_BUSY: it does not, and this thread cannot end it now, see token_free. */
enum result token_still_mapped(const struct token_view *view);

#endif
