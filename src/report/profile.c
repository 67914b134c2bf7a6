/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/json.h"
#include "report/load.h"
#include "report/value.h"
#include "verify/profile.h"

static const char *const domains[PROFILE_DOMAINS] = {
    [PROFILE_LINES] = "memory", [PROFILE_PAGES] = "page-cache", [PROFILE_CACHES] = "cpu-cache"};

const char *report_profile_domain(enum profile_domain domain) {
    return domains[domain];
}

const char *report_profile_time(double time, char buffer[PROFILE_TIME_SIZE]) {
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t unit = 0;
    while (unit + 1 < ARRAY_LENGTH(units) && time >= 1000) {
        time /= 1000;
        unit++;
    }
    snprintf(buffer, PROFILE_TIME_SIZE, "%.*f %s", time < 10 && unit > 0 ? 2 : 0, time,
             units[unit]);
    return buffer;
}

/* The numbers of a count and of the costs, by their names in JSON. */
static const struct {
    const char *name;
    size_t offset;
} counts[] =
    {
        {"stores", offsetof(struct profile_count, stores)},
        {"bytes", offsetof(struct profile_count, bytes)},
        {"flushes", offsetof(struct profile_count, flushes)},
        {"lines", offsetof(struct profile_count, lines)},
        {"pages", offsetof(struct profile_count, pages)},
        {"dirty", offsetof(struct profile_count, dirty)},
        {"drains", offsetof(struct profile_count, drains)},
},
  costs[] = {
      {"line", offsetof(struct profile_costs, line)},
      {"drain", offsetof(struct profile_costs, drain)},
      {"fence", offsetof(struct profile_costs, fence)},
      {"page", offsetof(struct profile_costs, page)},
      {"wait", offsetof(struct profile_costs, wait)},
};

/* A number with two places behind the point. */
static json_t *real(double number) {
    return json_real((double)(long long)(number * 100 + 0.5) / 100);
}

static bool put_count(json_t *object, const struct profile_count *count) {
    bool complete = true;
    for (size_t i = 0; i < ARRAY_LENGTH(counts) && complete; i++) {
        uint64_t number;
        memcpy(&number, (const char *)count + counts[i].offset, sizeof number);
        complete = value_put(object, counts[i].name, value_number(number));
    }
    double lines = profile_line_factor(count), pages = profile_page_factor(count);
    return complete && (lines <= 0 || value_put(object, "lineFactor", real(lines))) &&
           (pages <= 0 || value_put(object, "pageFactor", real(pages)));
}

static json_t *make_costs(const struct profile_costs *of) {
    json_t *object = json_object();
    bool complete = true;
    for (size_t i = 0; i < ARRAY_LENGTH(costs) && complete; i++) {
        double number;
        memcpy(&number, (const char *)of + costs[i].offset, sizeof number);
        complete = value_put(object, costs[i].name, real(number));
    }
    return value_or_nothing(object, complete);
}

static json_t *make_what_if(const struct report_profile *profile) {
    json_t *object = json_object();
    bool complete = true;
    for (unsigned i = 0; i < PROFILE_DOMAINS && complete; i++)
        complete = (i == PROFILE_PAGES && profile->costs.wait <= 0) ||
                   value_put(object, domains[i], real(profile->what_if[i]));
    return value_or_nothing(object, complete);
}

static json_t *make_site(const struct report_profile *profile, const struct profile_site *site) {
    json_t *object = json_object();
    double share = profile->time > 0 ? site->time / profile->time : 0;
    return value_or_nothing(
        object,
        value_put(object, "at", json_frame(site->at.count != 0 ? &site->at.frames[0] : NULL)) &&
            value_put_text(object, "domain", domains[site->domain]) &&
            put_count(object, &site->count) && value_put(object, "time", real(site->time)) &&
            value_put(object, "share", json_real((double)(int)(share * 1000 + 0.5) / 1000)));
}

static json_t *make_sites(const struct report_profile *profile) {
    json_t *sites = json_array();
    bool complete = true;
    for (size_t i = 0; i < profile->site_count && complete; i++)
        complete = json_array_append_new(sites, make_site(profile, &profile->sites[i])) == 0;
    return value_or_nothing(sites, complete);
}

json_t *report_profile_json(const struct report_profile *profile) {
    json_t *object = json_object();
    return value_or_nothing(object, put_count(object, &profile->total) &&
                                        value_put(object, "time", real(profile->time)) &&
                                        value_put(object, "costs", make_costs(&profile->costs)) &&
                                        value_put(object, "whatIf", make_what_if(profile)) &&
                                        value_put(object, "sites", make_sites(profile)));
}

static bool read_count(struct members *members, const json_t *object, struct profile_count *count) {
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        uint64_t number = 0;
        if (!member_number(members, object, counts[i].name, 0, INT64_MAX, true, &number))
            return false;
        memcpy((char *)count + counts[i].offset, &number, sizeof number);
    }
    return true;
}

static bool read_real(struct members *members, const json_t *object, const char *key,
                      double *number) {
    const json_t *found = json_object_get(object, key);
    if (!json_is_number(found) || json_number_value(found) < 0)
        return member_fail(members, key, "is no time");
    *number = json_number_value(found);
    return true;
}

static bool read_site(struct members *members, const json_t *object, void *item) {
    struct profile_site *site = item;
    const json_t *at = NULL;
    size_t domain = 0;
    bool good = member_object(members, object, "at", true, &at) &&
                load_place(members, at, &site->at) &&
                member_choice(members, object, "domain", domains, ARRAY_LENGTH(domains), "domain",
                              &domain) &&
                read_count(members, object, &site->count) &&
                read_real(members, object, "time", &site->time);
    site->domain = (enum profile_domain)domain;
    return good;
}

bool report_profile_load(struct members *members, const json_t *object,
                         struct report_profile *profile) {
    const json_t *found = NULL, *priced = NULL, *what_if = NULL;
    void *sites = NULL;
    if (!member_object(members, object, "profile", false, &found) || found == NULL)
        return !members->failed;
    size_t mark = member_enter(members, "profile", -1);
    profile->wanted = true;
    bool good = read_count(members, found, &profile->total) &&
                read_real(members, found, "time", &profile->time) &&
                member_object(members, found, "costs", true, &priced) &&
                member_object(members, found, "whatIf", true, &what_if);
    for (size_t i = 0; i < ARRAY_LENGTH(costs) && good; i++) {
        double number = 0;
        good = read_real(members, priced, costs[i].name, &number);
        memcpy((char *)&profile->costs + costs[i].offset, &number, sizeof number);
    }
    for (size_t i = 0; i < PROFILE_DOMAINS && good; i++)
        good = json_object_get(what_if, domains[i]) == NULL ||
               read_real(members, what_if, domains[i], &profile->what_if[i]);
    good = good && member_array(members, found, "sites", true, sizeof *profile->sites, read_site,
                                &sites, &profile->site_count);
    profile->sites = sites;
    member_leave(members, mark);
    return good;
}
