/* SPDX-License-Identifier: BSD-2-Clause */
/* What a probe learns on its way to an answer, and its buffers. It lives in struct map_region, so
   that a probe needs next to no stack. Private to map/; laid open for its size alone. */
#ifndef MAP_WORK_H
#define MAP_WORK_H

#include <stdbool.h>
#include <stdint.h>

enum map_tristate { MAP_UNKNOWN, MAP_NO, MAP_YES };

/* What kind of thing is mapped. */
enum map_kind {
    MAP_KIND_UNKNOWN, /* nobody could say more: taken as a file */
    MAP_KIND_FILE,
    MAP_KIND_MEMORY,     /* memfd_create */
    MAP_KIND_ANONYMOUS,  /* shared memory without a file: mmap, System V */
    MAP_KIND_KERNEL,     /* a kernel interface without a file system: io_uring, dma-buf */
    MAP_KIND_BLOCK,      /* a block device's own node */
    MAP_KIND_DAX_DEVICE, /* device-dax */
    MAP_KIND_DEVICE,     /* any other device's memory */
    MAP_KIND_OTHER,      /* a directory, socket or pipe: cannot be mapped */
};

struct map_subject {
    uint64_t device, inode; /* as the table of mappings tells them */
    uint64_t node;          /* the device that a block or character node stands for; or 0 */
    uint64_t start, end;    /* the first mapping */
    uintptr_t first, last;  /* addresses asked about */
    enum map_kind kind;
    enum map_tristate dax; /* the file itself, as statx tells */
    bool deleted;          /* the system says that the name is gone */
    bool hypothetical;     /* a path: nobody has mapped it */
    bool synchronous;      /* every view of the range has MAP_SYNC */
};

enum map_trait {
    MAP_TRAIT_DAX = 1,
    MAP_TRAIT_DAX_NEVER = 2,
    MAP_TRAIT_VOLATILE = 4, /* overlayfs */
    MAP_TRAIT_NO_BARRIER = 8,
    MAP_TRAIT_NO_SYNC = 16,     /* a sync does not ask the medium, or the server, to keep */
    MAP_TRAIT_ROLLED_BACK = 32, /* a power cut takes the file system back to its mount */
    MAP_TRAIT_READ_ONLY = 64,
};

struct map_mount {
    bool found;
    uint64_t id, device;
    uint32_t traits;
    char type[32];
    char source[256];
    char point[256];
    char upper[1024];    /* overlayfs: its upper directory; "" when there is none or it was cut */
    char devices[2][64]; /* xfs: of its log and its real-time part */
};

/* Which part of what a file lies on is RAM. */
enum map_ram {
    MAP_RAM_NONE,
    MAP_RAM_DISK,
    MAP_RAM_ZRAM,
    MAP_RAM_LOOP,   /* the backing file of a loop device */
    MAP_RAM_UPPER,  /* the upper directory of an overlay */
    MAP_RAM_BELOW,  /* what an ecryptfs lies on */
    MAP_RAM_REGION, /* a region of libnvdimm that the firmware calls volatile */
    MAP_RAM_MEMMAP, /* a region that the kernel's parameter memmap= took from RAM, or may have */
    MAP_RAM_TEST,   /* a region of the kernel's own tests */
};

#define MAP_DEVICES_MAX 16

/* Whom one has to tell that persistent memory is to keep what was stored: the kernel does it in an
   fsync; a flush of the CPU's caches reaches the host's page cache and no further. */
enum map_host { MAP_HOST_NONE, MAP_HOST_VIRTIO, MAP_HOST_HYPERVISOR };

/* What a file system lies on. */
struct map_storage {
    char name[64]; /* of the first device */
    enum map_ram ram;
    char ram_name[64];     /* the part that lives in RAM */
    enum map_tristate dax; /* can the first device do it? */
    bool unseen;           /* a part of it is not visible */
    bool upper_unseen;     /* overlayfs */
    bool write_back;       /* a device has a volatile write cache */
    enum map_host host;
    char served[64];      /* a device, or a loop device's file system, that others serve; or "" */
    bool region;          /* every device lies in a region of libnvdimm */
    bool cpu_cache;       /* and every region says that the CPU's caches survive */
    char region_name[32]; /* the weakest */
    char persistence[32]; /* what it says */
    uint64_t devices[MAP_DEVICES_MAX];
    unsigned device_count, devices_done;
};

struct map_work {
    const struct map_system *system;
    bool unread;      /* something that may be there could not be read: nothing may be concluded */
    bool broken;      /* something answers with EIO: nothing good may be concluded */
    char process[24]; /* "self", or a number */
    struct map_subject subject;
    struct map_mount mount; /* of the file */
    struct map_mount below; /* of what that lies on */
    struct map_storage storage;
    char name[4096];     /* the file as the system names it, decoded */
    char lines[8192];    /* a text file that is being read */
    char file[1024];     /* the file of /proc or /sys in question */
    char value[1024];    /* what it says */
    char directory[512]; /* of a device, below /sys */
    char entries[1024];  /* of a folder that is being listed */
};

#endif
