/* SPDX-License-Identifier: BSD-2-Clause */
#include "mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What goes to the kernel and comes back: the header, then the request's own. */
struct request {
    struct dm_ioctl header;
    _Alignas(8) char data[8192];
};

static void begin(struct request *request, const char *name, uint32_t flags) {
    memset(request, 0, sizeof *request);
    request->header.version[0] = DM_VERSION_MAJOR;
    request->header.data_size = sizeof *request;
    request->header.data_start = offsetof(struct request, data);
    request->header.flags = flags;
    snprintf(request->header.name, sizeof request->header.name, "%s", name);
}

static void ask(struct request *request, unsigned long order, const char *what) {
    static int control = -1;
    if (control < 0)
        control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (control >= 0 && ioctl(control, order, request) == 0)
        return;
    fprintf(stderr, "mapper: %s %s: %m\n", what, request->header.name);
    exit(2);
}

void mapper_switch(const char *name, const struct mapper_part *parts, size_t count) {
    struct request request;
    begin(&request, name, 0);
    request.header.target_count = (uint32_t)count;
    char *at = request.data;
    uint64_t sector = 0;
    for (size_t i = 0; i < count; i++) {
        struct dm_target_spec *spec = (struct dm_target_spec *)(void *)at;
        char *parameters = (char *)(spec + 1);
        spec->sector_start = sector;
        spec->length = parts[i].size / SECTOR;
        sector += spec->length;
        snprintf(spec->target_type, sizeof spec->target_type, "%s", parts[i].target);
        memcpy(parameters, parts[i].parameters, strlen(parts[i].parameters) + 1);
        size_t size = sizeof *spec + strlen(parameters) + 1;
        spec->next = (uint32_t)((size + 7) / 8 * 8);
        at += spec->next;
    }
    ask(&request, DM_TABLE_LOAD, "no such table for");
    /* Without a flag that says suspend, it resumes, with the table that was loaded. */
    begin(&request, name, DM_SKIP_LOCKFS_FLAG);
    ask(&request, DM_DEV_SUSPEND, "cannot switch");
}

void mapper_make(const char *name, const struct mapper_part *parts, size_t count,
                 char node[MAPPER_NODE_SIZE]) {
    struct request request;
    begin(&request, name, 0);
    ask(&request, DM_DEV_CREATE, "cannot make");
    snprintf(node, MAPPER_NODE_SIZE, "/dev/dm-%u", minor((dev_t)request.header.dev));
    mapper_switch(name, parts, count);
}

void mapper_tell(const char *name, const char *message) {
    struct request request;
    begin(&request, name, 0);
    struct dm_target_msg *told = (struct dm_target_msg *)(void *)request.data;
    strcpy(told->message, message);
    ask(&request, DM_TARGET_MSG, message);
}
