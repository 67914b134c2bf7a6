/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery in a process that somebody listens to: once, on files that are there. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "sandbox/batch.h"

void sandbox_image_path(const struct sandbox_options *options, const char *folder, size_t region,
                        char *path, size_t size) {
    const struct sandbox sandbox = {.options = *options};
    struct live live = {.sandbox = &sandbox};
    snprintf(live.folder, sizeof live.folder, "%s", folder);
    live_path(&live, region, path, size);
}

_Noreturn void sandbox_recover(const struct sandbox_options *options, const char *folder,
                               const struct sandbox_marks *marks, uint8_t *const *views) {
    static struct batch batch;
    static struct sandbox sandbox;
    static struct live live;
    static struct batch_image image;
    sandbox = (struct sandbox){.options = *options,
                               .batch = &batch,
                               .marks = {marks->ids[0], marks->ids[1]},
                               .mark_count = {marks->counts[0], marks->counts[1]}};
    live = (struct live){.sandbox = &sandbox};
    image = (struct batch_image){.begun = marks->counts[0], .acked = marks->counts[1]};
    snprintf(sandbox.folder, sizeof sandbox.folder, "%s", folder);
    snprintf(live.folder, sizeof live.folder, "%s", folder);
    sandbox.options.states = false;
    sandbox.options.memory = 0;
    limits_set(&sandbox);
    alarm((unsigned)((options->timeout + 999) / 1000));
    if (options->judge != SANDBOX_OBJECT)
        command_become(&live, &image, -1);
    for (size_t i = 0; i < options->region_count; i++)
        live.regions[i].view = views[i];
    if (!object_open(&sandbox))
        _exit(127);
    _exit(object_judge(&live, &image).outcome == SANDBOX_FINE ? 0 : 1);
}
