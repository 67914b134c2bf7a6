/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * as: what gcc -B and clang -B find in place of the assembler. It hands the text with call-outs to
 * the real one. If that refuses it, the real one gets the text as it came, so that every message
 * is about what the user wrote, and nothing fails that would not fail without this.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "as/as.h"
#include "base/bits.h"

/* Options of the assembler whose value is the next argument. */
static const char *const valued[] = {"-o", "-I", "--MD", "-MD", "--defsym", "-defsym", "-G", "-T"};

struct command {
    char **options; /* for the real assembler: without files */
    char **files;
    size_t option_count, file_count;
    bool plain; /* nothing to read, or not our machine */
};

/* Finds the real assembler: NVRTL_AS, or what PATH has but for this program. */
static const char *find_assembler(void) {
    static char path[PATH_MAX];
    const char *setting = getenv("NVRTL_AS");
    if (setting != NULL && *setting != '\0')
        return setting;
    struct stat self, file;
    if (stat("/proc/self/exe", &self) != 0)
        return "/usr/bin/as";
    const char *at = getenv("PATH");
    if (at == NULL)
        at = "/usr/bin:/bin";
    for (;; at++) {
        size_t length = strcspn(at, ":");
        int size = snprintf(path, sizeof path, "%.*s/as", (int)length, at);
        if (size < (int)sizeof path && stat(path, &file) == 0 && S_ISREG(file.st_mode) &&
            access(path, X_OK) == 0 && (file.st_ino != self.st_ino || file.st_dev != self.st_dev))
            return path;
        at += length;
        if (*at == '\0')
            return "/usr/bin/as";
    }
}

static bool takes_value(const char *argument) {
    for (size_t i = 0; i < ARRAY_LENGTH(valued); i++)
        if (strcmp(argument, valued[i]) == 0)
            return true;
    return false;
}

static struct command read_command(int argc, char **argv) {
    struct command command = {.options = calloc((size_t)argc + 2, sizeof(char *)),
                              .files = calloc((size_t)argc + 1, sizeof(char *))};
    if (command.options == NULL || command.files == NULL)
        exit(EXIT_FAILURE);
    command.options[command.option_count++] = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        bool input = strcmp(argument, "-") == 0 || strcmp(argument, "--") == 0;
        if (argument[0] == '@' || strcmp(argument, "--32") == 0 || strcmp(argument, "--x32") == 0 ||
            strcmp(argument, "--version") == 0 || strcmp(argument, "--help") == 0)
            command.plain = true;
        if (argument[0] != '-' || input)
            command.files[command.file_count++] = argv[i];
        else
            command.options[command.option_count++] = argv[i];
        if (takes_value(argument) && i + 1 < argc)
            command.options[command.option_count++] = argv[++i];
    }
    return command;
}

static bool read_all(int descriptor, struct text *text) {
    char buffer[65536];
    ssize_t got;
    while ((got = read(descriptor, buffer, sizeof buffer)) != 0) {
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0)
            text_add(text, buffer, (size_t)got);
    }
    return true;
}

/* Sections of LLVM's own types, which GNU as knows by their numbers alone; of their names it warns.
   Every file of C++20 that clang compiles has one. The text keeps its length. */
static void number_types(const struct text *text) {
    static const struct {
        const char *name, *number;
    } types[] = {{",@llvm_linker_options", ",@0x6fff4c01"},
                 {",@llvm_dependent_libraries", ",@0x6fff4c04"}};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        size_t length = strlen(types[i].name), number = strlen(types[i].number);
        char *end = text->bytes + text->length, *at = text->bytes;
        while ((at = memmem(at, (size_t)(end - at), types[i].name, length)) != NULL) {
            const char *line = memrchr(text->bytes, '\n', (size_t)(at - text->bytes));
            line = line != NULL ? line + 1 : text->bytes;
            line += strspn(line, " \t");
            if (strncmp(line, ".section", 8) == 0) {
                memcpy(at, types[i].number, number);
                memset(at + number, ' ', length - number);
            }
            at += length;
        }
    }
}

static bool read_source(const char *name, struct source *source) {
    bool input = name == NULL || strcmp(name, "-") == 0 || strcmp(name, "--") == 0;
    int descriptor = input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    struct text text = {0};
    bool done = read_all(descriptor, &text);
    if (!input)
        close(descriptor);
    /* The step reads numbers, and those end somewhere. */
    text_add(&text, "", 1);
    number_types(&text);
    *source = (struct source){.name = input ? NULL : name, .text = {text.bytes, text.length - 1}};
    return done;
}

/* A file in memory with the text, to be read from its start; -1 if there is none. */
static int keep(const struct text *text) {
    int descriptor = memfd_create("nvrtl-as", MFD_CLOEXEC);
    for (size_t at = 0; descriptor >= 0 && at < text->length;) {
        ssize_t put = write(descriptor, text->bytes + at, text->length - at);
        if (put < 0 && errno != EINTR) {
            close(descriptor);
            return -1;
        }
        at += put > 0 ? (size_t)put : 0;
    }
    if (descriptor >= 0)
        lseek(descriptor, 0, SEEK_SET);
    return descriptor;
}

/* The real assembler on a text; what it says goes to messages. Its status, or -1. */
static int assemble(const char *assembler, char **arguments, const struct text *text,
                    int messages) {
    int input = keep(text);
    if (input < 0)
        return -1;
    pid_t child;
    posix_spawn_file_actions_t actions;
    bool runs = posix_spawn_file_actions_init(&actions) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO) == 0 &&
                posix_spawn(&child, assembler, &actions, NULL, arguments, environ) == 0;
    close(input);
    int status = -1;
    while (runs && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return runs && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void pass_on(int messages) {
    struct text said = {0};
    lseek(messages, 0, SEEK_SET);
    if (read_all(messages, &said) && said.length > 0)
        (void)!write(STDERR_FILENO, said.bytes, said.length);
}

static void add_source(const struct source *source, struct text *to) {
    /* What is read from its standard input shall have its own name. */
    if (source->name != NULL)
        text_print(to, "# 1 \"%s\"\n", source->name);
    emit(source, to);
}

/* With call-outs, or, if failure tells that they did not work, without. */
static void put_together(struct source *sources, size_t count, const char *failure,
                         struct text *to) {
    for (size_t i = 0; i < count; i++) {
        sources[i].untouchable |= failure != NULL;
        add_source(&sources[i], to);
    }
    for (size_t i = 0; i < count; i++)
        emit_notes(&sources[i], failure, to);
}

/* clang makes the lines of assembly files by itself, and asks no other assembler for them. */
static bool wants_lines(const struct command *command, const struct source *sources, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(sources[i].maker, "assembly") != 0)
            return false;
    for (size_t i = 1; i < command->option_count; i++)
        if (strncmp(command->options[i], "-g", 2) == 0 ||
            strncmp(command->options[i], "--g", 3) == 0)
            return false;
    return true;
}

int main(int argc, char **argv) {
    const char *assembler = find_assembler();
    static struct command command;
    static struct source *sources;
    command = read_command(argc, argv);
    size_t count = command.file_count > 0 ? command.file_count : 1;
    sources = calloc(count, sizeof *sources);
    bool readable = !command.plain && sources != NULL;
    for (size_t i = 0; readable && i < count; i++) {
        readable = read_source(command.files[i], &sources[i]);
        if (readable) {
            scan(&sources[i]);
            match_announcements(&sources[i]);
        }
    }
    int messages = readable ? memfd_create("nvrtl-as-says", MFD_CLOEXEC) : -1;
    if (messages < 0) {
        execv(assembler, argv);
        fprintf(stderr, "as: cannot run %s: %s\n", assembler, strerror(errno));
        return EXIT_FAILURE;
    }
    static char lines[] = "-g";
    if (wants_lines(&command, sources, count))
        command.options[command.option_count++] = lines;
    struct text text = {0};
    put_together(sources, count, NULL, &text);
    int status = assemble(assembler, command.options, &text, messages);
    if (status == 0) {
        pass_on(messages);
        return EXIT_SUCCESS;
    }
    text.length = 0;
    put_together(sources, count, "the assembler refuses it with call-outs", &text);
    status = assemble(assembler, command.options, &text, STDERR_FILENO);
    if (status >= 0)
        return status;
    execv(assembler, argv);
    return EXIT_FAILURE;
}
