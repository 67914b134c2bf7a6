/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl-cc and nvrtl-c++: the user's compiler with call-outs before each store, and this project's
   assembler step in front of the assembler. */
#ifndef CC_CC_H
#define CC_CC_H

#include <stdbool.h>
#include <stddef.h>

#define CC_FAILED 1 /* exit status, as that of compilers */

/* The name that this program was called by; what messages begin with. */
extern const char *cc_name;

/* Says why not, and exits. */
_Noreturn __attribute__((format(printf, 1, 2))) void cc_refuse(const char *format, ...);

/* Words that grow. The list ends in a NULL; words are not copied. */
struct words {
    char **items;
    size_t count, capacity;
};

void words_add(struct words *words, const char *word);

/* The printed text, which is never freed. */
__attribute__((format(printf, 1, 2))) char *cc_text(const char *format, ...);

/* The words of a line or a response file, by the rules of gcc's: blanks separate, quotes and
   backslashes protect. Consumes text, and the words point into it. */
void words_split(struct words *words, char *text);

/* What the arguments ask for. */
struct request {
    size_t inputs;        /* files to work on */
    bool links;           /* neither -c nor -S nor -E ... */
    bool relocatable;     /* -r: a link without libraries */
    bool optimizes_links; /* -flto in some form */
    bool drops_lines;     /* -g0, and no -g behind it */
    const char *refusal;  /* a sentence about the argument that is blamed, or NULL */
    const char *blamed;
};

/* arguments: without the program's name; what response files hold counts as if it stood there. */
struct request request_read(char *const *arguments);

enum compiler { COMPILER_GCC, COMPILER_CLANG };

/* The user's compiler: NVRTL_CC or NVRTL_CXX, else the first of those that are usual. Adds its
   words to command; refuses when there is none. */
enum compiler compiler_find(bool cplusplus, struct words *command);

/* The rest of the command: the arguments, and around them what brings the call-outs. */
void compiler_arguments(enum compiler compiler, const struct request *request,
                        char *const *arguments, struct words *command);

/* nvrtl-cc --audit FILE...; the exit status. */
int audit(int count, char **files);

#endif
