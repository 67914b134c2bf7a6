/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU offers for persistence: write a line back, wait, store past the cache. One file per
   architecture implements it; features.def names what each can do and where that is documented. */
#ifndef ISA_ISA_H
#define ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "os/guard.h"

/* One bit a feature, from features.def. */
enum isa_feature {
#define FEATURE(name, bit, text, source) ISA_##name = 1u << (bit),
#include "isa/features.def"
#undef FEATURE
};

/* How a line is written back; values are the public NVRTL_FLUSH_... */
enum isa_flush {
    ISA_FLUSH_NONE = 0,
    ISA_FLUSH_CLFLUSH = 1,
    ISA_FLUSH_CLFLUSHOPT = 2,
    ISA_FLUSH_CLWB = 3
};

/* How wide the vectors are in which whole lines are stored. */
enum isa_vector { ISA_VECTOR_128, ISA_VECTOR_256, ISA_VECTOR_512 };

/* What becomes of a whole line that is stored. */
enum isa_lines {
    ISA_LINES_CACHED,        /* stays in the cache */
    ISA_LINES_CACHED_BACK,   /* is written back (clwb) as soon as it is stored */
    ISA_LINES_CACHED_BEHIND, /* is claimed some lines before it is stored, and written back some
                                lines behind */
    ISA_LINES_STREAM_BACK,   /* streams past the cache; written back once it has left the CPU's
                                buffers, for those that were cached */
    ISA_LINES_STREAM         /* streams past the cache, and no more */
};

/* The choices made once from the features and the environment, kept by each token. */
struct isa_choice {
    enum isa_flush flush; /* ISA_FLUSH_NONE: this CPU cannot write back lines at all */
    bool stream;          /* non-temporal stores exist and are not turned off */
    bool lines;           /* lines have 64 bytes and are written back by clwb: the kernels that
                             store whole lines can write them back too */
    bool past;            /* lines, and streaming stores are durable at the next fence */
    bool direct;          /* lines, and direct stores exist, are not turned off, and nothing better
                             exists */
    bool claims;          /* a line is to be claimed (prefetchw) before it is stored and written
                             back */
    enum isa_vector vector;
    uint32_t line_size; /* bytes, a power of two */
};

/* Features of this CPU (and of the operating system's register saving, XCR0). Reads CPUID once. */
uint32_t isa_features(void);

/* Which CPU this is: family and model, as CPUID leaf 1 has them in eax, without the stepping; 0
   where there is no such thing. */
uint32_t isa_cpu(void);

/* The cache line size of this CPU in bytes. */
uint32_t isa_line_size(void);

/* Does the vendor of this CPU document that a streaming store, cached or not, is durable at its
   thread's next fence? Others may change a cached line where it is. */
bool isa_streams_are_durable(void);

/* The choice for a set of features. flush_setting (clwb, clflushopt, clflush or NULL) may name a
   weaker instruction than the best one; stores_setting "cached" turns off streaming and direct
   stores. A setting that the features do not allow is as if it were not given. Pure. */
struct isa_choice isa_choose(uint32_t features, uint32_t line_size, const char *flush_setting,
                             const char *stores_setting);

/* Waits until earlier write-backs, streaming and direct stores of this thread have reached the
   persistence domain, and makes its earlier stores visible. */
void isa_fence(void);

/*
 * Kernels: what touches the caller's memory. Where ISA_KERNELS is 1 they are assembly between
 * isa_kernels_begin and isa_kernels_end, and a handler of SIGBUS that finds the program counter
 * there can set it to isa_kernels_pad, with an enum fault in the register of the result: the kernel
 * then returns that, what it did before the fault being done. Elsewhere they cannot be left.
 */
#if defined(__x86_64__)
#define ISA_KERNELS 1
#else
#define ISA_KERNELS 0
#endif
extern const char isa_kernels_begin[], isa_kernels_end[], isa_kernels_pad[];

/* All code that may be left at a SIGBUS: the kernels, and the instructions of isa/quick.h. */
struct os_guarded isa_guarded(void);

/* Starts the write-back of every line of [address, address + length). Ordered by isa_fence only.
   pre: how is one that this CPU has; line_size is its line size */
enum fault isa_write_back(enum isa_flush how, const void *address, size_t length,
                          uint32_t line_size);

/* Copies from the first byte on, or from the last byte back, and fills with a byte that pattern
   holds eight times. Each aligned 8-byte block is one store. pre: ISA_KERNELS */
enum fault isa_copy_up(void *destination, const void *source, size_t length);
enum fault isa_copy_down(void *destination, const void *source, size_t length);
enum fault isa_fill(void *destination, uint64_t pattern, size_t length);

/* isa_copy_up and isa_fill, and behind them the write-back of the lines. pre: ISA_KERNELS; the CPU
   has clwb, and lines of 64 bytes; length > 0 */
enum fault isa_copy_back(void *destination, const void *source, size_t length);
enum fault isa_fill_back(void *destination, uint64_t pattern, size_t length);

/* The same by direct stores: what is cached of a line is written back and evicted first (SDM vol.
   2, MOVDIRI and MOVDIR64B). An end that is neither a line nor an aligned word goes through the
   cache and is written back. The ranges lie apart. pre: as above; the CPU has both stores; the
   range reaches a line, or is an aligned word */
enum fault isa_copy_direct(void *destination, const void *source, size_t length);
enum fault isa_fill_direct(void *destination, uint64_t pattern, size_t length);

/* Stores count whole lines of 64 bytes, from source or of a pattern that holds one byte eight
   times. Each aligned 8-byte block is one store. A copy goes up: it may overlap where the
   destination lies below the source, and is not to stream. pre: destination is 64-aligned;
   ISA_KERNELS; the CPU has clwb for ..._BACK, and the vectors */
enum fault isa_copy_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          const void *source, size_t count);
enum fault isa_fill_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          uint64_t pattern, size_t count);

/* Makes the page dirty, as a store would, without changing a byte, whoever stores there
   meanwhile. */
enum fault isa_touch(void *address);

/* Streaming stores of count aligned 8-byte words; source needs no alignment and does not overlap.
   Each word is one store. pre: destination is 8-aligned; the CPU has the feature */
enum fault isa_stream_words(uint64_t *destination, const void *source, size_t count);
enum fault isa_stream_fill(uint64_t *destination, uint64_t value, size_t count);

#endif
