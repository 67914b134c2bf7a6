/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "verify/collect.h"
#include "verify/finding.h"
#include "verify/profile.h"

void verify_free_stack(struct source_stack *stack) {
    for (size_t i = 0; i < stack->count; i++) {
        free(stack->frames[i].function);
        free(stack->frames[i].file);
        free(stack->frames[i].module);
    }
    free(stack->frames);
    *stack = (struct source_stack){0};
}

void verify_free_excerpt(struct source_excerpt *excerpt) {
    for (size_t i = 0; i < excerpt->count; i++)
        free(excerpt->lines[i]);
    free(excerpt->lines);
    *excerpt = (struct source_excerpt){0};
}

void verify_free_finding(struct finding *finding) {
    verify_free_stack(&finding->at);
    verify_free_excerpt(&finding->source);
    for (size_t i = 0; i < finding->related_count; i++) {
        verify_free_stack(&finding->related[i].stack);
        verify_free_excerpt(&finding->related[i].source);
    }
    for (size_t i = 0; i < finding->fix_count; i++)
        free(finding->fix[i].text);
    free(finding->fix);
    free(finding->met);
    free(finding->related);
    free(finding->ranges);
    free(finding->message);
    free(finding->mend);
    free(finding->image);
    free(finding->replay);
    free(finding->suppression);
    free(finding->suppressor);
}

void verify_free_report(struct report *report) {
    for (size_t i = 0; i < report->finding_count; i++)
        verify_free_finding(&report->findings[i]);
    for (size_t i = 0; i < report->suppressed_count; i++)
        verify_free_finding(&report->suppressed[i]);
    for (size_t i = 0; i < report->region_count; i++) {
        free(report->regions[i].path);
        free(report->regions[i].reason);
    }
    for (size_t i = 0; i < report->remark_count; i++)
        free(report->remarks[i]);
    free(report->findings);
    free(report->suppressed);
    free(report->regions);
    free(report->remarks);
    profile_free(&report->profile);
    *report = (struct report){0};
}
