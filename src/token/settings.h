/* SPDX-License-Identifier: BSD-2-Clause */
/* What the environment may change about tokens. Read when the first token is made. */
#ifndef TOKEN_SETTINGS_H
#define TOKEN_SETTINGS_H

#include <stdbool.h>

#include "isa/isa.h"
#include "map/map.h"

struct token_settings {
    bool has_domain; /* NVRTL_DOMAIN names one */
    bool raise;      /* with a "!": even a stronger one than the truth */
    enum map_domain domain;
};

/* Parses NVRTL_DOMAIN: a domain's name, with "!" behind it to allow raising. NULL or an unknown
   word sets nothing. */
struct token_settings token_settings_parse(const char *domain);

/* The domain that counts, given the true one; the reason in answer is extended when it differs. */
bool token_settings_apply(const struct token_settings *settings, struct map_answer *answer);

#endif
