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
    bool aligned;
    size_t copy, fill, behind;
} rows[] = {
#define LIMIT(cpu, vector, aligned, copy, fill, behind) {cpu, vector, aligned, copy, fill, behind},
#include "store/limits.def"
#undef LIMIT
};

#define UNKNOWN_CPU UINT32_C(0x7fff0)

static uint32_t cpu, rows_of;

uint32_t __wrap_isa_cpu(void);
uint32_t __wrap_isa_cpu(void) {
    return cpu;
}

/* As if this were cpu: its rows are those of rows_of. */
static void child_rows(void) {
    size_t found = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].cpu != rows_of)
            continue;
        uintptr_t place = rows[i].aligned ? 4096 : 4096 + 1;
        CHILD_NEED(store_streams_from(true, rows[i].vector, place) == rows[i].copy);
        CHILD_NEED(store_streams_from(false, rows[i].vector, place) == rows[i].fill);
        CHILD_NEED(!rows[i].aligned || store_lags_from(rows[i].vector) == rows[i].behind);
        found++;
    }
    CHILD_NEED(found == 6); /* of three vectors, aligned or not */
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
