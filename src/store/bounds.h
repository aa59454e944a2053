/*
 * bounds.h - how many unconfirmed tuples a client and a network have, and whom to evict. Part of records.h, which is its only user.
 *
 * A client is an address (ip_client), never a domain. A network is what lies together in the records' keys, so that it can be evicted as
 * a range: an IPv4 /24, an IPv6 /48, or one base domain.
 */
#ifndef TARSIER_STORE_BOUNDS_H
#define TARSIER_STORE_BOUNDS_H

#include "store/records.h"

/* One tuple more (1) or fewer (-1). */
int bounds_count(struct records_txn *rt, const struct grey_key *key, const struct ip *addr, int change);

#endif
