/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl flush: makes a part of a file durable, whoever wrote it. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <nvrtl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/number.h"
#include "map/map.h"
#include "os/file.h"

struct arguments {
    const char *file;
    uint64_t offset, size; /* bytes; size 0: to the end of the file */
    bool empty;            /* the file, and all of it is wanted */
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    if (key == ARGP_KEY_END && state->arg_num < 3)
        argp_error(state, "FILE, OFFSET and SIZE are needed");
    if (key != ARGP_KEY_ARG)
        return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
    if (state->arg_num == 0)
        arguments->file = text;
    else if (state->arg_num == 1 && !number_parse_bytes(text, &arguments->offset))
        argp_error(state, "'%s' is no offset", text);
    else if (state->arg_num == 2 && strcmp(text, "-") != 0 &&
             !number_parse_bytes(text, &arguments->size))
        argp_error(state, "'%s' is no size", text);
    else if (state->arg_num > 2)
        argp_error(state, "'%s' is one argument too many", text);
    return 0;
}

/* Does the range lie in the file? Says why not. */
static bool range_is_good(struct arguments *arguments) {
    struct stat file;
    if (stat(arguments->file, &file) != 0) {
        cli_complain("cannot flush %s: %s", arguments->file, strerror(errno));
        return false;
    }
    if (S_ISCHR(file.st_mode))
        return true; /* a DAX device: its size is not told here, mapping it tells */
    if (!S_ISREG(file.st_mode)) {
        cli_complain("cannot flush %s: it is not a regular file", arguments->file);
        return false;
    }
    uint64_t end = (uint64_t)file.st_size;
    arguments->empty = end == 0 && arguments->offset == 0 && arguments->size == 0;
    if (arguments->empty)
        return true;
    if (arguments->offset >= end || arguments->size > end - arguments->offset) {
        cli_complain("cannot flush %s: the range passes its end, it has %" PRIu64 " bytes",
                     arguments->file, end);
        return false;
    }
    return true;
}

static bool fail(const struct arguments *arguments, NTSTATUS status) {
    cli_complain("cannot flush %s: %s", arguments->file, NvRtlStatusText(status));
    return false;
}

static bool tell_volatile(const struct arguments *arguments, const char *reason) {
    cli_complain("nothing makes %s durable: %s", arguments->file, reason);
    return false;
}

static bool flush_mapping(const struct arguments *arguments, const NvRtlMapping *mapping) {
    if (mapping->domain == NVRTL_DOMAIN_VOLATILE) {
        NvRtlTokenInfo info = {.structSize = sizeof info};
        NTSTATUS status = NvRtlQueryToken(mapping->token, &info);
        return tell_volatile(arguments,
                             status == STATUS_SUCCESS ? info.reason : NvRtlStatusText(status));
    }
    NTSTATUS status = RtlFlushNonVolatileMemory(mapping->token, mapping->base, mapping->size, 0);
    return status == STATUS_SUCCESS || fail(arguments, status);
}

/* An empty file has no byte that could be mapped; but it is there, under its name. */
static bool flush_empty(const struct arguments *arguments) {
    struct map_answer answer;
    struct os_file file;
    enum result result = map_probe_path(&map_this_system, arguments->file, &answer);
    if (result == RESULT_OK && answer.domain == MAP_DOMAIN_VOLATILE)
        return tell_volatile(arguments, answer.reason);
    result = os_file_open(arguments->file, (struct os_file_wish){0}, &file);
    if (result == RESULT_DENIED)
        return fail(arguments, STATUS_ACCESS_DENIED);
    if (result != RESULT_OK)
        return fail(arguments, STATUS_IO_DEVICE_ERROR);
    result = os_file_sync(&file);
    os_file_close(&file);
    return result == RESULT_OK ||
           fail(arguments, result == RESULT_NO_SPACE ? STATUS_DISK_FULL : STATUS_IO_DEVICE_ERROR);
}

static bool flush(struct arguments *arguments) {
    NvRtlMapping mapping;
    if (!range_is_good(arguments))
        return false;
    if (arguments->empty)
        return flush_empty(arguments);
    NTSTATUS status = NvRtlMapFile(arguments->file, arguments->offset, (size_t)arguments->size,
                                   NVRTL_MAP_SPARSE, 0, &mapping);
    if (status != STATUS_SUCCESS)
        return fail(arguments, status);
    bool good = flush_mapping(arguments, &mapping);
    status = NvRtlUnmapFile(&mapping);
    return good && (status == STATUS_SUCCESS || fail(arguments, status));
}

int cli_flush(int argc, char **argv) {
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "FILE OFFSET SIZE",
        .doc = "Make SIZE bytes of FILE from OFFSET durable, whoever wrote them.\v"
               "OFFSET and SIZE take a suffix: K, M, G or T, for powers of 1024. SIZE 0 or - means "
               "to the end of FILE. FILE must be readable and writable; it is not changed.\n\n"
               "Prints nothing on success. The exit status is 1 when the range leaves the file, "
               "when the write-back failed, and when nothing can make FILE durable, as on tmpfs.",
    };
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    return flush(&arguments) ? EXIT_SUCCESS : EXIT_FAILURE;
}
