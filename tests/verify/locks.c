/* SPDX-License-Identifier: BSD-2-Clause */
/* Holds a POSIX lock on the file that it maps. Whoever closed a descriptor of the file in this
   process would drop it. After each routine a child, which has locks of its own, asks whether it is
   still held. Ends with 3 when it is not, and says after which routine. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nvrtl.h>

#define SIZE ((size_t)0x4000)

static int file;

static void need(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "locks: %s\n", what);
        exit(4);
    }
}

static void after(const char *routine, NTSTATUS status) {
    int ended = 0;
    need(status == STATUS_SUCCESS, routine);
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        struct flock asked = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int told = fcntl(file, F_GETLK, &asked);
        _exit(told != 0 || asked.l_type != F_WRLCK || asked.l_pid != getppid());
    }
    need(waitpid(child, &ended, 0) == child, "waitpid");
    if (ended != 0) {
        fprintf(stderr, "locks: lost after %s\n", routine);
        exit(3);
    }
}

static void by_token(unsigned char *view, PVOID token) {
    NV_MEMORY_RANGE range = {view, 100};
    NvRtlTokenInfo info = {.structSize = sizeof info};
    unsigned char bytes[100];
    after("Write", RtlWriteNonVolatileMemory(token, view, "written", 8, 1));
    after("Write, persist", RtlWriteNonVolatileMemory(token, view, "written", 8, 3));
    after("Fill", RtlFillNonVolatileMemory(token, view, 100, 1, 2));
    after("Flush", RtlFlushNonVolatileMemory(token, view, 100, 1));
    after("Drain", RtlDrainNonVolatileFlush(token));
    memset(view, 2, 100);
    after("FlushRanges", RtlFlushNonVolatileMemoryRanges(token, &range, 1, 0));
    if (token == (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN)
        return;
    after("Read", NvRtlReadNonVolatileMemory(token, bytes, view, sizeof bytes));
    after("Query", NvRtlQueryToken(token, &info));
    after("Retry", NvRtlRetryToken(token));
}

int main(int argc, char **argv) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    PVOID token;
    need(argc == 2, "usage: locks FILE");
    file = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    need(file >= 0 && ftruncate(file, (off_t)SIZE) == 0, argv[1]);
    need(fcntl(file, F_SETLK, &lock) == 0, "lock");
    unsigned char *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(view != MAP_FAILED, "mmap");
    after("nothing", STATUS_SUCCESS);
    by_token(view, (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN);
    after("Get", RtlGetNonVolatileToken(view, SIZE, &token));
    by_token(view, token);
    after("Free", RtlFreeNonVolatileToken(token));
    munmap(view, SIZE);
    after("munmap", STATUS_SUCCESS);
    if (getenv("LOCKS_DROP") != NULL) {
        close(open(argv[1], O_RDONLY | O_CLOEXEC));
        after("a close", STATUS_SUCCESS);
    }
    puts("held");
    return 0;
}
