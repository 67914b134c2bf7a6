/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings from anywhere in XML and HTML. Nothing of them is markup, and what may not stand there or
   would hide the text around it becomes U+FFFD. */
#ifndef REPORT_MARKUP_H
#define REPORT_MARKUP_H

#include <stdio.h>

/* As the content of an element; line ends and tabs stay. */
void markup_text(FILE *out, const char *text);

/* As the value of an attribute, with name, quotes and a space before it; line ends and tabs become
   spaces. */
void markup_attribute(FILE *out, const char *name, const char *value);

#endif
