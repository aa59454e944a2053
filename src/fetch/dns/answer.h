/*
 * answer.h - what a DNS message answers to one question. Reads the bytes itself, because c-ares' readers tell no TTL of a
 * PTR and none of an absence. Pure; the message may be anything.
 */
#ifndef TARSIER_FETCH_DNS_ANSWER_H
#define TARSIER_FETCH_DNS_ANSWER_H

#include "fetch/dns/name.h"

enum {
    DNS_ADDRESSES_MAX = 64, /* of one name; those beyond are not looked at */
    DNS_CHAIN_MAX = 16,     /* CNAMEs behind each other */
    DNS_RECORDS_MAX = 256,  /* of a section; those beyond are not looked at */
};

struct dns_answer {
    enum dns_status status;
    bool has_ttl;     /* not FAILED; ABSENT: there was a SOA (RFC 2308 5) */
    uint32_t ttl_sec; /* the least on the way to the records */
    size_t n_addresses;
    size_t name_len;
    struct ip addresses[DNS_ADDRESSES_MAX]; /* in the order of the message */
    char name[DNS_TEXT_MAX];                /* PTR: the first that is a host's name */
};

/*
 * FOUND    records of the type at the name, or where its CNAMEs lead (in whatever order they stand).
 * ABSENT   NXDOMAIN; no such record (NODATA); a PTR whose names are none of a host.
 * FAILED   another response code, another question's answer, a referral, a loop of CNAMEs, a broken message.
 */
void dns_answer_read(const struct dns_key *key, struct slice message, struct dns_answer *out);

#endif
