/*
 * greylist_recipient.c - one RCPT: what policy says, what the store knows, what is answered.
 *
 *   policy ── needs to know ──► look at the store ──► policy ──► verdict
 *   verdict ──► hold ──► last look ──► store (commit) ──► reply        each step only where the verdict wants it
 */
#include "filter/greylist.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void act(struct greylist *g);

uint32_t recipient_ask_store(struct greylist *g, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec,
                             bool wants_answer)
{
    const struct decision *d = &g->decision;
    struct arena *arena = &g->f.d->sh->out->arena;
    struct grey_request *r = arena_alloc(arena, sizeof(*r));
    *r = plan_request(g->f.d->plan, kind, &g->tuple, g->f.d->sh->now.wall);
    r->first_seen = g->first_seen;
    r->waited_sec = waited_sec;
    r->pass = pass;
    if (g->wait != GREYLIST_LOOKS) { /* nothing is decided yet then */
        r->delay_sec = d->delay_sec;
        r->autowhite_sec = d->autowhite_sec;
    }
    /* the effect may outlive this recipient: its text must be the queue's */
    r->tuple.client_domain = arena_slice(arena, g->tuple.client_domain);
    r->tuple.sender = arena_slice(arena, g->tuple.sender);
    r->tuple.recipient = arena_slice(arena, g->tuple.recipient);
    struct effect *e = effects_add(g->f.d->sh->out, EFFECT_STORE, g->f.d->client.owner);
    e->u.store = r;
    if (wants_answer)
        e->request = dialogue_next_request(g->f.d);
    return trace_question(g->f.d, r->kind, e->request);
}

uint32_t recipient_ask_confirm(struct greylist *g, bool wants_answer)
{
    const struct grey_tuple client = {
        .addr = g->f.d->client.ends.remote, .sender = SLICE_LIT(""), .recipient = SLICE_LIT("")};
    struct grey_request *r = arena_alloc(&g->f.d->sh->out->arena, sizeof(*r));
    *r = plan_request(g->f.d->plan, GREY_CONFIRM, &client, g->f.d->sh->now.wall);
    r->autowhite_sec = g->f.d->served_autowhite_sec;
    struct effect *e = effects_add(g->f.d->sh->out, EFFECT_STORE, g->f.d->client.owner);
    e->u.store = r;
    if (wants_answer)
        e->request = dialogue_next_request(g->f.d);
    return trace_question(g->f.d, r->kind, e->request);
}

/* ---- policy ---- */

static uint32_t u32_of(int64_t n)
{
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Keep of a verdict what a hold of minutes needs: headers and groups are rare, and clients held at once are many. */
static void adopt(struct greylist *g, const struct policy_verdict *v)
{
    struct decision *d = &g->decision;
    *d = (struct decision){
        .action = (uint8_t)v->action & 15,
        .acl = v->acl,
        .reasons = v->reasons,
        .tarpit = (uint8_t)v->tarpit & 7,
        .tarpit_sec = u32_of(v->tarpit_sec),
        .hold_ms = u32_of(v->hold_ms),
        .delay_sec = u32_of(v->delay_sec),
        .autowhite_sec = u32_of(v->autowhite_sec),
        .code = v->code.ptr,
        .code_len = (uint8_t)v->code.len,
        .ecode = v->ecode.ptr,
        .ecode_len = (uint8_t)v->ecode.len,
        .msg = v->msg,
        .report = v->report,
        .nolog = v->nolog,
        .id = v->id,
        .n_headers = (uint8_t)v->n_headers,
    };
    struct arena *arena = &g->f.d->rcpt.arena;
    if (v->n_headers > 0) {
        struct decision_header *headers = arena_alloc(arena, v->n_headers * sizeof(*headers));
        for (unsigned i = 0; i < v->n_headers; i++)
            headers[i] = (struct decision_header){v->headers[i], v->header_index[i]};
        d->headers = headers;
    }
    for (size_t i = 0; i < REGEX_GROUPS_MAX && !d->groups; i++)
        if (v->groups[i].ptr) {
            d->groups = arena_alloc(arena, sizeof(v->groups));
            memcpy(d->groups, v->groups, sizeof(v->groups));
        }
    struct engine_stats *stats = &g->f.d->sh->stats;
    stats->unwatchable += v->skipped == HOLD_UNWATCHABLE;
    stats->bound_max += v->skipped == HOLD_BOUND_MAX;
    stats->bound_client += v->skipped == HOLD_BOUND_CLIENT;
    stats->stressed += v->skipped == HOLD_STRESS;
    if (v->skipped != HOLD_POSSIBLE)
        text_log_not_held(g, v->skipped);
    if (v->left_sec >= 0 && g->f.d->plan->set->verbose)
        text_log_left_before(g, v->left_sec);
}

/* ---- the filter's condition, where only the HELO name can settle it ---- */

/* What is remembered of the tuple lets it in, whatever the condition says. */
static bool is_remembered(const struct greylist *g)
{
    const struct grey_answer *known = g->known;
    bool due = (known->state == GREY_DUE || known->state == GREY_PENDING) && known->elapsed_sec >= g->decision.delay_sec;
    return g->decision.action != CONF_BLACKLIST && (known->state == GREY_AUTO || due);
}

/* It would be held, put off or refused. */
static bool is_held_against(const struct greylist *g)
{
    const struct decision *d = &g->decision;
    return d->tarpit == TARPIT_HOLD || d->action == CONF_BLACKLIST ||
           (d->action == CONF_GREYLIST && !(g->known && is_remembered(g)));
}

/* From the first line on, with what the store knows. */
static void look_first(struct greylist *g)
{
    struct policy_cursor cursor;
    policy_begin(g->f.d->plan->policy, &cursor);
    facts_keep_cursor(g->f.d, &cursor);
    greylist_set_wait(g, GREYLIST_LOOKS);
    g->store_request = recipient_ask_store(g, GREY_LOOK, GREY_PASS_SERVED, 0, true);
}

static void pass_by(struct greylist *g, const struct policy_why *why)
{
    g->f.d->sh->stats.passed++;
    dialogue_log_passed(g->f.d, why, filter_only_evaluates(&g->f));
    if (!policy_filter_is_per_recipient(g->f.d->plan->policy, g->f.number))
        g->f.asked = POLICY_NO; /* nor about the other recipients */
    filter_pass_by(&g->f);
    greylist_pass(g);
}

/*
 * Whether the HELO name proves itself is asked last of all: only about those who would be held, put off or refused, and whom the store
 * does not know. The lines have been judged as if it did not (ADR 0021).
 */
static void settle_condition(struct greylist *g)
{
    const struct policy *p = g->f.d->plan->policy;
    struct policy_why why;
    uint64_t missing = 0;
    if (policy_conditions_ask(p) && is_held_against(g)) {
        struct policy_facts facts = dialogue_facts(g->f.d, STAGE_RCPT);
        enum policy_truth truth = filter_condition(g->f.d, g->f.number, &facts, &why, &missing);
        if (truth == POLICY_NO) {
            pass_by(g, &why);
            return;
        }
        if (truth == POLICY_LATER && missing && !g->known) {
            look_first(g);
            return;
        }
        if (truth == POLICY_LATER && missing) {
            if (facts_ready(g->f.d, missing))
                settle_condition(g);
            else
                greylist_set_wait(g, GREYLIST_ASKS);
            return;
        }
    }
    act(g);
}

/* ---- the lines ---- */

static void evaluate(struct greylist *g, struct policy_cursor *cursor)
{
    struct policy_facts facts = greylist_facts(g);
    struct policy_verdict verdict;
    uint64_t missing;
    enum policy_result r = policy_step(g->f.d->plan->policy, cursor, &facts, &verdict, &missing);
    dialogue_note_effort(g->f.d);
    if (r == POLICY_NEED) {
        facts_keep_cursor(g->f.d, cursor);
        if (missing & POLICY_FACT_LOOK) {
            greylist_set_wait(g, GREYLIST_LOOKS);
            g->store_request = recipient_ask_store(g, GREY_LOOK, GREY_PASS_SERVED, 0, true);
        } else if (facts_ready(g->f.d, missing)) {
            evaluate(g, facts_cursor(g->f.d));
        } else {
            greylist_set_wait(g, GREYLIST_ASKS);
        }
        return;
    }
    facts_drop_cursor(g->f.d);
    adopt(g, &verdict);
    settle_condition(g);
}

void recipient_begin(struct greylist *g)
{
    struct policy_facts facts = greylist_facts(g);
    struct policy_cursor cursor;
    facts_drop_cursor(g->f.d);
    g->known = NULL;
    g->first_seen = g->f.d->sh->now.wall;
    g->tuple = plan_tuple(g->f.d->plan, &facts, &g->f.d->rcpt.arena);
    policy_begin(g->f.d->plan->policy, &cursor);
    evaluate(g, &cursor);
}

void recipient_known(struct greylist *g, const struct grey_answer *answer)
{
    g->known = arena_alloc(&g->f.d->rcpt.arena, sizeof(*g->known));
    *g->known = *answer;
    if (answer->failed) /* nothing is known then, and nothing is held against anybody */
        *g->known = (struct grey_answer){.state = GREY_NEW, .left_sec = -1};
    evaluate(g, facts_cursor(g->f.d));
}

/* What others were asked for is there. */
void recipient_goes_on(struct greylist *g)
{
    struct policy_cursor *cursor = facts_cursor(g->f.d);
    if (cursor)
        evaluate(g, cursor);
    else
        settle_condition(g); /* the lines have been judged */
}

void recipient_unwatchable(struct greylist *g)
{
    struct policy_cursor cursor;
    policy_begin(g->f.d->plan->policy, &cursor);
    evaluate(g, &cursor); /* every way out of it ends the present wait */
}

/* ---- answers ---- */

/* `evaluation`: what is decided is logged and remembered, and nothing of it is done. */
static void leave_unfiltered(struct greylist *g)
{
    filter_pass_by(&g->f);
    greylist_pass(g);
}

static void accept(struct greylist *g, unsigned reasons, int64_t elapsed_sec)
{
    g->f.d->sh->stats.accepted++;
    if (reasons)
        text_log_accepted(g, reasons);
    if (filter_only_evaluates(&g->f)) {
        leave_unfiltered(g);
        return;
    }
    message_note_accepted(g, reasons, elapsed_sec);
    greylist_pass(g);
}

static void refuse(struct greylist *g)
{
    struct buf packet = {0};
    g->f.d->sh->stats.rejected++;
    text_log_rejected(g);
    if (filter_only_evaluates(&g->f)) {
        leave_unfiltered(g);
        return;
    }
    text_refusal(g, 0, 0, true, &packet);
    greylist_refuse(g, buf_slice(&packet));
    buf_fini(&packet);
}

static void defer(struct greylist *g, const struct grey_answer *a)
{
    struct buf packet = {0};
    g->f.d->sh->stats.deferred++;
    g->f.d->sh->stats.first_sights += a->first_seen.sec == g->f.d->sh->now.wall.sec;
    text_log_deferred(g, a->remaining_sec);
    if (greylist_spares_all(g)) {
        leave_unfiltered(g);
        return;
    }
    text_refusal(g, g->f.d->sh->now.wall.sec - a->first_seen.sec, a->remaining_sec, false, &packet);
    if (g->f.d->plan->set->delayedreject && slice_eq_cstr(g->tuple.sender, "<>")) {
        /* a sender callout must not be refused here; the answer comes at DATA, if nobody else is written to */
        g->flags |= GREYLIST_DEFER_AT_DATA;
        if (!g->deferred)
            g->deferred = arena_slice(&g->f.d->mail.arena, buf_slice(&packet)).ptr;
        greylist_pass(g);
    } else {
        greylist_refuse(g, buf_slice(&packet));
    }
    buf_fini(&packet);
}

/* What this recipient owes to the connection's wait counts for good once DATA has come; for how long, its line says. */
static void await_data(struct greylist *g)
{
    uint32_t life = g->decision.autowhite_sec;
    g->f.d->flags |= DIALOGUE_UNCONFIRMED;
    if (life > g->f.d->served_autowhite_sec)
        g->f.d->served_autowhite_sec = life;
}

/* A later recipient of a connection that has waited owes that to the wait, though the first one's pair is AUTO by then. */
static unsigned auto_reason(const struct greylist *g)
{
    bool waited = g->f.d->client.waited_ms > 0 && g->known->via != GREY_VIA_TUPLE;
    return waited ? REASON_TARPIT : policy_auto_reason(g->known->via);
}

static void act(struct greylist *g)
{
    const struct decision *d = &g->decision;
    if (d->tarpit == TARPIT_HOLD && greylist_spares_all(g)) {
        text_log_held(g);
        leave_unfiltered(g); /* whether it would have stayed nobody knows */
        return;
    }
    if (d->tarpit == TARPIT_HOLD) {
        holding_begin(g);
        return;
    }
    if (d->action == CONF_BLACKLIST) {
        refuse(g);
        return;
    }
    if (d->action == CONF_GREYLIST || d->tarpit == TARPIT_DUE) {
        asking_begin(g, GREY_DECIDE, GREY_PASS_PATIENT, 0);
        return;
    }
    switch (d->tarpit) {
    case TARPIT_AUTO:
        recipient_ask_store(g, GREY_RENEW, GREY_PASS_PATIENT, 0, false);
        accept(g, auto_reason(g), 0);
        break;
    case TARPIT_PATIENT:
        asking_begin(g, GREY_PASS, GREY_PASS_PATIENT, 0);
        break;
    case TARPIT_SERVED:
        if (g->f.d->flags & DIALOGUE_UNCONFIRMED)
            await_data(g);
        asking_begin(g, GREY_PASS, g->f.d->flags & DIALOGUE_UNCONFIRMED ? GREY_PASS_WAITED : GREY_PASS_PATIENT, 0);
        break;
    default:
        accept(g, d->reasons, 0);
        break;
    }
}

void recipient_served(struct greylist *g)
{
    int64_t waited_sec = g->f.d->client.waited_ms / 1000;
    bool sibling = g->f.d->client.with_sibling;
    if (g->decision.action != CONF_BLACKLIST)
        await_data(g);
    switch (g->decision.action) {
    case CONF_BLACKLIST:
        refuse(g);
        break;
    case CONF_GREYLIST:
        asking_begin(g, GREY_DECIDE, GREY_PASS_SERVED, sibling ? 0 : waited_sec);
        break;
    default:
        asking_begin(g, GREY_PASS, sibling ? GREY_PASS_WAITED : GREY_PASS_SERVED, waited_sec);
        break;
    }
}

/* Its wait is over, not the rule: a line that refuses does so now. Nobody has vouched for it who is released by a pause. */
void recipient_released(struct greylist *g)
{
    if (g->decision.action == CONF_BLACKLIST) {
        refuse(g);
        return;
    }
    if (shared_is_paused(g->f.d->sh)) {
        leave_unfiltered(g);
        return;
    }
    g->decision.action = CONF_WHITELIST;
    g->flags |= GREYLIST_RELEASED;
    asking_begin(g, GREY_PASS, GREY_PASS_RELEASED, 0);
}

static void log_unstored(struct greylist *g)
{
    uint64_t count = shared_complain(g->f.d->sh, &g->f.d->sh->unstored);
    if (count > 0)
        dialogue_log(g->f.d, LOG_LEVEL_ERROR,
                     "store: the record of %.*s could not be made; the mail is let in (%llu since the last such line)",
                     SLICE_ARG(g->tuple.sender), (unsigned long long)count);
}

void recipient_committed(struct greylist *g, const struct grey_answer *a)
{
    const struct decision *d = &g->decision;
    bool passes = d->action == CONF_WHITELIST && d->tarpit != TARPIT_DUE; /* let in by a tarpit line */
    if (a->failed)
        log_unstored(g);
    if (passes) {
        bool before = d->tarpit == TARPIT_PATIENT && g->f.d->client.waited_ms == 0; /* in an earlier connection */
        bool released = g->flags & GREYLIST_RELEASED;
        accept(g, released ? REASON_RELEASED : before ? REASON_PATIENT : REASON_TARPIT, 0);
        return;
    }
    if (a->failed) {
        accept(g, REASON_UNSTORED, 0);
        return;
    }
    if (a->verdict == GREY_DEFER) {
        defer(g, a);
        return;
    }
    if (a->state == GREY_AUTO) {
        accept(g, policy_auto_reason(a->via), 0);
        return;
    }
    text_log_let_in(g, a->elapsed_sec);
    accept(g, 0, a->elapsed_sec);
}
