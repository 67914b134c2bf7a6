/* SPDX-License-Identifier: BSD-2-Clause */
#include "world.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "isa/isa.h"
#include "os/calls.h"
#include "os/os.h"
#include "token/token.h"

struct world world;

static uint32_t feature_mask;

/* Where the views lie in the area, in pages; the first two touch, and so do the last two. */
static const struct {
    int file;
    size_t page, first, pages;
    bool writable;
} layout[WORLD_VIEWS] = {
    {0, 1, 0, 4, true},   {1, 5, 0, 4, true},   {0, 10, 1, 3, true},
    {0, 14, 0, 1, false}, {-1, 16, 0, 2, true}, {1, 19, 2, 2, true},
    {1, 22, 0, 4, true},  {0, 27, 2, 1, true},  {0, 28, 0, 1, true},
};

static void map_view(struct world_view *view) {
    bool file = view->file >= 0;
    int protection = view->writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int flags = MAP_FIXED | (file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
    void *start = mmap((void *)view->start, view->length, protection, flags,
                       file ? world.files[view->file].descriptor : -1, (off_t)view->offset);
    FUZZ_CHECK(start == (void *)view->start);
}

static void map_views(void) {
    for (size_t i = 0; i < WORLD_VIEWS; i++) {
        world.views[i] = (struct world_view){.start = world.area + layout[i].page * WORLD_PAGE,
                                             .length = layout[i].pages * WORLD_PAGE,
                                             .file = layout[i].file,
                                             .offset = layout[i].first * WORLD_PAGE,
                                             .writable = layout[i].writable};
        map_view(&world.views[i]);
    }
}

static void make_world(void) {
    void *area =
        mmap(NULL, WORLD_AREA_PAGES * WORLD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FUZZ_CHECK(area != MAP_FAILED && os_page_size() == WORLD_PAGE);
    world.area = (uintptr_t)area;
    for (int i = 0; i < WORLD_FILES; i++) {
        world.files[i].descriptor = memfd_create("fuzz_api", MFD_CLOEXEC);
        FUZZ_CHECK(world.files[i].descriptor >= 0);
    }
    map_views();
}

/* What other processes would know of the files. */
static void forget_kin(void) {
    for (uint32_t i = 0; i < atomic_load(&token_table.files_used); i++)
        memset((void *)token_table.files[i].kin, 0, sizeof(struct kin_file));
}

/* As if the library had just been loaded. These two know how it keeps its tokens. */
static void forget_tokens(void) {
    struct token_slot *slots = atomic_load(&token_table.slots);
    forget_kin();
    size_t size = sizeof(struct token_slot) + sizeof(struct token_file) + sizeof(struct token_text);
    if (slots != NULL)
        munmap(slots, token_table.capacity * size);
    memset(&token_table, 0, sizeof token_table);
    token_table.quick = &token_nowhere;
}

/* The same, but for the memory, which takes its time to be given back; settings are read anew. */
static void forget_tokens_quickly(void) {
    struct token_table old;
    struct token_slot *slots = atomic_load(&token_table.slots);
    if (slots == NULL)
        return;
    forget_kin();
    memset((void *)slots, 0, atomic_load(&token_table.slots_used) * sizeof *slots);
    memset((void *)token_table.files, 0,
           atomic_load(&token_table.files_used) * sizeof *token_table.files);
    memcpy(&old, &token_table, sizeof old);
    memset(&token_table, 0, sizeof token_table);
    token_clear_keys(&slots[0], 0);
    token_table.quick = slots;
    token_table.quick_mask = old.capacity - 1;
    token_table.files = old.files;
    token_table.texts = old.texts;
    token_table.capacity = old.capacity;
    token_table.choice =
        isa_choose(isa_features(), isa_line_size(), getenv("NVRTL_FLUSH"), getenv("NVRTL_STORES"));
    token_table.settings = token_settings_parse(getenv("NVRTL_DOMAIN"));
    atomic_store(&token_table.slots, slots);
}

static void set(const char *name, const char *value) {
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void begin_file(struct world_file *file, uint8_t seed) {
    int descriptor = file->descriptor;
    if (file->length != WORLD_SIZE)
        FUZZ_CHECK(ftruncate(descriptor, WORLD_SIZE) == 0);
    memset(file, 0, sizeof *file);
    file->descriptor = descriptor;
    file->length = WORLD_SIZE;
    for (size_t i = 0; i < WORLD_SIZE; i++)
        file->bytes[i] = (uint8_t)(i * 7 + i / 256 + seed);
    FUZZ_CHECK(pwrite(descriptor, file->bytes, WORLD_SIZE, 0) == (ssize_t)WORLD_SIZE);
}

static int watched_msync(void *address, size_t size, int flags);

void world_begin(uint8_t seed, const char *domain, const char *flush, const char *stores,
                 uint32_t mask) {
    if (world.area == 0)
        make_world();
    set("NVRTL_DOMAIN", domain);
    set("NVRTL_FLUSH", flush);
    set("NVRTL_STORES", stores);
    feature_mask = mask;
    if (seed % 16 == 0)
        forget_tokens();
    else
        forget_tokens_quickly();
    os_calls.msync = watched_msync;
    world.now = world.fence = world.call = 0;
    world.error_count = 0;
    for (uint8_t i = 0; i < WORLD_FILES; i++)
        begin_file(&world.files[i], (uint8_t)(seed + i));
    world_remap((unsigned)layout[WORLD_SPARE].file, layout[WORLD_SPARE].first,
                layout[WORLD_SPARE].pages);
}

void world_call(void) {
    world.call = ++world.now;
    for (size_t i = 0; i < WORLD_FILES; i++) {
        memset(world.files[i].syncs, 0, sizeof world.files[i].syncs);
        world.files[i].first = STATUS_SUCCESS;
        world.files[i].before = world.files[i].failure;
    }
}

const struct world_view *world_view_at(uintptr_t address) {
    for (size_t i = 0; i < WORLD_VIEWS; i++) {
        if (address - world.views[i].start < world.views[i].length)
            return &world.views[i];
    }
    return NULL;
}

struct world_file *world_locate(uintptr_t address, size_t *offset) {
    const struct world_view *view = world_view_at(address);
    if (view == NULL || view->file < 0)
        return NULL;
    *offset = address - view->start + view->offset;
    return &world.files[view->file];
}

bool world_is_cut(uintptr_t address, size_t length) {
    size_t offset, step;
    for (size_t at = 0; at < length; at += step) {
        const struct world_file *file = world_locate(address + at, &offset);
        if (file != NULL && offset >= file->length)
            return true;
        step = WORLD_PAGE - (address + at) % WORLD_PAGE;
    }
    return false;
}

void world_truncate(unsigned file, size_t pages) {
    struct world_file *cut = &world.files[file];
    size_t length = pages * WORLD_PAGE;
    FUZZ_CHECK(ftruncate(cut->descriptor, (off_t)length) == 0);
    if (length < cut->length)
        memset(cut->bytes + length, 0, WORLD_SIZE - length);
    for (size_t page = pages; page < WORLD_PAGES; page++)
        cut->used[page] = false;
    cut->length = length;
}

void world_remap(unsigned file, size_t first, size_t pages) {
    struct world_view *spare = &world.views[WORLD_SPARE];
    struct world_file *old = &world.files[spare->file];
    const struct world_view wish = {.start = world.area + layout[WORLD_SPARE].page * WORLD_PAGE,
                                    .length = pages * WORLD_PAGE,
                                    .file = (int)file,
                                    .offset = first * WORLD_PAGE,
                                    .writable = true};
    size_t length = layout[WORLD_SPARE].pages * WORLD_PAGE;
    if (spare->file == wish.file && spare->offset == wish.offset && spare->length == wish.length)
        return;
    for (size_t page = 0; page < WORLD_PAGES; page++) {
        old->left_some |= old->pending[page] != 0;
        old->orphaned[page] |= (old->by_default[page] & 1u << WORLD_SPARE) != 0;
        old->by_default[page] &= ~(1u << WORLD_SPARE);
    }
    FUZZ_CHECK(mmap((void *)wish.start, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                    -1, 0) == (void *)wish.start);
    *spare = wish;
    if (pages > 0)
        map_view(spare);
}

void world_check_bytes(void) {
    for (size_t i = 0; i < WORLD_VIEWS; i++) {
        const struct world_view *view = &world.views[i];
        if (view->file < 0)
            continue;
        const struct world_file *file = &world.files[view->file];
        size_t there = file->length > view->offset ? file->length - view->offset : 0;
        there = there < view->length ? there : view->length;
        FUZZ_CHECK(memcmp((const void *)view->start, file->bytes + view->offset, there) == 0);
    }
}

void world_tell(const char *format, ...) {
    static int wanted = -1;
    if (wanted < 0)
        wanted = getenv("FUZZ_TRACE") != NULL;
    if (wanted == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void world_check_untouched(void) {
    for (size_t i = 0; i < WORLD_FILES; i++) {
        const struct world_file *file = &world.files[i];
        FUZZ_CHECK(file->first == STATUS_SUCCESS);
        for (size_t u = 0; u < WORLD_UNITS; u++)
            FUZZ_CHECK(file->written[u] < world.call);
        for (size_t p = 0; p < WORLD_PAGES; p++)
            FUZZ_CHECK(file->synced[p] < world.call && file->touched[p] < world.call);
    }
}

/* What an errno of msync means to a caller. */
static NTSTATUS status_of(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return STATUS_DISK_FULL;
    case EBUSY:
        return STATUS_DEVICE_BUSY;
    case ENOMEM:
        return world.hole ? STATUS_INVALID_PARAMETER : STATUS_INSUFFICIENT_RESOURCES;
    default:
        return STATUS_IO_DEVICE_ERROR;
    }
}

static int fail(struct world_file *file, int error) {
    errno = error;
    if (error == EINTR)
        return -1;
    NTSTATUS status = status_of(error);
    if (file->first == STATUS_SUCCESS)
        file->first = status;
    if (file->failure == STATUS_SUCCESS &&
        (status == STATUS_IO_DEVICE_ERROR || status == STATUS_DISK_FULL))
        file->failure = status;
    return -1;
}

/* The whole range has to lie in views of one file: nobody else's pages are waited for. */
static int watched_msync(void *address, size_t size, int flags) {
    uintptr_t start = (uintptr_t)address;
    size_t offset;
    struct world_file *file = world_locate(start, &offset);
    FUZZ_CHECK(file != NULL && size > 0 && start % WORLD_PAGE == 0 && size % WORLD_PAGE == 0);
    for (size_t at = 0; at < size; at += WORLD_PAGE)
        FUZZ_CHECK(world_locate(start + at, &offset) == file);
    FUZZ_CHECK(flags == MS_SYNC || flags == MS_ASYNC);
    if (flags == MS_ASYNC) {
        errno = ENOMEM;
        return world.hole ? -1 : 0;
    }
    world_tell("  msync of file %d, page %zu, %zu bytes\n", (int)(file - world.files),
               (start - world.area) / WORLD_PAGE, size);
    if (world.error_count > 0) {
        int error = world.errors[--world.error_count];
        world_tell("  gives errno %d\n", error);
        if (error != 0)
            return fail(file, error);
    }
    FUZZ_CHECK(msync(address, size, flags) == 0);
    world.now++;
    for (size_t at = 0; at < size; at += WORLD_PAGE) {
        world_locate(start + at, &offset);
        file->synced[offset / WORLD_PAGE] = world.now;
        file->syncs[offset / WORLD_PAGE]++;
    }
    return 0;
}

/* pre: the range begins and ends at a unit */
static void note_written(uintptr_t start, size_t length) {
    size_t offset = 0, step;
    world.now++;
    for (size_t at = 0; at < length; at += step) {
        struct world_file *file = world_locate(start + at, &offset);
        FUZZ_CHECK(file != NULL);
        step = WORLD_PAGE - offset % WORLD_PAGE;
        step = step < length - at ? step : length - at;
        for (size_t i = 0; i < step; i += WORLD_UNIT)
            file->written[(offset + i) / WORLD_UNIT] = world.now;
    }
}

/* The real functions behind the linker's names, and those in their place. */
uint32_t __real_isa_features(void);
uint32_t __wrap_isa_features(void);
void __real_isa_fence(void);
void __wrap_isa_fence(void);
enum fault __real_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line_size);
enum fault __wrap_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line_size);
enum fault __real_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address);

uint32_t __wrap_isa_features(void) {
    return __real_isa_features() & feature_mask;
}

void __wrap_isa_fence(void) {
    __real_isa_fence();
    world.fence = ++world.now;
}

struct isa_choice __real_isa_choose(uint32_t features, uint32_t line_size,
                                    const char *flush_setting, const char *stores_setting);
struct isa_choice __wrap_isa_choose(uint32_t features, uint32_t line_size,
                                    const char *flush_setting, const char *stores_setting);

/* Without the short way of a write-back, which has its instructions in it: unit/test_durable.c
   looks at that. */
struct isa_choice __wrap_isa_choose(uint32_t features, uint32_t line_size,
                                    const char *flush_setting, const char *stores_setting) {
    struct isa_choice choice =
        __real_isa_choose(features, line_size, flush_setting, stores_setting);
    choice.lines = choice.past = choice.direct = choice.claims = false;
    return choice;
}

enum fault __wrap_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line_size) {
    FUZZ_CHECK(how != ISA_FLUSH_NONE && line_size == isa_line_size());
    enum fault fault = __real_isa_write_back(how, address, length, line_size);
    uintptr_t first = align_down((uintptr_t)address, line_size);
    uintptr_t end = align_up((uintptr_t)address + length, line_size);
    if (fault == FAULT_NONE && length > 0)
        note_written(first, end - first);
    return fault;
}

enum fault __wrap_isa_touch(void *address) {
    size_t offset;
    struct world_file *file = world_locate((uintptr_t)address, &offset);
    FUZZ_CHECK(file != NULL);
    enum fault fault = __real_isa_touch(address);
    if (fault == FAULT_NONE)
        file->touched[offset / WORLD_PAGE] = ++world.now;
    return fault;
}
