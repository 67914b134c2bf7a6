/* SPDX-License-Identifier: BSD-2-Clause */
/* What the arguments of a compiler ask for, as far as it matters here. They are handed on as they
   came: this only looks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cc/cc.h"

#define NESTING_MAX 16 /* response files in response files */

/* Options whose value is the next argument. */
static const char *const valued[] = {
    "-o",
    "-x",
    "-I",
    "-D",
    "-U",
    "-L",
    "-l",
    "-B",
    "-T",
    "-u",
    "-e",
    "-z",
    "-A",
    "-G",
    "-b",
    "-V",
    "-F",
    "-MF",
    "-MT",
    "-MQ",
    "-MJ",
    "-include",
    "-imacros",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-iprefix",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-isysroot",
    "-imultilib",
    "-Xlinker",
    "-Xassembler",
    "-Xpreprocessor",
    "-Xclang",
    "-Xanalyzer",
    "-mllvm",
    "-mthread-model",
    "--param",
    "--sysroot",
    "-arch",
    "-aux-info",
    "-dumpbase",
    "-dumpbase-ext",
    "-dumpdir",
    "-wrapper",
    "-target",
    "-gcc-toolchain",
    "-rpath",
    "-soname",
    "-h",
    "-install_name",
    "-framework",
    "--include",
    "--include-directory",
    "--define-macro",
    "--undefine-macro",
    "--output",
    "--language",
    "--serialize-diagnostics",
    "-serialize-diagnostics",
    "--config",
    "-include-pch",
    "-working-directory",
    "-specs",
};

/* Options that end before the linker. */
static const char *const partial[] = {
    "-c",
    "-S",
    "-E",
    "-M",
    "-MM",
    "-fsyntax-only",
    "--compile",
    "--assemble",
    "--preprocess",
    "--dependencies",
    "--user-dependencies",
    "-emit-ast",
    "--precompile",
    "--analyze",
};

#define STATIC_REASON                                                                              \
    "a fully static program cannot load the verifier; link it dynamically for this"
#define SANITIZER_REASON                                                                           \
    "only one of the sanitizers that watch memory can be in a program, and the call-outs "         \
    "of the verifier are thread sanitizer's; build without it for this"
#define PLAIN_REASON "call-outs are what this is for; compile this with the plain compiler"
#define MACHINE_REASON "call-outs exist for 64-bit x86 alone; compile this with the plain compiler"

/* Options that are refused, by what they begin with, or in whole. */
static const struct refusal {
    const char *option;
    bool whole;
    bool linking; /* only where the program links */
    const char *reason;
} refusals[] = {
    {"-static", true, true, STATIC_REASON},
    {"--static", true, true, STATIC_REASON},
    {"-static-pie", true, true, STATIC_REASON},
    {"-fno-sanitize=all", true, false, PLAIN_REASON},
    {"-fno-sanitize=thread", true, false, PLAIN_REASON},
    {"-m32", true, false, MACHINE_REASON},
    {"-mx32", true, false, MACHINE_REASON},
    {"-m16", true, false, MACHINE_REASON},
    {"-miamcu", true, false, MACHINE_REASON},
};

/* Of the sanitizers these can be beside the call-outs. */
static const char *const harmless[] = {
    "undefined",
    "integer",
    "nullability",
    "bounds",
    "alignment",
    "shift",
    "null",
    "return",
    "signed-integer-overflow",
    "unsigned-integer-overflow",
    "integer-divide-by-zero",
    "float-divide-by-zero",
    "float-cast-overflow",
    "unreachable",
    "vla-bound",
    "object-size",
    "nonnull-attribute",
    "returns-nonnull-attribute",
    "bool",
    "enum",
    "vptr",
    "pointer-overflow",
    "builtin",
    "shift-exponent",
    "shift-base",
    "bounds-strict",
    "array-bounds",
    "function",
    "implicit-conversion",
    "local-bounds",
    "fuzzer",
    "fuzzer-no-link",
};

/* What headers are called: alone they are precompiled, and nothing is linked. */
static const char *const headers[] = {"h", "hh", "hp", "hxx", "hpp", "HPP", "h++", "tcc", "H"};

static bool is_one_of(const char *const *list, size_t count, const char *word, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && memcmp(list[i], word, length) == 0)
            return true;
    return false;
}

static bool takes_value(const char *argument) {
    return is_one_of(valued, ARRAY_LENGTH(valued), argument, strlen(argument));
}

static bool watches_memory(const char *names) {
    for (;;) {
        size_t length = strcspn(names, ",");
        if (!is_one_of(harmless, ARRAY_LENGTH(harmless), names, length))
            return true;
        if (names[length] == '\0')
            return false;
        names += length + 1;
    }
}

static bool is_other_machine(const char *target) {
    return strncmp(target, "x86_64", 6) != 0 && strncmp(target, "amd64", 5) != 0 &&
           strncmp(target, "native", 6) != 0;
}

static void refuse(struct request *request, const char *reason, const char *blamed) {
    if (request->refusal != NULL)
        return;
    request->refusal = reason;
    request->blamed = blamed;
}

/* What an option is refused for. Those of linking are looked at once it is known that it links. */
static void judge(struct request *request, const char *argument, const char *next, bool linking) {
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
        if (refusals[i].linking == linking && strcmp(argument, refusals[i].option) == 0)
            refuse(request, refusals[i].reason, argument);
    if (linking)
        return;
    if (strncmp(argument, "-fsanitize=", 11) == 0 && watches_memory(argument + 11))
        refuse(request, SANITIZER_REASON, argument);
    if (strncmp(argument, "--target=", 9) == 0 && is_other_machine(argument + 9))
        refuse(request, MACHINE_REASON, argument);
    if (strcmp(argument, "-target") == 0 && next != NULL && is_other_machine(next))
        refuse(request, MACHINE_REASON, next);
}

/* Is that input a header, by what -x has said before it or by its name? */
static bool is_header(const char *language, const char *input) {
    const char *dot = strrchr(input, '.');
    if (language != NULL && strcmp(language, "none") != 0)
        return strstr(language, "-header") != NULL;
    return dot != NULL && is_one_of(headers, ARRAY_LENGTH(headers), dot + 1, strlen(dot + 1));
}

/* The language that an option names, or NULL; next: the argument behind it. */
static const char *named_language(const char *argument, const char *next) {
    if (strcmp(argument, "-x") == 0 || strcmp(argument, "--language") == 0)
        return next;
    if (strncmp(argument, "--language=", 11) == 0)
        return argument + 11;
    return strncmp(argument, "-x", 2) == 0 ? argument + 2 : NULL;
}

/* Does it say how much debug information there is to be? */
static bool is_debug_level(const char *argument) {
    return strcmp(argument, "-g") == 0 || strncmp(argument, "-ggdb", 5) == 0 ||
           strncmp(argument, "-gdwarf", 7) == 0 ||
           (strncmp(argument, "-g", 2) == 0 && argument[2] >= '0' && argument[2] <= '9');
}

static void note(struct request *request, const char *argument) {
    if (is_one_of(partial, ARRAY_LENGTH(partial), argument, strlen(argument)))
        request->links = false;
    if (strcmp(argument, "-r") == 0)
        request->relocatable = true;
    if (strncmp(argument, "-flto", 5) == 0)
        request->optimizes_links = true;
    if (is_debug_level(argument))
        request->drops_lines = strcmp(argument, "-g0") == 0 || strcmp(argument, "-ggdb0") == 0;
    if (strcmp(argument, "-fno-lto") == 0)
        request->optimizes_links = false;
    if (argument[0] != '-' || argument[1] == '\0')
        request->inputs++;
    if (strncmp(argument, "-l", 2) == 0)
        request->inputs++; /* -lfoo alone links too */
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size = getdelim(&text, &capacity, '\0', file);
    fclose(file);
    if (size >= 0)
        return text;
    free(text);
    return cc_text("%s", "");
}

/* The arguments with the response files in place of their names. One that cannot be read is the
   compiler's to complain about. */
static void expand(struct words *words, char *const *arguments, unsigned depth) {
    for (; *arguments != NULL; arguments++) {
        char *text = NULL;
        if ((*arguments)[0] == '@' && depth < NESTING_MAX)
            text = read_file(*arguments + 1);
        if (text == NULL) {
            words_add(words, *arguments);
            continue;
        }
        struct words inner = {0};
        words_split(&inner, text);
        if (inner.count > 0)
            expand(words, inner.items, depth + 1);
        free(inner.items);
    }
}

static bool makes_headers(const struct words *words) {
    const char *language = NULL;
    size_t found = 0;
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i], *named = named_language(word, words->items[i + 1]);
        bool input = word[0] != '-' || word[1] == '\0';
        if (named != NULL)
            language = named;
        if (input && !is_header(language, word))
            return false;
        found += input;
        if (takes_value(word) && i + 1 < words->count)
            i++;
    }
    return found > 0;
}

struct request request_read(char *const *arguments) {
    struct request request = {.links = true};
    struct words words = {0};
    expand(&words, arguments, 0);
    for (int linking = 0; linking <= 1; linking++) {
        if (linking && !request.links)
            break;
        for (size_t i = 0; i < words.count; i++) {
            judge(&request, words.items[i], words.items[i + 1], linking);
            if (!linking)
                note(&request, words.items[i]);
            if (takes_value(words.items[i]) && i + 1 < words.count)
                i++;
        }
    }
    request.links = request.links && !makes_headers(&words);
    free(words.items);
    return request;
}
