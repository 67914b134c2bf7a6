/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/device.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "map/parse.h"
#include "map/read.h"
#include "map/region.h"
#include "map/scan.h"
#include "map/storage.h"

/* Links of sysfs lead up to /sys and down from there again; the way down is kept. */
static bool follow(struct map_work *work, const char *link) {
    if (!map_read_link(work, link))
        return false;
    const char *target = work->value;
    while (map_starts_with(target, "../"))
        target += strlen("../");
    struct map_span folder = {target, strlen(target)};
    return map_starts_with(target, "devices/") &&
           map_span_copy(folder, work->directory, sizeof work->directory);
}

static void add_number(struct map_text *text, uint64_t device) {
    map_text_add_number(text, major(device), 10);
    map_text_add(text, ":");
    map_text_add_number(text, minor(device), 10);
}

bool map_device_find(struct map_work *work, const char *class, uint64_t device) {
    char buffer[32];
    struct map_text number = map_text_in(buffer, sizeof buffer);
    add_number(&number, device);
    return follow(work, map_file(work, "/sys/dev/", class, "/", buffer, NULL));
}

bool map_device_find_named(struct map_work *work, const char *folder, const char *name) {
    return follow(work, map_file(work, folder, name, NULL));
}

const char *map_device_name(const struct map_work *work) {
    return strrchr(work->directory, '/') + 1;
}

bool map_device_value(struct map_work *work, const char *attribute) {
    return map_read_value(work, map_file(work, "/sys/", work->directory, "/", attribute, NULL));
}

bool map_device_is_dax(struct map_work *work) {
    if (!map_read_link(work, map_file(work, "/sys/", work->directory, "/subsystem", NULL)))
        return false;
    const char *name = strrchr(work->value, '/');
    return name != NULL && strcmp(name, "/dax") == 0;
}

uint64_t map_device_number(struct map_work *work, const char *name) {
    if (!map_read_value(work, map_file(work, "/sys/class/block/", name, "/dev", NULL)))
        return 0;
    struct map_span rest = {work->value, strlen(work->value)};
    uint64_t high, low;
    if (!scan_number(&rest, 10, &high) || !scan_char(&rest, ':') || !scan_number(&rest, 10, &low))
        return 0;
    return makedev((unsigned)high, (unsigned)low);
}

/* Adds the devices that this one is made of (device-mapper, md, bcache). false: it is made of
   none. */
static bool add_parts(struct map_work *work) {
    struct map_folder folder;
    if (!map_folder_open(&folder, work, map_file(work, "/sys/", work->directory, "/slaves", NULL)))
        return false;
    bool any = false;
    for (const char *name; (name = map_folder_next(&folder, work)) != NULL; any = true)
        map_storage_add(work, map_device_number(work, name));
    map_folder_close(&folder);
    return any;
}

static enum map_ram ram_of(const char *name, uint64_t device) {
    const unsigned ram_disk_major = 1;
    if (major(device) == ram_disk_major || map_starts_with(name, "nullb"))
        return MAP_RAM_DISK;
    return map_starts_with(name, "zram") ? MAP_RAM_ZRAM : MAP_RAM_NONE;
}

/* Devices whose blocks a program or another machine keeps: what they do with a flush is theirs. */
static bool others_serve(const char *name) {
    static const char *const prefixes[] = {"nbd", "ublkb", "rbd", "etherd!"};
    bool served = false;
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        served |= map_starts_with(name, prefixes[i]);
    return served;
}

static void drop_last_folder(char *directory) {
    *strrchr(directory, '/') = '\0';
}

static void examine_found(struct map_work *work, bool first) {
    struct map_storage *storage = &work->storage;
    if (map_device_value(work, "partition"))
        drop_last_folder(work->directory);
    if (first && map_device_value(work, "queue/dax"))
        storage->dax = strcmp(work->value, "1") == 0 ? MAP_YES : MAP_NO;
    if (map_device_value(work, "loop/backing_file")) {
        storage->region = storage->cpu_cache = false;
        map_storage_add_file(work, work->value);
        return;
    }
    if (add_parts(work))
        return;
    /* The disk of the kernel's module scsi_debug. */
    if (map_starts_with(work->directory, "devices/pseudo_")) {
        map_storage_in_ram(storage, MAP_RAM_DISK, strrchr(work->directory, '/') + 1);
        return;
    }
    if (map_device_value(work, "queue/write_cache"))
        storage->write_back |= strcmp(work->value, "write back") == 0;
    map_region_examine(work);
}

void map_device_examine(struct map_work *work) {
    struct map_storage *storage = &work->storage;
    bool first = storage->devices_done == 0;
    uint64_t device = storage->devices[storage->devices_done++];
    char number[32];
    bool found = map_device_find(work, "block", device);
    const char *name = number;
    if (found) {
        name = map_device_name(work);
    } else {
        struct map_text text = map_text_in(number, sizeof number);
        add_number(&text, device);
        if (first && map_starts_with(work->mount.source, "/dev/"))
            name = strrchr(work->mount.source, '/') + 1;
        storage->unseen = true;
        storage->region = storage->cpu_cache = false;
    }
    struct map_span span = {name, strlen(name)};
    if (first)
        map_span_copy(span, storage->name, sizeof storage->name);
    if (others_serve(name))
        map_span_copy(span, storage->served, sizeof storage->served);
    enum map_ram ram = ram_of(name, device);
    if (ram != MAP_RAM_NONE)
        map_storage_in_ram(storage, ram, span.text);
    else if (found)
        examine_found(work, first);
}
