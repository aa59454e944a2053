/* generation.h - a generation of the configuration out of files: the same way in for the daemon and the command. Blocks. */
#ifndef TARSIER_SETUP_GENERATION_H
#define TARSIER_SETUP_GENERATION_H

#include "plan/plan.h"

/* NULL when diags has an error. Any thread. Owner: plan_unref. */
struct plan *generation_read(const char *conf_file, struct diags *diags);

#endif
