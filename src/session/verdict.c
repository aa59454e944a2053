/*
 * verdict.c - several children, one reply: who is still awaited, what all of them say together, and what the MTA is told, edits
 * included.
 */
#include "session/children.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is awaited ---- */

/*
 * Whether what a child has said or failed at concerns the recipient that is to be answered; behind RCPT, any of the message's. One whose
 * condition speaks of recipients has no say about those of others.
 */
static bool concerns(const struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    const struct children *ch = c->session->children;
    uint32_t bit = 1u << c->number;
    if (t->goal < STAGE_RCPT || !policy_filter_is_per_recipient(c->session->d.plan->policy, c->number))
        return true;
    if (t->goal == STAGE_RCPT)
        return t->present > 0 && (ch->notes[t->present - 1].shown & bit);
    for (size_t i = 0; i < t->n_recipients; i++)
        if ((ch->notes[i].shown & bit) && transcript_recipient_counts(t, i))
            return true;
    return false;
}

/* Some filter has refused the message, or failed so that it counts as refused. */
bool children_is_refused(const struct session *s)
{
    for (unsigned i = 0; i < s->children->count; i++) {
        const struct milter *c = &s->children->child[i];
        if (!c->record || c->conf->set.evaluation || !concerns(c))
            continue;
        if (c->outcome == OUTCOME_FINAL && c->verdict >= VERDICT_TEMPFAIL)
            return true;
        if (c->outcome == OUTCOME_FALLBACK && c->conf->set.fallback != CONF_FALLBACK_ACCEPT)
            return true;
    }
    return false;
}

/* Before the end of the message nobody waits for one that waits itself, for an editor. */
static bool is_awaited(const struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    if (c->session->owed == SMFIC_UNKNOWN)
        return c->link && c->link->state == LINK_ASKED && c->link->asked == SMFIC_UNKNOWN;
    if (child_is_settled(c) || c->asked != POLICY_YES || c->closed_between_messages || !children_may_start(c->session))
        return false;
    if (t->goal >= STAGE_HEADER && c->next <= STAGE_HEADER && children_is_refused(c->session))
        return false; /* it has seen nothing of the message, and need not */
    if (t->goal == STAGE_EOM)
        return true;
    if (c->next == STAGE_HEADER && t->goal >= STAGE_HEADER && child_is_blocked(c))
        return false;
    if (!c->link || c->link->state != LINK_IDLE || c->reading || c->draining)
        return true;
    return c->next == STAGE_CONNECT; /* a name is looked up for it */
}

static bool anybody_awaited(const struct session *s)
{
    const struct transcript *t = s->d.transcript;
    const struct children *ch = s->children;
    if (t->spool_writes > 0)
        return true;
    for (unsigned i = 0; i < ch->count; i++)
        if (is_awaited(&ch->child[i]) || ch->child[i].spool_writes > 0)
            return true;
    return false;
}

/* ---- votes ---- */

static enum verdict verdict_of_fallback(int64_t fallback)
{
    static const enum verdict verdicts[] = {
        [CONF_FALLBACK_ACCEPT] = VERDICT_ACCEPT,
        [CONF_FALLBACK_TEMPFAIL] = VERDICT_TEMPFAIL,
        [CONF_FALLBACK_REJECT] = VERDICT_REJECT,
        [CONF_FALLBACK_DISCARD] = VERDICT_DISCARD,
    };
    return verdicts[fallback];
}

/* Others are awaited still: its word on the present recipient stands, unless its fallback is a stronger one. */
static bool refused_before_it_failed(const struct milter *c)
{
    return c->outcome == OUTCOME_FALLBACK && c->session->d.transcript->goal == STAGE_RCPT &&
           c->rcpt_verdict > VERDICT_CONTINUE && c->rcpt_verdict >= verdict_of_fallback(c->conf->set.fallback);
}

static struct child_vote vote_of(const struct milter *c)
{
    const struct session *s = c->session;
    const struct transcript *t = s->d.transcript;
    struct child_vote v = {.standing = STANDING_NOT_ASKED};
    if (!c->record)
        return v;
    /* In evaluation its verdict is ignored, but the message goes on until it has finished. */
    if (c->conf->set.evaluation) {
        v.standing = child_is_settled(c) ? STANDING_NOT_ASKED : STANDING_UNDECIDED;
        return v;
    }
    if (s->owed == SMFIC_UNKNOWN) {
        v.standing = STANDING_ANSWERED;
        v.verdict = c->unknown_verdict == VERDICT_ACCEPT ? VERDICT_CONTINUE : (enum verdict)c->unknown_verdict;
    } else if (c->connection_over) {
        v.standing = STANDING_ANSWERED;
        v.verdict = c->verdict;
    } else if (c->outcome != OUTCOME_PENDING && !concerns(c)) {
        v.standing = t->goal == STAGE_RCPT ? STANDING_UNDECIDED : STANDING_NOT_ASKED;
    } else if (c->outcome == OUTCOME_FINAL) {
        v.standing = STANDING_ANSWERED;
        v.verdict = c->verdict;
    } else if (c->outcome == OUTCOME_FALLBACK) {
        v.standing = refused_before_it_failed(c) ? STANDING_ANSWERED : STANDING_FAILED;
        v.verdict = c->rcpt_verdict;
        v.fallback = verdict_of_fallback(c->conf->set.fallback);
        /* before the first message: there is nothing yet that could be discarded, and at MAIL an "accept" is tried again */
        if ((v.fallback == VERDICT_DISCARD || v.fallback == VERDICT_ACCEPT) && t->goal < STAGE_MAIL)
            v.standing = STANDING_UNDECIDED;
    } else if (c->asked == POLICY_YES && t->goal == STAGE_RCPT && c->rcpt_verdict != VERDICT_CONTINUE) {
        v.standing = STANDING_ANSWERED;
        v.verdict = c->rcpt_verdict;
    } else if (c->asked == POLICY_NO && (t->goal >= STAGE_DATA || t->goal < STAGE_MAIL)) {
        v.standing = STANDING_NOT_ASKED;
    } else if (c->asked == POLICY_NO) {
        /* of the next recipient its condition may say something else */
        v.standing = policy_filter_is_per_recipient(s->d.plan->policy, c->number) ? STANDING_UNDECIDED : STANDING_NOT_ASKED;
    } else if (c->asked == POLICY_YES && c->link && c->link->state == LINK_IDLE) {
        v.standing = STANDING_ANSWERED;
        v.verdict = VERDICT_CONTINUE;
    } else {
        v.standing = STANDING_UNDECIDED;
    }
    return v;
}

/*
 * DATA, and what may follow, without a recipient: nobody is asked about that. Postfix does not send it; another MTA may, and may name a
 * recipient afterwards. "Accept" would hide that one from everybody.
 */
static bool recipients_may_come(const struct session *s)
{
    const struct transcript *t = s->d.transcript;
    return s->d.transcript->mail && s->d.transcript->goal >= STAGE_DATA && !transcript_has_recipient(t);
}

/* The greylist filter has something to say still: to recipients to come, or headers to add. */
static bool greylist_is_open(const struct session *s)
{
    if (s->flags & FLAG_GREYLIST_NOT_APPLICABLE)
        return false;
    return s->phase < PHASE_MAIL || (s->flags & FLAG_ASKED);
}

static struct merged merge(const struct session *s)
{
    struct child_vote votes[MAIL_FILTERS_MAX + 1];
    const struct children *ch = s->children;
    for (unsigned i = 0; i < ch->count; i++)
        votes[i] = vote_of(&ch->child[i]);
    bool undecided = greylist_is_open(s) || recipients_may_come(s);
    votes[ch->count] = (struct child_vote){.standing = undecided ? STANDING_UNDECIDED : STANDING_NOT_ASKED};
    return merge_verdicts(votes, ch->count + 1);
}

/* ---- edits ---- */

/* The greylist filter's own headers, as edits like any other's. */
static void apply_own(struct session *s, unsigned number)
{
    struct mail_edits edits = {0};
    if ((s->flags & FLAG_ASKED) && s->accepted > 0 && (s->actions & SMFIF_ADDHDRS))
        message_put_edits(s, &edits);
    mail_apply(s->d.transcript->mail, number, MAIL_ORIGINAL, &edits);
    mail_edits_fini(&edits);
}

static void apply_child(struct session *s, struct milter *c)
{
    mail_view view = c->conf->sees_original ? MAIL_ORIGINAL : (mail_view)c->number;
    c->applied = true;
    if (c->outcome != OUTCOME_FINAL || c->verdict > VERDICT_CONTINUE || c->conf->set.evaluation || c->connection_over)
        return;
    mail_apply(s->d.transcript->mail, c->number, view, &c->edits);
    if (c->new_body)
        mail_replace_body(s->d.transcript->mail, c->number, c->new_body);
}

/*
 * In order. The greylist filter's are known when the headers begin: so children behind it, that stream live, see them. Who cannot
 * edit holds nobody up (a quarantine is seen by nobody behind it).
 */
void children_apply(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    if (!ch || !t->mail || t->goal < STAGE_HEADER)
        return;
    for (unsigned i = 0; i < ch->count; i++) {
        struct milter *c = &ch->child[i];
        if (c->applied)
            continue;
        if (!c->record) {
            if (t->goal < STAGE_EOH && !message_edits_fit_early(s))
                return;
            c->applied = true;
            if (c->conf->builtin)
                apply_own(s, i);
        } else if (!child_is_settled(c)) {
            if (child_may_edit(c))
                return;
        } else if (c->spool_writes > 0) {
            return;
        } else {
            apply_child(s, c);
        }
    }
}

/* ---- the reply ---- */

static void put_refusal(const struct session *s, struct merged m, struct buf *out)
{
    const struct milter *c = m.by >= 0 && m.by < (int)s->children->count ? &s->children->child[m.by] : NULL;
    if (c && c->refusal.ptr && (c->outcome != OUTCOME_FALLBACK || refused_before_it_failed(c)))
        milter_put_reply(out, &(struct milter_reply){.code = SMFIR_REPLYCODE, .u.replycode.text = c->refusal});
    else
        milter_put_code(out, m.verdict == VERDICT_REJECT    ? SMFIR_REJECT
                             : m.verdict == VERDICT_DISCARD ? SMFIR_DISCARD
                                                            : SMFIR_TEMPFAIL);
}

void children_stop(struct session *s)
{
    struct children *ch = s->children;
    for (unsigned i = 0; i < ch->count; i++) {
        struct milter *c = &ch->child[i];
        if (child_is_settled(c))
            continue;
        child_abort(c);
        c->stopped = true;
        c->outcome = OUTCOME_FINAL;
        c->verdict = VERDICT_CONTINUE;
        if (ch->standing[i] == FILTER_PENDING)
            ch->standing[i] = FILTER_NOT_ASKED;
    }
}

static void note_status(struct session *s, enum verdict v)
{
    s->children->last_status = (uint8_t)v;
    s->children->last_place = stage_name((enum stage)s->d.transcript->goal);
}

/* The message is over for us: the MTA has the last word that we have on it. */
static void reply_last(struct session *s, struct slice packet)
{
    session_reply(s, packet);
    session_clear_message(s);
}

static void wait_for_children(struct session *s)
{
    if (s->wait != WAIT_CHILDREN) {
        session_set_wait(s, WAIT_CHILDREN);
        if (s->d.plan->set->client_left != CONF_CLIENT_LEFT_IGNORE)
            client_watch(&s->d.sh->clients, &s->d.client);
    }
    session_arm_timer(s);
}

/* ---- the end of a message that is let in: its edits, then the code ---- */

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
    e->request = s->children->drain_request = session_next_request(s);
}

static void send_end(struct session *s)
{
    struct buf out = {0};
    /* one whose filters have all accepted goes on as if it had spoken with each of them itself */
    milter_put_code(&out, s->children->last_status == VERDICT_ACCEPT ? SMFIR_ACCEPT : SMFIR_CONTINUE);
    reply_last(s, buf_slice(&out));
    buf_fini(&out);
}

static void send_piece(struct session *s, struct slice piece)
{
    struct buf out = {0};
    milter_put_reply(&out, &(struct milter_reply){.code = SMFIR_REPLBODY, .u.body = piece});
    effects_send(s->d.sh->out, s->d.client.owner, buf_slice(&out));
    buf_fini(&out);
    s->children->sent_body += piece.len;
}

bool children_body_has_begun(const struct session *s)
{
    return s->children && s->children->answering && s->children->sent_body > 0;
}

/* A new body goes out piece by piece; what was spooled only as fast as the MTA reads. */
static void send_body(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    const struct body *body = mail_body(t->mail, MAIL_FINAL);
    struct slice piece;
    while (body && ch->sent_body < body->bytes) {
        if (!spool_fetch(s->d.sh, s->d.client.owner, body, ch->sent_body, SPOOL_READ_SEND, &piece)) {
            ch->send_deadline.ms = s->d.sh->now.mono.ms + SEND_READ_MAX_MS;
            wait_for_children(s);
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
    struct children *ch = s->children;
    struct slice rest = slice_from(buf_slice(&ch->changes), ch->sent_changes);
    if (rest.len > 0)
        effects_send(s->d.sh->out, s->d.client.owner, take_packets(&rest));
    ch->sent_changes = ch->changes.len - rest.len;
    if (rest.len > 0) {
        wait_for_children(s);
        ask_for_drain(s);
        return;
    }
    send_body(s);
}

static void reply_failed(struct session *s);

static void send_edits(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    ch->answering = true;
    mail_put_changes(t->mail, t->granted.steps & SMFIP_HDR_LEADSPC, &ch->changes);
    if (!shared_keep_more(s->d.sh, 0, ch->changes.len)) {
        buf_fini(&ch->changes);
        ch->trouble = TROUBLE_ROOM;
        reply_failed(s);
        return;
    }
    send_changes(s);
}

/* ---- settling ---- */

/* All filters are done with the connection, or with the message: the MTA goes on alone. */
static void reply_accept(struct session *s)
{
    if (s->d.transcript->goal < STAGE_MAIL) {
        session_accept_connection(s);
        return;
    }
    session_clear_message(s); /* this message only: the next MAIL is seen again */
    session_reply_code(s, SMFIR_ACCEPT);
}

static void forget_body(struct session *s)
{
    struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    for (unsigned i = 0; i < ch->count; i++) {
        const struct milter *c = &ch->child[i];
        bool through = c->link && c->next >= STAGE_BODY &&
                       (c->skips || !link_wants(c->link, SMFIC_BODY) || c->body_told == t->body_gone + t->body.bytes);
        if (!child_is_settled(c) && !through)
            return;
    }
    transcript_forget_body(t);
}

static bool all_skip(const struct session *s)
{
    const struct transcript *t = s->d.transcript;
    const struct children *ch = s->children;
    for (unsigned i = 0; i < ch->count; i++) {
        const struct milter *c = &ch->child[i];
        if (!child_is_settled(c) && !c->skips && (!c->link || c->asked != POLICY_YES || link_wants(c->link, SMFIC_BODY)))
            return false;
    }
    return (t->granted.steps & SMFIP_SKIP) && !(policy_needs(s->d.plan->policy) & POLICY_NEEDS_BODY);
}

static void reply_continue(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    if (s->owed == SMFIC_UNKNOWN) {
        session_reply_code(s, SMFIR_CONTINUE);
        return;
    }
    if (t->goal == STAGE_EOM) {
        send_edits(s);
        return;
    }
    if (t->goal == STAGE_BODY)
        forget_body(s);
    session_reply_code(s, t->goal == STAGE_BODY && all_skip(s) ? SMFIR_SKIP : SMFIR_CONTINUE);
}

/* The greylist filter has let it through. */
static void uncount_present(struct session *s)
{
    if (s->flags & FLAG_COUNTED)
        s->accepted--;
    s->flags &= ~(uint32_t)FLAG_COUNTED;
}

/* The present recipient is none: whoever else has taken it, and the greylist filter that let it through, must not count it. */
static void lose_present(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    const struct recipient_note *note = &ch->notes[t->present - 1];
    t->recipients[t->present - 1].refused = true;
    mail_lose_recipient(t->mail, t->present - 1);
    for (unsigned i = 0; i < ch->count; i++) {
        struct milter *c = &ch->child[i];
        if ((note->told & (1u << i)) && c->rcpt_verdict == VERDICT_CONTINUE && c->rcpt_good > 0)
            c->rcpt_good--;
    }
    uncount_present(s);
}

static void reply_refusal(struct session *s, struct merged m)
{
    const struct transcript *t = s->d.transcript;
    struct buf out = {0};
    bool of_recipient = t->goal == STAGE_RCPT && m.verdict != VERDICT_DISCARD;
    put_refusal(s, m, &out);
    if (s->owed == SMFIC_UNKNOWN) {
        session_reply(s, buf_slice(&out));
    } else if (of_recipient && t->present) {
        lose_present(s);
        session_reply(s, buf_slice(&out));
    } else if (t->goal == STAGE_EOM) {
        reply_last(s, buf_slice(&out));
    } else {
        if (t->mail)
            children_stop(s);
        session_reply(s, buf_slice(&out));
    }
    buf_fini(&out);
}

/* No filter's verdict: the mail is not lost, and nobody has seen less of it than the configuration says. */
static void reply_failed(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    static const struct {
        const char *status, *enhanced, *text;
        enum verdict verdict;
    } replies[TROUBLE_MAX_] = {
        [TROUBLE_ROOM] = {"451", "4.3.1", "Out of room for this message, try again later", VERDICT_TEMPFAIL},
        [TROUBLE_BUDGET] = {"452", "4.3.1", "Out of memory for message headers, try again later", VERDICT_TEMPFAIL},
        [TROUBLE_HEADERS] = {"552", "5.3.4", "Message headers are too large", VERDICT_REJECT},
    };
    struct children *ch = s->children;
    struct buf out = {0};
    note_status(s, replies[ch->trouble].verdict);
    milter_put_replycode(&out, slice_cstr(replies[ch->trouble].status), slice_cstr(replies[ch->trouble].enhanced),
                         slice_cstr(replies[ch->trouble].text));
    if (t->goal == STAGE_EOM) {
        reply_last(s, buf_slice(&out));
    } else {
        children_stop(s);
        session_reply(s, buf_slice(&out));
    }
    buf_fini(&out);
}

void children_refuse_rcpt(struct session *s)
{
    struct buf out = {0};
    milter_put_replycode(&out, SLICE_LIT("452"), SLICE_LIT("4.5.3"), SLICE_LIT("Too many recipients"));
    uncount_present(s);
    session_reply(s, buf_slice(&out));
    buf_fini(&out);
}

void children_settle(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    if (!ch || s->phase == PHASE_OVER || s->owed == 0 || ch->answering ||
        (s->wait != WAIT_NOTHING && s->wait != WAIT_CHILDREN))
        return;
    if (ch->trouble && t->mail) {
        reply_failed(s);
        return;
    }
    if (anybody_awaited(s)) {
        wait_for_children(s);
        return;
    }
    children_apply(s);
    struct merged m = merge(s);
    note_status(s, m.verdict);
    switch (m.verdict) {
    case VERDICT_ACCEPT:
        if (t->goal == STAGE_EOM || s->owed == SMFIC_UNKNOWN)
            reply_continue(s);
        else
            reply_accept(s);
        break;
    case VERDICT_CONTINUE:
        reply_continue(s);
        break;
    default:
        reply_refusal(s, m);
        break;
    }
}

/* ---- what comes back from the spool and the MTA's queue ---- */

static void spool_failed(struct session *s, int error)
{
    /* each message has its explanation, but an error a minute is enough */
    enum log_level level = shared_complain(s->d.sh, &s->d.sh->unspooled) > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
    text_log(s, level, "spool: %s; the message is put off with 451", strerror(error));
    s->children->trouble = TROUBLE_ROOM;
    s->children->answering = false;
    s->children->send_deadline.ms = 0;
}

void children_check_sending(struct session *s)
{
    struct children *ch = s->children;
    if (ch->send_deadline.ms == 0 || s->d.sh->now.mono.ms < ch->send_deadline.ms)
        return;
    spool_failed(s, ETIMEDOUT);
}

static void child_wrote(struct session *s, unsigned number)
{
    struct milter *c = &s->children->child[number];
    if (c->spool_writes > 0)
        c->spool_writes--;
    if (c->paused && c->spool_writes == 0) {
        c->paused = false;
        effects_add(s->d.sh->out, EFFECT_CHILD_RESUME, 0)->u.child.id = c->id;
    }
}

void session_spooled(struct session *s, const struct event *event)
{
    struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    uint32_t request = event->request;
    if (!ch || !t->mail)
        return;
    if (request == SPOOL_READ_SEND)
        ch->send_deadline.ms = 0;
    if (!event->u.spool.ok)
        spool_failed(s, event->u.spool.error);
    if (request == SPOOL_WRITE_OWN) {
        t->spool_writes--;
    } else if (request == SPOOL_READ_SEND && event->u.spool.ok && ch->answering) {
        send_piece(s, event->u.spool.bytes);
        ask_for_drain(s);
        return;
    } else if (request >= SPOOL_READ_CHILD && request < SPOOL_READ_CHILD + ch->count) {
        if (event->u.spool.ok)
            child_read(&ch->child[request - SPOOL_READ_CHILD], event->u.spool.bytes);
    } else if (request >= SPOOL_WRITE_CHILD && request < SPOOL_WRITE_CHILD + ch->count) {
        child_wrote(s, request - SPOOL_WRITE_CHILD);
    }
    session_end_event(s);
}

void session_drained(struct session *s, uint32_t request)
{
    struct children *ch = s->children;
    if (!ch || !ch->answering || request != ch->drain_request)
        return;
    ch->drain_request = 0;
    send_changes(s);
    session_end_event(s);
}

void children_client_gone(struct session *s)
{
    struct children *ch = s->children;
    s->d.sh->stats.gone++;
    ch->answering = false; /* of a new body that is on its way to the MTA no more is sent */
    text_log_gone(s, "gone while a filter was awaited");
    session_reply_gone(s, "Client is gone");
    for (unsigned i = 0; i < ch->count; i++) {
        struct milter *c = &ch->child[i];
        if (child_is_settled(c))
            continue;
        child_hang_up(c);
        c->stopped = true;
        c->outcome = OUTCOME_FINAL; /* nothing more is asked about this message */
        c->verdict = VERDICT_TEMPFAIL;
    }
}
