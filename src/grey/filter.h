/*
 * filter.h - which records somebody means: by client, network, sender, recipient, state, age. Pure; used on the store's threads.
 */
#ifndef TARSIER_GREY_FILTER_H
#define TARSIER_GREY_FILTER_H

#include "grey/key.h"
#include "grey/record.h"

/* What a record says of the mail that it is about, one word each. */
enum grey_word {
    GREY_WORD_PENDING, /* a tuple that was deferred */
    GREY_WORD_LEFT,    /* a tuple or client that hung up while it was held */
    GREY_WORD_SERVED,  /* waited to the end, and DATA has not confirmed it yet */
    GREY_WORD_PASSED,  /* a tuple that is let in */
    GREY_WORD_PAIR,    /* client and sender's domain that are let in */
    GREY_WORD_PATIENT, /* a client that has waited before */
    GREY_WORD_ANY,     /* lazyaw: some tuple of the client has passed */
    GREY_WORD_SHARED,  /* stands for the tuples of a client that has too many */
    GREY_WORD_PROOF,   /* clients that a domain has proved by HELO */
    GREY_WORDS
};

/* r is settled, as a store's listing tells it. */
enum grey_word grey_record_word(const struct grey_record *r);
const char *grey_word_text(enum grey_word word);

struct grey_filter {
    struct ip net; /* IP_NONE: any client */
    unsigned bits;
    struct slice sender, recipient; /* NONE: any. `*` stands for any bytes; without brackets. Borrowed */
    unsigned words;                 /* 1 << enum grey_word; 0: any */
    int64_t older_sec, newer_sec;   /* first seen before, since; below 0: any */
    int64_t since_sec;              /* made, let in or renewed since; below 0: any */
    int64_t autowhite_sec;          /* for since_sec: AUTO records live so long behind their last use */
    struct wall now;
};

/* Lets everything through that has not expired. */
void grey_filter_init(struct grey_filter *f, struct wall now);

/*
 * Add a condition: name "client", "network", "sender", "recipient", "state", "older", "newer", "since". Errors: ERR_NOT_FOUND no such name;
 * ERR_SYNTAX, with *why a few words; nothing is changed then. Owner: value must live as long as the filter.
 */
MUST_CHECK enum err grey_filter_add(struct grey_filter *f, const char *name, struct slice value, const char **why);

/* Whether a condition was added. */
bool grey_filter_is_empty(const struct grey_filter *f);

bool grey_filter_match(const struct grey_filter *f, const struct grey_record *r);

/*
 * Where the records can stand that match: ranges of keys, the first is number 0. False when there is none of this number.
 */
bool grey_filter_range(const struct grey_filter *f, unsigned number, struct grey_key *from, struct grey_key *to);

/* "45s", "30m", "12h", "7d", "2w"; a bare number is seconds. Errors: ERR_SYNTAX, ERR_RANGE. */
MUST_CHECK enum err grey_parse_age(struct slice text, int64_t *sec);

#endif
