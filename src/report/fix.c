/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/fix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/fix_site.h"
#include "report/place.h"
#include "report/utf8.h"

bool fix_is_for(const struct finding *finding) {
    bool missing = finding->kind == KIND_UNFLUSHED_WRITE || finding->kind == KIND_UNDRAINED_FLUSH;
    return missing && finding->severity != SEVERITY_NOTE;
}

static bool refuse(struct fix *fix, const char *why) {
    fix->why = why;
    return true;
}

/* Replaces size bytes at a place; takes text over. false: text is NULL. */
static bool edit(struct fix *fix, size_t at, size_t size, char *text) {
    if (text == NULL)
        return false;
    fix->edits[fix->count++] = (struct edit){at, size, text};
    return true;
}

/* Where the line of a byte begins. */
static size_t line_start(const struct file *file, size_t at) {
    while (at > 0 && file->bytes[at - 1] != '\n')
        at--;
    return at;
}

static size_t blanks_at(const struct file *file, size_t at) {
    size_t count = 0;
    while (at + count < file->size && strchr(" \t", file->bytes[at + count]) != NULL &&
           file->bytes[at + count] != '\0')
        count++;
    return count;
}

/* How a new statement is set beside the one that it follows. */
struct setting {
    bool lines;           /* on lines of its own, else behind it */
    size_t end;           /* where it goes */
    const char *line_end; /* "\n", "\r\n" */
    const char *indent, *guard_indent;
    int indent_size, guard_size; /* bytes */
};

/* Does nothing but blanks and whole comments follow on the line? */
static bool ends_line(const struct code *code, size_t last, size_t end, size_t line_end) {
    const char *bytes = code->file->bytes;
    if (last + 1 < code->count && code->tokens[last + 1].line == code->tokens[last].line)
        return false;
    const char *open = memmem(bytes + end, line_end - end, "/*", 2);
    return open == NULL || memmem(open, (size_t)(bytes + line_end - open), "*/", 2) != NULL;
}

static struct setting set_beside(const struct code *code, const struct statement *statement) {
    const struct file *file = code->file;
    const struct code_token *tokens = code->tokens;
    size_t first = tokens[statement->first].at, start = line_start(file, first);
    size_t end = tokens[statement->last].at + 1;
    const char *newline = memchr(file->bytes + end, '\n', file->size - end);
    size_t line_end = newline != NULL ? (size_t)(newline - file->bytes) : file->size;
    bool carriage = line_end > end && file->bytes[line_end - 1] == '\r';
    line_end -= carriage;
    struct setting setting = {
        .lines = start + blanks_at(file, start) == first &&
                 ends_line(code, statement->last, end, line_end),
        .line_end = carriage ? "\r\n" : "\n",
        .indent = file->bytes + start,
        .indent_size = (int)blanks_at(file, start),
        .end = end,
    };
    if (setting.lines)
        setting.end = line_end;
    if (statement->guard != CODE_NONE) {
        size_t guard = line_start(file, tokens[statement->guard].at);
        setting.guard_indent = file->bytes + guard;
        setting.guard_size = (int)blanks_at(file, guard);
    }
    return setting;
}

/* The statement that is put in, in one line: behind another one. */
static char *beside(const struct fix_words *words, bool guarded) {
    char *text = NULL;
    int size = words->condition != NULL
                   ? asprintf(&text, " if (%s) %s%s", words->condition, words->statement,
                              guarded ? " }" : "")
                   : asprintf(&text, " %s%s", words->statement, guarded ? " }" : "");
    return size >= 0 ? text : NULL;
}

/* The same on lines of its own. */
static char *below(const struct fix_words *words, const struct setting *setting, bool guarded) {
    const char *eol = setting->line_end;
    bool tabs = setting->indent_size > 0 && setting->indent[0] == '\t';
    char *condition = NULL, *text = NULL;
    if (words->condition != NULL && asprintf(&condition, "%s%.*sif (%s)", eol, setting->indent_size,
                                             setting->indent, words->condition) < 0)
        return NULL;
    int size = asprintf(&text, "%s%s%.*s%s%s%s%.*s%s", condition != NULL ? condition : "", eol,
                        setting->indent_size, setting->indent,
                        condition == NULL ? ""
                        : tabs            ? "\t"
                                          : "    ",
                        words->statement, guarded ? eol : "", guarded ? setting->guard_size : 0,
                        guarded ? setting->guard_indent : "", guarded ? "}" : "");
    free(condition);
    return size >= 0 ? text : NULL;
}

/* Puts a statement behind another one; the two get braces where the other was all of the body of an
   if or the like. */
static bool insert(struct fix *fix, const struct code *code, const struct statement *statement,
                   const struct fix_words *words) {
    struct setting setting = set_beside(code, statement);
    const struct code_token *first = &code->tokens[statement->first];
    bool guarded = statement->guard != CODE_NONE;
    if (guarded && setting.lines && !edit(fix, first[-1].at + first[-1].size, 0, strdup(" {")))
        return false;
    if (guarded && !setting.lines && !edit(fix, first->at, 0, strdup("{ ")))
        return false;
    return edit(fix, setting.end, 0,
                setting.lines ? below(words, &setting, guarded) : beside(words, guarded));
}

/* Is the line of the finding the one that was seen? A file that has changed since may have anything
   there. */
static bool is_line_as_seen(const struct file *file, const struct finding *finding) {
    const struct source_excerpt *source = &finding->source;
    int line = finding->at.frames[0].line;
    size_t size;
    const char *now = file_line(file, line, &size);
    if (now == NULL)
        return false;
    if (line < source->first || line - source->first >= (int)source->count)
        return !source->changed;
    char *kept = file_copy_line(now, size);
    char *clean = kept != NULL ? utf8_clean(kept) : NULL;
    char *told = utf8_clean(source->lines[line - source->first]);
    bool same = clean != NULL && told != NULL && strcmp(clean, told) == 0;
    free(kept);
    free(clean);
    free(told);
    return same;
}

/* The file of a frame, read and split into tokens. NULL: why tells. false: out of memory. */
static bool look_at(struct fixes *fixes, const struct source_frame *frame, const char *directory,
                    struct fix *fix) {
    char path[PLACE_SIZE];
    bool relative = directory != NULL && frame->file[0] != '/';
    if (snprintf(path, sizeof path, "%s%s%s", relative ? directory : "", relative ? "/" : "",
                 frame->file) >= (int)sizeof path)
        return refuse(fix, "its path is too long");
    const struct file *file = file_read(&fixes->files, path);
    if (file == NULL)
        return refuse(fix, "its source cannot be read");
    fix->file = file;
    if (fixes->code.file == file)
        return true;
    code_free(&fixes->code);
    return code_read(&fixes->code, file);
}

static bool make(struct fix *fix, const struct code *code, struct fix_site *site) {
    fix->place = code->tokens[site->call.name].at;
    if (site->words.statement != NULL)
        return insert(fix, code, &site->statement, &site->words);
    const struct code_token *first = &code->tokens[site->flags_first];
    const struct code_token *last = &code->tokens[site->flags_last];
    bool done = edit(fix, first->at, last->at + last->size - first->at, site->flags);
    site->flags = NULL;
    return done;
}

bool fix_find(struct fixes *fixes, const struct finding *finding, const char *directory,
              struct fix *fix) {
    const struct source_frame *frame = finding->at.count > 0 ? &finding->at.frames[0] : NULL;
    *fix = (struct fix){0};
    if (frame == NULL || frame->file == NULL || frame->line <= 0)
        return refuse(fix, "its source line is not known");
    if (!look_at(fixes, frame, directory, fix))
        return false;
    if (fix->why != NULL)
        return true;
    if (!is_line_as_seen(fix->file, finding))
        return refuse(fix, "the line has changed since");
    struct fix_site site;
    bool done = fix_look(&fixes->code, frame->line, finding->kind == KIND_UNDRAINED_FLUSH, &site);
    fix->why = site.why;
    if (done && site.why == NULL)
        done = make(fix, &fixes->code, &site);
    fix_site_free(&site);
    return done;
}

void fix_free(struct fix *fix) {
    for (size_t i = 0; i < fix->count; i++)
        free(fix->edits[i].text);
    *fix = (struct fix){0};
}

void fix_forget(struct fixes *fixes) {
    code_free(&fixes->code);
    file_forget(&fixes->files);
}
