/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/parse.h"
#include "map/scan.h"

bool map_parse_vm_flags(struct map_span line, uint32_t *flags) {
    struct map_span rest = line;
    if (!map_span_equals(scan_until(&rest, ':'), "VmFlags"))
        return false;
    *flags = 0;
    while (rest.length > 0) {
        struct map_span word = scan_until(&rest, ' ');
        if (map_span_equals(word, "sf"))
            *flags |= MAP_VM_SYNC;
        if (map_span_equals(word, "io") || map_span_equals(word, "pf"))
            *flags |= MAP_VM_DEVICE;
    }
    return true;
}
