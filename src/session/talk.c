/*
 * talk.c - one child: connecting, leading it through what the MTA has said, and what its answers mean for it. Knows one child
 * at a time; how several become one reply is verdict.c's.
 */
#include "session/children.h"
#include "base/mem.h"
#include "child/address.h"

#include <stdlib.h>
#include <string.h>

enum { NEW_BODY_WRITES_MAX = 2, UNANSWERED_MAX_BYTES = 128 * 1024 };

static struct mono now_of(const struct milter *c)
{
    return c->session->d.sh->now.mono;
}

/* ---- connecting ---- */

static void open_connection(struct milter *c, const struct child_address *address)
{
    struct session *s = c->session;
    struct effect *e = effects_add(s->d.sh->out, EFFECT_CHILD_OPEN, s->d.client.owner);
    c->id = registry_connection_name(s->d.sh->registry, c, NULL);
    c->record->connections++;
    c->link = mem_alloc(sizeof(*c->link));
    link_init(c->link, &c->limits);
    link_connecting(c->link, c->started);
    e->u.child.id = c->id;
    e->u.child.address = address->ip;
    e->u.child.port = address->port;
    if (address->path)
        e->u.child.path = arena_cstr(&s->d.sh->out->arena, slice_cstr(address->path));
}

static void ask_for_host(struct milter *c, const struct child_address *address)
{
    struct session *s = c->session;
    struct effect *e = effects_add(s->d.sh->out, EFFECT_DNS, s->d.client.owner);
    e->u.dns.type = address->is_v6 ? DNS_AAAA : DNS_A;
    e->u.dns.name = arena_slice(&s->d.sh->out->arena, address->host);
    e->request = c->dns_request = session_next_request(s);
}

void child_check_resolving(struct milter *c)
{
    if (c->dns_request && now_of(c).ms >= c->started.ms + c->limits.connect_ms)
        child_fail(c, "its host's address was not found in time");
}

void child_resolved(struct milter *c, const struct event *event)
{
    struct child_address address = child_address_cut(c->conf->connect);
    c->dns_request = 0;
    if (event->u.dns.status != DNS_FOUND || event->u.dns.n_addresses == 0) {
        child_break(c, event->u.dns.status == DNS_ABSENT ? "its host has no address"
                                                         : "its host's address cannot be found now");
        return;
    }
    address.ip = event->u.dns.addresses[0];
    open_connection(c, &address);
}

static void child_start(struct milter *c)
{
    struct session *s = c->session;
    if (!breaker_may_try(&c->record->breaker, now_of(c), &c->probe)) {
        c->outcome = OUTCOME_FALLBACK; /* said when it was opened: not once a session */
        c->refusal = SLICE_NONE;
        s->children->standing[c->number] = FILTER_FAILED;
        return;
    }
    struct child_address address = child_address_cut(c->conf->connect);
    c->started = now_of(c);
    if (address.path || address.ip.family != IP_NONE)
        open_connection(c, &address);
    else
        ask_for_host(c, &address);
}

static void say_options(struct milter *c)
{
    struct session *s = c->session;
    const struct milter_options *granted = &s->d.transcript->granted;
    static const uint32_t of_the_mta =
        SMFIP_RCPT_REJ | SMFIP_HDR_LEADSPC; /* the rest we do for a child whatever the MTA does */
    struct milter_options offer = {
        .version = granted->version,
        .actions = s->d.transcript->offered_actions,
        .steps = (MILTER_STEPS_ALL & ~of_the_mta) | (s->d.transcript->offered_steps & of_the_mta),
    };
    struct buf out = {0};
    link_connected(c->link, &offer, now_of(c), &out);
    effects_child_send(s->d.sh->out, c->id, buf_slice(&out));
    buf_fini(&out);
}

/* ---- telling ---- */

static void ask(struct milter *c, const struct milter_command *command, struct slice macros)
{
    struct session *s = c->session;
    struct buf out = {0}, pairs = {0};
    child_macros(c, command->cmd, macros, &pairs);
    link_ask(c->link, command, buf_slice(&pairs), now_of(c), &out);
    if (out.len > 0)
        effects_child_send(s->d.sh->out, c->id, buf_slice(&out));
    c->unanswered_bytes = c->link->state == LINK_ASKED ? 0 : c->unanswered_bytes + (uint32_t)out.len;
    if (c->unanswered_bytes > UNANSWERED_MAX_BYTES) {
        c->unanswered_bytes = 0;
        c->draining = true;
        c->drain_deadline.ms = now_of(c).ms + c->limits.message_ms;
        effects_add(s->d.sh->out, EFFECT_CHILD_DRAIN, 0)->u.child.id = c->id;
    }
    buf_fini(&pairs);
    buf_fini(&out);
}

/* A command kept as it came. Who does not want it still gets its macros, as from the MTA (link.c). */
static void ask_kept(struct milter *c, uint8_t cmd, const struct transcript_command *kept)
{
    struct milter_command command;
    struct wire_packet packet = {.cmd = cmd, .body = kept->body};
    if (milter_parse_command(&packet, &command) != ERR_NONE)
        PANIC("what was kept of a command was parsed before");
    ask(c, &command, kept->macros);
}

void child_abort(struct milter *c)
{
    if (!c->in_transaction)
        return;
    c->in_transaction = c->skips_rcpt = c->skips_header = false;
    if (!c->link || (c->link->state != LINK_IDLE && c->link->state != LINK_ASKED))
        return;
    ask(c, &(struct milter_command){.cmd = SMFIC_ABORT}, SLICE_NONE);
    if (c->next > STAGE_HELO)
        c->next = STAGE_HELO;
}

static mail_view view_of(const struct milter *c)
{
    return c->conf->sees_original ? MAIL_ORIGINAL : (mail_view)c->number;
}

bool child_is_blocked(const struct milter *c)
{
    if (c->conf->sees_original)
        return false;
    for (unsigned i = 0; i < c->number; i++) {
        const struct milter *before = &c->session->children->child[i];
        if ((!child_is_settled(before) && child_may_edit(before)) || before->spool_writes > 0)
            return true;
    }
    return false;
}

/* Each: true when there may be more to tell at once, false when the child is to be waited for, or the MTA. */

static bool tell_connect(struct milter *c)
{
    if (!child_macros_ready(c))
        return false;
    c->last = c->next;
    c->next = STAGE_HELO;
    ask_kept(c, SMFIC_CONNECT, &c->session->d.transcript->connect);
    return true;
}

static bool tell_helo(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    if (c->helo_told == t->helos) {
        if (t->goal < STAGE_MAIL)
            return false;
        c->next = STAGE_MAIL;
        return true;
    }
    c->last = c->next;
    c->helo_told = t->helos;
    if (t->helo.body.ptr)
        ask_kept(c, SMFIC_HELO, &t->helo);
    return true;
}

static bool tell_mail(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    struct milter_command command = {.cmd = SMFIC_MAIL};
    if (t->goal < STAGE_MAIL)
        return false;
    c->last = c->next;
    c->next = STAGE_RCPT;
    c->in_transaction = true;
    mail_sender(t->mail, view_of(c), &command.u.envelope.address, &command.u.envelope.esmtp);
    ask(c, &command, t->mail_from.macros);
    return true;
}

/* By the MTA itself. */
static bool is_rejected(const struct transcript *t, unsigned number)
{
    return number < t->n_recipients && t->recipients[number].rejected;
}

/* Is this recipient one of those it is asked about, and has not been told? */
static bool is_due(struct milter *c, unsigned number, const struct recipient_note *note)
{
    const struct transcript *t = c->session->d.transcript;
    bool named = number < t->n_recipients; /* by the MTA; else an earlier filter has added it */
    uint32_t bit = 1u << c->number;
    if ((named && t->recipients[number].refused) || (note->told & bit))
        return false;
    if (named && t->recipients[number].rejected)
        return c->link->got.steps & SMFIP_RCPT_REJ;
    return !policy_filter_is_per_recipient(c->session->d.plan->policy, c->number) || (note->shown & bit);
}

static bool tell_rcpt(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    struct milter_command command = {.cmd = SMFIC_RCPT};
    unsigned number;
    while (mail_next_recipient(t->mail, view_of(c), &c->rcpt, &command.u.envelope.address, &command.u.envelope.esmtp,
                               &number)) {
        struct recipient_note *note = children_note_of(c->session, number);
        if (!is_due(c, number, note))
            continue;
        bool rejected = is_rejected(t, number);
        note->told |= 1u << c->number;
        if (c->skips_rcpt) {
            c->rcpt_good += !rejected;
            continue;
        }
        c->last = c->next;
        c->rcpt_asked = number;
        ask(c, &command, number < t->n_recipients ? t->recipients[number].macros : SLICE_NONE);
        if (!link_wants(c->link, SMFIC_RCPT) || !link_answers(c->link, SMFIC_RCPT))
            c->rcpt_good += !rejected;
        return true;
    }
    if (t->goal <= STAGE_RCPT || child_has_undecided(c))
        return false;
    if (c->rcpt_good == 0 && child_is_blocked(c))
        return false;        /* an earlier filter may still add one */
    if (c->rcpt_good == 0) { /* it has refused them all, or none was its */
        child_abort(c);
        c->asked = POLICY_NO;
        c->without_recipient = true;
        return false;
    }
    c->next = STAGE_DATA;
    return true;
}

static bool tell_data(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    if (t->goal < STAGE_DATA)
        return false;
    c->next = STAGE_HEADER;
    if (t->data.body.ptr || t->data.macros.ptr) { /* macros come for a step that is switched off, too */
        c->last = STAGE_DATA;
        ask(c, &(struct milter_command){.cmd = SMFIC_DATA}, t->data.macros);
    }
    return true;
}

/* An earlier filter has changed the envelope: the child hears of this message from its beginning. */
static bool replay_message(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    struct children *ch = c->session->children;
    if (!mail_envelope_differs(t->mail, MAIL_ORIGINAL, view_of(c)) || c->replayed)
        return false;
    child_abort(c);
    c->replayed = true;
    c->next = STAGE_MAIL;
    c->rcpt = (struct mail_cursor){0};
    c->rcpt_good = 0;
    for (size_t i = 0; i < ch->n_notes; i++)
        ch->notes[i].told &= ~(1u << c->number);
    return true;
}

static bool tell_header(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    struct milter_command command = {.cmd = SMFIC_HEADER};
    if (t->goal < STAGE_HEADER || child_is_blocked(c))
        return false;
    if (replay_message(c))
        return true;
    if (!c->skips_header && link_wants(c->link, SMFIC_HEADER) &&
        mail_next_header(t->mail, view_of(c), &c->header, &command.u.header.name, &command.u.header.value)) {
        c->last = STAGE_HEADER;
        ask(c, &command, t->header_macros);
        return true;
    }
    if (t->goal == STAGE_HEADER)
        return false;
    c->next = STAGE_EOH;
    return true;
}

static bool tell_eoh(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    if (t->goal < STAGE_EOH)
        return false;
    c->next = STAGE_BODY;
    c->last = STAGE_EOH;
    ask(c, &(struct milter_command){.cmd = SMFIC_EOH}, t->eoh.macros);
    return true;
}

static void tell_piece(struct milter *c, struct slice piece)
{
    c->last = STAGE_BODY;
    c->body_told += piece.len;
    ask(c, &(struct milter_command){.cmd = SMFIC_BODY, .u.body = piece}, c->session->d.transcript->body_macros);
}

static bool tell_body(struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    const struct body *other = mail_body(t->mail, view_of(c));
    const struct body *body = other ? other : &t->body;
    uint64_t gone = other ? 0 : t->body_gone;
    struct slice piece;
    if (c->skips || !link_wants(c->link, SMFIC_BODY)) {
        if (t->goal < STAGE_EOM)
            return false;
        c->next = STAGE_EOM;
        return true;
    }
    if (!other && t->chunk.len > 0 && c->body_told == gone + body->bytes - t->chunk.len) {
        tell_piece(c, t->chunk); /* as the MTA has cut it */
        return true;
    }
    if (c->body_told < gone + body->bytes) {
        if (!spool_fetch(c->session->d.sh, c->session->d.client.owner, body, c->body_told - gone,
                         SPOOL_READ_CHILD + c->number, &piece)) {
            c->reading = true;
            return false;
        }
        tell_piece(c, piece);
        return true;
    }
    if (t->goal < STAGE_EOM)
        return false;
    c->next = STAGE_EOM;
    return true;
}

static bool tell_eom(struct milter *c)
{
    if (c->session->d.transcript->goal < STAGE_EOM)
        return false;
    c->last = STAGE_EOM;
    c->next = STAGE_END;
    ask(c, &(struct milter_command){.cmd = SMFIC_BODYEOB}, c->session->d.transcript->eom.macros);
    return true;
}

static bool (*const tell[])(struct milter *c) = {
    [STAGE_CONNECT] = tell_connect, [STAGE_HELO] = tell_helo, [STAGE_MAIL] = tell_mail,
    [STAGE_RCPT] = tell_rcpt,       [STAGE_DATA] = tell_data, [STAGE_HEADER] = tell_header,
    [STAGE_EOH] = tell_eoh,         [STAGE_BODY] = tell_body, [STAGE_EOM] = tell_eom,
};

void child_tell_unknown(struct milter *c, struct slice line)
{
    c->unknown_verdict = VERDICT_CONTINUE;
    if (c->link && c->link->state == LINK_IDLE && !child_is_settled(c) && link_wants(c->link, SMFIC_UNKNOWN))
        ask(c, &(struct milter_command){.cmd = SMFIC_UNKNOWN, .u.unknown = line}, SLICE_NONE);
}

void child_lead(struct milter *c)
{
    struct session *s = c->session;
    if (c->asked != POLICY_YES || c->outcome != OUTCOME_PENDING || c->connection_over || c->closed_between_messages ||
        !children_may_start(s) || c->dns_request)
        return;
    if (s->d.transcript->goal >= STAGE_HEADER && c->next <= STAGE_HEADER && children_is_refused(s))
        return; /* an earlier one has refused the message, and this one has seen nothing of it yet */
    if (!c->counted) {
        c->counted = true;
        c->since = now_of(c);
    }
    if (!c->link) {
        child_start(c);
        return;
    }
    while (c->link->state == LINK_IDLE && !c->reading && !c->draining && c->next < STAGE_END && tell[c->next](c))
        continue;
}

/* ---- answers ---- */

/* Its word for the whole message, or for the connection. */
static void take_final(struct milter *c, enum verdict v, const struct link_answer *a, bool of_connection)
{
    static const uint8_t standings[] = {
        [VERDICT_ACCEPT] = FILTER_ACCEPTED, [VERDICT_CONTINUE] = FILTER_CONTINUED, [VERDICT_TEMPFAIL] = FILTER_TEMPFAILED,
        [VERDICT_REJECT] = FILTER_REJECTED, [VERDICT_DISCARD] = FILTER_DISCARDED,
    };
    struct children *ch = c->session->children;
    struct arena *arena = of_connection ? &ch->connection_texts : &ch->message_texts;
    c->outcome = OUTCOME_FINAL;
    c->verdict = (uint8_t)v;
    c->refusal = a->code == SMFIR_REPLYCODE ? arena_slice(arena, a->text) : SLICE_NONE;
    ch->standing[c->number] = standings[v];
    child_served(c);
    if (of_connection) {
        c->connection_over = true;
        child_hang_up(c);
    } else if (c->next != STAGE_END) {
        child_abort(c);
    }
}

static void rcpt_answered(struct milter *c, enum verdict v, const struct link_answer *a)
{
    const struct transcript *t = c->session->d.transcript;
    struct children *ch = c->session->children;
    bool is_present = t->goal == STAGE_RCPT && t->present && c->rcpt_asked + 1 == t->present;
    if (is_rejected(t, c->rcpt_asked))
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
    c->rcpt_verdict = (uint8_t)v;
    c->refusal = a->code == SMFIR_REPLYCODE ? arena_slice(&ch->message_texts, a->text) : SLICE_NONE;
}

static void note_quarantine(struct milter *c)
{
    for (const struct mail_edit *e = c->link->edits.first; e; e = e->next)
        if (e->kind == MAIL_QUARANTINE)
            c->was_quarantined = true;
    if (c->was_quarantined)
        c->session->children->quarantined[c->number] = true;
}

/*
 * What it has changed without having negotiated it, it is known for from now on: those behind it will wait for its edits. False: one of
 * them has not waited this time, and has judged another message than the one that would be delivered.
 */
static bool may_change(struct milter *c)
{
    uint32_t more = c->link->unnegotiated;
    if (more & ~c->record->unnegotiated) {
        effects_log(c->session->d.sh->out, c->session->d.client.owner, LOG_LEVEL_NOTICE,
                    "filter \"%s\": %s, which it has not negotiated; it is done, as the mail server would do it",
                    c->conf->name, merge_action_name(more & ~c->record->unnegotiated));
        registry_note_unnegotiated(c->record, more);
    }
    return c->conf->set.evaluation || !child_actions_edit(more) || !child_is_overtaken(c);
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
        c->unknown_verdict = (uint8_t)v;
        c->refusal = a->code == SMFIR_REPLYCODE ? arena_slice(&c->session->children->unknown_texts, a->text) : SLICE_NONE;
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
    return !c->conf->set.evaluation && child_actions_edit(c->link->got.actions) && c->record->required.known &&
           !child_actions_edit(c->record->required.options.actions) && child_is_overtaken(c);
}

static void negotiated(struct milter *c)
{
    struct session *s = c->session;
    const char *more = merge_wants_more(&s->d.transcript->granted, &c->link->got);
    if (!more && comes_too_late(c))
        more = "to change a message that filters behind it have begun with";
    registry_learn(c->record, &c->link->got);
    if (more) {
        char *why = arena_printf(&s->d.sh->out->arena,
                                 "it wants more than the MTA was asked for when this connection began: %s", more);
        child_fail(c, why);
    }
}

/* A piece of a new body. */
static void take_body(struct milter *c, struct slice piece)
{
    struct session *s = c->session;
    if (c->conf->set.evaluation)
        return; /* nobody will ever read it */
    if (!c->new_body) {
        c->new_body = mem_alloc(sizeof(*c->new_body));
        body_init(c->new_body, &s->d.sh->bodies);
    }
    if (spool_store(s->d.sh, s->d.client.owner, c->new_body, piece, SPOOL_WRITE_CHILD + c->number))
        c->spool_writes++;
    if (c->spool_writes > NEW_BODY_WRITES_MAX && !c->paused) {
        c->paused = true;
        effects_add(s->d.sh->out, EFFECT_CHILD_PAUSE, 0)->u.child.id = c->id;
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
            child_break(c, c->link->why);
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
        child_let_go(c);
    else
        child_break(c, c->link->why);
}

void session_child_news(struct session *s, struct milter *c, const struct event *event)
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
    session_end_event(s);
}

void child_read(struct milter *c, struct slice piece)
{
    if (!c->reading)
        return;
    c->reading = false;
    if (c->link && c->link->state == LINK_IDLE && c->next == STAGE_BODY)
        tell_piece(c, piece);
}
