/* SPDX-License-Identifier: BSD-2-Clause */
/* How test_observe tells its verifier what to do, and what it then did. */
#ifndef OBSERVE_VERIFIER_H
#define OBSERVE_VERIFIER_H

#include "observe/observe.h"

struct verifier_script {
    bool refuse;
    void (*when_asked)(void);
    int asked;
    _Atomic uint32_t before;   /* kinds that it asks for before what they tell of is made */
    const struct event *event; /* the last one that the hook was given */
};

#endif
