/* SPDX-License-Identifier: BSD-2-Clause */
/* How the processes of a verified run know it: a file in memory that they inherit. libnvrtl knows
   no more of it than this, for the case that it finds the file and cannot load the verifier. */
#ifndef EVENT_RUN_H
#define EVENT_RUN_H

#include <stdatomic.h>
#include <stdint.h>

#define RUN_MAGIC "nvrtl-a5"
#define RUN_DESCRIPTOR 900 /* out of the way, and below the usual limit */

/* What the file begins with. */
struct run_head {
    char magic[8];
    _Atomic uint32_t unheard; /* processes that asked for a token and have no verifier */
};

#endif
