/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole machines: what map/ says of every mapping of one. Whatever the files hold, it answers with
   a sentence, gives back what it opened, says the same when it is asked again, and calls nothing
   persistent memory without MAP_SYNC or a device below a bus of libnvdimm. */
#include <errno.h>

#include "fuzz.h"
#include "machine.h"
#include "map/map.h"
#include "map/parse.h"
#include "map/scan.h"

#define MAPPINGS_MAX 24

static const struct map_system machine = {.root = MACHINE_ROOT, .live = false};

static void check_text(const char *text, size_t size, bool sentence) {
    size_t length = strnlen(text, size);
    FUZZ_CHECK(length < size && (length > 0 || !sentence));
    for (size_t i = 0; sentence && i < length; i++)
        FUZZ_CHECK((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static bool may_be_synchronous(void) {
    size_t length;
    const char *smaps = machine_text("proc/self/smaps", &length);
    return smaps != NULL && memmem(smaps, length, "sf", 2) != NULL;
}

static void check_answer(enum result result, const struct map_answer *answer) {
    check_text(answer->reason, sizeof answer->reason, true);
    if (result != RESULT_OK)
        return;
    check_text(answer->path, sizeof answer->path, false);
    FUZZ_CHECK(answer->domain <= MAP_DOMAIN_CPU_CACHE);
    FUZZ_CHECK(answer->notes >> MAP_NOTE_COUNT == 0);
    if (answer->domain < MAP_DOMAIN_MEMORY) {
        FUZZ_CHECK(!answer->synchronous);
        return;
    }
    FUZZ_CHECK(answer->synchronous ? may_be_synchronous() : machine_links_to("/ndbus"));
    FUZZ_CHECK(answer->domain != MAP_DOMAIN_CPU_CACHE || machine_links_to("/ndbus"));
    FUZZ_CHECK((answer->notes & (MAP_NOTE_EMULATED | MAP_NOTE_ZRAM | MAP_NOTE_RAM_DISK)) == 0);
}

static void check_segments(const struct map_region *region, uintptr_t address, size_t length) {
    size_t sum = 0;
    for (size_t i = 0; i < region->segment_count; i++) {
        FUZZ_CHECK(region->segments[i].address == address + sum);
        sum += region->segments[i].length;
    }
    FUZZ_CHECK(region->segments_missed > 0 || sum == length);
}

static enum result ask(struct map_region *region, uintptr_t address, size_t length) {
    errno = EXFULL;
    enum result result = map_probe(&machine, address, length, region);
    FUZZ_CHECK(errno == EXFULL && machine_open_files() == 0);
    return result;
}

/* Both times in the same memory: the second time with the rests of the first. */
static void check_mapping(const struct map_entry *entry, size_t length) {
    static struct map_region region;
    static struct map_answer first;
    enum result result = ask(&region, entry->start, length);
    check_answer(result, &region.answer);
    if (result == RESULT_OK)
        check_segments(&region, entry->start, length);
    first = region.answer;
    FUZZ_CHECK(ask(&region, entry->start, length) == result);
    FUZZ_CHECK(strcmp(first.reason, region.answer.reason) == 0);
    FUZZ_CHECK(result != RESULT_OK ||
               (first.domain == region.answer.domain && first.notes == region.answer.notes));
    uintptr_t start;
    size_t extent;
    if (map_extent(&machine, entry->start, &start, &extent) == RESULT_OK)
        FUZZ_CHECK(entry->start - start < extent);
}

static void check_mappings(void) {
    size_t length;
    const char *text = machine_text("proc/self/maps", &length);
    struct map_span rest = {text, length};
    for (unsigned i = 0; i < MAPPINGS_MAX && rest.length > 0; i++) {
        struct map_entry entry;
        if (!map_parse_entry(scan_until(&rest, '\n'), &entry))
            continue;
        check_mapping(&entry, 1);
        check_mapping(&entry, entry.end - entry.start);
        if (entry.end <= INT64_MAX)
            check_mapping(&entry, entry.end - entry.start + 0x1000);
    }
}

static void visit(void *context, uintptr_t address, size_t length, enum result result,
                  const struct map_answer *answer) {
    (void)context;
    FUZZ_CHECK(length > 0 && address + (length - 1) >= address);
    check_answer(result, answer);
}

static void visit_region(void *context, const char *name, const char *persistence,
                         enum map_domain domain, const char *why) {
    (void)context;
    check_text(name, 256, false);
    check_text(persistence, 1024, false);
    FUZZ_CHECK(domain >= MAP_DOMAIN_MEMORY || why[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    machine_make(data, size);
    check_mappings();
    map_each_region(&machine, visit_region, NULL);
    map_each(&machine, 0, visit, NULL);
    FUZZ_CHECK(machine_open_files() == 0);
    return 0;
}
