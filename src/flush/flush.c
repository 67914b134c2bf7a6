/* SPDX-License-Identifier: BSD-2-Clause */
#include "flush/flush.h"

enum fault flush_range(const struct token_view *token, uintptr_t address, size_t length) {
    if (length == 0)
        return FAULT_NONE;
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE) {
        if (token->operations.flags & TOKEN_LENT)
            atomic_store(&token->slot->lent, true); /* before the pages: who sees them sees this */
        /* Should the token be freed and its slot reused meanwhile, the new token drains a few pages
           more than it must. */
        span_add(&token->slot->pending, token_span(token, address, length));
        return FAULT_NONE;
    }
    if (token->operations.flush == ISA_FLUSH_NONE)
        return FAULT_NONE;
    return isa_write_back((enum isa_flush)token->operations.flush, (const void *)address, length,
                          1u << token->operations.line_shift);
}
