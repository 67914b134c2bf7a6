/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/region.h"

#include <string.h>

#include "map/device.h"
#include "map/gather.h"
#include "map/parse.h"
#include "map/read.h"
#include "map/scan.h"
#include "map/storage.h"

/* Where a region and its bus end in the path of a device: ".../ndbus0/region1/...". */
struct place {
    size_t bus_start, bus_length, region_length; /* from the start of the path */
};

/* Takes "/name" and a number from the front of rest. */
static bool take_numbered(struct map_span *rest, const char *name) {
    size_t length = strlen(name);
    uint64_t number;
    if (rest->length < length || memcmp(rest->text, name, length) != 0)
        return false;
    rest->text += length;
    rest->length -= length;
    return scan_number(rest, 10, &number);
}

/* false: it lies in no region. A CXL region of ordinary memory is called region too, and has no
   ndbus. */
static bool find_place(const char *directory, struct place *place) {
    const char *bus = strstr(directory, "/ndbus");
    if (bus == NULL)
        return false;
    struct map_span rest = {bus, strlen(bus)};
    if (!take_numbered(&rest, "/ndbus"))
        return false;
    place->bus_start = (size_t)(bus - directory);
    place->bus_length = (size_t)(rest.text - directory);
    if (!take_numbered(&rest, "/region") || (rest.length > 0 && rest.text[0] != '/'))
        return false;
    place->region_length = (size_t)(rest.text - directory);
    return true;
}

/* Looks at what the bus hangs on. pre: work->directory ends there */
static enum map_host find_host(struct map_work *work) {
    const char *name = strrchr(work->directory, '/');
    if (name != NULL && map_starts_with(name, "/virtio"))
        return MAP_HOST_VIRTIO;
    const char *file =
        map_file(work, "/sys/", work->directory, "/of_node/ibm,hcall-flush-required", NULL);
    return map_exists(work, file) ? MAP_HOST_HYPERVISOR : MAP_HOST_NONE;
}

/* "memmap=nn!ss", or "memmap=nn%ss-old+12": type 12 is what nd_e820 makes a region of. */
static bool makes_region(struct map_span value) {
    while (value.length > 0) {
        struct map_span part = scan_until(&value, ',');
        struct map_span size = scan_until(&part, '!');
        if (part.text != size.text + size.length)
            return true;
        struct map_span before = scan_until(&size, '+');
        bool typed = before.length > 0 && memchr(before.text, '%', before.length) != NULL;
        if (typed && (map_span_equals(size, "12") || map_span_equals(size, "0xc")))
            return true;
    }
    return false;
}

bool map_cmdline_makes_regions(struct map_span line) {
    while (line.length > 0) {
        struct map_span word = scan_until(&line, ' ');
        struct map_span name = scan_until(&word, '=');
        if (map_span_equals(name, "memmap") && makes_region(word))
            return true;
    }
    return false;
}

enum map_tristate map_region_memmap(struct map_work *work) {
    struct map_lines lines;
    struct map_span line = {NULL, 0};
    const char *path = map_file(work, "/proc/cmdline", NULL);
    if (!map_lines_of(work, &lines, path))
        return MAP_UNKNOWN;
    bool read = map_lines_next(&lines, &line);
    map_lines_end(work, &lines);
    if (!read)
        return MAP_UNKNOWN;
    return map_cmdline_makes_regions(line) ? MAP_YES : MAP_NO;
}

static bool value_is(struct map_work *work, const char *attribute, const char *wanted) {
    return map_device_value(work, attribute) && strcmp(work->value, wanted) == 0;
}

/* Is the region RAM? pre: work->directory ends with it; leaves it at the bus */
static enum map_ram ram_of_region(struct map_work *work, const struct place *place) {
    if (value_is(work, "devtype", "nd_volatile"))
        return MAP_RAM_REGION;
    work->directory[place->bus_length] = '\0';
    if (!map_device_value(work, "provider"))
        return MAP_RAM_NONE;
    if (map_starts_with(work->value, "nfit_test") || map_starts_with(work->value, "ndtest"))
        return MAP_RAM_TEST;
    /* The driver serves what firmware older than the NFIT calls type 12, and what memmap= calls so.
       When the parameters cannot be read it may be the latter. */
    bool e820 = strcmp(work->value, "e820") == 0;
    return e820 && map_region_memmap(work) != MAP_NO ? MAP_RAM_MEMMAP : MAP_RAM_NONE;
}

static bool is_cpu_cache(const char *persistence) {
    return strcmp(persistence, "cpu_cache") == 0;
}

static void copy(const char *string, char *buffer, size_t size) {
    map_span_copy((struct map_span){string, strlen(string)}, buffer, size);
}

void map_region_examine(struct map_work *work) {
    struct map_storage *storage = &work->storage;
    struct place place;
    if (!find_place(work->directory, &place)) {
        storage->region = storage->cpu_cache = false;
        return;
    }
    /* Everything that can be asked of the device itself was asked before. */
    work->directory[place.region_length] = '\0';
    char name[sizeof storage->region_name];
    copy(map_device_name(work), name, sizeof name);
    if (!map_device_value(work, "persistence_domain"))
        work->value[0] = '\0';
    bool cpu_cache = is_cpu_cache(work->value);
    if (storage->region_name[0] == '\0' || (storage->cpu_cache && !cpu_cache)) {
        storage->cpu_cache &= cpu_cache;
        copy(name, storage->region_name, sizeof storage->region_name);
        copy(work->value, storage->persistence, sizeof storage->persistence);
    }
    enum map_ram ram = ram_of_region(work, &place);
    if (ram != MAP_RAM_NONE)
        map_storage_in_ram(storage, ram, name);
    work->directory[place.bus_start] = '\0';
    enum map_host host = find_host(work);
    if (host != MAP_HOST_NONE)
        storage->host = host;
}

const char *map_region_fault(enum map_ram ram) {
    switch (ram) {
    case MAP_RAM_REGION:
        return "is volatile memory (nd_volatile)";
    case MAP_RAM_MEMMAP:
        return "may be RAM that the kernel's parameter memmap= set aside";
    case MAP_RAM_TEST:
        return "is RAM of a kernel test module";
    default:
        return "";
    }
}

/* Tells of one region. false: its folder cannot be found. */
static bool visit_one(struct map_work *work, const char *name, map_visit_region *visit,
                      void *context) {
    struct map_storage *storage = &work->storage;
    memset(storage, 0, sizeof *storage);
    storage->region = storage->cpu_cache = true;
    if (!map_device_find_named(work, "/sys/bus/nd/devices/", name))
        return false;
    map_region_examine(work);
    enum map_domain domain = MAP_DOMAIN_MEMORY;
    const char *why = map_region_fault(storage->ram);
    if (storage->ram != MAP_RAM_NONE)
        domain = MAP_DOMAIN_VOLATILE;
    else if (storage->host != MAP_HOST_NONE)
        domain = MAP_DOMAIN_PAGE_CACHE, why = "has a host that has to be told to write back";
    else if (storage->cpu_cache)
        domain = MAP_DOMAIN_CPU_CACHE;
    visit(context, name, storage->persistence, domain, why);
    return true;
}

enum result map_each_region(const struct map_system *system, map_visit_region *visit,
                            void *context) {
    struct map_work work;
    map_begin(&work, system, 0);
    struct map_folder folder;
    if (!map_folder_open(&folder, &work, map_file(&work, "/sys/bus/nd/devices", NULL))) {
        /* A machine without such memory has no such folder; one without /sys shows nothing. */
        if (!map_folder_open(&folder, &work, map_file(&work, "/sys/bus", NULL)))
            return RESULT_NOT_SUPPORTED;
        map_folder_close(&folder);
        return RESULT_OK;
    }
    for (const char *name; (name = map_folder_next(&folder, &work)) != NULL;) {
        if (map_starts_with(name, "region"))
            visit_one(&work, name, visit, context);
    }
    map_folder_close(&folder);
    return RESULT_OK;
}
