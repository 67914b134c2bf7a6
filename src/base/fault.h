/* SPDX-License-Identifier: BSD-2-Clause */
/* How an access to memory can fail although its address is mapped. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

enum fault {
    FAULT_NONE,
    FAULT_BUS,   /* no page could be had: truncated file, full disk, error of the device */
    FAULT_POISON /* the page is damaged */
};

#endif
