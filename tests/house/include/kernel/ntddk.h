/* SPDX-License-Identifier: BSD-2-Clause */
/* What a WDK's ntddk.h says that matters here, in its style: mingw-w64's is older than the routines
   and is no C++. */
#ifndef _NTDDK_
#define _NTDDK_

#include <stddef.h>
#include <stdint.h>

#define VOID void
#define CONST const
#define NTAPI __stdcall
typedef long LONG, NTSTATUS;
typedef unsigned long ULONG;
typedef unsigned char UCHAR;
typedef void *PVOID;
typedef unsigned __int64 ULONG_PTR, SIZE_T;

#define STATUS_SUCCESS ((NTSTATUS)0x00000000L)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000DL)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BBL)

#define NV_SDK_RESULT NTSTATUS
#include "../nv_sdk.h"

#endif
