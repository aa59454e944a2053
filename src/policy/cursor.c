/*
 * cursor.c - ACL lines evaluated for one recipient: clause by clause, first match decides. Knows what each clause compares and
 * what a line at hand means for a tarpit; neither holds nor asks anybody.
 */
#include "base/mem.h"
#include "policy/items.h"

#include <string.h>

/* What a clause says. UNDECIDED (a regex came to its limit) is no match, also when the clause is negated. */
enum clause_truth { CLAUSE_NO, CLAUSE_YES, CLAUSE_UNDECIDED, CLAUSE_NEEDS_LOOK };

/* One call of policy_step. */
struct evaluation {
    const struct policy_facts *f;
    struct policy_verdict *v;
    struct items_question q; /* of the clause at hand */
};

/* ---- clauses ---- */

/*
 * %g{\1} counts the groups of all regexes of a line, those of the last clause first (reference: milter-greylist 4.6.2): so the
 * new ones go in front. \0 is what the last regex matched as a whole.
 */
static void put_groups(struct evaluation *e)
{
    struct slice *all = e->v->groups;
    size_t n = e->q.n_groups; /* also those that took no part */
    memmove(all + 1 + n, all + 1, (REGEX_GROUPS_MAX - 1 - n) * sizeof(*all));
    memcpy(all, e->q.groups, (n + 1) * sizeof(*all));
}

static unsigned reason_of(enum conf_clause_kind kind)
{
    switch (kind) {
    case CONF_CLAUSE_ADDR:
        return REASON_ADDR;
    case CONF_CLAUSE_DOMAIN:
        return REASON_DOMAIN;
    case CONF_CLAUSE_FROM:
        return REASON_FROM;
    case CONF_CLAUSE_RCPT:
        return REASON_RCPT;
    default:
        return 0; /* nothing of its own to say: REASON_ACL in the end */
    }
}

static enum clause_truth judge_items(struct evaluation *e, const struct policy_clause *clause)
{
    e->q.undecided = false;
    memset(e->q.groups, 0, sizeof(e->q.groups));
    bool matched = items_match(&e->q, clause->items);
    if (!matched && e->q.undecided)
        return CLAUSE_UNDECIDED;
    if (matched == clause->negated)
        return CLAUSE_NO;
    if (!clause->negated) {
        e->v->reasons |= reason_of(clause->kind);
        if (e->q.groups[0].ptr)
            put_groups(e);
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
    int64_t tarpit_ms = clause->tarpit_sec * 1000;
    if (!f->look)
        return CLAUSE_NEEDS_LOOK;
    bool left = bears_left_mark(f->look, clause->tarpit_sec);
    if (clause->negated)
        return left ? CLAUSE_YES : CLAUSE_NO; /* those who left; never a hold */
    v->tarpit_sec = clause->tarpit_sec;
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
        enum clause_truth truth = clause->kind == CONF_CLAUSE_TARPIT ? judge_tarpit(e, acl, clause) : judge_items(e, clause);
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
    static const unsigned reasons[] = {
        [GREY_VIA_TUPLE] = REASON_AUTOWHITE, [GREY_VIA_PAIR] = REASON_AUTOPAIR, [GREY_VIA_CLIENT] = REASON_AUTOCLIENT};
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

/* Whom the peer lets in before it looks at any line; noauth takes back the first two. */
static bool is_whitelisted_anyway(const struct policy *p, const struct policy_facts *f, unsigned *reason)
{
    if (!p->conf->set.noauth && f->auth_authen.len > 0)
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

enum policy_result policy_step(const struct policy *p, struct policy_cursor *c, const struct policy_facts *f,
                               struct policy_verdict *out)
{
    struct evaluation e = {.f = f, .v = &c->v, .q = {.f = f}};
    unsigned reason;
    if (!c->implicit_done && is_whitelisted_anyway(p, f, &reason)) {
        decide_without_line(p, CONF_WHITELIST, reason, &c->v);
        *out = c->v;
        return POLICY_VERDICT;
    }
    c->implicit_done = true;
    for (; c->acl < p->n_acls; c->acl++, c->clause = 0) {
        const struct policy_acl *acl = &p->acls[c->acl];
        enum clause_truth truth = judge_line(&e, acl, c);
        if (truth == CLAUSE_NEEDS_LOOK)
            return POLICY_NEED_LOOK;
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
