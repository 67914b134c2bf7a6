/* SPDX-License-Identifier: BSD-2-Clause */
/* verify/symbols.h against programs that tell addresses in themselves (symbols_probes.cmake builds
   them), and against files that are damaged in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "verify/path.h"
#include "verify/symbols.h"

#define SOURCES NVRTL_TEST_FIXTURES "/symbols"

/* What a probe printed: see probe.c. */
struct probe {
    char module[PATH_MAX];
    uint64_t inlined, plain, last, nested;
};

static struct probe read_probe(FILE *from, const char *self) {
    struct probe probe;
    assert_int_equal(fscanf(from, "%4095s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
                            probe.module, &probe.inlined, &probe.plain, &probe.last, &probe.nested),
                     5);
    if (strcmp(probe.module, "/proc/self/exe") == 0)
        snprintf(probe.module, sizeof probe.module, "%s", self);
    return probe;
}

static struct probe run_probe(const char *path) {
    FILE *output = popen(path, "r");
    assert_non_null(output);
    struct probe probe = read_probe(output, path);
    assert_int_equal(pclose(output), 0);
    return probe;
}

/* A probe that was built as a library prints from inside this process. */
static struct probe run_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    int (*print)(void) = NULL;
    *(void **)&print = dlsym(library, "probe");
    assert_non_null(print);
    char output[PATH_MAX + 64] = "";
    FILE *page = fmemopen(output, sizeof output, "w"), *before = stdout;
    assert_non_null(page);
    stdout = page;
    print();
    stdout = before;
    fclose(page);
    page = fmemopen(output, strlen(output), "r");
    struct probe probe = read_probe(page, path);
    fclose(page);
    dlclose(library);
    return probe;
}

/* The number of the line that says "line: name". */
static int line_of(const char *file, const char *name) {
    char path[PATH_MAX], line[256], mark[64];
    snprintf(path, sizeof path, "%s/%s", SOURCES, file);
    snprintf(mark, sizeof mark, "/* line: %s */", name);
    FILE *source = fopen(path, "r");
    assert_non_null(source);
    for (int number = 1; fgets(line, sizeof line, source) != NULL; number++) {
        if (strstr(line, mark) != NULL) {
            fclose(source);
            return number;
        }
    }
    fail_msg("%s has no line %s", file, name);
    return 0;
}

static void check_frame(const struct source_frame *frame, const char *function, const char *file,
                        const char *mark, bool inlined) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", SOURCES, file);
    assert_non_null(frame->function);
    assert_string_equal(frame->function, function);
    assert_non_null(frame->file);
    assert_string_equal(frame->file, path);
    assert_int_equal(frame->line, line_of(file, mark));
    assert_int_equal(frame->inlined, inlined);
}

static void clear_stack(struct source_stack *stack) {
    for (size_t i = 0; i < stack->count; i++) {
        free(stack->frames[i].function);
        free(stack->frames[i].file);
        free(stack->frames[i].module);
    }
    free(stack->frames);
    *stack = (struct source_stack){0};
}

static void check_probe(struct symbols *symbols, const struct probe *probe) {
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, probe->module, NULL, 0, probe->inlined, &stack));
    assert_int_equal(stack.count, 3);
    check_frame(&stack.frames[0], "innermost", "probe.h", "innermost", true);
    check_frame(&stack.frames[1], "middle", "probe.c", "middle", true);
    check_frame(&stack.frames[2], "outer", "probe.c", "outer", false);
    /* Appended to what is there. */
    assert_true(symbols_append(symbols, probe->module, NULL, 0, probe->plain, &stack));
    assert_int_equal(stack.count, 4);
    check_frame(&stack.frames[3], "plain", "probe.c", "plain", false);
    for (size_t i = 0; i < stack.count; i++) {
        assert_string_equal(stack.frames[i].module, probe->module);
        assert_int_equal(stack.frames[i].offset, i < 3 ? probe->inlined : probe->plain);
    }
    clear_stack(&stack);
    /* This return address is already that of the next function. */
    assert_true(symbols_append(symbols, probe->module, NULL, 0, probe->last, &stack));
    assert_int_equal(stack.count, 1);
    check_frame(&stack.frames[0], "last", "probe.c", "last", false);
    clear_stack(&stack);
    if (probe->nested == 0)
        return;
    assert_true(symbols_append(symbols, probe->module, NULL, 0, probe->nested, &stack));
    assert_int_equal(stack.count, 1);
    check_frame(&stack.frames[0], "within", "probe.c", "within", false);
    clear_stack(&stack);
}

/* Runs check on each probe whose name begins so; there must be one. */
static void for_each_probe(const char *start, void (*check)(struct symbols *, const char *)) {
    struct symbols *symbols = symbols_open();
    DIR *folder = opendir(NVRTL_PROBES);
    int found = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[PATH_MAX];
        const char *dot = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, start, strlen(start)) != 0 ||
            (dot != NULL && strcmp(dot, ".so") != 0))
            continue;
        print_message("  %s\n", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", NVRTL_PROBES, entry->d_name);
        check(symbols, path);
        found++;
    }
    closedir(folder);
    symbols_close(symbols);
    assert_true(found > 0);
}

static void check_program(struct symbols *symbols, const char *path) {
    struct probe probe = run_probe(path);
    check_probe(symbols, &probe);
}

static void check_library(struct symbols *symbols, const char *path) {
    struct probe probe = run_library(path);
    assert_string_equal(probe.module, path);
    check_probe(symbols, &probe);
}

static void test_programs(void **state) {
    (void)state;
    for_each_probe("probe-", check_program);
}

static void test_libraries(void **state) {
    (void)state;
    for_each_probe("library-", check_library);
}

static void check_classes(struct symbols *symbols, const char *path) {
    struct probe probe = run_probe(path);
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, path, NULL, 0, probe.inlined, &stack));
    assert_int_equal(stack.count, 2);
    check_frame(&stack.frames[1], "store::(anonymous namespace)::Tree::insert", "probe.cc",
                "method", false);
    clear_stack(&stack);
    assert_true(symbols_append(symbols, path, NULL, 0, probe.plain, &stack));
    assert_int_equal(stack.count, 2);
    assert_int_equal(stack.frames[1].line, line_of("probe.cc", "lambda"));
    assert_non_null(strstr(stack.frames[1].function, "operator()"));
    clear_stack(&stack);
}

static void test_classes(void **state) {
    (void)state;
    DIR *folder = opendir(NVRTL_PROBES);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        found += strncmp(entry->d_name, "classes-", 8) == 0;
    closedir(folder);
    if (found == 0)
        skip(); /* there is no C++ compiler */
    for_each_probe("classes-", check_classes);
}

/* One frame with module and offset; function may be NULL. */
static void check_bare(struct symbols *symbols, const char *path, uint64_t offset,
                       const char *function) {
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, path, NULL, 0, offset, &stack));
    assert_int_equal(stack.count, 1);
    assert_string_equal(stack.frames[0].module, path);
    assert_int_equal(stack.frames[0].offset, offset);
    assert_null(stack.frames[0].file);
    assert_int_equal(stack.frames[0].line, 0);
    assert_false(stack.frames[0].inlined);
    if (function == NULL)
        assert_null(stack.frames[0].function);
    else
        assert_string_equal(stack.frames[0].function, function);
    clear_stack(&stack);
}

static void test_without_debug_information(void **state) {
    (void)state;
    struct symbols *symbols = symbols_open();
    struct probe names = run_probe(NVRTL_PROBES "/names");
    struct probe nothing = run_probe(NVRTL_PROBES "/nothing");
    check_bare(symbols, names.module, names.inlined, "outer");
    check_bare(symbols, names.module, names.plain, "plain");
    check_bare(symbols, nothing.module, nothing.inlined, NULL);
    symbols_close(symbols);
}

/* A debug file next to the program counts only if it is the program's: this one is not. */
static void test_wrong_debug_file(void **state) {
    (void)state;
    char folder[] = "/tmp/nvrtl-symbols-XXXXXX", command[4 * PATH_MAX], path[PATH_MAX];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/probe-apart", folder);
    snprintf(command, sizeof command, "cp %s/probe-apart %s && cp %s/nothing %s/probe-apart.debug",
             NVRTL_PROBES, folder, NVRTL_PROBES, folder);
    assert_int_equal(system(command), 0);
    struct probe probe = run_probe(path);
    struct symbols *symbols = symbols_open();
    check_bare(symbols, path, probe.inlined, NULL);
    symbols_close(symbols);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static size_t read_build_id(const char *path, unsigned char id[64]) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(descriptor, ELF_C_READ, NULL);
    const void *bits = NULL;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &bits);
    assert_in_range(size, 8, 64);
    memcpy(id, bits, (size_t)size);
    elf_end(elf);
    close(descriptor);
    return (size_t)size;
}

static void test_build_id(void **state) {
    (void)state;
    unsigned char id[64];
    const char *path = NVRTL_PROBES "/names";
    size_t size = read_build_id(path, id);
    struct probe probe = run_probe(path);
    struct symbols *symbols = symbols_open();
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, path, id, size, probe.plain, &stack));
    id[size - 1] ^= 1;
    assert_true(symbols_append(symbols, path, id, size, probe.plain, &stack));
    id[size - 1] ^= 1;
    assert_true(symbols_append(symbols, path, id, size - 1, probe.plain, &stack));
    assert_true(symbols_append(symbols, path, id, size, probe.plain, &stack));
    assert_int_equal(stack.count, 4);
    assert_string_equal(stack.frames[0].function, "plain");
    assert_null(stack.frames[1].function);
    assert_null(stack.frames[2].function);
    assert_string_equal(stack.frames[3].function, "plain");
    clear_stack(&stack);
    symbols_close(symbols);
}

static void test_addresses_in_no_function(void **state) {
    (void)state;
    static const uint64_t offsets[] = {0, 1, 2, 64, 1 << 20, INT64_MAX, UINT64_MAX};
    struct symbols *symbols = symbols_open();
    struct source_stack stack = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
        assert_true(
            symbols_append(symbols, NVRTL_PROBES "/probe-apart", NULL, 0, offsets[i], &stack));
        assert_int_equal(stack.count, i + 1);
        assert_null(stack.frames[i].file);
    }
    clear_stack(&stack);
    symbols_close(symbols);
}

static void test_ring(void **state) {
    (void)state;
    struct symbols *symbols = symbols_open();
    struct source_stack stack = {0};
    for (uint64_t offset = 0; offset < 8192; offset++)
        assert_true(symbols_append(symbols, NVRTL_PROBES "/ring.so", NULL, 0, offset, &stack));
    int named = 0;
    for (size_t i = 0; i < stack.count; i++)
        named += stack.frames[i].function != NULL;
    assert_int_equal(named, 1); /* the one byte of code was found */
    clear_stack(&stack);
    symbols_close(symbols);
}

static void check_absolute(const char *directory, const char *name, const char *wanted) {
    char *path = path_absolute(directory, name);
    assert_non_null(path);
    assert_string_equal(path, wanted);
    free(path);
}

static void test_source_paths(void **state) {
    (void)state;
    check_absolute("/a/b", "c.c", "/a/b/c.c");
    check_absolute("/a/b", "/c.c", "/c.c");
    check_absolute("/a/b/", ".//d/./c.c", "/a/b/d/c.c");
    check_absolute("/a/.b/..c", ".d/e..", "/a/.b/..c/.d/e..");
    check_absolute(".", "c.c", "c.c");
    check_absolute(NULL, "./c.c", "c.c");
    /* ".." goes where it leads to the same file, and stays where nobody can tell. */
    check_absolute("/nonexistent/b", "../c.c", "/nonexistent/b/../c.c");
    check_absolute("/usr/lib", "../../../etc/./passwd", "/etc/passwd");
    check_absolute("/usr/lib", "../../etc/passwd", "/etc/passwd");
    check_absolute(NULL, "../c.c", "../c.c");

    char folder[] = "/tmp/nvrtl-paths-XXXXXX", link[64], other[64], wanted[80];
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(other, sizeof other, "%s/passwd", folder);
    snprintf(wanted, sizeof wanted, "%s/../passwd", link);
    /* Through the link, "../passwd" is /etc/passwd; as text it is another file that exists too. */
    assert_int_equal(symlink("/etc/ssl", link), 0);
    close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    check_absolute(link, "../passwd", wanted);
    unlink(other);
    unlink(link);
    rmdir(folder);
}

static void test_unreadable(void **state) {
    (void)state;
    char fifo[] = "/tmp/nvrtl-symbols-XXXXXX";
    close(mkstemp(fifo));
    struct symbols *symbols = symbols_open();
    check_bare(symbols, fifo, 64, NULL); /* empty */
    unlink(fifo);
    symbols_close(symbols);

    symbols = symbols_open();
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_bare(symbols, fifo, 64, NULL); /* opening it for reading waits for a writer */
    unlink(fifo);
    check_bare(symbols, "/nonexistent/file", 64, NULL);
    check_bare(symbols, "", 64, NULL);
    check_bare(symbols, "[vdso]", 64, NULL);
    check_bare(symbols, "/tmp", 64, NULL);
    check_bare(symbols, "/dev/zero", 64, NULL);
    check_bare(symbols, SOURCES "/probe.c", 64, NULL);
    symbols_close(symbols);
    symbols_close(NULL);
}

static unsigned char *read_file(const char *path, size_t *size) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    unsigned char *bytes = malloc((size_t)status.st_size);
    FILE *file = fopen(path, "r");
    *size = fread(bytes, 1, (size_t)status.st_size, file);
    assert_int_equal(*size, status.st_size);
    fclose(file);
    return bytes;
}

/* Whatever the file says, an answer comes and its last frame tells module and offset. */
static void check_damaged(const char *path, const unsigned char *bytes, size_t size,
                          const struct probe *probe) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    struct symbols *symbols = symbols_open();
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, path, NULL, 0, probe->inlined, &stack));
    assert_true(symbols_append(symbols, path, NULL, 0, probe->plain, &stack));
    assert_true(stack.count >= 2);
    assert_string_equal(stack.frames[stack.count - 1].module, path);
    assert_int_equal(stack.frames[stack.count - 1].offset, probe->plain);
    clear_stack(&stack);
    symbols_close(symbols);
}

static void test_truncated(void **state) {
    (void)state;
    char path[] = "/tmp/nvrtl-symbols-XXXXXX";
    struct probe probe = run_probe(NVRTL_PROBES "/probe-apart");
    size_t size;
    unsigned char *bytes = read_file(NVRTL_PROBES "/probe-apart.debug", &size);
    close(mkstemp(path));
    for (size_t cut = 0; cut < size; cut += cut < 128 ? 1 : size / 211)
        check_damaged(path, bytes, cut, &probe);
    unlink(path);
    free(bytes);
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void damage(const char *from, uint64_t seed) {
    char path[] = "/tmp/nvrtl-symbols-XXXXXX";
    struct probe probe = run_probe(from);
    size_t size;
    unsigned char *bytes = read_file(from, &size);
    unsigned char *copy = malloc(size);
    close(mkstemp(path));
    print_message("  %s, seed %" PRIu64 "\n", from, seed);
    for (int round = 0; round < 400; round++) {
        memcpy(copy, bytes, size);
        for (uint64_t flips = 1 + next_random(&seed) % 64; flips > 0; flips--)
            copy[next_random(&seed) % size] = (unsigned char)next_random(&seed);
        check_damaged(path, copy, size, &probe);
    }
    unlink(path);
    free(copy);
    free(bytes);
}

static void check_damage(struct symbols *symbols, const char *path) {
    (void)symbols;
    damage(path, 20261122);
}

static void test_damaged(void **state) {
    (void)state;
    for_each_probe("probe-dwarf", check_damage);
}

/* Code that the program made while it ran lies in no file. */
static void test_no_module(void **state) {
    (void)state;
    struct symbols *symbols = symbols_open();
    struct source_stack stack = {0};
    assert_true(symbols_append(symbols, NULL, NULL, 0, 0x7f0000001000, &stack));
    assert_int_equal(stack.count, 1);
    assert_null(stack.frames[0].module);
    assert_null(stack.frames[0].function);
    assert_int_equal(stack.frames[0].offset, 0x7f0000001000);
    clear_stack(&stack);
    symbols_close(symbols);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_libraries),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_without_debug_information),
        cmocka_unit_test(test_wrong_debug_file),
        cmocka_unit_test(test_build_id),
        cmocka_unit_test(test_addresses_in_no_function),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_source_paths),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
