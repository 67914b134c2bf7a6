/* SPDX-License-Identifier: BSD-2-Clause */
/* What this machine has, as far as it can be seen without asking about a file. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/info.h"
#include "isa/isa.h"
#include "map/map.h"
#include "os/os.h"

static const struct {
    const char *name; /* as features.def has it */
    uint32_t bit;
    const char *does, *source;
} features[] = {
#define FEATURE(name, bit, text, source) {#name, 1u << (bit), text, source},
#include "isa/features.def"
#undef FEATURE
};

enum setting { SETTING_DOMAIN, SETTING_STORES, SETTING_FLUSH, SETTING_NO_SIGBUS, SETTING_COUNT };
static const char *const settings[SETTING_COUNT] = {"NVRTL_DOMAIN", "NVRTL_STORES", "NVRTL_FLUSH",
                                                    "NVRTL_NO_SIGBUS"};

#define NAME_SIZE 16

/* "clwb" of "CLWB". */
static const char *small(const char *name, char buffer[NAME_SIZE]) {
    size_t i = 0;
    for (; i < NAME_SIZE - 1 && name[i] != '\0'; i++)
        buffer[i] = (char)tolower((unsigned char)name[i]);
    buffer[i] = '\0';
    return buffer;
}

static const char *flush_name(enum isa_flush flush) {
    switch (flush) {
    case ISA_FLUSH_CLWB:
        return "clwb";
    case ISA_FLUSH_CLFLUSHOPT:
        return "clflushopt";
    case ISA_FLUSH_CLFLUSH:
        return "clflush";
    default:
        return "none";
    }
}

static const char *flush_reason(enum isa_flush flush) {
    const char *setting = os_setting("NVRTL_FLUSH");
    if (flush == ISA_FLUSH_NONE)
        return "this CPU cannot write lines back; persistent memory is refused, files use msync";
    if (setting != NULL && strcmp(setting, flush_name(flush)) == 0)
        return "NVRTL_FLUSH asks for it";
    if (setting != NULL)
        return "the best that this CPU has; what NVRTL_FLUSH asks for, it has not";
    return "the best that this CPU has";
}

static const char *stores_text(const struct isa_choice *choice) {
    const char *setting = os_setting("NVRTL_STORES");
    if (choice->direct)
        return "direct stores where they are cheaper, else through the cache";
    if (choice->past)
        return "streaming stores where they are cheaper, else through the cache";
    if (choice->stream)
        return "streaming stores with write-back where they are cheaper, else through the cache";
    return setting != NULL && strcmp(setting, "cached") == 0
               ? "through the cache only, NVRTL_STORES asks for it"
               : "through the cache only";
}

static void tell_cpu(json_t *json, const struct isa_choice *choice) {
    const char *flush = flush_name(choice->flush), *reason = flush_reason(choice->flush);
    if (json == NULL) {
        printf("flush      %s: %s\n", flush, reason);
        printf("line size  %u bytes\n", choice->line_size);
        printf("stores     %s\n", stores_text(choice));
        return;
    }
    json_object_set_new(json, "flush",
                        json_pack("{s:s,s:s}", "instruction", flush, "reason", reason));
    json_object_set_new(json, "line_size", json_integer(choice->line_size));
    json_object_set_new(json, "stores",
                        json_pack("{s:b,s:b,s:s}", "direct", choice->direct, "streaming",
                                  choice->stream, "text", stores_text(choice)));
}

static void tell_features(json_t *json, uint32_t present) {
    char name[NAME_SIZE];
    json_t *list = json == NULL ? NULL : json_array();
    for (size_t i = 0; i < ARRAY_LENGTH(features); i++) {
        bool has = (present & features[i].bit) != 0;
        small(features[i].name, name);
        if (json == NULL)
            printf("%s%-11s%-4s %s (%s)\n", i == 0 ? "features   " : "           ", name,
                   has ? "yes" : "no", features[i].does, features[i].source);
        else
            json_array_append_new(list, json_pack("{s:s,s:b,s:s,s:s}", "name", name, "present", has,
                                                  "does", features[i].does, "source",
                                                  features[i].source));
    }
    if (json != NULL)
        json_object_set_new(json, "features", list);
}

/* One line, or one member of the list. */
static void tell_region(void *list, const char *name, const char *persistence,
                        enum map_domain domain, const char *why) {
    const char *word = map_domain_name(domain);
    if (list != NULL) {
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:s,s:s}", "name", name, "persistence_domain",
                                        persistence, "domain", word, "why", why));
        return;
    }
    if (why[0] != '\0')
        printf("region     %s: %s, it %s\n", name, word, why);
    else
        printf("region     %s: %s (persistence_domain: %s)\n", name, word,
               persistence[0] != '\0' ? persistence : "not told");
}

static void count_region(void *count, const char *name, const char *persistence,
                         enum map_domain domain, const char *why) {
    (void)why;
    (void)name;
    (void)persistence;
    (void)domain;
    ++*(unsigned *)count;
}

static void tell_regions(json_t *json) {
    unsigned count = 0;
    bool seen = map_each_region(&map_this_system, count_region, &count) == RESULT_OK;
    if (json != NULL) {
        json_t *list = seen ? json_array() : json_null();
        if (seen)
            map_each_region(&map_this_system, tell_region, list);
        json_object_set_new(json, "regions", list);
    } else if (!seen) {
        puts("region     not known: /sys is not visible here");
    } else if (count == 0) {
        puts("region     none: this machine has no persistent memory that Linux knows of");
    } else {
        map_each_region(&map_this_system, tell_region, NULL);
    }
}

void info_machine(json_t *json) {
    uint32_t present = isa_features();
    struct isa_choice choice =
        isa_choose(present, isa_line_size(), os_setting("NVRTL_FLUSH"), os_setting("NVRTL_STORES"));
    tell_cpu(json, &choice);
    tell_features(json, present);
    tell_regions(json);
}

/* Is a library mapped whose business is to make every sync do nothing? */
static bool eats_data(uint32_t pid) {
    char path[64] = "/proc/self/maps", *line = NULL;
    size_t size = 0;
    bool found = false;
    if (pid != 0)
        snprintf(path, sizeof path, "/proc/%u/maps", pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return false;
    while (!found && getline(&line, &size, maps) > 0)
        found = strstr(line, "/libeatmydata.so") != NULL;
    free(line);
    fclose(maps);
    return found;
}

/* What NVRTL_DOMAIN does, by the rule of token/settings.c. */
static const char *domain_effect(const char *value) {
    size_t length = strcspn(value, "!");
    for (int d = MAP_DOMAIN_VOLATILE; d <= MAP_DOMAIN_CPU_CACHE; d++) {
        const char *name = map_domain_name((enum map_domain)d);
        if (strlen(name) != length || strncmp(value, name, length) != 0)
            continue;
        if (strcmp(value + length, "!") == 0)
            return ": tokens get that domain, and nothing proves that it is true";
        if (value[length] == '\0')
            return ": tokens get that domain where it is weaker than the one that was found";
    }
    return ": changes nothing, there is no such domain";
}

static const char *setting_effect(enum setting setting, const char *value) {
    if (setting == SETTING_DOMAIN)
        return domain_effect(value);
    if (setting == SETTING_STORES && strcmp(value, "cached") != 0)
        return ": changes nothing, it is not 'cached'";
    if (setting == SETTING_NO_SIGBUS)
        return ": a SIGBUS inside of a routine is not turned into its status";
    return "";
}

/* Reads all that a process was started with, terminated twice. NULL: it may not be asked. */
static char *read_environment(uint32_t pid) {
    char path[64], *text = NULL;
    size_t size = 0, room = 0;
    snprintf(path, sizeof path, "/proc/%u/environ", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    do {
        room += 4096;
        char *more = realloc(text, room + 2);
        if (more == NULL)
            break;
        text = more;
        size += fread(text + size, 1, room - size, file);
    } while (size == room);
    fclose(file);
    if (text != NULL)
        memset(text + size, '\0', 2);
    return text;
}

/* The value of a setting in such a text, or NULL. */
static const char *find_setting(const char *environment, const char *name) {
    size_t length = strlen(name);
    for (const char *at = environment; *at != '\0'; at += strlen(at) + 1) {
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return at + length + 1;
    }
    return NULL;
}

static void tell_settings(json_t *json, const char *environment) {
    for (int s = 0; s < SETTING_COUNT; s++) {
        const char *name = settings[s];
        const char *value =
            environment == NULL ? os_setting(name) : find_setting(environment, name);
        if (value == NULL)
            continue;
        if (json != NULL) {
            info_set_string(json, name, value);
            continue;
        }
        printf("setting    %s=", name);
        info_print(value);
        puts(setting_effect((enum setting)s, value));
    }
}

void info_surroundings(json_t *json, uint32_t pid) {
    char *environment = pid == 0 ? NULL : read_environment(pid);
    json_t *told = json == NULL ? NULL : json_object();
    if (pid == 0 || environment != NULL)
        tell_settings(told, environment);
    free(environment);
    bool eaten = eats_data(pid);
    if (json != NULL) {
        json_object_set_new(json, "environment", told);
        json_object_set_new(json, "eatmydata", json_boolean(eaten));
    } else if (eaten) {
        puts("warning    libeatmydata is loaded: msync and fsync do nothing, no file is durable");
    }
}
