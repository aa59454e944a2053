/* greylist.c - the built-in filter as the chain sees it, and what it means for it that its client is held (DESIGN 3). */
#include "filter/greylist.h"
#include "base/mem.h"

#include <stdlib.h>

enum { MTA_TIMEOUT_MS = 30 * 1000 /* Postfix's default milter_command_timeout */ };

bool greylist_spares_all(const struct greylist *g)
{
    return filter_only_evaluates(&g->f) || shared_is_paused(g->f.d->sh);
}

/* ---- its word on the command that waits ---- */

void greylist_set_wait(struct greylist *g, enum greylist_wait wait)
{
    g->wait = (uint8_t)wait;
    g->store_request = g->look_request = 0;
    g->deadline.ms = 0;
    client_rest(&g->f.d->client);
    if (wait == GREYLIST_LOOKS || wait == GREYLIST_CONFIRMS)
        g->deadline.ms = g->f.d->sh->now.mono.ms + asking_patience_ms(g->f.d->sh, wait == GREYLIST_CONFIRMS);
}

void greylist_pass(struct greylist *g)
{
    greylist_set_wait(g, GREYLIST_RESTS);
}

void greylist_refuse(struct greylist *g, struct slice packet)
{
    greylist_set_wait(g, GREYLIST_RESTS);
    g->f.rcpt_verdict = VERDICT_TEMPFAIL;
    g->f.reply = arena_slice(&g->f.d->rcpt.arena, packet);
}

void greylist_refuse_gone(struct greylist *g, const char *text)
{
    struct buf packet = {0};
    milter_put_replycode(&packet, SLICE_LIT("421"), SLICE_LIT("4.7.0"), slice_cstr(text));
    greylist_refuse(g, buf_slice(&packet));
    buf_fini(&packet);
}

/* ---- the hold ---- */

static bool skips_unwatched(const struct greylist *g)
{
    return g->f.d->plan->set->holds_unwatched == CONF_UNWATCHED_SKIP;
}

static enum policy_no_hold why_not(const struct greylist *g)
{
    const struct shared *sh = g->f.d->sh;
    struct ip client = ip_client(&g->f.d->client.ends.remote);
    if (g->f.d->plan->set->delayedreject && slice_eq_cstr(g->f.d->sender, "<>"))
        return HOLD_CALLOUT; /* who calls out gives up after half a minute (ADR 0034) */
    if (g->f.d->client.watch == CLIENT_WATCH_IMPOSSIBLE && skips_unwatched(g))
        return HOLD_UNWATCHABLE;
    if (hold_count(sh->clients.holds) >= shared_holds_max(sh))
        return HOLD_BOUND_MAX;
    if (hold_count_client(sh->clients.holds, &client) >= (uint64_t)g->f.d->plan->set->holds_per_client)
        return HOLD_BOUND_CLIENT;
    if (dialogue_is_stressed(g->f.d))
        return HOLD_STRESS;
    return HOLD_POSSIBLE;
}

struct policy_facts greylist_facts(struct greylist *g)
{
    struct policy_facts facts = dialogue_facts(g->f.d, STAGE_RCPT);
    facts.sender_seen = g->tuple.sender; /* NONE before plan_tuple */
    facts.look = g->known;
    facts.no_hold = why_not(g);
    return facts;
}

void holding_begin(struct greylist *g)
{
    struct shared *sh = g->f.d->sh;
    sh->stats.held_all++;
    g->first_seen = sh->now.wall;
    greylist_set_wait(g, GREYLIST_HOLDS);
    client_hold(&sh->clients, &g->f.d->client, g->decision.hold_ms, !skips_unwatched(g));
    text_log_held(g);
    if (!dialogue_may_progress(g->f.d) && g->decision.hold_ms >= MTA_TIMEOUT_MS && !sh->told_progress) {
        sh->told_progress = true;
        dialogue_log(g->f.d, LOG_LEVEL_WARNING,
                     "holding for %d s without progress reports: what stands between us and Postfix must wait "
                     "longer than "
                     "that (milter_command_timeout, or milter-manager's reading_timeout)",
                     (int)(g->decision.hold_ms / 1000));
    }
}

static int64_t waited_ms(const struct greylist *g)
{
    return client_waited_ms(&g->f.d->sh->clients, &g->f.d->client);
}

static void hang_up(struct filter *f)
{
    struct greylist *g = greylist_of(f);
    if (!client_is_held(&g->f.d->client))
        return;
    client_end_hold(&g->f.d->sh->clients, &g->f.d->client, CLIENT_DROPPED);
    g->f.d->sh->stats.cut++;
    text_log_hold_end(g, JOURNAL_CUT, waited_ms(g));
}

static void note_left(struct greylist *g)
{
    g->f.d->sh->stats.left++;
    recipient_ask_store(g, GREY_LEFT, GREY_PASS_SERVED, (g->f.d->client.waited_ms + waited_ms(g)) / 1000, false);
    text_log_hold_end(g, JOURNAL_LEFT, waited_ms(g));
}

static void client_left(struct filter *f)
{
    struct greylist *g = greylist_of(f);
    if (!client_is_held(&g->f.d->client))
        return;
    client_end_hold(&g->f.d->sh->clients, &g->f.d->client, CLIENT_GONE);
    note_left(g);
}

static void note_served(struct greylist *g)
{
    struct engine_stats *stats = &g->f.d->sh->stats;
    if (g->f.d->client.with_sibling)
        stats->siblings++;
    else
        stats->served++;
    text_log_hold_end(g, g->f.d->client.with_sibling ? JOURNAL_SIBLING : JOURNAL_STAYED, waited_ms(g));
}

static void hold_over(struct greylist *g)
{
    switch ((enum client_state)g->f.d->client.state) {
    case CLIENT_SERVED:
        note_served(g);
        recipient_served(g);
        break;
    case CLIENT_GONE:
        note_left(g);
        greylist_refuse_gone(g, "Client is gone");
        break;
    case CLIENT_RELEASED:
        g->f.d->sh->stats.released++;
        text_log_hold_end(g, JOURNAL_RELEASED, waited_ms(g));
        recipient_released(g);
        break;
    case CLIENT_DROPPED:
        g->f.d->sh->stats.dropped++;
        text_log_hold_end(g, JOURNAL_DROPPED, waited_ms(g));
        greylist_refuse_gone(g, "Service is not available to you now");
        break;
    case CLIENT_UNWATCHABLE:
        g->f.d->sh->stats.cut++;
        text_log_hold_end(g, JOURNAL_CUT, waited_ms(g));
        recipient_unwatchable(g);
        break;
    default:
        break;
    }
}

/* ---- the interface ---- */

static enum filter_state state_of(const struct greylist *g)
{
    static const uint8_t states[] = {
        [GREYLIST_RESTS] = STATE_IDLE, [GREYLIST_LOOKS] = STATE_STORE,   [GREYLIST_ASKS] = STATE_FACTS,
        [GREYLIST_HOLDS] = STATE_HELD, [GREYLIST_COMMITS] = STATE_STORE, [GREYLIST_CONFIRMS] = STATE_STORE,
    };
    return (enum filter_state)states[g->wait];
}

static enum filter_state advance(struct filter *f, const struct filter_place *place)
{
    struct greylist *g = greylist_of(f);
    if (place->begins) {
        f->rcpt_verdict = VERDICT_CONTINUE;
        f->reply = SLICE_NONE;
        if (place->stage == STAGE_RCPT)
            recipient_begin(g);
        else if (place->stage == STAGE_DATA)
            message_data(g);
        else if (place->stage == STAGE_EOM)
            message_end(g);
    } else if (g->wait == GREYLIST_ASKS && !facts_are_awaited(f->d)) {
        recipient_goes_on(g);
    }
    return state_of(g);
}

static void store_answered(struct greylist *g, uint32_t request, const struct grey_answer *answer)
{
    if (request == 0 || (request != g->store_request && request != g->look_request))
        return;
    if (g->wait == GREYLIST_COMMITS) {
        asking_answered(g, request, answer);
        return;
    }
    g->store_request = 0;
    g->f.d->sh->stats.store_failures += answer->failed;
    if (g->wait == GREYLIST_LOOKS)
        recipient_known(g, answer);
    else if (g->wait == GREYLIST_CONFIRMS)
        message_confirmed(g, answer);
}

static void store_is_late(struct greylist *g)
{
    static const struct grey_answer failed = {.failed = true, .left_sec = -1};
    if (g->wait == GREYLIST_COMMITS) {
        asking_timer(g);
    } else if (g->wait == GREYLIST_LOOKS || g->wait == GREYLIST_CONFIRMS) {
        asking_note_missed(g, g->wait == GREYLIST_CONFIRMS);
        store_answered(g, g->store_request, &failed);
    }
}

static void on_event(struct filter *f, const struct filter_place *place, const struct event *event)
{
    struct greylist *g = greylist_of(f);
    (void)place;
    if (event->kind == EVENT_STORE)
        store_answered(g, event->request, event->u.answer);
    else if (g->wait == GREYLIST_HOLDS && f->d->client.state != CLIENT_HELD)
        hold_over(g);
    else if (event->kind == EVENT_TICK && g->deadline.ms != 0 && event->now.mono.ms >= g->deadline.ms)
        store_is_late(g);
}

static const struct mail_edits *edits_of(struct filter *f)
{
    struct greylist *g = greylist_of(f);
    if (!g->edits) {
        g->edits = mem_zalloc(sizeof(*g->edits));
        if (g->accepted > 0 && (f->d->actions & SMFIF_ADDHDRS))
            message_put_edits(g, g->edits);
    }
    return g->edits;
}

static bool may_edit(const struct filter *f)
{
    return !message_edits_fit_early(greylist_of_const(f));
}

static int64_t deadline_ms(const struct filter *f)
{
    return greylist_of_const(f)->deadline.ms;
}

static bool is_open(const struct filter *f)
{
    return f->asked != POLICY_YES || f->passed_by || greylist_of_const(f)->accepted > 0;
}

static void lose_recipient(struct filter *f, unsigned number)
{
    struct greylist *g = greylist_of(f);
    (void)number;
    if (g->flags & GREYLIST_COUNTED)
        g->accepted--;
    g->flags &= ~(uint32_t)GREYLIST_COUNTED;
    filter_lose_passed(f);
}

static void clear_recipient(struct greylist *g)
{
    facts_clear(g->f.d, FACTS_RECIPIENT);
    g->decision = (struct decision){0};
    g->tuple = (struct grey_tuple){0};
    g->known = NULL;
    g->f.reply = SLICE_NONE;
    g->f.passed_now = false;
    g->flags &= ~(uint32_t)(GREYLIST_COUNTED | GREYLIST_RELEASED);
}

static void forget_headers(struct greylist *g)
{
    if (g->edits)
        mail_edits_fini(g->edits);
    free(g->edits);
    g->edits = NULL;
    g->headers = NULL;
    shared_keep_less(g->f.d->sh, g->headers_bytes, 0);
    g->headers_bytes = 0;
    free(g->report);
    g->report = NULL;
}

static void clear_message(struct greylist *g)
{
    forget_headers(g);
    g->accepted = 0;
    g->elapsed_sec = g->tarpit_sec = 0;
    g->reasons = 0;
    g->deferred = NULL;
    g->header_acl = NULL;
    g->header_acl_id = NULL;
    g->f.asked = POLICY_LATER;
    g->f.passed_by = g->f.passed_now = false;
    g->flags &= ~(uint32_t)(GREYLIST_DEFER_AT_DATA | GREYLIST_HEADERS_LEFT_OUT);
}

static void clear(struct filter *f, enum filter_scope scope)
{
    struct greylist *g = greylist_of(f);
    switch (scope) {
    case FILTER_RECIPIENT:
        clear_recipient(g);
        break;
    case FILTER_MESSAGE:
        clear_message(g);
        break;
    case FILTER_HELO:
        break;
    case FILTER_CONNECTION:
        if (f->d->flags & DIALOGUE_UNCONFIRMED)
            text_log_unconfirmed(g);
        f->d->flags &= (uint16_t)~DIALOGUE_UNCONFIRMED;
        f->d->served_autowhite_sec = 0;
        g->flags = 0;
        f->connection_over = false;
        break;
    }
}

static void end(struct filter *f)
{
    forget_headers(greylist_of(f));
}

static struct slice holding_line(const struct filter *f, char room[16])
{
    return text_acl_name(greylist_of_const(f), room);
}

static const struct gate_ops gate_ops = {.is_open = is_open, .client_left = client_left, .holding_line = holding_line};

static const struct filter_ops ops = {
    .advance = advance,
    .event = on_event,
    .edits = edits_of,
    .may_edit = may_edit,
    .deadline_ms = deadline_ms,
    .lose_recipient = lose_recipient,
    .clear = clear,
    .hang_up = hang_up,
    .end = end,
    .gate = &gate_ops,
};

static bool is_greylist(const struct conf_filter *conf)
{
    return !conf || conf->builtin;
}

static void make_gate(union filter_gate *room, struct dialogue *d, const struct conf_filter *conf, unsigned number)
{
    struct greylist *g = (struct greylist *)room;
    _Static_assert(sizeof(*g) <= sizeof(*room) && offsetof(struct greylist, f) == 0, "a gate's room");
    *g = (struct greylist){.f = {.ops = &ops, .d = d, .conf = conf, .number = (uint8_t)number, .asked = POLICY_LATER}};
}

const struct filter_kind greylist_kind = {.is = is_greylist, .make_gate = make_gate};
