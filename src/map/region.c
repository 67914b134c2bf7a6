/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "map/device.h"
#include "map/gather.h"
#include "map/read.h"

/* What a view with MAP_SYNC of this region's memory would be, or any view where that is refused. */
static enum map_domain domain_of(const struct map_storage *storage) {
    if (storage->asynchronous)
        return MAP_DOMAIN_PAGE_CACHE;
    return storage->region && storage->cpu_cache ? MAP_DOMAIN_CPU_CACHE : MAP_DOMAIN_MEMORY;
}

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
    struct map_storage *storage = &work.storage;
    for (const char *name; (name = map_folder_next(&folder, &work)) != NULL;) {
        if (!map_starts_with(name, "region"))
            continue;
        memset(storage, 0, sizeof *storage);
        storage->region = storage->cpu_cache = true;
        if (map_device_find_named(&work, "/sys/bus/nd/devices/", name))
            map_device_region(&work);
        else
            storage->region = false;
        visit(context, name, storage->persistence, domain_of(storage));
    }
    map_folder_close(&folder);
    return RESULT_OK;
}
