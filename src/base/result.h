/* SPDX-License-Identifier: BSD-2-Clause */
/* How rooms below the API say what happened. src/api alone turns these into NTSTATUS. */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

enum result {
    RESULT_OK,
    RESULT_INVALID,       /* the caller's argument is wrong */
    RESULT_NOT_MAPPED,    /* the address belongs to no mapping */
    RESULT_DENIED,        /* no permission */
    RESULT_NO_SPACE,      /* the medium or a quota is full */
    RESULT_NO_MEMORY,     /* memory, descriptors, address space or table places ran out */
    RESULT_MEDIA_ERROR,   /* the medium is damaged at that place */
    RESULT_NOT_SUPPORTED, /* nothing here can make that durable */
    RESULT_IO_ERROR,      /* the system failed to write or read back */
    RESULT_BUSY,          /* not now, and nothing is lost: try again */
};

#endif
