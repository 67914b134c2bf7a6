/* SPDX-License-Identifier: BSD-2-Clause */
/* Which directives change where code is, and where the frame is found from. */
#include <string.h>

#include "as/scan.h"

void frames_directive(struct frames *frames, struct span name, struct span arguments) {
    if (arguments.length > 0 && *arguments.at == '%') {
        arguments.at++;
        arguments.length--;
    }
    struct span first = span_trim((struct span){arguments.at, span_find(arguments, ',')});
    if (span_is(name, ".cfi_startproc")) {
        *frames = (struct frames){.now = FRAME_RSP};
    } else if (span_is(name, ".cfi_endproc")) {
        frames->now = FRAME_NONE;
    } else if (span_is(name, ".cfi_def_cfa") || span_is(name, ".cfi_def_cfa_register")) {
        if (span_is(first, "rsp") || span_is(first, "7"))
            frames->now = FRAME_RSP;
        else
            frames->now = span_is(first, "rbp") || span_is(first, "6") ? FRAME_RBP : FRAME_OTHER;
    } else if (span_is(name, ".cfi_escape")) {
        if (span_is(first, "0xf") || span_is(first, "0x0f") || span_is(first, "15"))
            frames->now = FRAME_OTHER; /* DW_CFA_def_cfa_expression */
    } else if (span_is(name, ".cfi_remember_state")) {
        if (frames->depth < FRAMES_MAX)
            frames->kept[frames->depth] = frames->now;
        frames->depth++;
    } else if (span_is(name, ".cfi_restore_state") && frames->depth > 0) {
        frames->depth--;
        frames->now = frames->depth < FRAMES_MAX ? frames->kept[frames->depth] : FRAME_OTHER;
    }
}

/* .section NAME, "flags": without flags the name tells. */
static bool holds_code(struct span arguments) {
    size_t end = span_find(arguments, ',');
    struct span name = span_trim((struct span){arguments.at, end});
    if (end < arguments.length) {
        struct span flags = {arguments.at + end + 1, arguments.length - end - 1};
        flags.length = span_find(flags, ',');
        const char *quote = memchr(flags.at, '"', flags.length);
        if (quote == NULL) /* .pushsection NAME, subsection, "flags" */
            return end + 1 + flags.length < arguments.length
                       ? memchr(arguments.at + end, 'x', arguments.length - end) != NULL
                       : span_starts(name, ".text");
        return memchr(flags.at, 'x', flags.length) != NULL;
    }
    return span_starts(name, ".text") || span_starts(name, ".init") || span_starts(name, ".fini") ||
           span_starts(name, "\".text");
}

static void enter(struct sections *sections, bool code) {
    sections->previous = sections->code;
    sections->code = code;
}

bool sections_directive(struct sections *sections, struct span name, struct span arguments) {
    if (span_is(name, ".text")) {
        enter(sections, true);
    } else if (span_is(name, ".data") || span_is(name, ".bss") || span_is(name, ".rodata")) {
        enter(sections, false);
    } else if (span_is(name, ".section")) {
        enter(sections, holds_code(arguments));
    } else if (span_is(name, ".previous")) {
        enter(sections, sections->previous);
    } else if (span_is(name, ".pushsection")) {
        if (sections->depth < SECTIONS_MAX) {
            sections->kept[sections->depth] = sections->code;
            sections->kept_previous[sections->depth] = sections->previous;
        }
        sections->depth++;
        enter(sections, holds_code(arguments));
    } else if (span_is(name, ".popsection")) {
        if (sections->depth > 0 && --sections->depth < SECTIONS_MAX) {
            sections->code = sections->kept[sections->depth];
            sections->previous = sections->kept_previous[sections->depth];
        }
    } else {
        return false;
    }
    return true;
}
