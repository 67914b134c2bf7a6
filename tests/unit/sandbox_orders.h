/* SPDX-License-Identifier: BSD-2-Clause */
/* What test_sandbox.c tells sandbox_checker.c to do. */
#ifndef UNIT_SANDBOX_ORDERS_H
#define UNIT_SANDBOX_ORDERS_H

enum order {
    ORDER_NOTHING,
    ORDER_REFUSE,
    ORDER_CRASH,
    ORDER_HANG,
    ORDER_EXIT,
    ORDER_SCRIBBLE,
    ORDER_SCRIBBLE_BY_READ,
    ORDER_SCRIBBLE_IN_CHILD,
    ORDER_WRITE_FILE,
    ORDER_PLACE,
    ORDER_MARKS,
    ORDER_SAY,
    ORDER_TOUCH,
    ORDER_ALLOCATE
};

#endif
