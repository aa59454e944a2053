/*
 * key.h - where a record stands: 16 bytes of client, 16 bytes of what it is about. One client is one range of keys.
 *
 * The client part is an address (IPv4 as ::ffff:a.b.c.d) or, beginning with 0xff, the keyed hash of a base domain: ff00::/8 is
 * multicast, which no client connects from. The tail is a keyed hash of texts, or a small constant for the client's own
 * records. Hashes are keyed with the store's secret, so that nobody outside can make two tuples meet; should they meet all the
 * same, the texts in the record tell (grey/record.h).
 */
#ifndef TARSIER_GREY_KEY_H
#define TARSIER_GREY_KEY_H

#include "base/siphash.h"
#include "grey/request.h"

struct grey_secret {
    struct siphash_key text; /* hashes one text */
    struct siphash_key tail; /* hashes hashes, with a letter that tells the kinds apart */
};

struct grey_key {
    uint8_t client[16];
    uint8_t tail[16];
};

/* The client's own records; below every hash with all but certainty, and compared by type anyway. */
enum grey_own { GREY_OWN_CLIENT = 1, GREY_OWN_LAZY = 2, GREY_OWN_SHARED = 3, GREY_OWN_PROOF = 4 };

void grey_client_address(const struct ip *addr, unsigned bits, uint8_t out[16]);
void grey_client_domain(const struct grey_secret *secret, struct slice domain, uint8_t out[16]);
/* The /24 or /64: who has a changing address on a line, or sends from a handful of hosts, mostly stays in it. */
void grey_client_network(const struct ip *addr, uint8_t out[16]);
bool grey_client_is_domain(const uint8_t client[16]);

void grey_tail_tuple(const struct grey_secret *secret, struct slice sender, struct slice recipient, uint8_t out[16]);
void grey_tail_pair(const struct grey_secret *secret, struct slice sender_domain, uint8_t out[16]);
/* A pair whose client is a network: another tail, for 192.0.2.0 is an address too. */
void grey_tail_network(const struct grey_secret *secret, struct slice sender_domain, uint8_t out[16]);
void grey_tail_own(enum grey_own which, uint8_t out[16]);

#endif
