/* SPDX-License-Identifier: BSD-2-Clause */
#include "token/table.h"

#include <string.h>

#include "os/guard.h"

struct token_slot token_nowhere = {.base = UINTPTR_MAX};
struct token_table token_table = {.quick = &token_nowhere};

/* A process may be short of address space (ulimit -v): then it has fewer tokens. Not from malloc: a
   leak checker does not find what only this memory points to. */
static enum result table_reserve(void) {
    for (unsigned bits = TOKEN_INDEX_BITS; bits >= 8; bits -= 4) {
        size_t capacity = (size_t)1 << bits;
        size_t slots_size = capacity * sizeof(struct token_slot);
        size_t files_size = capacity * sizeof(struct token_file);
        char *memory = os_reserve(slots_size + files_size + capacity * sizeof(struct token_text));
        if (memory == NULL)
            continue;
        token_table.files = (struct token_file *)(memory + slots_size);
        token_table.texts = (struct token_text *)(memory + slots_size + files_size);
        token_table.capacity = (uint32_t)capacity;
        struct token_slot *slots = (struct token_slot *)memory;
        atomic_store_explicit(&token_table.slots, slots, memory_order_release);
        token_clear_keys(&slots[0], 0);
        /* In this order: a small mask fits both tables. */
        atomic_store_explicit(&token_table.quick, slots, memory_order_release);
        atomic_store_explicit(&token_table.quick_mask, capacity - 1, memory_order_release);
        return RESULT_OK;
    }
    return RESULT_NO_MEMORY;
}

bool table_lock(void) {
    return os_owes_waking() || os_lock_is_own(&token_table.flight_lock)
               ? os_try_lock(&token_table.lock) == OS_LOCKED
               : os_lock(&token_table.lock);
}

/* In this order. A handler that interrupted Get may fork too: a lock is then the interrupted call's
   to give. And where that call holds what the owner of the table's lock wants, the table is left to
   that one: in the child, where it is no more, a token that it was making, or ending, may live for
   ever. */
static struct os_lock *const fork_locks[] = {&token_table.lock, &token_table.flight_lock};
/* Of the thread that forks, as others may do at the same time. */
static _Thread_local struct {
    bool took, interrupts; /* what holds it already */
} fork_of[ARRAY_LENGTH(fork_locks)];

/* In the parent, and before it goes on: it may be drained there again when the child looks. */
static void before_fork(void) {
    uint32_t forking = os_thread_id();
    for (size_t i = 0; i < ARRAY_LENGTH(fork_locks); i++) {
        struct os_lock *lock = fork_locks[i];
        fork_of[i].took = lock == &token_table.lock ? table_lock() : os_lock(lock);
        fork_of[i].interrupts = !fork_of[i].took && os_lock_is_own(lock);
    }
    for (uint32_t i = 0; i < atomic_load(&token_table.files_used); i++) {
        struct token_file *file = &token_table.files[i];
        atomic_store(&file->forked_in, kin_mark_of(file->kin, forking));
    }
}

static void after_fork(void) {
    for (size_t i = ARRAY_LENGTH(fork_locks); i-- > 0;) {
        if (fork_of[i].took)
            os_unlock(fork_locks[i]);
    }
}

/* Only the forking thread lives on in the child: a drain that another thread had begun will never
   end there, so its pages count as not drained. */
static void after_fork_in_child(void) {
    struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_relaxed);
    for (uint32_t i = 0; i < atomic_load(&token_table.slots_used); i++) {
        for (unsigned part = 0; part < TOKEN_SPANS; part++) {
            span taken = atomic_exchange(&slots[i].in_flight[part], 0);
            if (taken != 0)
                span_add(&slots[i].pending[part], taken);
        }
    }
    for (uint32_t i = 0; i < atomic_load(&token_table.files_used); i++) {
        struct token_file *file = &token_table.files[i];
        atomic_store(&file->lock.owner, 0);
        /* A handler that forked in the middle of a drain may make its parent wait for the child. */
        atomic_store(&file->left_behind, atomic_load(&file->forked_in));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(fork_locks); i++)
        atomic_store(&fork_locks[i]->owner, fork_of[i].interrupts ? os_thread_id() : 0);
}

static void start_guard(void) {
    const struct os_guarded kernels = isa_guarded();
    if (ISA_KERNELS && os_setting("NVRTL_NO_SIGBUS") == NULL)
        os_guard_start(&kernels);
}

enum result table_start(void) {
    if (atomic_load_explicit(&token_table.slots, memory_order_relaxed) != NULL)
        return RESULT_OK;
    token_table.choice = isa_choose(isa_features(), isa_line_size(), os_setting("NVRTL_FLUSH"),
                                    os_setting("NVRTL_STORES"));
    token_table.settings = token_settings_parse(os_setting("NVRTL_DOMAIN"));
    start_guard();
    static bool at_fork;
    at_fork = at_fork || os_at_fork(before_fork, after_fork, after_fork_in_child);
    return at_fork && kin_start() ? table_reserve() : RESULT_NO_MEMORY;
}

struct token_slot *table_take_slot(void) {
    struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_relaxed);
    uint32_t used = atomic_load_explicit(&token_table.slots_used, memory_order_relaxed);
    bool again = token_table.first_free != 0;
    if (!again && used == token_table.capacity)
        return NULL;
    struct token_slot *slot = &slots[again ? token_table.first_free - 1 : used];
    if (again)
        token_table.first_free = slot->next_free;
    else
        atomic_store_explicit(&token_table.slots_used, used + 1, memory_order_release);
    return slot;
}

void table_give_slot(struct token_slot *slot) {
    struct token_slot *slots = atomic_load_explicit(&token_table.slots, memory_order_relaxed);
    slot->next_free = token_table.first_free;
    token_table.first_free = (uint32_t)(slot - slots) + 1;
}

/* Who came to drain another file is not waited for. */
static void forget_crowd(struct token_crowd *crowd) {
    uint32_t arrived = atomic_load(&crowd->arrived);
    atomic_store(&crowd->begun, arrived);
    atomic_store(&crowd->due, arrived);
    atomic_store(&crowd->skips, 0);
    atomic_store(&crowd->in_vain, 0);
}

/* What the kin failed to write back, ever, counts as failed here too: who maps a file after that,
   or asks for a token after that, may hold pages of it that look clean. */
static void identify(struct token_file *file, uint64_t device, uint64_t inode) {
    file->device = device;
    file->inode = inode;
    file->kin = kin_find(device, inode);
    file->heard = 0;
    file->left_behind = file->forked_in = 0;
    file->deaths = atomic_load(&file->kin->deaths);
    forget_crowd(&file->crowd);
}

/* Takes a record that no file needs any more: no token, no failure to remember, none that was made
   up for, and no drain that looked it up for a token now dead. Its lock keeps such a drain out
   while the record changes. */
static bool reuse_file(struct token_file *file, uint64_t device, uint64_t inode) {
    if (file->tokens != 0 || atomic_load(&file->failure) != RESULT_OK ||
        atomic_load(&file->unsettled) != 0 || atomic_load(&file->heard) != 0 ||
        atomic_load(&file->lock.owner) != 0 || !os_lock(&file->lock))
        return false;
    bool unused = atomic_load(&file->failure) == RESULT_OK;
    if (unused)
        identify(file, device, inode);
    os_unlock(&file->lock);
    return unused;
}

/* The file's record, one that can become it, or a new one; NULL: all are in use. */
static struct token_file *find_file(uint64_t device, uint64_t inode) {
    uint32_t used = atomic_load_explicit(&token_table.files_used, memory_order_relaxed);
    struct token_file *files = token_table.files;
    for (uint32_t i = 0; i < used; i++) {
        if (files[i].device == device && files[i].inode == inode)
            return &files[i];
    }
    for (uint32_t i = 0; i < used; i++) {
        if (reuse_file(&files[i], device, inode))
            return &files[i];
    }
    if (used == token_table.capacity)
        return NULL;
    identify(&files[used], device, inode);
    atomic_store_explicit(&token_table.files_used, used + 1, memory_order_release);
    return &files[used];
}

struct token_file *table_take_file(uint64_t device, uint64_t inode) {
    struct token_file *file = find_file(device, inode);
    if (file != NULL)
        file->tokens++;
    return file;
}

void table_give_file(struct token_file *file) {
    file->tokens--;
}
