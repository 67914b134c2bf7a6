/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of /proc/PID/mountinfo, their options, and whether a mount covers a path. The first line is
   the path; the others are mounts. */
#include <sys/sysmacros.h>

#include "fuzz.h"
#include "map/parse.h"
#include "map/region.h"

/* Does the span lie in the line? An empty one may be anywhere in it, or nowhere. */
static bool inside(const char *line, struct map_span span) {
    if (span.length == 0)
        return true;
    return span.text >= line && span.text + span.length <= line + strlen(line);
}

/* By the rules of the kernel's documentation, counted in single spaces. */
static void check_fields(const char *line, const struct map_mount_line *mount) {
    unsigned long long id, parent;
    unsigned high, low;
    FUZZ_CHECK(sscanf(line, "%llu %llu %u:%u", &id, &parent, &high, &low) == 4);
    FUZZ_CHECK(mount->id == id && mount->parent == parent && mount->device == makedev(high, low));
    const struct map_span fields[] = {mount->root, mount->point,  mount->options,
                                      mount->type, mount->source, mount->super};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        FUZZ_CHECK(inside(line, fields[i]));
        FUZZ_CHECK(fields[i].length == 0 || memchr(fields[i].text, ' ', fields[i].length) == NULL);
    }
    FUZZ_CHECK(mount->point.length > 0 && mount->type.length > 0);
    FUZZ_CHECK(memcmp(mount->type.text - 3, " - ", 3) == 0);
    FUZZ_CHECK(mount->options.text < mount->type.text);
}

/* Covers as the kernel would: the decoded point, then the end or a slash. */
static void check_covers(struct map_span raw, const char *path) {
    size_t length = 0;
    char point[4096];
    bool covers = map_point_covers(raw, path, &length);
    if (!map_decode(raw, MAP_ESCAPED_IN_MOUNTINFO, point, sizeof point) ||
        strlen(point) != strnlen(point, sizeof point))
        return;
    size_t expected = strlen(point);
    bool should = expected > 0 && strncmp(path, point, expected) == 0 &&
                  (path[expected] == '\0' || path[expected] == '/' || point[expected - 1] == '/');
    FUZZ_CHECK(covers == should);
    FUZZ_CHECK(!covers || length == expected);
}

static void check_options(struct map_span options) {
    static const char *const names[] = {"dax", "upperdir", "barrier", "ro", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct map_span value = {NULL, 0};
        if (!map_find_option(options, names[i], &value))
            continue;
        FUZZ_CHECK(value.length == 0 ||
                   (value.text > options.text &&
                    value.text + value.length <= options.text + options.length));
        FUZZ_CHECK(value.length == 0 || value.text[-1] == '=');
    }
}

static void check_line(const char *line, const char *path) {
    struct map_mount_line mount;
    (void)map_cmdline_makes_regions((struct map_span){line, strlen(line)});
    if (!map_parse_mount((struct map_span){line, strlen(line)}, &mount))
        return;
    check_fields(line, &mount);
    check_covers(mount.point, path);
    check_options(mount.options);
    check_options(mount.super);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    char *path = fuzz_string(&input, '\n');
    while (fuzz_more(&input)) {
        char *line = fuzz_string(&input, '\n');
        check_line(line, path);
        free(line);
    }
    free(path);
    return 0;
}
