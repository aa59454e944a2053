/*
 * record.h - what is kept of a tuple, a pair, a client: the values and their bytes. Knows no key and no decision.
 *
 * One form for all kinds; what a kind does not use is zero and takes no room. The texts are kept whole and compared when a
 * record is read (decide.h), so that two texts of one hash are never taken for each other.
 */
#ifndef TARSIER_GREY_RECORD_H
#define TARSIER_GREY_RECORD_H

#include "base/clock.h"
#include "base/ip.h"

enum grey_record_type {
    GREY_RECORD_TUPLE = 1,
    GREY_RECORD_PAIR = 2,    /* sender holds the sender's domain; always AUTO */
    GREY_RECORD_CLIENT = 3,  /* patience and left mark of an address */
    GREY_RECORD_LAZY = 4,    /* lazyaw, or a suspect: some tuple of the client is AUTO */
    GREY_RECORD_NETWORK = 6, /* as a pair, of a suspect's /24 or /64: a retry has earned it; always AUTO */
    GREY_RECORD_SHARED = 5,  /* stands for the tuples of a client that has too many; always pending */
    GREY_RECORD_PROOF = 7,   /* which clients a domain has proved by HELO: recipient holds them (proof.h) */
};

enum { GREY_RECORD_TYPE_MAX = GREY_RECORD_PROOF };

struct grey_record {
    enum grey_record_type type;
    bool is_auto;              /* let in without a wait; else pending */
    bool by_hold;              /* AUTO was earned by waiting in a hold, not by a retry: renewal has an end */
    struct wall first_seen;    /* pending: where the delay is counted from */
    struct wall expires;       /* last second of its life; 0: it is served, and nothing else */
    struct wall auto_since;    /* AUTO: since when; CLIENT: when DATA has confirmed a hold last, 0: never */
    struct wall served_since;  /* TUPLE, PAIR, LAZY that is not AUTO: a hold was served then; 0: none */
    struct wall served_until;  /* … and its life as AUTO once that is confirmed */
    struct wall patient_until; /* CLIENT; 0: not patient */
    int64_t left_sec;          /* seconds it stood a hold before it hung up; -1: no left mark */
    struct wall left_until;    /* of the left mark */
    struct ip addr;            /* exact address that made the record */
    struct slice domain;       /* base domain that the key was made of, else NONE */
    struct slice sender, recipient;
};

/* Times outside 0..GREY_TIME_MAX are brought to its ends when they are written. */
#define GREY_TIME_MAX (((int64_t)1 << 40) - 1)

/* The last second in which it says anything: of its own life, or of what it has served. */
struct wall grey_record_end(const struct grey_record *r);

/*
 * What a record has served becomes AUTO where the client's record was confirmed later than that; else nothing happens. Returns
 * whether it did. The client's record is that of ip_client; confirmed is its auto_since.
 */
bool grey_record_settle(struct grey_record *r, struct wall confirmed);

/* Bytes that grey_record_encode writes. */
size_t grey_record_size(const struct grey_record *r);
/* Owner: out has room for grey_record_size bytes; none of the record's slices lie in it. */
void grey_record_encode(const struct grey_record *r, uint8_t *out);

/*
 * Errors: ERR_UNSUPPORTED another version wrote it; ERR_CORRUPT we cannot have written it. Nothing in the bytes is trusted.
 * Owner: slices point into bytes.
 */
MUST_CHECK enum err grey_record_decode(struct slice bytes, struct grey_record *out);

/* Whether it counts against the bound of unconfirmed tuples. What has cost a whole hold does not, nor is it evicted. */
bool grey_record_is_unconfirmed(const struct grey_record *r);

/*
 * Take what `from` knows more into `into`, both of one kind and one key (imports): AUTO wins, the first sight is the earlier one,
 * lives, patience and left marks are the longer ones. Returns whether anything changed.
 */
bool grey_record_merge(struct grey_record *into, const struct grey_record *from);

#endif
