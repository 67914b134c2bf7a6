/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bits.h"
#include "map/map.h"

static const struct {
    const char *name, *text;
} notes[] = {
    {"unlinked", "the file has no name: a power cut loses it as long as nothing links it"},
    {"overlay-volatile", "overlayfs is mounted with the option volatile and ignores every sync"},
    {"overlay-unseen", "the upper directory of the overlay is not visible here, it may be in RAM"},
    {"nobarrier", "the file system is mounted without barriers: the device's cache is not flushed"},
    {"loop-on-ram", "the backing file of a loop device lives in RAM"},
    {"zram", "a block device is compressed RAM (zram)"},
    {"ram-disk", "a block device is a RAM disk"},
    {"fuse", "a program serves the file system (FUSE), and decides what a sync does"},
    {"remote", "another machine serves the file system, and decides what a sync does"},
    {"write-cache", "the device has a volatile write cache (write back); a drain flushes it"},
    {"unseen", "the system does not show every device that the file system lies on"},
    {"emulated",
     "what looks like persistent memory here is RAM: nothing in it survives a power cut"},
    {"no-sync", "a mount option makes a sync mean less than that the data is on the medium"},
    {"served-device",
     "a program or another machine serves a block device, and decides what a flush "
     "of it does"},
};
_Static_assert(ARRAY_LENGTH(notes) == MAP_NOTE_COUNT, "one entry a note, in the order of the bits");

const char *map_note_name(enum map_note note) {
    return notes[__builtin_ctz(note)].name;
}

const char *map_note_text(enum map_note note) {
    return notes[__builtin_ctz(note)].text;
}
