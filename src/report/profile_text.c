/* SPDX-License-Identifier: BSD-2-Clause */
/* A profile for people: a table of the dearest places, and what it would be elsewhere. */
#include <inttypes.h>
#include <stdio.h>

#include "report/markup.h"
#include "report/place.h"
#include "report/profile.h"
#include "verify/profile.h"

/* More than this is for programs to read. */
#define SITES_SHOWN 20

static const char *share_words(const struct report_profile *profile, double time, char buffer[16]) {
    snprintf(buffer, 16, "%.1f%%", profile->time > 0 ? time / profile->time * 100 : 0);
    return buffer;
}

static const char *factor_words(double factor, char buffer[16]) {
    snprintf(buffer, 16, factor > 0 ? "%.1f" : "-", factor);
    return buffer;
}

/* What is written for each byte, by what its files are written back by. */
static double factor_of(const struct profile_site *site) {
    return site->domain == PROFILE_PAGES ? profile_page_factor(&site->count)
                                         : profile_line_factor(&site->count);
}

static const char *place_of(const struct profile_site *site, const struct report_style *style,
                            char buffer[PLACE_SIZE]) {
    const char *place =
        site->at.count != 0 ? place_frame(&site->at.frames[0], style->base, buffer) : NULL;
    return place != NULL ? place : "an unknown place";
}

static void put_total(struct text *text) {
    struct page *page = &text->page;
    const struct report_profile *profile = &text->report->profile;
    const struct profile_count *total = &profile->total;
    char words[160];
    snprintf(words, sizeof words,
             "%" PRIu64 " bytes stored by %" PRIu64 " stores; %" PRIu64 " lines and %" PRIu64
             " pages in %" PRIu64 " flushes; %" PRIu64 " drains",
             total->bytes, total->stores, total->lines, total->pages, total->flushes,
             total->drains);
    page_move(page, 2);
    page_words(page, words);
    page_end(page);
    double lines = profile_line_factor(total), pages = profile_page_factor(total);
    if (lines > 0) {
        snprintf(words, sizeof words,
                 "write amplification: %.1f bytes in lines, %.1f in pages, for each byte that "
                 "waited for its flush",
                 lines, pages);
        page_move(page, 2);
        page_words(page, words);
        page_end(page);
    }
}

static void put_what_if(struct text *text) {
    struct page *page = &text->page;
    const struct report_profile *profile = &text->report->profile;
    char words[160], time[PROFILE_TIME_SIZE];
    page_move(page, 2);
    page_words(page, "flushes and drains take about");
    page_words(page, report_profile_time(profile->time, time));
    page_words(page, "here; if all files were on");
    for (unsigned i = 0; i < PROFILE_DOMAINS; i++) {
        bool known = i != PROFILE_PAGES || profile->costs.wait > 0;
        snprintf(words, sizeof words, "%s: %s%s", report_profile_domain((enum profile_domain)i),
                 known ? report_profile_time(profile->what_if[i], time) : "not measured",
                 i + 1 < PROFILE_DOMAINS ? "," : "");
        page_words(page, words);
    }
    page_end(page);
}

void report_profile_text(struct text *text) {
    struct page *page = &text->page;
    const struct report_profile *profile = &text->report->profile;
    char line[128], share[16], factor[16], place[PLACE_SIZE];
    if (!profile->wanted)
        return;
    text_section(text, "profile:");
    put_total(text);
    put_what_if(text);
    if (profile->site_count == 0)
        return;
    snprintf(line, sizeof line, "%7s %9s %9s %9s %9s %9s  %s", "share", "bytes", "flushes", "lines",
             "drains", "amplified", "place");
    page_move(page, 2);
    page_put(page, line);
    page_end(page);
    for (size_t i = 0; i < profile->site_count && i < SITES_SHOWN; i++) {
        const struct profile_site *site = &profile->sites[i];
        snprintf(line, sizeof line, "%7s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9s  ",
                 share_words(profile, site->time, share), site->count.bytes, site->count.flushes,
                 site->count.lines, site->count.drains, factor_words(factor_of(site), factor));
        page_move(page, 2);
        page_put(page, line);
        page_put(page, place_of(site, text->style, place));
        page_end(page);
    }
    if (profile->site_count > SITES_SHOWN) {
        snprintf(line, sizeof line, "and %zu more places", profile->site_count - SITES_SHOWN);
        page_move(page, 2);
        page_words(page, line);
        page_end(page);
    }
}

static void put_row(FILE *out, const struct report *report, const struct profile_site *site,
                    const struct report_style *style) {
    const struct profile_count *count = &site->count;
    char share[16], factor[16], place[PLACE_SIZE];
    fprintf(out, "<tr><td class=\"number\">%s</td><td><span class=\"place\">",
            share_words(&report->profile, site->time, share));
    markup_text(out, place_of(site, style, place));
    fprintf(out,
            "</span></td><td class=\"number\">%" PRIu64 "</td><td class=\"number\">%" PRIu64
            "</td><td class=\"number\">%" PRIu64 "</td><td class=\"number\">%" PRIu64
            "</td><td class=\"number\">%" PRIu64 "</td><td class=\"number\">%s</td></tr>\n",
            count->bytes, count->flushes, count->lines, count->pages, count->drains,
            factor_words(factor_of(site), factor));
}

void report_profile_html(FILE *out, const struct report *report, const struct report_style *style) {
    const struct report_profile *profile = &report->profile;
    char time[PROFILE_TIME_SIZE];
    if (!profile->wanted)
        return;
    fprintf(out,
            "<h2>Profile</h2>\n<p>%" PRIu64 " bytes stored, %" PRIu64 " lines and %" PRIu64
            " pages written back; flushes and drains take about %s here.",
            profile->total.bytes, profile->total.lines, profile->total.pages,
            report_profile_time(profile->time, time));
    for (unsigned i = 0; i < PROFILE_DOMAINS; i++) {
        if (i != PROFILE_PAGES || profile->costs.wait > 0)
            fprintf(out, " If all files were on %s: %s.",
                    report_profile_domain((enum profile_domain)i),
                    report_profile_time(profile->what_if[i], time));
    }
    fputs("</p>\n<table>\n<tr><th class=\"number\">share</th><th>place</th>"
          "<th class=\"number\">bytes</th><th class=\"number\">flushes</th>"
          "<th class=\"number\">lines</th><th class=\"number\">pages</th>"
          "<th class=\"number\">drains</th><th class=\"number\">amplified</th></tr>\n",
          out);
    for (size_t i = 0; i < profile->site_count && i < SITES_SHOWN; i++)
        put_row(out, report, &profile->sites[i], style);
    fputs("</table>\n", out);
}
