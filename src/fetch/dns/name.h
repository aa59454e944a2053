/*
 * name.h - a question to DNS: its type and its name in the form of the wire (RFC 1035 3.1), lower case. That form is the
 * key of the cache, and what names in answers are compared with. Pure.
 */
#ifndef TARSIER_FETCH_DNS_NAME_H
#define TARSIER_FETCH_DNS_NAME_H

#include "port/effect.h"

enum {
    DNS_WIRE_MAX = 255, /* bytes of a name: labels, each behind its length, and the root's zero */
    DNS_LABEL_MAX = 63,
    DNS_TEXT_MAX = 254, /* text without the last dot, with its NUL */
};

struct dns_key {
    enum dns_type type;
    uint8_t len;
    uint8_t wire[DNS_WIRE_MAX];
};

/*
 * Read a host's name; one dot at the end is taken off. Letters, digits, `-` and `_` only: nothing else names a host or an
 * entry of a list, and it keeps c-ares' escapes out of the way.
 * Errors: ERR_SYNTAX (empty, an empty label, another character), ERR_LIMIT (a label or all of it is too long).
 */
MUST_CHECK enum err dns_key_name(enum dns_type type, struct slice name, struct dns_key *out);
/* in-addr.arpa or ip6.arpa, type DNS_PTR. Errors: ERR_SYNTAX (IP_NONE). */
MUST_CHECK enum err dns_key_reverse(const struct ip *ip, struct dns_key *out);

/*
 * The name as text, without the last dot. Errors: ERR_SYNTAX: it is the root, or a label has other characters than above
 * (only a name out of an answer can); *len is 0 then.
 */
MUST_CHECK enum err dns_wire_text(const uint8_t *wire, char out[DNS_TEXT_MAX], size_t *len);

/* localhost and all below it, which are never asked for (RFC 6761 6.3). */
bool dns_key_is_localhost(const struct dns_key *key);

#endif
