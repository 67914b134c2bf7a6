/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The routines that wordstore uses, on a machine whose power can be cut at a chosen step. It is the
 * test's own small model, written apart from the library's.
 *
 * The program works on a private copy of the file. Beside it stands what is durable, and for each
 * line a history: the 8-byte words stored since, in groups, one group per call. Flush marks the
 * history so far, a drain moves what is marked to the durable side. A cut leaves in the file, for
 * each line by itself, what is durable, some groups more, and a random part of the group after.
 *
 *   POWERCUT_STEP   cut before this step (each routine has a few); the program's end cuts too
 *   POWERCUT_SEED   of the random choices
 *   POWERCUT_KILL   no cut but the death of the process: FILE keeps what was visible, and what of
 *                   it is durable goes to FILE.durable, where the next start finds it
 *
 * Prints "acknowledged N" for each commit of N records on standard error.
 */
#include <fcntl.h>
#include <nvrtl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 64, WORD = 8, BLOCK = 4096, STATUS_CUT = 77 };

struct word {
    uint64_t value;
    uint32_t group;
    uint8_t place; /* in the line, in words */
};

struct line {
    struct word *history;
    uint32_t count, room, marked; /* the first `marked` are flushed */
    bool listed;
};

static char *visible, *durable;
static size_t file_size;
static char file_path[4096], durable_path[4200];
static struct line *lines;
static size_t *unsettled, unsettled_count; /* the lines with a history */
static uint32_t last_group;
static long steps, cut_step;
static uint64_t chance;

static uint32_t roll(uint32_t sides) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance >> 33) % sides;
}

/* What is all zeros stays a hole, and a hole is not read: most of a store is one. */
static void save(const char *path, const char *bytes) {
    static const char zeros[BLOCK];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (ftruncate(file, (off_t)file_size) != 0)
        abort();
    for (size_t at = 0; at < file_size; at += BLOCK) {
        size_t size = file_size - at < BLOCK ? file_size - at : BLOCK;
        if (memcmp(bytes + at, zeros, size) != 0 &&
            pwrite(file, bytes + at, size, (off_t)at) != (ssize_t)size)
            abort();
    }
    close(file);
}

/* pre: bytes are zeros */
static bool load(const char *path, char *bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool whole = lseek(file, 0, SEEK_END) == (off_t)file_size;
    for (off_t at = 0; whole && (at = lseek(file, at, SEEK_DATA)) >= 0;) {
        off_t end = lseek(file, at, SEEK_HOLE);
        whole = pread(file, bytes + at, (size_t)(end - at), at) == end - at;
        at = end;
    }
    close(file);
    return whole;
}

/* Makes the first count words of a history durable and forgets them. */
static void settle(size_t index, uint32_t count) {
    struct line *line = &lines[index];
    for (uint32_t i = 0; i < count; i++)
        memcpy(durable + index * LINE + line->history[i].place * WORD, &line->history[i].value,
               WORD);
    line->count -= count;
    memmove(line->history, line->history + count, line->count * sizeof line->history[0]);
    line->marked = 0;
}

/* What the cut leaves of one line: whole groups up to a random one, of that one any words. */
static void cut_line(size_t index, uint32_t mood) {
    struct line *line = &lines[index];
    if (line->count == 0 || mood == 0)
        return;
    uint32_t last = mood == 1 ? line->count - 1 : roll(line->count), group, count = 0;
    group = line->history[last].group;
    while (line->history[count].group != group)
        count++;
    settle(index, count);
    for (uint32_t i = 0; i < line->count && line->history[i].group == group; i++)
        if (mood == 1 || roll(2) == 0)
            memcpy(durable + index * LINE + line->history[i].place * WORD, &line->history[i].value,
                   WORD);
}

/* In some cuts all lines fare alike: nothing more than promised, or everything. */
static void cut(void) {
    if (getenv("POWERCUT_KILL") != NULL) {
        save(file_path, visible);
        save(durable_path, durable);
        _exit(STATUS_CUT);
    }
    uint32_t mood = roll(4);
    for (size_t i = 0; i < unsettled_count; i++)
        cut_line(unsettled[i], mood == 3 ? roll(3) : mood);
    save(file_path, durable);
    unlink(durable_path);
    _exit(STATUS_CUT);
}

static void step(void) {
    if (steps++ == cut_step)
        cut();
}

/* pre: the range is made of whole words */
static void note_store(const char *address, size_t size) {
    last_group++;
    for (size_t at = (size_t)(address - visible); size > 0; at += WORD, size -= WORD) {
        struct line *line = &lines[at / LINE];
        if (line->count == line->room) {
            line->room = line->room == 0 ? LINE / WORD : 2 * line->room;
            line->history = realloc(line->history, line->room * sizeof line->history[0]);
        }
        struct word *word = &line->history[line->count++];
        *word = (struct word){.group = last_group, .place = (uint8_t)(at % LINE / WORD)};
        memcpy(&word->value, visible + at, WORD);
        if (!line->listed)
            unsettled[unsettled_count++] = at / LINE;
        line->listed = true;
    }
}

static void note_flush(const char *address, size_t size) {
    size_t first = (size_t)(address - visible) / LINE;
    size_t end = ((size_t)(address - visible) + size + LINE - 1) / LINE;
    for (size_t i = first; i < end; i++)
        lines[i].marked = lines[i].count;
}

static void note_drain(void) {
    size_t kept = 0;
    for (size_t i = 0; i < unsettled_count; i++) {
        struct line *line = &lines[unsettled[i]];
        settle(unsettled[i], line->marked);
        line->listed = line->count > 0;
        if (line->listed)
            unsettled[kept++] = unsettled[i];
    }
    unsettled_count = kept;
}

NTSTATUS RtlWriteNonVolatileMemory(PVOID token, void *destination, const void *source, SIZE_T size,
                                   ULONG flags) {
    (void)token;
    step();
    memcpy(destination, source, size);
    note_store(destination, size);
    step();
    if ((flags & WRITE_NV_MEMORY_FLAG_PERSIST) != 0)
        note_flush(destination, size);
    if (flags == WRITE_NV_MEMORY_FLAG_FLUSH) {
        note_drain();
        if (destination == visible) /* the commit word; its low half-word is a count */
            fprintf(stderr, "acknowledged %d\n", *(const uint16_t *)source);
        step();
    }
    return STATUS_SUCCESS;
}

NTSTATUS RtlFlushNonVolatileMemoryRanges(PVOID token, PNV_MEMORY_RANGE ranges, SIZE_T count,
                                         ULONG flags) {
    (void)token, (void)flags;
    step();
    for (size_t i = 0; i < count; i++)
        note_flush(ranges[i].BaseAddress, ranges[i].Length);
    step();
    return STATUS_SUCCESS;
}

NTSTATUS RtlDrainNonVolatileFlush(PVOID token) {
    (void)token;
    step();
    note_drain();
    step();
    return STATUS_SUCCESS;
}

/* In huge pages where they are to be had: nearly all of the time goes into page faults. */
static char *new_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

NTSTATUS NvRtlMapFile(const char *path, uint64_t offset, size_t size, uint32_t flags, uint32_t mode,
                      NvRtlMapping *out) {
    (void)offset, (void)mode;
    snprintf(file_path, sizeof file_path, "%s", path);
    snprintf(durable_path, sizeof durable_path, "%s.durable", path);
    cut_step = atol(getenv("POWERCUT_STEP"));
    chance = (uint64_t)atol(getenv("POWERCUT_SEED"));
    file_size = size;
    visible = new_memory(size);
    durable = new_memory(size);
    lines = calloc(size / LINE, sizeof *lines);
    unsettled = calloc(size / LINE, sizeof *unsettled);
    bool exists = load(path, visible);
    bool apart = exists && load(durable_path, durable);
    if (!apart)
        load(path, durable);
    for (size_t at = 0; apart && at < size; at += LINE)
        if (memcmp(visible + at, durable + at, LINE) != 0)
            note_store(visible + at, LINE);
    *out = (NvRtlMapping){.base = visible, .size = size, .token = visible, .flags = flags};
    return STATUS_SUCCESS;
}

NTSTATUS NvRtlUnmapFile(NvRtlMapping *mapping) {
    (void)mapping;
    fflush(stdout);
    cut();
    return STATUS_SUCCESS;
}

void NvRtlVerifierMark(void *token, uint32_t kind, uint64_t id, const char *text) {
    (void)token, (void)kind, (void)id, (void)text;
}

const char *NvRtlStatusText(NTSTATUS status) {
    return status == STATUS_SUCCESS ? "success" : "failure";
}
