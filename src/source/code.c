/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/code.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/uio.h>
#include <unistd.h>

#include "code/writeback.h"
#include "map/parse.h"
#include "map/read.h"
#include "source/self.h"
#include "source/stack.h"
#include "source/watch.h"

/* Bytes of a line of the table of mappings; names are no longer than half of it. */
#define LINE_SIZE 2048

/* Bytes of code that are looked at in one go, and again in the next one: more than an instruction
   has. */
#define PART_SIZE 4096
#define OVERLAP 16

#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#else
#define THIS_MACHINE EM_AARCH64
#endif

/* The kernel's own code does not flush; a stack has trampolines of nested functions at most. */
static bool is_harmless(struct map_span name) {
    return map_span_equals(name, "[vdso]") || map_span_equals(name, "[vsyscall]") ||
           map_span_equals(name, "[stack]");
}

/* Does memory that holds code have such an instruction? What cannot be read may have. It is read by
   the kernel: another thread may unmap it meanwhile. */
static bool may_flush(const struct map_entry *entry) {
    uint8_t part[PART_SIZE];
    struct writeback found;
    bool streams = source_process.arena.head->placed == 0;
    for (uintptr_t at = entry->start; at < entry->end; at += sizeof part - OVERLAP) {
        size_t size = entry->end - at < sizeof part ? entry->end - at : sizeof part;
        const struct iovec to = {part, size}, from = {(void *)at, size};
        if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)size ||
            writeback_find(part, size, THIS_MACHINE, streams, 0, &found))
            return true;
    }
    return false;
}

/* Names the file of a mapping. false: it has none that can be read later, and may flush. */
static bool note(const struct map_entry *entry) {
    char path[sizeof(struct arena_module){0}.path];
    struct map_span name = entry->name;
    if (is_harmless(name))
        return true;
    bool named = name.length != 0 && name.text[0] == '/' && !map_strip_deleted(&name) &&
                 map_decode(name, MAP_ESCAPED_IN_MAPS, path, sizeof path) &&
                 stack_note_module(path);
    return named || !may_flush(entry);
}

/* Is anything of interest? Forked children go on with what their parent knows. */
static _Atomic bool begun;

/* false: the system does not say. *all: as note, for all. */
static bool note_mapped(bool *all) {
    struct map_lines lines;
    struct map_span line;
    struct map_entry entry;
    char buffer[LINE_SIZE];
    if (!map_lines_open(&lines, "/proc/self/maps", buffer, sizeof buffer))
        return false;
    while (map_lines_next(&lines, &line)) {
        if (map_parse_entry(line, &entry) && entry.executable)
            *all = note(&entry) && *all;
    }
    map_lines_close(&lines);
    return true;
}

static int note_loaded(struct dl_phdr_info *info, size_t size, void *unused) {
    const char *name = info->dlpi_name[0] != '\0' ? info->dlpi_name : source_process.executable;
    (void)size, (void)unused;
    if (name[0] == '/')
        stack_note_module(name);
    return 0;
}

/* asks: it may ask the system; otherwise the loader, which knows nothing of code of no file. */
static void look(bool asks) {
    static _Atomic bool told; /* of code of no file */
    int error = errno;
    bool all = true;
    if (!atomic_load(&begun) || source_process.confined || self_get() == NULL)
        return;
    if (!asks || !note_mapped(&all))
        dl_iterate_phdr(note_loaded, NULL);
    if (!all && !atomic_exchange(&told, true))
        atomic_fetch_add(&source_process.arena.head->made_code, 1);
    errno = error;
}

/* Only the preloaded library sees every way to forbid system calls, and tells in time. */
void code_note(void) {
    look(atomic_load_explicit(&watch_loaded, memory_order_relaxed));
}

bool code_matters(void) {
    return atomic_load(&begun);
}

void code_begin(void) {
    /* The Get has just read the same file. */
    if (!atomic_load(&begun) && !atomic_exchange(&begun, true))
        look(true);
}
