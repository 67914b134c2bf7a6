/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl-cc, nvrtl-c++: becomes the compiler. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cc/cc.h"

const char *cc_name = "nvrtl-cc";

_Noreturn void cc_refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", cc_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(CC_FAILED);
}

static void print_help(void) {
    printf(
        "Usage: %s OPTION... FILE...\n"
        "       %s --audit FILE...\n"
        "Compiles as gcc or clang does, with their options, so that nvrtl run sees every store,\n"
        "flush and fence of the program.\n\n"
        "  --audit  list what has no call-outs in objects, libraries and programs\n"
        "  --help   print this text\n\n"
        "NVRTL_CC and NVRTL_CXX name the compiler; all other options are its own. The manual is\n"
        "nvrtl-cc(1).\n",
        cc_name, cc_name);
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash != NULL ? slash + 1 : argv[0];
    size_t length = strlen(name);
    bool cplusplus = length > 2 && strcmp(name + length - 2, "++") == 0;
    cc_name = cplusplus ? "nvrtl-c++" : "nvrtl-cc";
    if (argc > 1 && strcmp(argv[1], "--audit") == 0)
        return audit(argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return EXIT_SUCCESS;
    }
    /* A copy of this program as its own compiler would start itself for ever. */
    if (getenv("NVRTL_CC_WITHIN") != NULL)
        cc_refuse("NVRTL_CC or NVRTL_CXX names nvrtl-cc itself");
    setenv("NVRTL_CC_WITHIN", "1", 1);
    struct words command = {0};
    enum compiler compiler = compiler_find(cplusplus, &command);
    struct request request = request_read(argv + 1);
    if (request.inputs == 0) {
        /* A question to the compiler, such as --version or -print-search-dirs. */
        for (int i = 1; i < argc; i++)
            words_add(&command, argv[i]);
    } else {
        if (request.refusal != NULL)
            cc_refuse("%s: %s", request.blamed, request.refusal);
        compiler_arguments(compiler, &request, argv + 1, &command);
    }
    execvp(command.items[0], command.items);
    cc_refuse("cannot run %s: %s", command.items[0], strerror(errno));
}
