/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that maps a file and waits for it by itself, as one that has never heard of nvrtl.
   views wrong|right FILE CASE: what is to be told of the wrong one stands in test_watch.py. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 65536

static const char *name;
static char *base;
static int file;
static bool broken;

static void need(bool good, const char *what) {
    if (!good) {
        perror(what);
        exit(99);
    }
}

static void open_view(const char *path) {
    name = path;
    file = open(path, O_RDWR | O_CREAT, 0600);
    need(file >= 0 && ftruncate(file, SIZE) == 0, path);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(base != MAP_FAILED, "mmap");
}

static void store(size_t at) {
    memset(base + at, 'x', 40);
}

static void wait_for(size_t at, int flags) {
    need(msync(base + at, 4096, flags) == 0, "msync");
}

static void forgotten(void) {
    store(100);
    wait_for(0, MS_SYNC);
    store(8192);
    if (!broken)
        wait_for(8192, MS_SYNC);
}

static void not_waited(void) {
    store(4096);
    wait_for(4096, broken ? MS_ASYNC : MS_SYNC);
}

/* msync takes pages: it refuses an address inside of one, and waits for nothing. */
static void refused(void) {
    store(4096);
    if (msync(base + 4096 + (broken ? 8 : 0), 4096, MS_SYNC) != (broken ? -1 : 0))
        exit(98);
    store(12288);
    need(!broken == (msync(base + 12288, 4096, broken ? MS_SYNC | MS_ASYNC : MS_SYNC) == 0),
         "msync");
}

/* A wait that fails: its last page is not there any more. */
static void too_long(void) {
    store(4096);
    need(munmap(base + 8192, 4096) == 0, "munmap");
    need(!broken == (msync(base + 4096, broken ? 8192 : 4096, MS_SYNC) == 0), "msync");
}

/* The program may make this call, and would be killed for the one that could stand for it. */
static void renamed_in_confinement(void) {
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {sizeof steps / sizeof steps[0], steps};
    char other[4096];
    snprintf(other, sizeof other, "%s.other", name);
    need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
             prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0,
         "prctl");
    need(rename(name, other) == 0, "rename");
}

static void after_the_wait(void) {
    store(4096);
    wait_for(4096, MS_SYNC);
    if (broken)
        store(4200);
}

static void by_the_file(void) {
    store(4096);
    store(12288);
    need(broken ? sync_file_range(file, 0, SIZE, SYNC_FILE_RANGE_WRITE) == 0 : fdatasync(file) == 0,
         "fdatasync");
}

/* Waits whose calls are made by their numbers, and one that is refused. */
static void by_number(void) {
    store(4096);
    need(syscall(SYS_msync, base + 4096, 4096L, (long)(broken ? MS_ASYNC : MS_SYNC)) == 0, "msync");
    store(8192);
    need(broken || syscall(SYS_fdatasync, file) == 0, "fdatasync");
    store(12288);
    need(syscall(SYS_fsync, broken ? -1 : file) == (broken ? -1L : 0L), "fsync");
}

static void after_unmapping(void) {
    store(4096);
    need(munmap(base, SIZE) == 0, "munmap");
    if (!broken)
        need(fsync(file) == 0, "fsync");
}

static void part_unmapped(void) {
    need(munmap(base + 8192, 4096) == 0, "munmap");
    store(4096);
    store(16384);
    wait_for(4096, MS_SYNC);
    if (!broken)
        wait_for(16384, MS_SYNC);
}

static void moved(void) {
    store(4096);
    base = mremap(base, SIZE, SIZE * 2, MREMAP_MAYMOVE);
    need(base != MAP_FAILED && ftruncate(file, SIZE * 2) == 0, "mremap");
    wait_for(4096, MS_SYNC);
    store(SIZE + 4096);
    if (!broken)
        wait_for(SIZE + 4096, MS_SYNC);
}

/* What write(2) and its kin put into the file is no store to the view. */
static void written(void) {
    char bytes[5000];
    memset(bytes, 'w', sizeof bytes);
    store(0);
    wait_for(0, MS_SYNC);
    need(pwrite(file, bytes, sizeof bytes, 1000) == sizeof bytes, "pwrite");
    need(lseek(file, 3000, SEEK_SET) == 3000 && write(file, bytes, 10) == 10, "write");
    need(ftruncate(file, 2048) == 0 && ftruncate(file, SIZE) == 0, "ftruncate");
    base[4096]++;
    wait_for(0, MS_SYNC);
    if (!broken)
        wait_for(4096, MS_SYNC);
}

static void protected(void) {
    need(mprotect(base, SIZE, PROT_READ) == 0, "mprotect");
    need(mprotect(base, SIZE, PROT_READ | PROT_WRITE) == 0, "mprotect");
    store(4096);
    if (!broken)
        wait_for(4096, MS_SYNC);
}

static void by_a_child(void) {
    store(4096);
    pid_t child = fork();
    if (child == 0) {
        wait_for(broken ? 0 : 4096, MS_SYNC);
        exit(0);
    }
    waitpid(child, NULL, 0);
}

static void two_views(void) {
    char *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(other != MAP_FAILED, "mmap");
    memset(other + 4096, 'y', 40);
    memset(other + 12288, 'y', 40);
    wait_for(4096, MS_SYNC);
    if (!broken)
        wait_for(12288, MS_SYNC);
}

/* What the program has cut off need not last, whoever it is that unmaps it, and when. */
static void cut_off(void) {
    store(0);
    store(8192);
    wait_for(0, MS_SYNC);
    need(ftruncate(file, broken ? SIZE - 4096 : 8192) == 0, "ftruncate");
    need(munmap(base, SIZE) == 0, "munmap");
}

static void unmapped_and_cut_off(void) {
    store(0);
    store(8192);
    store(12288);
    wait_for(0, MS_SYNC);
    need(munmap(base, SIZE) == 0, "munmap");
    need(ftruncate(file, broken ? 12288 : 8192) == 0, "ftruncate");
}

/* It comes back as zeros, which nobody has stored. */
static void cut_off_and_on(void) {
    store(4096);
    store(8192);
    wait_for(8192, MS_SYNC);
    need(ftruncate(file, 4096) == 0 && ftruncate(file, SIZE) == 0, "ftruncate");
    base[8200] = 'z';
    if (!broken)
        wait_for(8192, MS_SYNC);
}

/* A file without a name need not last; one that has another name has to. */
static void deleted(void) {
    char other[4096];
    store(0);
    wait_for(0, MS_SYNC);
    store(8192);
    snprintf(other, sizeof other, "%s.other", name);
    need(!broken || link(name, other) == 0, "link");
    need(unlink(name) == 0, "unlink");
    if (!broken)
        store(12288);
    need(munmap(base, SIZE) == 0, "munmap");
}

static void replaced(void) {
    char other[4096];
    store(0);
    wait_for(0, MS_SYNC);
    store(8192);
    snprintf(other, sizeof other, "%s.other", name);
    int new = open(other, O_RDWR | O_CREAT, 0600);
    need(new >= 0 && close(new) == 0, other);
    need(broken ? rename(name, other) == 0 : rename(other, name) == 0, "rename");
}

/* The number of a file that was removed may be another one's. */
static void made_anew(void) {
    store(8192);
    need(remove(name) == 0 && munmap(base, SIZE) == 0 && close(file) == 0, "remove");
    open_view(name);
    store(4096);
    if (!broken)
        wait_for(4096, MS_SYNC);
}

/* What the runtime maps for itself lies between two views, and is none. */
static void far_apart(void) {
    void *low = (void *)0x100000000000;
    need(mmap(low, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED, "mmap");
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(base != MAP_FAILED, "mmap");
    store(4096);
    if (!broken)
        wait_for(4096, MS_SYNC);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {{"forgotten", forgotten},
             {"not_waited", not_waited},
             {"refused", refused},
             {"after_the_wait", after_the_wait},
             {"by_the_file", by_the_file},
             {"by_number", by_number},
             {"after_unmapping", after_unmapping},
             {"part_unmapped", part_unmapped},
             {"moved", moved},
             {"written", written},
             {"protected", protected},
             {"by_a_child", by_a_child},
             {"two_views", two_views},
             {"cut_off", cut_off},
             {"unmapped_and_cut_off", unmapped_and_cut_off},
             {"cut_off_and_on", cut_off_and_on},
             {"deleted", deleted},
             {"replaced", replaced},
             {"made_anew", made_anew},
             {"far_apart", far_apart}};

int main(int count, char **arguments) {
    if (count != 4)
        return 97;
    broken = strcmp(arguments[1], "wrong") == 0;
    open_view(arguments[2]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, arguments[3]) == 0)
            cases[i].run();
    }
    if (strcmp(arguments[3], "too_long") == 0)
        too_long();
    if (strcmp(arguments[3], "renamed_in_confinement") == 0)
        renamed_in_confinement();
    close(file);
    return 0;
}
