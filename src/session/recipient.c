/*
 * recipient.c - one RCPT: what policy says, what the store knows, what is answered.
 *
 *   policy ── needs to know ──► look at the store ──► policy ──► verdict
 *   verdict ──► hold ──► last look ──► store (commit) ──► reply        each step only where the verdict wants it
 */
#include "session/facts.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void act(struct session *s);

uint32_t recipient_ask_store(struct session *s, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec,
                             bool wants_answer)
{
    const struct decision *d = &s->decision;
    struct arena *arena = &s->d.sh->out->arena;
    struct grey_request *r = arena_alloc(arena, sizeof(*r));
    *r = plan_request(s->d.plan, kind, &s->tuple, s->d.sh->now.wall);
    r->first_seen = s->first_seen;
    r->waited_sec = waited_sec;
    r->pass = pass;
    if (s->wait != WAIT_LOOK_STORE) { /* nothing is decided yet then */
        r->delay_sec = d->delay_sec;
        r->autowhite_sec = d->autowhite_sec;
    }
    /* the effect may outlive this recipient: its text must be the queue's */
    r->tuple.client_domain = arena_slice(arena, s->tuple.client_domain);
    r->tuple.sender = arena_slice(arena, s->tuple.sender);
    r->tuple.recipient = arena_slice(arena, s->tuple.recipient);
    struct effect *e = effects_add(s->d.sh->out, EFFECT_STORE, s->d.client.owner);
    e->u.store = r;
    if (wants_answer)
        e->request = dialogue_next_request(&s->d);
    return e->request;
}

uint32_t recipient_ask_confirm(struct session *s, bool wants_answer)
{
    const struct grey_tuple client = {.addr = s->d.client.ends.remote, .sender = SLICE_LIT(""), .recipient = SLICE_LIT("")};
    struct grey_request *r = arena_alloc(&s->d.sh->out->arena, sizeof(*r));
    *r = plan_request(s->d.plan, GREY_CONFIRM, &client, s->d.sh->now.wall);
    r->autowhite_sec = s->served_autowhite_sec;
    struct effect *e = effects_add(s->d.sh->out, EFFECT_STORE, s->d.client.owner);
    e->u.store = r;
    if (wants_answer)
        e->request = dialogue_next_request(&s->d);
    return e->request;
}

/* ---- policy ---- */

/* Keep of a verdict what a hold of minutes needs: headers and groups are rare, and clients held at once are many. */
static void adopt(struct session *s, const struct policy_verdict *v)
{
    struct decision *d = &s->decision;
    *d = (struct decision){
        .action = v->action,
        .acl = v->acl,
        .reasons = v->reasons,
        .tarpit = v->tarpit,
        .tarpit_sec = v->tarpit_sec,
        .hold_ms = v->hold_ms,
        .delay_sec = v->delay_sec,
        .autowhite_sec = v->autowhite_sec,
        .code = v->code,
        .ecode = v->ecode,
        .msg = v->msg,
        .report = v->report,
        .nolog = v->nolog,
        .id = v->id,
        .n_headers = v->n_headers,
    };
    struct arena *arena = &s->d.rcpt.arena;
    if (v->n_headers > 0) {
        struct decided_header *headers = arena_alloc(arena, v->n_headers * sizeof(*headers));
        for (unsigned i = 0; i < v->n_headers; i++)
            headers[i] = (struct decided_header){v->headers[i], v->header_index[i]};
        d->headers = headers;
    }
    for (size_t i = 0; i < REGEX_GROUPS_MAX && !d->groups; i++)
        if (v->groups[i].ptr) {
            d->groups = arena_alloc(arena, sizeof(v->groups));
            memcpy(d->groups, v->groups, sizeof(v->groups));
        }
    struct engine_stats *stats = &s->d.sh->stats;
    stats->unwatchable += v->skipped == HOLD_UNWATCHABLE;
    stats->bound_max += v->skipped == HOLD_BOUND_MAX;
    stats->bound_client += v->skipped == HOLD_BOUND_CLIENT;
    stats->stressed += v->skipped == HOLD_STRESS;
    if (v->skipped != HOLD_POSSIBLE)
        text_log_not_held(s, v->skipped);
    if (v->left_sec >= 0 && s->d.plan->set->verbose)
        text_log_left_before(s, v->left_sec);
}

static void evaluate(struct session *s, struct policy_cursor *cursor);

static void go_on(struct session *s)
{
    evaluate(s, facts_cursor(s));
}

static void evaluate(struct session *s, struct policy_cursor *cursor)
{
    struct policy_facts facts = session_facts(s, STAGE_RCPT);
    struct policy_verdict verdict;
    uint64_t missing;
    enum policy_result r = policy_step(s->d.plan->policy, cursor, &facts, &verdict, &missing);
    session_note_effort(s);
    if (r == POLICY_NEED) {
        facts_keep_cursor(s, cursor);
        if (missing & POLICY_FACT_LOOK) {
            session_set_wait(s, WAIT_LOOK_STORE);
            s->store_request = recipient_ask_store(s, GREY_LOOK, GREY_PASS_SERVED, 0, true);
        } else if (facts_ready(s, missing, go_on)) {
            go_on(s);
        }
        return;
    }
    facts_drop_cursor(s);
    adopt(s, &verdict);
    act(s);
}

void recipient_begin(struct session *s)
{
    struct policy_facts facts = session_facts(s, STAGE_RCPT);
    struct policy_cursor cursor;
    facts_drop_cursor(s);
    s->known = NULL;
    s->first_seen = s->d.sh->now.wall;
    s->tuple = plan_tuple(s->d.plan, &facts, &s->d.rcpt.arena);
    policy_begin(s->d.plan->policy, &cursor);
    evaluate(s, &cursor);
}

void recipient_known(struct session *s, const struct grey_answer *answer)
{
    s->known = arena_alloc(&s->d.rcpt.arena, sizeof(*s->known));
    *s->known = *answer;
    if (answer->failed) /* nothing is known then, and nothing is held against anybody */
        *s->known = (struct grey_answer){.state = GREY_NEW, .left_sec = -1};
    evaluate(s, facts_cursor(s));
}

void recipient_unwatchable(struct session *s)
{
    struct policy_cursor cursor;
    policy_begin(s->d.plan->policy, &cursor);
    evaluate(s, &cursor); /* every way out of it ends the present wait */
}

/* ---- answers ---- */

/* `evaluation`: what is decided is logged and remembered, and nothing of it is done. */
static void leave_unfiltered(struct session *s)
{
    s->flags |= FLAG_RCPT_UNFILTERED;
    session_continue(s);
}

static void accept(struct session *s, unsigned reasons, int64_t elapsed_sec)
{
    s->d.sh->stats.accepted++;
    if (reasons)
        text_log_accepted(s, reasons);
    if (session_only_evaluates(s)) {
        leave_unfiltered(s);
        return;
    }
    message_note_accepted(s, reasons, elapsed_sec);
    session_continue(s);
}

static void refuse(struct session *s)
{
    struct buf packet = {0};
    s->d.sh->stats.rejected++;
    text_log_rejected(s);
    if (session_only_evaluates(s)) {
        leave_unfiltered(s);
        return;
    }
    text_refusal(s, 0, 0, true, &packet);
    session_reply(s, buf_slice(&packet));
    buf_fini(&packet);
}

static void defer(struct session *s, const struct grey_answer *a)
{
    struct buf packet = {0};
    s->d.sh->stats.deferred++;
    s->d.sh->stats.first_sights += a->first_seen.sec == s->d.sh->now.wall.sec;
    text_log_deferred(s, a->remaining_sec);
    if (session_spares_all(s)) {
        leave_unfiltered(s);
        return;
    }
    text_refusal(s, s->d.sh->now.wall.sec - a->first_seen.sec, a->remaining_sec, false, &packet);
    if (s->d.plan->set->delayedreject && slice_eq_cstr(s->tuple.sender, "<>")) {
        /* a sender callout must not be refused here; the answer comes at DATA, if nobody else is written to */
        s->flags |= FLAG_DEFER_AT_DATA;
        if (!s->deferred_text.ptr)
            s->deferred_text = arena_slice(&s->d.mail.arena, buf_slice(&packet));
        session_continue(s);
    } else {
        session_reply(s, buf_slice(&packet));
    }
    buf_fini(&packet);
}

/* What this recipient owes to the connection's wait counts for good once DATA has come; for how long, its line says. */
static void await_data(struct session *s)
{
    int64_t life_sec = s->decision.autowhite_sec;
    uint32_t life = life_sec < 0 ? 0 : life_sec > UINT32_MAX ? UINT32_MAX : (uint32_t)life_sec;
    s->flags |= FLAG_UNCONFIRMED;
    if (life > s->served_autowhite_sec)
        s->served_autowhite_sec = life;
}

/* A later recipient of a connection that has waited owes that to the wait, though the first one's pair is AUTO by then. */
static unsigned auto_reason(const struct session *s)
{
    bool waited = s->d.client.waited_ms > 0 && s->known->via != GREY_VIA_TUPLE;
    return waited ? REASON_TARPIT : policy_auto_reason(s->known->via);
}

static void act(struct session *s)
{
    const struct decision *d = &s->decision;
    if (d->tarpit == TARPIT_HOLD && session_spares_all(s)) {
        text_log_held(s);
        leave_unfiltered(s); /* whether it would have stayed nobody knows */
        return;
    }
    if (d->tarpit == TARPIT_HOLD) {
        holding_begin(s);
        return;
    }
    if (d->action == CONF_BLACKLIST) {
        refuse(s);
        return;
    }
    if (d->action == CONF_GREYLIST || d->tarpit == TARPIT_DUE) {
        asking_begin(s, GREY_DECIDE, GREY_PASS_PATIENT, 0);
        return;
    }
    switch (d->tarpit) {
    case TARPIT_AUTO:
        recipient_ask_store(s, GREY_RENEW, GREY_PASS_PATIENT, 0, false);
        accept(s, auto_reason(s), 0);
        break;
    case TARPIT_PATIENT:
        asking_begin(s, GREY_PASS, GREY_PASS_PATIENT, 0);
        break;
    case TARPIT_SERVED:
        if (s->flags & FLAG_UNCONFIRMED)
            await_data(s);
        asking_begin(s, GREY_PASS, s->flags & FLAG_UNCONFIRMED ? GREY_PASS_WAITED : GREY_PASS_PATIENT, 0);
        break;
    default:
        accept(s, d->reasons, 0);
        break;
    }
}

void recipient_served(struct session *s)
{
    int64_t waited_sec = s->d.client.waited_ms / 1000;
    bool sibling = s->d.client.with_sibling;
    if (s->decision.action != CONF_BLACKLIST)
        await_data(s);
    switch (s->decision.action) {
    case CONF_BLACKLIST:
        refuse(s);
        break;
    case CONF_GREYLIST:
        asking_begin(s, GREY_DECIDE, GREY_PASS_SERVED, sibling ? 0 : waited_sec);
        break;
    default:
        asking_begin(s, GREY_PASS, sibling ? GREY_PASS_WAITED : GREY_PASS_SERVED, waited_sec);
        break;
    }
}

/* Its wait is over, not the rule: a line that refuses does so now. Nobody has vouched for it who is released by a pause. */
void recipient_released(struct session *s)
{
    if (s->decision.action == CONF_BLACKLIST) {
        refuse(s);
        return;
    }
    if (shared_is_paused(s->d.sh)) {
        leave_unfiltered(s);
        return;
    }
    s->decision.action = CONF_WHITELIST;
    s->flags |= FLAG_RELEASED;
    asking_begin(s, GREY_PASS, GREY_PASS_RELEASED, 0);
}

static void log_unstored(struct session *s)
{
    uint64_t count = shared_complain(s->d.sh, &s->d.sh->unstored);
    if (count > 0)
        dialogue_log(&s->d, LOG_LEVEL_ERROR,
                     "store: the record of %.*s could not be made; the mail is let in (%llu since the last such line)",
                     SLICE_ARG(s->tuple.sender), (unsigned long long)count);
}

void recipient_committed(struct session *s, const struct grey_answer *a)
{
    const struct decision *d = &s->decision;
    bool passes = d->action == CONF_WHITELIST && d->tarpit != TARPIT_DUE; /* let in by a tarpit line */
    if (a->failed)
        log_unstored(s);
    if (passes) {
        bool before = d->tarpit == TARPIT_PATIENT && s->d.client.waited_ms == 0; /* in an earlier connection */
        bool released = s->flags & FLAG_RELEASED;
        accept(s, released ? REASON_RELEASED : before ? REASON_PATIENT : REASON_TARPIT, 0);
        return;
    }
    if (a->failed) {
        accept(s, REASON_UNSTORED, 0);
        return;
    }
    if (a->verdict == GREY_DEFER) {
        defer(s, a);
        return;
    }
    if (a->state == GREY_AUTO) {
        accept(s, policy_auto_reason(a->via), 0);
        return;
    }
    text_log_let_in(s, a->elapsed_sec);
    accept(s, 0, a->elapsed_sec);
}
