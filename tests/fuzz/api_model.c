/* SPDX-License-Identifier: BSD-2-Clause */
#include "api_model.h"

#include "range/range.h"

#define LENGTH_MAX ((size_t)1 << 47)

struct model model;

void model_begin(const char *domain, bool can_flush) {
    static const char *const raised[] = {"volatile!", "page-cache!", "memory!", "cpu-cache!"};
    memset(&model, 0, sizeof model);
    /* memfds are volatile; only a word with "!" makes more of them. */
    for (uint32_t i = 0; domain != NULL && i < 4; i++)
        model.domain = strcmp(domain, raised[i]) == 0 ? i : model.domain;
    model.overridden = model.domain != NVRTL_DOMAIN_VOLATILE;
    model.supported = model.domain != NVRTL_DOMAIN_MEMORY || can_flush;
    model.writes_back =
        can_flush && (model.domain == NVRTL_DOMAIN_MEMORY || model.domain == NVRTL_DOMAIN_VOLATILE);
}

NTSTATUS model_get(uintptr_t address, size_t length) {
    if (address == 0 || length == 0 || length > LENGTH_MAX || range_wraps(address, length))
        return STATUS_INVALID_PARAMETER;
    const struct world_view *first = world_view_at(address);
    if (first == NULL) {
        bool mapped = range_inside(address, 0, world.area, WORLD_AREA_PAGES * WORLD_PAGE - 1);
        return mapped ? STATUS_INVALID_PARAMETER : STATUS_INFO_LENGTH_MISMATCH;
    }
    bool writable = true;
    for (uintptr_t at = address;;) {
        const struct world_view *view = world_view_at(at);
        if (view == NULL || view->file < 0 || view->file != first->file)
            return STATUS_INVALID_PARAMETER;
        writable = writable && view->writable;
        at = view->start + view->length;
        if (at - address >= length)
            break;
    }
    if (!writable)
        return STATUS_ACCESS_DENIED;
    return model.supported ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
}

struct model_token *model_find(PVOID token) {
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++) {
        if (model.tokens[i].live && model.tokens[i].handle == token)
            return &model.tokens[i];
    }
    return NULL;
}

static bool is_covered(uintptr_t address, size_t length) {
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++) {
        const struct model_token *token = &model.tokens[i];
        if (token->live && range_inside(address, length, token->start, token->length))
            return true;
    }
    return false;
}

/* The default token: the range lies in a token's region, or in one mapping that could have one. */
static NTSTATUS resolve_default(uintptr_t address, size_t length) {
    if (address == 0 || length > LENGTH_MAX || range_wraps(address, length))
        return STATUS_INVALID_PARAMETER;
    if (is_covered(address, length))
        return STATUS_SUCCESS;
    const struct world_view *view = world_view_at(address);
    if (view != NULL && !range_inside(address, length, view->start, view->length))
        return STATUS_INVALID_PARAMETER;
    return model_get(address, length);
}

struct model_target model_resolve(PVOID token, uintptr_t address, size_t length) {
    struct model_target target = {.address = address, .length = length};
    size_t offset;
    target.token = model_find(token);
    if (target.token != NULL) {
        target.file = world_locate(target.token->start, &offset);
        bool inside = range_inside(address, length, target.token->start, target.token->length);
        target.status = inside || length == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    } else if ((uintptr_t)token != FLUSH_NV_MEMORY_DEFAULT_TOKEN) {
        target.status = STATUS_INVALID_PARAMETER;
    } else if (length == 0) {
        target.every = true;
    } else {
        target.status = resolve_default(address, length);
        model.used_default = true;
        target.file = world_locate(address, &offset);
    }
    return target;
}

void model_flushed(const struct model_target *target) {
    size_t offset = 0, step;
    bool whole = target->token == NULL;
    for (size_t at = 0; at < target->length; at += step) {
        struct world_file *file = world_locate(target->address + at, &offset);
        size_t unit = offset / WORLD_UNIT, page = offset / WORLD_PAGE;
        step = WORLD_UNIT - offset % WORLD_UNIT;
        if (model.domain == NVRTL_DOMAIN_PAGE_CACHE) {
            file->pending[page] = world.call;
            if (whole)
                file->by_default[page] |= 1u << (world_view_at(target->address) - world.views);
        } else if (whole) {
            model.pending[file - world.files][unit] = world.call;
        } else {
            target->token->pending[unit] = world.call;
        }
    }
}

/* Every unit of a list of pending ones: written back since it was flushed, and fenced since. */
static void check_units(const struct world_file *file, moment pending[WORLD_UNITS]) {
    for (size_t unit = 0; unit < WORLD_UNITS; unit++) {
        if (pending[unit] == 0)
            continue;
        FUZZ_CHECK(!model.writes_back || file->written[unit] > pending[unit]);
        FUZZ_CHECK(!model.writes_back || world.fence > file->written[unit]);
        FUZZ_CHECK(world.fence > pending[unit]);
        pending[unit] = 0;
    }
}

/* Does a live token hold any byte of the page? */
static bool holds_page(const struct world_file *file, size_t page) {
    size_t offset;
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++) {
        const struct model_token *token = &model.tokens[i];
        for (size_t at = 0; token->live && at < token->length;) {
            if (world_locate(token->start + at, &offset) == file && offset / WORLD_PAGE == page)
                return true;
            at += WORLD_PAGE - (token->start + at) % WORLD_PAGE;
        }
    }
    return false;
}

/* Pages that were flushed with the default token are promised as well: nobody frees that. */
static void check_pages(struct world_file *file) {
    for (size_t page = 0; page < WORLD_PAGES; page++) {
        if (file->pending[page] == 0 || (file->by_default[page] == 0 && !holds_page(file, page)))
            continue;
        FUZZ_CHECK(file->synced[page] > file->pending[page]);
        file->pending[page] = 0;
        file->by_default[page] = 0;
    }
}

static unsigned count_tokens(const struct world_file *file) {
    unsigned count = 0;
    size_t offset;
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++)
        count += model.tokens[i].live && world_locate(model.tokens[i].start, &offset) == file;
    return count;
}

/* The status that a drain of one file has to give. */
static NTSTATUS expected_of(const struct world_file *file) {
    return file->before != STATUS_SUCCESS ? file->before : file->first;
}

/* Of every file: success if none failed, else the failure of one of them. */
static void check_every(NTSTATUS status) {
    bool failed = false, found = false;
    for (size_t i = 0; i < WORLD_FILES; i++) {
        NTSTATUS one = expected_of(&world.files[i]);
        /* An old failure is told as long as a token of the file lives. */
        bool told = one != STATUS_SUCCESS &&
                    (world.files[i].before == STATUS_SUCCESS || count_tokens(&world.files[i]) > 0);
        failed |= told;
        found |= one == status;
    }
    FUZZ_CHECK(status == STATUS_SUCCESS ? !failed : found);
}

/* What the default token flushed in a view that is gone cannot be waited for, unless the same view
   came back. A drain of every token has to say so, once; one of the file may. */
static bool told_of_orphans(const struct model_target *target, NTSTATUS status) {
    bool left_some = false;
    for (size_t i = 0; i < WORLD_FILES; i++) {
        struct world_file *file = &world.files[i];
        if (target->file != NULL && target->file != file)
            continue;
        left_some |= file->left_some;
        for (size_t page = 0; page < WORLD_PAGES && target->file == NULL; page++) {
            FUZZ_CHECK(status != STATUS_SUCCESS || !file->orphaned[page] ||
                       file->synced[page] > file->pending[page]);
            if (status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER)
                file->orphaned[page] = false;
        }
        if (target->file == NULL && status == STATUS_INVALID_PARAMETER)
            file->left_some = false;
    }
    return status == STATUS_INVALID_PARAMETER && left_some;
}

static void drained_pages(const struct model_target *target, NTSTATUS status) {
    if (told_of_orphans(target, status))
        return;
    if (target->file == NULL)
        check_every(status);
    else
        FUZZ_CHECK(status == expected_of(target->file));
    if (status != STATUS_SUCCESS)
        return;
    for (size_t i = 0; i < WORLD_FILES; i++) {
        struct world_file *file = &world.files[i];
        if (target->file == NULL || target->file == file)
            check_pages(file);
        /* No page twice, where one token asks for it. */
        bool lone = count_tokens(file) == 1 && !model.used_default && target->token != NULL;
        for (size_t page = 0; page < WORLD_PAGES && lone; page++)
            FUZZ_CHECK(file->syncs[page] <= 1);
    }
}

void model_drained(const struct model_target *target, NTSTATUS status) {
    if (model.domain == NVRTL_DOMAIN_PAGE_CACHE) {
        drained_pages(target, status);
        return;
    }
    FUZZ_CHECK(status == STATUS_SUCCESS);
    if (target->token != NULL) {
        check_units(target->file, target->token->pending);
        return;
    }
    for (size_t i = 0; i < MODEL_TOKENS_MAX; i++) {
        size_t offset;
        if (model.tokens[i].live)
            check_units(world_locate(model.tokens[i].start, &offset), model.tokens[i].pending);
    }
    for (size_t i = 0; i < WORLD_FILES; i++)
        check_units(&world.files[i], model.pending[i]);
}

void model_not_drained(const struct model_target *target, NTSTATUS status) {
    bool pages = model.domain == NVRTL_DOMAIN_PAGE_CACHE && !target->every;
    FUZZ_CHECK(status == (pages ? target->file->before : STATUS_SUCCESS));
}

/* After a success the medium equals memory in the regions of all live tokens of the file. */
void model_retried(const struct model_target *target, NTSTATUS status) {
    struct world_file *file = target->file;
    if (model.domain != NVRTL_DOMAIN_PAGE_CACHE) {
        FUZZ_CHECK(status == STATUS_SUCCESS);
        return;
    }
    FUZZ_CHECK(status == STATUS_SUCCESS || file->first != STATUS_SUCCESS);
    if (status != STATUS_SUCCESS)
        return;
    for (size_t page = 0; page < WORLD_PAGES; page++) {
        if (!holds_page(file, page))
            continue;
        FUZZ_CHECK(file->synced[page] > world.call);
        FUZZ_CHECK(!file->used[page] ||
                   (file->touched[page] > world.call && file->synced[page] > file->touched[page]));
    }
    file->failure = STATUS_SUCCESS;
}
