/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the store log of valgrind's pmemcheck as a trace:

     ... START|FENCE|REGISTER_FILE;path;base;size;offset|STORE;address;value;size[;frame]...|
     FLUSH;address;size|text.BEGIN|...|STOP

   Records end at a bar or a line's end, which what valgrind puts before a line may follow. A path
   may hold bars and semicolons, so a file's record ends with its three numbers. The log knows no
   threads; everything is thread 1's. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "trace/reader.h"

#define RECORD_MOST 65536u

/* Where a file was mapped; the last one that has an address is meant. */
struct mapping {
    uint64_t base, size;
    uint32_t region;
};

struct pmemcheck {
    bool started, stopped;
    struct mapping *mappings;
    size_t mapping_count;
    uint64_t flushes, fenced; /* of those, with a fence right behind */
    bool flushed;             /* the record before was a flush */
    uint64_t marks, outside;
    /* The call stacks that were seen: a hash table. */
    struct pmemcheck_stack {
        char *text;
        uint32_t number;
    } * stacks;
    size_t stack_count, stack_room;
    /* The store whose stack had to be told of first. */
    bool waiting;
    struct trace_event store;
    uint8_t value[8];
    char remark[160];
};

void pmemcheck_end(struct trace_reader *reader) {
    struct pmemcheck *log = reader->pmemcheck;
    if (log == NULL)
        return;
    for (size_t i = 0; i < log->stack_room; i++)
        free(log->stacks[i].text);
    free(log->stacks);
    free(log->mappings);
    free(log);
}

/* Where the record ends that begins at the front of what was read; NULL: it goes on, or there is
   none. */
static const uint8_t *find_end(const uint8_t *from, size_t size) {
    static const char file[] = "REGISTER_FILE;";
    if (size >= sizeof file - 1 && memcmp(from, file, sizeof file - 1) == 0) {
        /* ";0x...;0x...;0x..." up to a bar. */
        for (size_t i = sizeof file - 1, numbers = 0; i < size; i++) {
            if (from[i] == ';')
                numbers =
                    size - i > 2 && from[i + 1] == '0' && from[i + 2] == 'x' ? numbers + 1 : 0;
            else if ((from[i] == '|' || from[i] == '\n') && numbers >= 3)
                return from + i;
            else if (numbers != 0 && from[i] != 'x' &&
                     strchr("0123456789abcdefABCDEF", from[i]) == NULL)
                numbers = 0;
        }
        return NULL;
    }
    const uint8_t *bar = memchr(from, '|', size), *line = memchr(from, '\n', size);
    return line != NULL && (bar == NULL || line < bar) ? line : bar;
}

/* The next record, as a text; NULL: there is none, or the problem is set. */
static char *read_record(struct trace_reader *reader) {
    size_t known = 0;
    const uint8_t *end = NULL;
    reader->place++;
    while (end == NULL && reader_more(reader, known, RECORD_MOST)) {
        known = reader->end - reader->at;
        end = find_end(reader->buffer + reader->at, known < RECORD_MOST ? known : RECORD_MOST);
    }
    if (reader->ended == TRACE_WRONG || (end == NULL && known == 0))
        return NULL;
    if (end == NULL && known >= RECORD_MOST) {
        reader_fail(reader, "it is too long");
        return NULL;
    }
    char *record = (char *)reader->buffer + reader->at;
    size_t length = end == NULL ? known : (size_t)(end - reader->buffer) - reader->at;
    reader->at += length + (end != NULL);
    record[length] = '\0';
    return record;
}

/* Takes a hexadecimal number, and what follows it if that is `end`. */
static bool take_hex(const char **at, char end, uint64_t *number) {
    *number = 0;
    if ((*at)[0] != '0' || (*at)[1] != 'x')
        return false;
    const char *from = *at += 2;
    for (;; ++*at) {
        char low = (char)(**at | 0x20);
        unsigned digit = **at >= '0' && **at <= '9' ? (unsigned)(**at - '0')
                         : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
                                                    : 16;
        if (digit == 16)
            break;
        if (*number >> 60 != 0)
            return false;
        *number = *number << 4 | digit;
    }
    bool good = *at != from && (**at == end || **at == '\0');
    *at += good && **at != '\0';
    return good;
}

static const struct mapping *mapping_of(const struct pmemcheck *log, uint64_t address) {
    for (size_t i = log->mapping_count; i != 0; i--) {
        const struct mapping *mapping = &log->mappings[i - 1];
        if (address - mapping->base < mapping->size)
            return mapping;
    }
    return NULL;
}

/* path;base;size;offset: the numbers stand at the end. */
static bool parse_file(struct trace_reader *reader, char *fields, struct trace_event *event) {
    struct pmemcheck *log = reader->pmemcheck;
    uint64_t base = 0, size = 0, offset = 0;
    char *numbers = fields + strlen(fields);
    for (unsigned i = 0; i < 3 && numbers != NULL; i++) {
        while (numbers > fields && *--numbers != ';') {
        }
        numbers = *numbers == ';' ? numbers : NULL;
    }
    const char *at = numbers != NULL ? numbers + 1 : "";
    if (!take_hex(&at, ';', &base) || !take_hex(&at, ';', &size) || !take_hex(&at, '|', &offset) ||
        size == 0 || size > TRACE_SIZE || base > UINT64_MAX - size)
        return reader_fail(reader, "'%.60s' is no file", fields);
    struct mapping *mappings = realloc(log->mappings, (log->mapping_count + 1) * sizeof *mappings);
    log->mappings = mappings != NULL ? mappings : log->mappings;
    if (mappings == NULL || !reader_need_text(reader, (size_t)(numbers - fields) + 1))
        return reader_fail(reader, "there is no memory for it");
    uint32_t number = (uint32_t)++log->mapping_count;
    mappings[number - 1] = (struct mapping){base, size, number};
    memcpy(reader->text, fields, (size_t)(numbers - fields));
    reader->text[numbers - fields] = '\0';
    *event = (struct trace_event){.kind = TRACE_REGION,
                                  .region = number,
                                  .length = size,
                                  .address = base,
                                  .line_size = 64,
                                  .domain = TRACE_MEMORY,
                                  .text = reader->text,
                                  .place = reader->place};
    return reader_check(reader, event);
}

static struct pmemcheck_stack *place_of(struct pmemcheck_stack *stacks, size_t room,
                                        const char *text) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
    size_t place = (hash ^ hash >> 32) & (room - 1);
    while (stacks[place].text != NULL && strcmp(stacks[place].text, text) != 0)
        place = (place + 1) & (room - 1);
    return &stacks[place];
}

static bool grow_stacks(struct pmemcheck *log) {
    size_t room = log->stack_room == 0 ? 64 : log->stack_room * 2;
    struct pmemcheck_stack *stacks = calloc(room, sizeof *stacks);
    if (stacks == NULL)
        return false;
    for (size_t i = 0; i < log->stack_room; i++) {
        if (log->stacks[i].text != NULL)
            *place_of(stacks, room, log->stacks[i].text) = log->stacks[i];
    }
    free(log->stacks);
    log->stacks = stacks;
    log->stack_room = room;
    return true;
}

/* "0x109482: main (tiny.c:24);..." as "main tiny.c:24; ...", in the reader's text. */
static bool write_frames(struct trace_reader *reader, const char *frames) {
    if (!reader_need_text(reader, 2 * strlen(frames) + 1))
        return false;
    char *to = reader->text;
    for (const char *at = frames; *at != '\0';) {
        const char *name = strstr(at, ": ");
        size_t length = strcspn(at, ";");
        if (name != NULL && name < at + length) {
            length -= (size_t)(name + 2 - at);
            at = name + 2;
        }
        for (size_t i = 0; i < length; i++) {
            if (at[i] != '(' && at[i] != ')')
                *to++ = at[i];
        }
        at += length;
        if (*at == ';') {
            at++;
            *to++ = ';';
            *to++ = ' ';
        }
    }
    *to = '\0';
    return true;
}

/* Gives the store its stack. A new one comes first, as an event. */
static bool add_stack(struct trace_reader *reader, const char *frames, struct trace_event *event) {
    struct pmemcheck *log = reader->pmemcheck;
    if ((log->stack_count + 1) * 2 > log->stack_room && !grow_stacks(log))
        return reader_fail(reader, "there is no memory for it");
    struct pmemcheck_stack *stack = place_of(log->stacks, log->stack_room, frames);
    bool fresh = stack->text == NULL;
    if (fresh) {
        stack->text = strdup(frames);
        if (stack->text == NULL || !write_frames(reader, frames))
            return reader_fail(reader, "there is no memory for it");
        stack->number = (uint32_t)++log->stack_count;
    }
    event->stack = stack->number;
    if (!fresh)
        return true;
    log->store = *event;
    log->waiting = true;
    *event = (struct trace_event){
        .kind = TRACE_STACK, .stack = stack->number, .text = reader->text, .place = reader->place};
    return true;
}

/* address;value;size and frames. *is_event: it is a store to a file. */
static bool parse_store(struct trace_reader *reader, const char *fields, struct trace_event *event,
                        bool *is_event) {
    struct pmemcheck *log = reader->pmemcheck;
    uint64_t address, value, size;
    const char *at = fields;
    if (!take_hex(&at, ';', &address) || !take_hex(&at, ';', &value) ||
        !take_hex(&at, ';', &size) || size == 0 || size > sizeof log->value)
        return reader_fail(reader, "'%.60s' is no store", fields);
    const struct mapping *mapping = mapping_of(log, address);
    if (mapping == NULL || size > mapping->size - (address - mapping->base)) {
        log->outside++;
        return true;
    }
    for (size_t i = 0; i < sizeof log->value; i++)
        log->value[i] = (uint8_t)(value >> 8 * i);
    *is_event = true;
    *event = (struct trace_event){.kind = TRACE_STORE,
                                  .thread = 1,
                                  .region = mapping->region,
                                  .offset = address - mapping->base,
                                  .length = size,
                                  .bytes = log->value,
                                  .text = "",
                                  .place = reader->place};
    return *at == '\0' || add_stack(reader, at, event);
}

/* address;size: what of it lies in the file. */
static bool parse_flush(struct trace_reader *reader, const char *fields, struct trace_event *event,
                        bool *is_event) {
    struct pmemcheck *log = reader->pmemcheck;
    uint64_t address, size;
    const char *at = fields;
    if (!take_hex(&at, ';', &address) || !take_hex(&at, ';', &size) || size == 0)
        return reader_fail(reader, "'%.60s' is no flush", fields);
    log->flushes++;
    log->flushed = true;
    const struct mapping *mapping = mapping_of(log, address);
    if (mapping == NULL)
        return true;
    uint64_t offset = address - mapping->base, rest = mapping->size - offset;
    *is_event = true;
    *event = (struct trace_event){.kind = TRACE_FLUSH,
                                  .thread = 1,
                                  .region = mapping->region,
                                  .offset = offset,
                                  .length = size < rest ? size : rest,
                                  .text = "",
                                  .place = reader->place};
    return true;
}

/* Whatever else stands there is the program's own. */
static bool parse_mark(struct trace_reader *reader, const char *text, struct trace_event *event) {
    size_t length = strlen(text);
    if (!reader_need_text(reader, length + 1))
        return false;
    memcpy(reader->text, text, length + 1);
    *event = (struct trace_event){.kind = TRACE_MARK,
                                  .mark = TRACE_NOTE,
                                  .id = ++reader->pmemcheck->marks,
                                  .text = reader->text,
                                  .place = reader->place};
    return true;
}

/* What valgrind puts before a line: "==123== ". */
static char *skip_process(char *record) {
    size_t digits = strncmp(record, "==", 2) == 0 ? strspn(record + 2, "0123456789") : 0;
    return digits != 0 && strncmp(record + 2 + digits, "== ", 3) == 0 ? record + 5 + digits
                                                                      : record;
}

static const char *after(const char *record, const char *word) {
    size_t length = strlen(word);
    return strncmp(record, word, length) == 0 ? record + length : NULL;
}

static bool parse_record(struct trace_reader *reader, char *record, struct trace_event *event,
                         bool *is_event) {
    struct pmemcheck *log = reader->pmemcheck;
    bool flushed = log->flushed;
    const char *fields;
    log->flushed = false;
    if ((fields = after(record, "STORE;")) != NULL)
        return parse_store(reader, fields, event, is_event);
    if ((fields = after(record, "FLUSH;")) != NULL)
        return parse_flush(reader, fields, event, is_event);
    if (strcmp(record, "FENCE") == 0) {
        log->fenced += flushed;
        *is_event = log->mapping_count != 0; /* the loader has many before any file is there */
        *event = (struct trace_event){
            .kind = TRACE_DRAIN, .thread = 1, .text = "", .place = reader->place};
        return true;
    }
    *is_event = true;
    if ((fields = after(record, "REGISTER_FILE;")) != NULL)
        return parse_file(reader, record + (fields - record), event);
    return parse_mark(reader, record, event);
}

static enum trace_result stop(struct trace_reader *reader) {
    struct pmemcheck *log = reader->pmemcheck;
    if (!log->started)
        return reader_fail(reader, "this is no store log of pmemcheck: START is missing")
                   ? TRACE_EVENT
                   : TRACE_WRONG;
    if (!log->stopped) {
        reader->damaged = true;
        return reader_fail(reader, "the log ends without STOP") ? TRACE_EVENT : TRACE_WRONG;
    }
    if (log->flushes != 0 && log->fenced == log->flushes)
        snprintf(
            log->remark, sizeof log->remark,
            "every flush is followed at once by a fence: pmemcheck puts them there for clflush "
            "unless told --expect-fence-after-clflush=yes, and hides missing ones");
    return TRACE_END;
}

static enum trace_result pmemcheck_next(struct trace_reader *reader, struct trace_event *event) {
    struct pmemcheck *log = reader->pmemcheck;
    if (log->waiting) {
        log->waiting = false;
        *event = log->store;
        return TRACE_EVENT;
    }
    for (bool is_event = false; !is_event;) {
        char *record = log->stopped ? NULL : read_record(reader);
        if (record == NULL)
            return reader->ended == TRACE_WRONG ? TRACE_WRONG : stop(reader);
        record = skip_process(record);
        if (record[0] == '\0')
            continue;
        if (!log->started)
            log->started = strcmp(record, "START") == 0;
        else if (strcmp(record, "STOP") == 0)
            log->stopped = true;
        else if (!parse_record(reader, record, event, &is_event))
            return TRACE_WRONG;
    }
    return TRACE_EVENT;
}

struct trace_reader *trace_read_pmemcheck(FILE *stream) {
    struct trace_reader *reader = reader_new(stream, pmemcheck_next);
    if (reader == NULL)
        return NULL;
    reader->pmemcheck = calloc(1, sizeof *reader->pmemcheck);
    if (reader->pmemcheck != NULL)
        return reader;
    trace_end(reader);
    return NULL;
}

const char *trace_remark(const struct trace_reader *reader) {
    bool said = reader->pmemcheck != NULL && reader->pmemcheck->remark[0] != '\0';
    return said ? reader->pmemcheck->remark : NULL;
}
