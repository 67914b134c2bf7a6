/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/key.h"
#include "report/met.h"
#include "report/place.h"
#include "verify/profile.h"

/* A finding and its key, for sorting equal ones together; number is the place in the report. */
static int compare_keys(const void *left, const void *right) {
    return key_compare(*(const struct key *)left, *(const struct key *)right);
}

static bool take_ranges(struct finding *finding, const struct finding *other) {
    if (other->range_count == 0 || finding->region != other->region) {
        finding->more_ranges |= other->more_ranges || other->range_count != 0;
        return true;
    }
    size_t count = finding->range_count + other->range_count;
    struct byte_range *larger = realloc(finding->ranges, count * sizeof *larger);
    if (larger == NULL)
        return false;
    memcpy(larger + finding->range_count, other->ranges, other->range_count * sizeof *larger);
    finding->ranges = larger;
    finding->range_count = count;
    finding->more_ranges |= other->more_ranges;
    return true;
}

static bool take_met(struct finding *finding, const struct finding *other) {
    size_t count = finding->met_count + other->met_count;
    struct finding_met *larger = realloc(finding->met, (count + 1) * sizeof *larger);
    if (larger == NULL)
        return false;
    finding->met = larger;
    for (size_t i = 0; i < other->met_count; i++)
        larger[finding->met_count++] = other->met[i];
    return true;
}

/* finding stands for other too, which is released and left empty. */
static bool absorb(struct finding *finding, struct finding *other) {
    if (!take_ranges(finding, other) || (other->met_count != 0 && !take_met(finding, other)))
        return false;
    uint64_t count = finding->count + other->count;
    finding->count = count >= finding->count ? count : UINT64_MAX;
    if (other->severity < finding->severity)
        finding->severity = other->severity;
    verify_free_finding(other);
    *other = (struct finding){.kind = KIND_COUNT};
    return true;
}

/* Folds a list; kept is how many are left. */
static bool fold(struct finding *findings, size_t *count, enum key_extent extent) {
    size_t kept = 0;
    struct key *keys = calloc(*count + 1, sizeof *keys);
    if (keys == NULL)
        return false;
    for (size_t i = 0; i < *count; i++) {
        keys[i] = key_exact(&findings[i], extent);
        keys[i].number = i;
    }
    qsort(keys, *count, sizeof *keys, compare_keys);
    bool complete = true;
    for (size_t i = 1, first = 0; i < *count && complete; i++) {
        if (keys[i].high != keys[first].high || keys[i].low != keys[first].low)
            first = i;
        else
            complete = absorb(&findings[keys[first].number], &findings[keys[i].number]);
    }
    free(keys);
    for (size_t i = 0; i < *count; i++) {
        if (findings[i].kind != KIND_COUNT)
            findings[kept++] = findings[i];
    }
    *count = kept;
    return complete;
}

bool report_fold(struct report *report, enum key_extent extent) {
    bool complete = fold(report->findings, &report->finding_count, extent) &&
                    fold(report->suppressed, &report->suppressed_count, extent);
    verify_sort_findings(report);
    return complete;
}

/* An array with room for more items of size bytes behind the count that are there, or NULL: then
   the old one is as it was. */
static void *grow(void *items, size_t count, size_t more, size_t size) {
    return realloc(items, (count + more + 1) * size);
}

static bool make_room(struct report *into, const struct report *part) {
    struct report_region *regions =
        grow(into->regions, into->region_count, part->region_count, sizeof *regions);
    if (regions != NULL)
        into->regions = regions;
    struct finding *findings =
        grow(into->findings, into->finding_count, part->finding_count, sizeof *findings);
    if (findings != NULL)
        into->findings = findings;
    struct finding *suppressed =
        grow(into->suppressed, into->suppressed_count, part->suppressed_count, sizeof *suppressed);
    if (suppressed != NULL)
        into->suppressed = suppressed;
    return regions != NULL && findings != NULL && suppressed != NULL;
}

/* The number of a region in the merged report: files are known by their names. */
static uint32_t add_region(struct report *into, struct report_region *region) {
    for (size_t i = 0; i < into->region_count; i++) {
        struct report_region *known = &into->regions[i];
        if (strcmp(known->path, region->path) == 0 && strcmp(known->domain, region->domain) == 0) {
            known->size = known->size > region->size ? known->size : region->size;
            return known->id;
        }
    }
    struct report_region *own = &into->regions[into->region_count++];
    *own = *region;
    own->id = (uint32_t)into->region_count;
    region->path = region->reason = NULL;
    return own->id;
}

static void renumber(struct finding *findings, size_t count, const struct report *part,
                     const uint32_t *numbers) {
    for (size_t i = 0; i < count; i++) {
        const struct report_region *region = report_find_region(part, findings[i].region);
        findings[i].region = region != NULL ? numbers[region - part->regions] : 0;
    }
}

/* Moves all of a list behind another one. */
static void move(struct finding *to, size_t *count, const struct finding *from, size_t *moved) {
    if (*moved > 0)
        memcpy(to + *count, from, *moved * sizeof *to);
    *count += *moved;
    *moved = 0;
}

static bool add_findings(struct report *into, struct report *part) {
    uint32_t *numbers = calloc(part->region_count + 1, sizeof *numbers);
    bool complete = numbers != NULL && make_room(into, part);
    for (size_t i = 0; i < part->region_count && complete; i++)
        numbers[i] = add_region(into, &part->regions[i]);
    if (complete) {
        renumber(part->findings, part->finding_count, part, numbers);
        renumber(part->suppressed, part->suppressed_count, part, numbers);
        move(into->findings, &into->finding_count, part->findings, &part->finding_count);
        move(into->suppressed, &into->suppressed_count, part->suppressed, &part->suppressed_count);
    }
    free(numbers);
    return complete;
}

static bool add_remark(struct report *into, char **remark) {
    for (size_t i = 0; i < into->remark_count; i++) {
        if (strcmp(into->remarks[i], *remark) == 0)
            return true;
    }
    char **remarks = grow(into->remarks, into->remark_count, 1, sizeof *remarks);
    if (remarks == NULL)
        return false;
    into->remarks = remarks;
    into->remarks[into->remark_count++] = *remark;
    *remark = NULL;
    return true;
}

static bool add_remarks(struct report *into, struct report *part) {
    bool complete = true;
    for (size_t i = 0; i < part->remark_count && complete; i++)
        complete = add_remark(into, &part->remarks[i]);
    return complete;
}

/* Says that there were several runs. */
static bool remark_runs(struct report *into, const struct loaded *parts, size_t count) {
    const char *name = place_name(into->program[0]);
    bool others = false;
    for (size_t i = 1; i < count && !others; i++)
        others = strcmp(place_name(parts[i].report.program[0]), name) != 0;
    char *remark = NULL;
    if (asprintf(&remark, "this is what %zu reports say together, of %s%s", count, name,
                 others ? " and other programs" : "") < 0)
        return false;
    bool added = add_remark(into, &remark);
    free(remark);
    return added;
}

/* What was seen of all is what was seen of the one that was seen least. */
static const char *least_seen(const char *one, const char *other) {
    static const char *const order[] = {"api", "pages=interval", "pages", "hooks", "trace"};
    size_t i = 0;
    while (i + 1 < ARRAY_LENGTH(order) && strcmp(order[i], one) != 0 &&
           strcmp(order[i], other) != 0)
        i++;
    return order[i];
}

bool report_merge(struct loaded *parts, size_t count, struct report *into, char **wrong) {
    *into = (struct report){.program = parts[0].report.program,
                            .exit = parts[0].report.exit,
                            .directory = parts[0].report.directory,
                            .stores = parts[0].report.stores,
                            .judge = parts[0].report.judge,
                            .search = parts[0].report.search};
    *wrong = NULL;
    bool complete = true, one_search = into->search != 0;
    for (size_t i = 0; i < count && complete; i++) {
        struct report *part = &parts[i].report;
        if (strcmp(part->judge, into->judge) != 0) {
            if (asprintf(wrong, "one was judged by '%s', another by '%s'", into->judge,
                         part->judge) < 0)
                *wrong = NULL;
            return false;
        }
        into->exit = into->exit != 0 ? into->exit : part->exit;
        into->incomplete |= part->incomplete;
        into->unasked |= part->unasked;
        one_search = one_search && part->search == into->search;
        into->stores = least_seen(into->stores, part->stores);
        complete = add_findings(into, part) && add_remarks(into, part) &&
                   profile_absorb(&into->profile, &part->profile);
    }
    if (complete && count > 1)
        complete = (one_search ? met_fold(into) : report_fold(into, KEY_SEVERITY)) &&
                   remark_runs(into, parts, count);
    return complete;
}
