/* ipset.h - a set of networks, asked whether an address lies in one: by binary search, once a prefix length that occurs. */
#ifndef TARSIER_POLICY_IPSET_H
#define TARSIER_POLICY_IPSET_H

#include "base/ip.h"

struct ipset_net {
    struct ip net; /* masked */
    uint8_t bits;
};

struct ipset_group; /* the networks of one family and prefix length */

/* A zeroed struct ipset is an empty set. Owner: ipset_fini frees. */
struct ipset {
    struct ipset_net *nets;
    size_t count, cap;
    struct ipset_group *groups;
    size_t n_groups;
};

/* Only before ipset_seal. Bits beyond the family's width count as the whole width. */
void ipset_add(struct ipset *s, const struct ip *net, unsigned bits);
/* Sort, drop duplicates; from now on the set may be asked. */
void ipset_seal(struct ipset *s);
bool ipset_has(const struct ipset *s, const struct ip *ip);
void ipset_fini(struct ipset *s);

#endif
