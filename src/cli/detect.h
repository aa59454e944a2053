/*
 * detect.h - what `tarsier detect` knows of milters (a table) and finds out about them on this machine or in a tree below
 * --root. It reads files, looks at sockets and asks postconf(1); it starts and changes nothing, and connects to nobody.
 */
#ifndef TARSIER_CLI_DETECT_H
#define TARSIER_CLI_DETECT_H

#include "formats/pairs.h"
#include "plan/plan.h"
#include "postfix/milters.h"

#include <sys/types.h>

enum { DETECT_UNITS_MAX = 3, DETECT_FILES_MAX = 5 };

/* A file that may say where the milter listens. */
struct detect_file {
    const char *path; /* NULL: end of the list */
    enum pairs_form form;
    const char *key;       /* holds the address; ignoring case */
    bool is_options;       /* the key holds options of a command line */
    const char *off;       /* a key that switches the milter off, */
    const char *off_value; /* by this value; NULL: by being there */
};

struct detect_milter {
    const char *name;                           /* of the filter, too */
    const char *program;                        /* below bin or sbin */
    const char *units[DETECT_UNITS_MAX];        /* without .service; also names of init scripts */
    char option;                                /* of the command line, names the socket; '\0': none */
    bool host_port;                             /* addresses are rspamd's: host:port */
    struct detect_file files[DETECT_FILES_MAX]; /* the first that names an address counts */
    const char *usual, *usual_postfix; /* where it listens when nothing says so, and beside a Postfix; NULL: not known */
    const char *when;                  /* NULL: always */
    const char *about;                 /* why here and so: a comment */
    bool is_greylist;                  /* our own filter does it */
};

/* In the order in which mail should pass them. */
const struct detect_milter *detect_table(size_t *n);

enum detect_state { DETECT_ENABLED, DETECT_DISABLED, DETECT_MASKED, DETECT_SWITCHED_OFF };

struct detect_found {
    bool is_there; /* a unit, an init script's links or its program */
    enum detect_state state;
    const char *service;    /* path of its unit or init script; NULL: none */
    const char *unit;       /* the name that systemctl takes */
    const char *state_from; /* SWITCHED_OFF: "FILE:LINE" */
    const char *conf;       /* the first of its files that is there; NULL: none */
    const char *address;    /* in tarsier.conf's form; NULL: not found */
    const char *raw;        /* an address that is none of ours; NULL */
    const char *from;       /* "FILE:LINE", or words */
};

/* Look for one milter below root ("" for this machine). Owner: texts lie in the arena. */
void detect_find(struct arena *arena, const char *root, const struct detect_milter *milter, struct detect_found *out);

enum { DETECT_GROUPS_MAX = 64 };

struct detect_user {
    const char *name;
    bool exists;
    uid_t uid;
    gid_t groups[DETECT_GROUPS_MAX]; /* the first is its own */
    size_t n_groups;
};

/* Who the daemon runs as, by ROOT/etc/passwd and ROOT/etc/group. */
void detect_user_find(const char *root, const char *name, struct detect_user *out);

/*
 * Whether that user may connect to the socket at path, by stat alone. Returns NULL when it may, or when it cannot be told;
 * else words for the administrator, a line for each thing in its way. Owner: arena.
 */
const char *detect_socket(struct arena *arena, const char *root, const struct detect_user *user, const char *path);

/* ---- who asks the milters now: Postfix, and tarsierd as its configuration stands ---- */

struct detect_use {
    struct arena *arena;
    const char *postfix_dir;    /* NULL: there is no main.cf, or postconf does not tell */
    struct postfix_milters now; /* whom Postfix asks */
    struct plan *plan;          /* NULL: there is no tarsier.conf, or one with errors */
    const char *trouble;        /* lines about what could not be looked at; NULL: nothing */
};

/*
 * conf_file, postfix_dir: NULL for /etc/tarsier/tarsier.conf and /etc/postfix below root. What is not there is passed over;
 * what cannot be read is trouble. Owner: detect_use_fini.
 */
void detect_use_read(const char *root, const char *conf_file, const char *postfix_dir, struct arena *arena,
                     struct detect_use *out);
void detect_use_fini(struct detect_use *use);

/* The filter of tarsier.conf that connects to this address; NULL: none. */
const struct conf_filter *detect_use_leads(const struct detect_use *use, const char *address);

/*
 * Whether Postfix's smtpd asks the milter at this address; where, as words ("smtpd_milters, submission/inet"). NULL: it
 * does not. Owner: arena.
 */
const char *detect_use_asks(const struct detect_use *use, const char *address);

/* Whether it is tarsierd itself. */
bool detect_use_is_self(const struct detect_use *use, const char *address);

#endif
