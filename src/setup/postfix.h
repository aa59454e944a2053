/*
 * postfix.h - this machine's Postfix as postconf(1) tells it, for what postfix/ decides. Blocks; for the command line.
 */
#ifndef TARSIER_SETUP_POSTFIX_H
#define TARSIER_SETUP_POSTFIX_H

#include "plan/plan.h"
#include "postfix/milters.h"

/*
 * The values of these parameters (NULL-terminated), with every $name expanded. Errors, with words in why: as program_run.
 * Owner: arena.
 */
MUST_CHECK enum err setup_postfix_values(const char *config_dir, const char *const *names, struct arena *arena,
                                         struct postfix_values *out, struct buf *why);

/*
 * Append to out the lines that the configuration lacks of Postfix's own networks and relays (postfix/networks.h). *n: how
 * many statements they are. Errors, with words in why: as above; nothing is appended then.
 */
MUST_CHECK enum err setup_postfix_networks(const char *config_dir, const struct plan *plan, struct buf *out, size_t *n,
                                           struct buf *why);

/*
 * The values that postfix_milters_read wants (postfix/milters.h), and those of `more` (NULL-terminated; may be NULL).
 * Errors, with words in why: as above. Owner: arena.
 */
MUST_CHECK enum err setup_postfix_services(const char *config_dir, const char *const *more, struct arena *arena,
                                           struct postfix_values *out, struct buf *why);

#endif
