/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl-cc --audit. */
#include "cc/cc.h"

int audit(int count, char **files) {
    (void)count;
    (void)files;
    cc_refuse("--audit is not there yet");
}
