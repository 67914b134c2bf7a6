/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CUT_SESSION_H
#define CUT_SESSION_H

#include "arena/log.h"
#include "cut/cut.h"

struct cut_session {
    struct arena arena;
    int descriptor;
    uint32_t stores;                   /* enum arena_stores */
    const struct log_record **records; /* once asked for */
};

/* The records in their order, an array of the session that ends with NULL; NULL: no memory. */
const struct log_record **session_records(struct cut_session *session);

#endif
