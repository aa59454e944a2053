/* format.h - greylist.conf's format strings ("%r", "%M{name}", …): compiled once, filled in with facts. */
#ifndef TARSIER_POLICY_FORMAT_H
#define TARSIER_POLICY_FORMAT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ip.h"

struct format; /* lives in the arena that it was compiled into */

struct format_error {
    size_t offset; /* bytes into the text */
    const char *message;
};

/* What a format may name. A fact that is not there stays zeroed. */
struct format_facts {
    struct slice sender, recipient; /* as the MTA gave them, with brackets */
    struct ip client;
    struct slice host, helo;
    struct wall now;
    struct slice hostname;      /* {j}, else our own: %V */
    struct slice if_addr;       /* {if_addr}: %V; NONE: 0.0.0.0 */
    struct slice code, ecode;   /* of the reply that is given: %Xc %Xe */
    struct slice acl_id;        /* %a: id, else the line: "9" */
    uint32_t acl_line;          /* %A */
    int64_t elapsed_sec;        /* %E */
    int64_t remaining_sec;      /* %R */
    int64_t tarpit_sec;         /* %t */
    const char *verdict;        /* %S: "accept", "tempfail", "reject"; NULL: unknown */
    const struct slice *groups; /* REGEX_GROUPS_MAX for %g; NULL: none */
    /* %M{name}: value, or NONE. name as the MTA writes it: "j", "{rcpt_host}". NULL: no macros. */
    struct slice (*macro)(const void *ctx, struct slice name);
    const void *macro_ctx;
};

/* Errors: ERR_SYNTAX, ERR_UNSUPPORTED; *error says where and why. Owner: *out lies in the arena. */
MUST_CHECK enum err format_compile(struct slice text, struct arena *arena, struct format **out, struct format_error *error);

/* Whether the HELO is named. */
bool format_names_helo(const struct format *f);
/* Whether the recipient is named. */
bool format_names_rcpt(const struct format *f);
/* The macros that are named, "{rcpt_host}" or "j"; NULL-terminated, in the arena. */
const char *const *format_macros(const struct format *f);

/* "2.0.0.192" as in a DNSBL query; an IPv6 address as its nibbles (RFC 5782). */
void format_put_reversed(const struct ip *ip, struct buf *out);

/* Append f, filled in. */
void format_expand(const struct format *f, const struct format_facts *facts, struct buf *out);

#endif
