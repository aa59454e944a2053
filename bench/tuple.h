/*
 * tuple.h - numbered tuples: the n-th client, sender and recipient are always the same, so that `fill` can put into a store
 * what `load` asks for later. Clients lie in the network for benchmarks, 198.18.0.0/15 (RFC 2544).
 */
#ifndef TARSIER_BENCH_TUPLE_H
#define TARSIER_BENCH_TUPLE_H

#include "base/slice.h"

enum { TUPLE_CLIENTS_MAX = 1 << 17, TUPLE_TEXT_MAX = 64 };

/* The n-th tuple's client of `clients` many, as a number in host order. */
uint32_t tuple_client(uint64_t n, uint32_t clients);

/* With angle brackets. */
void tuple_sender(uint64_t n, char out[TUPLE_TEXT_MAX]);
void tuple_recipient(uint64_t n, unsigned which, char out[TUPLE_TEXT_MAX]);

/* Dotted quad. */
void tuple_address(uint32_t client, char out[16]);

#endif
