/*
 * milters.h - which milters Postfix asks, and for which service: smtpd_milters of main.cf and of master.cf's -o options, as
 * postconf tells them (postconf(5), MILTER_README). Addresses come out in tarsier.conf's form. Pure.
 */
#ifndef TARSIER_POSTFIX_MILTERS_H
#define TARSIER_POSTFIX_MILTERS_H

#include "base/buf.h"
#include "postfix/values.h"

struct postfix_milter {
    struct slice service;   /* "submission/inet"; empty: main.cf */
    struct slice parameter; /* smtpd_milters, non_smtpd_milters */
    struct slice raw;       /* as it stands there, without braces; empty: the service asks none, by its own list */
    struct slice options;   /* what stands behind the address in braces: "connect_timeout=10s, default_action=accept" */
    const char *address;    /* "unix:/path", "inet:port@host", "inet6:port@host"; NULL: none that is understood */
};

struct postfix_milters {
    struct postfix_milter *items; /* main.cf's first, each list in its order */
    size_t n, cap;
};

/* The parameters of main.cf that postfix_milters_read wants, from `postconf -x`; NULL-terminated. */
extern const char *const postfix_milters_wanted[];

/*
 * values: `postconf -x` of those above, `postconf -xP` and `postconf -F`, one behind the other. Owner: arena; slices of the
 * text.
 */
void postfix_milters_read(struct arena *arena, const struct postfix_values *values, struct postfix_milters *out);

/* Whether a service's smtpd runs in a chroot (the queue directory). "-" is no, as from compatibility level 1 on. */
bool postfix_is_chrooted(const struct postfix_values *values, struct slice service);

/*
 * Whether both lead to the same socket, in tarsier.conf's form: /var/run is /run, and the names of the loopback are one.
 * any: the second one is where somebody listens, perhaps on all addresses.
 */
bool postfix_same_address(const char *a, const char *b);

#endif
