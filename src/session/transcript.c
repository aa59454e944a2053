/*
 * transcript.c - what the MTA has said, kept for the children until none of them needs it: macros, the raw commands of the connection,
 * recipients with what is noted of them, headers, and the body with the file that it may have.
 */
#include "session/children.h"
#include "base/mem.h"

#include <string.h>

enum {
    MESSAGE_KEEP_MAX_BYTES = 16 * 1024 * 1024, /* macros of tens of thousands of recipients */
    RECIPIENT_NODE_BYTES = 64,
};

/* As session_keep; a message may have much more of it than a connection. */
static struct slice keep(struct session *s, struct scope *scope, struct slice text)
{
    if (scope != &s->children->message_scope)
        return session_keep(s, scope, text);
    if (session_is_refused(s) || !session_may_keep(s, scope, text.len + 1, MESSAGE_KEEP_MAX_BYTES))
        return SLICE_NONE;
    return arena_slice(&scope->arena, text);
}

/* ---- macros ---- */

/* Where the macros of a command are kept; NULL: nobody reads them. */
static struct slice *macros_of(struct children *ch, uint8_t for_cmd)
{
    switch (for_cmd) {
    case SMFIC_CONNECT:
        return &ch->connect.macros;
    case SMFIC_HELO:
        return &ch->helo.macros;
    case SMFIC_MAIL:
        return &ch->mail_from.macros;
    case SMFIC_RCPT:
        return &ch->rcpt_macros;
    case SMFIC_DATA:
        return &ch->data.macros;
    case SMFIC_HEADER:
        return &ch->header_macros;
    case SMFIC_EOH:
        return &ch->eoh.macros;
    case SMFIC_BODY:
        return &ch->body_macros;
    case SMFIC_BODYEOB:
        return &ch->eom.macros;
    default:
        return NULL;
    }
}

void transcript_record_macros(struct session *s, uint8_t for_cmd, struct slice pairs)
{
    struct children *ch = s->children;
    struct slice *at = macros_of(ch, for_cmd);
    struct scope *scope = for_cmd == SMFIC_CONNECT ? &ch->conn_scope
                          : for_cmd == SMFIC_HELO  ? &ch->helo_scope
                                                   : &ch->message_scope;
    if (!ch->any_child || !at || (at->ptr && slice_eq(*at, pairs))) /* {i} comes with every header again */
        return;
    struct slice kept = keep(s, scope, pairs);
    if (!session_is_refused(s)) /* nothing may be left of the children else */
        *at = kept;
}

/* ---- the envelope ---- */

void transcript_record_connect(struct session *s, struct slice body)
{
    struct slice kept = keep(s, &s->children->conn_scope, body);
    if (s->phase == PHASE_OVER)
        return;
    s->children->connect.body = kept;
    s->children->goal = STAGE_CONNECT;
}

void transcript_record_helo(struct session *s, struct slice body)
{
    struct children *ch = s->children;
    struct slice kept = keep(s, &ch->helo_scope, body);
    if (s->phase == PHASE_OVER)
        return;
    ch->helo.body = kept;
    ch->helos++;
    ch->goal = STAGE_HELO;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->child[i].next > STAGE_HELO)
            ch->child[i].next = STAGE_HELO;
}

void transcript_record_mail(struct session *s, struct slice body)
{
    struct children *ch = s->children;
    struct slice rest = body, address;
    (void)milter_next_string(&rest, &address);
    ch->mail = mail_new();
    mail_set_sender(ch->mail, address, rest);
    if (ch->granted.steps & SMFIP_NOHDRS)
        mail_hide_headers(ch->mail);
    ch->mail_from.body = SLICE_LIT("");
    ch->goal = STAGE_MAIL;
    ch->messages++;
    /* the condition may say something else of this message than of the connection */
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->child[i].record && !ch->child[i].connection_over) {
            ch->child[i].asked = POLICY_LATER;
            /* who has failed before the first message has failed for it: it is tried again at the next */
            if (ch->child[i].outcome != OUTCOME_FALLBACK)
                ch->child[i].outcome = OUTCOME_PENDING;
            ch->child[i].closed_between_messages = false;
            ch->standing[i] = ch->child[i].outcome == OUTCOME_FALLBACK ? FILTER_FAILED : FILTER_PENDING;
        }
}

struct recipient_note *transcript_note_of(struct session *s, unsigned number)
{
    struct children *ch = s->children;
    if (number < ch->n_recipients)
        return &ch->recipients[number];
    /* each added one of its own: told once a child */
    while (ch->n_recipients <= number) {
        ch->recipients = mem_grow(ch->recipients, &ch->cap_recipients, ch->n_recipients + 1, sizeof(*ch->recipients));
        ch->recipients[ch->n_recipients++] = (struct recipient_note){.shown = UINT32_MAX};
    }
    return &ch->recipients[number];
}

/* The MTA's word that it has refused a recipient by itself (SMFIP_RCPT_REJ). */
static bool is_rejected(struct slice macros)
{
    struct slice name, value;
    while (milter_next_macro(&macros, &name, &value))
        if (slice_eq_cstr(name, "{rcpt_mailer}"))
            return slice_eq_cstr(value, "error");
    return false;
}

bool children_is_rejected_rcpt(const struct session *s)
{
    return s->children && (s->children->granted.steps & SMFIP_RCPT_REJ) && is_rejected(s->children->rcpt_macros);
}

static void judge_recipient(struct session *s, struct child *c, struct recipient_note *note)
{
    struct policy_facts facts = session_facts(s, STAGE_RCPT);
    struct policy_why why;
    uint32_t lists = 0, bit = 1u << c->number;
    if (!c->record || !policy_filter_is_per_recipient(s->plan->policy, c->number))
        return;
    facts.memo = children_memo(s);
    facts.recipient_memo = &note->memo;
    if (c->asked == POLICY_NO && !c->connection_over)
        c->asked = POLICY_LATER; /* none was its so far */
    switch (policy_filter_when(s->plan->policy, c->number, &facts, &why, &lists)) {
    case POLICY_YES:
        note->shown |= bit;
        break;
    case POLICY_LATER:
        note->later |= bit;
        break;
    case POLICY_NO:
    case POLICY_UNKNOWN: /* never: asked for it is */
        break;
    }
    session_note_effort(s);
}

void transcript_keep_rcpt(struct session *s, struct slice body)
{
    struct scope *scope = &s->children->message_scope;
    /* It is kept once more, with a note and a node of a list, in the message. */
    size_t again = body.len + sizeof(struct recipient_note) + RECIPIENT_NODE_BYTES;
    if (session_may_keep(s, scope, again, MESSAGE_KEEP_MAX_BYTES)) {
        struct slice kept = keep(s, scope, body);
        if (s->phase != PHASE_OVER)
            s->children->rcpt = kept;
    }
}

bool transcript_record_rcpt(struct session *s)
{
    struct children *ch = s->children;
    struct slice rest = ch->rcpt, address;
    (void)milter_next_string(&rest, &address);
    ch->goal = STAGE_RCPT;
    ch->present = 0;
    for (unsigned i = 0; i < ch->count; i++) {
        ch->child[i].rcpt_verdict = VERDICT_CONTINUE;
        if (ch->child[i].next > STAGE_RCPT && ch->child[i].outcome == OUTCOME_PENDING)
            ch->child[i].next = STAGE_RCPT; /* a DATA that was refused, and the client goes on with recipients */
        if (ch->child[i].without_recipient) {
            ch->child[i].without_recipient = false;
            ch->child[i].asked = POLICY_YES; /* as it was before that DATA; it hears of the message from MAIL on */
        }
    }
    if (mail_add_recipient(ch->mail, address, rest) != ERR_NONE) {
        text_log(s, LOG_LEVEL_NOTICE, "refused with 452: the message has more recipients than are kept");
        return false;
    }
    struct recipient_note *note = transcript_note_of(s, (unsigned)ch->n_recipients);
    *note = (struct recipient_note){.rejected = children_is_rejected_rcpt(s), .macros = ch->rcpt_macros};
    ch->rcpt_macros = SLICE_NONE;
    ch->present = (unsigned)ch->n_recipients;
    for (unsigned i = 0; i < ch->count && !note->rejected; i++)
        judge_recipient(s, &ch->child[i], note);
    return true;
}

void transcript_record_data(struct session *s)
{
    s->children->data.body = SLICE_LIT("");
    s->children->goal = STAGE_DATA;
}

/* ---- the message ---- */

/*
 * No more headers are kept. What a sender does wrong is no filter's failure: no fallback may let such a message pass, and no
 * breaker may move. It is refused where a filter needs it, or may still; those that are only evaluated have no claim to it.
 */
static void headers_over(struct session *s, enum trouble trouble)
{
    struct children *ch = s->children;
    bool needed = false, watched = false;
    for (unsigned i = 0; i < ch->count; i++) {
        bool settled = child_is_settled(&ch->child[i]), evaluated = ch->child[i].conf->set.evaluation;
        needed |= !settled && !evaluated;
        watched |= !settled && evaluated;
    }
    ch->headers_over = true;
    children_stop(s);
    const char *why = trouble == TROUBLE_HEADERS ? "take more than 4096 KiB" : "find no room";
    if (needed) {
        ch->trouble = (uint8_t)trouble;
        text_log(s, LOG_LEVEL_NOTICE, "from %.*s: message refused with %s: its headers %s", SLICE_ARG(s->sender),
                 trouble == TROUBLE_HEADERS ? "552" : "452", why);
    } else if (watched) {
        text_log(s, LOG_LEVEL_NOTICE, "headers %s: filters that are only evaluated do not see the message", why);
    }
}

/* value: in canonical form. */
static void keep_header(struct session *s, struct slice name, struct slice value)
{
    struct children *ch = s->children;
    enum err e = mail_add_header(ch->mail, name, value);
    uint64_t bytes = mail_header_bytes(ch->mail);
    if (e != ERR_NONE) {
        headers_over(s, TROUBLE_HEADERS);
    } else if (!shared_headers_more(s->sh, ch->headers_bytes, bytes)) {
        headers_over(s, TROUBLE_BUDGET);
    } else {
        ch->headers_bytes = bytes;
    }
}

void transcript_record_header(struct session *s, struct slice name, struct slice value)
{
    struct children *ch = s->children;
    if (ch->goal < STAGE_HEADER) {
        ch->goal = STAGE_HEADER;
        children_apply(s);
    }
    ch->size_bytes += name.len + value.len + 3;
    if (ch->headers_over)
        return;
    if (ch->granted.steps & SMFIP_HDR_LEADSPC) {
        keep_header(s, name, value);
    } else { /* the MTA has left out the blank that stands behind the colon of nearly every header */
        struct buf canonical = {0};
        buf_put_byte(&canonical, ' ');
        buf_put_slice(&canonical, value);
        keep_header(s, name, buf_slice(&canonical));
        buf_fini(&canonical);
    }
}

void transcript_record_eoh(struct session *s)
{
    mail_end_headers(s->children->mail);
    s->children->goal = STAGE_EOH;
    s->children->size_bytes += 2;
    children_apply(s); /* what the greylist filter adds is known: children behind it see it */
}

/* The body's beginning, for conditions. Without memory for it nobody can say who is to be asked: the message is put off. */
static void peek_at(struct session *s, struct slice piece)
{
    struct children *ch = s->children;
    if (shared_keep_more(s->sh, ch->peek.len, ch->peek.len + piece.len))
        buf_put_slice(&ch->peek, piece);
    else
        ch->trouble = TROUBLE_ROOM;
}

static void take_chunk(struct session *s, struct slice chunk)
{
    struct children *ch = s->children;
    ch->size_bytes += chunk.len;
    ch->chunk = chunk;
    if ((policy_needs(s->plan->policy) & POLICY_NEEDS_BODY) && ch->peek.len < POLICY_BODY_MAX_BYTES)
        peek_at(s, slice_upto(chunk, POLICY_BODY_MAX_BYTES - ch->peek.len));
    if (chunk.len > 0 && body_store(s, &ch->body, chunk, SPOOL_WRITE_OWN))
        ch->spool_writes++;
}

void transcript_record_body(struct session *s, struct slice chunk)
{
    if (s->children->goal < STAGE_EOH)
        transcript_record_eoh(s);
    s->children->goal = STAGE_BODY;
    take_chunk(s, chunk);
}

void transcript_record_eom(struct session *s, struct slice chunk)
{
    if (s->children->goal < STAGE_EOH)
        transcript_record_eoh(s); /* an MTA that was asked to leave it out */
    take_chunk(s, chunk);
    s->children->goal = STAGE_EOM;
}

void transcript_record_unknown(struct session *s, struct slice line)
{
    arena_clear(&s->children->unknown_texts);
    for (unsigned i = 0; i < s->children->count; i++)
        child_tell_unknown(&s->children->child[i], line);
}

/* ---- bodies ---- */

bool body_store(struct session *s, struct body *body, struct slice chunk, uint32_t request)
{
    size_t kept = body_append(body, chunk);
    if (kept == chunk.len)
        return false;
    if (body->spool == 0)
        body->spool = ++s->sh->last_spool;
    struct slice bytes = arena_slice(&s->sh->out->arena, slice_from(chunk, kept));
    struct effect *e = effects_add(s->sh->out, EFFECT_SPOOL_WRITE, s->id);
    e->request = request;
    e->u.spool.id = body->spool;
    e->u.spool.bytes = bytes;
    return true;
}

bool body_fetch(struct session *s, const struct body *body, uint64_t offset, uint32_t request, struct slice *chunk)
{
    uint64_t spool_offset;
    uint32_t length;
    if (body_read(body, offset, BODY_PIECE_MAX_BYTES, chunk, &spool_offset, &length))
        return true;
    struct effect *e = effects_add(s->sh->out, EFFECT_SPOOL_READ, s->id);
    e->request = request;
    e->u.spool.id = body->spool;
    e->u.spool.offset = spool_offset;
    e->u.spool.length = length;
    return false;
}

void body_drop(struct session *s, struct body *body)
{
    if (body->spool)
        effects_add(s->sh->out, EFFECT_SPOOL_CLOSE, s->id)->u.spool.id = body->spool;
    body_fini(body);
    body_init(body, &s->sh->bodies);
}
