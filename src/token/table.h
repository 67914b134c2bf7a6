/* SPDX-License-Identifier: BSD-2-Clause */
/* The places of the table and the records of files: taken and given back under the table's lock. */
#ifndef TOKEN_TABLE_H
#define TOKEN_TABLE_H

#include "token/token.h"

/* Takes the table's lock. false: this thread has it already; or it would have to wait in a signal
   handler, whose interrupted call holds the flight lock, for one that wants that. */
bool table_lock(void);

/* Makes the table ready. RESULT_NO_MEMORY: no address space. pre: the lock is held */
enum result table_start(void);

/* A dead slot; NULL when all are in use. pre: the lock is held */
struct token_slot *table_take_slot(void);
void table_give_slot(struct token_slot *slot);

/* The record of a file, made if there is none; counts one more token of it. NULL when all are in
   use. pre: the lock is held */
struct token_file *table_take_file(uint64_t device, uint64_t inode);
void table_give_file(struct token_file *file);

#endif
