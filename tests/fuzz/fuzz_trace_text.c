/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace in its text form, or what is none. */
#include "trace_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    FILE *stream = fmemopen((void *)(uintptr_t)data, size, "r");
    FUZZ_CHECK(stream != NULL);
    form_check(trace_read(stream));
    fclose(stream);
    return 0;
}
