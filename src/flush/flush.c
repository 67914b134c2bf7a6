/* SPDX-License-Identifier: BSD-2-Clause */
#include "flush/flush.h"

/* Widens the token's pending span. Should the token be freed and its slot reused meanwhile, the new
   token drains a few pages more than it must. */
static void note_pages(const struct token_view *token, uintptr_t address, size_t length) {
    unsigned shift = span_shift(token->length, os_page_size());
    uintptr_t base = token->base >> shift;
    uint64_t first = (address >> shift) - base;
    uint64_t end = ((address + (length - 1)) >> shift) - base + 1;
    span_add(&token->slot->pending, span_make(first, end));
}

void flush_range(const struct token_view *token, uintptr_t address, size_t length) {
    if (length == 0)
        return;
    if (token->operations.domain == MAP_DOMAIN_PAGE_CACHE)
        note_pages(token, address, length);
    else if (token->operations.flush != ISA_FLUSH_NONE)
        isa_write_back((enum isa_flush)token->operations.flush, (const void *)address, length,
                       1u << token->operations.line_shift);
}
