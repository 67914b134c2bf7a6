/* SPDX-License-Identifier: BSD-2-Clause */
/* Checkers that are programs: they get the files of the images by name. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/shell.h"
#include "sandbox/batch.h"

/* The command with each {} replaced by the quoted names of the files. NULL: no memory. */
static char *fill_in(const struct live *live) {
    char *text = NULL, path[LIVE_PATH];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (const char *at = live->sandbox->options.check; out != NULL && *at != '\0'; at++) {
        if (strncmp(at, "{}", 2) != 0) {
            putc(*at, out);
            continue;
        }
        for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
            fputs(i != 0 ? " " : "", out);
            shell_put_word(out, live_path(live, i, path, sizeof path));
        }
        at++;
    }
    return out != NULL && fclose(out) == 0 ? text : NULL;
}

/* A variable of the environment may be 32 pages long, with its name: the last ids that fit. */
static void set_ids(const char *name, const uint64_t *ids, size_t count) {
    char *text = NULL;
    size_t size = 0, most = ((size_t)(128 << 10) - 32) / 21,
           first = count > most ? count - most : 0;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = first; out != NULL && i < count; i++)
        fprintf(out, "%s%" PRIu64, i != first ? " " : "", ids[i]);
    if (out != NULL && fclose(out) == 0)
        setenv(name, text, 1);
    free(text);
}

/* The absolute name of the file, which need not be there any more. A fresh text, or NULL. */
static char *whole_name(const char *word) {
    char *whole = realpath(word, NULL), *made = NULL;
    const char *slash = strrchr(word, '/');
    if (whole != NULL || errno != ENOENT)
        return whole;
    char *folder = slash != NULL ? strndup(word, (size_t)(slash - word) + 1) : strdup(".");
    char *real = folder != NULL ? realpath(folder, NULL) : NULL;
    const char *name = slash != NULL ? slash + 1 : word;
    if (real != NULL && asprintf(&made, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
        made = NULL;
    free(real);
    free(folder);
    return made;
}

static bool is_name_of(const char *word, const char *path) {
    char *whole = whole_name(word);
    bool same = strcmp(word, path) == 0 || (whole != NULL && strcmp(whole, path) == 0);
    free(whole);
    return same;
}

/* Where in the word the name of that file begins: at its begin, or behind a "=". NULL: it is not
   there. */
static const char *name_in(const char *word, const char *path) {
    const char *equals = strchr(word, '=');
    if (is_name_of(word, path))
        return word;
    return equals != NULL && is_name_of(equals + 1, path) ? equals + 1 : NULL;
}

bool sandbox_names(char *const *program, const char *path) {
    for (size_t i = 1; program[0] != NULL && program[i] != NULL; i++) {
        if (name_in(program[i], path) != NULL)
            return true;
    }
    return false;
}

/* The program's words; those that name a file of the run name the image's instead. */
static char **words(const struct live *live) {
    char *const *program = live->sandbox->options.program;
    size_t count = 0;
    while (program[count] != NULL)
        count++;
    char **made = calloc(count + 1, sizeof *made);
    for (size_t i = 0; made != NULL && i < count; i++) {
        made[i] = program[i];
        for (size_t r = 0; i > 0 && r < live->sandbox->options.region_count; r++) {
            const char *name = name_in(program[i], live->sandbox->options.regions[r].path);
            char copy[LIVE_PATH];
            if (name != NULL && asprintf(&made[i], "%.*s%s", (int)(name - program[i]), program[i],
                                         live_path(live, r, copy, sizeof copy)) < 0)
                made[i] = NULL;
        }
    }
    return made;
}

_Noreturn void command_become(const struct live *live, const struct batch_image *image,
                              int output) {
    const struct sandbox *sandbox = live->sandbox;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0)
        dup2(output, STDOUT_FILENO);
    set_ids("NVRTL_BEGUN", sandbox->marks[0], image->begun);
    set_ids("NVRTL_ACKED", sandbox->marks[1], image->acked);
    if (sandbox->options.judge == SANDBOX_COMMAND) {
        char *command = fill_in(live);
        if (command != NULL)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    } else {
        char **program = words(live);
        if (program != NULL && program[0] != NULL)
            execvp(program[0], program);
    }
    _exit(127);
}

/* Its standard output is the state; whoever wants to see that sees it as well. */
static void take_output(int output, const struct sandbox *sandbox, struct batch_image *image) {
    char buffer[4096];
    struct dump state;
    dump_start(&state, sandbox);
    for (ssize_t size; (size = read(output, buffer, sizeof buffer)) != 0;) {
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            break;
        state.public.put(&state.public, buffer, (size_t)size);
        if (write(STDOUT_FILENO, buffer, (size_t)size) < 0)
            errno = 0;
    }
    dump_end(&state, sandbox, image);
}

struct sandbox_verdict command_judge(const struct live *live, struct batch_image *image) {
    const struct sandbox *sandbox = live->sandbox;
    int status, output[2] = {-1, -1};
    if (sandbox->options.states && pipe2(output, O_CLOEXEC) != 0)
        return (struct sandbox_verdict){SANDBOX_UNUSABLE, errno};
    pid_t child = fork();
    if (child == 0)
        command_become(live, image, output[1]);
    if (output[1] >= 0)
        close(output[1]);
    if (output[0] >= 0 && child > 0)
        take_output(output[0], sandbox, image);
    if (output[0] >= 0)
        close(output[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child < 0)
        return (struct sandbox_verdict){SANDBOX_UNUSABLE, errno};
    if (WIFSIGNALED(status))
        return (struct sandbox_verdict){SANDBOX_KILLED, WTERMSIG(status)};
    int code = WEXITSTATUS(status);
    if (code == 126 || code == 127) {
        snprintf(sandbox->batch->problem, sizeof sandbox->batch->problem,
                 "the check cannot be run (status %d)", code);
        return (struct sandbox_verdict){SANDBOX_UNUSABLE, code};
    }
    if (code == 0 || sandbox->options.judge == SANDBOX_PROGRAM)
        return (struct sandbox_verdict){SANDBOX_FINE, code};
    return (struct sandbox_verdict){SANDBOX_REFUSED, code};
}
