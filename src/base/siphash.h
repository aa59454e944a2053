/* siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash that nobody outside can aim. 64 and 128 bits. */
#ifndef TARSIER_BASE_SIPHASH_H
#define TARSIER_BASE_SIPHASH_H

#include "base/slice.h"

struct siphash_key {
    uint8_t bytes[16];
};

uint64_t siphash64(const struct siphash_key *key, struct slice data);
void siphash128(const struct siphash_key *key, struct slice data, uint8_t out[16]);

#endif
