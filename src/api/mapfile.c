/* SPDX-License-Identifier: BSD-2-Clause */
/* NvRtlMapFile and NvRtlUnmapFile. */
#include <stdlib.h>

#include "api/get.h"
#include "os/file.h"

#define KNOWN_FLAGS (NVRTL_MAP_CREATE | NVRTL_MAP_EXCLUSIVE | NVRTL_MAP_SPARSE)

/* A file that this library mapped, from MapFile to UnmapFile, even if its token is freed before. */
struct owned {
    struct owned *next;
    void *view; /* page-aligned; the mapping's base lies inside */
    size_t view_size;
    NvRtlMapping mapping;
    struct os_file file;
};
static struct owned *owned_first; /* under the token table's lock, which survives a fork */

static void owned_add(struct owned *owned) {
    os_lock(&token_table.lock);
    owned->next = owned_first;
    owned_first = owned;
    os_unlock(&token_table.lock);
}

static struct owned *owned_take(const NvRtlMapping *mapping) {
    os_lock(&token_table.lock);
    struct owned **link = &owned_first;
    while (*link != NULL &&
           ((*link)->mapping.base != mapping->base || (*link)->mapping.token != mapping->token))
        link = &(*link)->next;
    struct owned *found = *link;
    if (found != NULL)
        *link = found->next;
    os_unlock(&token_table.lock);
    return found;
}

/* Makes the file hold [offset, offset + *size), and settles *size when it is 0. */
static enum result fit(struct os_file *file, uint64_t offset, size_t *size, uint32_t flags) {
    if (*size == 0) {
        if (file->size <= offset || file->size - offset > TOKEN_LENGTH_MAX)
            return RESULT_INVALID;
        *size = (size_t)(file->size - offset);
    }
    if (*size > TOKEN_LENGTH_MAX || offset > UINT64_MAX - *size)
        return RESULT_INVALID;
    if (offset + *size <= file->size)
        return RESULT_OK;
    if ((flags & NVRTL_MAP_CREATE) == 0)
        return RESULT_INVALID;
    return os_file_grow(file, offset + *size, (flags & NVRTL_MAP_SPARSE) != 0);
}

/* Maps the open file and makes the token. */
static enum result map_open_file(const struct call_site *site, struct owned *owned,
                                 uint64_t offset) {
    NvRtlMapping *mapping = &owned->mapping;
    size_t inset = (size_t)(offset % os_page_size());
    owned->view_size = inset + mapping->size;
    enum result result = os_file_map(&owned->file, offset - inset, owned->view_size, &owned->view);
    if (result != RESULT_OK)
        return result;
    mapping->base = (char *)owned->view + inset;
    result = get_token(site, mapping->base, mapping->size, &mapping->token);
    struct token_view token;
    if (result == RESULT_OK && token_find((uintptr_t)mapping->token, &token))
        mapping->domain = token.operations.domain;
    else
        os_file_unmap(owned->view, owned->view_size);
    return result;
}

static enum result open_and_map(const struct call_site *site, const char *path, uint64_t offset,
                                uint32_t mode, struct owned *owned) {
    NvRtlMapping *mapping = &owned->mapping;
    const struct os_file_wish wish = {.create = (mapping->flags & NVRTL_MAP_CREATE) != 0,
                                      .exclusive = (mapping->flags & NVRTL_MAP_EXCLUSIVE) != 0,
                                      .mode = mode};
    enum result result = os_file_open(path, wish, &owned->file);
    if (result != RESULT_OK)
        return result;
    result = fit(&owned->file, offset, &mapping->size, mapping->flags);
    if (result == RESULT_OK)
        result = os_file_sync(&owned->file);
    if (result == RESULT_OK)
        result = map_open_file(site, owned, offset);
    if (result != RESULT_OK) {
        if (owned->file.created)
            os_file_remove(&owned->file, path);
        os_file_close(&owned->file);
    }
    return result;
}

NVRTL_API NTSTATUS NvRtlMapFile(const char *path, uint64_t offset, size_t size, uint32_t flags,
                                uint32_t mode, NvRtlMapping *out) {
    bool lone_exclusive = (flags & NVRTL_MAP_EXCLUSIVE) != 0 && (flags & NVRTL_MAP_CREATE) == 0;
    if (path == NULL || out == NULL || (flags & ~(uint32_t)KNOWN_FLAGS) != 0 || lone_exclusive)
        return STATUS_INVALID_PARAMETER;
    struct owned *owned = calloc(1, sizeof *owned);
    if (owned == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    owned->mapping.size = size;
    owned->mapping.flags = flags;
    enum result result = open_and_map(&CALL_SITE(CALL_MAP_FILE, &owned), path, offset, mode, owned);
    if (result != RESULT_OK) {
        free(owned);
        return result == RESULT_NOT_MAPPED ? STATUS_INVALID_PARAMETER : call_status(result);
    }
    owned_add(owned);
    *out = owned->mapping;
    return STATUS_SUCCESS;
}

NVRTL_API NTSTATUS NvRtlUnmapFile(NvRtlMapping *mapping) {
    struct owned *owned = mapping != NULL ? owned_take(mapping) : NULL;
    if (owned == NULL)
        return STATUS_INVALID_PARAMETER;
    /* The program may have freed the token itself: that is no reason to keep the view. */
    (void)free_token(&CALL_SITE(CALL_UNMAP_FILE, &owned), owned->mapping.token);
    os_file_unmap(owned->view, owned->view_size);
    os_file_close(&owned->file);
    free(owned);
    *mapping = (NvRtlMapping){0};
    return STATUS_SUCCESS;
}
