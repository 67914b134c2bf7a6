/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/copy.h"

/* One call's worth: long enough to cost nothing, short enough that Ctrl-C is heard at once. */
enum { PIECE = 8 << 20, BUFFER = 1 << 20 };

/* Reads and writes a piece of at most BUFFER bytes; 0 at the end of the source, -1 with errno. */
static ssize_t copy_by_hand(const struct copy_transfer *transfer, off_t offset, size_t length) {
    static char buffer[BUFFER];
    ssize_t have = pread(transfer->from, buffer, length < BUFFER ? length : BUFFER, offset);
    for (ssize_t written = 0; written < have;) {
        ssize_t n =
            pwrite(transfer->to, buffer + written, (size_t)(have - written), offset + written);
        if (n < 0 && errno != EINTR)
            return -1;
        written += n > 0 ? n : 0;
    }
    return have;
}

/* Lets the kernel copy, which may share blocks or copy on the server. What it refuses, and the
   files that have no size of their own (it sees them as empty), are copied by hand: there a real
   error shows again. */
static ssize_t copy_piece(const struct copy_transfer *transfer, off_t offset, size_t length) {
    off_t in = offset, out = offset;
    ssize_t n = copy_file_range(transfer->from, &in, transfer->to, &out, length, 0);
    return n > 0 ? n : copy_by_hand(transfer, offset, length);
}

/* Copies [offset, end), or up to the end of the source. Returns where it stopped, -1 with errno. */
static off_t copy_run(const struct copy_transfer *transfer, off_t offset, off_t end) {
    while (offset < end) {
        size_t length = end - offset < PIECE ? (size_t)(end - offset) : PIECE;
        ssize_t n = copy_piece(transfer, offset, length);
        if (*transfer->stop != 0) {
            errno = EINTR;
            return -1;
        }
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        if (n > 0) {
            /* A hint: if it fails, fsync does the work and tells the error. */
            (void)sync_file_range(transfer->to, offset, n, SYNC_FILE_RANGE_WRITE);
            offset += n;
            cli_progress_show(transfer->progress, (uint64_t)offset);
        }
    }
    return offset;
}

/* The next run of data in [offset, size): its start, and its end in *end. Without an answer from
   the filesystem everything is data. */
static off_t next_data(int file, off_t offset, off_t size, off_t *end) {
    off_t data = lseek(file, offset, SEEK_DATA);
    if (data < 0)
        data = errno == ENXIO ? size : offset;
    off_t hole = lseek(file, data, SEEK_HOLE);
    *end = hole < 0 || hole > size ? size : hole;
    return data < size ? data : size;
}

/* A source that ended early: one that says more than it has, as in /sys, or one that shrank. */
static const char *check_shortened(const struct copy_transfer *transfer) {
    struct stat now;
    if (fstat(transfer->from, &now) != 0)
        return strerror(errno);
    return (uint64_t)now.st_size == transfer->size ? NULL : "it was truncated during the copy";
}

const char *copy_transfer_run(const struct copy_transfer *transfer) {
    off_t size = (off_t)transfer->size, offset = 0;
    /* Files in /proc say that they are empty. */
    if (size == 0)
        return copy_run(transfer, 0, INT64_MAX) < 0 ? strerror(errno) : NULL;
    while (offset < size) {
        off_t end, data = next_data(transfer->from, offset, size, &end);
        offset = copy_run(transfer, data, end);
        if (offset < 0)
            return strerror(errno);
        if (offset < end) {
            const char *problem = check_shortened(transfer);
            if (problem != NULL)
                return problem;
            size = offset;
        }
    }
    return ftruncate(transfer->to, size) == 0 ? NULL : strerror(errno);
}
