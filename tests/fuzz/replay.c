/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands where libFuzzer does not: calls the target with each file that is named, and with each
   file of a folder that is named. No file at all is a failure: a lost corpus must not pass. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned replayed;

static bool replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        return false;
    }
    size_t size = (size_t)status.st_size;
    /* A block of its size, so that a step beyond it is seen. */
    uint8_t *data = (uint8_t *)malloc(size > 0 ? size : 1);
    bool read = data != NULL && fread(data, 1, size, file) == size;
    fclose(file);
    if (read) {
        fprintf(stderr, "%s\n", path);
        LLVMFuzzerTestOneInput(data, size);
        replayed++;
    }
    free(data);
    return read;
}

static bool replay_folder(const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            good = replay_file(file) && good;
        free(entries[i]);
    }
    if (good)
        free(entries);
    else
        perror(path);
    return good;
}

int main(int argc, char **argv) {
    bool good = true;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        good = (folder ? replay_folder(argv[i]) : replay_file(argv[i])) && good;
    }
    printf("%u inputs replayed\n", replayed);
    return good && replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
