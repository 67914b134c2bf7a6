/* SPDX-License-Identifier: BSD-2-Clause */
/* The judgement: from what a probe has gathered to a domain and its reason. Pure. */
#ifndef MAP_DOMAIN_H
#define MAP_DOMAIN_H

#include "map/map.h"

/* Fills in answer's domain, notes, synchronous and reason. RESULT_OK, RESULT_INVALID or
   RESULT_NOT_SUPPORTED. */
enum result map_judge(const struct map_work *work, struct map_answer *answer);

/* Is the file that somebody would map, or mapped, accessed by DAX, as far as is known? */
enum map_tristate map_file_has_dax(const struct map_work *work);

/* Writes the strings up to a closing NULL as the reason: one line of printable characters. */
void map_reason(struct map_answer *answer, ...) __attribute__((sentinel));

#endif
