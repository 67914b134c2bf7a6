/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

/* The page's style sheet: light and dark, on screens and on paper. */
extern const char html_style[];

#endif
