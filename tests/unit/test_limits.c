/* SPDX-License-Identifier: BSD-2-Clause */
/* Which row of store/limits.def counts. The linker puts the function below in the place of the one
   that tells the CPU; a process asks the table once, so that each CPU has one of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "store/store.h"
#include "unit/child.h"

static const struct {
    uint32_t cpu;
    enum isa_vector vector;
    bool whole;
    size_t copy, fill, behind;
} rows[] = {
#define LIMIT(cpu, vector, whole, copy, fill, behind) {cpu, vector, whole, copy, fill, behind},
#include "store/limits.def"
#undef LIMIT
};

#define UNKNOWN_CPU UINT32_C(0x7fff0)

static uint32_t cpu, rows_of;

uint32_t __wrap_isa_cpu(void);
uint32_t __wrap_isa_cpu(void) {
    return cpu;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* As if this were cpu: its rows are those of rows_of. */
static void child_rows(void) {
    unsigned found[ISA_VECTOR_512 + 1][2] = {{0}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].cpu != rows_of)
            continue;
        bool whole = rows[i].whole;
        const struct isa_choice choice = {.stream = true, .vector = rows[i].vector};
        store_learn(&choice);
        CHILD_NEED(store_streams_from(true, whole) == rows[i].copy);
        CHILD_NEED(store_streams_from(false, whole) == rows[i].fill);
        CHILD_NEED(!whole || store_lags_from() == rows[i].behind);
        for (size_t copies = 0; copies < 2; copies++) {
            size_t streams = copies ? rows[i].copy : rows[i].fill;
            size_t few = least(store_lags_from(), STORE_LINES_FROM);
            CHILD_NEED(store_limits.few[false][copies][whole] == few);
            CHILD_NEED(store_limits.few[true][copies][whole] == least(few, streams));
        }
        found[rows[i].vector][whole]++;
    }
    for (size_t vector = ISA_VECTOR_128; vector <= ISA_VECTOR_512; vector++) {
        bool has = vector != ISA_VECTOR_512 || found[vector][false] + found[vector][true] != 0;
        CHILD_NEED(found[vector][false] == has && found[vector][true] == has);
    }
}

static void test_each_cpu_has_its_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cpu = rows[i].cpu == 0 ? UNKNOWN_CPU : rows[i].cpu;
        rows_of = rows[i].cpu;
        check_child(child_rows, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_cpu_has_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
