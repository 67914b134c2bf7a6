/* SPDX-License-Identifier: BSD-2-Clause */
/* Which compiler, and what it is told so that what it makes has call-outs. */
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cc/cc.h"

/* Libraries' functions that store, which gcc would turn into instructions behind its own
   instrumentation's back. clang calls them when it instruments. */
static const char *const builtins[] = {
    "memcpy", "memmove", "memset", "mempcpy", "memccpy", "bcopy", "bzero",  "strcpy", "strncpy",
    "stpcpy", "stpncpy", "strcat", "strncat", "memcmp",  "bcmp",  "memchr", "strcmp", "strncmp",
};

static bool is_program(const char *path) {
    struct stat self, file;
    if (access(path, X_OK) != 0 || stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return false;
    return stat("/proc/self/exe", &self) != 0 || file.st_ino != self.st_ino ||
           file.st_dev != self.st_dev;
}

/* Finds a program as the shell would; not this one under another name. */
static bool is_there(const char *program) {
    const char *at = getenv("PATH");
    if (at == NULL || strchr(program, '/') != NULL)
        return is_program(program);
    for (;;) {
        size_t length = strcspn(at, ":");
        char path[PATH_MAX];
        int size = snprintf(path, sizeof path, "%.*s/%s", (int)length, at, program);
        if (size < (int)sizeof path && access(path, X_OK) == 0)
            return is_program(path);
        if (at[length] == '\0')
            return false;
        at += length + 1;
    }
}

/* Asks a compiler whose name does not tell. */
static enum compiler ask(const struct words *command) {
    struct words question = {0};
    for (size_t i = 0; i < command->count; i++)
        words_add(&question, command->items[i]);
    words_add(&question, "--version");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        cc_refuse("cannot make a pipe");
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
        posix_spawnp(&child, question.items[0], &actions, NULL, question.items, environ) != 0)
        cc_refuse("cannot run %s", question.items[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char answer[4096];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof answer - 1 &&
           (got = read(ends[0], answer + size, sizeof answer - 1 - size)) > 0)
        size += (size_t)got;
    answer[size] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    return strstr(answer, "clang") != NULL ? COMPILER_CLANG : COMPILER_GCC;
}

static enum compiler kind_of(const struct words *command) {
    for (size_t i = 0; i < command->count; i++) {
        const char *slash = strrchr(command->items[i], '/');
        const char *name = slash != NULL ? slash + 1 : command->items[i];
        if (strstr(name, "clang") != NULL)
            return COMPILER_CLANG;
        const char *gcc = strstr(name, "gcc");
        if (gcc == NULL)
            gcc = strstr(name, "g++");
        if (gcc == NULL)
            continue;
        if (gcc != name && strncmp(name, "x86_64", 6) != 0)
            cc_refuse("%s: call-outs exist for 64-bit x86 alone, and this compiles for "
                      "something else",
                      name);
        return COMPILER_GCC;
    }
    return ask(command);
}

enum compiler compiler_find(bool cplusplus, struct words *command) {
    static const char *const usual[2][2] = {{"gcc", "clang"}, {"g++", "clang++"}};
    const char *variable = cplusplus ? "NVRTL_CXX" : "NVRTL_CC";
    const char *setting = cplusplus ? getenv("NVRTL_CXX") : getenv("NVRTL_CC");
    if (setting != NULL && setting[strspn(setting, " \t")] != '\0') {
        words_split(command, cc_text("%s", setting));
        if (!is_there(command->items[0]))
            cc_refuse("%s=%s: there is no such compiler, or it is this one", variable, setting);
        return kind_of(command);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(usual[0]); i++)
        if (is_there(usual[cplusplus][i])) {
            words_add(command, usual[cplusplus][i]);
            return kind_of(command);
        }
    cc_refuse("there is neither %s nor %s; %s names another compiler", usual[cplusplus][0],
              usual[cplusplus][1], variable);
}

/* lib/nvrtl, relative to where this program lies. */
static const char *find_folder(void) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        cc_refuse("cannot find out where this program lies: /proc is not there");
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    const char *folder = cc_text("%s/%s", path, NVRTL_RT_INSTALL_DIR);
    const char *plain = realpath(folder, NULL);
    if (plain == NULL)
        cc_refuse("%s is not there: nvrtl is not installed completely", folder);
    return plain;
}

static void add_gcc(const char *folder, struct words *command) {
    /* Through specs the compiler proper alone is told to instrument: the driver would link thread
       sanitizer's own runtime. */
    words_add(command, cc_text("-specs=%s/cc/gcc.specs", folder));
    words_add(command, "-U__SANITIZE_THREAD__");
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++)
        words_add(command, cc_text("-fno-builtin-%s", builtins[i]));
}

static void add_clang(struct words *command) {
    words_add(command, "-Qunused-arguments");
    /* Not to the driver, as for gcc. */
    words_add(command, "-grecord-gcc-switches"); /* for --audit; gcc does so anyway */
    words_add(command, "-Xclang");
    words_add(command, "-fsanitize=thread");
}

void compiler_arguments(enum compiler compiler, const struct request *request,
                        char *const *arguments, struct words *command) {
    const char *folder = find_folder();
    /* Without it the compiler would take another one, and say nothing. */
    if (access(cc_text("%s/cc/as", folder), X_OK) != 0)
        cc_refuse("%s/cc/as is not there: nvrtl is not installed completely", folder);
    if (compiler == COMPILER_GCC)
        add_gcc(folder, command);
    else
        add_clang(command);
    words_add(command, cc_text("-B%s/cc", folder));
    words_add(command, "-g");
    for (; *arguments != NULL; arguments++)
        words_add(command, *arguments);
    /* Behind the user's: stacks need it, and the assembler step to know what is the stack. */
    words_add(command, "-fno-omit-frame-pointer");
    if (request->drops_lines)
        words_add(command, "-g");
    if (compiler == COMPILER_CLANG)
        words_add(command, "-fno-integrated-as");
    /* The code would be made at the link, where nothing is instrumented. */
    if (request->optimizes_links)
        words_add(command, "-fno-lto");
    if (request->links && !request->relocatable) {
        words_add(command, cc_text("-L%s", folder));
        words_add(command, "-Wl,--push-state,--no-as-needed");
        words_add(command, "-lnvrtl-rt");
        words_add(command, "-Wl,--pop-state");
        words_add(command, cc_text("-Wl,-rpath,%s", folder));
    }
}
