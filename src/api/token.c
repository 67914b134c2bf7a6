/* SPDX-License-Identifier: BSD-2-Clause */
/* Get, Free, Query and Retry. */
#include "token/token.h"

#include "api/call.h"
#include "api/get.h"
#include "drain/drain.h"
#include "flush/flush.h"
#include "os/guard.h"

_Static_assert(NVRTL_DOMAIN_VOLATILE == (int)MAP_DOMAIN_VOLATILE &&
                   NVRTL_DOMAIN_PAGE_CACHE == (int)MAP_DOMAIN_PAGE_CACHE &&
                   NVRTL_DOMAIN_MEMORY == (int)MAP_DOMAIN_MEMORY &&
                   NVRTL_DOMAIN_CPU_CACHE == (int)MAP_DOMAIN_CPU_CACHE &&
                   NVRTL_DOMAIN_PAGE_CACHE == (int)DOMAIN_PAGE_CACHE,
               "domains are published as the map room numbers them");
_Static_assert(NVRTL_FLUSH_NONE == (int)ISA_FLUSH_NONE &&
                   NVRTL_FLUSH_CLFLUSH == (int)ISA_FLUSH_CLFLUSH &&
                   NVRTL_FLUSH_CLFLUSHOPT == (int)ISA_FLUSH_CLFLUSHOPT &&
                   NVRTL_FLUSH_CLWB == (int)ISA_FLUSH_CLWB,
               "flush methods are published as the isa room numbers them");

enum result get_token(const struct call_site *site, void *address, size_t length, PVOID *token) {
    observe_attach();
    if (address == NULL || length == 0 || token == NULL || length > TOKEN_LENGTH_MAX ||
        range_wraps((uintptr_t)address, length))
        return RESULT_INVALID;
    struct event event = call_event(site, EVENT_GET);
    event.address = (uintptr_t)address;
    event.length = length;
    enum result result = call_make_token(&event, 0);
    if (result == RESULT_OK)
        *token = (PVOID)(uintptr_t)event.token;
    return result;
}

enum result free_token(const struct call_site *site, PVOID token) {
    /* What was flushed through it is under way from here on, as without deferring. */
    flush_before_free((uintptr_t)token);
    struct event event = call_event(site, EVENT_FREE);
    event.token = (uintptr_t)token;
    return token_free(&event);
}

NVRTL_API NTSTATUS RtlGetNonVolatileToken(PVOID NvBuffer, SIZE_T Size, PVOID *NvToken) {
    return call_status(get_token(&CALL_SITE(CALL_GET, &NvToken), NvBuffer, Size, NvToken));
}

NVRTL_API NTSTATUS RtlFreeNonVolatileToken(PVOID NvToken) {
    const struct call_site site = CALL_SITE(CALL_FREE, &site);
    enum result result = free_token(&site, NvToken);
    return result == RESULT_OK ? STATUS_SUCCESS : call_refuse(&site, NvToken, 0, 0, result);
}

_Static_assert(sizeof((NvRtlTokenInfo){0}.reason) == MAP_REASON_SIZE &&
                   sizeof((NvRtlTokenInfo){0}.path) == MAP_PATH_SIZE &&
                   offsetof(NvRtlTokenInfo, reason) % 8 == 0 &&
                   offsetof(NvRtlTokenInfo, path) % 8 == 0,
               "texts are copied by words");

/* The published structure only grows: this is the size it had first. */
#define FIRST_INFO_SIZE sizeof(NvRtlTokenInfo)

NVRTL_API NTSTATUS NvRtlRetryToken(void *token) {
    struct token_view view;
    if (!token_find((uintptr_t)token, &view))
        return call_refuse(&CALL_SITE(CALL_RETRY, &view), token, 0, 0, RESULT_INVALID);
    enum result result = drain_retry(&view);
    if (observed() && result == RESULT_OK)
        call_tell(&CALL_SITE(CALL_RETRY, &view), EVENT_RETRY, 0, &view, 0, 0);
    return call_status(result);
}

NVRTL_API NTSTATUS NvRtlSetTokenOption(void *token, uint32_t option, uintptr_t value) {
    if (option != NVRTL_OPTION_DEFER_FLUSH || value > 1)
        return STATUS_INVALID_PARAMETER;
    enum result result = token_defer((uintptr_t)token, value != 0);
    return result == RESULT_OK ? STATUS_SUCCESS
                               : call_refuse(&CALL_SITE(CALL_QUERY, &token), token, 0, 0, result);
}

static void fill_info(const struct token_view *view, NvRtlTokenInfo *info) {
    bool pages = view->operations.domain == MAP_DOMAIN_PAGE_CACHE;
    info->domain = view->operations.domain;
    info->flush = pages ? NVRTL_FLUSH_MSYNC : view->operations.flush;
    info->lineSize = 1u << view->operations.line_shift;
    info->atomicSize = sizeof(uint64_t);
    info->flags = 0;
    if (view->operations.flags & TOKEN_OVERRIDDEN)
        info->flags |= NVRTL_TOKEN_OVERRIDDEN;
    if (drain_failure(view) != RESULT_OK)
        info->flags |= NVRTL_TOKEN_FAILED;
    if (observed())
        info->flags |= NVRTL_TOKEN_VERIFIED;
    if (view->operations.flags & TOKEN_DEFERS)
        info->flags |= NVRTL_TOKEN_DEFERS;
    if (os_guard_stands())
        info->flags |= NVRTL_TOKEN_GUARDED;
    info->base = (void *)view->base;
    info->length = view->length;
}

NVRTL_API NTSTATUS NvRtlQueryToken(void *token, NvRtlTokenInfo *info) {
    struct token_view view;
    if (info == NULL)
        return STATUS_INVALID_PARAMETER;
    if (info->structSize < FIRST_INFO_SIZE)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!token_find((uintptr_t)token, &view) || !token_describe(&view, info->reason, info->path))
        return call_refuse(&CALL_SITE(CALL_QUERY, &view), token, 0, 0, RESULT_INVALID);
    fill_info(&view, info);
    return STATUS_SUCCESS;
}
