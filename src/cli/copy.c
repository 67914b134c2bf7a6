/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvrtl copy: a copy that a power cut, a kill or a full disk cannot halve.
 *
 * The bytes go to a temporary file beside DST, are made durable there with the mode, and only then
 * a rename puts them in the place of DST; the directory is made durable last. Whoever opens DST at
 * any moment finds all of the old file or all of the new one.
 */
#include "cli/copy.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "map/map.h"

struct copy {
    const char *source, *destination; /* as the user named them */
    bool force;
    char target[PATH_MAX];    /* the file that will be replaced or made */
    char directory[PATH_MAX]; /* where it lies */
    char temporary[PATH_MAX]; /* beside it; empty while there is none */
    struct stat from, old;    /* the source; the old target, when replaces is set */
    bool replaces;
    int source_file, temporary_file, directory_file;
};

/* The signal that asked us to stop, or 0. The handler does nothing else: the copy looks here
   between two pieces, tidies up and dies of the same signal. */
static volatile sig_atomic_t stop_signal;

static void stop(int signal) {
    stop_signal = signal;
}

static const int stop_signals[] = {SIGHUP, SIGINT, SIGTERM};

/* A signal that is ignored, as under nohup, stays so. Passing a limit of the file size must be an
   error of write, not a death that leaves the temporary file behind. */
static void catch_signals(void) {
    struct sigaction action;
    for (size_t i = 0; i < ARRAY_LENGTH(stop_signals); i++) {
        sigaction(stop_signals[i], NULL, &action);
        if (action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = stop};
        sigaction(stop_signals[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);
}

static bool fail(const struct copy *copy, const char *why) {
    cli_complain("cannot copy %s to %s: %s", copy->source, copy->destination, why);
    return false;
}

static bool fail_errno(const struct copy *copy) {
    return fail(copy, strerror(errno));
}

/* fail for a problem of one path that the user did not name, or not as the culprit. */
static bool fail_path(const struct copy *copy, const char *path, const char *why) {
    cli_complain("cannot copy %s to %s: %s: %s", copy->source, copy->destination, path, why);
    return false;
}

/* The type is looked at before the open: opening a device can do things, and a pipe would wait. */
static bool open_source(struct copy *copy) {
    if (stat(copy->source, &copy->from) != 0)
        return fail_path(copy, copy->source, strerror(errno));
    if (!S_ISREG(copy->from.st_mode))
        return fail_path(copy, copy->source, "not a regular file");
    copy->source_file = open(copy->source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (copy->source_file < 0 || fstat(copy->source_file, &copy->from) != 0)
        return fail_path(copy, copy->source, strerror(errno));
    return true;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Settles target: DST, or DST/name-of-SRC when DST is a directory, with symbolic links followed, so
   that a link stays a link and what it names is replaced. */
static bool choose_target(struct copy *copy) {
    struct stat found;
    const char *destination = copy->destination;
    bool into = stat(destination, &found) == 0 && S_ISDIR(found.st_mode);
    int length = snprintf(copy->target, sizeof copy->target, "%s%s%s", destination, into ? "/" : "",
                          into ? last_part(copy->source) : "");
    if (length < 0 || (size_t)length >= sizeof copy->target)
        return fail(copy, strerror(ENAMETOOLONG));
    if (lstat(copy->target, &found) == 0 && S_ISLNK(found.st_mode)) {
        char *real = realpath(copy->target, NULL);
        if (real == NULL)
            return fail_path(copy, copy->target, "a symbolic link that leads nowhere");
        length = snprintf(copy->target, sizeof copy->target, "%s", real);
        free(real);
        if (length < 0 || (size_t)length >= sizeof copy->target)
            return fail(copy, strerror(ENAMETOOLONG));
    }
    if (*last_part(copy->target) == '\0')
        return fail(copy, strerror(ENOTDIR));
    return true;
}

/* May target be made, or what is there be replaced? */
static bool check_target(struct copy *copy) {
    copy->replaces = stat(copy->target, &copy->old) == 0;
    if (!copy->replaces)
        return errno == ENOENT || fail_errno(copy);
    if (!S_ISREG(copy->old.st_mode))
        return fail_path(copy, copy->target, "not a regular file");
    if (copy->old.st_dev == copy->from.st_dev && copy->old.st_ino == copy->from.st_ino)
        return fail(copy, "they are the same file");
    if (!copy->force && faccessat(AT_FDCWD, copy->target, W_OK, AT_EACCESS) != 0)
        return fail_path(copy, copy->target, "not writable (--force replaces it)");
    return true;
}

/* Opens the directory first: what cannot be made durable at the end is refused at the start. */
static bool make_temporary(struct copy *copy) {
    const char *name = last_part(copy->target);
    int length = (int)(name - copy->target);
    snprintf(copy->directory, sizeof copy->directory, "%.*s", length, copy->target);
    if (length == 0)
        strcpy(copy->directory, "./");
    copy->directory_file = open(copy->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy->directory_file < 0)
        return fail_path(copy, copy->directory, strerror(errno));
    length =
        snprintf(copy->temporary, sizeof copy->temporary, "%s.nvrtl-copy-XXXXXX", copy->directory);
    if ((size_t)length >= sizeof copy->temporary) {
        copy->temporary[0] = '\0';
        return fail(copy, strerror(ENAMETOOLONG));
    }
    copy->temporary_file = mkostemp(copy->temporary, O_CLOEXEC);
    if (copy->temporary_file >= 0)
        return true;
    copy->temporary[0] = '\0';
    return fail_path(copy, copy->directory, strerror(errno));
}

/* Permission bits as SRC has them; never the set-user-id kind, as the owner may be another. The old
   owner is kept where that is allowed. */
static bool set_attributes(const struct copy *copy) {
    if (copy->replaces && fchown(copy->temporary_file, copy->old.st_uid, copy->old.st_gid) != 0 &&
        errno != EPERM && errno != EINVAL)
        return fail_errno(copy);
    return fchmod(copy->temporary_file, copy->from.st_mode & 0777) == 0 || fail_errno(copy);
}

/* Fills the temporary file and makes it durable: fsync, not fdatasync, as that may leave out the
   mode and the owner. */
static bool fill_temporary(const struct copy *copy, struct cli_progress *progress) {
    const struct copy_transfer transfer = {.from = copy->source_file,
                                           .to = copy->temporary_file,
                                           .size = (uint64_t)copy->from.st_size,
                                           .stop = &stop_signal,
                                           .progress = progress};
    const char *problem = copy_transfer_run(&transfer);
    if (problem != NULL) {
        cli_progress_end(progress);
        return stop_signal == 0 && fail(copy, problem);
    }
    cli_progress_say(progress, "waiting until it is durable");
    bool durable = set_attributes(copy) && (fsync(copy->temporary_file) == 0 || fail_errno(copy));
    cli_progress_end(progress);
    return durable && stop_signal == 0;
}

/* Puts the temporary file in the place of target. */
static bool install(struct copy *copy) {
    if (rename(copy->temporary, copy->target) != 0)
        return fail_errno(copy);
    copy->temporary[0] = '\0';
    if (fsync(copy->directory_file) == 0)
        return true;
    cli_complain("copied %s to %s, but a power cut may undo it: cannot make %s durable: %s",
                 copy->source, copy->destination, copy->directory, strerror(errno));
    return false;
}

/* An fsync that succeeds where nothing is durable must not be the last word. */
static void warn_if_volatile(const struct copy *copy) {
    struct map_answer answer;
    if (map_probe_path(&map_this_system, copy->target, &answer) == RESULT_OK &&
        answer.domain == MAP_DOMAIN_VOLATILE)
        cli_complain("copied, but nothing makes %s durable: %s", copy->target, answer.reason);
}

static bool copy_file(struct copy *copy) {
    struct cli_progress progress;
    if (!open_source(copy) || !choose_target(copy) || !check_target(copy) || !make_temporary(copy))
        return false;
    cli_progress_start(&progress, (uint64_t)copy->from.st_size);
    if (!fill_temporary(copy, &progress) || !install(copy))
        return false;
    warn_if_volatile(copy);
    return true;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct copy *copy = state->input;
    if (key == 'f') {
        copy->force = true;
    } else if (key == ARGP_KEY_END) {
        if (state->arg_num < 2)
            argp_error(state, "SRC and DST are needed");
    } else if (key != ARGP_KEY_ARG) {
        return ARGP_ERR_UNKNOWN;
    } else if (state->arg_num == 0) {
        copy->source = text;
    } else if (state->arg_num == 1) {
        copy->destination = text;
    } else {
        argp_error(state, "'%s' is one argument too many", text);
    }
    return 0;
}

int cli_copy(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"force", 'f', NULL, 0, "Replace DST even if it is not writable", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "SRC DST",
        .doc = "Copy the file SRC to DST durably: a power cut leaves the old DST or the new one, "
               "never half.\v"
               "When DST is a directory the copy goes into it; when it is a symbolic link, what it "
               "names is replaced. The copy has SRC's permission bits, without set-user-id and "
               "the like. Other hard links to the old DST keep the old content.\n\n"
               "The exit status is 0 when the copy is durable, 1 when it is not, 2 on wrong usage.",
    };
    static struct copy copy = {.source_file = -1, .temporary_file = -1, .directory_file = -1};
    argp_parse(&argp, argc, argv, 0, NULL, &copy);
    catch_signals();
    bool good = copy_file(&copy);
    if (copy.temporary[0] != '\0')
        unlink(copy.temporary);
    if (!good && stop_signal != 0) {
        signal(stop_signal, SIG_DFL);
        raise(stop_signal);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
