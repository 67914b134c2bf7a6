/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash/reads_plain.h"

uint64_t plain_read(const void *from) {
    return *(const volatile uint64_t *)from;
}
