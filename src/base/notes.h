/* SPDX-License-Identifier: BSD-2-Clause */
/* The notes that the assembler step leaves in an object: section .note.nvrtl, owner "nvrtl". The
   descriptor is text that ends in a zero. */
#ifndef BASE_NOTES_H
#define BASE_NOTES_H

#define NOTES_SECTION ".note.nvrtl"
#define NOTES_OWNER "nvrtl"
/* "file.s:12: why": something there stores or flushes unseen, or may. */
#define NOTES_OPAQUE 1
/* "gcc", "clang" or "assembly": the object went through the step; once in each. */
#define NOTES_HOOKED 2

#endif
