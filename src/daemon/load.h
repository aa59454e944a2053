/* load.h - all that is read from files for one generation: the configuration, and what the MTA says of its limits. */
#ifndef TARSIER_DAEMON_LOAD_H
#define TARSIER_DAEMON_LOAD_H

#include "plan/plan.h"

struct loaded {
    struct plan *plan; /* NULL: diags has an error */
    struct diags diags;
    uint32_t mta_sessions; /* 0: not known */
};

/* Blocks; any thread. Owner: loaded_fini, which leaves a plan that was taken out (set NULL) alone. */
void loaded_read(const char *conf_file, const char *postfix_dir, struct loaded *out);
void loaded_fini(struct loaded *l);

#endif
