/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/table.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "os/calls.h"
#include "range/range.h"

/* PROCMAP_QUERY of Linux 6.11, as linux/fs.h has it; older headers do not. */
struct procmap_query {
    uint64_t size;
    uint64_t query_flags;
    uint64_t query_address;
    uint64_t start, end, flags, page_size, offset, inode;
    uint32_t device_major, device_minor;
    uint32_t name_size; /* of the buffer; then of the name with its terminator, or 0 */
    uint32_t build_id_size;
    uint64_t name_address;
    uint64_t build_id_address;
};
_Static_assert(sizeof(struct procmap_query) == 104, "the kernel's layout");

enum procmap_flag {
    PROCMAP_WRITABLE = 0x02,
    PROCMAP_SHARED = 0x08,
    PROCMAP_COVERING_OR_NEXT = 0x10,
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)

/* false: errno says why. */
static bool ask(struct map_table *table, uintptr_t address, struct map_entry *entry, char *name,
                size_t name_size) {
    struct procmap_query query = {
        .size = sizeof query,
        .query_flags = PROCMAP_COVERING_OR_NEXT,
        .query_address = address,
        .name_address = (uintptr_t)name,
        .name_size = (uint32_t)name_size,
    };
    if (os_calls.ioctl(table->lines.text.descriptor, PROCMAP_QUERY, &query) != 0)
        return false;
    *entry = (struct map_entry){
        .start = query.start,
        .end = query.end,
        .offset = query.offset,
        .device = makedev(query.device_major, query.device_minor),
        .inode = query.inode,
        .writable = (query.flags & PROCMAP_WRITABLE) != 0,
        .shared = (query.flags & PROCMAP_SHARED) != 0,
    };
    if (name == NULL)
        return true;
    /* A mapping without a name leaves the buffer as it was. */
    if (query.name_size == 0)
        name[0] = '\0';
    entry->name = (struct map_span){name, strlen(name)};
    return true;
}

bool map_table_open(struct map_table *table, const struct map_system *system, const char *process,
                    enum map_table_way way, char *buffer, size_t size) {
    struct map_text path = map_text_in(buffer, size);
    map_text_add_all(&path, system->root, "/proc/", process, "/maps", NULL);
    table->way = system->root[0] == '\0' ? way : MAP_TABLE_TEXT;
    return !path.cut && map_lines_open(&table->lines, buffer, buffer, size);
}

static bool read_on(struct map_table *table, uintptr_t address, struct map_entry *entry, char *name,
                    size_t name_size) {
    struct map_span line;
    while (map_lines_next(&table->lines, &line)) {
        /* The kernel's own half has one page that the text lists and a query does not. */
        if (!map_parse_entry(line, entry) || entry->end <= address || (int64_t)entry->start < 0)
            continue;
        if (name != NULL)
            map_decode(entry->name, MAP_ESCAPED_IN_MAPS, name, name_size);
        entry->name = (struct map_span){name, name == NULL ? 0 : strlen(name)};
        return true;
    }
    return false;
}

bool map_table_find(struct map_table *table, uintptr_t address, struct map_entry *entry, char *name,
                    size_t name_size) {
    if (table->way != MAP_TABLE_TEXT) {
        if (ask(table, address, entry, name, name_size))
            return true;
        if (errno == ENOENT || table->way == MAP_TABLE_QUERY)
            return false;
        /* An older kernel, a filter of system calls, or a name longer than it can tell. */
        table->way = MAP_TABLE_TEXT;
    }
    return read_on(table, address, entry, name, name_size);
}

void map_table_close(struct map_table *table) {
    map_lines_close(&table->lines);
}

/* What follows runs in signal handlers with small stacks, so the table goes through a small buffer.
   */
#define SMALL_BUFFER 256

static enum result find_one(const struct map_system *system, uintptr_t address,
                            struct map_entry *entry) {
    char buffer[SMALL_BUFFER];
    struct map_table table;
    int error = errno;
    enum result result = RESULT_NO_MEMORY;
    if (map_table_open(&table, system, "self", MAP_TABLE_BEST, buffer, sizeof buffer)) {
        bool found = map_table_find(&table, address, entry, NULL, 0) && entry->start <= address;
        if (found)
            result = RESULT_OK;
        else if (!table.lines.text.failed)
            result = RESULT_NOT_MAPPED;
        map_table_close(&table);
    }
    errno = error;
    return result;
}

enum result map_extent(const struct map_system *system, uintptr_t address, uintptr_t *start,
                       size_t *length) {
    struct map_entry entry;
    enum result result = find_one(system, address, &entry);
    if (result == RESULT_OK) {
        *start = entry.start;
        *length = entry.end - entry.start;
    }
    return result;
}

enum result map_same(const struct map_system *system, const struct map_identity *identity) {
    struct map_entry entry;
    enum result result = find_one(system, identity->start, &entry);
    if (result == RESULT_NO_MEMORY)
        return result;
    bool same =
        result == RESULT_OK && entry.shared && entry.writable &&
        range_inside(identity->start, identity->length, entry.start, entry.end - entry.start) &&
        entry.device == identity->device && entry.inode == identity->inode &&
        entry.offset + (identity->start - entry.start) == identity->offset;
    return same ? RESULT_OK : RESULT_INVALID;
}
