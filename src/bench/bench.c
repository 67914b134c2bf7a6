/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/bits.h"
#include "bench/measure.h"
#include "bench/peers.h"

static const struct bench_asked *question_at(size_t index) {
    if (index < memory_question_count)
        return &memory_questions[index];
    index -= memory_question_count;
    if (index < page_question_count)
        return &page_questions[index];
    index -= page_question_count;
    return index < other_question_count ? &other_questions[index] : NULL;
}

const char *bench_question(size_t index, const char **title) {
    const struct bench_asked *asked = question_at(index);
    if (asked == NULL)
        return NULL;
    *title = asked->title;
    return asked->name;
}

static bool is_wanted(char *const *names, const char *name) {
    if (names == NULL || *names == NULL)
        return true;
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

bool bench_run(const struct bench_wish *wish, const struct bench_listener *listener) {
    struct bench_ground ground = {.wish = wish, .listener = listener};
    const struct bench_asked *asked;
    peers_choice = isa_choose(isa_features(), isa_line_size(), NULL, NULL);
    if (wish->libpmem) {
        const char *missing = peers_load_libpmem();
        if (missing != NULL)
            listener->complain("libpmem takes no part: %s", missing);
    }
    for (size_t i = 0; (asked = question_at(i)) != NULL; i++) {
        if (is_wanted(wish->names, asked->name))
            asked->measure(&ground, asked);
    }
    return !ground.failed;
}

const char *bench_remark(const struct bench_row *row) {
    for (size_t i = 0; i < row->lane_count; i++) {
        if (row->lanes[i].undocumented)
            return "* streaming stores without a write-back: no vendor documents them as durable "
                   "where a line may be cached";
    }
    return NULL;
}

void bench_machine(char *text, size_t size) {
    char line[256], cpu[128] = "an unknown CPU";
    struct utsname system = {0};
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *name = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && name != NULL) {
            snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(name + 2, "\n"), name + 2);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
    uname(&system);
    snprintf(text, size, "%s, %s %s", cpu, system.sysname, system.release);
}
