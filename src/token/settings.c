/* SPDX-License-Identifier: BSD-2-Clause */
#include "token/settings.h"

#include <string.h>

#include "base/bits.h"

struct token_settings token_settings_parse(const char *domain) {
    struct token_settings settings = {false, false, MAP_DOMAIN_VOLATILE};
    if (domain == NULL)
        return settings;
    for (int d = MAP_DOMAIN_VOLATILE; d <= MAP_DOMAIN_CPU_CACHE; d++) {
        const char *name = map_domain_name((enum map_domain)d);
        size_t length = strlen(name);
        if (strncmp(domain, name, length) != 0)
            continue;
        if (strcmp(domain + length, "") == 0 || strcmp(domain + length, "!") == 0) {
            settings.has_domain = true;
            settings.raise = domain[length] == '!';
            settings.domain = (enum map_domain)d;
        }
    }
    return settings;
}

/* Puts text in front of the reason and cuts what no longer fits. */
static void prefix_reason(char reason[MAP_REASON_SIZE], const char *text) {
    size_t prefix = strlen(text), old = strlen(reason);
    if (prefix + old >= MAP_REASON_SIZE)
        old = MAP_REASON_SIZE - 1 - prefix;
    memmove(reason + prefix, reason, old);
    memcpy(reason, text, prefix);
    reason[prefix + old] = '\0';
}

bool token_settings_apply(const struct token_settings *settings, struct map_answer *answer) {
    if (!settings->has_domain || settings->domain == answer->domain)
        return false;
    if (settings->domain > answer->domain && !settings->raise) {
        prefix_reason(answer->reason,
                      "NVRTL_DOMAIN ignored, it would raise the domain without '!'; ");
        return false;
    }
    bool raised = settings->domain > answer->domain;
    answer->domain = settings->domain;
    prefix_reason(answer->reason,
                  raised ? "NVRTL_DOMAIN raised the domain, nothing proves it durable; "
                         : "NVRTL_DOMAIN lowered the domain; ");
    return true;
}
