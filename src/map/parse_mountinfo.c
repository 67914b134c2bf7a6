/* SPDX-License-Identifier: BSD-2-Clause */
#include <sys/sysmacros.h>

#include "map/parse.h"
#include "map/scan.h"

/* Fields are parted by exactly one space: a source may be empty. Between the options of the mount
   and a lone "-" stand any number of optional fields. */
bool map_parse_mount(struct map_span line, struct map_mount_line *mount) {
    struct map_span rest = line;
    uint64_t high, low;
    if (!scan_number(&rest, 10, &mount->id) || !scan_char(&rest, ' ') ||
        !scan_number(&rest, 10, &mount->parent) || !scan_char(&rest, ' ') ||
        !scan_number(&rest, 10, &high) || !scan_char(&rest, ':') || !scan_number(&rest, 10, &low) ||
        !scan_char(&rest, ' ') || high > UINT32_MAX || low > UINT32_MAX)
        return false;
    mount->device = makedev((unsigned)high, (unsigned)low);
    mount->root = scan_until(&rest, ' ');
    mount->point = scan_until(&rest, ' ');
    mount->options = scan_until(&rest, ' ');
    for (;;) {
        if (rest.length == 0)
            return false;
        if (map_span_equals(scan_until(&rest, ' '), "-"))
            break;
    }
    mount->type = scan_until(&rest, ' ');
    mount->source = scan_until(&rest, ' ');
    mount->super = scan_until(&rest, ' ');
    return mount->point.length > 0 && mount->type.length > 0;
}

bool map_find_option(struct map_span options, const char *name, struct map_span *value) {
    while (options.length > 0) {
        struct map_span option = scan_until(&options, ',');
        struct map_span word = scan_until(&option, '=');
        if (!map_span_equals(word, name))
            continue;
        *value = option;
        return true;
    }
    return false;
}
