/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/batch.h"

/* Whatever changes a file or a folder, as far as the first version of Landlock goes: linux headers
   of today may name more than the kernel knows. */
#define WRITES                                                                                     \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define TRUNCATES (UINT64_C(1) << 14) /* from its third version on */

static bool allow(int rules, const char *path, uint64_t access) {
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    bool allowed = rule.parent_fd >= 0 &&
                   syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    if (rule.parent_fd >= 0)
        close(rule.parent_fd);
    return allowed;
}

static bool forbid_writing(const char *folder) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    uint64_t truncates = version >= 3 ? TRUNCATES : 0;
    struct landlock_ruleset_attr wish = {.handled_access_fs = WRITES | truncates};
    int rules = version > 0 ? (int)syscall(SYS_landlock_create_ruleset, &wish, sizeof wish, 0) : -1;
    if (rules < 0)
        return false;
    bool set = allow(rules, folder, WRITES | truncates) &&
               allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE) &&
               prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return set;
}

/* Private memory that it has now, bytes: the sandbox's, which it shares until it writes to it. */
static uint64_t data_in_use(void) {
    char text[128];
    uint64_t data = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    /* The sixth number. */
    if (fgets(text, sizeof text, file) != NULL) {
        const char *at = text;
        for (int word = 0; word < 5 && at != NULL; word++)
            at = strchr(at + 1, ' ');
        data = at != NULL ? strtoull(at, NULL, 10) : 0;
    }
    fclose(file);
    return data * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool limits_set(const struct sandbox *sandbox) {
    const struct sandbox_options *options = &sandbox->options;
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    if (options->memory != 0) {
        limit.rlim_cur = limit.rlim_max = data_in_use() + options->memory;
        setrlimit(RLIMIT_DATA, &limit);
    }
    /* A command is the user's own, and may well write to a file of its own. */
    return options->judge == SANDBOX_COMMAND || forbid_writing(sandbox->folder);
}
