/* SPDX-License-Identifier: BSD-2-Clause */
/* Annotations: words to the verifier, and nothing else. */
#include "api/call.h"

_Static_assert(EVENT_MARK_NOTE == NVRTL_MARK_NOTE && EVENT_OP_BEGIN == NVRTL_OP_BEGIN &&
                   EVENT_OP_ACK == NVRTL_OP_ACK,
               "one numbering of marks");

/* What annotations say. Kept apart, so that one costs a load and a branch while nobody listens. */
APART static void annotate(struct event event, void *token, const void *address, size_t size) {
    struct token_view view;
    const struct call_site site = {(enum event_call)event.call, event.caller, &view};
    event.frame = site.frame;
    enum result result = call_resolve(token, (uintptr_t)address, size, &view);
    if (result == RESULT_OK)
        call_emit(&event, &view, (uintptr_t)address, size);
    else
        (void)call_refuse(&site, token, (uintptr_t)address, size, result);
}

APART static void annotate_range(enum event_call call, const void *caller, void *token,
                                 const void *address, size_t size) {
    enum event_kind kind = call == CALL_IGNORE ? EVENT_IGNORE : EVENT_ASSERT_DURABLE;
    annotate((struct event){.kind = kind, .call = call, .caller = caller}, token, address, size);
}

NVRTL_API void NvRtlVerifierIgnore(void *token, const void *address, size_t size) {
    if (observed())
        annotate_range(CALL_IGNORE, __builtin_return_address(0), token, address, size);
}

NVRTL_API void NvRtlVerifierAssertDurable(void *token, const void *address, size_t size) {
    if (observed())
        annotate_range(CALL_ASSERT_DURABLE, __builtin_return_address(0), token, address, size);
}

/* The data must lie in the region as the point does. */
APART static void annotate_commit(enum event_call call, const void *caller, void *token,
                                  struct event_range point, struct event_range data) {
    struct token_view view;
    struct event event = {.kind = EVENT_COMMIT_POINT, .call = call, .caller = caller, .data = data};
    const struct call_site site = {call, caller, &view};
    event.frame = site.frame;
    uintptr_t address = (uintptr_t)data.address;
    enum result result = call_resolve(token, address, data.length, &view);
    if (call == CALL_COMMIT_POINT_FOR && data.length == 0)
        return; /* not all data: none */
    if (call == CALL_COMMIT_POINT || result == RESULT_OK)
        annotate(event, token, point.address, point.length);
    else
        (void)call_refuse(&site, token, address, data.length, result);
}

NVRTL_API void NvRtlVerifierCommitPoint(void *token, const void *address, size_t size) {
    if (observed())
        annotate_commit(CALL_COMMIT_POINT, __builtin_return_address(0), token,
                        (struct event_range){(void *)address, size}, (struct event_range){NULL, 0});
}

NVRTL_API void NvRtlVerifierCommitPointFor(void *token, const void *address, size_t size,
                                           const void *data, size_t dataSize) {
    if (observed())
        annotate_commit(CALL_COMMIT_POINT_FOR, __builtin_return_address(0), token,
                        (struct event_range){(void *)address, size},
                        (struct event_range){(void *)data, dataSize});
}

APART static void annotate_mark(const void *caller, void *token, uint32_t kind, uint64_t id,
                                const char *text) {
    annotate((struct event){.kind = EVENT_MARK,
                            .call = CALL_MARK,
                            .caller = caller,
                            .mark = kind,
                            .id = id,
                            .text = text},
             token, NULL, 0);
}

NVRTL_API void NvRtlVerifierMark(void *token, uint32_t kind, uint64_t id, const char *text) {
    if (observed())
        annotate_mark(__builtin_return_address(0), token, kind, id, text);
}
