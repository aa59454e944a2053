/*
 * decide.h - greylisting's decision as a pure function: a request and the records it touches in, an answer and changed records
 * out. Reads no clock, keeps nothing. Who holds the records (the store, a table in memory) loads the slots, calls grey_apply
 * and writes what is dirty, all in one transaction.
 *
 *     grey_set_init(&set, secret, request);
 *     for every slot that is wanted: look its key up, grey_set_load() what is there
 *     grey_apply(request, &set, &answer);
 *     for every slot: remove it if drop, write it if dirty
 */
#ifndef TARSIER_GREY_DECIDE_H
#define TARSIER_GREY_DECIDE_H

#include "grey/key.h"
#include "grey/proof.h"
#include "grey/record.h"

enum grey_slot_name {
    GREY_SLOT_TUPLE,      /* by the configured key */
    GREY_SLOT_TUPLE_ADDR, /* by the address, where the configured key is a domain: imports, a changed setting */
    GREY_SLOT_PAIR,       /* client as configured, sender's domain */
    GREY_SLOT_PAIR_ADDR,  /* address, sender's domain: what a hold earned never frees a whole domain */
    GREY_SLOT_NETWORK,    /* a suspect's network, sender's domain; not for the null sender */
    GREY_SLOT_CLIENT,     /* patience and left mark, by ip_client() */
    GREY_SLOT_LAZY,
    GREY_SLOT_SHARED,
    GREY_SLOT_PROOF, /* PROVE alone */
    GREY_SLOTS
};

struct grey_slot {
    struct grey_key key;
    bool wanted;               /* to be looked up */
    bool present;              /* record is valid: loaded, or made here */
    bool dirty;                /* to be written */
    bool drop;                 /* to be removed; never dirty too */
    bool settled;              /* what it had served has become AUTO here; written with its next use */
    struct grey_record record; /* its texts are the request's own once it is loaded */
};

struct grey_set {
    struct grey_slot slots[GREY_SLOTS];
    bool crowded;      /* in: the client has as many unconfirmed tuples as it may, new ones share a record */
    bool keep_expired; /* in: the wall clock is not to be trusted, nothing counts as expired */
    bool durable;      /* out: more than a renewal was changed, the answer must wait until it is on disk */
    size_t proof_len;
    char proof[GREY_PROOF_TEXT_MAX]; /* of the PROOF slot's record: its text lies here, so a set is not moved */
};

/* An AUTO record earned by a hold is renewed to at most this many times its life (DESIGN 3). */
enum { GREY_HOLD_RENEWALS = 8 };

/*
 * A shared record cannot tell the tuples that it stands for from new ones: behind its delay it lets in all of the client's. So it
 * lives only as long as a mail server needs to come back, not for the whole timeout.
 */
enum { GREY_SHARED_LIFE_SEC = 4 * 3600 };

/* Compute the keys and which slots the request wants. SHARED is to be loaded too where no record of the tuple's own is live. */
void grey_set_init(struct grey_set *set, const struct grey_secret *secret, const struct grey_request *req);

/*
 * Take a stored record into its slot. Errors: as grey_record_decode, and ERR_NOT_FOUND when the record is another tuple's of
 * the same hash or of another kind; the slot counts as empty then. Owner: bytes may die after the call.
 */
MUST_CHECK enum err grey_set_load(struct grey_set *set, enum grey_slot_name name, const struct grey_request *req,
                                  struct slice bytes);

/* The decision. Every field of the answer is set, `failed` to false. The set's records borrow the request's texts. */
void grey_apply(const struct grey_request *req, struct grey_set *set, struct grey_answer *answer);

#endif
