/* ip.h - an IPv4 or IPv6 address as a value. Knows text, masks and v4-mapped addresses; no ports, no sockets. */
#ifndef TARSIER_BASE_IP_H
#define TARSIER_BASE_IP_H

#include "base/slice.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip {
    uint8_t family;    /* enum ip_family */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

enum { IP_TEXT_MAX = 46 }; /* longest text with its NUL */

/*
 * Read an address: dotted quad or RFC 4291 text, with or without the "IPv6:" that Postfix puts before it in {client_addr}.
 * A v4-mapped address (::ffff:192.0.2.1) comes out as IPv4. Errors: ERR_SYNTAX; *out is IP_NONE then.
 */
MUST_CHECK enum err ip_parse(struct slice text, struct ip *out);

/* Canonical text (RFC 5952) into out; "unknown" for IP_NONE. Returns out. */
const char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX]);

bool ip_eq(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b);

/* The address with everything below the first `bits` bits cleared; bits above the family's width keep all of it. */
struct ip ip_mask(const struct ip *ip, unsigned bits);

/* Whether ip lies in net/bits; families never mix. */
bool ip_in(const struct ip *ip, const struct ip *net, unsigned bits);

/* 32, 128 or 0. */
unsigned ip_width_bits(const struct ip *ip);

/* The client as holds, bounds and patience know it: IPv4 as it is, IPv6 by its /64 (DESIGN 3). */
struct ip ip_client(const struct ip *ip);

#endif
