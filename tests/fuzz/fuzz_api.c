/* SPDX-License-Identifier: BSD-2-Clause */
/* Sequences of calls against the reference model: after each one the bytes, the status, and what a
   success promises. Input: settings, then orders. */
#include <errno.h>

#include "api_model.h"
#include "base/bits.h"
#include "isa/isa.h"
#include "observe/observe.h"
#include "range/range.h"

#define BUFFER_SIZE ((size_t)2 * WORLD_PAGE)
#define RANGES_MAX 6
#define ORDERS_MAX 200

static uint8_t buffer[BUFFER_SIZE];
static PVOID freed; /* the last handle that was freed */

static PVOID pick_token(struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    if (choice < 160)
        return model.tokens[choice % MODEL_TOKENS_MAX].handle;
    if (choice < 230)
        return (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN;
    if (choice < 240)
        return freed;
    return choice < 245 ? NULL : (PVOID)(uintptr_t)fuzz_number(input, 8);
}

/* A place in a token's region, in a view, or anywhere. */
static uintptr_t pick_address(struct fuzz_input *input, PVOID token) {
    uint8_t choice = fuzz_byte(input);
    uintptr_t offset = (uintptr_t)fuzz_number(input, 2);
    const struct model_token *live = model_find(token);
    if (choice < 150 && live != NULL)
        return live->start + offset % (live->length + 2) - (choice == 0);
    if (choice < 250)
        return world.area + choice % WORLD_AREA_PAGES * WORLD_PAGE + offset % WORLD_PAGE;
    return choice == 250 ? 0 : choice == 251 ? 0x1000 : UINTPTR_MAX - offset;
}

static size_t pick_length(struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    if (choice < 100)
        return choice % 70;
    if (choice < 250)
        return fuzz_number(input, 2) % (WORLD_SIZE + 2);
    return SIZE_MAX - fuzz_number(input, 2) % 16 * (choice - 250u);
}

static void tell_range(PVOID token, uintptr_t address, size_t length) {
    const struct model_token *live = model_find(token);
    long page = (long)(address - world.area) / (long)WORLD_PAGE;
    world_tell("  token %td (%p), area page %ld + %zu, %zu bytes\n",
               live != NULL ? live - model.tokens : -1, token, page, address % WORLD_PAGE, length);
}

static struct model_target pick(struct fuzz_input *input, PVOID *token) {
    *token = pick_token(input);
    uintptr_t address = pick_address(input, *token);
    size_t length = pick_length(input);
    tell_range(*token, address, length);
    return model_resolve(*token, address, length);
}

static void order_get(struct fuzz_input *input) {
    struct model_token *token = &model.tokens[fuzz_byte(input) % MODEL_TOKENS_MAX];
    uintptr_t address = pick_address(input, NULL);
    size_t length = pick_length(input);
    PVOID handle = (PVOID)(uintptr_t)0x55;
    if (token->live)
        return;
    tell_range((PVOID)(token - model.tokens), address, length);
    world_call();
    NTSTATUS status = RtlGetNonVolatileToken((PVOID)address, length, &handle);
    FUZZ_CHECK(status == model_get(address, length));
    FUZZ_CHECK((status == STATUS_SUCCESS) == (handle != (PVOID)(uintptr_t)0x55));
    world_check_untouched();
    if (status != STATUS_SUCCESS)
        return;
    FUZZ_CHECK(handle != NULL && model_find(handle) == NULL && handle != freed);
    *token =
        (struct model_token){.handle = handle, .live = true, .start = address, .length = length};
}

static void order_free(struct fuzz_input *input) {
    PVOID handle = pick_token(input);
    struct model_token *token = model_find(handle);
    tell_range(handle, 0, 0);
    world_call();
    NTSTATUS status = RtlFreeNonVolatileToken(handle);
    FUZZ_CHECK(status == (token != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER));
    world_check_untouched();
    if (token == NULL)
        return;
    token->live = false;
    freed = handle;
}

static bool knows_flags(ULONG flags) {
    return (flags & ~(ULONG)(WRITE_NV_MEMORY_FLAG_PERSIST | WRITE_NV_MEMORY_FLAG_NO_DRAIN)) == 0;
}

/* What the flags of Write and Fill ask for, by the table in the header. */
static void check_stored(const struct model_target *target, ULONG flags, NTSTATUS status) {
    ULONG kind = flags & WRITE_NV_MEMORY_FLAG_PERSIST;
    bool drains = kind == WRITE_NV_MEMORY_FLAG_PERSIST || flags == WRITE_NV_MEMORY_FLAG_FLUSH;
    if (kind != 0)
        model_flushed(target);
    if (drains)
        model_drained(target, status);
    else if (kind != 0)
        model_not_drained(target, status);
    else
        FUZZ_CHECK(status == STATUS_SUCCESS);
}

/* Takes what was stored into the model: all of bytes, or when it ended in a fault some of it. */
static void take_bytes(const struct model_target *target, const uint8_t *bytes, bool all) {
    for (size_t i = 0; i < target->length; i++) {
        size_t offset;
        struct world_file *file = world_locate(target->address + i, &offset);
        if (offset >= file->length)
            continue;
        const uint8_t *now = (const uint8_t *)(target->address + i);
        FUZZ_CHECK(*now == bytes[i] || (!all && *now == file->bytes[offset]));
        file->bytes[offset] = *now;
        file->used[offset / WORLD_PAGE] = true;
    }
}

/* A source: in the buffer, or in the destination's own view. Where two views show the same bytes at
   other addresses, no copy is defined. */
static const uint8_t *pick_source(struct fuzz_input *input, const struct model_target *target) {
    uint8_t choice = fuzz_byte(input);
    size_t shift = (size_t)fuzz_number(input, 2);
    const struct world_view *view = world_view_at(target->address);
    if (target->length > BUFFER_SIZE || (choice < 64 && view != NULL)) {
        if (view == NULL || target->length > view->length)
            return NULL;
        return (const uint8_t *)view->start + shift % (view->length - target->length + 1);
    }
    for (size_t i = 0; i < BUFFER_SIZE; i++)
        buffer[i] = (uint8_t)(choice + i * (1 + shift % 7));
    return buffer + shift % (BUFFER_SIZE - target->length + 1);
}

static void order_write(struct fuzz_input *input) {
    static uint8_t wanted[WORLD_SIZE + 2];
    PVOID token;
    struct model_target target = pick(input, &token);
    ULONG flags = fuzz_byte(input);
    flags = flags < 240 ? (flags & 3) | (flags & 4) << 6 : (ULONG)fuzz_number(input, 4);
    const uint8_t *source = pick_source(input, &target);
    bool good = target.status == STATUS_SUCCESS && knows_flags(flags) &&
                (source != NULL || target.length == 0);
    bool cut = good && (world_is_cut(target.address, target.length) ||
                        world_is_cut((uintptr_t)source, target.length));
    if (good && !cut && target.length > 0)
        memcpy(wanted, source, target.length);
    world_call();
    NTSTATUS status =
        RtlWriteNonVolatileMemory(token, (void *)target.address, source, target.length, flags);
    if (!good) {
        NTSTATUS refused =
            target.status != STATUS_SUCCESS ? target.status : STATUS_INVALID_PARAMETER;
        FUZZ_CHECK(status == refused);
        world_check_untouched();
    } else if (cut) {
        FUZZ_CHECK(status == STATUS_IO_DEVICE_ERROR);
        /* What a source that is not all there gave is anybody's guess; take it as it is. */
        for (size_t i = 0; i < target.length; i++)
            wanted[i] = world_is_cut(target.address + i, 1)
                            ? 0
                            : *(const volatile uint8_t *)(target.address + i);
        take_bytes(&target, wanted, true);
    } else {
        take_bytes(&target, wanted, true);
        check_stored(&target, flags, status);
    }
}

static void order_fill(struct fuzz_input *input) {
    static uint8_t wanted[WORLD_SIZE + 2];
    PVOID token;
    struct model_target target = pick(input, &token);
    ULONG flags = fuzz_byte(input);
    flags = flags < 240 ? (flags & 3) | (flags & 4) << 6 : (ULONG)fuzz_number(input, 4);
    uint8_t value = fuzz_byte(input);
    bool good = target.status == STATUS_SUCCESS && knows_flags(flags);
    memset(wanted, value, sizeof wanted);
    world_call();
    NTSTATUS status =
        RtlFillNonVolatileMemory(token, (void *)target.address, target.length, value, flags);
    if (!good) {
        FUZZ_CHECK(status ==
                   (target.status != STATUS_SUCCESS ? target.status : STATUS_INVALID_PARAMETER));
        world_check_untouched();
    } else if (world_is_cut(target.address, target.length)) {
        FUZZ_CHECK(status == STATUS_IO_DEVICE_ERROR);
        take_bytes(&target, wanted, false);
    } else {
        take_bytes(&target, wanted, true);
        check_stored(&target, flags, status);
    }
}

static void order_read(struct fuzz_input *input) {
    static uint8_t got[WORLD_SIZE + 2];
    PVOID token;
    struct model_target target = pick(input, &token);
    void *destination = fuzz_byte(input) == 0 ? NULL : got;
    bool good = target.status == STATUS_SUCCESS && (destination != NULL || target.length == 0);
    world_call();
    NTSTATUS status =
        NvRtlReadNonVolatileMemory(token, destination, (const void *)target.address, target.length);
    world_check_untouched();
    if (!good) {
        FUZZ_CHECK(status ==
                   (target.status != STATUS_SUCCESS ? target.status : STATUS_INVALID_PARAMETER));
    } else if (world_is_cut(target.address, target.length)) {
        FUZZ_CHECK(status == STATUS_IO_DEVICE_ERROR);
    } else {
        FUZZ_CHECK(status == STATUS_SUCCESS);
        FUZZ_CHECK(target.length == 0 ||
                   memcmp(got, (const void *)target.address, target.length) == 0);
    }
}

/* Lines behind the end of a file cannot be written back; pages there are only noted. */
static bool flush_faults(const struct model_target *target) {
    return model.writes_back && world_is_cut(target->address, target->length);
}

static void order_flush(struct fuzz_input *input) {
    PVOID token;
    struct model_target target = pick(input, &token);
    ULONG flags = fuzz_byte(input);
    flags = flags < 240 ? flags & 1 : (ULONG)fuzz_number(input, 4);
    world_call();
    NTSTATUS status = RtlFlushNonVolatileMemory(token, (PVOID)target.address, target.length, flags);
    if (target.status != STATUS_SUCCESS || (flags & ~1u) != 0) {
        FUZZ_CHECK(status ==
                   (target.status != STATUS_SUCCESS ? target.status : STATUS_INVALID_PARAMETER));
        world_check_untouched();
        return;
    }
    if (flush_faults(&target)) {
        FUZZ_CHECK(status == STATUS_IO_DEVICE_ERROR);
        return;
    }
    model_flushed(&target);
    if (flags == 0)
        model_drained(&target, status);
    else
        model_not_drained(&target, status);
}

/* One drain at the end, of the token, or of every one. */
static void check_ranges(struct model_target targets[RANGES_MAX], size_t count,
                         struct model_target *whole, ULONG flags, NTSTATUS status) {
    for (size_t i = 0; i < count; i++) {
        if (flush_faults(&targets[i])) {
            FUZZ_CHECK(status == STATUS_IO_DEVICE_ERROR);
            return;
        }
    }
    for (size_t i = 0; i < count; i++)
        model_flushed(&targets[i]);
    if (flags == 0) {
        model_drained(whole, status);
        return;
    }
    /* With the default token each range may tell of its own file. */
    for (size_t i = 0; i < count && whole->every; i++) {
        if (!targets[i].every && targets[i].file->before != STATUS_SUCCESS) {
            model_not_drained(&targets[i], status);
            return;
        }
    }
    model_not_drained(whole, status);
}

static void order_ranges(struct fuzz_input *input) {
    NV_MEMORY_RANGE ranges[RANGES_MAX];
    struct model_target targets[RANGES_MAX];
    PVOID token = pick_token(input);
    size_t count = fuzz_byte(input) % (RANGES_MAX + 1);
    ULONG flags = fuzz_byte(input);
    flags = flags < 240 ? flags & 1 : (ULONG)fuzz_number(input, 4);
    struct model_target whole = model_resolve(token, 0, 0);
    NTSTATUS refused = whole.status;
    if (refused == STATUS_SUCCESS && (flags & ~1u) != 0)
        refused = STATUS_INVALID_PARAMETER;
    for (size_t i = 0; i < count; i++) {
        ranges[i].BaseAddress = (void *)pick_address(input, token);
        ranges[i].Length = pick_length(input);
        targets[i] = model_resolve(token, (uintptr_t)ranges[i].BaseAddress, ranges[i].Length);
        refused = refused == STATUS_SUCCESS ? targets[i].status : refused;
        tell_range(token, targets[i].address, targets[i].length);
    }
    bool absurd = fuzz_byte(input) == 255;
    if (absurd && whole.status == STATUS_SUCCESS)
        refused = STATUS_INVALID_PARAMETER;
    world_call();
    NTSTATUS status = RtlFlushNonVolatileMemoryRanges(
        token, ranges, absurd ? SIZE_MAX / sizeof ranges[0] : count, flags);
    if (refused == STATUS_SUCCESS) {
        check_ranges(targets, count, &whole, flags, status);
        return;
    }
    FUZZ_CHECK(status == refused);
    world_check_untouched();
}

static void order_drain(struct fuzz_input *input) {
    PVOID token = pick_token(input);
    struct model_target target = model_resolve(token, 0, 0);
    tell_range(token, 0, 0);
    world_call();
    NTSTATUS status = RtlDrainNonVolatileFlush(token);
    if (target.status == STATUS_SUCCESS) {
        model_drained(&target, status);
        return;
    }
    FUZZ_CHECK(status == target.status);
    world_check_untouched();
}

static void order_retry(struct fuzz_input *input) {
    PVOID token = pick_token(input);
    struct model_target target = model_resolve(token, 0, 0);
    tell_range(token, 0, 0);
    world_call();
    NTSTATUS status = NvRtlRetryToken(token);
    if (target.token != NULL) {
        model_retried(&target, status);
        return;
    }
    FUZZ_CHECK(status == STATUS_INVALID_PARAMETER);
    world_check_untouched();
}

static void check_info(const struct model_token *token, const NvRtlTokenInfo *info) {
    size_t offset;
    const struct world_file *file = world_locate(token->start, &offset);
    FUZZ_CHECK(info->base == (void *)token->start && info->length == token->length);
    FUZZ_CHECK(info->domain == model.domain && info->lineSize == isa_line_size());
    FUZZ_CHECK((info->flags & NVRTL_TOKEN_OVERRIDDEN) == (model.overridden ? 1 : 0));
    FUZZ_CHECK(((info->flags & NVRTL_TOKEN_FAILED) != 0) == (file->failure != STATUS_SUCCESS));
    FUZZ_CHECK(strnlen(info->reason, sizeof info->reason) < sizeof info->reason);
    FUZZ_CHECK(strcmp(info->path, "/memfd:fuzz_api") == 0);
    bool msync = info->flush == NVRTL_FLUSH_MSYNC;
    FUZZ_CHECK(msync == (model.domain == NVRTL_DOMAIN_PAGE_CACHE));
    FUZZ_CHECK(msync || (info->flush != NVRTL_FLUSH_NONE) == model.writes_back);
}

static void order_query(struct fuzz_input *input) {
    struct {
        NvRtlTokenInfo info;
        uint64_t behind;
    } room = {.behind = 0x1234567};
    PVOID token = pick_token(input);
    const struct model_token *live = model_find(token);
    uint8_t choice = fuzz_byte(input);
    room.info.structSize = choice < 200 ? (uint32_t)sizeof room.info : choice;
    world_call();
    NTSTATUS status = NvRtlQueryToken(token, &room.info);
    world_check_untouched();
    FUZZ_CHECK(room.behind == 0x1234567);
    if (choice >= 200)
        FUZZ_CHECK(status == STATUS_INFO_LENGTH_MISMATCH);
    else if (live == NULL)
        FUZZ_CHECK(status == STATUS_INVALID_PARAMETER);
    else
        check_info(live, &room.info);
    FUZZ_CHECK(NvRtlQueryToken(token, NULL) == STATUS_INVALID_PARAMETER);
}

static void order_errors(struct fuzz_input *input) {
    static const int errors[] = {0, EIO, ENOSPC, EDQUOT, EINTR, EBUSY, ENOMEM, EROFS};
    world.error_count = fuzz_byte(input) % (ARRAY_LENGTH(world.errors) + 1);
    for (unsigned i = 0; i < world.error_count; i++)
        world.errors[i] = errors[fuzz_byte(input) % ARRAY_LENGTH(errors)];
    world.hole = fuzz_byte(input) % 2 != 0;
}

static void order_truncate(struct fuzz_input *input) {
    unsigned file = fuzz_byte(input) % WORLD_FILES;
    world_truncate(file, fuzz_byte(input) % (WORLD_PAGES + 1));
}

/* Only where the program has no token of its own: it keeps its views as long as those live. */
static void order_remap(struct fuzz_input *input) {
    const struct world_view *spare = &world.views[WORLD_SPARE];
    unsigned file = fuzz_byte(input) % WORLD_FILES;
    size_t first = fuzz_byte(input) % 3, pages = fuzz_byte(input) % 3;
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++) {
        const struct model_token *token = &model.tokens[i];
        if (token->live &&
            range_overlaps(token->start, token->length, spare->start, 2 * WORLD_PAGE))
            return;
    }
    world_tell("  file %u, pages %zu to %zu\n", file, first, first + pages);
    world_remap(file, first, pages);
}

/* A listener sees regions that are told well, and nothing of what was refused as a deed. */
static void listen(const struct event *event) {
    FUZZ_CHECK(event->kind != EVENT_GET || event->region != NULL);
    if (event->kind == EVENT_GET) {
        size_t sum = 0;
        for (size_t i = 0; i < event->region->segment_count; i++)
            sum += event->region->segments[i].length;
        FUZZ_CHECK(sum == event->length);
    }
    if (event->kind == EVENT_STORE || event->kind == EVENT_FLUSH)
        FUZZ_CHECK(event->length == 0 || world_view_at(event->address) != NULL);
    errno = ENOTTY;
}

static void order_notes(struct fuzz_input *input) {
    PVOID token;
    struct model_target target = pick(input, &token);
    atomic_store(&observe_current, fuzz_byte(input) % 2 == 0 ? NULL : listen);
    NvRtlVerifierIgnore(token, (const void *)target.address, target.length);
    NvRtlVerifierAssertDurable(token, (const void *)target.address, target.length);
    FUZZ_CHECK(NvRtlStatusText((NTSTATUS)target.length) != NULL);
}

static const struct {
    const char *name;
    void (*obey)(struct fuzz_input *input);
} orders[] = {
    {"get", order_get},           {"get", order_get},     {"write", order_write},
    {"write", order_write},       {"fill", order_fill},   {"flush", order_flush},
    {"flush", order_flush},       {"drain", order_drain}, {"drain", order_drain},
    {"ranges", order_ranges},     {"free", order_free},   {"query", order_query},
    {"retry", order_retry},       {"read", order_read},   {"errors", order_errors},
    {"truncate", order_truncate}, {"remap", order_remap}, {"notes", order_notes},
};

static void obey(struct fuzz_input *input) {
    size_t order = fuzz_byte(input) % ARRAY_LENGTH(orders);
    world_tell("%s\n", orders[order].name);
    errno = EXFULL;
    orders[order].obey(input);
    FUZZ_CHECK(errno == EXFULL);
    world_check_bytes();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const domains[] = {NULL,     "volatile",   "page-cache!", "memory!",
                                          "memory", "cpu-cache!", "page-cache!", "nonsense!"};
    static const char *const flushes[] = {NULL, "clflush", "clwb", "none"};
    static const char *const stores[] = {NULL, "cached"};
    struct fuzz_input input = fuzz_input(data, size);
    const char *domain = domains[fuzz_byte(&input) % ARRAY_LENGTH(domains)];
    const char *flush = flushes[fuzz_byte(&input) % ARRAY_LENGTH(flushes)];
    uint8_t choice = fuzz_byte(&input);
    uint32_t mask = choice < 128 ? UINT32_MAX : choice;
    world_begin(choice, domain, flush, stores[fuzz_byte(&input) % ARRAY_LENGTH(stores)], mask);
    uint32_t lines = ISA_CLFLUSH | ISA_CLFLUSHOPT | ISA_CLWB;
    model_begin(domain, (isa_features() & lines) != 0);
    freed = NULL;
    atomic_store(&observe_current, NULL);
    for (unsigned i = 0; i < ORDERS_MAX && fuzz_more(&input); i++)
        obey(&input);
    return 0;
}
