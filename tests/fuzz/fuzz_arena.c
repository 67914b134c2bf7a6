/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent reads an arena that a program wrote, which may have gone mad before it died. Whatever
   is in there, a report is made of it, and printed. The input is a list of orders that put records,
   or any bytes, into the arena. */
#include <jansson.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "fuzz.h"
#include "report/report.h"
#include "verify/collect.h"
#include "verify/session.h"

#define PAGE ((size_t)4096)
#define HEAD_SIZE align_up(sizeof(struct arena_head), PAGE)
#define RECORDS_SIZE (48 * PAGE)
#define POKES_MAX 64
#define FILES_MAX 3u

static struct arena arena;

/* What was written to the head and has to be taken back. */
static struct { size_t offset, size; } pokes[POKES_MAX];
static size_t poke_count;

/* A step beyond the arena's end faults. */
static void make_arena(void) {
    char *memory = (char *)mmap(NULL, HEAD_SIZE + RECORDS_SIZE + PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FUZZ_CHECK(memory != MAP_FAILED);
    FUZZ_CHECK(mprotect(memory + HEAD_SIZE + RECORDS_SIZE, PAGE, PROT_NONE) == 0);
    arena = (struct arena){(struct arena_head *)(void *)memory, HEAD_SIZE + RECORDS_SIZE};
}

static void reset_arena(void) {
    char *memory = (char *)arena.head;
    for (size_t i = 0; i < poke_count; i++)
        memset(memory + pokes[i].offset, 0, pokes[i].size);
    poke_count = 0;
    memset(memory, 0, offsetof(struct arena_head, processes));
    memset(arena.head->findings, 0, sizeof arena.head->findings);
    memset(arena.head->pages, 0, sizeof arena.head->pages);
    memset(memory + sizeof(struct arena_head), 0, arena.size - sizeof(struct arena_head));
    arena.head->size = arena.size;
    /* New records come behind the input's own. */
    atomic_store(&arena.head->used, HEAD_SIZE + RECORDS_SIZE / 2);
}

/* Up to size bytes of the input at offset of the arena. */
static void poke(struct fuzz_input *input, size_t offset, size_t size) {
    if (offset >= arena.size || poke_count == POKES_MAX)
        return;
    size = size < arena.size - offset ? size : arena.size - offset;
    fuzz_bytes(input, (char *)arena.head + offset, size);
    pokes[poke_count].offset = offset;
    pokes[poke_count++].size = size;
}

static size_t offset_of(const void *field) {
    return (size_t)((const char *)field - (const char *)arena.head);
}

/* Mostly the number of one of the first records. */
static arena_id take_id(struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    const arena_id first =
        (arena_id)(align_up(sizeof(struct arena_head), ARENA_GRAIN) / ARENA_GRAIN);
    if (choice == 255)
        return (arena_id)fuzz_number(input, 4);
    return choice == 0 ? 0 : first + choice - 1u;
}

/* A record that the input tells; NULL when it names none. */
static void *take_record(struct fuzz_input *input, size_t size) {
    return arena_at(&arena, take_id(input), size);
}

/* Mostly a small number. */
static uint32_t take_number(struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    return choice < 240 ? choice : (uint32_t)fuzz_number(input, 1 + choice % 4);
}

static void order_file(struct fuzz_input *input) {
    struct arena_file *file = &arena.head->files[fuzz_byte(input) % FILES_MAX];
    if (poke_count == POKES_MAX)
        return;
    pokes[poke_count].offset = offset_of(file);
    pokes[poke_count++].size = sizeof *file;
    file->domain = take_number(input);
    atomic_store(&file->drains, take_number(input));
    atomic_store(&file->flushes, take_number(input));
    atomic_store(&file->tokens, take_id(input));
    atomic_store(&file->ignored, take_id(input));
    atomic_store(&file->end, (uint64_t)take_number(input) << fuzz_byte(input) % 64);
    memset(file->reason, fuzz_byte(input), sizeof file->reason);
    memset(file->path, fuzz_byte(input), sizeof file->path);
}

static void order_module(struct fuzz_input *input) {
    struct arena_module *module = &arena.head->modules[fuzz_byte(input) % 4];
    size_t length = fuzz_byte(input) % 2 == 0 ? fuzz_byte(input) : sizeof module->path;
    poke(input, offset_of(module), sizeof *module);
    memset(module->path, fuzz_byte(input), length);
    /* Nothing of the machine at hand is opened. */
    module->path[0] = 'x';
}

static void fill_line(struct fuzz_input *input, struct model_line *line) {
    line->n = fuzz_byte(input);
    line->durable = fuzz_byte(input);
    line->flushed = fuzz_byte(input);
    line->page_n = fuzz_byte(input);
    line->page_durable = fuzz_byte(input);
    line->storers = (uint16_t)take_number(input);
    for (size_t i = 0; i < ARRAY_LENGTH(line->flush); i++) {
        struct model_flush *flush = &line->flush[i];
        flush->n = fuzz_byte(input);
        flush->drains = take_number(input);
        flush->token = take_number(input);
        flush->stack = take_id(input);
        flush->thread = take_number(input) & MODEL_THREADS;
        flush->units = fuzz_byte(input);
    }
    for (unsigned count = fuzz_byte(input) % 4; count > 0; count--) {
        struct model_unit *unit = &line->unit[fuzz_byte(input) % MODEL_LINE_UNITS];
        unit->n = fuzz_byte(input);
        unit->stack = take_id(input);
        unit->thread = take_number(input) & MODEL_THREADS;
        unit->mask = fuzz_byte(input);
        unit->continues = (fuzz_byte(input) & 1) != 0;
    }
}

/* As a program opens it, or anywhere. */
static void open_line(struct fuzz_input *input, struct model_page *page, uint32_t l) {
    struct model_line *line = arena_new(&arena, sizeof *line);
    page->open[l] = fuzz_byte(input) % 8 == 0 ? take_id(input) : arena_id_of(&arena, line) * 4;
    if (line != NULL)
        fill_line(input, line);
}

static void fill_page(struct fuzz_input *input, struct model_page *page) {
    page->page_drains = take_number(input);
    page->page_stack = take_id(input);
    page->touched = page->based = page->storing = fuzz_number(input, 8);
    atomic_store(&page->lock, take_number(input));
    for (unsigned count = fuzz_byte(input) % 4; count > 0; count--)
        open_line(input, page, fuzz_byte(input) % MODEL_PAGE_LINES);
}

/* A page in its place, as a program makes it. */
static void order_page(struct fuzz_input *input) {
    uint32_t file = fuzz_byte(input) % FILES_MAX;
    uint64_t index = (uint64_t)take_number(input) << fuzz_byte(input) % 64;
    struct model_page *page = arena_page(&arena, file, index, true);
    if (page != NULL)
        fill_page(input, page);
}

/* One anywhere, in whatever chain. */
static void order_stray_page(struct fuzz_input *input) {
    struct model_page *page = (struct model_page *)take_record(input, sizeof *page);
    if (page == NULL)
        return;
    page->next = take_id(input);
    page->file = take_number(input);
    page->index = (uint64_t)take_number(input) << fuzz_byte(input) % 64;
    fill_page(input, page);
}

static void order_finding(struct fuzz_input *input) {
    struct arena_finding *finding = (struct arena_finding *)take_record(input, sizeof *finding);
    if (finding == NULL)
        return;
    finding->next = take_id(input);
    finding->kind = take_number(input);
    finding->file = take_number(input);
    finding->call = take_number(input);
    finding->rescue = take_number(input);
    finding->at = take_id(input);
    for (size_t i = 0; i < ARRAY_LENGTH(finding->related); i++) {
        finding->related[i] = take_id(input);
        finding->roles[i] = take_number(input);
    }
    finding->abnormal = fuzz_byte(input);
    atomic_store(&finding->range_count, take_number(input));
    atomic_store(&finding->count, take_number(input));
    finding->value = fuzz_number(input, 8);
    finding->bytes = take_number(input);
    for (size_t i = 0; i < ARENA_RANGES && fuzz_byte(input) % 2 != 0; i++) {
        finding->ranges[i].offset = fuzz_number(input, 8);
        finding->ranges[i].length = take_number(input);
    }
}

static void order_stack(struct fuzz_input *input) {
    struct arena_stack *stack = (struct arena_stack *)take_record(input, sizeof *stack);
    if (stack == NULL)
        return;
    stack->depth = (uint32_t)fuzz_number(input, 4);
    for (uint32_t i = 0; i < stack->depth && i < ARENA_STACK_DEPTH; i++) {
        if ((char *)&stack->frames[i + 1] > (char *)arena.head + arena.size)
            return;
        stack->frames[i] = ARENA_FRAME(fuzz_byte(input), fuzz_number(input, 3));
    }
}

static void order_token(struct fuzz_input *input) {
    struct arena_token *token = (struct arena_token *)take_record(input, sizeof *token);
    if (token == NULL)
        return;
    token->next = take_id(input);
    atomic_store(&token->sibling, take_id(input));
    token->process = take_number(input);
    token->file = take_number(input);
    token->got = take_id(input);
    atomic_store(&token->freed, take_id(input));
    uint8_t kind = fuzz_byte(input);
    token->internal = kind & 1;
    token->inherited = kind & 2;
    token->deferred = kind & 4;
    token->segment_count = take_number(input);
    for (uint32_t i = 0; i < token->segment_count && i < 3; i++) {
        struct arena_segment *segment = &token->segments[i];
        if ((char *)(segment + 1) > (char *)arena.head + arena.size)
            return;
        segment->offset = (uint64_t)take_number(input) << fuzz_byte(input) % 64;
        segment->length = take_number(input);
    }
}

static void order_ignored(struct fuzz_input *input) {
    struct arena_ignored *ignored = (struct arena_ignored *)take_record(input, sizeof *ignored);
    if (ignored == NULL)
        return;
    atomic_store(&ignored->next, take_id(input));
    ignored->offset = (uint64_t)take_number(input) << fuzz_byte(input) % 64;
    atomic_store(&ignored->length, (uint64_t)take_number(input) << fuzz_byte(input) % 64);
}

static void order_chain(struct fuzz_input *input) {
    bool page = fuzz_byte(input) % 2 == 0;
    size_t bucket = fuzz_byte(input);
    _Atomic arena_id *chain = page ? &arena.head->pages[bucket] : &arena.head->findings[bucket];
    poke(input, offset_of(chain), 0);
    pokes[poke_count - 1].size = sizeof *chain;
    atomic_store(chain, take_id(input));
}

static void order_head(struct fuzz_input *input) {
    uint8_t choice = fuzz_byte(input);
    if (choice % 4 == 0)
        poke(input, offsetof(struct arena_head, lost), sizeof arena.head->lost);
    else if (choice % 4 == 1)
        poke(input, offset_of(&arena.head->threads[fuzz_byte(input)]),
             sizeof arena.head->threads[0]);
    else if (choice % 4 == 2)
        poke(input, offset_of(&arena.head->processes[fuzz_byte(input)]), 12);
    else
        arena.head->judge = (uint32_t)fuzz_number(input, 4);
}

static void build(struct fuzz_input *input) {
    atomic_store(&arena.head->process_count, fuzz_byte(input));
    atomic_store(&arena.head->thread_count, (uint32_t)fuzz_number(input, 4));
    atomic_store(&arena.head->module_count, (uint32_t)fuzz_number(input, 4));
    atomic_store(&arena.head->file_count, fuzz_byte(input) % (FILES_MAX + 1));
    static void (*const orders[])(struct fuzz_input *) = {
        order_file,  order_module, order_page,    order_stray_page, order_finding,
        order_stack, order_token,  order_ignored, order_chain,      order_head,
    };
    while (fuzz_more(input) && poke_count < POKES_MAX - 2) {
        uint8_t order = fuzz_byte(input);
        if (order < 240)
            orders[order % ARRAY_LENGTH(orders)](input);
        else
            poke(input, HEAD_SIZE + (size_t)fuzz_number(input, 2), fuzz_byte(input));
    }
}

static void check_printed(const struct report *report) {
    const struct report_style style = {.source = true};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    FUZZ_CHECK(out != NULL && report_text(out, report, &style) && fclose(out) == 0);
    free(text);
    out = open_memstream(&text, &size);
    FUZZ_CHECK(out != NULL && report_json(out, report) && fclose(out) == 0);
    json_t *json = json_loadb(text, size, 0, NULL);
    FUZZ_CHECK(json != NULL);
    FUZZ_CHECK(json_array_size(json_object_get(json, "findings")) == report->finding_count);
    json_decref(json);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    bool wanted[KIND_COUNT];
    char name[] = "program", *program[] = {name, NULL};
    if (arena.head == NULL)
        make_arena();
    reset_arena();
    uint8_t choice = fuzz_byte(&input);
    build(&input);
    for (size_t i = 0; i < KIND_COUNT; i++)
        wanted[i] = choice % 4 != 3 || i % 2 == 0;
    const struct collect_run run = {
        .arena = &arena, .wanted = wanted, .ended_well = choice % 2 == 0};
    struct report report = {.program = program, .stores = "api", .judge = "strict"};
    if (collect_report(&run, &report))
        check_printed(&report);
    verify_free_report(&report);
    return 0;
}
