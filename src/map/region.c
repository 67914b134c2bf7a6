/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/device.h"
#include "map/gather.h"
#include "map/read.h"

enum result map_each_region(const struct map_system *system, map_visit_region *visit,
                            void *context) {
    struct map_work work;
    map_begin(&work, system, 0);
    struct map_folder folder;
    if (!map_folder_open(&folder, map_file(&work, "/sys/bus/nd/devices", NULL))) {
        /* A machine without such memory has no such folder; one without /sys shows nothing. */
        if (!map_folder_open(&folder, map_file(&work, "/sys/bus", NULL)))
            return RESULT_NOT_SUPPORTED;
        map_folder_close(&folder);
        return RESULT_OK;
    }
    for (const char *name; (name = map_folder_next(&folder, &work)) != NULL;) {
        if (!map_starts_with(name, "region"))
            continue;
        const char *file =
            map_file(&work, "/sys/bus/nd/devices/", name, "/persistence_domain", NULL);
        const char *told = map_read_value(&work, file) ? work.value : "";
        visit(context, name, told,
              map_persistence_is_cpu_cache(told) ? MAP_DOMAIN_CPU_CACHE : MAP_DOMAIN_MEMORY);
    }
    map_folder_close(&folder);
    return RESULT_OK;
}
