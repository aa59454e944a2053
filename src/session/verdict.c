/* verdict.c - several filters, one reply: who is still awaited, what all of them say together, and what the MTA is told. */
#include "base/mem.h"
#include "session/chain.h"

/* ---- who is awaited ---- */

/*
 * Whether what a child has said or failed at concerns the recipient that is to be answered; behind RCPT, any of the message's. One whose
 * condition speaks of recipients has no say about those of others.
 */
static bool concerns(const struct session *s, const struct filter *f)
{
    const struct transcript *t = s->d.transcript;
    const struct chain *ch = s->chain;
    uint32_t bit = 1u << f->number;
    if (t->goal < STAGE_RCPT || !policy_filter_is_per_recipient(s->d.plan->policy, f->number))
        return true;
    if (t->goal == STAGE_RCPT)
        return t->present > 0 && (ch->common.notes[t->present - 1].shown & bit);
    for (size_t i = 0; i < t->n_recipients; i++)
        if ((ch->common.notes[i].shown & bit) && transcript_recipient_counts(t, i))
            return true;
    return false;
}

/* Some filter has refused the message, or failed so that it counts as refused. */
bool chain_is_refused(const struct session *s)
{
    for (unsigned i = 0; i < s->chain->count; i++) {
        const struct filter *f = s->chain->filter[i];
        if (!f || f->conf->set.evaluation || !concerns(s, f))
            continue;
        if (f->outcome == OUTCOME_FINAL && f->verdict >= VERDICT_TEMPFAIL)
            return true;
        if (f->outcome == OUTCOME_FALLBACK && f->conf->set.fallback != CONF_FALLBACK_ACCEPT)
            return true;
    }
    return false;
}

bool chain_may_lead(const struct session *s, const struct filter *f)
{
    if (filter_is_settled(f) || f->asked != POLICY_YES || !chain_may_start(s))
        return false;
    /* An earlier one has refused the message, and this one has seen nothing of it yet: it need not. */
    return s->d.transcript->goal < STAGE_HEADER || f->ops->position(f).next > STAGE_HEADER || !chain_is_refused(s);
}

/* Before the end of the message nobody waits for one that waits itself, for an editor. */
bool chain_filter_is_awaited(const struct session *s, const struct filter *f)
{
    if (s->d.owed == SMFIC_UNKNOWN)
        return f->ops->unknown_is_awaited && f->ops->unknown_is_awaited(f);
    return chain_may_lead(s, f) && (s->d.transcript->goal == STAGE_EOM || filter_waits(f));
}

static bool anybody_awaited(const struct session *s)
{
    const struct chain *ch = s->chain;
    if (s->d.transcript->spool_writes > 0)
        return true;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i] && (chain_filter_is_awaited(s, ch->filter[i]) || ch->filter[i]->writes))
            return true;
    return false;
}

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
static bool refused_before_it_failed(const struct session *s, const struct filter *f)
{
    return f->outcome == OUTCOME_FALLBACK && s->d.transcript->goal == STAGE_RCPT && f->rcpt_verdict > VERDICT_CONTINUE &&
           f->rcpt_verdict >= verdict_of_fallback(f->conf->set.fallback);
}

static struct child_vote vote_of(const struct session *s, const struct filter *f)
{
    const struct transcript *t = s->d.transcript;
    struct child_vote v = {.standing = STANDING_NOT_ASKED};
    if (!f)
        return v;
    /* In evaluation its verdict is ignored, but the message goes on until it has finished. */
    if (f->conf->set.evaluation) {
        v.standing = filter_is_settled(f) ? STANDING_NOT_ASKED : STANDING_UNDECIDED;
        return v;
    }
    if (s->d.owed == SMFIC_UNKNOWN) {
        v.standing = STANDING_ANSWERED;
        v.verdict = f->unknown_verdict == VERDICT_ACCEPT ? VERDICT_CONTINUE : (enum verdict)f->unknown_verdict;
    } else if (f->connection_over) {
        v.standing = STANDING_ANSWERED;
        v.verdict = f->verdict;
    } else if (f->outcome != OUTCOME_PENDING && !concerns(s, f)) {
        v.standing = t->goal == STAGE_RCPT ? STANDING_UNDECIDED : STANDING_NOT_ASKED;
    } else if (f->outcome == OUTCOME_FINAL) {
        v.standing = STANDING_ANSWERED;
        v.verdict = f->verdict;
    } else if (f->outcome == OUTCOME_FALLBACK) {
        v.standing = refused_before_it_failed(s, f) ? STANDING_ANSWERED : STANDING_FAILED;
        v.verdict = f->rcpt_verdict;
        v.fallback = verdict_of_fallback(f->conf->set.fallback);
        /* before the first message: there is nothing yet that could be discarded, and at MAIL an "accept" is tried again */
        if ((v.fallback == VERDICT_DISCARD || v.fallback == VERDICT_ACCEPT) && t->goal < STAGE_MAIL)
            v.standing = STANDING_UNDECIDED;
    } else if (f->asked == POLICY_YES && t->goal == STAGE_RCPT && f->rcpt_verdict != VERDICT_CONTINUE) {
        v.standing = STANDING_ANSWERED;
        v.verdict = f->rcpt_verdict;
    } else if (f->asked == POLICY_NO && (t->goal >= STAGE_DATA || t->goal < STAGE_MAIL)) {
        v.standing = STANDING_NOT_ASKED;
    } else if (f->asked == POLICY_NO) {
        /* of the next recipient its condition may say something else */
        v.standing = policy_filter_is_per_recipient(s->d.plan->policy, f->number) ? STANDING_UNDECIDED : STANDING_NOT_ASKED;
    } else if (f->asked == POLICY_YES && f->state == STATE_IDLE) {
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

/* The gate has something to say still: to recipients to come, or headers to add. */
static bool gate_is_undecided(const struct session *s)
{
    const struct filter *gate = chain_gate_const(s);
    return !gate->connection_over && (s->phase < PHASE_MAIL || gate->asked == POLICY_YES);
}

static struct merged merge(const struct session *s)
{
    struct child_vote votes[MAIL_FILTERS_MAX + 1];
    const struct chain *ch = s->chain;
    for (unsigned i = 0; i < ch->count; i++)
        votes[i] = vote_of(s, ch->filter[i]);
    bool undecided = gate_is_undecided(s) || recipients_may_come(s);
    votes[ch->count] = (struct child_vote){.standing = undecided ? STANDING_UNDECIDED : STANDING_NOT_ASKED};
    return merge_verdicts(votes, ch->count + 1);
}

static void apply_filter(struct session *s, struct filter *f)
{
    struct mail *mail = s->d.transcript->mail;
    f->applied = true;
    if (f->outcome != OUTCOME_FINAL || f->verdict > VERDICT_CONTINUE || f->conf->set.evaluation || f->connection_over)
        return;
    mail_apply(mail, f->number, filter_view(f), f->ops->edits(f));
    if (f->ops->new_body(f))
        mail_replace_body(mail, f->number, f->ops->new_body(f));
}

bool chain_filter_may_edit(const struct filter *f)
{
    return (!filter_is_settled(f) && f->ops->may_edit(f)) || f->writes;
}

/*
 * In order. The gate's are known when the headers begin: so children behind it, that stream live, see them. Who cannot
 * edit holds nobody up (a quarantine is seen by nobody behind it).
 */
void chain_apply(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    struct filter *gate = chain_gate(s);
    if (!t->mail || t->goal < STAGE_HEADER)
        return;
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        bool is_gate = i == gate->number;
        if (f ? f->applied : !is_gate || ch->applied_own)
            continue;
        if (is_gate && t->goal < STAGE_EOH && gate->ops->may_edit(gate))
            return; /* they can be applied only when all headers are there */
        if (f && chain_filter_may_edit(f))
            return;
        if (is_gate) {
            ch->applied_own = true;
            mail_apply(t->mail, i, MAIL_ORIGINAL, gate->ops->edits(gate));
        } else if (filter_is_settled(f)) {
            apply_filter(s, f);
        }
    }
}

static void put_refusal(const struct session *s, struct merged m, struct buf *out)
{
    const struct filter *f = m.by >= 0 && m.by < (int)s->chain->count ? s->chain->filter[m.by] : NULL;
    if (f && f->reply.ptr && (f->outcome != OUTCOME_FALLBACK || refused_before_it_failed(s, f)))
        milter_put_reply(out, &(struct milter_reply){.code = SMFIR_REPLYCODE, .u.replycode.text = f->reply});
    else
        milter_put_code(out, m.verdict == VERDICT_REJECT    ? SMFIR_REJECT
                             : m.verdict == VERDICT_DISCARD ? SMFIR_DISCARD
                                                            : SMFIR_TEMPFAIL);
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
    const struct chain *ch = s->chain;
    struct transcript *t = s->d.transcript;
    for (unsigned i = 0; i < ch->count; i++) {
        const struct filter *f = ch->filter[i];
        if (!f || filter_is_settled(f))
            continue;
        struct filter_position at = f->ops->position(f);
        bool through = !at.wants_body || at.body_bytes == t->body_gone + t->body.bytes;
        if (at.next < STAGE_BODY || !through)
            return;
    }
    transcript_forget_body(t);
}

static bool all_skip(const struct session *s)
{
    const struct chain *ch = s->chain;
    for (unsigned i = 0; i < ch->count; i++) {
        const struct filter *f = ch->filter[i];
        if (f && !filter_is_settled(f) && f->ops->position(f).wants_body)
            return false;
    }
    return (s->d.transcript->granted.steps & SMFIP_SKIP) && !(policy_needs(s->d.plan->policy) & POLICY_NEEDS_BODY);
}

static void reply_continue(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    if (s->d.owed == SMFIC_UNKNOWN) {
        session_reply_code(s, SMFIR_CONTINUE);
        return;
    }
    if (t->goal == STAGE_EOM) {
        deliver_begin(s);
        return;
    }
    if (t->goal == STAGE_BODY)
        forget_body(s);
    session_reply_code(s, t->goal == STAGE_BODY && all_skip(s) ? SMFIR_SKIP : SMFIR_CONTINUE);
}

/* The present recipient is none: the filters that have taken it hear it from the transcript. */
static void lose_present(struct session *s)
{
    struct transcript *t = s->d.transcript;
    t->recipients[t->present - 1].refused = true;
    mail_lose_recipient(t->mail, t->present - 1);
    for (unsigned i = 0; i < s->chain->count; i++)
        if (s->chain->filter[i] && s->chain->filter[i]->ops->lose_recipient)
            s->chain->filter[i]->ops->lose_recipient(s->chain->filter[i], t->present - 1);
    chain_gate(s)->ops->lose_recipient(chain_gate(s), t->present - 1);
}

static void reply_refusal(struct session *s, struct merged m)
{
    const struct transcript *t = s->d.transcript;
    struct buf out = {0};
    bool of_recipient = t->goal == STAGE_RCPT && m.verdict != VERDICT_DISCARD;
    put_refusal(s, m, &out);
    if (s->d.owed == SMFIC_UNKNOWN) {
        session_reply(s, buf_slice(&out));
    } else if (of_recipient && t->present) {
        lose_present(s);
        session_reply(s, buf_slice(&out));
    } else if (t->goal == STAGE_EOM) {
        chain_reply_last(s, buf_slice(&out));
    } else {
        if (t->mail)
            chain_stop(s);
        session_reply(s, buf_slice(&out));
    }
    buf_fini(&out);
}

void chain_settle(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    if (!ch || s->phase == PHASE_OVER || s->d.owed == 0 || ch->answering ||
        (s->wait != WAIT_NOTHING && s->wait != WAIT_FILTERS))
        return;
    if (ch->trouble && t->mail) {
        chain_reply_trouble(s);
        return;
    }
    if (anybody_awaited(s)) {
        chain_wait(s);
        return;
    }
    chain_apply(s);
    struct merged m = merge(s);
    chain_note_status(s, m.verdict);
    switch (m.verdict) {
    case VERDICT_ACCEPT:
        if (t->goal == STAGE_EOM || s->d.owed == SMFIC_UNKNOWN)
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
