/* deliver.c - the end of a message that is let in: its edits and a new body go to the MTA, then the code. */
#include "base/mem.h"
#include "session/chain.h"

#include <errno.h>
#include <string.h>

/* With what a body may have in memory it stays well below SEND_QUEUE_MAX_BYTES. */
enum { CHANGES_AT_ONCE_BYTES = 256 * 1024 };

/*
 * How long the disk may take for one piece of a new body. The MTA hears nothing meanwhile, and one that gives up then
 * (Postfix: milter_content_timeout, 300 s) may deliver the part that it has. So we say 451 before.
 */
enum { SEND_READ_MAX_MS = 60 * 1000 };

/* session_drained follows when the MTA has read what was sent so far. */
static void ask_for_drain(struct session *s)
{
    struct effect *e = effects_add(s->d.sh->out, EFFECT_DRAIN, s->d.client.owner);
    e->request = s->chain->drain_request = dialogue_next_request(&s->d);
}

static void send_end(struct session *s)
{
    struct buf out = {0};
    /* one whose filters have all accepted goes on as if it had spoken with each of them itself */
    milter_put_code(&out, s->chain->last_status == VERDICT_ACCEPT ? SMFIR_ACCEPT : SMFIR_CONTINUE);
    chain_reply_last(s, buf_slice(&out));
    buf_fini(&out);
}

static void send_piece(struct session *s, struct slice piece)
{
    struct buf out = {0};
    milter_put_reply(&out, &(struct milter_reply){.code = SMFIR_REPLBODY, .u.body = piece});
    effects_send(s->d.sh->out, s->d.client.owner, buf_slice(&out));
    buf_fini(&out);
    s->chain->sent_body += piece.len;
}

bool deliver_body_has_begun(const struct session *s)
{
    return s->chain && s->chain->answering && s->chain->sent_body > 0;
}

/* A new body goes out piece by piece; what was spooled only as fast as the MTA reads. */
static void send_body(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    const struct body *body = mail_body(t->mail, MAIL_FINAL);
    struct slice piece;
    while (body && ch->sent_body < body->bytes) {
        if (!spool_fetch(s->d.sh, s->d.client.owner, body, ch->sent_body, SPOOL_READ_SEND, &piece)) {
            ch->send_deadline.ms = s->d.sh->now.mono.ms + SEND_READ_MAX_MS;
            chain_wait(s);
            return;
        }
        send_piece(s, piece);
    }
    if (body && body->bytes == 0)
        send_piece(s, SLICE_LIT(""));
    send_end(s);
}

/* As many whole packets off the front as go out at once; at least one. */
static struct slice take_packets(struct slice *rest)
{
    struct slice all = *rest;
    struct wire_packet packet;
    do {
        if (wire_next(rest, UINT32_MAX, &packet) != WIRE_OK)
            PANIC("edits are whole packets");
    } while (rest->len > 0 && all.len - rest->len < CHANGES_AT_ONCE_BYTES);
    return slice_upto(all, all.len - rest->len);
}

/* All filters' edits together may be more than the MTA's queue takes at once. */
static void send_changes(struct session *s)
{
    struct chain *ch = s->chain;
    struct slice rest = slice_from(buf_slice(&ch->changes), ch->sent_changes);
    if (rest.len > 0)
        effects_send(s->d.sh->out, s->d.client.owner, take_packets(&rest));
    ch->sent_changes = ch->changes.len - rest.len;
    if (rest.len > 0) {
        chain_wait(s);
        ask_for_drain(s);
        return;
    }
    send_body(s);
}

void deliver_begin(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    ch->answering = true;
    mail_put_changes(t->mail, t->granted.steps & SMFIP_HDR_LEADSPC, &ch->changes);
    if (!shared_keep_more(s->d.sh, 0, ch->changes.len)) {
        buf_fini(&ch->changes);
        ch->trouble = TROUBLE_ROOM;
        chain_reply_trouble(s);
        return;
    }
    send_changes(s);
}

void deliver_alone(struct session *s)
{
    struct filter *gate = chain_gate(s);
    struct buf packets = {0};
    struct mail *mail = mail_new(); /* nothing of it is known here: the edits go out in the filter's own words */
    mail_hide_headers(mail);
    mail_apply(mail, 0, MAIL_ORIGINAL, gate->ops->edits(gate));
    mail_put_changes(mail, false, &packets);
    mail_free(mail);
    milter_put_code(&packets, SMFIR_CONTINUE);
    chain_reply_last(s, buf_slice(&packets));
    buf_fini(&packets);
}

/* ---- what comes back from the disk and the MTA's queue ---- */

static void spool_failed(struct session *s, int error)
{
    /* each message has its explanation, but an error a minute is enough */
    enum log_level level = shared_complain(s->d.sh, &s->d.sh->unspooled) > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
    dialogue_log(&s->d, level, "spool: %s; the message is put off with 451", strerror(error));
    s->chain->trouble = TROUBLE_ROOM;
    s->chain->answering = false;
    s->chain->send_deadline.ms = 0;
}

void deliver_check_deadline(struct session *s)
{
    struct chain *ch = s->chain;
    if (ch->send_deadline.ms == 0 || s->d.sh->now.mono.ms < ch->send_deadline.ms)
        return;
    spool_failed(s, ETIMEDOUT);
}

bool deliver_spooled(struct session *s, const struct event *event)
{
    struct chain *ch = s->chain;
    if (event->request == SPOOL_READ_SEND)
        ch->send_deadline.ms = 0;
    if (!event->u.spool.ok)
        spool_failed(s, event->u.spool.error);
    if (event->request == SPOOL_WRITE_OWN)
        s->d.transcript->spool_writes--;
    if (event->request != SPOOL_READ_SEND || !event->u.spool.ok || !ch->answering)
        return false;
    send_piece(s, event->u.spool.bytes);
    ask_for_drain(s);
    return true;
}

void deliver_drained(struct session *s, uint32_t request)
{
    struct chain *ch = s->chain;
    if (!ch || !ch->answering || request != ch->drain_request)
        return;
    ch->drain_request = 0;
    send_changes(s);
}
