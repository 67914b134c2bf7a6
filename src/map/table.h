/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of a process's mappings, asked for one at a time: by the PROCMAP_QUERY request where
   the kernel has it, else from the text. Needs no more than the buffer that it is given. */
#ifndef MAP_TABLE_H
#define MAP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map/map.h"
#include "map/parse.h"
#include "map/read.h"

/* How a table is read; anything but MAP_TABLE_BEST is for tests. */
enum map_table_way { MAP_TABLE_BEST, MAP_TABLE_QUERY, MAP_TABLE_TEXT };

struct map_table {
    struct map_lines lines;
    enum map_table_way way;
};

/* process: "self", or a number. The buffer also holds the name of the table's file at first.
   pre: size >= 256 */
bool map_table_open(struct map_table *table, const struct map_system *system, const char *process,
                    enum map_table_way way, char *buffer, size_t size);

/* The mapping that holds address, else the next one after it; false: there is none. From the text
   each mapping is told once, so addresses have to ascend. If name is not NULL it receives the name,
   decoded and perhaps cut, and entry->name is a span of it; else entry->name is empty. */
bool map_table_find(struct map_table *table, uintptr_t address, struct map_entry *entry, char *name,
                    size_t name_size);

void map_table_close(struct map_table *table);

#endif
