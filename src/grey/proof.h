/*
 * proof.h - which clients a domain has proved by the HELO name (DESIGN 4, "helo_confirmed"). Whoever has a DNS server of his own
 * can let any address confirm itself; so a base domain proves only so many clients in a time, and what is more proves nothing. The
 * list of them is the text of one record a domain: "192.0.2.7@1795485418 2001:db8:1:2::@1795485500", client and last use.
 */
#ifndef TARSIER_GREY_PROOF_H
#define TARSIER_GREY_PROOF_H

#include "base/clock.h"
#include "base/ip.h"

enum {
    GREY_PROOF_CLIENTS = 16,
    GREY_PROOF_LIFE_SEC = 35 * 86400,
    GREY_PROOF_TEXT_MAX = GREY_PROOF_CLIENTS * (IP_TEXT_MAX + 24),
};

enum grey_proof {
    GREY_PROOF_KNOWN, /* among them; nothing to be written */
    GREY_PROOF_USED,  /* among them; out tells of this use */
    GREY_PROOF_ADDED, /* there was room; out has it */
    GREY_PROOF_SPENT, /* there is none */
};

/*
 * Look for the client (an address; IPv6 counts by its /64), and note it where there is room. Those not used for
 * GREY_PROOF_LIFE_SEC make room, but for keep (no clock is to be trusted). What cannot be read in text is passed over. *len is set
 * with out (GREY_PROOF_TEXT_MAX bytes) for USED and ADDED.
 */
enum grey_proof grey_proof_note(struct slice text, const struct ip *addr, struct wall now, bool keep, char *out,
                                size_t *len);

#endif
