/* SPDX-License-Identifier: BSD-2-Clause */
/* The non-volatile memory part of a Windows SDK header, in its style. NV_SDK_RESULT is the result
   type: DWORD in the user-mode header, NTSTATUS in the kernel's. */
#define FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN (0x00000001)
#define FLUSH_NV_MEMORY_DEFAULT_TOKEN ((ULONG_PTR)(-1))
#define WRITE_NV_MEMORY_FLAG_FLUSH (0x00000001)
#define WRITE_NV_MEMORY_FLAG_NON_TEMPORAL (0x00000002)
#define WRITE_NV_MEMORY_FLAG_PERSIST                                                               \
    (WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NON_TEMPORAL)
#define WRITE_NV_MEMORY_FLAG_NO_DRAIN (0x00000100)
#define FILL_NV_MEMORY_FLAG_FLUSH (0x00000001)
#define FILL_NV_MEMORY_FLAG_NON_TEMPORAL (0x00000002)
#define FILL_NV_MEMORY_FLAG_PERSIST (FILL_NV_MEMORY_FLAG_FLUSH | FILL_NV_MEMORY_FLAG_NON_TEMPORAL)
#define FILL_NV_MEMORY_FLAG_NO_DRAIN (0x00000100)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _NV_MEMORY_RANGE {
    VOID *BaseAddress;
    SIZE_T Length;
} NV_MEMORY_RANGE, *PNV_MEMORY_RANGE;

NV_SDK_RESULT NTAPI RtlGetNonVolatileToken(PVOID NvBuffer, SIZE_T Size, PVOID *NvToken);
NV_SDK_RESULT NTAPI RtlFreeNonVolatileToken(PVOID NvToken);
NV_SDK_RESULT NTAPI RtlFlushNonVolatileMemory(PVOID NvToken, PVOID NvBuffer, SIZE_T Size,
                                              ULONG Flags);
NV_SDK_RESULT NTAPI RtlDrainNonVolatileFlush(PVOID NvToken);
NV_SDK_RESULT NTAPI RtlWriteNonVolatileMemory(PVOID NvToken, VOID *NvDestination,
                                              const VOID *Source, SIZE_T Size, ULONG Flags);
NV_SDK_RESULT NTAPI RtlFillNonVolatileMemory(PVOID NvToken, VOID *NvDestination, SIZE_T Size,
                                             CONST UCHAR Value, ULONG Flags);
NV_SDK_RESULT NTAPI RtlFlushNonVolatileMemoryRanges(PVOID NvToken, PNV_MEMORY_RANGE NvRanges,
                                                    SIZE_T NumRanges, ULONG Flags);

#ifdef __cplusplus
}
#endif
