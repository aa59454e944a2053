/*
 * chain.c - what the MTA says is recorded in the transcript; and what each command means for the filters, before they are led
 * on: where they stand, and whether they are asked about a recipient.
 */
#include "session/children.h"
#include "base/mem.h"

void chain_macros(struct session *s, uint8_t for_cmd, struct slice pairs)
{
    if (s->children->any_child) /* nobody else reads them */
        (void)session_was_kept(s, transcript_record_macros(s->d.transcript, for_cmd, pairs));
}

/* ---- the envelope ---- */

void chain_connect(struct session *s, struct slice body)
{
    (void)session_was_kept(s, transcript_record_connect(s->d.transcript, body));
}

void chain_helo(struct session *s, struct slice body)
{
    struct children *ch = s->children;
    if (session_is_refused(s) || !session_was_kept(s, transcript_record_helo(s->d.transcript, body)))
        return;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->child[i].next > STAGE_HELO)
            ch->child[i].next = STAGE_HELO;
}

void chain_mail(struct session *s, struct slice body)
{
    struct children *ch = s->children;
    transcript_record_mail(s->d.transcript, body);
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

struct recipient_note *children_note_of(struct session *s, unsigned number)
{
    struct children *ch = s->children;
    /* each that a filter has added has one of its own, too: told once a child */
    while (ch->n_notes <= number) {
        ch->notes = mem_grow(ch->notes, &ch->cap_notes, ch->n_notes + 1, sizeof(*ch->notes));
        ch->notes[ch->n_notes++] = (struct recipient_note){.shown = UINT32_MAX};
    }
    return &ch->notes[number];
}

bool children_is_rejected_rcpt(const struct session *s)
{
    return s->d.transcript && transcript_rcpt_is_rejected(s->d.transcript);
}

static void judge_recipient(struct session *s, struct milter *c, struct recipient_note *note)
{
    struct policy_facts facts = session_facts(s, STAGE_RCPT);
    struct policy_why why;
    uint32_t bit = 1u << c->number;
    uint64_t missing = 0;
    if (!c->record || !policy_filter_is_per_recipient(s->d.plan->policy, c->number))
        return;
    facts.memo = children_memo(s);
    facts.recipient_memo = &note->memo;
    if (c->asked == POLICY_NO && !c->connection_over)
        c->asked = POLICY_LATER; /* none was its so far */
    switch (policy_filter_when(s->d.plan->policy, c->number, &facts, &why, &missing)) {
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

void chain_keep_rcpt(struct session *s, struct slice body)
{
    (void)session_was_kept(s, transcript_keep_rcpt(s->d.transcript, body));
}

bool chain_rcpt(struct session *s)
{
    struct children *ch = s->children;
    struct transcript *t = s->d.transcript;
    for (unsigned i = 0; i < ch->count; i++) {
        ch->child[i].rcpt_verdict = VERDICT_CONTINUE;
        if (ch->child[i].next > STAGE_RCPT && ch->child[i].outcome == OUTCOME_PENDING)
            ch->child[i].next = STAGE_RCPT; /* a DATA that was refused, and the client goes on with recipients */
        if (ch->child[i].without_recipient) {
            ch->child[i].without_recipient = false;
            ch->child[i].asked = POLICY_YES; /* as it was before that DATA; it hears of the message from MAIL on */
        }
    }
    if (transcript_record_rcpt(t) != ERR_NONE) {
        text_log(s, LOG_LEVEL_NOTICE, "refused with 452: the message has more recipients than are kept");
        return false;
    }
    struct recipient_note *note = children_note_of(s, t->present - 1);
    *note = (struct recipient_note){0};
    for (unsigned i = 0; i < ch->count && !t->recipients[t->present - 1].rejected; i++)
        judge_recipient(s, &ch->child[i], note);
    return true;
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
    children_stop(s);
    const char *why = trouble == TROUBLE_HEADERS ? "take more than 4096 KiB" : "find no room";
    if (needed) {
        ch->trouble = (uint8_t)trouble;
        text_log(s, LOG_LEVEL_NOTICE, "from %.*s: message refused with %s: its headers %s", SLICE_ARG(s->d.sender),
                 trouble == TROUBLE_HEADERS ? "552" : "452", why);
    } else if (watched) {
        text_log(s, LOG_LEVEL_NOTICE, "headers %s: filters that are only evaluated do not see the message", why);
    }
}

void chain_header(struct session *s, struct slice name, struct slice value)
{
    (void)transcript_begin_headers(s->d.transcript);
    enum err e = transcript_record_header(s->d.transcript, name, value);
    if (e != ERR_NONE)
        headers_over(s, e == ERR_LIMIT ? TROUBLE_HEADERS : TROUBLE_BUDGET);
}

void chain_eoh(struct session *s)
{
    transcript_record_eoh(s->d.transcript);
}

static bool peeks(const struct session *s)
{
    return policy_needs(s->d.plan->policy) & POLICY_NEEDS_BODY;
}

void chain_body(struct session *s, struct slice chunk)
{
    if (s->d.transcript->goal < STAGE_EOH)
        chain_eoh(s);
    if (transcript_record_body(s->d.transcript, chunk, peeks(s)) != ERR_NONE)
        s->children->trouble = TROUBLE_ROOM;
}

void chain_eom(struct session *s, struct slice chunk)
{
    if (s->d.transcript->goal < STAGE_EOH)
        chain_eoh(s); /* an MTA that was asked to leave it out */
    if (transcript_record_eom(s->d.transcript, chunk, peeks(s)) != ERR_NONE)
        s->children->trouble = TROUBLE_ROOM;
}

/* ---- the run ---- */

void chain_run(struct session *s)
{
    if (s->phase == PHASE_OVER)
        return;
    if (s->children) {
        children_apply(s);
        children_decide(s);
        children_settle(s);
    } else if (s->owed && s->wait == WAIT_NOTHING) {
        session_reply_code(s, SMFIR_CONTINUE);
    }
}

void chain_unknown(struct session *s, struct slice line)
{
    arena_clear(&s->children->unknown_texts);
    for (unsigned i = 0; i < s->children->count; i++)
        child_tell_unknown(&s->children->child[i], line);
}
