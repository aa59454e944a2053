/* key.c - where a record stands. */
#include "grey/key.h"

#include <string.h>

enum { DOMAIN_MARK = 0xff };

void grey_client_address(const struct ip *addr, unsigned bits, uint8_t out[16])
{
    struct ip net = ip_mask(addr, bits);
    if (net.family == IP_V4) {
        memset(out, 0, 10);
        out[10] = out[11] = 0xff;
        memcpy(out + 12, net.bytes, 4);
    } else {
        memcpy(out, net.bytes, 16);
    }
}

void grey_client_network(const struct ip *addr, uint8_t out[16])
{
    grey_client_address(addr, addr->family == IP_V6 ? 64 : 24, out);
}

void grey_client_domain(const struct grey_secret *secret, struct slice domain, uint8_t out[16])
{
    siphash128(&secret->text, domain, out);
    out[0] = DOMAIN_MARK;
}

bool grey_client_is_domain(const uint8_t client[16])
{
    return client[0] == DOMAIN_MARK;
}

/* Each text is hashed alone and the hashes together, so no text can reach over into its neighbour and nothing is copied. */
static void tail(const struct grey_secret *secret, char kind, struct slice a, struct slice b, uint8_t out[16])
{
    uint8_t block[33];
    block[0] = (uint8_t)kind;
    siphash128(&secret->text, a, block + 1);
    siphash128(&secret->text, b, block + 17);
    siphash128(&secret->tail, slice_of(block, sizeof(block)), out);
}

void grey_tail_tuple(const struct grey_secret *secret, struct slice sender, struct slice recipient, uint8_t out[16])
{
    tail(secret, 'T', sender, recipient, out);
}

void grey_tail_pair(const struct grey_secret *secret, struct slice sender_domain, uint8_t out[16])
{
    tail(secret, 'P', sender_domain, SLICE_NONE, out);
}

void grey_tail_network(const struct grey_secret *secret, struct slice sender_domain, uint8_t out[16])
{
    tail(secret, 'N', sender_domain, SLICE_NONE, out);
}

void grey_tail_own(enum grey_own which, uint8_t out[16])
{
    memset(out, 0, 16);
    out[15] = (uint8_t)which;
}
