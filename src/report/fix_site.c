/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/fix_site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define LINES_OF_A_CALL 64 /* one that begins further above is not looked for */
#define DEFAULT_TOKEN "(PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN"

/* Calls that store or flush: which arguments tell what. */
enum { NO_TOKEN = 99, NO_FLAGS = 99 };
static const struct routine {
    const char *name;
    size_t arguments, token, address, size, flags;
    bool stores;
} routines[] = {
    {"RtlWriteNonVolatileMemory", 5, 0, 1, 3, 4, true},
    {"RtlFillNonVolatileMemory", 5, 0, 1, 2, 4, true},
    {"RtlFlushNonVolatileMemory", 4, 0, 1, 2, 3, false},
    {"RtlFlushNonVolatileMemoryRanges", 4, 0, 1, 2, 3, false},
    {"memcpy", 3, NO_TOKEN, 0, 2, NO_FLAGS, true},
    {"memmove", 3, NO_TOKEN, 0, 2, NO_FLAGS, true},
    {"memset", 3, NO_TOKEN, 0, 2, NO_FLAGS, true},
};

static bool refuse(struct fix_site *site, const char *why) {
    site->why = why;
    return true;
}

static const struct routine *routine_of(const struct code *code, size_t token, bool drain) {
    for (size_t i = 0; i < ARRAY_LENGTH(routines); i++) {
        if (code_is(code, token, routines[i].name) && (drain || routines[i].stores))
            return drain && routines[i].flags == NO_FLAGS ? NULL : &routines[i];
    }
    return NULL;
}

/* The first token on a line, or below. */
static size_t token_on(const struct code *code, int line) {
    size_t low = 0, high = code->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code->tokens[middle].line < line)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_assignment(const struct code *code, size_t token) {
    static const char *const marks[] = {
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--"};
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        if (code_is(code, token, marks[i]))
            return true;
    }
    return false;
}

static bool is_operator(const struct code *code, size_t token) {
    static const char *const words[] = {"sizeof", "offsetof", "_Alignof", "alignof"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (code_is(code, token, words[i]))
            return true;
    }
    return false;
}

/* Can what stands there be written twice, and mean the same? Not if it does something, or may.
   Calls around the call of inner (CODE_NONE: there is none) are what it is wrapped in. */
static bool can_repeat(const struct code *code, size_t first, size_t last, size_t inner) {
    for (size_t i = first; i <= last && last != CODE_NONE; i++) {
        bool wraps = inner != CODE_NONE && i < inner && code_is(code, i + 1, "(") &&
                     code->tokens[i + 1].partner != CODE_NONE &&
                     code->tokens[i + 1].partner > inner;
        bool calls = code->tokens[i].kind == CODE_WORD && code_is(code, i + 1, "(") &&
                     i + 1 <= last && !is_operator(code, i) && !wraps;
        if (calls || is_assignment(code, i) || code_is(code, i, "{") || code_is(code, i, "?") ||
            code_is(code, i, "&&") || code_is(code, i, "||"))
            return false;
    }
    return true;
}

/* Does the word at token stand among these tokens? */
static bool is_among(const struct code *code, size_t token, size_t first, size_t last) {
    const struct code_token *word = &code->tokens[token];
    for (size_t i = first; i <= last; i++) {
        const struct code_token *other = &code->tokens[i];
        if (other->kind == CODE_WORD && other->size == word->size &&
            memcmp(code->file->bytes + other->at, code->file->bytes + word->at, word->size) == 0)
            return true;
    }
    return false;
}

/* Are the tokens, up to the last one, a declaration of the last one? */
static bool is_declaration(const struct code *code, size_t first, size_t last) {
    if (last <= first || code->tokens[first].kind != CODE_WORD ||
        code->tokens[last].kind != CODE_WORD)
        return false;
    return code->tokens[last - 1].kind == CODE_WORD || code_is(code, last - 1, "*");
}

/* "status = CALL;": the same again, if the first one succeeded. */
static bool repeat_assignment(const struct code *code, const struct fix_site *site,
                              const char *call, struct fix_words *words) {
    size_t first = site->statement.first, last = site->call.name - 2;
    if (is_among(code, last, site->call.open, site->call.close))
        return true;
    for (size_t i = first; i <= last; i++) {
        if (code_is(code, i, "const"))
            return true;
    }
    if (is_declaration(code, first, last))
        first = last;
    char *left = can_repeat(code, first, last, CODE_NONE) ? code_text(code, first, last) : NULL;
    if (left != NULL && asprintf(&words->condition, "%s == STATUS_SUCCESS", left) < 0)
        words->condition = NULL;
    if (words->condition != NULL && asprintf(&words->statement, "%s = %s;", left, call) < 0)
        words->statement = NULL;
    free(left);
    return true;
}

static bool has_gap(const struct code *code, size_t token) {
    const struct code_token *here = &code->tokens[token];
    return here->at + here->size < here[1].at;
}

/* The statement once more, with another call in place of its call; what it does with the status it
   does with that one too. */
static bool repeat_statement(const struct code *code, const struct fix_site *site, const char *call,
                             struct fix_words *words) {
    size_t first = site->statement.first, last = site->statement.last, name = site->call.name;
    char *before = name > first ? code_text(code, first, name - 1) : strdup("");
    char *after = code_text(code, site->call.close + 1, last);
    int size = before != NULL && after != NULL
                   ? asprintf(&words->statement, "%s%s%s%s%s", before,
                              name > first && has_gap(code, name - 1) ? " " : "", call,
                              has_gap(code, site->call.close) ? " " : "", after)
                   : -1;
    free(before);
    free(after);
    if (size < 0)
        words->statement = NULL;
    return size >= 0;
}

/* The words of the statement to be put in, which makes the call. They stay empty where the one that
   is there cannot be repeated. false: out of memory. */
static bool find_words(const struct code *code, const struct fix_site *site, const char *call,
                       struct fix_words *words) {
    const struct statement *statement = &site->statement;
    size_t name = site->call.name, close = site->call.close;
    bool last = close + 1 == statement->last;
    if (!statement->reached)
        return true;
    if (last && name > statement->first + 1 && code_is(code, name - 1, "="))
        return repeat_assignment(code, site, call, words);
    if ((name > statement->first && !can_repeat(code, statement->first, name - 1, name)) ||
        !can_repeat(code, close + 1, statement->last, CODE_NONE))
        return true;
    return repeat_statement(code, site, call, words);
}

/* The text of an argument, malloc'ed; NULL: out of memory. */
static char *argument(const struct code *code, const struct call *call, size_t index) {
    return code_text(code, call->arguments[index].first, call->arguments[index].last);
}

static bool can_repeat_argument(const struct code *code, const struct call *call, size_t index) {
    return index == NO_TOKEN ||
           can_repeat(code, call->arguments[index].first, call->arguments[index].last, CODE_NONE);
}

/* The missing call: RtlDrainNonVolatileFlush or RtlFlushNonVolatileMemory. */
static char *missing_call(const struct code *code, const struct call *call,
                          const struct routine *routine, bool drain) {
    char *token =
        routine->token == NO_TOKEN ? strdup(DEFAULT_TOKEN) : argument(code, call, routine->token);
    char *address = argument(code, call, routine->address);
    char *size = argument(code, call, routine->size), *text = NULL;
    int made = -1;
    if (token != NULL && address != NULL && size != NULL)
        made = drain ? asprintf(&text, "RtlDrainNonVolatileFlush(%s)", token)
                     : asprintf(&text, "RtlFlushNonVolatileMemory(%s, %s, %s, 0)", token, address,
                                size);
    free(token);
    free(address);
    free(size);
    return made >= 0 ? text : NULL;
}

/* "WRITE_NV_MEMORY_FLAG_NON_TEMPORAL | ...": are flags only named ones, or 0? *streams: that one is
   among them. */
static bool reads_flags(const struct code *code, size_t first, size_t last, bool *streams) {
    bool write = false;
    *streams = false;
    for (size_t i = first; i <= last; i++) {
        size_t size = code->tokens[i].size;
        const char *text = code->file->bytes + code->tokens[i].at;
        bool named = size > 22 && (memcmp(text, "WRITE_NV_MEMORY_FLAG_", 21) == 0 ||
                                   memcmp(text, "FILL_NV_MEMORY_FLAG_", 20) == 0);
        write = write || named;
        if (!named && !code_is(code, i, "|") && !code_is(code, i, "0"))
            return false;
        *streams |= named && (memmem(text, size, "NON_TEMPORAL", 12) != NULL ||
                              memmem(text, size, "PERSIST", 7) != NULL);
    }
    return write || (first == last && code_is(code, first, "0"));
}

/* The flags with which the call itself does what is missing; NULL: that cannot be told. */
static const char *better_flags(const struct code *code, const struct fix_site *site,
                                const struct routine *routine) {
    bool streams, fill = strcmp(routine->name, "RtlFillNonVolatileMemory") == 0;
    if (routine->flags == NO_FLAGS)
        return NULL;
    if (!routine->stores)
        return site->flags_first == site->flags_last &&
                       code_is(code, site->flags_first, "FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN")
                   ? "0"
                   : NULL;
    if (!reads_flags(code, site->flags_first, site->flags_last, &streams))
        return NULL;
    return streams ? fill ? "FILL_NV_MEMORY_FLAG_PERSIST" : "WRITE_NV_MEMORY_FLAG_PERSIST"
           : fill  ? "FILL_NV_MEMORY_FLAG_FLUSH"
                   : "WRITE_NV_MEMORY_FLAG_FLUSH";
}

/* Does the file know the routines? */
static bool knows_routines(const struct code *code) {
    const struct file *file = code->file;
    return memmem(file->bytes, file->size, "nvrtl.h", 7) != NULL ||
           memmem(file->bytes, file->size, "NonVolatile", 11) != NULL;
}

static bool look_at_call(const struct code *code, const struct routine *routine, bool drain,
                         struct fix_site *site) {
    const struct call *call = &site->call;
    if (call->count != routine->arguments)
        return refuse(site, "its arguments are not understood");
    if (routine->token == NO_TOKEN && !knows_routines(code))
        return refuse(site, "the file does not include <nvrtl.h>");
    bool inserts = code_statement(code, call->name, &site->statement) &&
                   can_repeat_argument(code, call, routine->token) &&
                   (drain || (can_repeat_argument(code, call, routine->address) &&
                              can_repeat_argument(code, call, routine->size)));
    if (inserts) {
        char *text = missing_call(code, call, routine, drain);
        bool done = text != NULL && find_words(code, site, text, &site->words);
        free(text);
        if (!done)
            return false;
    }
    if (site->words.statement != NULL)
        return true;
    if (routine->flags != NO_FLAGS) {
        site->flags_first = call->arguments[routine->flags].first;
        site->flags_last = call->arguments[routine->flags].last;
    }
    const char *flags = better_flags(code, site, routine);
    if (flags == NULL)
        return refuse(site, "the call is part of something that cannot be repeated");
    site->flags = strdup(flags);
    return site->flags != NULL;
}

/* The tokens of what an assignment stores to: left of the sign, or right of one in front. */
static bool find_target(const struct code *code, const struct statement *statement, size_t sign,
                        size_t *first, size_t *last) {
    bool step = code_is(code, sign, "++") || code_is(code, sign, "--");
    *first = sign == statement->first ? sign + 1 : statement->first;
    *last = sign == statement->first ? statement->last - 1 : sign - 1;
    if (*first > *last || (sign == statement->first && !step) ||
        (step && sign != statement->first && sign + 1 != statement->last))
        return false;
    bool memory = false;
    for (size_t i = *first; i <= *last; i++)
        memory |= code_is(code, i, "->") || code_is(code, i, "[") || code_is(code, i, "*") ||
                  code_is(code, i, ".");
    return memory && !is_declaration(code, *first, *last) &&
           can_repeat(code, *first, *last, CODE_NONE);
}

/* A store by a plain assignment: which token its memory belongs to the routine finds itself. */
static bool look_at_assignment(const struct code *code, size_t sign, struct fix_site *site) {
    size_t first, last;
    site->call.name = sign;
    if (!knows_routines(code))
        return refuse(site, "the file does not include <nvrtl.h>");
    if (!code_statement(code, sign, &site->statement) || !site->statement.reached ||
        !find_target(code, &site->statement, sign, &first, &last) ||
        (last < sign && sign + 1 < site->statement.last &&
         !can_repeat(code, sign + 1, site->statement.last - 1, CODE_NONE)))
        return refuse(site, "the statement is none that can be added to");
    char *target = code_text(code, first, last);
    if (target == NULL ||
        asprintf(&site->words.statement,
                 "RtlFlushNonVolatileMemory(" DEFAULT_TOKEN ", (PVOID)&(%s), sizeof(%s), 0);",
                 target, target) < 0)
        site->words.statement = NULL;
    free(target);
    return site->words.statement != NULL;
}

bool fix_look(const struct code *code, int line, bool drain, struct fix_site *site) {
    const struct routine *routine = NULL;
    size_t signs = 0, sign = 0, calls = 0;
    *site = (struct fix_site){0};
    for (size_t i = token_on(code, line - LINES_OF_A_CALL);
         i < code->count && code->tokens[i].line <= line; i++) {
        const struct routine *here = routine_of(code, i, drain);
        struct call call;
        if (here != NULL && code_call(code, i, &call) && code->tokens[call.close].line >= line) {
            routine = here;
            site->call = call;
            calls++;
        }
        if (code->tokens[i].line == line && is_assignment(code, i)) {
            sign = i;
            signs++;
        }
    }
    if (calls > 1)
        return refuse(site, "there are several calls on that line");
    if (calls == 1)
        return look_at_call(code, routine, drain, site);
    if (signs == 1 && !drain)
        return look_at_assignment(code, sign, site);
    return refuse(site, signs > 1 && !drain ? "there are several assignments on that line"
                                            : "that line has no call that is understood");
}

void fix_site_free(struct fix_site *site) {
    free(site->words.condition);
    free(site->words.statement);
    free(site->flags);
    *site = (struct fix_site){0};
}
