/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form, line by line. */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "trace/reader.h"

/* Of a line: the bytes in hexadecimal, and room for what else stands there. */
#define LINE_MOST (2u * TRACE_BYTES + 4096u)

/* The next line without its end; NULL: there is none, or the problem is set. */
static char *read_line(struct trace_reader *reader) {
    size_t known = 0;
    const uint8_t *end = NULL;
    reader->place++;
    while (end == NULL && reader_more(reader, known, LINE_MOST)) {
        const uint8_t *from = reader->buffer + reader->at;
        size_t size = reader->end - reader->at;
        end = memchr(from + known, '\n', size - known);
        known = size;
    }
    if (reader->ended == TRACE_WRONG || (end == NULL && known == 0))
        return NULL;
    if (end == NULL && known >= LINE_MOST) {
        reader_fail(reader, "it is too long");
        return NULL;
    }
    char *line = (char *)reader->buffer + reader->at;
    size_t length = end == NULL ? known : (size_t)(end - reader->buffer) - reader->at;
    reader->at += length + (end != NULL);
    line[length] = '\0';
    if (memchr(line, '\0', length) != NULL) {
        reader_fail(reader, "it is no text");
        return NULL;
    }
    return line;
}

/* Takes the next word off the line; NULL: there is none. */
static char *next_word(char **line) {
    char *word = *line + strspn(*line, " \t\r");
    size_t length = strcspn(word, " \t\r");
    if (length == 0)
        return NULL;
    *line = word + length;
    if (**line != '\0')
        *(*line)++ = '\0';
    return word;
}

/* Decimal, or hexadecimal after 0x. */
static bool parse_number(const char *word, uint64_t *number) {
    unsigned base = 10;
    *number = 0;
    if (word != NULL && word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
        base = 16;
        word += 2;
    }
    if (word == NULL || *word == '\0')
        return false;
    for (; *word != '\0'; word++) {
        char low = (char)(*word | 0x20);
        unsigned digit = *word >= '0' && *word <= '9'             ? (unsigned)(*word - '0')
                         : base == 16 && low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
                                                                  : 16;
        if (digit == 16 || __builtin_mul_overflow(*number, base, number) ||
            __builtin_add_overflow(*number, digit, number))
            return false;
    }
    return true;
}

static bool take_number(struct trace_reader *reader, char **line, const char *what, uint64_t most,
                        uint64_t *number) {
    const char *word = next_word(line);
    if (word == NULL)
        return reader_fail(reader, "the %s is missing", what);
    if (!parse_number(word, number) || *number > most)
        return reader_fail(reader, "'%.40s' is no %s", word, what);
    return true;
}

static bool take_number32(struct trace_reader *reader, char **line, const char *what,
                          uint32_t *number) {
    uint64_t value = 0;
    bool good = take_number(reader, line, what, UINT32_MAX, &value);
    *number = good ? (uint32_t)value : 0;
    return good;
}

static int digit_of(char character) {
    char low = (char)(character | 0x20);
    if (character >= '0' && character <= '9')
        return character - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* The bytes of an event, exactly as many as its size says. */
static bool take_bytes(struct trace_reader *reader, char **line, struct trace_event *event) {
    const char *word = next_word(line);
    if (word == NULL)
        return reader_fail(reader, "the bytes are missing");
    size_t digits = strlen(word);
    if (digits % 2 != 0 || digits / 2 != event->length)
        return reader_fail(reader, "there are %zu digits for %" PRIu64 " bytes", digits,
                           event->length);
    if (!reader_need_bytes(reader, digits / 2))
        return false;
    for (size_t i = 0; i < digits / 2; i++) {
        int high = digit_of(word[2 * i]), low = digit_of(word[2 * i + 1]);
        if (high < 0 || low < 0)
            return reader_fail(reader, "'%.2s' is no byte", word + 2 * i);
        reader->bytes[i] = (uint8_t)(high << 4 | low);
    }
    event->bytes = reader->bytes;
    return true;
}

/* The rest of the line is a text of its own, in which \\ and \xHH stand for bytes. */
static bool take_text(struct trace_reader *reader, char **line, struct trace_event *event) {
    const char *from = *line + strspn(*line, " \t");
    size_t length = strlen(from), used = 0;
    while (length != 0 && strchr(" \t\r", from[length - 1]) != NULL)
        length--;
    if (length > BINARY_TEXT)
        return reader_fail(reader, "a text has at most %u bytes", BINARY_TEXT);
    if (!reader_need_text(reader, length + 1))
        return false;
    for (size_t i = 0; i < length; i++) {
        char character = from[i];
        if (character == '\\' && length - i >= 4 && from[i + 1] == 'x' &&
            digit_of(from[i + 2]) >= 0 && digit_of(from[i + 3]) >= 0) {
            character = (char)(digit_of(from[i + 2]) * 16 + digit_of(from[i + 3]));
            i += 3;
        } else if (character == '\\' && length - i >= 2 && from[i + 1] == '\\') {
            i++;
        } else if (character == '\\') {
            return reader_fail(reader, "a \\ stands before \\ or xHH");
        }
        if (character == '\0')
            return reader_fail(reader, "a text has no zeros");
        reader->text[used++] = character;
    }
    reader->text[used] = '\0';
    event->text = reader->text;
    *line += strlen(*line);
    return true;
}

static bool take_domain(struct trace_reader *reader, const char *word, enum trace_domain *domain) {
    for (int i = 0; word != NULL && i <= TRACE_CPU_CACHE; i++) {
        if (strcmp(word, trace_domain_name((enum trace_domain)i)) == 0) {
            *domain = (enum trace_domain)i;
            return true;
        }
    }
    return reader_fail(reader, "there is no such domain: memory, cpu-cache, page-cache, volatile");
}

static bool parse_region(struct trace_reader *reader, char *line, struct trace_event *event) {
    event->line_size = 64;
    event->domain = TRACE_MEMORY;
    if (!take_number32(reader, &line, "region's number", &event->region))
        return false;
    for (const char *key; (key = next_word(&line)) != NULL;) {
        bool good;
        if (strcmp(key, "size") == 0)
            good = take_number(reader, &line, "size", TRACE_SIZE, &event->length);
        else if (strcmp(key, "line") == 0)
            good = take_number32(reader, &line, "line's size", &event->line_size);
        else if (strcmp(key, "at") == 0)
            good = take_number(reader, &line, "address", UINT64_MAX, &event->address);
        else if (strcmp(key, "domain") == 0)
            good = take_domain(reader, next_word(&line), &event->domain);
        else if (strcmp(key, "path") == 0)
            good = take_text(reader, &line, event);
        else
            good = reader_fail(reader, "'%.40s' is nothing that a region has", key);
        if (!good)
            return false;
    }
    return true;
}

static bool parse_mark(struct trace_reader *reader, char *line, struct trace_event *event) {
    const char *word = next_word(&line);
    int mark = TRACE_NOTE;
    while (word != NULL && mark <= TRACE_ACK &&
           strcmp(word, trace_mark_name((enum trace_mark)mark)) != 0)
        mark++;
    if (word == NULL || mark > TRACE_ACK)
        return reader_fail(reader, "a mark is begin, ack or note");
    event->mark = (enum trace_mark)mark;
    if (!take_number(reader, &line, "mark's number", UINT64_MAX, &event->id))
        return false;
    line += strspn(line, " \t");
    if (line[0] == '@') {
        line++;
        if (!take_number32(reader, &line, "stack", &event->stack))
            return false;
    }
    return take_text(reader, &line, event);
}

static bool parse_model(struct trace_reader *reader, char *line) {
    struct trace_head *head = &reader->head;
    const char *word = next_word(&line);
    if (word == NULL || !trace_model_named(word, &head->model))
        return reader_fail(reader, "there is no such model: x86, arm, eadr, page");
    head->model_said = true;
    while ((word = next_word(&line)) != NULL) {
        if (strcmp(word, "streams=drain") == 0)
            head->streams = TRACE_STREAMS_DRAIN;
        else if (strcmp(word, "streams=inplace") == 0)
            head->streams = TRACE_STREAMS_INPLACE;
        else if (strcmp(word, "direct64=atomic") == 0)
            head->direct64_atomic = true;
        else if (strcmp(word, "stable-pages") == 0)
            head->stable_pages = true;
        else
            return reader_fail(reader, "'%.40s' is nothing that a model has", word);
    }
    return true;
}

static bool parse_order(struct trace_reader *reader, char *line) {
    const char *word = next_word(&line);
    if (word == NULL || (strcmp(word, "hb") != 0 && strcmp(word, "visible") != 0))
        return reader_fail(reader, "an order is hb or visible");
    reader->head.ordered = strcmp(word, "hb") == 0;
    word = next_word(&line);
    return word == NULL || reader_fail(reader, "'%.40s' is too much", word);
}

/* The rest of the line names the CPU. */
static bool parse_cpu(struct trace_reader *reader, char *line) {
    line += strspn(line, " \t");
    size_t length = strlen(line);
    while (length != 0 && strchr(" \t\r", line[length - 1]) != NULL)
        length--;
    line[length] = '\0';
    if (!reader_check_cpu(reader, line))
        return false;
    memcpy(reader->head.cpu, line, length + 1);
    return true;
}

/* What a thread did; line is behind the event's name. */
static bool parse_act(struct trace_reader *reader, char *line, struct trace_event *event) {
    if (trace_has_range(event->kind) &&
        (!take_number32(reader, &line, "region", &event->region) ||
         !take_number(reader, &line, "offset", UINT64_MAX, &event->offset) ||
         !take_number(reader, &line, "size", UINT64_MAX, &event->length)))
        return false;
    if ((trace_stores(event->kind) || event->kind == TRACE_BASE) &&
        !take_bytes(reader, &line, event))
        return false;
    if ((event->kind == TRACE_RELEASE || event->kind == TRACE_ACQUIRE) &&
        !take_number(reader, &line, "object", UINT64_MAX, &event->id))
        return false;
    line += strspn(line, " \t");
    if (line[0] == '@') {
        line++;
        if (!take_number32(reader, &line, "stack", &event->stack))
            return false;
    }
    const char *more = next_word(&line);
    return more == NULL || reader_fail(reader, "'%.40s' is too much", more);
}

static bool parse_thread(struct trace_reader *reader, const char *thread, char *line,
                         struct trace_event *event) {
    uint64_t number;
    int kind = TRACE_STORE;
    if (!parse_number(thread, &number) || number >= TRACE_THREADS)
        return reader_fail(reader, "'%.40s' begins no event, and is no thread", thread);
    event->thread = (uint32_t)number;
    const char *word = next_word(&line);
    while (word != NULL && kind < TRACE_KINDS &&
           (!trace_has_thread((enum trace_kind)kind) ||
            strcmp(word, trace_kind_name((enum trace_kind)kind)) != 0))
        kind++;
    if (word == NULL || kind == TRACE_KINDS)
        return reader_fail(reader, "'%.40s' is nothing that a thread does",
                           word != NULL ? word : "");
    event->kind = (enum trace_kind)kind;
    return parse_act(reader, line, event);
}

/* Parses a line that is not empty. *is_event: it tells of one. */
static bool parse_line(struct trace_reader *reader, char *line, struct trace_event *event,
                       bool *is_event) {
    const char *word = next_word(&line);
    *is_event =
        strcmp(word, "model") != 0 && strcmp(word, "order") != 0 && strcmp(word, "cpu") != 0;
    if (!*is_event && reader->first.kind != TRACE_REGION)
        return reader_fail(reader, "'%s' has to stand before the first event", word);
    if (strcmp(word, "model") == 0)
        return parse_model(reader, line);
    if (strcmp(word, "order") == 0)
        return parse_order(reader, line);
    if (strcmp(word, "cpu") == 0)
        return parse_cpu(reader, line);
    if (strcmp(word, "region") == 0)
        return parse_region(reader, line, event);
    if (strcmp(word, "mark") == 0) {
        event->kind = TRACE_MARK;
        return parse_mark(reader, line, event);
    }
    if (strcmp(word, "stack") == 0) {
        event->kind = TRACE_STACK;
        return take_number32(reader, &line, "stack", &event->stack) &&
               take_text(reader, &line, event);
    }
    if (strcmp(word, "base") == 0) {
        event->kind = TRACE_BASE;
        return parse_act(reader, line, event);
    }
    return parse_thread(reader, word, line, event);
}

/* The first line says that this is a trace, and nothing else. */
static bool check_magic(struct trace_reader *reader) {
    char *line = read_line(reader);
    if (line != NULL)
        line[strcspn(line, "#")] = '\0';
    const char *word = line != NULL ? next_word(&line) : NULL;
    if (reader->ended == TRACE_WRONG)
        return false;
    if (word != NULL && strncmp(word, "nvrtl-trace-", strlen("nvrtl-trace-")) == 0 &&
        strcmp(word, TEXT_MAGIC) != 0)
        return reader_fail(reader, "this is a trace of another version: '%.40s'", word);
    if (word == NULL || strcmp(word, TEXT_MAGIC) != 0 || next_word(&line) != NULL)
        return reader_fail(reader, "this is no trace: '%s' should stand here", TEXT_MAGIC);
    return true;
}

enum trace_result text_next(struct trace_reader *reader, struct trace_event *event) {
    bool is_event = false;
    if (reader->place == 0 && !check_magic(reader))
        return TRACE_WRONG;
    while (!is_event) {
        char *line = read_line(reader);
        if (line == NULL)
            return reader->ended == TRACE_WRONG ? TRACE_WRONG : TRACE_END;
        line[strcspn(line, "#")] = '\0';
        *event = (struct trace_event){.text = "", .place = reader->place};
        if (line[strspn(line, " \t\r")] != '\0' && !parse_line(reader, line, event, &is_event))
            return TRACE_WRONG;
    }
    return reader_check(reader, event) ? TRACE_EVENT : TRACE_WRONG;
}
