/* SPDX-License-Identifier: BSD-2-Clause */
/* windows.h of an SDK that declares the routines in winnt.h, which mingw-w64's does not. */
#ifndef NV_USER_WINDOWS_H
#define NV_USER_WINDOWS_H

#include_next <windows.h>

#define NV_SDK_RESULT DWORD
#include "../nv_sdk.h"

#endif
