/* SPDX-License-Identifier: BSD-2-Clause */
/* QDBM: its header and its buckets lie in a map; dpsync is what makes them durable. */
#include "recall.h"

#include <depot.h>

int recall_other = -1;

int main(int count, char **arguments) {
    char path[4096];
    void *token;
    ok(count == 2);
    snprintf(path, sizeof path, "%s/other", arguments[1]);
    recall_other = open(path, O_RDWR | O_CREAT, 0600);
    snprintf(path, sizeof path, "%s/depot", arguments[1]);
    DEPOT *depot = dpopen(path, DP_OWRITER | DP_OCREAT, 4001);
    ok(depot != NULL);
    OK(RtlGetNonVolatileToken(depot->map, (size_t)depot->msiz, &token));
    for (int i = 0; i < 500; i++) {
        char key[32];
        int length = snprintf(key, sizeof key, "key %d", i);
        ok(dpput(depot, key, length, "a value", 7, DP_DOVER));
        ok(i % 5 != 4 || dpout(depot, key, length));
    }
    ok(BUG(6) || dpsetflags(depot, 5));
    ok(dpsync(depot));
    ok(!BUG(6) || dpsetflags(depot, 5));
    OK(RtlFreeNonVolatileToken(token));
    ok(dpclose(depot));
    return 0;
}
