/*
 * milter_tell.c - leading one child through what the MTA has said: what it is to be told next, in its view of the message, with
 * the macros that are its. What its answers mean is milter.c's.
 */
#include "base/mem.h"
#include "filter/macros.h"
#include "filter/milter.h"

enum { UNANSWERED_MAX_BYTES = 128 * 1024 };

static struct mono now_of(const struct milter *c)
{
    return c->f.d->sh->now.mono;
}

static void put_macros(const struct milter *c, uint8_t cmd, struct slice macros, struct buf *out)
{
    enum milter_stage stage = milter_stage_of_command(cmd);
    if (stage < SMFIM_STAGES)
        macros_put(&c->f, c->common, cmd, c->link->got.symlist[stage], macros, out);
}

static void ask(struct milter *c, const struct milter_command *command, struct slice macros)
{
    struct dialogue *d = c->f.d;
    struct buf out = {0}, pairs = {0};
    put_macros(c, command->cmd, macros, &pairs);
    link_ask(c->link, command, buf_slice(&pairs), now_of(c), &out);
    if (out.len > 0)
        effects_child_send(d->sh->out, c->id, buf_slice(&out));
    c->unanswered_bytes = c->link->state == LINK_ASKED ? 0 : c->unanswered_bytes + (uint32_t)out.len;
    if (c->unanswered_bytes > UNANSWERED_MAX_BYTES) {
        c->unanswered_bytes = 0;
        c->draining = true;
        c->drain_deadline.ms = now_of(c).ms + c->limits.message_ms;
        effects_add(d->sh->out, EFFECT_CHILD_DRAIN, 0)->u.child.id = c->id;
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

void milter_abort(struct filter *f)
{
    struct milter *c = milter_of(f);
    if (!c->in_transaction)
        return;
    c->in_transaction = c->skips_rcpt = c->skips_header = false;
    if (!c->link || (c->link->state != LINK_IDLE && c->link->state != LINK_ASKED))
        return;
    ask(c, &(struct milter_command){.cmd = SMFIC_ABORT}, SLICE_NONE);
    if (c->next > STAGE_HELO)
        c->next = STAGE_HELO;
}

/* Each: true when there may be more to tell at once, false when the child is to be waited for, or the MTA. */

static bool tell_connect(struct milter *c)
{
    if (!macros_ready(&c->f, c->common))
        return false;
    c->f.last = c->next;
    c->next = STAGE_HELO;
    ask_kept(c, SMFIC_CONNECT, &c->f.d->transcript->connect);
    return true;
}

static bool tell_helo(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    if (c->helo_told == t->helos) {
        if (t->goal < STAGE_MAIL)
            return false;
        c->next = STAGE_MAIL;
        return true;
    }
    c->f.last = c->next;
    c->helo_told = t->helos;
    if (t->helo.body.ptr)
        ask_kept(c, SMFIC_HELO, &t->helo);
    return true;
}

static bool tell_mail(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    struct milter_command command = {.cmd = SMFIC_MAIL};
    if (t->goal < STAGE_MAIL)
        return false;
    c->f.last = c->next;
    c->next = STAGE_RCPT;
    c->in_transaction = true;
    mail_sender(t->mail, filter_view(&c->f), &command.u.envelope.address, &command.u.envelope.esmtp);
    ask(c, &command, t->mail_from.macros);
    return true;
}

/* Is this recipient one of those it is asked about, and has not been told? */
static bool is_due(struct milter *c, unsigned number, const struct filter_note *note)
{
    const struct transcript *t = c->f.d->transcript;
    bool named = number < t->n_recipients; /* by the MTA; else an earlier filter has added it */
    uint32_t bit = 1u << c->f.number;
    if ((named && t->recipients[number].refused) || (note->told & bit))
        return false;
    if (named && t->recipients[number].rejected)
        return c->link->got.steps & SMFIP_RCPT_REJ;
    return !policy_filter_is_per_recipient(c->f.d->plan->policy, c->f.number) || (note->shown & bit);
}

static bool tell_rcpt(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    struct milter_command command = {.cmd = SMFIC_RCPT};
    unsigned number;
    while (mail_next_recipient(t->mail, filter_view(&c->f), &c->rcpt, &command.u.envelope.address, &command.u.envelope.esmtp,
                               &number)) {
        struct filter_note *note = filter_note(c->common, number);
        if (!is_due(c, number, note))
            continue;
        bool rejected = transcript_is_rejected(t, number);
        note->told |= 1u << c->f.number;
        if (c->skips_rcpt) {
            c->rcpt_good += !rejected;
            continue;
        }
        c->f.last = c->next;
        c->rcpt_asked = number;
        ask(c, &command, number < t->n_recipients ? t->recipients[number].macros : SLICE_NONE);
        if (!link_wants(c->link, SMFIC_RCPT) || !link_answers(c->link, SMFIC_RCPT))
            c->rcpt_good += !rejected;
        return true;
    }
    if (t->goal <= STAGE_RCPT || c->place.recipients_open)
        return false;
    if (c->rcpt_good == 0 && c->place.is_blocked)
        return false;        /* an earlier filter may still add one */
    if (c->rcpt_good == 0) { /* it has refused them all, or none was its */
        milter_abort(&c->f);
        c->f.asked = POLICY_NO;
        c->f.without_recipient = true;
        return false;
    }
    c->next = STAGE_DATA;
    return true;
}

static bool tell_data(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    if (t->goal < STAGE_DATA)
        return false;
    c->next = STAGE_HEADER;
    if (t->data.body.ptr || t->data.macros.ptr) { /* macros come for a step that is switched off, too */
        c->f.last = STAGE_DATA;
        ask(c, &(struct milter_command){.cmd = SMFIC_DATA}, t->data.macros);
    }
    return true;
}

static bool tell_header(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    struct milter_command command = {.cmd = SMFIC_HEADER};
    if (t->goal < STAGE_HEADER || c->place.is_blocked)
        return false;
    if (!c->f.rewound && mail_envelope_differs(t->mail, MAIL_ORIGINAL, filter_view(&c->f)))
        return false; /* it is to be rewound */
    if (!c->skips_header && link_wants(c->link, SMFIC_HEADER) &&
        mail_next_header(t->mail, filter_view(&c->f), &c->header, &command.u.header.name, &command.u.header.value)) {
        c->f.last = STAGE_HEADER;
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
    const struct transcript *t = c->f.d->transcript;
    if (t->goal < STAGE_EOH)
        return false;
    c->next = STAGE_BODY;
    c->f.last = STAGE_EOH;
    ask(c, &(struct milter_command){.cmd = SMFIC_EOH}, t->eoh.macros);
    return true;
}

void milter_tell_piece(struct milter *c, struct slice piece)
{
    c->f.last = STAGE_BODY;
    c->body_told += piece.len;
    ask(c, &(struct milter_command){.cmd = SMFIC_BODY, .u.body = piece}, c->f.d->transcript->body_macros);
}

static bool tell_body(struct milter *c)
{
    const struct transcript *t = c->f.d->transcript;
    const struct body *other = mail_body(t->mail, filter_view(&c->f));
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
        milter_tell_piece(c, t->chunk); /* as the MTA has cut it */
        return true;
    }
    if (c->body_told < gone + body->bytes) {
        if (!spool_fetch(c->f.d->sh, c->f.d->client.owner, body, c->body_told - gone, SPOOL_READ_CHILD + c->f.number,
                         &piece)) {
            c->reading = true;
            return false;
        }
        milter_tell_piece(c, piece);
        return true;
    }
    if (t->goal < STAGE_EOM)
        return false;
    c->next = STAGE_EOM;
    return true;
}

static bool tell_eom(struct milter *c)
{
    if (c->f.d->transcript->goal < STAGE_EOM)
        return false;
    c->f.last = STAGE_EOM;
    c->next = STAGE_END;
    ask(c, &(struct milter_command){.cmd = SMFIC_BODYEOB}, c->f.d->transcript->eom.macros);
    return true;
}

static bool (*const tell[])(struct milter *c) = {
    [STAGE_CONNECT] = tell_connect, [STAGE_HELO] = tell_helo, [STAGE_MAIL] = tell_mail,
    [STAGE_RCPT] = tell_rcpt,       [STAGE_DATA] = tell_data, [STAGE_HEADER] = tell_header,
    [STAGE_EOH] = tell_eoh,         [STAGE_BODY] = tell_body, [STAGE_EOM] = tell_eom,
};

void milter_tell(struct milter *c)
{
    while (c->link->state == LINK_IDLE && !c->reading && !c->draining && c->next < STAGE_END && tell[c->next](c))
        continue;
}

void milter_rewind(struct filter *f)
{
    struct milter *c = milter_of(f);
    milter_abort(&c->f);
    c->next = STAGE_MAIL;
    c->rcpt = (struct mail_cursor){0};
    c->rcpt_good = 0;
    for (size_t i = 0; i < c->common->n_notes; i++)
        c->common->notes[i].told &= ~(1u << c->f.number);
}

void milter_unknown(struct filter *f, struct slice line)
{
    struct milter *c = milter_of(f);
    c->f.unknown_verdict = VERDICT_CONTINUE;
    if (c->link && c->link->state == LINK_IDLE && !filter_is_settled(f) && link_wants(c->link, SMFIC_UNKNOWN))
        ask(c, &(struct milter_command){.cmd = SMFIC_UNKNOWN, .u.unknown = line}, SLICE_NONE);
}
