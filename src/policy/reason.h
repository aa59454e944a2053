/* reason.h - why a mail is let in without greylisting: the bits behind X-Greylist and the "skipping greylist because" line. */
#ifndef TARSIER_POLICY_REASON_H
#define TARSIER_POLICY_REASON_H

/* In the order in which the peer names them (reference: milter-greylist 4.6.2). */
enum policy_reason {
    REASON_DOMAIN = 1u << 0,    /* domain clause */
    REASON_ADDR = 1u << 1,      /* addr clause */
    REASON_FROM = 1u << 2,      /* from clause */
    REASON_AUTH = 1u << 3,      /* SMTP AUTH, implicit */
    REASON_NONIP = 1u << 4,     /* client is no IP host, implicit */
    REASON_STARTTLS = 1u << 5,  /* verified client certificate, implicit */
    REASON_RCPT = 1u << 6,      /* rcpt clause */
    REASON_AUTOWHITE = 1u << 7, /* the tuple is AUTO */
    REASON_DEFAULT = 1u << 8,   /* default line, or nothing matched in testmode */
    REASON_TARPIT = 1u << 9,    /* waited to the end of a tarpit in this connection, or beside one that did */
    REASON_ACL = 1u << 10,      /* a line matched for none of the reasons above (helo, a negation, …) */
    REASON_UNSTORED = 1u << 11, /* ours: a first sight that could not be stored was let in */
    /* ours: what the peer calls REASON_AUTOWHITE or REASON_TARPIT, though this tuple has earned nothing by itself */
    REASON_AUTOPAIR = 1u << 12,   /* another mail of the client and the sender's domain has passed (`hostkey domain`) */
    REASON_AUTOCLIENT = 1u << 13, /* another mail of the client has passed (`lazyaw`) */
    REASON_PATIENT = 1u << 14,    /* the client has waited in an earlier connection */
    REASON_RELEASED = 1u << 15,   /* ours: an administrator has ended its hold */
    REASON_ALLOWED = 1u << 16,    /* ours: an administrator has allowed it by hand (policy/allow.h) */
};

#endif
