/*
 * networks.h - whom Postfix takes for its own (mynetworks, relayhost, relay_domains) against whom our configuration spares,
 * and the lines of tarsier.conf that make the two agree. Pure: the values come from postconf, files of networks through a
 * function.
 */
#ifndef TARSIER_POSTFIX_NETWORKS_H
#define TARSIER_POSTFIX_NETWORKS_H

#include "base/buf.h"
#include "policy/policy.h"
#include "postfix/values.h"

/* mynetworks may name files. False: it cannot be read. The text lives as long as the question. */
struct postfix_files {
    void *ctx;
    bool (*read)(void *ctx, const char *path, struct slice *text);
};

struct postfix_net {
    struct ip net; /* masked */
    unsigned bits;
    bool is_exception; /* `!net`: not ours, although a later entry holds it */
};

struct postfix_networks {
    struct postfix_net *nets;
    size_t n, cap;
    struct slice *unread; /* host names, tables of other kinds: nobody can tell which addresses they hold */
    size_t n_unread, unread_cap;
};

/* A value of mynetworks (postconf(5); DATABASE_README for cidr: tables, of which the plain lines are read). Owner: arena. */
void postfix_networks_read(struct arena *arena, struct slice value, const struct postfix_files *files,
                           struct postfix_networks *out);

/* The parameters that postfix_networks_compare wants from `postconf -x`; NULL-terminated. */
extern const char *const postfix_networks_wanted[];

/*
 * Append to out the statements to add to the configuration, with the reason of each as a comment. Returns how many they are;
 * what cannot be told is a comment alone.
 */
size_t postfix_networks_compare(const struct policy *policy, const struct conf *conf, const struct postfix_values *values,
                                const struct postfix_files *files, struct buf *out);

#endif
