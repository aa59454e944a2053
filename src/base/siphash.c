/* siphash.c - SipHash-2-4 as its authors describe it, with their 128-bit finish. */
#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void store64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void rounds(struct state *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

static struct state absorb(const struct siphash_key *key, struct slice data, bool wide)
{
    uint64_t k0 = load64(key->bytes), k1 = load64(key->bytes + 8);
    struct state s = {0x736f6d6570736575u ^ k0, 0x646f72616e646f6du ^ k1, 0x6c7967656e657261u ^ k0,
                      0x7465646279746573u ^ k1};
    if (wide)
        s.v1 ^= 0xee;
    const uint8_t *p = (const uint8_t *)data.ptr;
    size_t n = data.len;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t m = load64(p);
        s.v3 ^= m;
        rounds(&s, 2);
        s.v0 ^= m;
    }
    uint64_t last = (uint64_t)data.len << 56;
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << (8 * i);
    s.v3 ^= last;
    rounds(&s, 2);
    s.v0 ^= last;
    return s;
}

static uint64_t squeeze(struct state *s)
{
    rounds(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t siphash64(const struct siphash_key *key, struct slice data)
{
    struct state s = absorb(key, data, false);
    s.v2 ^= 0xff;
    return squeeze(&s);
}

void siphash128(const struct siphash_key *key, struct slice data, uint8_t out[16])
{
    struct state s = absorb(key, data, true);
    s.v2 ^= 0xee;
    store64(out, squeeze(&s));
    s.v1 ^= 0xdd;
    store64(out + 8, squeeze(&s));
}
