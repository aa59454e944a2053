/*
 * rights.h - whom we run as, and what has to be done before: the store's directory, the pid file. Blocks; at start only.
 * Every error comes with its words in *why.
 */
#ifndef TARSIER_SETUP_RIGHTS_H
#define TARSIER_SETUP_RIGHTS_H

#include "base/buf.h"

#include <sys/types.h>

struct identity {
    bool change; /* we are root and shall not stay it */
    uid_t uid;   /* (uid_t)-1, (gid_t)-1 unless change */
    gid_t gid;
    char *login;
};

/*
 * user is "login" or "login:group". Without root's rights we stay who we are. Errors: ERR_NOT_FOUND no such login or group;
 * ERR_RANGE it is root. Owner: identity_fini.
 */
MUST_CHECK enum err identity_find(const char *user, struct identity *out, struct buf *why);
/* The same whoever we are: what root would become. */
MUST_CHECK enum err identity_look_up(const char *user, struct identity *out, struct buf *why);
void identity_fini(struct identity *id);

/* Make a directory (mode 700, owned by id) if it is missing; its parent must be there. Errors: ERR_IO. */
MUST_CHECK enum err rights_make_directory(const char *path, const struct identity *id, struct buf *why);

/* Become id for good: groups, group, user, no capabilities, and no way back. Errors: ERR_IO. */
MUST_CHECK enum err rights_drop(const struct identity *id, struct buf *why);

struct pidfile {
    int fd; /* -1: none */
    const char *path;
};

/* Write our pid; path NULL: none is wanted. Errors: ERR_BUSY another process holds the file, ERR_IO. path is borrowed. */
MUST_CHECK enum err pidfile_open(const char *path, struct pidfile *out, struct buf *why);
/* Remove it, or empty it where we may not any more. */
void pidfile_close(struct pidfile *p);

#endif
