/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvrtl_crash.h - what a checker of `nvrtl crash` is: one function in a shared object that judges
 * what a power cut has left.
 *
 *     #include <nvrtl_crash.h>
 *     int nvrtl_check(const struct NvRtlCrash *crash) {
 *         struct store *store = crash->regions[0].image;
 *         if (!store_recover(store))
 *             return 1;
 *         for (size_t i = 0; i < crash->ackedCount; i++)
 *             if (!store_has(store, crash->acked[i]))
 *                 return 2;
 *         return 0;
 *     }
 *
 *     cc -shared -fPIC -o checker.so checker.c
 *     nvrtl crash --check ./checker.so run.trace
 *
 * It is called once for every image, many thousand times in one process. So:
 *
 * - Run the recovery of the program, then look whether all that was acknowledged is there, and
 *   nothing that was never begun. Return 0 if so, else a number of your own: it is in the report.
 * - Write to the images as recovery does. What was written is taken back before the next image, by
 *   whatever means it was written; the routines of nvrtl.h work on them. The bytes between a
 *   region's end and the end of its last page are yours to leave alone.
 * - Keep nothing else from one call to the next: no static state, no open file, no thread and no
 *   child. What is allocated is to be freed, or the process meets its limit. `--isolate` gives each
 *   image a process of its own, for recovery that cannot keep to this.
 * - To crash, to call abort() or exit(), and to exceed --check-timeout are failures too, told as
 *   what they are. A failure is told only if the same image fails in a fresh process once more.
 * - Standard output and error go nowhere, except with --replay, which prints them.
 * - The files of the recorded run are not there to be changed: no file can be opened for writing
 *   where the system can see to that (Landlock), but in the folder that TMPDIR names.
 *
 * Built with nvrtl-cc it tells which lines it reads, and images that it cannot tell apart need not
 * all be tried. Without, that is known page by page.
 *
 * With `nvrtl crash --nested` it is called in a process of its own as well, and recorded there:
 * what a power cut could leave of what it stores meets it once more. Its stores are seen where it
 * uses the routines, or was built with nvrtl-cc. So let it store what recovery stores, and nothing
 * else.
 *
 * With `nvrtl crash --atomic` a second function, nvrtl_dump, writes out the state that recovery has
 * made, and nobody has to say what is right: it is to be the state after the first so many
 * operations of the recorded run, among them all acknowledged ones, and none that had not begun.
 * The states of the run are what nvrtl_dump writes of the image that has all stores up to a mark.
 * With `--atomic=set` it is to be the state after any such set of operations; then what is written
 * is lines, each with a key that no other line has, a tab, and a value; an operation sets some of
 * them and takes some away. What changes between two begin marks is what the first of them does.
 */
#ifndef NVRTL_CRASH_H
#define NVRTL_CRASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A region of the recorded run; they come in the order in which the run has first shown them. */
struct NvRtlCrashRegion {
    const char *path; /* of its file at that time, absolute */
    void *base;       /* where the run had it mapped */
    void *image;      /* where the image is: a shared file view, at base if that was free */
    size_t size;      /* bytes */
};

/* One image and what had happened before the power was cut. structSize is what the caller's header
   has; later versions add members at the end only. */
struct NvRtlCrash {
    uint32_t structSize;
    uint32_t regionCount;
    const struct NvRtlCrashRegion *regions;
    /* The ids of NvRtlVerifierMark with NVRTL_OP_BEGIN and with NVRTL_OP_ACK, in the order of the
       marks. Who is acknowledged is among the begun too. */
    const uint64_t *begun;
    size_t begunCount;
    const uint64_t *acked;
    size_t ackedCount;
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#elif defined(_WIN32)
__declspec(dllexport)
#endif
int nvrtl_check(const struct NvRtlCrash *crash);

/* Where a state is written to; bytes: size of them. */
struct NvRtlCrashDump {
    void (*put)(struct NvRtlCrashDump *dump, const void *bytes, size_t size);
};

/* Recovers, and writes the state: the same bytes for the same state, whatever the way to it.
   Returns 0, or a number of its own where recovery fails. Called, like nvrtl_check, by one thread;
   where the object has both, nvrtl_check is called before, on the same image. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#elif defined(_WIN32)
__declspec(dllexport)
#endif
int nvrtl_dump(const struct NvRtlCrash *crash, struct NvRtlCrashDump *dump);

#ifdef __cplusplus
}
#endif

#endif /* NVRTL_CRASH_H */
