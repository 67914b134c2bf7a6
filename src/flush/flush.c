/* SPDX-License-Identifier: BSD-2-Clause */
#include "flush/flush.h"

enum fault flush_range(const struct token_view *token, uintptr_t address, size_t length) {
    if (length == 0)
        return FAULT_NONE;
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE) {
        bool lent = (token->operations.flags & (TOKEN_LENT | TOKEN_INTERNAL)) != 0;
        if (lent) /* before the pages: who sees them sees this */
            atomic_fetch_or(&token->slot->lent, TOKEN_LENT_PENDING);
        /* Should the token be freed and its slot reused meanwhile, the new token drains a few pages
           more than it must. */
        span_add_near(token->slot->pending, token_span(token, address, length), TOKEN_SPANS_NEAR);
        if (lent) /* and after them: a drain may have taken the first for older ones */
            atomic_fetch_or(&token->slot->lent, TOKEN_LENT_PENDING);
        return FAULT_NONE;
    }
    if (token->operations.flush == ISA_FLUSH_NONE)
        return FAULT_NONE;
    return isa_write_back((enum isa_flush)token->operations.flush, (const void *)address, length,
                          1u << token->operations.line_shift);
}
