/* SPDX-License-Identifier: BSD-2-Clause */
/* The program of the guest, linked statically with libnvrtl.a.

     guest survey FOLDER LIST...  maps what the lists name, says what each is, and exercises it;
                                  copies what /proc told about the views into the folder
     guest keep NONCE LIST        makes records durable, says so, and waits to be killed
     guest check NONCE LIST       says how many of an earlier machine's records are missing

   A line of a list is NAME HOW PATH. Answers are lines with tabs between their words. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VIEWS_MAX 32

/* A device tells no size; one page of its own size is enough. */
#define DEVICE_VIEW ((size_t)0x200000)

static struct view views[VIEWS_MAX];
static unsigned view_count;

static _Noreturn void die(const char *what, const char *about) {
    fprintf(stderr, "guest: %s %s: %s\n", what, about, strerror(errno));
    exit(2);
}

static void read_list(const char *path) {
    FILE *list = fopen(path, "r");
    if (list == NULL)
        die("cannot open", path);
    for (unsigned number = 0; view_count < VIEWS_MAX; number++) {
        struct view *view = &views[view_count];
        if (fscanf(list, "%31s %15s %127s", view->name, view->how, view->path) != 3)
            break;
        view->number = number;
        view_count++;
    }
    fclose(list);
}

static unsigned char *map(const struct view *view, int flags) {
    int descriptor = open(view->path, O_RDWR);
    if (descriptor < 0)
        die("cannot open", view->path);
    void *base = mmap(NULL, view->size, PROT_READ | PROT_WRITE, flags, descriptor, 0);
    int error = errno;
    close(descriptor);
    errno = error;
    return base == MAP_FAILED ? NULL : base;
}

static void find_size(struct view *view) {
    struct stat status;
    if (stat(view->path, &status) != 0)
        die("cannot find", view->path);
    view->size = S_ISREG(status.st_mode) ? (size_t)status.st_size : DEVICE_VIEW;
    if (view->size < VIEW_SIZE_MIN)
        die("too small:", view->path);
}

/* Maps it and makes its token. false: that was refused, and said. */
static bool open_view(struct view *view) {
    find_size(view);
    NTSTATUS status;
    if (strcmp(view->how, "mapfile") == 0) {
        status = NvRtlMapFile(view->path, 0, 0, 0, 0, &view->mapping);
        view->base = view->mapping.base;
        view->token = view->mapping.token;
    } else {
        bool sync = strcmp(view->how, "sync") == 0;
        view->base = map(view, sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED);
        if (view->base == NULL) {
            printf("refused\t%s\t%s\n", view->name, strerrorname_np(errno));
            return false;
        }
        status = RtlGetNonVolatileToken(view->base, view->size, &view->token);
    }
    if (status != STATUS_SUCCESS) {
        printf("refused\t%s\t%s\n", view->name, NvRtlStatusText(status));
        return false;
    }
    view->other = map(view, MAP_SHARED);
    if (view->other == NULL)
        die("cannot map again", view->path);
    return true;
}

static const char *domain_name(uint32_t domain) {
    static const char *const names[] = {
        [NVRTL_DOMAIN_VOLATILE] = "volatile",
        [NVRTL_DOMAIN_PAGE_CACHE] = "page-cache",
        [NVRTL_DOMAIN_MEMORY] = "memory",
        [NVRTL_DOMAIN_CPU_CACHE] = "cpu-cache",
    };
    return domain <= NVRTL_DOMAIN_CPU_CACHE ? names[domain] : "?";
}

static const char *flush_name(uint32_t flush) {
    switch (flush) {
    case NVRTL_FLUSH_NONE:
        return "none";
    case NVRTL_FLUSH_CLFLUSH:
        return "clflush";
    case NVRTL_FLUSH_CLFLUSHOPT:
        return "clflushopt";
    case NVRTL_FLUSH_CLWB:
        return "clwb";
    case NVRTL_FLUSH_MSYNC:
        return "msync";
    default:
        return "?";
    }
}

static void tell(const struct view *view) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    NTSTATUS status = NvRtlQueryToken(view->token, &info);
    bool whole = info.base == view->base && info.length <= view->size;
    if (strcmp(view->how, "mapfile") == 0)
        whole = info.base == view->base && info.length == view->mapping.size &&
                view->mapping.domain == info.domain;
    printf("view\t%s\tstatus=%s\tdomain=%s\tflush=%s\tline=%u\tatomic=%u\tflags=%#x\tregion=%s"
           "\tpath=%s\taddress=%lx\treason=%s\n",
           view->name, NvRtlStatusText(status), domain_name(info.domain), flush_name(info.flush),
           info.lineSize, info.atomicSize, info.flags, whole ? "right" : "wrong", info.path,
           (unsigned long)(uintptr_t)view->base, info.reason);
}

static bool end_view(struct view *view) {
    munmap((void *)view->other, view->size);
    if (strcmp(view->how, "mapfile") == 0)
        return NvRtlUnmapFile(&view->mapping) == STATUS_SUCCESS;
    bool freed = RtlFreeNonVolatileToken(view->token) == STATUS_SUCCESS;
    return munmap(view->base, view->size) == 0 && freed;
}

static void copy_file(const char *from, const char *folder, const char *name) {
    char path[256], buffer[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(from, "r"), *out = fopen(path, "w");
    if (in == NULL || out == NULL)
        die("cannot copy", from);
    for (size_t size; (size = fread(buffer, 1, sizeof buffer, in)) > 0;)
        fwrite(buffer, 1, size, out);
    fclose(in);
    fclose(out);
}

static void survey(const char *folder) {
    for (unsigned i = 0; i < view_count; i++) {
        if (open_view(&views[i]))
            tell(&views[i]);
    }
    copy_file("/proc/self/maps", folder, "maps");
    copy_file("/proc/self/smaps", folder, "smaps");
    copy_file("/proc/self/mountinfo", folder, "mountinfo");
    for (unsigned i = 0; i < view_count; i++) {
        struct view *view = &views[i];
        if (view->token == NULL)
            continue;
        const char *bad = strcmp(view->how, "ask") != 0 ? exercise(view) : NULL;
        if (!end_view(view) && bad == NULL)
            bad = "its end";
        printf("exercise\t%s\t%s\n", view->name, bad != NULL ? bad : "passed");
    }
}

static void keep(const char *nonce) {
    for (unsigned i = 0; i < view_count; i++) {
        if (!open_view(&views[i]))
            continue;
        const char *bad = keep_records(&views[i], nonce);
        printf("kept\t%s\t%s\n", views[i].name, bad != NULL ? bad : "passed");
    }
    printf("kill\n");
    for (;;)
        pause();
}

static void check(const char *nonce) {
    for (unsigned i = 0; i < view_count; i++) {
        if (open_view(&views[i]))
            printf("missing\t%s\t%u\n", views[i].name, count_missing(&views[i], nonce));
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(const char *);
    } commands[] = {{"survey", survey}, {"keep", keep}, {"check", check}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 3; i < argc; i++)
        read_list(argv[i]);
    for (size_t i = 0; argc > 3 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            commands[i].run(argv[2]);
            return 0;
        }
    }
    fprintf(stderr, "usage: guest survey FOLDER LIST... | keep NONCE LIST | check NONCE LIST\n");
    return 2;
}
