/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl info: what this machine, a file or a process has, and why. */
#include "cli/info.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/number.h"
#include "map/map.h"
#include "report/utf8.h"

struct arguments {
    const char *path;
    uint32_t pid;
    bool json;
};

enum option_key { OPTION_PID = 256, OPTION_JSON };

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_PID:
        if (!number_parse_process(text, &arguments->pid))
            argp_error(state, "'%s' is no process", text);
        return 0;
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s' is one argument too many", text);
        arguments->path = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->path != NULL && arguments->pid != 0)
            argp_error(state, "a path or a process, not both");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void info_set_string(json_t *json, const char *name, const char *value) {
    char *clean = utf8_clean(value);
    json_object_set_new(json, name, clean == NULL ? json_null() : json_string(clean));
    free(clean);
}

void info_print(const char *text) {
    for (size_t size = strlen(text); size > 0;) {
        uint32_t point;
        size_t length = utf8_decode(text, size, &point);
        if (point == UTF8_REPLACEMENT || !utf8_printable(point))
            putchar('?');
        else
            fwrite(text, 1, length, stdout);
        text += length;
        size -= length;
    }
}

/* "page-cache", or that there is none. */
static const char *verdict(enum result result, const struct map_answer *answer) {
    switch (result) {
    case RESULT_OK:
        return map_domain_name(answer->domain);
    case RESULT_DENIED:
        return "not writable";
    default:
        return "not supported";
    }
}

static void print_answer(const char *indent, enum result result, const struct map_answer *answer) {
    printf("%s%s: ", indent, verdict(result, answer));
    info_print(answer->reason);
    putchar('\n');
    for (unsigned i = 0; result == RESULT_OK && i < MAP_NOTE_COUNT; i++) {
        enum map_note note = (enum map_note)(1u << i);
        if (answer->notes & note)
            printf("%s  %s: %s\n", indent, map_note_name(note), map_note_text(note));
    }
}

static void set_answer(json_t *json, enum result result, const struct map_answer *answer) {
    json_t *conditions = json_array();
    for (unsigned i = 0; result == RESULT_OK && i < MAP_NOTE_COUNT; i++) {
        enum map_note note = (enum map_note)(1u << i);
        if (answer->notes & note)
            json_array_append_new(conditions, json_pack("{s:s,s:s}", "name", map_note_name(note),
                                                        "text", map_note_text(note)));
    }
    info_set_string(json, "path", answer->path);
    json_object_set_new(json, "verdict", json_string(verdict(result, answer)));
    json_object_set_new(json, "domain",
                        result == RESULT_OK ? json_string(map_domain_name(answer->domain))
                                            : json_null());
    info_set_string(json, "reason", answer->reason);
    json_object_set_new(json, "conditions", conditions);
}

static int tell_path(const char *path, json_t *json) {
    struct map_answer answer;
    enum result result = map_probe_path(&map_this_system, path, &answer);
    if (result == RESULT_INVALID) {
        bool absent = access(path, F_OK) != 0 && errno == ENOENT;
        cli_complain("cannot tell about %s: %s%s", path, answer.reason,
                     absent ? "; for a file that is to be made, ask about its directory" : "");
        return CLI_USAGE;
    }
    if (json != NULL)
        set_answer(json, result, &answer);
    else
        print_answer("", result, &answer);
    info_surroundings(json, 0);
    return EXIT_SUCCESS;
}

struct mappings {
    json_t *list; /* NULL: text */
    unsigned count;
};

static void tell_mapping(void *context, uintptr_t address, size_t length, enum result result,
                         const struct map_answer *answer) {
    struct mappings *mappings = context;
    mappings->count++;
    if (mappings->list == NULL) {
        printf("%" PRIxPTR "-%" PRIxPTR " ", address, address + length);
        info_print(answer->path);
        putchar('\n');
        print_answer("  ", result, answer);
        return;
    }
    char start[24];
    snprintf(start, sizeof start, "0x%" PRIxPTR, address);
    json_t *mapping = json_pack("{s:s,s:I}", "address", start, "length", (json_int_t)length);
    set_answer(mapping, result, answer);
    json_array_append_new(mappings->list, mapping);
}

static int tell_process(uint32_t pid, json_t *json) {
    struct mappings mappings = {.list = json == NULL ? NULL : json_array()};
    enum result result = map_each(&map_this_system, pid, tell_mapping, &mappings);
    if (result != RESULT_OK) {
        json_decref(mappings.list);
        cli_complain("cannot tell about process %u: %s", pid,
                     strerror(result == RESULT_DENIED ? EACCES : ESRCH));
        return CLI_USAGE;
    }
    if (json == NULL && mappings.count == 0)
        printf("process %u has no file mapped shared\n", pid);
    if (json != NULL) {
        json_object_set_new(json, "pid", json_integer(pid));
        json_object_set_new(json, "mappings", mappings.list);
    }
    info_surroundings(json, pid);
    return EXIT_SUCCESS;
}

static int tell(const struct arguments *arguments, json_t *json) {
    if (arguments->path != NULL)
        return tell_path(arguments->path, json);
    if (arguments->pid != 0)
        return tell_process(arguments->pid, json);
    info_machine(json);
    info_surroundings(json, 0);
    return EXIT_SUCCESS;
}

static const struct argp_option options[] = {
    {"pid", OPTION_PID, "PID", 0, "Tell about every file that process PID has mapped shared", 0},
    {"json", OPTION_JSON, NULL, 0, "Answer as a JSON object", 0},
    {0},
};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[PATH]",
    .doc = "Tells what persistence this machine, the file at PATH or the files of a process have, "
           "and why.\v"
           "For a file that is the domain which a token of a shared view gets: volatile (survives "
           "no power cut), page-cache (durable by msync), memory (persistent memory), cpu-cache "
           "(persistent memory whose machine saves the caches too). What weakens it or is worth "
           "knowing is listed below it. A directory answers for the files made in it.\n\n"
           "Exit status: 0, or 2 when there is no such file or process, or it may not be asked.",
};

int cli_info(int argc, char **argv) {
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (!arguments.json)
        return tell(&arguments, NULL);
    json_t *json = json_object();
    int status = tell(&arguments, json);
    if (status == EXIT_SUCCESS) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(json);
    return status;
}
