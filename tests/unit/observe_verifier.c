/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared object that test_observe lets the library load in the place of a verifier. */
#include "observe_verifier.h"

__attribute__((visibility("default"))) struct verifier_script verifier_script;

static void verifier_hook(const struct event *event) {
    verifier_script.event = event;
}

__attribute__((visibility("default"))) observe_hook *nvrtl_rt_observer(void);
__attribute__((visibility("default"))) const _Atomic uint32_t *nvrtl_rt_before(void);

const _Atomic uint32_t *nvrtl_rt_before(void) {
    return &verifier_script.before;
}

observe_hook *nvrtl_rt_observer(void) {
    verifier_script.asked++;
    if (verifier_script.when_asked != NULL)
        verifier_script.when_asked();
    return verifier_script.refuse ? NULL : verifier_hook;
}
