/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/storage.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "map/device.h"
#include "map/gather.h"
#include "map/mount.h"
#include "map/parse.h"
#include "map/read.h"

void map_storage_add(struct map_work *work, uint64_t device) {
    struct map_storage *storage = &work->storage;
    for (unsigned i = 0; i < storage->device_count; i++) {
        if (storage->devices[i] == device)
            return;
    }
    if (device == 0 || storage->device_count == MAP_DEVICES_MAX)
        storage->unseen = true;
    else
        storage->devices[storage->device_count++] = device;
}

static void copy(const char *string, char *buffer, size_t size) {
    map_span_copy((struct map_span){string, strlen(string)}, buffer, size);
}

void map_storage_in_ram(struct map_storage *storage, enum map_ram ram, const char *name) {
    storage->ram = ram;
    copy(name, storage->ram_name, sizeof storage->ram_name);
}

/* Adds the device of a node like /dev/zram0 or /dev/mapper/home. */
static void add_node(struct map_work *work, const char *path) {
    const char *name = strrchr(path, '/') + 1;
    uint64_t device = 0;
    struct stat status;
    if (name - path == (ptrdiff_t)strlen("/dev/"))
        device = map_device_number(work, name);
    if (device == 0 && work->system->live && map_status(work, path, &status) &&
        S_ISBLK(status.st_mode))
        device = status.st_rdev;
    if (device == 0 && map_starts_with(name, "zram"))
        map_storage_in_ram(&work->storage, MAP_RAM_ZRAM, name);
    if (device == 0 && work->storage.name[0] == '\0')
        copy(name, work->storage.name, sizeof work->storage.name);
    map_storage_add(work, device);
}

/* The other devices of the btrfs that has this one. */
static void add_btrfs_members(struct map_work *work, uint64_t device) {
    struct map_folder folder;
    bool found = false, unseen = work->storage.unseen;
    work->storage.unseen = true; /* until its members are listed */
    if (device == 0 || !map_device_find(work, "block", device))
        return;
    if (!map_folder_open(&folder, work, map_file(work, "/sys/fs/btrfs", NULL)))
        return;
    for (const char *id; !found && (id = map_folder_next(&folder, work)) != NULL;) {
        const char *member =
            map_file(work, "/sys/fs/btrfs/", id, "/devices/", map_device_name(work), NULL);
        found = map_exists(work, member);
    }
    map_folder_close(&folder);
    if (!found)
        return;
    *strrchr(work->file, '/') = '\0';
    if (!map_folder_open(&folder, work, work->file))
        return;
    work->storage.unseen = unseen;
    for (const char *name; (name = map_folder_next(&folder, work)) != NULL;)
        map_storage_add(work, map_device_number(work, name));
    map_folder_close(&folder);
}

/* File systems over several devices have no device number of their own; their source names one
   device, or several with colons between. */
static void add_source(struct map_work *work, const struct map_mount *mount) {
    char part[sizeof mount->source];
    const char *rest = mount->source;
    if (!map_starts_with(rest, "/dev/"))
        return;
    unsigned before = work->storage.device_count;
    while (*rest != '\0') {
        size_t length = strcspn(rest, ":");
        map_span_copy((struct map_span){rest, length}, part, sizeof part);
        if (map_starts_with(part, "/dev/"))
            add_node(work, part);
        rest += length + (rest[length] == ':');
    }
    if (strcmp(mount->type, "btrfs") == 0 && work->storage.device_count > before)
        add_btrfs_members(work, work->storage.devices[before]);
}

static void add_devices(struct map_work *work, const struct map_mount *mount) {
    unsigned before = work->storage.device_count;
    if (major(mount->device) != 0)
        map_storage_add(work, mount->device);
    else
        add_source(work, mount);
    for (size_t i = 0; i < sizeof mount->devices / sizeof mount->devices[0]; i++) {
        if (map_starts_with(mount->devices[i], "/dev/"))
            add_node(work, mount->devices[i]);
    }
    if (work->storage.device_count == before)
        work->storage.unseen = true;
}

/* Is the upper directory, which the mount names as the one who mounted saw it, visible here under
   the same name? */
static bool upper_is_seen(struct map_work *work, const char *upper) {
    struct stat status;
    if (upper[0] != '/')
        return false;
    return !work->system->live || (map_status(work, upper, &status) && S_ISDIR(status.st_mode));
}

/* Turns work->below from an overlay into what its upper directory lies on; false: not visible. */
static bool go_below(struct map_work *work) {
    uint64_t overlay = work->below.id;
    if (!upper_is_seen(work, work->below.upper))
        return false;
    copy(work->below.upper, work->value, sizeof work->value);
    return map_mount_of_path(work, work->value, &work->below) && work->below.id != overlay;
}

/* Turns work->below from an ecryptfs into what the folder of its source lies on; false: not
   visible, or mounted over itself. */
static bool go_below_ecryptfs(struct map_work *work) {
    uint64_t ecryptfs = work->below.id;
    if (work->below.source[0] != '/')
        return false;
    copy(work->below.source, work->value, sizeof work->value);
    return map_mount_of_path(work, work->value, &work->below) && work->below.id != ecryptfs;
}

/* Adds what work->below lies on; ram: what it is if that is in RAM. */
static void add_below(struct map_work *work, enum map_ram ram) {
    const unsigned depth_max = 4; /* the kernel stacks two file systems at most */
    for (unsigned depth = 0; depth < depth_max; depth++) {
        switch (map_class_of(work->below.type)) {
        case MAP_CLASS_RAM:
            map_storage_in_ram(&work->storage, ram, work->below.type);
            return;
        case MAP_CLASS_OVERLAY:
            if (work->below.traits & MAP_TRAIT_VOLATILE) {
                map_storage_in_ram(&work->storage, ram, "volatile overlay");
                return;
            }
            if (!go_below(work)) {
                work->storage.upper_unseen = true;
                return;
            }
            break;
        case MAP_CLASS_FUSE:
        case MAP_CLASS_REMOTE:
            copy(work->below.type, work->storage.served, sizeof work->storage.served);
            return;
        default:
            if (strcmp(work->below.type, "ecryptfs") == 0 && go_below_ecryptfs(work))
                break;
            add_devices(work, &work->below);
            return;
        }
    }
    work->storage.unseen = true;
}

/* Memory that is in no file system has a name like that of a deleted file in the first one. */
static bool is_memory(const char *path) {
    struct map_span name = {path, strlen(path)};
    return map_strip_deleted(&name) && map_kind_of_name(path, true) != MAP_KIND_UNKNOWN;
}

void map_storage_add_file(struct map_work *work, const char *path) {
    if (is_memory(path))
        map_storage_in_ram(&work->storage, MAP_RAM_LOOP, "no file system");
    else if (map_mount_of_path(work, path, &work->below))
        add_below(work, MAP_RAM_LOOP);
    else
        work->storage.unseen = true;
}

/* The mapped file lies in an overlay. */
static void add_overlaid(struct map_work *work) {
    if (!work->below.found) {
        uint64_t told = work->subject.device;
        if (told != work->mount.device && major(told) != 0) {
            map_storage_add(work, told);
            return;
        }
        work->below = work->mount;
    }
    add_below(work, MAP_RAM_UPPER);
}

static void add_encrypted(struct map_work *work) {
    work->below = work->mount;
    if (go_below_ecryptfs(work))
        add_below(work, MAP_RAM_BELOW);
    else
        work->storage.unseen = true;
}

void map_storage_find(struct map_work *work) {
    struct map_storage *storage = &work->storage;
    memset(storage, 0, sizeof *storage);
    storage->region = storage->cpu_cache = true;
    if (work->subject.kind == MAP_KIND_BLOCK)
        map_storage_add(work, work->subject.node);
    else if (map_class_of(work->mount.type) == MAP_CLASS_OVERLAY)
        add_overlaid(work);
    else if (!work->mount.found && major(work->subject.device) != 0)
        map_storage_add(work, work->subject.device);
    else if (strcmp(work->mount.type, "ecryptfs") == 0)
        add_encrypted(work);
    else
        add_devices(work, &work->mount);
    while (storage->devices_done < storage->device_count && storage->ram == MAP_RAM_NONE)
        map_device_examine(work);
    if (storage->device_count == 0 && storage->ram == MAP_RAM_NONE && !storage->upper_unseen)
        storage->unseen = true;
    /* A part that was not seen may lie in no region, or in one that does not save the caches. */
    if (storage->region_name[0] == '\0' || storage->unseen || storage->host != MAP_HOST_NONE)
        storage->region = storage->cpu_cache = false;
}
