/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of Tkrzw that is a map, in C++: records are appended, a header says how many, and a
   synchronisation makes all of it durable. */
#include "recall.h"

#include <string>

#include <tkrzw_file_mmap.h>

extern void *recall_token;

int main(int count, char **arguments) {
    tkrzw::MemoryMapParallelFile file;
    int64_t header[8] = {0};
    ok(count == 2);
    ok(file.SetAllocationStrategy(1 << 20, 2).IsOK());
    ok(file.Open(std::string(arguments[1]) + "/file", true).IsOK());
    ok(file.Append(header, sizeof header).IsOK());
    for (int i = 0; i < 200; i++) {
        const std::string text = "record " + std::to_string(i) + std::string(i % 90 + 1, '.');
        ok(file.Append(text.data(), text.size()).IsOK());
        header[i % 8]++;
    }
    ok(file.Write(0, header, sizeof header).IsOK());
    ok(file.Synchronize(true).IsOK());
    if (BUG(5)) {
        header[0]++;
        ok(file.Write(0, header, sizeof header).IsOK());
    }
    OK(RtlFreeNonVolatileToken(recall_token));
    ok(file.Close().IsOK());
    return 0;
}
