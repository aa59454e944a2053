/*
 * policy.h - ACL lines and conditions compiled to clauses, and the cursor that evaluates them. Pure: facts come in, a verdict
 * or the name of a missing fact comes out. Knows no session and no store; the hold's numbers are facts like others.
 */
#ifndef TARSIER_POLICY_POLICY_H
#define TARSIER_POLICY_POLICY_H

#include "base/stage.h"
#include "conf/conf.h"
#include "grey/request.h"
#include "policy/format.h"
#include "match/generic.h"
#include "match/regex.h"
#include "policy/reason.h"

struct policy;

/* What is asked of the MTA and of others only when some line, condition or format wants it. */
enum policy_need {
    POLICY_NEEDS_HELO = 1u << 0,
    POLICY_NEEDS_AUTH = 1u << 1,     /* {auth_type} {auth_authen} */
    POLICY_NEEDS_TLS = 1u << 2,      /* {verify} {cert_subject} */
    POLICY_NEEDS_STORE = 1u << 3,    /* some line can greylist or hold */
    POLICY_NEEDS_HOLD = 1u << 4,     /* some line holds: watch the client, see ABORT */
    POLICY_NEEDS_EOM = 1u << 5,      /* some header may be added (X-Greylist, addheader) */
    POLICY_NEEDS_DATA = 1u << 6,     /* delayedreject; a hold: DATA confirms it */
    POLICY_NEEDS_NAME = 1u << 7,     /* s25r and its like: {client_resolve} {client_ptr} */
    POLICY_NEEDS_HEADERS = 1u << 8,  /* some condition reads headers */
    POLICY_NEEDS_BODY = 1u << 9,     /* … or the body, or the message's size */
    POLICY_NEEDS_DOMAINS = 1u << 10, /* generic_rdns: the Public Suffix List */
};

/*
 * Compile. Errors (regexes, formats, with their columns) go to diags; the result is usable when diags has none. Never NULL.
 * Owner: policy_free; c must outlive it.
 */
struct policy *policy_compile(const struct conf *c, struct diags *diags);
void policy_free(struct policy *p);
unsigned policy_needs(const struct policy *p);
/* Macros that the formats name beside those of needs, e.g. "{rcpt_host}"; NULL-terminated. */
const char *const *policy_macros(const struct policy *p);

/* ---- facts ---- */

enum policy_resolve { RESOLVE_ABSENT, RESOLVE_OK, RESOLVE_FORGED, RESOLVE_TEMP, RESOLVE_FAIL }; /* {client_resolve} */

/* Why a tarpit line cannot hold now; checked in this order (DESIGN 3). */
enum policy_no_hold { HOLD_POSSIBLE, HOLD_UNWATCHABLE, HOLD_BOUND_MAX, HOLD_BOUND_CLIENT, HOLD_STRESS, HOLD_CALLOUT };

/*
 * Facts that somebody must be asked for, as a set of bits: DNS lists by their number in conf.dnsbls, the others above them. A
 * condition or a line that lacks some says which: ask for them, and judge again.
 */
#define POLICY_FACT_LIST(n) (UINT64_C(1) << (n))
#define POLICY_FACT_LISTS   ((UINT64_C(1) << CONF_DNSBLS_MAX) - 1)
/* what the store knows (GREY_LOOK): facts.look */
#define POLICY_FACT_LOOK (UINT64_C(1) << CONF_DNSBLS_MAX)
/* whether the HELO name leads back: facts.helo_proof */
#define POLICY_FACT_HELO (UINT64_C(1) << (CONF_DNSBLS_MAX + 1))

/* What DNS says of a list. ERROR counts as not listed. */
enum policy_listed { LISTED_NOT_ASKED, LISTED_NO, LISTED_YES, LISTED_ERROR };

/* What helo_confirmed sees of the HELO name. Those up to SPENT are what facts.helo_proof may say; the others need no asking. */
enum policy_helo {
    HELO_UNKNOWN, /* nobody was asked yet */
    HELO_PROVES,  /* DNS leads from it to the client's address, and its domain has not proved too many */
    HELO_OTHER_ADDRESS,
    HELO_ABSENT,
    HELO_FAILED,
    HELO_SPENT,
    HELO_NONE,
    HELO_NO_NAME, /* an address, or a single label */
    HELO_LOCAL,
    HELO_OURS,
    HELO_NO_SUFFIX,
    HELO_PRIVATE_SUFFIX,
    HELO_SAME_DOMAIN,
    HELO_EXCEPTED,
    HELO_SPELLS,
    HELO_GENERIC,
    HELO_MAX_
};

/* How an earlier filter of the file stands. */
enum policy_standing {
    FILTER_PENDING, /* not decided yet, or asked and not at the end of its say; at STAGE_EOM no result matches that */
    FILTER_NOT_ASKED,
    FILTER_ACCEPTED,
    FILTER_CONTINUED,
    FILTER_TEMPFAILED,
    FILTER_REJECTED,
    FILTER_DISCARDED,
    FILTER_FAILED,
};

/* What conditions read of a message and of the session around it; the session fills it only where a filter's condition is asked. */
struct policy_session_facts {
    bool stressed;           /* the MTA near its limit, or {stress}=yes */
    uint32_t open_sessions;  /* for `stress N` */
    const uint8_t *listed;   /* enum policy_listed, by conf.dnsbls; NULL: none asked yet */
    const uint8_t *standing; /* enum policy_standing, by filter */
    const bool *quarantined; /* by filter */
    /* Borrowed text of a macro that the MTA has sent; NONE: absent. */
    struct slice (*macro)(const void *ctx, struct slice name);
    /*
     * The n-th header so far, or accepted recipient; false: there are no more. Asked for in order.
     */
    bool (*header)(const void *ctx, size_t n, struct slice *name, struct slice *value);
    bool (*recipient)(const void *ctx, size_t n, struct slice *address);
    const void *ctx;
    struct slice body;   /* as much of its beginning as is kept, up to POLICY_BODY_MAX_BYTES; matched line by line */
    bool body_complete;  /* that is all of it, or as much as is ever looked at */
    uint64_t size_bytes; /* headers and body so far */
};

enum { POLICY_BODY_MAX_BYTES = 64 * 1024 };

/*
 * What a term has said of the present message, so that nothing is matched twice: not a header, not a line of the body, not a sender
 * while something else of the condition is late. Zeroed: nothing. One a term that can be dear; policy_memos() of them.
 */
struct policy_memo {
    uint32_t looked;         /* headers; bytes of the body, in whole lines */
    uint8_t settled, so_far; /* enum policy_truth: POLICY_LATER is never settled */
    bool is_settled;
};

struct allows; /* allow.h */

struct policy_facts {
    enum stage
        stage; /* where the session has got to: a fact of a later stage is unknown, not absent. From DATA on a recipient
                         of NONE means any of them; at EOM everything is known, and LATER is no answer any more */
    struct ip client;
    bool client_is_local;    /* family L: no IP host */
    struct slice host;       /* as the MTA gave it: a verified name, "[192.0.2.1]" or "unknown" */
    struct slice client_ptr; /* {client_ptr}; NONE: absent */
    enum policy_resolve resolve;
    bool temp_again; /* TEMP, as it was more than an hour ago: counts as no name (DESIGN 4) */
    struct slice helo;
    uint8_t helo_proof;       /* enum policy_helo, up to HELO_SPENT: what others said of it */
    struct slice sender;      /* as the MTA gave it, "<a@b>" */
    struct slice sender_seen; /* as `from` clauses see it: cleaned (grey_tuple.sender); NONE: sender itself */
    struct slice recipient;
    struct slice auth_type, auth_authen, verify, cert_subject;
    struct wall now;
    /* the hold */
    const struct grey_answer *look; /* NULL: the store has not been asked yet */
    enum policy_no_hold no_hold;
    int64_t waited_ms;           /* served in this connection so far, all holds together */
    int64_t longest_ms;          /* the longest single one */
    const struct allows *allows; /* who is let in by hand (allow.h), indexed; NULL: nobody */
    struct regex_effort *effort; /* what regexes may cost; NULL: a step's each */
    struct policy_memo *memo;    /* of this message and this policy; NULL: nothing is remembered */
    uint64_t
        *recipient_memo; /* the same of facts.recipient, for terms that speak of it; 0: nothing; NULL: nobody remembers */
    const struct policy_session_facts *more; /* NULL: what it would tell is not known (absent, no stress, not listed) */
};

/*
 * The client's verified name; NONE for a client without one, for a name that the MTA shows but calls forged, and while the
 * look-up fails. An MTA that sends no {client_resolve} gives a name only when it has verified it, else "[192.0.2.1]".
 */
struct slice policy_client_name(const struct policy_facts *f);

/* The name that is judged: the verified one, while the look-up fails {client_ptr}; NONE: there is none. */
struct slice policy_judged_name(const struct policy_facts *f);

/*
 * What generic_rdns sees of a name, on the Public Suffix List given. policy_domains: the policy's own list, NULL where no condition
 * asks for it.
 */
void policy_judge_name(const struct policy *p, const struct domain_list *domains, struct slice name, const struct ip *ip,
                       struct generic_verdict *out);
const struct domain_list *policy_domains(const struct policy *p);

/*
 * On which side of `remote` a whole network lies. SAID_REMOTE: `network remote` holds it. A network of which only parts are local
 * is REMOTE.
 */
enum policy_side { POLICY_SIDE_REMOTE, POLICY_SIDE_SAID_REMOTE, POLICY_SIDE_LOCAL };
enum policy_side policy_network_side(const struct policy *p, const struct ip *net, unsigned bits);

/* What helo_confirmed sees, on these facts; a sentence for it ("it ..."), for logs and explain. */
enum policy_helo policy_judge_helo(const struct policy *p, const struct policy_facts *f);
const char *policy_helo_text(enum policy_helo helo);
/* The HELO as DNS is asked for it; and its base domain, a part of it. NONE: it has none. */
struct slice policy_helo_name(const struct policy_facts *f);
struct slice policy_helo_domain(const struct policy *p, const struct policy_facts *f);
/* The base domain as it stands in a store's key: in small letters. Owner: the text is in arena. */
struct slice policy_helo_domain_key(const struct policy *p, const struct policy_facts *f, struct arena *arena);

/* ---- conditions ---- */

/*
 * UNKNOWN: a regex came to no end (regex.h), and no later stage tells either. `not unknown` is unknown, `unknown or yes` is yes,
 * `unknown and no` is no.
 */
enum policy_truth { POLICY_NO, POLICY_YES, POLICY_LATER, POLICY_UNKNOWN };

/* What decided, for logs and explain. */
struct policy_why {
    const char *condition; /* "s25r", "remote", … the one that settled it; NULL: no condition */
    bool holds;            /* whether that condition is true of the client; it may stand behind a `not` */
    int s25r_rule;         /* 0 to 6; -1: none hit */
    const char *s25r_list; /* "whitelist" or "blacklist" entry that settled it, as written; NULL: none */
    bool unknown;          /* a filter is asked because its condition is POLICY_UNKNOWN */
    bool is_nameless;      /* unknown_client: the client has no verified name */
    bool is_generic;       /* generic_rdns has selected its name, by so many points: */
    int generic_points;
    enum policy_helo helo; /* helo_confirmed was asked, and has seen this; UNKNOWN: nothing yet */
    bool s25r_temp;        /* judged by {client_ptr}, or let pass, because the look-up failed for now */
};

/* Whether the greylist filter is asked for this client; YES when the file has no filter. LATER: ask again at the next stage. */
enum policy_truth policy_when(const struct policy *p, const struct policy_facts *f, struct policy_why *why);

/* ---- filters: the built-in one and the children, numbered in the order of the file ---- */

/* 0: the file has none, and the greylist filter alone is asked about everybody (policy_filter_when of 0 is YES). */
size_t policy_filter_count(const struct policy *p);
/* The number of the filter that is ours; policy_filter_count() when there is none. */
size_t policy_greylist_number(const struct policy *p);
/*
 * Whether filter n is asked, for all that the facts of this stage tell; a disabled one never. LATER: at a later stage. Where
 * facts are missing that could settle it and that somebody can be asked for, they are in *missing, and the result is LATER. What waits for more than the last stage tells counts as not matching; the last stage is STAGE_EOM,
 * for the greylist filter STAGE_RCPT (where it may still wait for such facts). Never POLICY_UNKNOWN: such a filter is asked.
 */
enum policy_truth policy_filter_when(const struct policy *p, size_t n, const struct policy_facts *f, struct policy_why *why,
                                     uint64_t *missing);
/*
 * The tests of filter n's condition, each by itself and in the order in which they are written, for explain; those of a named
 * condition (depth 1 and more) stand behind the test that names it. None where the filter has no condition.
 */
typedef void policy_seen(void *ctx, const struct conf_term *term, unsigned depth, enum policy_truth truth,
                         const struct policy_why *why);
void policy_filter_look(const struct policy *p, size_t n, const struct policy_facts *f, policy_seen *seen, void *ctx);
/*
 * Its condition speaks of the present recipient (rcpt, a list of rcpt, without `every`; a macro {rcpt_…}; helo "%r"): asked for
 * each one by itself.
 */
bool policy_filter_is_per_recipient(const struct policy *p, size_t n);
size_t policy_memos(const struct policy *p);
/* Some filter's condition may want facts that others must be asked for (POLICY_FACT_*). */
bool policy_conditions_ask(const struct policy *p);
/* {trusted_domain} for `provide trusted`. */
bool policy_is_trusted(const struct policy *p, struct slice sender);

/*
 * What of dnsbls[list] an answer means: some address is one of those expected. 127.255.255.0/24, where lists refuse to answer, is
 * expected only if the file names it.
 */
bool policy_dnsbl_matches(const struct policy *p, size_t list, const struct ip *addresses, size_t n);
/* "2.0.0.192.zen.example" (nibbles for IPv6) into out. */
void policy_dnsbl_name(const struct policy *p, size_t list, const struct ip *client, struct buf *out);

/* One condition by name, for explain: a term that stands without an argument, or one of the file's. ERR_NOT_FOUND. */
MUST_CHECK enum err policy_condition(const struct policy *p, const char *name, const struct policy_facts *f,
                                     enum policy_truth *truth, struct policy_why *why, uint64_t *missing);

/* ---- ACL lines ---- */

enum policy_result {
    POLICY_VERDICT,
    POLICY_NEED, /* facts are missing: ask for them and step again; evaluation resumes at the clause that asked */
};

enum policy_tarpit {
    TARPIT_NONE,    /* the line has no tarpit clause, or a negated one */
    TARPIT_AUTO,    /* tuple is AUTO: let in, renew */
    TARPIT_PATIENT, /* the client is known as patient */
    TARPIT_DUE,     /* pending and the delay over */
    TARPIT_SERVED,  /* the wait was already served in this connection */
    TARPIT_HOLD,    /* hold for hold_ms */
};

enum { POLICY_HEADERS_MAX = 16 };

struct policy_verdict {
    enum conf_action action; /* never CONF_CONTINUE */
    const struct conf_acl
        *acl;         /* the line; NULL: no line matched (greylist, or whitelist in testmode) or an implicit rule */
    unsigned reasons; /* REASON_*, for a whitelisting */
    enum policy_tarpit tarpit;
    int64_t tarpit_sec;                /* N of the line; also when nothing is held */
    int64_t hold_ms;                   /* TARPIT_HOLD: what is left to wait in this connection, > 0 */
    int64_t delay_sec, autowhite_sec;  /* of the line, else the global ones */
    struct slice code, ecode;          /* of the line or a continue line before it; NONE: default */
    const struct format *msg, *report; /* NULL: default */
    bool nolog;
    const char *id;                                   /* id of the line or of a continue line; NULL: none */
    const struct format *headers[POLICY_HEADERS_MAX]; /* addheader of this and the continue lines before it */
    int64_t header_index[POLICY_HEADERS_MAX];
    unsigned n_headers;
    enum policy_no_hold skipped; /* a tarpit line before did not match because of this; HOLD_POSSIBLE: none */
    int64_t left_sec;            /* a tarpit line before did not match because the client left after so long; -1: none */
    struct slice groups[REGEX_GROUPS_MAX]; /* %g: of the matched line; into the facts' text */
};

/* REASON_AUTO* for a tuple that is AUTO, by what made it so. */
unsigned policy_auto_reason(enum grey_via via);

/* Where evaluation stands; survives the wait for facts. Plain: may be copied and kept in a session. */
struct policy_cursor {
    uint32_t acl, clause; /* where to go on */
    bool implicit_done;
    struct policy_verdict v; /* what continue lines and matched clauses have set so far */
};

void policy_begin(const struct policy *p, struct policy_cursor *c);
/*
 * Evaluate one recipient's racl lines from where the cursor stands. No clause runs twice. A regex that comes to no end does
 * not match, in a negated clause neither. On POLICY_VERDICT *out is filled, on POLICY_NEED *missing. The stage is RCPT,
 * whatever the facts say.
 */
MUST_CHECK enum policy_result policy_step(const struct policy *p, struct policy_cursor *c, const struct policy_facts *f,
                                          struct policy_verdict *out, uint64_t *missing);

#endif
