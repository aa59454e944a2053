/*
 * milter.c - one child milter as a filter: connecting, its answers and what they mean for it, its ends and failures. Knows one
 * child at a time; how several filters become one reply is the chain's. What it is told is milter_tell.c's.
 */
#include "filter/milter.h"
#include "base/mem.h"
#include "child/address.h"

#include <stdlib.h>
#include <string.h>

enum { NEW_BODY_WRITES_MAX = 2 };

static struct mono now_of(const struct milter *c)
{
    return c->f.d->sh->now.mono;
}

/* ---- ends ---- */

static void tell_breaker(struct dialogue *d, const struct milter *c)
{
    const struct breaker *b = &c->record->breaker;
    if (b->state == BREAKER_CLOSED)
        effects_log(d->sh->out, d->client.owner, LOG_LEVEL_NOTICE, "filter \"%s\": it answers again, and is asked again",
                    c->f.conf->name);
    else
        effects_log(d->sh->out, d->client.owner, LOG_LEVEL_WARNING,
                    "filter \"%s\": it has failed %u times in a row and is not asked for %lld s", c->f.conf->name,
                    b->failures, (long long)(b->pause_ms / 1000));
}

static void served(struct milter *c)
{
    if (breaker_succeeded(&c->record->breaker, c->probe))
        tell_breaker(c->f.d, c);
}

/* The client, or another filter, has ended it. That it has answered all that it was asked is proof; a connection alone is none. */
static void end_probe(struct milter *c)
{
    if (!c->probe)
        return;
    if (c->link && c->link->state == LINK_IDLE && c->link->late == 0 && c->has_answered)
        served(c);
    breaker_unproven(&c->record->breaker, c->probe, c->f.d->sh->now.mono);
    c->probe = 0;
}

static void milter_hang_up(struct filter *f)
{
    struct milter *c = milter_of(f);
    struct dialogue *d = c->f.d;
    end_probe(c);
    if (!c->id)
        return;
    struct link *l = c->link;
    if (l->state == LINK_IDLE || l->state == LINK_ASKED) {
        struct buf out = {0};
        milter_abort(&c->f);
        link_ask(l, &(struct milter_command){.cmd = SMFIC_QUIT}, SLICE_NONE, d->sh->now.mono, &out);
        effects_child_send(d->sh->out, c->id, buf_slice(&out));
        buf_fini(&out);
    }
    effects_add(d->sh->out, EFFECT_CHILD_CLOSE, 0)->u.child.id = c->id;
    registry_connection_forget(d->sh->registry, c->id);
    link_fini(l);
    free(l);
    c->link = NULL;
    c->id = 0;
    c->next = STAGE_CONNECT;
    c->helo_told = 0;
    c->in_transaction = c->paused = c->reading = c->draining = c->has_answered = false;
    c->unanswered_bytes = 0;
}

static void fail(struct milter *c, const char *why)
{
    static const char *const fallbacks[] = {"accept", "tempfail", "reject", "discard"};
    struct dialogue *d = c->f.d;
    const struct breaker_limits limits = {.failures = (unsigned)c->f.conf->set.breaker_failures,
                                          .pause_max_ms = c->f.conf->set.breaker_pause_sec * 1000};
    c->dns_request = 0;
    c->f.outcome = OUTCOME_FALLBACK;
    c->f.counted = true;
    d->sh->stats.child_failures++;
    c->record->failures++;
    dialogue_log(d, LOG_LEVEL_WARNING, "filter \"%s\": %s (at %s); its fallback counts: %s%s", c->f.conf->name, why,
                 stage_name(c->f.last), fallbacks[c->f.conf->set.fallback],
                 c->f.conf->set.evaluation ? " (evaluation only: not applied)" : "");
    if (breaker_failed(&c->record->breaker, c->probe, &limits, d->sh->now.mono))
        tell_breaker(d, c);
    if (c->link && c->link->state != LINK_FAILED)
        link_lost(c->link, 0); /* nothing more is said to it */
    milter_hang_up(&c->f);
}

static void let_go(struct milter *c)
{
    c->dns_request = 0;
    milter_hang_up(&c->f);
    c->closed_between_messages = c->f.d->transcript->mail == NULL;
}

static void break_off(struct milter *c, const char *why)
{
    if (c->f.outcome == OUTCOME_PENDING && c->f.asked == POLICY_YES) {
        fail(c, why);
        return;
    }
    dialogue_log(c->f.d, LOG_LEVEL_WARNING, "filter \"%s\": %s, while it was not asked", c->f.conf->name, why);
    let_go(c);
}

/* ---- connecting ---- */

static void open_connection(struct milter *c, const struct child_address *address)
{
    struct dialogue *d = c->f.d;
    struct effect *e = effects_add(d->sh->out, EFFECT_CHILD_OPEN, d->client.owner);
    c->id = registry_connection_name(d->sh->registry, c->record, NULL, d->client.owner, c->f.number);
    c->record->connections++;
    c->link = mem_alloc(sizeof(*c->link));
    link_init(c->link, &c->limits);
    link_connecting(c->link, c->started);
    e->u.child.id = c->id;
    e->u.child.address = address->ip;
    e->u.child.port = address->port;
    if (address->path)
        e->u.child.path = arena_cstr(&d->sh->out->arena, slice_cstr(address->path));
}

static void ask_for_host(struct milter *c, const struct child_address *address)
{
    struct dialogue *d = c->f.d;
    trace_line(d, "question to DNS: the address of filter %s", c->f.conf->name);
    struct effect *e = effects_add(d->sh->out, EFFECT_DNS, d->client.owner);
    e->u.dns.type = address->is_v6 ? DNS_AAAA : DNS_A;
    e->u.dns.name = arena_slice(&d->sh->out->arena, address->host);
    e->request = c->dns_request = dialogue_next_request(d);
}

static void resolved(struct milter *c, const struct event *event)
{
    struct child_address address = child_address_cut(c->f.conf->connect);
    c->dns_request = 0;
    if (event->u.dns.status != DNS_FOUND || event->u.dns.n_addresses == 0) {
        break_off(c,
                  event->u.dns.status == DNS_ABSENT ? "its host has no address" : "its host's address cannot be found now");
        return;
    }
    address.ip = event->u.dns.addresses[0];
    open_connection(c, &address);
}

static void start(struct milter *c)
{
    if (!breaker_may_try(&c->record->breaker, now_of(c), &c->probe)) {
        c->f.outcome = OUTCOME_FALLBACK; /* said when it was opened: not once a session */
        c->f.reply = SLICE_NONE;
        return;
    }
    struct child_address address = child_address_cut(c->f.conf->connect);
    c->started = now_of(c);
    if (address.path || address.ip.family != IP_NONE)
        open_connection(c, &address);
    else
        ask_for_host(c, &address);
}

static void say_options(struct milter *c)
{
    struct dialogue *d = c->f.d;
    const struct milter_options *granted = &d->transcript->granted;
    static const uint32_t of_the_mta =
        SMFIP_RCPT_REJ | SMFIP_HDR_LEADSPC; /* the rest we do for a child whatever the MTA does */
    struct milter_options offer = {
        .version = granted->version,
        .actions = d->transcript->offered_actions,
        .steps = (MILTER_STEPS_ALL & ~of_the_mta) | (d->transcript->offered_steps & of_the_mta),
    };
    struct buf out = {0};
    link_connected(c->link, &offer, now_of(c), &out);
    effects_child_send(d->sh->out, c->id, buf_slice(&out));
    buf_fini(&out);
}

/* ---- answers ---- */

static bool actions_edit(uint32_t actions)
{
    return actions & (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT |
                      SMFIF_CHGFROM);
}

static bool may_edit(const struct filter *f)
{
    const struct milter *c = milter_of_const(f);
    if (f->conf->set.evaluation)
        return false;
    if (c->link && c->link->state != LINK_CONNECTING && c->link->state != LINK_NEGOTIATING && c->link->state != LINK_NEW)
        return actions_edit(c->link->got.actions | c->record->unnegotiated);
    return !c->record->required.known || actions_edit(c->record->required.options.actions);
}

/* Its word for the whole message, or for the connection. */
static void take_final(struct milter *c, enum verdict v, const struct link_answer *a, bool of_connection)
{
    struct arena *arena = of_connection ? &c->common->connection_texts : &c->common->message_texts;
    c->f.outcome = OUTCOME_FINAL;
    c->f.verdict = (uint8_t)v;
    c->f.reply = a->code == SMFIR_REPLYCODE ? arena_slice(arena, a->text) : SLICE_NONE;
    served(c);
    if (of_connection) {
        c->f.connection_over = true;
        milter_hang_up(&c->f);
    } else if (c->next != STAGE_END) {
        milter_abort(&c->f);
    }
}

static void rcpt_answered(struct milter *c, enum verdict v, const struct link_answer *a)
{
    const struct transcript *t = c->f.d->transcript;
    bool is_present = t->goal == STAGE_RCPT && t->present && c->rcpt_asked + 1 == t->present;
    if (transcript_is_rejected(t, c->rcpt_asked))
        return; /* the MTA has refused it already; nothing can be added */
    if (v == VERDICT_CONTINUE) {
        c->rcpt_good++;
        return;
    }
    if (v == VERDICT_ACCEPT || v == VERDICT_DISCARD) {
        take_final(c, v, a, false);
        return;
    }
    if (!is_present) {
        /* The MTA has let this recipient in already, or never knew it: it cannot be refused by itself any more, and must not be lost. */
        take_final(c, v, a, false);
        return;
    }
    c->f.rcpt_verdict = (uint8_t)v;
    c->f.reply = a->code == SMFIR_REPLYCODE ? arena_slice(&c->common->message_texts, a->text) : SLICE_NONE;
}

static void note_quarantine(struct milter *c)
{
    for (const struct mail_edit *e = c->link->edits.first; e; e = e->next)
        if (e->kind == MAIL_QUARANTINE)
            c->f.quarantines = true;
}

/*
 * What it has changed without having negotiated it, it is known for from now on: those behind it will wait for its edits. False: one of
 * them has not waited this time, and has judged another message than the one that would be delivered.
 */
static bool may_change(struct milter *c)
{
    uint32_t more = c->link->unnegotiated;
    if (more & ~c->record->unnegotiated) {
        effects_log(c->f.d->sh->out, c->f.d->client.owner, LOG_LEVEL_NOTICE,
                    "filter \"%s\": %s, which it has not negotiated; it is done, as the mail server would do it",
                    c->f.conf->name, merge_action_name(more & ~c->record->unnegotiated));
        registry_note_unnegotiated(c->record, more);
    }
    return c->f.conf->set.evaluation || !actions_edit(more) || !c->place.is_overtaken;
}

/* The end of the message: its edits, and its verdict. */
static void message_answered(struct milter *c, enum verdict v, const struct link_answer *a)
{
    const struct link_answer later = {
        .code = SMFIR_REPLYCODE, .status = 451, .text = SLICE_LIT("451 4.3.5 A filter is not ready yet, try again later")};
    note_quarantine(c);
    c->edits = c->link->edits;
    c->link->edits = (struct mail_edits){0};
    c->in_transaction = false;
    if (!may_change(c) && v <= VERDICT_CONTINUE)
        take_final(c, VERDICT_TEMPFAIL, &later, false);
    else
        take_final(c, v, a, false);
}

/* It wants no more of these. */
static void note_skip(struct milter *c, uint8_t cmd)
{
    c->skips_rcpt |= cmd == SMFIC_RCPT;
    c->skips_header |= cmd == SMFIC_HEADER;
    c->skips |= cmd == SMFIC_BODY;
}

static void answered(struct milter *c, uint8_t cmd, const struct link_answer *a)
{
    enum verdict v = verdict_of_code(a->code, a->status);
    if (a->code == SMFIR_SKIP)
        note_skip(c, cmd);
    c->has_answered = true;
    switch (cmd) {
    case SMFIC_CONNECT:
    case SMFIC_HELO:
        if (v != VERDICT_CONTINUE)
            take_final(c, v, a, true);
        break;
    case SMFIC_RCPT:
        rcpt_answered(c, v, a);
        break;
    case SMFIC_UNKNOWN:
        c->f.unknown_verdict = (uint8_t)v;
        c->f.reply = a->code == SMFIR_REPLYCODE ? arena_slice(&c->common->unknown_texts, a->text) : SLICE_NONE;
        break;
    case SMFIC_BODYEOB:
        message_answered(c, v, a);
        break;
    default:
        if (v != VERDICT_CONTINUE)
            take_final(c, v, a, false);
        break;
    }
}

/* It may change what those behind it see, which it never wanted before; and one of them has begun with the message as it is. */
static bool comes_too_late(const struct milter *c)
{
    return !c->f.conf->set.evaluation && actions_edit(c->link->got.actions) && c->record->required.known &&
           !actions_edit(c->record->required.options.actions) && c->place.is_overtaken;
}

static void negotiated(struct milter *c)
{
    struct dialogue *d = c->f.d;
    const char *more = merge_wants_more(&d->transcript->granted, &c->link->got);
    if (!more && comes_too_late(c))
        more = "to change a message that filters behind it have begun with";
    registry_learn(c->record, &c->link->got);
    if (more) {
        char *why = arena_printf(&d->sh->out->arena,
                                 "it wants more than the MTA was asked for when this connection began: %s", more);
        break_off(c, why);
    }
}

/* A piece of a new body. */
static void take_body(struct milter *c, struct slice piece)
{
    struct dialogue *d = c->f.d;
    if (c->f.conf->set.evaluation)
        return; /* nobody will ever read it */
    if (!c->new_body) {
        c->new_body = mem_alloc(sizeof(*c->new_body));
        body_init(c->new_body, &d->sh->bodies);
    }
    if (spool_store(d->sh, d->client.owner, c->new_body, piece, SPOOL_WRITE_CHILD + c->f.number)) {
        c->spool_writes++;
        c->f.writes = true;
    }
    if (c->spool_writes > NEW_BODY_WRITES_MAX && !c->paused) {
        c->paused = true;
        effects_add(d->sh->out, EFFECT_CHILD_PAUSE, 0)->u.child.id = c->id;
    }
}

static void take_bytes(struct milter *c, struct slice bytes)
{
    struct link_answer a;
    while (c->link) {
        uint8_t asked = c->link->asked;
        switch (link_take(c->link, &bytes, now_of(c), &a)) {
        case LINK_NOTHING:
            return;
        case LINK_NEGOTIATED:
            negotiated(c);
            break;
        case LINK_ANSWERED:
            answered(c, asked, &a);
            break;
        case LINK_BODY:
            take_body(c, a.text);
            break;
        case LINK_PROGRESS:
            break;
        case LINK_BROKEN:
            break_off(c, c->link->why);
            return;
        }
    }
}

static void lost(struct milter *c, int error)
{
    /* Of a message that it has been told nothing of: it is connected to again when that is due. */
    bool idle = c->link->state == LINK_IDLE && !c->in_transaction && c->next > STAGE_CONNECT;
    link_lost(c->link, error);
    if (idle)
        let_go(c);
    else
        break_off(c, c->link->why);
}

static void read_piece(struct milter *c, const struct event *event)
{
    if (!c->reading || !event->u.spool.ok)
        return;
    c->reading = false;
    if (c->link && c->link->state == LINK_IDLE && c->next == STAGE_BODY)
        milter_tell_piece(c, event->u.spool.bytes);
}

static void wrote_piece(struct milter *c)
{
    if (c->spool_writes > 0)
        c->spool_writes--;
    c->f.writes = c->spool_writes > 0;
    if (c->paused && c->spool_writes == 0) {
        c->paused = false;
        effects_add(c->f.d->sh->out, EFFECT_CHILD_RESUME, OWNER_NOBODY)->u.child.id = c->id;
    }
}

static void check_deadlines(struct milter *c)
{
    struct mono now = now_of(c);
    if (c->link && link_check_deadline(c->link, now))
        break_off(c, c->link->why);
    else if (c->draining && now.ms >= c->drain_deadline.ms)
        break_off(c, "it takes nothing of what is sent to it");
    else if (c->dns_request && now.ms >= c->started.ms + c->limits.connect_ms)
        break_off(c, "its host's address was not found in time");
}

static void child_news(struct milter *c, const struct event *event)
{
    switch (event->u.child.news) {
    case CHILD_CONNECTED:
        say_options(c);
        break;
    case CHILD_BYTES:
        take_bytes(c, event->u.child.bytes);
        break;
    case CHILD_LOST:
        lost(c, event->u.child.error);
        break;
    case CHILD_DRAINED:
        c->draining = false;
        break;
    }
}

static void on_event(struct filter *f, const struct filter_place *place, const struct event *event)
{
    struct milter *c = milter_of(f);
    c->place = *place;
    switch (event->kind) {
    case EVENT_CHILD:
        if (event->u.child.id == c->id)
            child_news(c, event);
        break;
    case EVENT_DNS:
        if (c->dns_request && event->request == c->dns_request)
            resolved(c, event);
        break;
    case EVENT_SPOOL:
        if (event->request == SPOOL_READ_CHILD + (uint32_t)f->number)
            read_piece(c, event);
        else if (event->request == SPOOL_WRITE_CHILD + (uint32_t)f->number)
            wrote_piece(c);
        break;
    case EVENT_TICK:
        check_deadlines(c);
        break;
    default:
        break;
    }
}

/* ---- the interface ---- */

static enum filter_state state_of(const struct milter *c)
{
    if (filter_is_settled(&c->f))
        return filter_state_now(&c->f);
    if (c->link && c->link->state >= LINK_ASKED)
        return STATE_ASKED;
    if (!c->link || c->link->state != LINK_IDLE || (c->next == STAGE_CONNECT && !c->draining))
        return STATE_CONNECTS;
    return c->reading ? STATE_SPOOL : c->draining ? STATE_FULL : STATE_IDLE;
}

static enum filter_state advance(struct filter *f, const struct filter_place *place)
{
    struct milter *c = milter_of(f);
    c->place = *place;
    if (c->closed_between_messages && f->d->transcript->goal < STAGE_MAIL)
        return STATE_IDLE; /* not before the next message again */
    if (f->look_again)
        c->rcpt = (struct mail_cursor){0};
    f->look_again = false;
    if (!c->dns_request) {
        if (!f->counted) {
            f->counted = true;
            c->since = now_of(c);
        }
        if (!c->link)
            start(c);
        else
            milter_tell(c);
    }
    return state_of(c);
}

static bool unknown_is_awaited(const struct filter *f)
{
    const struct milter *c = milter_of_const(f);
    return c->link && c->link->state == LINK_ASKED && c->link->asked == SMFIC_UNKNOWN;
}

static const struct mail_edits *edits_of(struct filter *f)
{
    return &milter_of(f)->edits;
}

static struct body *new_body_of(struct filter *f)
{
    return milter_of(f)->new_body;
}

static struct filter_position position(const struct filter *f)
{
    const struct milter *c = milter_of_const(f);
    return (struct filter_position){
        .next = (enum stage)c->next,
        .has_begun = c->header.at || c->body_told > 0 || c->next > STAGE_HEADER,
        .wants_body = !c->skips && (!c->link || f->asked != POLICY_YES || link_wants(c->link, SMFIC_BODY)),
        .body_bytes = c->body_told,
        .since = c->since,
    };
}

static int64_t deadline_ms(const struct filter *f)
{
    const struct milter *c = milter_of_const(f);
    return c->draining      ? c->drain_deadline.ms
           : c->link        ? c->link->deadline.ms
           : c->dns_request ? c->started.ms + c->limits.connect_ms
                            : 0;
}

static void lose_recipient(struct filter *f, unsigned number)
{
    struct milter *c = milter_of(f);
    bool told = filter_note(milter_of(f)->common, number)->told & (1u << f->number);
    if (told && f->rcpt_verdict == VERDICT_CONTINUE && c->rcpt_good > 0)
        c->rcpt_good--;
}

static void clear_recipient(struct milter *c)
{
    c->f.rcpt_verdict = VERDICT_CONTINUE;
    if (c->next > STAGE_RCPT && c->f.outcome == OUTCOME_PENDING)
        c->next = STAGE_RCPT; /* a DATA that was refused, and the client goes on with recipients */
}

static void drop_new_body(struct milter *c)
{
    if (!c->new_body)
        return;
    spool_drop(c->f.d->sh, c->f.d->client.owner, c->new_body);
    free(c->new_body);
    c->new_body = NULL;
}

static void clear_message(struct milter *c)
{
    milter_abort(&c->f);
    c->skips = c->skips_rcpt = c->skips_header = false;
    c->header = c->rcpt = (struct mail_cursor){0};
    c->rcpt_good = 0;
    c->body_told = 0;
    c->spool_writes = 0;
    c->f.writes = c->reading = false;
    if (c->paused && c->id) {
        c->paused = false;
        effects_add(c->f.d->sh->out, EFFECT_CHILD_RESUME, OWNER_NOBODY)->u.child.id = c->id;
    }
    mail_edits_fini(&c->edits);
    drop_new_body(c);
    if (c->link && c->next > STAGE_HELO)
        c->next = STAGE_HELO; /* where it is seen whether there is a new one */
}

static void clear(struct filter *f, enum filter_scope scope)
{
    struct milter *c = milter_of(f);
    switch (scope) {
    case FILTER_RECIPIENT:
        clear_recipient(c);
        break;
    case FILTER_MESSAGE:
        clear_message(c);
        break;
    case FILTER_HELO:
        if (c->next > STAGE_HELO)
            c->next = STAGE_HELO;
        break;
    case FILTER_CONNECTION: /* all filters but the gate end with it */
        break;
    }
}

static void end(struct filter *f)
{
    struct milter *c = milter_of(f);
    milter_hang_up(f);
    mail_edits_fini(&c->edits);
    drop_new_body(c);
    free(c);
}

static const struct filter_ops ops = {
    .advance = advance,
    .event = on_event,
    .unknown = milter_unknown,
    .unknown_is_awaited = unknown_is_awaited,
    .edits = edits_of,
    .new_body = new_body_of,
    .may_edit = may_edit,
    .position = position,
    .deadline_ms = deadline_ms,
    .rewind = milter_rewind,
    .lose_recipient = lose_recipient,
    .clear = clear,
    .hang_up = milter_hang_up,
    .abort = milter_abort,
    .end = end,
};

static bool is_milter(const struct conf_filter *conf)
{
    return !conf->builtin;
}

static struct filter *make(struct dialogue *d, struct filter_common *common, const struct conf_filter *conf, unsigned number)
{
    struct milter *c = mem_zalloc(sizeof(*c));
    c->f = (struct filter){.ops = &ops, .d = d, .conf = conf, .number = (uint8_t)number, .asked = POLICY_LATER};
    c->common = common;
    c->record = registry_record(d->sh->registry, conf->name, conf->connect);
    c->limits = (struct link_limits){
        .connect_ms = conf->set.timeout_connect_sec * 1000,
        .command_ms = conf->set.timeout_command_sec * 1000,
        .message_ms = conf->set.timeout_message_sec * 1000,
        .eom_ms = conf->set.timeout_eom_sec * 1000,
        .progress_max_ms = conf->set.progress_max_sec * 1000,
    };
    return &c->f;
}

const struct filter_kind milter_kind = {.is = is_milter, .make = make};
