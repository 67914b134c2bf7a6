/* SPDX-License-Identifier: BSD-2-Clause */
/* Why no page came, on a file system that is full: behind a hole, since it is full; behind the end
   of the token's file, or in what is copied from, for other reasons. In a child that mounts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "child.h"
#include "view.h"

static void fill(const char *path) {
    static const char bytes[4096];
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHILD_NEED(file >= 0);
    while (write(file, bytes, sizeof bytes) > 0)
        continue;
    CHILD_NEED(errno == ENOSPC);
}

/* By its name the file's file system is asked. */
static struct view open_named(const char *path) {
    struct view view = {.descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                        .size = 16 * PAGE};
    CHILD_NEED(view.descriptor >= 0 && ftruncate(view.descriptor, (off_t)view.size) == 0);
    view.bytes = view_map(view.descriptor, view.size, 0);
    CHILD_NEED(view.bytes != NULL);
    return view;
}

static void child_full(void) {
    PVOID of_holes, of_cut;
    char bytes[300] = "";
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("full", "/mnt", "tmpfs", 0, "size=256k") != 0)
        _exit(CHILD_CANNOT);
    struct view holes = open_named("/mnt/holes"), cut = open_named("/mnt/cut"), elsewhere;
    CHILD_NEED(view_open(&elsewhere, MEMORY_FOLDER, 4 * PAGE));
    /* Close behind the region, as if its file went on there. */
    unsigned char *behind = holes.bytes + 12 * PAGE;
    CHILD_NEED(mmap(behind, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, elsewhere.descriptor, 0) ==
               behind);
    CHILD_NEED(RtlGetNonVolatileToken(holes.bytes, 12 * PAGE, &of_holes) == STATUS_SUCCESS);
    CHILD_NEED(RtlGetNonVolatileToken(cut.bytes, cut.size, &of_cut) == STATUS_SUCCESS);
    holes.bytes[0] = 1;
    CHILD_NEED(ftruncate(cut.descriptor, 4 * PAGE) == 0);
    CHILD_NEED(ftruncate(elsewhere.descriptor, PAGE) == 0);
    fill("/mnt/rest");
    for (ULONG flags = 0; flags < 4; flags++) {
        CHILD_NEED(RtlWriteNonVolatileMemory(of_holes, holes.bytes + 8 * PAGE, bytes, 8, flags) ==
                   STATUS_DISK_FULL);
        CHILD_NEED(RtlFillNonVolatileMemory(of_holes, holes.bytes + 8 * PAGE - 3, 300, 1, flags) ==
                   STATUS_DISK_FULL);
        CHILD_NEED(RtlWriteNonVolatileMemory(of_cut, cut.bytes + 8 * PAGE, bytes, 300, flags) ==
                   STATUS_IO_DEVICE_ERROR);
        CHILD_NEED(RtlWriteNonVolatileMemory(of_holes, holes.bytes, behind + PAGE, 300, flags) ==
                   STATUS_IO_DEVICE_ERROR);
    }
}

static void test_full(void **state) {
    (void)state;
    check_child(child_full, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
