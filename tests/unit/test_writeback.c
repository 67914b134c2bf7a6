/* SPDX-License-Identifier: BSD-2-Clause */
/* code/: instructions of a program's own are found by their bytes, and others are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>

#include "base/bits.h"
#include "code/writeback.h"

struct sample {
    const char *name; /* NULL: none of them */
    const char *bytes;
    size_t size;
    bool stream; /* counts only where streams do */
};
#define SAMPLE(name, bytes, stream)                                                                \
    { name, bytes, sizeof(bytes) - 1, stream }

/* As GNU as 2.40 writes them. */
static const struct sample samples[] = {
    SAMPLE("clflush", "\x0f\xae\x38", false),                          /* (%rax) */
    SAMPLE("clflush", "\x41\x0f\xae\x7d\x40", false),                  /* 0x40(%r13) */
    SAMPLE("clflushopt", "\x66\x0f\xae\x38", false),                   /* (%rax) */
    SAMPLE("clflushopt", "\x66\x41\x0f\xae\x3c\x24", false),           /* (%r12) */
    SAMPLE("clwb", "\x66\x0f\xae\x30", false),                         /* (%rax) */
    SAMPLE("clwb", "\x66\x42\x0f\xae\xb4\x07\x00\x01\x00\x00", false), /* 0x100(%rdi,%r8) */
    SAMPLE("movntdq", "\x66\x0f\xe7\x07", true),                       /* %xmm0,(%rdi) */
    SAMPLE("movntdq", "\xc5\xfd\xe7\x07", true),                       /* %ymm0,(%rdi) */
    SAMPLE("movntdq", "\xc4\xc1\x7d\xe7\x00", true),                   /* %ymm0,(%r8) */
    SAMPLE("movntdq", "\x62\xf1\x7d\x48\xe7\x07", true),               /* %zmm0,(%rdi) */
    SAMPLE("movntdq", "\xc4\x41\x79\xe7\x03", true),                   /* %xmm8,(%r11) */
    SAMPLE("movntdq", "\x62\x61\x7d\x08\xe7\x47\x04", true),           /* %xmm24,0x40(%rdi) */
    SAMPLE("movntpd", "\xc5\xfc\x2b\x07", true),                       /* %ymm0,(%rdi), movntps */
    SAMPLE("movntpd", "\x62\xf1\xfd\x48\x2b\x07", true),               /* %zmm0,(%rdi) */
    SAMPLE(NULL, "\x49\x01\xc4\x4c\x89\xe7\x48", true),  /* add %rax,%r12; mov %r12,%rdi; 48 */
    SAMPLE(NULL, "\x89\xc5\xc1\xe7\x03", true),          /* mov %eax,%ebp; shl $3,%edi */
    SAMPLE(NULL, "\x39\xc5\x75\xe7\x48", true),          /* cmp %eax,%ebp; jne; 48 */
    SAMPLE(NULL, "\x89\xc5\x7c\x2b\x48", true),          /* mov %eax,%ebp; jl; 48 */
    SAMPLE(NULL, "\x62\xf1\x7d\x49\xe7\x07", true),      /* a mask, which movntdq has not */
    SAMPLE("movnti", "\x48\x0f\xc3\x07", true),          /* %rax,(%rdi) */
    SAMPLE("movntpd", "\x66\x0f\x2b\x07", true),         /* %xmm0,(%rdi) */
    SAMPLE("movdiri", "\x48\x0f\x38\xf9\x07", true),     /* %rax,(%rdi) */
    SAMPLE("movdir64b", "\x66\x0f\x38\xf8\x3e", true),   /* (%rsi),%rdi */
    SAMPLE(NULL, "\x0f\xae\xf8", false),                 /* sfence */
    SAMPLE(NULL, "\x0f\xae\xf0", false),                 /* mfence */
    SAMPLE(NULL, "\x66\x0f\xae\xf0", false),             /* tpause %eax */
    SAMPLE(NULL, "\x0f\xae\x37", false),                 /* xsaveopt (%rdi) */
    SAMPLE(NULL, "\x48\x0f\xae\x37", false),             /* xsaveopt64 (%rdi) */
    SAMPLE(NULL, "\x0f\xae\x27", false),                 /* xsave (%rdi) */
    SAMPLE(NULL, "\x0f\xae\x3a\xf0\x45\x01\x0a", false), /* clflush (%rdx); lock add %r9d,(%rdx) */
    SAMPLE("clflush", "\x0f\xae\x3a\xf0\x45\x01\x0b", false), /* the same of (%r11) */
    SAMPLE(NULL, "\x83\xe0\x0f\xc3\x0f\x1f\x00", true),       /* and $15,%eax; ret; nopl (%rax) */
    SAMPLE(NULL, "\x0f\xe7\x07", true),                       /* movntq: no store of 16 bytes */
    SAMPLE(NULL, "\x0f\xae", false),                          /* cut off */
    SAMPLE(NULL, "\x66\x0f\xae", false),
};

/* Finds it, or not, in a buffer of just its size, so that a sanitizer sees what is read beside. */
static bool find(const struct sample *sample, bool streams, struct writeback *found) {
    uint8_t *code = test_malloc(sample->size);
    memcpy(code, sample->bytes, sample->size);
    bool any = writeback_find(code, sample->size, EM_X86_64, streams, 0, found);
    test_free(code);
    return any;
}

static void names_each(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct writeback found;
        for (unsigned streams = 0; streams < 2; streams++) {
            bool counts = samples[i].name != NULL && (streams || !samples[i].stream);
            assert_int_equal(find(&samples[i], streams, &found), counts);
            if (counts)
                assert_string_equal(found.name, samples[i].name);
        }
    }
}

static void goes_on_behind_the_last(void **state) {
    static const uint8_t code[] = {0x90, 0x0f, 0xae, 0x38, 0x90, 0x66, 0x0f, 0xae, 0x30};
    struct writeback found;
    (void)state;
    assert_true(writeback_find(code, sizeof code, EM_X86_64, false, 0, &found));
    assert_int_equal(found.at, 2);
    assert_true(writeback_find(code, sizeof code, EM_X86_64, false, found.at + 1, &found));
    assert_string_equal(found.name, "clwb");
    assert_false(writeback_find(code, sizeof code, EM_X86_64, false, found.at + 1, &found));
    assert_false(writeback_find(code, sizeof code, EM_RISCV, true, 0, &found));
}

static void knows_another_cpu(void **state) {
    static const uint8_t code[] = {0x1f, 0x20, 0x03, 0xd5,  /* nop */
                                   0x20, 0x7b, 0x0b, 0xd5,  /* dc cvau, x0: for instructions */
                                   0x41, 0x7c, 0x0b, 0xd5,  /* no such one */
                                   0x23, 0x7c, 0x0b, 0xd5}; /* dc cvap, x3 */
    struct writeback found;
    (void)state;
    assert_true(writeback_find(code, sizeof code, EM_AARCH64, false, 0, &found));
    assert_int_equal(found.at, 12);
    assert_string_equal(found.name, "dc cvap");
    assert_false(writeback_find(code, sizeof code - 1, EM_AARCH64, false, 0, &found));
}

static void finds_fences(void **state) {
    static const uint8_t code[] = {0x66, 0x0f, 0xae, 0xf0, /* tpause %eax */
                                   0x0f, 0xae, 0xe8,       /* lfence */
                                   0x0f, 0xae, 0xf8, 0x0f, 0xae, 0xf0, 0x0f, 0xae};
    static const uint8_t arm[] = {0xbf, 0x3b, 0x03, 0xd5,  /* dmb ish */
                                  0x9f, 0x3a, 0x03, 0xd5}; /* dsb ishst */
    struct writeback found;
    (void)state;
    assert_true(writeback_find_fence(code, sizeof code, EM_X86_64, 0, &found));
    assert_string_equal(found.name, "sfence");
    assert_int_equal(found.at, 8); /* as of flushes, behind the 0f */
    assert_true(writeback_find_fence(code, sizeof code, EM_X86_64, found.at + 1, &found));
    assert_string_equal(found.name, "mfence");
    assert_false(writeback_find_fence(code, sizeof code, EM_X86_64, found.at + 1, &found));
    assert_true(writeback_find_fence(arm, sizeof arm, EM_AARCH64, 0, &found));
    assert_string_equal(found.name, "dsb");
    assert_int_equal(found.at, 4);
    assert_false(writeback_find_fence(code, sizeof code, EM_RISCV, 0, &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each),
        cmocka_unit_test(goes_on_behind_the_last),
        cmocka_unit_test(knows_another_cpu),
        cmocka_unit_test(finds_fences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
