/* SPDX-License-Identifier: BSD-2-Clause */
/* Annotations: words to the verifier, and nothing else. */
#include "api/call.h"

_Static_assert(EVENT_MARK_NOTE == NVRTL_MARK_NOTE && EVENT_OP_BEGIN == NVRTL_OP_BEGIN &&
                   EVENT_OP_ACK == NVRTL_OP_ACK,
               "one numbering of marks");

static void annotate(struct event site, enum event_kind kind, void *token, const void *address,
                     size_t size) {
    struct token_view view;
    enum result result = call_resolve(token, (uintptr_t)address, size, &view);
    if (result == RESULT_OK)
        call_tell(site, kind, 0, &view, (uintptr_t)address, size);
    else
        (void)call_refuse(site, token, (uintptr_t)address, size, result);
}

NVRTL_API void NvRtlVerifierIgnore(void *token, const void *address, size_t size) {
    if (observed())
        annotate(CALL_SITE(CALL_IGNORE, &token), EVENT_IGNORE, token, address, size);
}

NVRTL_API void NvRtlVerifierAssertDurable(void *token, const void *address, size_t size) {
    if (observed())
        annotate(CALL_SITE(CALL_ASSERT_DURABLE, &token), EVENT_ASSERT_DURABLE, token, address,
                 size);
}

NVRTL_API void NvRtlVerifierMark(void *token, uint32_t kind, uint64_t id, const char *text) {
    if (observed()) {
        struct event site = CALL_SITE(CALL_MARK, &token);
        site.mark = kind;
        site.id = id;
        site.text = text;
        annotate(site, EVENT_MARK, token, NULL, 0);
    }
}
