/*
 * reply.h - what a filter answers: parse (from a child) with every check that its form allows, and build (to the MTA).
 */
#ifndef TARSIER_MILTER_REPLY_H
#define TARSIER_MILTER_REPLY_H

#include "milter/protocol.h"
#include "milter/wire.h"

struct milter_reply {
    uint8_t code; /* SMFIR_* */
    union {
        struct {
            int status;        /* 400..599 */
            struct slice text; /* as it goes out: "451-4.7.1 a\r\n451 4.7.1 b", without the last CRLF, `%` doubled still */
        } replycode;
        struct {
            uint32_t index; /* INSHEADER, CHGHEADER */
            struct slice name, value;
        } header;
        struct {
            struct slice address, esmtp; /* esmtp NONE: not given */
        } address;                       /* ADDRCPT, ADDRCPT_PAR, DELRCPT, CHGFROM */
        struct slice body;               /* REPLBODY */
        struct slice reason;             /* QUARANTINE */
        struct {
            uint32_t stage;
            struct slice names;
        } symlist;
    } u;
};

enum { MILTER_REPLY_TEXT_MAX_BYTES = 980, MILTER_REPLY_LINES_MAX = 32 };

/*
 * Errors: ERR_UNSUPPORTED unknown code; ERR_SYNTAX the body does not have the code's form: missing NUL, a NUL inside, bytes
 * behind the form, a reply code out of 400..599 or mixed between its lines, an enhanced code of another class (to Postfix every
 * text that begins with a digit has one), bare CR or LF, a header name that is empty or not RFC 5322's; ERR_LIMIT more lines or
 * longer ones than libmilter lets a filter send.
 */
MUST_CHECK enum err milter_parse_reply(const struct wire_packet *p, struct milter_reply *out);
/* The whole packet. Strings end at a NUL in them. */
void milter_put_reply(struct buf *out, const struct milter_reply *r);
/* The whole packet of a code without a body: continue, accept, tempfail, reject, discard, skip, progress, shutdown, … */
void milter_put_code(struct buf *out, uint8_t code);

/*
 * A reply code packet built from its parts. status "451"; enhanced "4.7.1" or NONE (left out when its class does not fit the
 * status: the MTA would drop the whole reply); text of any length and with newlines: it is cut into lines of at most
 * MILTER_REPLY_TEXT_MAX_BYTES at blanks where it can, control bytes become blanks, `%` is doubled (libmilter's and Postfix's
 * rule: "%%" is one percent sign). An ill-formed status becomes "451". Lines above MILTER_REPLY_LINES_MAX are dropped. A line
 * without enhanced code that begins with a digit gets "4.0.0" or "5.0.0", because Postfix takes that digit for a class. What
 * comes out is always what milter_parse_reply takes.
 */
void milter_put_replycode(struct buf *out, struct slice status, struct slice enhanced, struct slice text);

/* The whole packet of ADDHEADER, INSHEADER or CHGHEADER; index is left out for ADDHEADER. Strings end at a NUL in them. */
void milter_put_header(struct buf *out, uint8_t code, uint32_t index, struct slice name, struct slice value);

#endif
