/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program may rely on after including the public header, whatever else it included. */
#ifdef __cplusplus
#define FACT(expression) static_assert(expression, #expression)
#else
#define FACT(expression) _Static_assert(expression, #expression)
#endif

FACT(sizeof(NTSTATUS) == 4);
FACT((NTSTATUS)-1 < 0);
FACT(sizeof(ULONG) == 4);
FACT((ULONG)-1 > 0);
FACT(sizeof(UCHAR) == 1);
FACT(sizeof(SIZE_T) == 8);
FACT(sizeof(ULONG_PTR) == 8);
FACT(sizeof(NV_MEMORY_RANGE) == 16);
FACT(offsetof(NV_MEMORY_RANGE, BaseAddress) == 0);
FACT(offsetof(NV_MEMORY_RANGE, Length) == 8);

FACT(FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN == 0x1);
FACT(FLUSH_NV_MEMORY_DEFAULT_TOKEN == UINT64_MAX);
FACT(WRITE_NV_MEMORY_FLAG_FLUSH == 0x1);
FACT(WRITE_NV_MEMORY_FLAG_NON_TEMPORAL == 0x2);
FACT(WRITE_NV_MEMORY_FLAG_PERSIST == 0x3);
FACT(WRITE_NV_MEMORY_FLAG_NO_DRAIN == 0x100);
FACT(FILL_NV_MEMORY_FLAG_FLUSH == 0x1);
FACT(FILL_NV_MEMORY_FLAG_NON_TEMPORAL == 0x2);
FACT(FILL_NV_MEMORY_FLAG_PERSIST == 0x3);
FACT(FILL_NV_MEMORY_FLAG_NO_DRAIN == 0x100);

FACT(STATUS_SUCCESS == 0);
FACT((uint32_t)STATUS_DEVICE_BUSY == 0x80000011);
FACT((uint32_t)STATUS_INFO_LENGTH_MISMATCH == 0xC0000004);
FACT((uint32_t)STATUS_INVALID_PARAMETER == 0xC000000D);
FACT((uint32_t)STATUS_ACCESS_DENIED == 0xC0000022);
FACT((uint32_t)STATUS_DISK_FULL == 0xC000007F);
FACT((uint32_t)STATUS_INSUFFICIENT_RESOURCES == 0xC000009A);
FACT((uint32_t)STATUS_DEVICE_DATA_ERROR == 0xC000009C);
FACT((uint32_t)STATUS_NOT_SUPPORTED == 0xC00000BB);
FACT((uint32_t)STATUS_IO_DEVICE_ERROR == 0xC0000185);

FACT(NVRTL_DOMAIN_VOLATILE == 0);
FACT(NVRTL_DOMAIN_PAGE_CACHE == 1);
FACT(NVRTL_DOMAIN_MEMORY == 2);
FACT(NVRTL_DOMAIN_CPU_CACHE == 3);
FACT(NVRTL_FLUSH_NONE == 0);
FACT(NVRTL_FLUSH_CLFLUSH == 1);
FACT(NVRTL_FLUSH_CLFLUSHOPT == 2);
FACT(NVRTL_FLUSH_CLWB == 3);
FACT(NVRTL_FLUSH_MSYNC == 64);
FACT(sizeof(NvRtlTokenInfo) == 24 + 16 + 160 + 1024);
FACT(offsetof(NvRtlTokenInfo, base) == 24);
FACT(offsetof(NvRtlTokenInfo, reason) == 40);
FACT(offsetof(NvRtlTokenInfo, path) == 200);
FACT(sizeof(NvRtlMapping) == 32);

/* Whoever declared them, the routines take these arguments. */
static inline void header_calls(void *token, NV_MEMORY_RANGE *range) {
    (void)RtlGetNonVolatileToken(range, 1, &token);
    (void)RtlWriteNonVolatileMemory(token, range, range, 1, WRITE_NV_MEMORY_FLAG_PERSIST);
    (void)RtlFillNonVolatileMemory(token, range, 1, 0xFF, FILL_NV_MEMORY_FLAG_NO_DRAIN);
    (void)RtlFlushNonVolatileMemory((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN, range, 1, 0);
    (void)RtlFlushNonVolatileMemoryRanges(token, range, 1, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN);
    (void)RtlDrainNonVolatileFlush(token);
    (void)RtlFreeNonVolatileToken(token);
}
