/*
 * cursor.c - ACL lines evaluated for one recipient: clause by clause, first match decides. Knows how clauses make a
 * line and what a line at hand means for a tarpit; a test by itself is terms.c's. Neither holds nor asks anybody.
 */
#include "base/mem.h"
#include "policy/allow.h"
#include "policy/terms.h"

#include <string.h>

/* What a clause says. UNDECIDED (a regex came to its limit) is no match, also when the clause is negated. */
enum clause_truth { CLAUSE_NO, CLAUSE_YES, CLAUSE_UNDECIDED, CLAUSE_NEEDS_FACTS };

/* One call of policy_step. */
struct evaluation {
    const struct policy *p;
    const struct policy_facts *f;
    struct policy_verdict *v;
    uint64_t missing; /* CLAUSE_NEEDS_FACTS: which */
};

/* ---- clauses ---- */

/*
 * %g{\1} counts the groups of all regexes of a line, those of the last clause first (reference: milter-greylist 4.6.2): so the
 * new ones go in front. \0 is what the last regex matched as a whole.
 */
static void put_groups(struct policy_verdict *v, const struct term_groups *groups)
{
    struct slice *all = v->groups;
    size_t n = groups->count; /* also those that took no part */
    memmove(all + 1 + n, all + 1, (REGEX_GROUPS_MAX - 1 - n) * sizeof(*all));
    memcpy(all, groups->text, (n + 1) * sizeof(*all));
}

static unsigned reason_of(const struct term *t)
{
    static const unsigned reasons[CONF_ITEM_MAX_] = {[CONF_ITEM_ADDR] = REASON_ADDR,
                                                     [CONF_ITEM_DOMAIN] = REASON_DOMAIN,
                                                     [CONF_ITEM_FROM] = REASON_FROM,
                                                     [CONF_ITEM_RCPT] = REASON_RCPT};
    return t->kind == CONF_TERM_ITEMS ? reasons[t->items->kind] : 0; /* nothing of its own to say: REASON_ACL in the end */
}

/* All that may settle a term is known at RCPT, or can be asked for; what else is LATER has not come, and does not match. */
static enum clause_truth judge_term(struct evaluation *e, const struct policy_clause *clause)
{
    struct policy_why why = {.s25r_rule = -1};
    struct term_groups groups = {0};
    enum policy_truth truth = term_judge(e->p, &clause->term, e->f, &why, &e->missing, &groups);
    if (truth == POLICY_LATER && e->missing)
        return CLAUSE_NEEDS_FACTS;
    if (truth == POLICY_UNKNOWN)
        return CLAUSE_UNDECIDED;
    if ((truth == POLICY_YES) == clause->negated)
        return CLAUSE_NO;
    if (!clause->negated) {
        e->v->reasons |= reason_of(&clause->term);
        if (groups.text[0].ptr)
            put_groups(e->v, &groups);
    }
    return CLAUSE_YES;
}

/* ---- the tarpit ---- */

/* What the memory of tuples and clients says of a tarpit line; TARPIT_NONE: nothing that spares the wait. */
static enum policy_tarpit spared_by(const struct grey_answer *look, const struct policy_acl *acl)
{
    enum conf_action action = acl->conf->action;
    bool is_seen = look->state == GREY_PENDING || look->state == GREY_DUE;
    if (look->failed)
        return TARPIT_NONE; /* not known: whoever waits is let in all the same (DESIGN 4) */
    /* A blacklisting beats AUTO: a tuple that has passed spares no wait that ends in a refusal. */
    if (look->state == GREY_AUTO && action != CONF_BLACKLIST)
        return TARPIT_AUTO;
    if (look->patient)
        return TARPIT_PATIENT;
    /* the delay of the line that decides now: the store was asked before any line had matched */
    if (is_seen && look->elapsed_sec >= acl->delay_sec && action != CONF_BLACKLIST)
        return TARPIT_DUE;
    return TARPIT_NONE;
}

static bool bears_left_mark(const struct grey_answer *look, int64_t tarpit_sec)
{
    return !look->failed && look->left_sec >= 0 && look->left_sec < tarpit_sec;
}

static bool is_served(const struct policy_facts *f, enum conf_scope scope, int64_t tarpit_ms)
{
    return (scope == CONF_SCOPE_COMMAND ? f->longest_ms : f->waited_ms) >= tarpit_ms;
}

static enum clause_truth settle_tarpit(struct policy_verdict *v, enum policy_tarpit how, int64_t hold_ms)
{
    v->tarpit = how;
    v->hold_ms = hold_ms;
    return CLAUSE_YES;
}

/* In the order of DESIGN 3, "At a tarpit line". */
static enum clause_truth judge_tarpit(struct evaluation *e, const struct policy_acl *acl, const struct policy_clause *clause)
{
    const struct policy_facts *f = e->f;
    struct policy_verdict *v = e->v;
    int64_t tarpit_ms = clause->term.number * 1000;
    if (!f->look) {
        e->missing = POLICY_FACT_LOOK;
        return CLAUSE_NEEDS_FACTS;
    }
    bool left = bears_left_mark(f->look, clause->term.number);
    if (clause->negated)
        return left ? CLAUSE_YES : CLAUSE_NO; /* those who left; never a hold */
    v->tarpit_sec = clause->term.number;
    enum policy_tarpit spared = spared_by(f->look, acl);
    if (spared != TARPIT_NONE)
        return settle_tarpit(v, spared, 0);
    if (left) {
        v->left_sec = f->look->left_sec;
        return CLAUSE_NO;
    }
    /*
     * A wait that this connection has served stays served. That a bound was reached meanwhile, or stress began, must not take
     * away what the client has stood already: those only say that no further hold can begin. A client that can no longer be
     * watched may be gone, and is not let in for its patience.
     */
    bool served = is_served(f, acl->scope, tarpit_ms);
    if (f->no_hold == HOLD_UNWATCHABLE || (f->no_hold != HOLD_POSSIBLE && !served)) {
        if (v->skipped == HOLD_POSSIBLE)
            v->skipped = f->no_hold;
        return CLAUSE_NO;
    }
    if (served)
        return settle_tarpit(v, TARPIT_SERVED, 0);
    return settle_tarpit(v, TARPIT_HOLD, tarpit_ms - (acl->scope == CONF_SCOPE_SESSION ? f->waited_ms : 0));
}

/* ---- lines ---- */

/* What belongs to one line only. Done again where evaluation resumes at its first clause, before anything has been set. */
static void begin_line(struct policy_verdict *v)
{
    v->reasons = 0;
    v->tarpit = TARPIT_NONE;
    v->tarpit_sec = v->hold_ms = 0;
    memset(v->groups, 0, sizeof(v->groups));
}

static enum clause_truth judge_line(struct evaluation *e, const struct policy_acl *acl, struct policy_cursor *c)
{
    if (c->clause == 0)
        begin_line(e->v);
    for (; c->clause < acl->n_clauses; c->clause++) {
        const struct policy_clause *clause = &acl->clauses[c->clause];
        bool holds = clause->term.kind == CONF_TERM_TARPIT;
        enum clause_truth truth = holds ? judge_tarpit(e, acl, clause) : judge_term(e, clause);
        if (truth != CLAUSE_YES)
            return truth;
    }
    return CLAUSE_YES;
}

/* Options that outlive a continue line. */
static void apply_options(const struct policy_acl *acl, struct policy_verdict *v)
{
    const struct conf_acl *conf = acl->conf;
    if (conf->code)
        v->code = slice_cstr(conf->code);
    if (conf->ecode)
        v->ecode = slice_cstr(conf->ecode);
    if (acl->msg)
        v->msg = acl->msg;
    if (acl->report)
        v->report = acl->report;
    if (conf->id)
        v->id = conf->id;
    for (size_t i = 0; i < conf->n_headers && v->n_headers < POLICY_HEADERS_MAX; i++) {
        v->headers[v->n_headers] = acl->headers[i];
        v->header_index[v->n_headers++] = conf->headers[i].index;
    }
}

unsigned policy_auto_reason(enum grey_via via)
{
    static const unsigned reasons[] = {[GREY_VIA_TUPLE] = REASON_AUTOWHITE,
                                       [GREY_VIA_PAIR] = REASON_AUTOPAIR,
                                       [GREY_VIA_NETWORK] = REASON_AUTOPAIR,
                                       [GREY_VIA_CLIENT] = REASON_AUTOCLIENT};
    return reasons[via];
}

static unsigned tarpit_reason(enum policy_tarpit tarpit, const struct grey_answer *look)
{
    switch (tarpit) {
    case TARPIT_AUTO:
        return policy_auto_reason(look->via);
    case TARPIT_PATIENT:
        return REASON_PATIENT;
    case TARPIT_SERVED:
    case TARPIT_HOLD:
        return REASON_TARPIT;
    case TARPIT_DUE: /* let in by greylisting's clock, for which no reason is given but the delay */
    case TARPIT_NONE:
        break;
    }
    return 0;
}

static void decide(const struct policy_acl *acl, const struct policy_facts *f, struct policy_verdict *v)
{
    v->action = acl->conf->action;
    v->acl = acl->conf;
    v->delay_sec = acl->delay_sec;
    v->autowhite_sec = acl->autowhite_sec;
    v->nolog = acl->conf->nolog;
    if (v->action != CONF_WHITELIST) {
        v->reasons = 0; /* a domain that is greylisted is no whitelisted domain */
        return;
    }
    v->reasons |= tarpit_reason(v->tarpit, f->look);
    if (acl->conf->is_default)
        v->reasons |= REASON_DEFAULT;
    /* As in the peer: a line that is not logged leaves its number in the header. */
    if (v->reasons == 0 || v->nolog)
        v->reasons |= REASON_ACL;
}

/* Whom an administrator lets in by hand: before everything else. */
static bool is_allowed(const struct policy_facts *f)
{
    if (!f->allows)
        return false;
    const struct allow_question q = {
        .client = f->client, .name = policy_client_name(f), .sender = f->sender, .recipient = f->recipient, .now = f->now};
    return allows_find(f->allows, &q) != NULL;
}

/* Whom the peer lets in before it looks at any line; noauth takes back the first two. */
static bool is_whitelisted_anyway(const struct policy *p, const struct policy_facts *f, unsigned *reason)
{
    if (is_allowed(f))
        *reason = REASON_ALLOWED;
    else if (!p->conf->set.noauth && f->auth_authen.len > 0)
        *reason = REASON_AUTH;
    else if (!p->conf->set.noauth && slice_eq_cstr(f->verify, "OK") && f->cert_subject.len > 0)
        *reason = REASON_STARTTLS;
    else if (f->client_is_local)
        *reason = REASON_NONIP;
    else
        return false;
    return true;
}

static void decide_without_line(const struct policy *p, enum conf_action action, unsigned reasons, struct policy_verdict *v)
{
    begin_line(v);
    v->action = action;
    v->reasons = reasons;
    v->delay_sec = p->conf->set.greylist_sec;
    v->autowhite_sec = p->conf->set.autowhite_sec;
}

void policy_begin(const struct policy *p, struct policy_cursor *c)
{
    (void)p;
    *c = (struct policy_cursor){.v = {.action = CONF_GREYLIST, .left_sec = -1}};
}

enum policy_result policy_step(const struct policy *p, struct policy_cursor *c, const struct policy_facts *facts,
                               struct policy_verdict *out, uint64_t *missing)
{
    struct policy_facts at_rcpt = *facts;
    const struct policy_facts *f = &at_rcpt;
    struct evaluation e = {.p = p, .f = f, .v = &c->v};
    unsigned reason;
    at_rcpt.stage = STAGE_RCPT;
    *missing = 0;
    if (!c->implicit_done && is_whitelisted_anyway(p, f, &reason)) {
        decide_without_line(p, CONF_WHITELIST, reason, &c->v);
        *out = c->v;
        return POLICY_VERDICT;
    }
    c->implicit_done = true;
    for (; c->acl < p->n_acls; c->acl++, c->clause = 0) {
        const struct policy_acl *acl = &p->acls[c->acl];
        enum clause_truth truth = judge_line(&e, acl, c);
        if (truth == CLAUSE_NEEDS_FACTS) {
            *missing = e.missing;
            return POLICY_NEED;
        }
        if (truth != CLAUSE_YES)
            continue;
        apply_options(acl, &c->v);
        if (acl->conf->action == CONF_CONTINUE)
            continue;
        decide(acl, f, &c->v);
        *out = c->v;
        return POLICY_VERDICT;
    }
    bool lenient = p->conf->set.testmode;
    decide_without_line(p, lenient ? CONF_WHITELIST : CONF_GREYLIST, lenient ? REASON_DEFAULT : 0, &c->v);
    *out = c->v;
    return POLICY_VERDICT;
}
