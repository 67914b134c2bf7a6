/* SPDX-License-Identifier: BSD-2-Clause */
#include <nvrtl.h>

NVRTL_API const char *NvRtlStatusText(NTSTATUS status) {
    switch ((uint32_t)status) {
    case 0x00000000:
        return "success";
    case 0x80000011:
        return "busy now, nothing was lost: try again";
    case 0xC0000004:
        return "the address is not mapped, or a structure has the wrong size";
    case 0xC000000D:
        return "invalid parameter: a bad token, a range outside of the region, or unknown flags";
    case 0xC0000022:
        return "access denied: the view or file is not writable";
    case 0xC000007F:
        return "the disk or a quota is full";
    case 0xC000009A:
        return "out of memory, descriptors or tokens";
    case 0xC000009C:
        return "the medium is damaged at that place";
    case 0xC00000BB:
        return "nothing on this platform makes that memory durable";
    case 0xC0000185:
        return "the device failed to write or read";
    default:
        return "unknown status";
    }
}
