/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvrtl.h - memory that outlives a power cut: the seven non-volatile memory routines that Windows
 * documents, on every platform, and a few additions named NvRtl...
 *
 * Read this first
 *
 * - A store makes a value visible. A flush starts its way to the persistence domain. A drain waits
 *   until it is there. Data survives a power cut once a drain returned STATUS_SUCCESS, not
 *   before.
 * - What "durable" can mean depends on the memory. Get asks the system and the token keeps the
 *   answer, one of four domains (NVRTL_DOMAIN_...). In a `volatile` region everything succeeds and
 *   nothing survives a power cut: ask NvRtlQueryToken, or `nvrtl info PATH`, before you rely on it.
 * - Surviving the death of the process is another thing: every shared file view does that.
 * - Keep a view mapped as long as its token lives. The routines write through the addresses that
 *   you pass; a region that is unmapped, or mapped over by something else, is not noticed by all.
 * - What lies behind the end of the file is no part of it and is lost, whatever a flush or a drain
 *   returns: in what the view has of the last page, and where somebody cut the file short after
 *   the store. Make the file as long as its data first, and leave it so.
 * - An error of a flush or drain is never forgotten: the file stays failed (see RtlDrain...).
 *
 * Sources. Each declaration says where its meaning comes from: [doc] the public Windows driver
 * documentation; [sdk] the public Windows SDK headers; [ours] neither says, this project decided.
 *
 * SIGBUS. The first Get puts a handler before the program's own, or before the default. It turns a
 * SIGBUS that a routine meets in its own copying into the status of that call, and hands every
 * other one on exactly as if it were not there. NVRTL_NO_SIGBUS in the environment leaves it out; a
 * handler that the program installs later takes its place, and NvRtlQueryToken says so. In a thread
 * that blocks SIGBUS the system ends the process instead: leave it out of what is blocked. [ours]
 *
 * Threads and signals. Every routine may be called from any thread at any time, even while another
 * thread frees the token: such a call works or returns STATUS_INVALID_PARAMETER. Write, Fill,
 * Flush, FlushRanges, Drain and Read may be called from a signal handler, the others may not. After
 * fork the child's copies of the tokens work. The system tells a failed write-back to one of both;
 * the library tells the others: a file that failed in one process has failed in all that forked
 * from one another, in each until its own NvRtlRetryToken (but not in one that got the descriptor
 * by exec, or sent). No thread may be cancelled asynchronously in a routine, as in nearly all of
 * libc: it would keep its locks. None of the routines prints, exits, aborts or sets errno.
 */
#ifndef NVRTL_H
#define NVRTL_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__LP64__) && !defined(_WIN64)
#error "nvrtl supports 64-bit platforms only"
#endif

/*
 * The Windows names for types. On Windows they come from the system's headers: include ntddk.h or
 * ntifs.h before this one in a driver; else windows.h is included here. Elsewhere they are declared
 * here; a program that has its own (Wine, WinPR) defines NVRTL_NO_WINDOWS_TYPES.
 */
#if defined(_WIN32)
#if !defined(_NTDDK_) && !defined(_NTIFS_) && !defined(_WDM_) && !defined(_WDMDDK_)
#include <windows.h>
#ifndef _NTDEF_
typedef LONG NTSTATUS;
#endif
#endif
#elif !defined(NVRTL_NO_WINDOWS_TYPES)
typedef int32_t NTSTATUS;
typedef uint32_t ULONG;
typedef unsigned char UCHAR;
typedef void *PVOID;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
#endif

#if defined(_WIN32)
#define NVRTL_API
#elif defined(__GNUC__)
#define NVRTL_API __attribute__((visibility("default")))
#else
#define NVRTL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Statuses [sdk]. 0 is success; every failure is negative.
 */
#ifndef STATUS_SUCCESS
#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#endif
#ifndef STATUS_DEVICE_BUSY
#define STATUS_DEVICE_BUSY ((NTSTATUS)0x80000011)
#endif
#ifndef STATUS_INFO_LENGTH_MISMATCH
#define STATUS_INFO_LENGTH_MISMATCH ((NTSTATUS)0xC0000004)
#endif
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#endif
#ifndef STATUS_ACCESS_DENIED
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#endif
#ifndef STATUS_DISK_FULL
#define STATUS_DISK_FULL ((NTSTATUS)0xC000007F)
#endif
#ifndef STATUS_INSUFFICIENT_RESOURCES
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#endif
#ifndef STATUS_DEVICE_DATA_ERROR
#define STATUS_DEVICE_DATA_ERROR ((NTSTATUS)0xC000009C)
#endif
#ifndef STATUS_NOT_SUPPORTED
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#endif
#ifndef STATUS_IO_DEVICE_ERROR
#define STATUS_IO_DEVICE_ERROR ((NTSTATUS)0xC0000185)
#endif

/*
 * The seven routines and their constants. A Windows SDK new enough declares them itself (winnt.h
 * with DWORD results, ntddk.h with NTSTATUS); where it has, its declarations stand.
 */
#ifndef FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN

/* Flush and FlushRanges: start the write-back and return; a later Drain waits. [doc; value: sdk] */
#define FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN 0x00000001

/* In place of a token: the routines find, or make, the token of the addresses given. Value [sdk],
   meaning [ours]: the whole range must lie in one token's region; an address that no token covers
   gets an internal token for the one mapping that holds it, and the call returns what Get would
   have returned if that fails. Drain with it drains every token, and what was flushed with it
   through tokens that were freed since; where a view was unmapped with pages flushed and not
   drained (page-cache), it says STATUS_INVALID_PARAMETER, once. Free and Query refuse it. */
#define FLUSH_NV_MEMORY_DEFAULT_TOKEN ((ULONG_PTR)-1)

/* Write and Fill [sdk; meaning: doc of Fill, details ours]:
   0, NO_DRAIN            store only; nothing is flushed
   FLUSH                  store through the cache, flush, drain: durable on return; right when the
                          destination is warm or will be read soon
   FLUSH | NO_DRAIN       store, flush; a later Drain makes it durable
   NON_TEMPORAL [| NO_DRAIN]  store past the cache; a later Drain makes it durable
   PERSIST [| NO_DRAIN]   durable on return by the cheapest way that is documented as durable on
                          this CPU; right for cold destinations; NO_DRAIN is ignored */
#define WRITE_NV_MEMORY_FLAG_FLUSH 0x00000001
#define WRITE_NV_MEMORY_FLAG_NON_TEMPORAL 0x00000002
#define WRITE_NV_MEMORY_FLAG_PERSIST                                                               \
    (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NON_TEMPORAL)
#define WRITE_NV_MEMORY_FLAG_NO_DRAIN 0x00000100

#define FILL_NV_MEMORY_FLAG_FLUSH 0x00000001
#define FILL_NV_MEMORY_FLAG_NON_TEMPORAL 0x00000002
#define FILL_NV_MEMORY_FLAG_PERSIST (FILL_NV_MEMORY_FLAG_FLUSH | FILL_NV_MEMORY_FLAG_NON_TEMPORAL)
#define FILL_NV_MEMORY_FLAG_NO_DRAIN 0x00000100

/* One range of FlushRanges: Length bytes from BaseAddress. [doc] */
typedef struct _NV_MEMORY_RANGE {
    void *BaseAddress;
    SIZE_T Length;
} NV_MEMORY_RANGE, *PNV_MEMORY_RANGE;

/*
 * RtlGetNonVolatileToken - asks what a region is and makes the token the other routines take. [doc]
 * NvBuffer   first byte of the region, inside one or more adjacent shared views of one file; any
 *            alignment
 * Size       bytes, 1 to 2^47
 * NvToken    receives an opaque handle, never NULL; written on success only. It is not an address.
 *
 * STATUS_SUCCESS                 *NvToken is valid until RtlFreeNonVolatileToken
 * STATUS_ACCESS_DENIED           the view is not writable [doc]
 * STATUS_INFO_LENGTH_MISMATCH    NvBuffer is not a mapped address [doc]
 * STATUS_INVALID_PARAMETER       NvBuffer is mapped but not for all of Size [doc]; a NULL, zero or
 *                                wrapping argument; memory that is no shared view of a file (heap,
 *                                stack, private or anonymous mapping, System V segment); views of
 *                                two files [ours]
 * STATUS_NOT_SUPPORTED           this platform has no way to make that memory durable (mapped
 *                                device registers, for one) [ours]
 * STATUS_INSUFFICIENT_RESOURCES  out of memory or descriptors, /proc cannot be read, or 2^20 tokens
 *                                are alive [ours]
 * Asks the system (reads /proc, may take milliseconds); the token keeps the answers. No descriptor
 * of the file is opened, duplicated or closed: the program's POSIX locks on it stay. [ours]
 */
NVRTL_API NTSTATUS RtlGetNonVolatileToken(PVOID NvBuffer, SIZE_T Size, PVOID *NvToken);

/*
 * RtlFreeNonVolatileToken - ends a token. Neither flushes nor drains. [doc]
 * NvToken    from RtlGetNonVolatileToken
 *
 * STATUS_SUCCESS            the value is invalid from now on, and for the next 2^20 Gets at least
 * STATUS_INVALID_PARAMETER  not a live token (any value is safe to pass, NULL and garbage too)
 *
 * Under the verifier it reports what was stored and not flushed, or flushed and not drained. [doc]
 */
NVRTL_API NTSTATUS RtlFreeNonVolatileToken(PVOID NvToken);

/*
 * RtlWriteNonVolatileMemory - copies bytes into the region. [doc]
 * NvToken        a live token or FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * NvDestination  first byte to write; the whole range lies in the token's region; any alignment
 * Source         first byte to read; may overlap the destination (as memmove) [ours]
 * Size           bytes; 0 stores nothing
 * Flags          WRITE_NV_MEMORY_FLAG_..., the table above
 *
 * STATUS_SUCCESS            done as Flags say
 * STATUS_INVALID_PARAMETER  a bad token, a range that leaves the region or wraps, unknown flags;
 *                           nothing was stored
 * STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL, STATUS_DEVICE_DATA_ERROR
 *                           the system could give no page for a part of the range or of Source: the
 *                           file was truncated, the disk is full, the medium is damaged there.
 *                           Some of the bytes are stored. Not kept: the next call tries anew [ours]
 * and, with any of FLUSH, NON_TEMPORAL and PERSIST, every failure of RtlDrainNonVolatileFlush; the
 * bytes are in.
 *
 * Each aligned 8-byte block inside the destination is stored by a single store: another thread sees
 * the old block or the new one. No byte beside the range is touched. [ours]
 */
NVRTL_API NTSTATUS RtlWriteNonVolatileMemory(PVOID NvToken, void *NvDestination, const void *Source,
                                             SIZE_T Size, ULONG Flags);

/*
 * RtlFillNonVolatileMemory - stores one byte value over a range. [doc]
 * Value      0 to 255. Note the order: Size comes before Value.
 * All else, statuses included, as RtlWriteNonVolatileMemory.
 */
NVRTL_API NTSTATUS RtlFillNonVolatileMemory(PVOID NvToken, void *NvDestination, SIZE_T Size,
                                            UCHAR Value, ULONG Flags);

/*
 * RtlFlushNonVolatileMemory - makes a range durable, or starts to. [doc]
 * NvToken    a live token or FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * NvBuffer   first byte; the whole range lies in the token's region; any alignment
 * Size       bytes; 0 flushes nothing, and still drains without NO_DRAIN [ours]
 * Flags      0 or FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN
 *
 * STATUS_SUCCESS            without NO_DRAIN: what RtlDrainNonVolatileFlush promises, for this
 *                           range and all flushed before; with it: the write-back was started or
 *                           noted
 * STATUS_INVALID_PARAMETER  as for Write; nothing was flushed
 * STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL, STATUS_DEVICE_DATA_ERROR
 *                           there is no page behind a part of the range, as for Write; only
 *                           where lines are written back: page-cache does not look
 * and, without NO_DRAIN, every failure of RtlDrainNonVolatileFlush. On a failed file, that failure
 * with NO_DRAIN too.
 */
NVRTL_API NTSTATUS RtlFlushNonVolatileMemory(PVOID NvToken, PVOID NvBuffer, SIZE_T Size,
                                             ULONG Flags);

/*
 * RtlFlushNonVolatileMemoryRanges - flushes many ranges with one drain at the end. [doc]
 * NvRanges   array of NumRanges ranges; overlaps, any order and zero lengths are legal
 * NumRanges  0 flushes nothing, and still drains without NO_DRAIN
 *
 * Statuses as RtlFlushNonVolatileMemory. Every range is checked before the first is flushed: with
 * STATUS_INVALID_PARAMETER none was. [ours]
 */
NVRTL_API NTSTATUS RtlFlushNonVolatileMemoryRanges(PVOID NvToken, PNV_MEMORY_RANGE NvRanges,
                                                   SIZE_T NumRanges, ULONG Flags);

/*
 * RtlDrainNonVolatileFlush - waits for what was flushed. [doc]
 * NvToken    a live token, or FLUSH_NV_MEMORY_DEFAULT_TOKEN: every token; the first failure is
 *            returned after all were tried
 *
 * STATUS_SUCCESS            everything the calling thread flushed through this token (page-cache:
 *                           everything any thread flushed of this file) is in the persistence
 *                           domain
 * STATUS_INVALID_PARAMETER  not a live token; page-cache: a part of the view to be drained was
 *                           unmapped
 * STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL
 *                           page-cache: the write-back failed. The system may have dropped the
 *                           data, so the file stays failed: every later Flush and Drain of every
 *                           token of it, new ones too, returns this status until NvRtlRetryToken
 *                           has succeeded
 * STATUS_DEVICE_BUSY        page-cache: called from a signal handler that interrupted a drain of
 *                           the same file, or a process forked there; or from one that interrupted
 *                           a Get, a Free, a fork or another file's drain, while another thread
 *                           drains this file, which may be waiting for what was interrupted; or the
 *                           pages are locked; what was flushed stays pending
 * STATUS_INSUFFICIENT_RESOURCES  page-cache: the kernel had no memory; what was flushed stays
 *                                pending
 * STATUS_ACCESS_DENIED      page-cache, after the end of a related process in the middle of a
 *                           drain: all has to be written anew, and a page was made read-only
 *                           (mprotect); what was flushed stays pending
 *
 * page-cache: what was flushed through a token that was freed before a drain is waited for as well,
 * where another token of the file, or a later one, covers it. The system tells a failure once to
 * each open file: a program that calls fsync or msync itself, on the descriptor that the view was
 * made with, must heed their failures itself. [ours]
 */
NVRTL_API NTSTATUS RtlDrainNonVolatileFlush(PVOID NvToken);

#endif /* FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN */

/*
 * Persistence domains, weakest first. [ours]
 */
#define NVRTL_DOMAIN_VOLATILE 0   /* tmpfs, memfd, RAM disks: survives the process, no power cut */
#define NVRTL_DOMAIN_PAGE_CACHE 1 /* an ordinary file: durable by msync */
#define NVRTL_DOMAIN_MEMORY 2    /* persistent memory: durable by cache-line write-back and fence */
#define NVRTL_DOMAIN_CPU_CACHE 3 /* persistent memory whose machine saves the caches: by fence */

/* How a token's flush works. [ours] */
#define NVRTL_FLUSH_NONE 0       /* nothing to do (cpu-cache) */
#define NVRTL_FLUSH_CLFLUSH 1    /* x86: write back and evict, serialised */
#define NVRTL_FLUSH_CLFLUSHOPT 2 /* x86: write back and evict */
#define NVRTL_FLUSH_CLWB 3       /* x86: write back, may keep the line */
#define NVRTL_FLUSH_MSYNC 64     /* page-cache: pages are noted, the drain is msync(2) */

/* NvRtlTokenInfo.flags [ours] */
#define NVRTL_TOKEN_OVERRIDDEN 0x1 /* NVRTL_DOMAIN in the environment chose the domain */
#define NVRTL_TOKEN_FAILED 0x2     /* the file's write-back failed: Flush and Drain return why */
#define NVRTL_TOKEN_VERIFIED 0x4   /* a verifier listens */
#define NVRTL_TOKEN_GUARDED 0x8    /* a SIGBUS inside a routine becomes its status */
#define NVRTL_TOKEN_DEFERS 0x10    /* NVRTL_OPTION_DEFER_FLUSH is set */

/* What NvRtlQueryToken tells. structSize and lineSize, atomicSize, length in bytes. */
typedef struct NvRtlTokenInfo {
    uint32_t structSize; /* set by the caller: sizeof(NvRtlTokenInfo) */
    uint32_t domain;     /* NVRTL_DOMAIN_... */
    uint32_t flush;      /* NVRTL_FLUSH_... */
    uint32_t lineSize;   /* unit of write-back of the CPU */
    uint32_t atomicSize; /* largest aligned store that a power cut never tears */
    uint32_t flags;      /* NVRTL_TOKEN_... */
    void *base;
    size_t length;
    char reason[160]; /* one sentence: why this domain */
    char path[1024];  /* the mapped file as the system names it; truncated when longer */
} NvRtlTokenInfo;

/*
 * NvRtlQueryToken - what a token knows. [ours]
 * token      a live token; not FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * info       with structSize set; at most structSize bytes are written, so that programs built
 *            against a shorter, older structure go on working
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER (token, or info is NULL), STATUS_INFO_LENGTH_MISMATCH
 * (structSize is smaller than the first published structure)
 */
NVRTL_API NTSTATUS NvRtlQueryToken(void *token, NvRtlTokenInfo *info);

/*
 * NvRtlRetryToken - makes good a failed write-back. [ours]
 * token      a live token; not FLUSH_NV_MEMORY_DEFAULT_TOKEN
 *
 * After a failed drain the system may count pages as clean that never reached the medium. This
 * marks every page of the file that is in memory and in the region of a live token as changed,
 * without changing a byte and safe beside concurrent stores, and waits until all are on the medium.
 * STATUS_SUCCESS            the medium equals memory in the regions of all live tokens of the file,
 *                           and the failure is forgotten; in the other domains there is nothing to
 *                           do
 * STATUS_INVALID_PARAMETER  not a live token, or a part of a region was unmapped
 * STATUS_ACCESS_DENIED      a page of a region was made read-only (mprotect); the file stays failed
 * STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL, STATUS_DEVICE_BUSY, STATUS_INSUFFICIENT_RESOURCES
 *                           as RtlDrainNonVolatileFlush; the file stays failed
 *
 * It cannot promise that memory still holds what was stored: a page whose write-back failed may
 * have been evicted and read again from the medium, with the old bytes. Check what you stored, or
 * store it again, before you go on.
 */
NVRTL_API NTSTATUS NvRtlRetryToken(void *token);

#define NVRTL_OPTION_DEFER_FLUSH 1u

/*
 * NvRtlSetTokenOption - changes how a token works. [ours]
 * token      a live token; not FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * option     NVRTL_OPTION_DEFER_FLUSH: value 1, or 0 as after Get. Flushes with NO_DRAIN only
 *            remember their lines, for the calling thread. Each is written back once, with what it
 *            holds then: at that thread's next call that drains, through whatever token, before it
 *            frees the token, or when it has remembered a few dozen. So store again only after the
 *            drain; a thread that ends before has written nothing back; and until a thread has
 *            drained no other one may free the token or unmap the view: its drain then says
 *            STATUS_INVALID_PARAMETER. Nothing changes in page-cache and cpu-cache.
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER (token, option or value), STATUS_DEVICE_BUSY (in a
 * signal handler that interrupted a Get, a Free or a drain)
 */
NVRTL_API NTSTATUS NvRtlSetTokenOption(void *token, uint32_t option, uintptr_t value);

/*
 * NvRtlReadNonVolatileMemory - copies bytes out of the region; what a load would meet as SIGBUS is
 * a status. [ours]
 * token        a live token or FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * destination  first byte to write; may overlap the source
 * source       first byte to read; the whole range lies in the token's region; any alignment
 * size         bytes; 0 reads nothing
 * STATUS_SUCCESS
 * STATUS_INVALID_PARAMETER  a bad token, a range that leaves the region or wraps; nothing copied
 * STATUS_DEVICE_DATA_ERROR  the medium is damaged there
 * STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL
 *                           there is no page behind a part of the range, as for Write; some of the
 *                           bytes may be copied
 */
NVRTL_API NTSTATUS NvRtlReadNonVolatileMemory(void *token, void *destination, const void *source,
                                              size_t size);

/* NvRtlMapFile flags [ours] */
#define NVRTL_MAP_CREATE 0x1    /* make the file, or grow it, as needed */
#define NVRTL_MAP_EXCLUSIVE 0x2 /* with CREATE: fail if the file exists */
#define NVRTL_MAP_SPARSE 0x4    /* do not allocate blocks: a full disk shows as SIGBUS at a store */

/* A file mapped by NvRtlMapFile. domain: NVRTL_DOMAIN_...; flags: as given; size in bytes. */
typedef struct NvRtlMapping {
    void *base;
    size_t size;
    void *token;
    uint32_t domain, flags;
} NvRtlMapping;

/*
 * NvRtlMapFile - opens or makes a file, maps it shared (MAP_SYNC where there is DAX) and makes its
 * token. The file, its length and its directory entry are durable when it returns. [ours]
 * path       of a regular file or DAX device; UTF-8
 * offset     of the first byte to map, in bytes; any alignment
 * size       bytes; 0 = to the end of the file
 * flags      NVRTL_MAP_...
 * mode       permission bits of a new file (the umask applies); unused otherwise
 * out        receives the mapping; written on success only
 * STATUS_SUCCESS
 * STATUS_INVALID_PARAMETER       NULL or wrapping arguments, unknown flags, EXCLUSIVE without
 *                                CREATE; no such file; the range leaves the file and CREATE is not
 *                                given; the file is empty and size is 0; EXCLUSIVE and it exists
 * STATUS_ACCESS_DENIED           the file may not be opened for reading and writing
 * STATUS_DISK_FULL               no room, or over a quota
 * STATUS_INSUFFICIENT_RESOURCES  no memory, descriptors or address space, or no /proc to read
 * STATUS_NOT_SUPPORTED           this kind of file cannot be mapped or made durable
 * STATUS_IO_DEVICE_ERROR         the system reported an I/O error
 *
 * Holds one descriptor of the file until NvRtlUnmapFile. As with any close of a file, that call
 * (and a failing NvRtlMapFile) drops the POSIX record locks that the process holds on it.
 */
NVRTL_API NTSTATUS NvRtlMapFile(const char *path, uint64_t offset, size_t size, uint32_t flags,
                                uint32_t mode, NvRtlMapping *out);

/*
 * NvRtlUnmapFile - frees the token (as RtlFreeNonVolatileToken; neither flushes nor drains), unmaps
 * the view, closes the file, and clears *mapping. [ours]
 * mapping    as filled by NvRtlMapFile
 * STATUS_SUCCESS, STATUS_INVALID_PARAMETER (NULL, or not a live mapping; nothing was done)
 */
NVRTL_API NTSTATUS NvRtlUnmapFile(NvRtlMapping *mapping);

/*
 * NvRtlStatusText - a status in words. [ours]
 * status     any value
 *
 * Returns a constant string without a full stop, never NULL. Any thread, any signal handler.
 */
NVRTL_API const char *NvRtlStatusText(NTSTATUS status);

/*
 * Annotations for the verifier. Without one they cost a load and a branch and do nothing.
 *
 * NvRtlVerifierIgnore         from now on no finding is about these bytes (scratch space)
 * NvRtlVerifierAssertDurable  reports what in this range is not durable now
 *
 * token      a live token or FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * address    first byte, in the token's region
 * size       bytes; 0 names nothing
 */
NVRTL_API void NvRtlVerifierIgnore(void *token, const void *address, size_t size);
NVRTL_API void NvRtlVerifierAssertDurable(void *token, const void *address, size_t size);

/*
 * Commit points. A store to one says that earlier stores count: from then on whoever reads it after
 * a power cut relies on them. The verifier reports such a store while what it publishes is not
 * durable, and one that a cut could tear: wider than 8 bytes, or across a multiple of 8. [ours]
 * NvRtlVerifierCommitPoint     publishes all that the storing thread has stored since its previous
 *                              store to it
 * NvRtlVerifierCommitPointFor  publishes what was stored to the data by the storing thread; called
 *                              again for the same bytes, the new data take the place of the old
 *
 * token, address, size   as above
 * data, dataSize         the data, likewise
 *
 * Declare it when it has been initialised. Data in the point's own line is durable before it on
 * x86; the verifier notes it, since other CPUs do not promise that.
 */
NVRTL_API void NvRtlVerifierCommitPoint(void *token, const void *address, size_t size);
NVRTL_API void NvRtlVerifierCommitPointFor(void *token, const void *address, size_t size,
                                           const void *data, size_t dataSize);

/*
 * NvRtlVerifierMark - names a moment of the program. [ours]
 * token      a live token or FLUSH_NV_MEMORY_DEFAULT_TOKEN
 * kind       NVRTL_MARK_NOTE  a remark for whoever reads the events
 *            NVRTL_OP_BEGIN   operation id begins: from now on a power cut may leave parts of it
 *            NVRTL_OP_ACK     operation id is acknowledged: from now on its caller counts on it,
 *                             and no power cut may take it away
 * id         the program's own number of the operation; `nvrtl cut` gives those that were begun and
 *            those that were acknowledged to the check
 * text       a few words, or NULL; read during the call, the first 64 bytes are kept
 * Place NVRTL_OP_ACK where the program tells its caller, after the drain, never before.
 */
#define NVRTL_MARK_NOTE 0u
#define NVRTL_OP_BEGIN 1u
#define NVRTL_OP_ACK 2u
NVRTL_API void NvRtlVerifierMark(void *token, uint32_t kind, uint64_t id, const char *text);

#ifdef __cplusplus
}
#endif

#endif /* NVRTL_H */
