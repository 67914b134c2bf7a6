/* SPDX-License-Identifier: BSD-2-Clause */
/* Real mappings of this process on the machine at hand. What a machine has differs: a file of the
   working folder must be what the mount says, tmpfs and memfd are everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "map/map.h"
#include "map/table.h"

#define PAGE ((size_t)4096)

static struct map_region region;

static enum result probe(const void *view, size_t size) {
    return map_probe(&map_this_system, (uintptr_t)view, size, &region);
}

/* A file of some pages, mapped shared. */
struct file {
    char path[256];
    int descriptor;
    char *view;
    size_t size;
};

static void map_file_shared(struct file *file, size_t pages) {
    file->size = pages * PAGE;
    assert_int_equal(ftruncate(file->descriptor, (off_t)file->size), 0);
    file->view = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
    assert_ptr_not_equal(file->view, MAP_FAILED);
}

static void make_file(struct file *file, const char *folder, const char *name, size_t pages) {
    snprintf(file->path, sizeof file->path, "%s/%s-%d", folder, name, (int)getpid());
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(file->descriptor >= 0);
    map_file_shared(file, pages);
}

static void end_file(struct file *file) {
    munmap(file->view, file->size);
    close(file->descriptor);
    unlink(file->path);
}

static void real_path(const char *path, char *buffer) {
    assert_non_null(realpath(path, buffer));
}

static void check_identity(const struct file *file) {
    struct stat status;
    assert_int_equal(fstat(file->descriptor, &status), 0);
    assert_int_equal(region.answer.inode, status.st_ino);
}

static void test_folder(void **state) {
    (void)state;
    struct file file;
    struct statfs status;
    char path[4096];
    make_file(&file, ".", "nvrtl-test new\nline", 3);
    assert_int_equal(probe(file.view + 5, 2 * PAGE), RESULT_OK);
    print_message("%s: %s\n", map_domain_name(region.answer.domain), region.answer.reason);
    real_path(file.path, path);
    assert_string_equal(region.answer.path, path);
    assert_int_equal(region.segment_count, 1);
    assert_int_equal(region.segments[0].offset, 5);
    assert_int_equal(region.segments[0].length, 2 * PAGE);
    assert_int_equal(statfs(file.path, &status), 0);
    if (status.f_type == EXT4_SUPER_MAGIC || status.f_type == XFS_SUPER_MAGIC) {
        assert_int_equal(region.answer.domain, MAP_DOMAIN_PAGE_CACHE);
        assert_int_equal(region.answer.notes & MAP_NOTE_UNLINKED, 0);
        check_identity(&file);
    }
    end_file(&file);
}

static void test_unlinked(void **state) {
    (void)state;
    struct file file, named;
    struct statfs status;
    make_file(&file, ".", "nvrtl-test", 1);
    assert_int_equal(statfs(file.path, &status), 0);
    unlink(file.path);
    assert_int_equal(probe(file.view, PAGE), RESULT_OK);
    if (status.f_type == EXT4_SUPER_MAGIC) {
        assert_int_equal(region.answer.domain, MAP_DOMAIN_PAGE_CACHE);
        assert_int_not_equal(region.answer.notes & MAP_NOTE_UNLINKED, 0);
        assert_non_null(strstr(region.answer.reason, "power cut loses the file"));
    }
    /* A file that is called so is not deleted. */
    char path[4096];
    strcat(file.path, " (deleted)");
    strcpy(named.path, file.path);
    named.descriptor = open(named.path, O_RDWR | O_CREAT | O_EXCL, 0600);
    map_file_shared(&named, 1);
    assert_int_equal(probe(named.view, PAGE), RESULT_OK);
    real_path(named.path, path);
    if (status.f_type == EXT4_SUPER_MAGIC) {
        assert_string_equal(region.answer.path, path);
        assert_int_equal(region.answer.notes & MAP_NOTE_UNLINKED, 0);
    }
    end_file(&named);
    end_file(&file);
}

static void test_memory(void **state) {
    (void)state;
    struct file file;
    make_file(&file, "/dev/shm", "nvrtl-test", 1);
    assert_int_equal(probe(file.view, PAGE), RESULT_OK);
    assert_int_equal(region.answer.domain, MAP_DOMAIN_VOLATILE);
    assert_non_null(strstr(region.answer.reason, "tmpfs"));
    unlink(file.path);
    assert_int_equal(probe(file.view, PAGE), RESULT_OK);
    assert_int_equal(region.answer.domain, MAP_DOMAIN_VOLATILE);
    end_file(&file);

    strcpy(file.path, "");
    file.descriptor = memfd_create("a name", 0);
    map_file_shared(&file, 2);
    assert_int_equal(probe(file.view, 2 * PAGE), RESULT_OK);
    assert_int_equal(region.answer.domain, MAP_DOMAIN_VOLATILE);
    assert_non_null(strstr(region.answer.reason, "memfd"));
    assert_string_equal(region.answer.path, "/memfd:a name");
    check_identity(&file);
    end_file(&file);
}

static void check_refused(void *view, enum result expected) {
    assert_ptr_not_equal(view, MAP_FAILED);
    assert_int_equal(probe(view, PAGE), expected);
    assert_true(strlen(region.answer.reason) > 10);
    munmap(view, PAGE);
}

static void test_refused(void **state) {
    (void)state;
    struct file file;
    int local = 0;
    const int both = PROT_READ | PROT_WRITE;
    assert_int_equal(probe(&local, 1), RESULT_INVALID);
    assert_int_equal(probe(state, 1), RESULT_INVALID);
    check_refused(mmap(NULL, PAGE, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0), RESULT_INVALID);
    check_refused(mmap(NULL, PAGE, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), RESULT_INVALID);
    file.descriptor = open("/dev/zero", O_RDWR);
    check_refused(mmap(NULL, PAGE, both, MAP_SHARED, file.descriptor, 0), RESULT_INVALID);
    close(file.descriptor);
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
    void *segment = shmat(id, NULL, 0);
    assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
    assert_int_equal(probe(segment, PAGE), RESULT_INVALID);
    shmdt(segment);
    make_file(&file, ".", "nvrtl-test", 1);
    check_refused(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file.descriptor, 0), RESULT_DENIED);
    check_refused(mmap(NULL, PAGE, both, MAP_PRIVATE, file.descriptor, 0), RESULT_INVALID);
    munmap(file.view, PAGE);
    assert_int_equal(probe(file.view, PAGE), RESULT_NOT_MAPPED);
    assert_int_equal(probe((void *)PAGE, 1), RESULT_NOT_MAPPED);
    assert_int_equal(probe((void *)(UINTPTR_MAX - PAGE + 1), PAGE), RESULT_NOT_MAPPED);
    end_file(&file);
}

/* Two files and a hole; many views of one. */
static void test_views(void **state) {
    (void)state;
    const int both = PROT_READ | PROT_WRITE;
    const size_t views = 2 * MAP_SEGMENTS_MAX;
    struct file one, two;
    make_file(&one, ".", "nvrtl-one", views);
    make_file(&two, ".", "nvrtl-two", 1);
    char *base = mmap(NULL, (views + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < views; i++) {
        /* Backwards: no two neighbours are contiguous in the file. */
        off_t offset = (off_t)((views - 1 - i) * PAGE);
        assert_ptr_equal(
            mmap(base + i * PAGE, PAGE, both, MAP_SHARED | MAP_FIXED, one.descriptor, offset),
            base + i * PAGE);
    }
    assert_ptr_not_equal(
        mmap(base + views * PAGE, PAGE, both, MAP_SHARED | MAP_FIXED, two.descriptor, 0),
        MAP_FAILED);
    munmap(base + (views + 1) * PAGE, PAGE);
    assert_int_equal(probe(base, views * PAGE), RESULT_OK);
    assert_int_equal(region.segment_count, MAP_SEGMENTS_MAX);
    assert_int_equal(region.segments_missed, views - MAP_SEGMENTS_MAX);
    assert_int_equal(probe(base + PAGE, views * PAGE), RESULT_INVALID);
    assert_int_equal(probe(base + views * PAGE, 2 * PAGE), RESULT_INVALID);
    assert_int_equal(mprotect(base + PAGE, PAGE, PROT_READ), 0);
    assert_int_equal(probe(base, 2 * PAGE), RESULT_DENIED);
    assert_int_equal(probe(base, 1), RESULT_OK);
    munmap(base, (views + 1) * PAGE);
    end_file(&one);
    end_file(&two);
}

static void test_extent_and_same(void **state) {
    (void)state;
    struct file file;
    struct map_identity identity;
    make_file(&file, ".", "nvrtl-test", 4);
    errno = EXFULL;
    assert_int_equal(map_extent(&map_this_system, (uintptr_t)file.view + PAGE + 1, &identity.start,
                                &identity.length),
                     RESULT_OK);
    assert_int_equal(identity.start, (uintptr_t)file.view);
    assert_int_equal(identity.length, 4 * PAGE);
    assert_int_equal(probe(file.view, 4 * PAGE), RESULT_OK);
    identity.device = region.answer.device;
    identity.inode = region.answer.inode;
    identity.offset = region.segments[0].offset;
    assert_int_equal(map_same(&map_this_system, &identity), RESULT_OK);
    assert_int_equal(mprotect(file.view, file.size, PROT_READ), 0);
    assert_int_equal(map_same(&map_this_system, &identity), RESULT_INVALID);
    assert_int_equal(mprotect(file.view, file.size, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(map_same(&map_this_system, &identity), RESULT_OK);
    munmap(file.view + 3 * PAGE, PAGE);
    assert_int_equal(map_same(&map_this_system, &identity), RESULT_INVALID);
    munmap(file.view, file.size);
    assert_int_equal(map_same(&map_this_system, &identity), RESULT_INVALID);
    assert_int_equal(
        map_extent(&map_this_system, (uintptr_t)file.view, &identity.start, &identity.length),
        RESULT_NOT_MAPPED);
    assert_int_equal(errno, EXFULL);
    end_file(&file);
}

/* The kernel's answers and its text tell the same, about every mapping. */
static void test_query_agrees_with_text(void **state) {
    (void)state;
    static char buffers[2][8192], names[2][4096];
    struct map_table tables[2];
    struct map_entry a, b;
    struct file file;
    make_file(&file, ".", "nvrtl new\nline", 2);
    munmap(file.view + PAGE, PAGE);
    assert_true(map_table_open(&tables[0], &map_this_system, "self", MAP_TABLE_TEXT, buffers[0],
                               sizeof buffers[0]));
    assert_true(map_table_open(&tables[1], &map_this_system, "self", MAP_TABLE_QUERY, buffers[1],
                               sizeof buffers[1]));
    if (!map_table_find(&tables[1], 0, &b, names[1], sizeof names[1])) {
        print_message("this kernel has no PROCMAP_QUERY\n");
        end_file(&file);
        return;
    }
    unsigned count = 0;
    uintptr_t at = 0;
    for (; map_table_find(&tables[0], at, &a, names[0], sizeof names[0]); count++) {
        assert_true(map_table_find(&tables[1], at, &b, names[1], sizeof names[1]));
        assert_string_equal(names[0], names[1]);
        assert_true(a.start == b.start && a.end == b.end && a.offset == b.offset);
        assert_true(a.device == b.device && a.inode == b.inode);
        assert_true(a.writable == b.writable && a.shared == b.shared);
        at = a.end;
    }
    assert_false(map_table_find(&tables[1], at, &b, names[1], sizeof names[1]));
    print_message("%u mappings\n", count);
    assert_true(count > 5);
    map_table_close(&tables[0]);
    map_table_close(&tables[1]);
    end_file(&file);
}

/* Had the probe opened and closed the file, the process's lock on it would be gone. */
static void test_locks_stay(void **state) {
    (void)state;
    struct file file;
    make_file(&file, ".", "nvrtl-test", 1);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(file.descriptor, F_SETLK, &lock), 0);
    assert_int_equal(probe(file.view, PAGE), RESULT_OK);
    pid_t child = fork();
    if (child == 0) {
        struct flock asked = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        _exit(fcntl(file.descriptor, F_GETLK, &asked) == 0 && asked.l_type == F_WRLCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    end_file(&file);
}

static unsigned handled;
static void *handled_view;

static void on_signal(int number) {
    (void)number;
    handled += probe(handled_view, PAGE) == RESULT_OK;
}

/* On a stack of the size that old programs give their handlers. */
static void test_in_signal_handler(void **state) {
    (void)state;
    struct file file;
    make_file(&file, ".", "nvrtl-test", 1);
    static char stack[32768];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    handled_view = file.view;
    sigaltstack(&other, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    assert_int_equal(handled, 1);
    end_file(&file);
}

struct seen {
    const struct file *file;
    unsigned count;
};

static void see(void *context, uintptr_t address, size_t length, enum result result,
                const struct map_answer *answer) {
    struct seen *seen = context;
    if (address != (uintptr_t)seen->file->view)
        return;
    assert_int_equal(length, seen->file->size);
    assert_int_equal(result, RESULT_OK);
    assert_int_equal(answer->domain, MAP_DOMAIN_VOLATILE);
    assert_true(strncmp(answer->path, seen->file->path, strlen(seen->file->path)) == 0);
    seen->count++;
}

static void test_each(void **state) {
    (void)state;
    struct file file;
    make_file(&file, "/dev/shm", "nvrtl-test", 2);
    struct seen seen = {.file = &file};
    assert_int_equal(map_each(&map_this_system, 0, see, &seen), RESULT_OK);
    assert_int_equal(map_each(&map_this_system, (uint32_t)getpid(), see, &seen), RESULT_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(map_each(&map_this_system, UINT32_MAX, see, &seen), RESULT_INVALID);
    end_file(&file);
}

static void test_path(void **state) {
    (void)state;
    struct file file;
    struct map_answer answer;
    const struct map_system *system = &map_this_system;
    make_file(&file, "/dev/shm", "nvrtl-test", 1);
    assert_int_equal(map_probe_path(system, file.path, &answer), RESULT_OK);
    assert_int_equal(answer.domain, MAP_DOMAIN_VOLATILE);
    assert_string_equal(answer.path, file.path);
    end_file(&file);
    assert_int_equal(map_probe_path(system, file.path, &answer), RESULT_INVALID);
    assert_string_equal(answer.reason, "No such file or directory");
    assert_int_equal(map_probe_path(system, "/proc", &answer), RESULT_NOT_SUPPORTED);
    assert_int_equal(map_probe_path(system, "/dev/shm", &answer), RESULT_OK);
    assert_int_equal(answer.domain, MAP_DOMAIN_VOLATILE);
    assert_string_equal(answer.path, "/dev/shm");
    assert_int_equal(map_probe_path(system, "/proc/self/maps", &answer), RESULT_NOT_SUPPORTED);
    assert_int_equal(map_probe_path(system, "/dev/null", &answer), RESULT_NOT_SUPPORTED);

    make_file(&file, ".", "nvrtl-test", 1);
    assert_int_equal(map_probe_path(system, file.path, &answer), RESULT_OK);
    assert_int_equal(probe(file.view, 1), RESULT_OK);
    assert_int_equal(answer.device, region.answer.device);
    assert_int_equal(answer.inode, region.answer.inode);
    unlink(file.path);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file.descriptor);
    assert_int_equal(map_probe_path(system, path, &answer), RESULT_OK);
    if (answer.domain == MAP_DOMAIN_PAGE_CACHE)
        assert_int_not_equal(answer.notes & MAP_NOTE_UNLINKED, 0);
    end_file(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_unlinked),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_extent_and_same),
        cmocka_unit_test(test_query_agrees_with_text),
        cmocka_unit_test(test_locks_stay),
        cmocka_unit_test(test_in_signal_handler),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
