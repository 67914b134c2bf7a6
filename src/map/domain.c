/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/domain.h"

#include <stdarg.h>
#include <string.h>

#include "map/mount.h"
#include "map/region.h"
#include "map/text.h"

const char *map_domain_name(enum map_domain domain) {
    static const char *const names[] = {"volatile", "page-cache", "memory", "cpu-cache"};
    return names[domain];
}

void map_reason(struct map_answer *answer, ...) {
    struct map_text text = map_text_in(answer->reason, sizeof answer->reason);
    va_list parts;
    va_start(parts, answer);
    for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
        map_text_add(&text, part);
    va_end(parts);
    for (char *c = answer->reason; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

enum map_tristate map_file_has_dax(const struct map_work *work) {
    if (map_class_of(work->mount.type) != MAP_CLASS_ANY || work->storage.ram != MAP_RAM_NONE)
        return MAP_NO;
    if (work->subject.dax != MAP_UNKNOWN)
        return work->subject.dax;
    if ((work->mount.traits & MAP_TRAIT_DAX_NEVER) || work->storage.dax == MAP_NO)
        return MAP_NO;
    if (work->mount.traits & MAP_TRAIT_DAX)
        return MAP_YES;
    /* A file can be DAX by its own flag; a file system with no device of its own cannot. */
    return work->mount.found && work->storage.device_count == 0 ? MAP_NO : MAP_UNKNOWN;
}

/* What the file system lies on, in a word. */
static const char *place(const struct map_work *work) {
    if (work->storage.name[0] != '\0')
        return work->storage.name;
    return work->mount.source[0] != '\0' ? work->mount.source : "an unknown device";
}

static const char power_cut[] = ": survives no power cut";

/* A region of libnvdimm whose memory is RAM; type and name: of what lies on it. */
static enum result in_ram_region(const struct map_work *work, struct map_answer *answer,
                                 const char *type, const char *on, const char *name) {
    const struct map_storage *storage = &work->storage;
    answer->domain = MAP_DOMAIN_VOLATILE;
    answer->notes |= MAP_NOTE_EMULATED;
    map_reason(answer, type, on, name, "; ",
               storage->ram_name[0] != '\0' ? storage->ram_name : "what it lies on", " ",
               map_region_fault(storage->ram), power_cut, NULL);
    return RESULT_OK;
}

static enum result in_ram(const struct map_work *work, struct map_answer *answer,
                          const char *type) {
    const struct map_storage *storage = &work->storage;
    answer->domain = MAP_DOMAIN_VOLATILE;
    switch (storage->ram) {
    case MAP_RAM_LOOP:
        answer->notes |= MAP_NOTE_LOOP_ON_RAM;
        map_reason(answer, type, " on ", place(work), ", a loop device whose backing file is on ",
                   storage->ram_name, ": lives in RAM, survives no power cut", NULL);
        break;
    case MAP_RAM_UPPER:
        map_reason(answer, type, " whose upper directory is on ", storage->ram_name,
                   ": lives in RAM, survives no power cut", NULL);
        break;
    case MAP_RAM_BELOW:
        map_reason(answer, type, " over ", storage->ram_name,
                   ": lives in RAM, survives no power cut", NULL);
        break;
    case MAP_RAM_REGION:
    case MAP_RAM_MEMMAP:
    case MAP_RAM_TEST:
        return in_ram_region(work, answer, type, " on ", place(work));
    default:
        answer->notes |= storage->ram == MAP_RAM_ZRAM ? MAP_NOTE_ZRAM : MAP_NOTE_RAM_DISK;
        map_reason(answer, type, " on ", place(work), ": the block device ", storage->ram_name,
                   " lives in RAM, survives no power cut", NULL);
    }
    return RESULT_OK;
}

static enum result judge_synchronous(const struct map_work *work, struct map_answer *answer) {
    const struct map_storage *storage = &work->storage;
    const char *how = work->subject.hypothetical ? " with dax, if mapped with MAP_SYNC"
                                                 : " with dax, mapped with MAP_SYNC";
    answer->synchronous = true;
    answer->domain =
        storage->region && storage->cpu_cache ? MAP_DOMAIN_CPU_CACHE : MAP_DOMAIN_MEMORY;
    if (answer->notes & MAP_NOTE_UNLINKED)
        map_reason(answer, work->mount.type, " on ", place(work), how,
                   ", but unlinked: a power cut loses the file as long as nothing links it", NULL);
    else if (!storage->region)
        map_reason(answer, work->mount.type, " on ", place(work), how,
                   storage->unseen ? "; its region is not visible here"
                                   : "; not all of it lies in a region of persistent memory",
                   ", so lines have to be written back", NULL);
    else if (storage->cpu_cache)
        map_reason(answer, work->mount.type, " on ", place(work), how, ", in ",
                   storage->region_name, ", which saves the CPU's caches (cpu_cache)", NULL);
    else
        map_reason(
            answer, work->mount.type, " on ", place(work), how, ", in ", storage->region_name, " (",
            storage->persistence[0] != '\0' ? storage->persistence : "no persistence_domain told",
            "): durable once written back", NULL);
    return RESULT_OK;
}

/* Why a file on an ordinary device is not persistent memory: the middle of the sentence. */
static const char *why_not_dax(const struct map_work *work) {
    if (map_file_has_dax(work) == MAP_YES && !map_type_has_sync(work->mount.type))
        return " has dax without MAP_SYNC";
    if (map_file_has_dax(work) == MAP_YES) {
        switch (work->storage.host) {
        case MAP_HOST_VIRTIO:
            return " has dax, but virtio-pmem refuses MAP_SYNC";
        case MAP_HOST_HYPERVISOR:
            return " has dax without MAP_SYNC, the hypervisor has to be told to flush";
        default:
            return " has dax, but the view is mapped without MAP_SYNC";
        }
    }
    if (!map_type_has_sync(work->mount.type))
        return " has no dax";
    if (work->mount.traits & MAP_TRAIT_DAX)
        return " is mounted with dax, but this file does not use it";
    if (work->mount.traits & MAP_TRAIT_DAX_NEVER)
        return " is mounted with dax=never";
    if (work->storage.dax == MAP_NO)
        return " is mounted without dax, which the device cannot do";
    if (work->storage.dax == MAP_YES)
        return " is mounted without dax, which the device could do";
    return " is mounted without dax";
}

static void explain_overlay(const struct map_work *work, struct map_answer *answer) {
    if (work->storage.upper_unseen) {
        answer->notes |= MAP_NOTE_OVERLAY_UNSEEN;
        map_reason(answer, "overlay whose upper directory is not visible here: ",
                   "durable by msync, if that directory lies on a disk", NULL);
        return;
    }
    map_reason(answer, "overlay over ", work->below.found ? work->below.type : "a file system",
               " on ", place(work), ": overlayfs has no MAP_SYNC, durable by msync", NULL);
}

static void explain_served(const struct map_work *work, struct map_answer *answer) {
    const char *on = place(work), *served = work->storage.served;
    bool itself = strcmp(on, served) == 0;
    map_reason(answer, work->mount.type, " on ", on, itself ? "" : " on ", itself ? "" : served,
               ", which another program or machine serves: durable by msync, as far as that keeps ",
               "its word", NULL);
}

static void explain_no_sync(const struct map_work *work, struct map_answer *answer, const char *on,
                            const char *name) {
    map_reason(answer, work->mount.type, on, name, " is mounted with ",
               map_no_sync_option(&work->mount), ": msync does not wait for the medium, a power ",
               "cut may lose what it was given", NULL);
}

static void explain_page_cache(const struct map_work *work, struct map_answer *answer) {
    const char *type = work->mount.type, *on = place(work);
    switch (map_class_of(type)) {
    case MAP_CLASS_FUSE:
        answer->notes |= MAP_NOTE_FUSE;
        map_reason(answer, type, " is served by a program: msync reaches it, and it decides ",
                   "what becomes durable", NULL);
        return;
    case MAP_CLASS_REMOTE:
        answer->notes |= MAP_NOTE_REMOTE;
        if (answer->notes & MAP_NOTE_NO_SYNC)
            explain_no_sync(work, answer, " from ", work->mount.source);
        else
            map_reason(answer, type, " from ", work->mount.source,
                       ": durable by msync, as far as the other side keeps its word", NULL);
        return;
    default:
        break;
    }
    if (work->storage.unseen)
        answer->notes |= MAP_NOTE_UNSEEN;
    if (work->storage.served[0] != '\0')
        answer->notes |= MAP_NOTE_SERVED;
    if (answer->notes & MAP_NOTE_UNLINKED)
        map_reason(answer, type, type[0] != '\0' ? " on " : "a file on ", on,
                   ", but unlinked: a power cut loses the file as long as nothing links it", NULL);
    else if (type[0] == '\0')
        map_reason(answer, "the file system of this file is in no mount visible here: ",
                   "durable by msync, if it lies on a disk", NULL);
    else if (answer->notes & MAP_NOTE_NO_SYNC)
        explain_no_sync(work, answer, " on ", on);
    else if (answer->notes & MAP_NOTE_NO_BARRIER)
        map_reason(answer, type, " on ", on, " is mounted without barriers: msync does not flush ",
                   "the device's cache, a power cut may lose that", NULL);
    else if (map_class_of(type) == MAP_CLASS_OVERLAY)
        explain_overlay(work, answer);
    else if (answer->notes & MAP_NOTE_SERVED)
        explain_served(work, answer);
    else if (strcmp(type, "zfs") == 0)
        map_reason(answer, type, " on ", on, " has no dax: durable by msync, unless its property ",
                   "sync is disabled", NULL);
    else
        map_reason(answer, type, " on ", on, why_not_dax(work), ": durable by msync", NULL);
}

static enum result judge_storage(const struct map_work *work, struct map_answer *answer) {
    answer->domain = MAP_DOMAIN_PAGE_CACHE;
    if (work->subject.deleted)
        answer->notes |= MAP_NOTE_UNLINKED;
    if (work->subject.synchronous)
        return judge_synchronous(work, answer);
    if (work->mount.traits & MAP_TRAIT_NO_SYNC)
        answer->notes |= MAP_NOTE_NO_SYNC;
    if ((work->mount.traits | work->below.traits) & MAP_TRAIT_NO_BARRIER)
        answer->notes |= MAP_NOTE_NO_BARRIER;
    else if (work->storage.write_back)
        answer->notes |= MAP_NOTE_WRITE_CACHE;
    explain_page_cache(work, answer);
    return RESULT_OK;
}

static enum result judge_file(const struct map_work *work, struct map_answer *answer) {
    const char *type = work->mount.type;
    enum map_class class = map_class_of(type);
    if (class == MAP_CLASS_KERNEL) {
        map_reason(answer, type, " shows the kernel's own state or a device's registers: ",
                   "nothing makes it durable", NULL);
        return RESULT_NOT_SUPPORTED;
    }
    if (class == MAP_CLASS_RAM) {
        answer->domain = MAP_DOMAIN_VOLATILE;
        map_reason(answer, type, work->mount.point[0] != '\0' ? " at " : "", work->mount.point,
                   " lives in RAM: survives the process, no power cut", NULL);
        return RESULT_OK;
    }
    if (class == MAP_CLASS_OVERLAY && (work->mount.traits & MAP_TRAIT_VOLATILE)) {
        answer->domain = MAP_DOMAIN_VOLATILE;
        answer->notes |= MAP_NOTE_OVERLAY_VOLATILE;
        map_reason(answer,
                   "overlay mounted volatile: it ignores every sync, survives the process, ",
                   "no power cut", NULL);
        return RESULT_OK;
    }
    if ((work->mount.traits | work->below.traits) & MAP_TRAIT_ROLLED_BACK) {
        answer->domain = MAP_DOMAIN_VOLATILE;
        answer->notes |= MAP_NOTE_NO_SYNC;
        map_reason(answer, type, " on ", place(work),
                   " with checkpoint=disable: a power cut takes ",
                   "f2fs back to how it was mounted", NULL);
        return RESULT_OK;
    }
    if (work->storage.ram != MAP_RAM_NONE)
        return in_ram(work, answer, type[0] != '\0' ? type : "a file system");
    return judge_storage(work, answer);
}

static enum result judge_block(const struct map_work *work, struct map_answer *answer) {
    if (work->storage.ram != MAP_RAM_NONE)
        return in_ram(work, answer, "the node of a block device");
    answer->domain = MAP_DOMAIN_PAGE_CACHE;
    if (work->storage.write_back)
        answer->notes |= MAP_NOTE_WRITE_CACHE;
    if (work->storage.unseen)
        answer->notes |= MAP_NOTE_UNSEEN;
    if (work->storage.served[0] != '\0')
        answer->notes |= MAP_NOTE_SERVED;
    map_reason(answer, "block device ", place(work),
               " itself, seen through the page cache: durable by msync", NULL);
    return RESULT_OK;
}

static enum result judge_dax_device(const struct map_work *work, struct map_answer *answer) {
    const struct map_storage *storage = &work->storage;
    answer->domain = MAP_DOMAIN_VOLATILE;
    if (storage->ram != MAP_RAM_NONE)
        return in_ram_region(work, answer, "device-dax", " ", storage->name);
    if (storage->host != MAP_HOST_NONE) {
        map_reason(answer, "device-dax ", storage->name,
                   storage->host == MAP_HOST_VIRTIO ? " of virtio-pmem" : " of the hypervisor",
                   ": the host keeps it in its page cache, and a mapping has no way to flush that",
                   NULL);
        return RESULT_OK;
    }
    if (!storage->region) {
        map_reason(answer, "device-dax ", storage->name,
                   storage->unseen
                       ? ": /sys does not tell what it lies on, so it counts as RAM"
                       : " lies in no region of persistent memory: survives no power cut",
                   NULL);
        return RESULT_OK;
    }
    answer->domain = storage->cpu_cache ? MAP_DOMAIN_CPU_CACHE : MAP_DOMAIN_MEMORY;
    map_reason(answer, "device-dax ", storage->name, " in ", storage->region_name,
               storage->cpu_cache ? ", which saves the CPU's caches (cpu_cache)"
                                  : ": durable once written back",
               NULL);
    return RESULT_OK;
}

static enum result judge_kind(const struct map_work *work, struct map_answer *answer) {
    switch (work->subject.kind) {
    case MAP_KIND_MEMORY:
        map_reason(answer, "memory of memfd_create or memfd_secret, in no file system: ",
                   "survives its processes one by one, no power cut", NULL);
        return RESULT_OK;
    case MAP_KIND_ANONYMOUS:
        map_reason(answer, "shared memory without a file (anonymous or System V)", NULL);
        return RESULT_INVALID;
    case MAP_KIND_KERNEL:
        map_reason(answer, work->name, " is an interface of the kernel: nothing makes it durable",
                   NULL);
        return RESULT_NOT_SUPPORTED;
    case MAP_KIND_DEVICE:
        map_reason(answer, work->name, " is a device, no storage: nothing makes its memory durable",
                   NULL);
        return RESULT_NOT_SUPPORTED;
    case MAP_KIND_OTHER:
        map_reason(answer, "neither a file nor a device: it cannot be mapped", NULL);
        return RESULT_NOT_SUPPORTED;
    case MAP_KIND_DAX_DEVICE:
        return judge_dax_device(work, answer);
    case MAP_KIND_BLOCK:
        return judge_block(work, answer);
    default:
        return judge_file(work, answer);
    }
}

static enum result not_now(struct map_answer *answer, const char *why) {
    map_reason(answer, "the system cannot be asked now: ", why, NULL);
    return RESULT_NO_MEMORY;
}

/* What does not answer may be what says that a flush of the CPU's caches is not enough here. msync
   is, of a file; a device has none. */
static enum result doubt(const struct map_work *work, struct map_answer *answer) {
    bool device = work->subject.kind == MAP_KIND_DAX_DEVICE;
    if (answer->domain == MAP_DOMAIN_VOLATILE && work->subject.kind == MAP_KIND_UNKNOWN &&
        map_class_of(work->mount.type) == MAP_CLASS_RAM)
        return not_now(answer, "input or output error"); /* perhaps the node of a disk */
    if (answer->domain == MAP_DOMAIN_PAGE_CACHE)
        answer->notes |= MAP_NOTE_UNSEEN;
    if (answer->domain <= MAP_DOMAIN_PAGE_CACHE)
        return RESULT_OK;
    answer->synchronous = false;
    answer->domain = device ? MAP_DOMAIN_VOLATILE : MAP_DOMAIN_PAGE_CACHE;
    if (device)
        map_reason(answer, "device-dax ", work->storage.name,
                   ": /sys fails to tell what it lies on (I/O error), so it counts as RAM", NULL);
    else
        map_reason(answer, work->mount.type, " on ", place(work),
                   " with dax, and the system fails to tell all about it (I/O error): durable by ",
                   "msync", NULL);
    return RESULT_OK;
}

enum result map_judge(const struct map_work *work, struct map_answer *answer) {
    answer->notes = 0;
    answer->synchronous = false;
    answer->domain = MAP_DOMAIN_VOLATILE;
    /* A part that was not read may be the one that says that nothing survives here. */
    if (work->unread)
        return not_now(answer, "no descriptor left, or no memory");
    enum result result = judge_kind(work, answer);
    return result == RESULT_OK && work->broken ? doubt(work, answer) : result;
}
