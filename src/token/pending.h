/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a token is flushed and not drained, when the token begins and ends. */
#ifndef TOKEN_PENDING_H
#define TOKEN_PENDING_H

#include "token/token.h"

/* All pages of the slot's region are pending. pre: the slot is not alive yet, or the table's lock
   is held */
void pending_add_all(struct token_slot *slot);

/* Ends the token: its slot gets this state. Should some of its pages be flushed and not drained,
   the file is unsettled from now on; and if the default token may have flushed them, the slot stays
   in use for what is left, until that is drained: false. pre: the table's lock is held, the token
   lives */
bool pending_end(const struct token_view *view, uint64_t state);

#endif
