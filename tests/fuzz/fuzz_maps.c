/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of /proc/PID/maps and smaps. What is taken for a mapping has to be what sscanf reads. */
#include <inttypes.h>
#include <sys/sysmacros.h>

#include "fuzz.h"
#include "map/parse.h"

static bool only_lower_hex(const char *text, const char *end) {
    return strspn(text, "0123456789abcdef") >= (size_t)(end - text);
}

/* Reads the line again, with another reader. */
static void check_entry(const char *line, size_t length, const struct map_entry *entry) {
    uint64_t start, end, offset, inode;
    unsigned high, low;
    char permissions[5];
    int at = -1;
    FUZZ_CHECK(memchr(line, '\0', length) == NULL || strlen(line) < length);
    FUZZ_CHECK(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4c %" SCNx64 " %x:%x %" SCNu64 "%n", &start,
                      &end, permissions, &offset, &high, &low, &inode, &at) == 7);
    FUZZ_CHECK(entry->start == start && entry->end == end && entry->offset == offset);
    FUZZ_CHECK(entry->device == makedev(high, low) && entry->inode == inode);
    FUZZ_CHECK(entry->start < entry->end);
    FUZZ_CHECK(entry->writable == (permissions[1] == 'w'));
    FUZZ_CHECK(entry->shared == (permissions[3] == 's'));
    FUZZ_CHECK(only_lower_hex(line, strchr(line, '-')));
    const char *name = line + at + strspn(line + at, " ");
    FUZZ_CHECK(entry->name.text == name && name + entry->name.length == line + length);
}

/* What was decoded, written as the kernel writes it, is the raw text again: unless that had the
   escaped character as it stands, or something that looks like an escape and is none. */
static void check_decoded(struct map_span raw, const char *escaped) {
    char small[8], large[512];
    bool whole = map_decode(raw, escaped, large, sizeof large);
    bool fits = map_decode(raw, escaped, small, sizeof small);
    FUZZ_CHECK(strlen(large) < sizeof large && strlen(small) < sizeof small);
    FUZZ_CHECK(memchr(raw.text, '\0', raw.length) != NULL ||
               strncmp(small, large, strlen(small)) == 0);
    FUZZ_CHECK(!whole || memchr(raw.text, '\0', raw.length) != NULL ||
               fits == (strlen(large) < sizeof small));
    size_t at = 0, to = 0;
    while (at < raw.length && to < sizeof large - 1) {
        char octal[8];
        snprintf(octal, sizeof octal, "\\%03o", (unsigned char)large[to]);
        bool is_escape = raw.length - at >= 4 && large[to] != '\0' &&
                         strchr(escaped, large[to]) != NULL && memcmp(raw.text + at, octal, 4) == 0;
        FUZZ_CHECK(is_escape || raw.text[at] == large[to]);
        at += is_escape ? 4 : 1;
        to++;
    }
    FUZZ_CHECK(whole == (at == raw.length));
}

static void check_flags(struct map_span line) {
    uint32_t flags = 0;
    if (!map_parse_vm_flags(line, &flags))
        return;
    FUZZ_CHECK((flags & ~(uint32_t)(MAP_VM_SYNC | MAP_VM_DEVICE)) == 0);
    FUZZ_CHECK(line.length >= strlen("VmFlags") && memcmp(line.text, "VmFlags", 7) == 0);
    FUZZ_CHECK((flags & MAP_VM_SYNC) == 0 || memmem(line.text, line.length, "sf", 2) != NULL);
}

static void check_line(char *line) {
    const struct map_span span = {line, strlen(line)};
    struct map_entry entry;
    if (map_parse_entry(span, &entry)) {
        check_entry(line, span.length, &entry);
        struct map_span name = entry.name;
        bool deleted = map_strip_deleted(&name);
        FUZZ_CHECK(deleted == (name.length != entry.name.length));
        check_decoded(name, MAP_ESCAPED_IN_MAPS);
    }
    check_flags(span);
    check_decoded(span, MAP_ESCAPED_IN_MOUNTINFO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    while (fuzz_more(&input)) {
        char *line = fuzz_string(&input, '\n');
        check_line(line);
        free(line);
    }
    return 0;
}
