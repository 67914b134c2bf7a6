/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check-wordstore WORDSTORE LIST STORE: the check of a cut `wordstore STORE load LIST`.
 *
 * Recovers the store, then: the table is sound, every word of every acknowledged batch is there
 * with its value, and no word that was never begun. NVRTL_BEGUN and NVRTL_ACKED name the batches of
 * the run that was cut, which began with an empty store.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 4096, TEXT = 54, LINE = 64, TABLE = 4096 + 2 * BATCH * LINE, BATCHES = 1 << 16 };

struct record {
    uint64_t place;
    uint8_t word_size, value_size;
    char text[TEXT];
};
_Static_assert(sizeof(struct record) == LINE, "as the store has it");

/* A word of the list, with its value (the number of its line) in the last batch that began with it,
   and in the last that was acknowledged; 0: in none. */
struct word {
    const char *text;
    uint32_t size, batch, begun, acked;
    bool found;
};

static struct {
    struct word *places; /* hash table */
    size_t room;         /* a power of two, more than twice the number of lines */
} words;

static bool begun[BATCHES], acked[BATCHES]; /* by the batch's number */

static void fail(const char *what, const char *text, size_t size) {
    printf("%s%.*s\n", what, (int)size, text);
    exit(1);
}

static void require(bool good, const char *what) {
    if (!good)
        fail(what, strerror(errno), strlen(strerror(errno)));
}

static uint32_t read_ids(const char *name, bool *set) {
    const char *ids = getenv(name);
    uint32_t greatest = 0;
    if (ids == NULL)
        fail(name, " is not set", 11);
    for (char *end; *ids != '\0'; ids = end) {
        unsigned long id = strtoul(ids, &end, 10);
        if (end == ids || id == 0 || id >= BATCHES)
            fail("what ids: ", ids, strlen(ids));
        set[id] = true;
        greatest = id > greatest ? (uint32_t)id : greatest;
        end += strspn(end, " ");
    }
    return greatest;
}

/* The place of a word, empty (without text) if it is not there. */
static struct word *place_of(const char *text, size_t size) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
    for (hash ^= hash >> 32;; hash++) {
        struct word *word = &words.places[hash & (words.room - 1)];
        if (word->text == NULL || (word->size == size && memcmp(word->text, text, size) == 0))
            return word;
    }
}

/* Puts the lines of the list where they are found, batch by batch: a batch is so many different
   words, and a word that comes twice in one has its last value. */
static void read_list(char *list, uint32_t last_batch) {
    uint32_t number = 0, batch = 1, size = 0;
    for (char *at = list, *end; batch <= last_batch && *at != '\0'; at = end) {
        end = strchrnul(at, '\n');
        size_t length = (size_t)(end - at);
        end += *end == '\n';
        number++;
        if (length == 0)
            continue;
        struct word *word = place_of(at, length);
        size += word->batch != batch;
        word->text = at;
        word->size = (uint32_t)length;
        word->batch = batch;
        word->begun = begun[batch] ? number : word->begun;
        word->acked = acked[batch] ? number : word->acked;
        batch += size == BATCH;
        size %= BATCH;
    }
}

static void load_list(const char *path, uint32_t last_batch) {
    FILE *file = fopen(path, "re");
    struct stat stat;
    require(file != NULL && fstat(fileno(file), &stat) == 0, "the list: ");
    size_t size = (size_t)stat.st_size, lines = 1;
    char *list = calloc(size + 1, 1);
    require(list != NULL && fread(list, 1, size, file) == size, "the list: ");
    fclose(file);
    for (const char *at = list; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    for (words.room = 2; words.room < 2 * lines + 2;)
        words.room *= 2;
    words.places = calloc(words.room, sizeof *words.places);
    require(words.places != NULL, "memory: ");
    read_list(list, last_batch);
}

static void check_record(const struct record *record) {
    size_t size = record->word_size, value_size = record->value_size;
    char value[TEXT + 1] = "";
    if (record->place == 0)
        return;
    if (size + value_size > TEXT)
        fail("a record is torn", "", 0);
    struct word *word = place_of(record->text, size);
    if (word->text == NULL || word->begun == 0)
        fail("a word was never begun: ", record->text, size);
    memcpy(value, record->text + size, value_size);
    unsigned long number = strtoul(value, NULL, 10);
    /* A word may come again in a batch that was begun later. */
    if (number == 0 || (number != word->begun && number != word->acked))
        fail("a word has another value: ", record->text, size + value_size);
    word->found = true;
}

static void check_table(const char *path) {
    static struct record records[1024];
    FILE *file = fopen(path, "re");
    require(file != NULL && fseek(file, TABLE, SEEK_SET) == 0, "the store: ");
    setvbuf(file, NULL, _IONBF, 0);
    for (size_t count; (count = fread(records, LINE, 1024, file)) > 0;) {
        for (size_t i = 0; i < count; i++)
            check_record(&records[i]);
    }
    require(!ferror(file), "the store: ");
    fclose(file);
    for (size_t i = 0; i < words.room; i++) {
        const struct word *word = &words.places[i];
        if (word->acked != 0 && !word->found)
            fail("an acknowledged word is lost: ", word->text, word->size);
    }
}

/* The store's own recovery, and its own opinion of the table. */
static void recover(char *program, char *store) {
    char check[] = "check", text[256] = "";
    int ends[2], status = 0;
    require(pipe(ends) == 0, "pipe: ");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(program, (char *[]){program, store, check, NULL});
        _exit(127);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    require(pid > 0 && said != NULL, "recovery: ");
    size_t size = fread(text, 1, sizeof text - 1, said);
    fclose(said);
    require(waitpid(pid, &status, 0) == pid, "recovery: ");
    if (status != 0 || strncmp(text, "sound", 5) != 0)
        fail("recovery failed: ", text, size);
}

int main(int argc, char **argv) {
    struct stat stat;
    if (argc != 4)
        fail("usage: check-wordstore WORDSTORE LIST STORE", "", 0);
    uint32_t last = read_ids("NVRTL_BEGUN", begun), promised = read_ids("NVRTL_ACKED", acked);
    if (lstat(argv[3], &stat) != 0 || stat.st_size == 0) {
        if (promised != 0)
            fail("the store is gone", "", 0);
        return 0;
    }
    recover(argv[1], argv[3]);
    load_list(argv[2], last);
    check_table(argv[3]);
    return 0;
}
