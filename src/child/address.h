/* address.h - where a child listens, as the configuration writes it: "unix:/path", "inet:port@host", "inet6:port@host". */
#ifndef TARSIER_CHILD_ADDRESS_H
#define TARSIER_CHILD_ADDRESS_H

#include "base/ip.h"
#include "base/slice.h"

struct child_address {
    const char *path;  /* unix; NULL: inet. Borrowed from the text */
    struct ip ip;      /* inet; family IP_NONE: host is a name that has to be looked up */
    struct slice host; /* inet: the name; borrowed from the text */
    bool is_v6;        /* inet6: look for AAAA */
    uint16_t port;
};

/* The parser of the configuration has seen to the form. A host that is left out is this one. */
struct child_address child_address_cut(const char *connect);

#endif
