/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/gather.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "map/device.h"
#include "map/mount.h"
#include "map/parse.h"
#include "map/read.h"
#include "map/region.h"
#include "map/storage.h"
#include "os/calls.h"

void map_begin(struct map_work *work, const struct map_system *system, uint32_t pid) {
    work->system = system;
    work->unread = work->broken = false;
    struct map_text process = map_text_in(work->process, sizeof work->process);
    if (pid == 0)
        map_text_add(&process, "self");
    else
        map_text_add_number(&process, pid, 10);
    memset(&work->subject, 0, sizeof work->subject);
    memset(&work->mount, 0, sizeof work->mount);
    memset(&work->below, 0, sizeof work->below);
    memset(&work->storage, 0, sizeof work->storage);
    work->name[0] = '\0';
}

void map_answer_subject(const struct map_work *work, struct map_answer *answer) {
    answer->device = work->subject.device;
    answer->inode = work->subject.inode;
    map_span_copy((struct map_span){work->name, strlen(work->name)}, answer->path,
                  sizeof answer->path);
}

/* Names of memory that belongs to no mount. Its file system is the kernel's own, without a
   device. */
static const struct {
    const char *prefix;
    bool deleted; /* the name comes with " (deleted)" */
    enum map_kind kind;
} special[] = {
    {"/memfd:", true, MAP_KIND_MEMORY},        {"/secretmem", true, MAP_KIND_MEMORY},
    {"/dev/zero", true, MAP_KIND_ANONYMOUS},   {"/anon_hugepage", true, MAP_KIND_ANONYMOUS},
    {"/SYSV", true, MAP_KIND_ANONYMOUS},       {"/[aio]", true, MAP_KIND_KERNEL},
    {"/drm mm object", true, MAP_KIND_KERNEL}, {"/dmabuf:", false, MAP_KIND_KERNEL},
    {"[", false, MAP_KIND_ANONYMOUS}, /* named by prctl(PR_SET_VMA) */
};

enum map_kind map_kind_of_name(const char *name, bool deleted) {
    if (name[0] == '\0')
        return MAP_KIND_ANONYMOUS;
    for (size_t i = 0; i < ARRAY_LENGTH(special); i++) {
        bool fits = deleted || !special[i].deleted;
        if (fits && map_starts_with(name, special[i].prefix))
            return special[i].kind;
    }
    return name[0] == '/' ? MAP_KIND_UNKNOWN : MAP_KIND_KERNEL;
}

void map_take_status(struct map_work *work, const struct statx *status) {
    struct map_subject *subject = &work->subject;
    switch (status->stx_mode & S_IFMT) {
    case S_IFREG:
        subject->kind = MAP_KIND_FILE;
        break;
    case S_IFBLK:
        subject->kind = MAP_KIND_BLOCK;
        break;
    case S_IFCHR:
        subject->kind = MAP_KIND_DEVICE; /* until it is known as a device-dax */
        break;
    default:
        subject->kind = MAP_KIND_OTHER;
    }
    if (subject->kind == MAP_KIND_BLOCK || subject->kind == MAP_KIND_DEVICE)
        subject->node = makedev(status->stx_rdev_major, status->stx_rdev_minor);
    if (status->stx_attributes_mask & STATX_ATTR_DAX)
        subject->dax = status->stx_attributes & STATX_ATTR_DAX ? MAP_YES : MAP_NO;
}

/* Takes the status of what lies at path, if that is the mapped file. statx, never open: closing any
   descriptor of a file drops the process's POSIX locks on it. */
static bool ask_path(struct map_work *work, const char *path) {
    struct statx status;
    if (os_calls.statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                       STATX_TYPE | STATX_INO | STATX_NLINK, &status) != 0)
        return map_fail(work);
    uint64_t device = makedev(status.stx_dev_major, status.stx_dev_minor);
    if (device != work->subject.device || status.stx_ino != work->subject.inode)
        return false;
    map_take_status(work, &status);
    if (status.stx_nlink > 0)
        work->subject.deleted = false;
    return true;
}

/* The system's own link to a mapped file, which the privileged may follow. */
static const char *mapped_link(struct map_work *work) {
    map_file(work, "/proc/", work->process, "/map_files/", NULL);
    struct map_text text = {
        .buffer = work->file, .size = sizeof work->file, .length = strlen(work->file)};
    map_text_add_number(&text, work->subject.start, 16);
    map_text_add(&text, "-");
    map_text_add_number(&text, work->subject.end, 16);
    return work->file;
}

/* Asks about the mapped file by path, if the path still leads to it. Returns that path, or NULL. */
static const char *ask_file(struct map_work *work) {
    if (work->subject.deleted) {
        /* Perhaps it is a part of the name of a file that is there. */
        static const char suffix[] = " (deleted)"; /* it was there before: there is room */
        char *end = work->name + strlen(work->name);
        memcpy(end, suffix, sizeof suffix);
        if (ask_path(work, work->name))
            return work->name;
        *end = '\0';
    } else if (ask_path(work, work->name)) {
        return work->name;
    }
    const char *link = mapped_link(work);
    return ask_path(work, link) ? link : NULL;
}

void map_take_type(struct map_work *work, const char *path) {
    struct statfs status;
    if (os_calls.statfs(path, &status) != 0) {
        map_fail(work);
        return;
    }
    const char *type = map_type_of_magic((uint64_t)status.f_type & UINT32_MAX);
    if (type != NULL)
        map_span_copy((struct map_span){type, strlen(type)}, work->mount.type,
                      sizeof work->mount.type);
}

/* A server that does not answer would make a look at the path wait for ever. */
static bool may_ask(const struct map_work *work) {
    enum map_class class = map_class_of(work->mount.type);
    return work->system->live && class != MAP_CLASS_FUSE && class != MAP_CLASS_REMOTE;
}

/* What smaps says of the range: the flags that every mapping has, and those that any has. */
static void read_vm_flags(struct map_work *work, uint32_t *all, uint32_t *any) {
    *all = *any = 0;
    struct map_lines lines;
    const char *path = map_file(work, "/proc/", work->process, "/smaps", NULL);
    if (!map_lines_of(work, &lines, path))
        return;
    struct map_entry entry;
    uint32_t flags;
    uint64_t covered = work->subject.first;
    bool inside = false;
    *all = UINT32_MAX;
    for (struct map_span line; map_lines_next(&lines, &line);) {
        if (inside && map_parse_vm_flags(line, &flags)) {
            *all &= flags;
            *any |= flags;
            covered = entry.end;
            if (covered > work->subject.last)
                break;
        } else if (map_parse_entry(line, &entry)) {
            inside = entry.start <= covered && entry.end > covered;
        }
    }
    map_lines_end(work, &lines);
    if (covered <= work->subject.last)
        *all = 0;
}

/* Only sysfs knows what a node stands for when its status cannot be asked. */
static void guess_node(struct map_work *work) {
    const char *name = work->name + strlen("/dev/");
    if (work->subject.deleted || !map_starts_with(work->name, "/dev/"))
        return;
    if (map_device_find_named(work, "/sys/bus/dax/devices/", name)) {
        work->subject.kind = MAP_KIND_DAX_DEVICE;
        return;
    }
    work->subject.node = map_device_number(work, name);
    if (work->subject.node != 0)
        work->subject.kind = MAP_KIND_BLOCK;
}

static void set_storage_name(struct map_work *work, const char *name) {
    map_span_copy((struct map_span){name, strlen(name)}, work->storage.name,
                  sizeof work->storage.name);
}

/* pre: the device's folder was found */
static void gather_dax_device(struct map_work *work) {
    set_storage_name(work, map_device_name(work));
    work->storage.region = work->storage.cpu_cache = true;
    map_region_examine(work);
}

static void gather_character_device(struct map_work *work) {
    const char *name = strrchr(work->name, '/');
    if (map_device_find(work, "char", work->subject.node)) {
        if (map_device_is_dax(work)) {
            work->subject.kind = MAP_KIND_DAX_DEVICE;
            gather_dax_device(work);
        }
    } else if (name != NULL && map_starts_with(name, "/dax")) {
        work->subject.kind = MAP_KIND_DAX_DEVICE;
        work->storage.unseen = true;
        set_storage_name(work, name + 1);
    }
}

void map_gather_storage(struct map_work *work) {
    switch (work->subject.kind) {
    case MAP_KIND_DAX_DEVICE:
        gather_dax_device(work);
        break;
    case MAP_KIND_DEVICE:
        gather_character_device(work);
        break;
    case MAP_KIND_BLOCK:
        map_storage_find(work);
        break;
    default:
        switch (map_class_of(work->mount.type)) {
        case MAP_CLASS_ANY:
        case MAP_CLASS_OVERLAY:
            map_storage_find(work);
            break;
        default:
            break;
        }
    }
}

/* Does the mapped file's own node, or what its mapping says, show a device? */
static void gather_kind(struct map_work *work) {
    const char *path = may_ask(work) ? ask_file(work) : NULL;
    if (path != NULL && !work->mount.found)
        map_take_type(work, path);
    if (work->subject.kind != MAP_KIND_UNKNOWN || map_class_of(work->mount.type) != MAP_CLASS_RAM)
        return;
    guess_node(work);
    /* In a container /dev is a tmpfs. */
    bool nodes =
        strcmp(work->mount.type, "devtmpfs") == 0 || strcmp(work->mount.point, "/dev") == 0;
    if (work->subject.kind != MAP_KIND_UNKNOWN || !nodes)
        return;
    uint32_t all, any;
    read_vm_flags(work, &all, &any);
    if (any & MAP_VM_DEVICE)
        work->subject.kind = MAP_KIND_DEVICE;
}

void map_take_doubt(struct map_work *work) {
    struct map_storage *storage = &work->storage;
    if (!work->subject.synchronous || storage->region || !storage->unseen)
        return;
    if (map_region_memmap(work) == MAP_YES) {
        map_storage_in_ram(storage, MAP_RAM_MEMMAP, "");
        work->subject.synchronous = false;
    }
}

void map_gather(struct map_work *work) {
    struct map_span name = {work->name, strlen(work->name)};
    work->subject.deleted = map_strip_deleted(&name);
    work->name[name.length] = '\0';
    bool mounted = map_mount_of_subject(work);
    if (!mounted && major(work->subject.device) == 0)
        work->subject.kind = map_kind_of_name(work->name, work->subject.deleted);
    if (work->subject.kind != MAP_KIND_UNKNOWN)
        return;
    gather_kind(work);
    map_gather_storage(work);
    bool file = work->subject.kind == MAP_KIND_FILE || work->subject.kind == MAP_KIND_UNKNOWN;
    if (!file || map_file_has_dax(work) == MAP_NO)
        return;
    uint32_t all, any;
    read_vm_flags(work, &all, &any);
    /* Where the host has to be told, the kernel grants no MAP_SYNC: should it say so all the same,
       the flush of a line is still not enough. */
    work->subject.synchronous = (all & MAP_VM_SYNC) != 0 && work->storage.host == MAP_HOST_NONE;
    map_take_doubt(work);
}
