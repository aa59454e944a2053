/* access.h - the store that the configuration names, opened by a tool: beside a running daemon for reading, alone for writing. */
#ifndef TARSIER_CLI_ACCESS_H
#define TARSIER_CLI_ACCESS_H

#include "cli/cli.h"
#include "setup/stores.h"

struct access {
    const char *command; /* "import", for messages. Borrowed */
    struct plan *plan;
    const struct store_kind *kind;
    struct store *store; /* NULL until access_open_… */
};

/* Read the configuration (NULL: the default one). False after it was said what is wrong. Owner: access_end, in any case. */
bool access_begin(struct access *a, const char *command, const char *conf_file);
void access_end(struct access *a);

/* Whether tools can work on this kind of store; whether we may read it where it is. */
bool access_is_kept(const struct access *a);
bool access_may_read(const struct access *a);
/* access_is_kept, and these rights are enough; or it is said who can. */
bool access_must_be_kept(const struct access *a);

/* Become who the daemon runs as, so that files made from now on are the daemon's. False after it was said why not. */
bool access_drop_rights(struct access *a);

/* Open what access_begin found. Errors, after they were said: as store_kind's; for writing ERR_BUSY: a daemon runs. */
MUST_CHECK enum err access_open_for_reading(struct access *a);
MUST_CHECK enum err access_open_for_writing(struct access *a);

#endif
