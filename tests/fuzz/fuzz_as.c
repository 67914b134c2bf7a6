/* SPDX-License-Identifier: BSD-2-Clause */
/* The assembler step on any text: no line moves, nothing is lost but compilers' call-outs that it
   replaces, and what it adds is one call for each item that is to be told of. */
#include "as/as.h"
#include "fuzz.h"

static size_t count_lines(const char *bytes, size_t length) {
    size_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += bytes[i] == '\n';
    return lines;
}

static size_t count_calls(const char *bytes, size_t length) {
    static const char call[] = "call *__nvrtl_callout@GOTPCREL(%rip); ";
    size_t calls = 0;
    const char *end = bytes + length;
    while ((bytes = memmem(bytes, (size_t)(end - bytes), call, sizeof call - 1)) != NULL) {
        calls++;
        bytes += sizeof call - 1;
    }
    return calls;
}

/* Are the bytes of the first all in the second, in their order? */
static bool is_within(const char *bytes, size_t length, const struct text *text) {
    size_t at = 0;
    for (size_t i = 0; i < text->length && at < length; i++)
        at += text->bytes[i] == bytes[at];
    return at == length;
}

static void check(const struct source *source) {
    size_t wanted = 0, dropped = 0;
    const char *begin = source->text.at, *end = begin + source->text.length, *last = begin;
    for (size_t i = 0; i < source->item_count; i++) {
        const struct item *item = &source->items[i];
        wanted += item->kind == ITEM_ACTION && !item->announced && !item->stack;
        dropped += item->kind == ITEM_ANNOUNCE && item->announced;
        if (item->kind != ITEM_ACTION && item->kind != ITEM_ANNOUNCE)
            continue;
        /* They are emitted in this order. */
        FUZZ_CHECK(item->place.at >= last && item->place.at + item->place.length <= end);
        last = item->place.at;
    }
    struct text out = {0}, notes = {0};
    emit(source, &out);
    emit_notes(source, NULL, &notes);
    if (source->untouchable)
        wanted = dropped = 0;
    bool open = source->text.length > 0 && end[-1] != '\n';
    FUZZ_CHECK(count_lines(out.bytes, out.length) ==
               count_lines(begin, source->text.length) + open);
    /* Of a text that has such a call itself an operand may be repeated with it. */
    if (source->text.length > 0 && count_calls(begin, source->text.length) == 0)
        FUZZ_CHECK(count_calls(out.bytes, out.length) == wanted);
    if (dropped == 0)
        FUZZ_CHECK(is_within(begin, source->text.length, &out));
    FUZZ_CHECK(notes.length > 0);
    free(out.bytes);
    free(notes.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *block = (char *)malloc(size + 1);
    FUZZ_CHECK(block != NULL);
    memcpy(block, data, size);
    block[size] = '\0';
    struct source source = {.text = {block, size}};
    scan(&source);
    match_announcements(&source);
    check(&source);
    for (size_t i = 0; i < source.spelled_count; i++)
        free(source.spelled[i]);
    free(source.spelled);
    free(source.items);
    free(source.opaques);
    free(block);
    return 0;
}
