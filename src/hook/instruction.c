/* SPDX-License-Identifier: BSD-2-Clause */
/* What the assembler step tells of: instructions, one by one. */
#include "hook/callout.h"
#include "hook/hook.h"

void hook_callout(const struct callout *callout) {
    struct hook_act act = {.kind = EVENT_RAW_STORE,
                           .address = callout->address,
                           .length = callout->length,
                           .site = callout->pc,
                           .frame = callout->stack};
    switch (callout->kind) {
    case CALLOUT_FLUSH:
        act.kind = EVENT_RAW_FLUSH;
        act.effect = callout->detail == CALLOUT_CLFLUSH ? EFFECT_DRAIN : 0;
        break;
    case CALLOUT_FENCE:
        act.kind = EVENT_RAW_DRAIN;
        break;
    case CALLOUT_LOCKED:
        act.effect = EFFECT_LOCKED;
        /* What it stores, if it does, is found by what has changed. */
        if (callout->detail == CALLOUT_CONDITIONAL)
            act.kind = EVENT_RAW_DRAIN;
        break;
    case CALLOUT_STREAM:
        act.effect = EFFECT_STREAM;
        break;
    case CALLOUT_DIRECT:
        act.effect = EFFECT_STREAM | EFFECT_FLUSH;
        break;
    case CALLOUT_CLZERO:
    default:
        break;
    }
    hook_tell(&act);
}
