/* SPDX-License-Identifier: BSD-2-Clause */
/* The workers' processes, from the sandbox's side. */
#ifndef SANDBOX_PROCESSES_H
#define SANDBOX_PROCESSES_H

#include "sandbox/batch.h"

/* Runs what is pending of the batch. false: interrupted. */
bool processes_run(struct sandbox *sandbox, const volatile int *stop);
/* Runs one image in a process of its own. false: interrupted. */
bool processes_run_fresh(struct sandbox *sandbox, uint32_t image, int output,
                         const volatile int *stop);
void processes_end(struct sandbox *sandbox);

#endif
