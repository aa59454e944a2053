/*
 * terms.c - what each test of a condition or an ACL line asks of the facts, and from which stage on it knows. A term says LATER as long as what
 * is still to come could change its answer; what it has once said it takes back only where it speaks of something else by then:
 * another recipient, a second HELO, another time.
 */
#include "policy/terms.h"
#include "base/mem.h"
#include "policy/items.h"

#include <string.h>
#include <time.h>

struct question {
    const struct policy *p;
    const struct term *t;
    const struct policy_facts *f;
    const struct policy_session_facts *more; /* never NULL */
    struct policy_memo *memo;                /* never NULL */
    struct policy_why *why;
    struct term_groups *groups; /* NULL: nobody wants them */
    uint64_t missing;           /* facts to ask for; counts only where the answer is LATER */
};

static enum policy_truth truth_of(bool is)
{
    return is ? POLICY_YES : POLICY_NO;
}

/* What a stage tells once and for all; nothing before it. */
static enum policy_truth known_from(enum stage from, const struct question *q, enum policy_truth is)
{
    return q->f->stage < from ? POLICY_LATER : is;
}

/* What may still come until that stage is reached: a hit settles it at once. */
static enum policy_truth open_until(enum stage until, const struct question *q, enum policy_truth so_far)
{
    return so_far == POLICY_YES ? POLICY_YES : known_from(until, q, so_far);
}

/* Of two of which one is enough, neither LATER. */
static enum policy_truth either(enum policy_truth a, enum policy_truth b)
{
    return a == POLICY_YES || b == POLICY_NO ? a : b;
}

/* ---- texts and regexes ---- */

static enum policy_truth match_regex(const struct question *q, struct slice subject)
{
    struct slice *groups = q->groups ? q->groups->text : NULL;
    bool matched;
    if (regex_match(q->t->re, slice_upto(subject, REGEX_SUBJECT_MAX_BYTES), q->f->effort, &matched, groups) != ERR_NONE)
        return POLICY_UNKNOWN;
    if (groups && matched)
        q->groups->count = regex_groups(q->t->re);
    return truth_of(matched);
}

/* A header's or a macro's value: any, this one whatever its case, or one that a regex matches. */
static enum policy_truth match_value(const struct question *q, struct slice value)
{
    if (q->t->re)
        return match_regex(q, value);
    return truth_of(!q->t->text.ptr || slice_eq_nocase(value, q->t->text));
}

/* ---- the client ---- */

struct local_net {
    struct ip net;
    unsigned bits;
};

/* Loopback, RFC 1918, RFC 3927; RFC 4291 loopback and link-local, RFC 4193 unique local addresses. */
static const struct local_net local_nets[] = {
    {{IP_V4, {127}}, 8},       {{IP_V4, {10}}, 8},         {{IP_V4, {172, 16}}, 12},    {{IP_V4, {192, 168}}, 16},
    {{IP_V4, {169, 254}}, 16}, {{IP_V6, {[15] = 1}}, 128}, {{IP_V6, {0xfe, 0x80}}, 10}, {{IP_V6, {0xfc}}, 7},
};

static bool is_remote(const struct policy *p, const struct policy_facts *f)
{
    if (f->client_is_local || f->client.family == IP_NONE)
        return false;
    if (ipset_has(&p->net_remote, &f->client))
        return true;
    if (ipset_has(&p->net_local, &f->client))
        return false;
    for (size_t i = 0; i < COUNT_OF(local_nets); i++)
        if (ip_in(&f->client, &local_nets[i].net, local_nets[i].bits))
            return false;
    return true;
}

enum policy_side policy_network_side(const struct policy *p, const struct ip *net, unsigned bits)
{
    const struct conf *c = p->conf;
    for (size_t i = 0; i < c->n_net_remote; i++)
        if (c->net_remote[i].bits <= bits && ip_in(net, &c->net_remote[i].net, c->net_remote[i].bits))
            return POLICY_SIDE_SAID_REMOTE;
    for (size_t i = 0; i < c->n_net_local; i++)
        if (c->net_local[i].bits <= bits && ip_in(net, &c->net_local[i].net, c->net_local[i].bits))
            return POLICY_SIDE_LOCAL;
    for (size_t i = 0; i < COUNT_OF(local_nets); i++)
        if (local_nets[i].bits <= bits && ip_in(net, &local_nets[i].net, local_nets[i].bits))
            return POLICY_SIDE_LOCAL;
    return POLICY_SIDE_REMOTE;
}

static enum policy_truth judge_remote(struct question *q)
{
    return truth_of(is_remote(q->p, q->f));
}

static enum policy_truth judge_s25r(struct question *q)
{
    return s25r_judge(q->p, q->f, q->why);
}

static enum policy_truth judge_generic_rdns(struct question *q)
{
    return generic_judge_client(q->p, q->f, q->why);
}

static enum policy_truth judge_unknown_client(struct question *q)
{
    return nameless_judge(q->f, q->why);
}

static enum policy_truth judge_helo_confirmed(struct question *q)
{
    return helo_judge_client(q->p, q->f, q->why, &q->missing);
}

/* A list that has not been asked is asked for; of several any that says yes is enough. */
static enum policy_truth judge_dnsbl(struct question *q)
{
    size_t first = q->t->number < 0 ? 0 : (size_t)q->t->number;
    size_t end = q->t->number < 0 ? q->p->conf->n_dnsbls : first + 1;
    /* DNS knows nothing of our own networks; without `more` nobody is asked */
    if (!is_remote(q->p, q->f) || !q->f->more)
        return POLICY_NO;
    for (size_t i = first; i < end && i < CONF_DNSBLS_MAX; i++) {
        uint8_t listed = q->more->listed ? q->more->listed[i] : LISTED_NOT_ASKED;
        if (listed == LISTED_YES)
            return POLICY_YES;
        if (listed == LISTED_NOT_ASKED)
            q->missing |= POLICY_FACT_LIST(i);
    }
    return q->missing ? POLICY_LATER : POLICY_NO;
}

/* ---- the session ---- */

/* The MTA tells at MAIL who has logged in; an earlier silence means nothing. */
static enum policy_truth judge_auth(const struct question *q, bool wanted)
{
    bool is = q->f->auth_type.len > 0 || q->f->auth_authen.len > 0;
    return known_from(STAGE_MAIL, q, truth_of(is == wanted));
}

static enum policy_truth judge_authenticated(struct question *q)
{
    return judge_auth(q, true);
}

static enum policy_truth judge_unauthenticated(struct question *q)
{
    return judge_auth(q, false);
}

static enum policy_truth judge_stress(struct question *q)
{
    return truth_of(q->t->number < 0 ? q->more->stressed : q->more->open_sessions >= q->t->number);
}

static bool has_bit(uint64_t bits, int n)
{
    return bits >> n & 1;
}

/* Local time: what is written is about the people who work here. */
static bool is_time(const struct conf_time *time, struct wall now)
{
    time_t t = (time_t)now.sec;
    struct tm tm;
    if (!localtime_r(&t, &tm))
        return false;
    if (!has_bit(time->minutes, tm.tm_min) || !has_bit(time->hours, tm.tm_hour) || !has_bit(time->months, tm.tm_mon + 1))
        return false;
    bool day = has_bit(time->days, tm.tm_mday), weekday = has_bit(time->weekdays, tm.tm_wday);
    if (!time->any_day && !time->any_weekday)
        return day || weekday;
    return (day || time->any_day) && (weekday || time->any_weekday);
}

static enum policy_truth judge_time(struct question *q)
{
    return truth_of(is_time(q->t->time, q->f->now));
}

/* A recipient's macros come before its RCPT, and at later stages only the last one's are there: one that is not there then is none. */
static enum policy_truth judge_macro(struct question *q)
{
    enum stage last = q->t->per_recipient ? STAGE_RCPT : STAGE_DATA;
    struct slice value = q->more->macro ? q->more->macro(q->more->ctx, q->t->about) : SLICE_NONE;
    if (value.ptr)
        return match_value(q, value);
    return open_until(last, q, POLICY_NO);
}

static enum policy_truth judge_filter(struct question *q)
{
    static const enum policy_standing standing_of[] = {
        [CONF_RESULT_ACCEPT] = FILTER_ACCEPTED,     [CONF_RESULT_CONTINUE] = FILTER_CONTINUED,
        [CONF_RESULT_TEMPFAIL] = FILTER_TEMPFAILED, [CONF_RESULT_REJECT] = FILTER_REJECTED,
        [CONF_RESULT_DISCARD] = FILTER_DISCARDED,   [CONF_RESULT_FAILED] = FILTER_FAILED,
    };
    size_t n = (size_t)q->t->number;
    if (n >= q->p->n_filters || !q->p->filters[n].enabled)
        return POLICY_NO;
    uint8_t standing = q->more->standing ? q->more->standing[n] : FILTER_PENDING;
    if (q->t->result == CONF_RESULT_QUARANTINE && q->more->quarantined && q->more->quarantined[n])
        return POLICY_YES;
    if (standing == FILTER_PENDING)
        return POLICY_LATER;
    if (q->t->result == CONF_RESULT_ASKED)
        return truth_of(standing != FILTER_NOT_ASKED);
    return truth_of(q->t->result != CONF_RESULT_QUARANTINE && standing == standing_of[q->t->result]);
}

/* ---- addr, domain, from, rcpt, helo, list ---- */

static enum policy_truth match_items(const struct question *q, const struct policy_facts *f, bool without_formats)
{
    struct items_question ask = {.f = f, .without_formats = without_formats};
    if (items_match(&ask, q->t->items)) {
        if (q->groups && ask.groups[0].ptr) {
            memcpy(q->groups->text, ask.groups, sizeof(ask.groups));
            q->groups->count = ask.n_groups;
        }
        return POLICY_YES;
    }
    return ask.undecided ? POLICY_UNKNOWN : POLICY_NO;
}

/* The n-th recipient so far, as facts of it alone; false: there is none. */
static bool take_recipient(const struct question *q, size_t n, struct policy_facts *f)
{
    *f = *q->f;
    return q->more->recipient && q->more->recipient(q->more->ctx, n, &f->recipient);
}

/* The present recipient; where none is present, any of those that there are. */
static enum policy_truth judge_recipient(const struct question *q)
{
    struct policy_facts one;
    enum policy_truth any = POLICY_NO;
    if (q->f->stage < STAGE_RCPT)
        return POLICY_LATER;
    if (q->f->recipient.ptr)
        return match_items(q, q->f, false);
    for (size_t n = 0; any != POLICY_YES && take_recipient(q, n, &one); n++)
        any = either(any, match_items(q, &one, false));
    return open_until(STAGE_DATA, q, any);
}

static enum policy_truth judge_every(struct question *q)
{
    struct policy_facts one;
    enum policy_truth every = POLICY_YES, is;
    size_t n = 0;
    if (q->f->stage < STAGE_DATA)
        return POLICY_LATER;
    for (; every != POLICY_NO && take_recipient(q, n, &one); n++) {
        is = match_items(q, &one, false);
        every = is == POLICY_YES ? every : is;
    }
    return n > 0 ? every : POLICY_NO;
}

static enum policy_truth judge_helo(const struct question *q)
{
    const struct policy_items *items = q->t->items;
    if (!q->f->helo.ptr) /* none before MAIL: the client has left it out */
        return open_until(STAGE_MAIL, q, POLICY_NO);
    if (q->f->stage < STAGE_HELO)
        return POLICY_LATER;
    enum policy_truth plainly = match_items(q, q->f, true);
    if (plainly == POLICY_YES || items->n_formats == 0)
        return plainly;
    if (items->formats_name_rcpt)
        return judge_recipient(q);
    return known_from(STAGE_MAIL, q, match_items(q, q->f, false)); /* a format may name the sender */
}

static enum policy_truth judge_items(struct question *q)
{
    switch (q->t->items->kind) {
    case CONF_ITEM_ADDR:
    case CONF_ITEM_DOMAIN:
        return match_items(q, q->f, false);
    case CONF_ITEM_HELO:
        return judge_helo(q);
    case CONF_ITEM_FROM:
        return q->f->stage < STAGE_MAIL ? POLICY_LATER : match_items(q, q->f, false);
    case CONF_ITEM_RCPT:
        return judge_recipient(q);
    case CONF_ITEM_MAX_:
        break;
    }
    PANIC("items of no kind");
}

/* ---- the message ---- */

/* Without the blanks around the value: some MTAs hand them over (SMFIP_HDR_LEADSPC). */
static enum policy_truth judge_header(struct question *q)
{
    struct slice name, value;
    enum policy_truth any = q->memo->so_far;
    size_t n = q->memo->looked;
    if (q->f->stage < STAGE_HEADER)
        return POLICY_LATER;
    for (; any != POLICY_YES && q->more->header && q->more->header(q->more->ctx, n, &name, &value); n++)
        if (slice_eq_nocase(name, q->t->about))
            any = either(any, match_value(q, slice_trim(value, " \t")));
    q->memo->looked = (uint32_t)n;
    q->memo->so_far = (uint8_t)any;
    return open_until(STAGE_EOH, q, any);
}

/*
 * Line by line, without the line's end: so `$` means what it says though lines end with CR LF here, and a line that is not
 * complete yet is not judged before it is.
 */
static enum policy_truth judge_body(struct question *q)
{
    struct slice body = slice_upto(q->more->body, POLICY_BODY_MAX_BYTES), rest = slice_from(body, q->memo->looked);
    enum policy_truth any = q->memo->so_far;
    bool complete = q->more->body_complete || q->f->stage == STAGE_EOM;
    if (q->f->stage < STAGE_BODY)
        return POLICY_LATER;
    while (rest.len > 0 && any != POLICY_YES) {
        if (slice_find(rest, '\n') == rest.len && !complete)
            break;
        struct slice line = slice_cut(&rest, '\n');
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        any = either(any, match_regex(q, line));
    }
    q->memo->looked = (uint32_t)(body.len - rest.len);
    q->memo->so_far = (uint8_t)any;
    return any == POLICY_YES || complete ? any : POLICY_LATER;
}

/* What has come so far only grows: beyond the limit it stays beyond it. */
static enum policy_truth judge_msgsize(struct question *q)
{
    uint64_t size = q->more->size_bytes, limit = (uint64_t)q->t->number;
    bool at_least = q->t->compare == CONF_MORE_OR_EQUAL || q->t->compare == CONF_LESS;
    bool wants_more = q->t->compare == CONF_MORE_OR_EQUAL || q->t->compare == CONF_MORE;
    bool beyond = at_least ? size >= limit : size > limit;
    if (!q->f->more)
        return POLICY_LATER; /* nobody has counted */
    if (beyond)
        return truth_of(wants_more);
    return known_from(STAGE_EOM, q, truth_of(!wants_more));
}

/* ---- all of them ---- */

static enum policy_truth judge_trust(const struct policy *p, struct slice sender, struct regex_effort *effort)
{
    struct slice address = slice_trim(sender, "<> \t");
    size_t at = slice_rfind(address, '@');
    bool unknown = false;
    if (at < address.len && names_find(&p->trust, slice_from(address, at + 1), effort, &unknown))
        return POLICY_YES;
    return unknown ? POLICY_UNKNOWN : POLICY_NO;
}

bool policy_is_trusted(const struct policy *p, struct slice sender)
{
    return judge_trust(p, sender, NULL) == POLICY_YES;
}

static enum policy_truth judge_trusted(struct question *q)
{
    return q->f->stage < STAGE_MAIL ? POLICY_LATER : judge_trust(q->p, q->f->sender, q->f->effort);
}

/* Of an ACL line, which nobody asks again at a later stage. */
static enum policy_truth judge_condition(struct question *q)
{
    return condition_judge_term(q->p, q->t, q->f, q->f->stage, q->why, &q->missing);
}

static const struct term_kind kinds[CONF_TERM_MAX_] = {
    [CONF_TERM_ITEMS] = {judge_items, .is_dear = true},
    [CONF_TERM_S25R] = {judge_s25r, .needs = POLICY_NEEDS_NAME, .is_dear = true},
    [CONF_TERM_GENERIC_RDNS] = {judge_generic_rdns, .needs = POLICY_NEEDS_NAME | POLICY_NEEDS_DOMAINS},
    [CONF_TERM_UNKNOWN_CLIENT] = {judge_unknown_client, .needs = POLICY_NEEDS_NAME},
    [CONF_TERM_HELO_CONFIRMED] = {judge_helo_confirmed,
                                  .needs = POLICY_NEEDS_HELO | POLICY_NEEDS_NAME | POLICY_NEEDS_DOMAINS,
                                  .asks_others = true},
    [CONF_TERM_REMOTE] = {judge_remote},
    [CONF_TERM_AUTHENTICATED] = {judge_authenticated, .needs = POLICY_NEEDS_AUTH},
    [CONF_TERM_UNAUTHENTICATED] = {judge_unauthenticated, .needs = POLICY_NEEDS_AUTH},
    [CONF_TERM_STRESS] = {judge_stress},
    [CONF_TERM_TRUSTED] = {judge_trusted, .is_dear = true},
    [CONF_TERM_DNSBL] = {judge_dnsbl, .asks_others = true},
    [CONF_TERM_EVERY] = {judge_every, .is_dear = true},
    [CONF_TERM_HEADER] = {judge_header, .needs = POLICY_NEEDS_HEADERS, .is_dear = true},
    [CONF_TERM_BODY] = {judge_body, .needs = POLICY_NEEDS_BODY, .is_dear = true},
    [CONF_TERM_MSGSIZE] = {judge_msgsize, .needs = POLICY_NEEDS_HEADERS | POLICY_NEEDS_BODY},
    [CONF_TERM_TIME] = {judge_time},
    [CONF_TERM_FILTER] = {judge_filter},
    [CONF_TERM_MACRO] = {judge_macro, .is_dear = true},
    [CONF_TERM_CONDITION] = {judge_condition, .asks_others = true}, /* perhaps; what it is made of is remembered itself */
};

const struct term_kind *term_kind(enum conf_term_kind kind)
{
    return &kinds[kind];
}

/* A recipient's memo has two bits a term: 0 nothing, else one of these. */
static const uint8_t memo_bits[] = {[POLICY_NO] = 1, [POLICY_YES] = 2, [POLICY_UNKNOWN] = 3};

static enum policy_truth judge_recipient_once(struct question *q)
{
    unsigned shift = 2 * (unsigned)(q->t->recipient_memo - 1);
    unsigned bits = (unsigned)(*q->f->recipient_memo >> shift & 3);
    for (unsigned truth = 0; bits && truth < COUNT_OF(memo_bits); truth++)
        if (memo_bits[truth] == bits)
            return (enum policy_truth)truth;
    enum policy_truth truth = kinds[q->t->kind].judge(q);
    *q->f->recipient_memo |= (uint64_t)memo_bits[truth] << shift; /* LATER: none */
    return truth;
}

static enum policy_truth judge_once(struct question *q)
{
    const struct policy_facts *f = q->f;
    if (q->memo->is_settled)
        return (enum policy_truth)q->memo->settled;
    if (f->recipient_memo && f->recipient.ptr && q->t->recipient_memo)
        return judge_recipient_once(q);
    enum policy_truth truth = kinds[q->t->kind].judge(q);
    q->memo->is_settled = truth != POLICY_LATER;
    q->memo->settled = (uint8_t)truth;
    return truth;
}

enum policy_truth term_judge(const struct policy *p, const struct term *t, const struct policy_facts *f,
                             struct policy_why *why, uint64_t *missing, struct term_groups *groups)
{
    static const struct policy_session_facts none;
    struct policy_memo nobodys = {0};
    struct question q = {.p = p,
                         .t = t,
                         .f = f,
                         .more = f->more ? f->more : &none,
                         .memo = f->memo && t->memo ? &f->memo[t->memo - 1] : &nobodys,
                         .why = why,
                         .groups = groups};
    enum policy_truth truth = judge_once(&q);
    *missing |= truth == POLICY_LATER ? q.missing : 0;
    return truth;
}
