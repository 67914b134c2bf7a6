/* SPDX-License-Identifier: BSD-2-Clause */
/* The Windows types of a program that brings its own on Linux, as Wine and WinPR do; wide enough,
   and not the types that nvrtl.h would choose. */
#ifndef OWN_TYPES_H
#define OWN_TYPES_H

#define NVRTL_NO_WINDOWS_TYPES
#define VOID void
#define CONST const
#define NTAPI
typedef int NTSTATUS;
typedef unsigned int DWORD, ULONG;
typedef unsigned char UCHAR;
typedef void *PVOID;
typedef unsigned long long SIZE_T, ULONG_PTR;

#endif
