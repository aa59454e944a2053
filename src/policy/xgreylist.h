/*
 * xgreylist.h - the peer's words for what was decided: the X-Greylist header, durations, reasons. Log tools and people read
 * them, so they are kept to the letter (milter-greylist 4.6.2), with true reasons.
 */
#ifndef TARSIER_POLICY_XGREYLIST_H
#define TARSIER_POLICY_XGREYLIST_H

#include "base/buf.h"
#include "base/clock.h"
#include "policy/reason.h"

/* "00:30:00"; hours as many digits as they need ("120:00:00"); below zero counts as zero. */
void xgreylist_put_duration(struct buf *out, int64_t sec);

/* "tarsier-0.1.0 (mx.example.org [192.0.2.25]); Tue, 24 Nov 2026 01:58:50 +0000 (UTC)". address NONE: [0.0.0.0]. */
void xgreylist_put_version(struct buf *out, struct slice hostname, struct slice address, struct wall now);

/*
 * The reasons of a whitelisting in the peer's order, joined by ", ". tarpit_sec: for "Message whitelisted by tarpit 125s";
 * acl: id or line for "ACL 9 matched", which is added for REASON_ACL, or when with_acl is set, or when nothing else is known.
 */
void xgreylist_put_reasons(struct buf *out, unsigned reasons, int64_t tarpit_sec, struct slice acl, bool with_acl);

struct xgreylist {
    unsigned reasons;    /* of all accepted recipients; 0: not known */
    int64_t elapsed_sec; /* longest delay; 0: none */
    int64_t tarpit_sec;
    struct slice acl; /* NONE: no line */
    bool with_acl;    /* a line with nolog matched */
    struct slice hostname, address;
    struct wall now;
};

/* "Delayed for 00:31:12 by %V", or the reasons and ", not delayed by %V". */
void xgreylist_put_header(struct buf *out, const struct xgreylist *x);

#endif
