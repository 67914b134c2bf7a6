/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits until what was flushed is in the persistence domain. */
#ifndef DRAIN_DRAIN_H
#define DRAIN_DRAIN_H

#include "token/token.h"

/* What the calling thread flushed through the token, in page-cache what any thread flushed of its
   file; through TOKEN_EVERY the same for every token, all tried before a failure is told. Results:
   RESULT_OK; RESULT_IO_ERROR, RESULT_NO_SPACE: the file has failed, now or before; RESULT_INVALID:
   the token died, or a part of the view is not mapped; RESULT_BUSY, RESULT_NO_MEMORY: not now, all
   stays pending. */
enum result drain_token(const struct token_view *token);

/* Makes the medium equal to memory for the regions of all live tokens of the file, whatever failed
   before, and then forgets the failure. Results as drain_token, and RESULT_DENIED: a part of a view
   is write-protected; on any but RESULT_OK a failed file stays failed. RESULT_OK for domains that
   cannot fail. Not for signal handlers. */
enum result drain_retry(const struct token_view *token);

/* RESULT_OK, or why the token's file has failed. Works for every view. */
enum result drain_failure(const struct token_view *token);

#endif
