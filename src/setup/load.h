/* load.h - all that is read from files for one generation: the configuration, and what the MTA says of its limits. */
#ifndef TARSIER_SETUP_LOAD_H
#define TARSIER_SETUP_LOAD_H

#include "plan/plan.h"

struct loaded {
    struct plan *plan; /* NULL: diags has an error */
    struct diags diags;
    uint32_t mta_sessions; /* 0: not known */
    char *mta_user;        /* whom its smtpd runs as */
};

/* Blocks; any thread. Owner: loaded_fini, which leaves a plan that was taken out (set NULL) alone. */
void loaded_read(const char *conf_file, const char *postfix_dir, struct loaded *out);
/* Ask the system too whether this can start (setup/system.h): an error takes the plan away. At the start and for --check. */
void loaded_check_system(struct loaded *l, bool starting);
void loaded_fini(struct loaded *l);

#endif
