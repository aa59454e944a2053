/*
 * chain.c - the row of filters: their life, what each command of the MTA's means for them, the way of events to them, and the one
 * run that ends an event.
 */
#include "session/chain.h"
#include "base/mem.h"
#include "filter/macros.h"
#include "filter/registry.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

/* NULL: the chain has no filter of this number. */
static const struct filter_kind *kind_of(const struct session *s, size_t number)
{
    const struct plan *p = s->d.plan;
    const struct conf_filter *conf = &p->conf->filters[number];
    return conf->set.enabled && !p->without_children ? registry_kind(s->d.sh->registry, conf) : NULL;
}

/* NULL when the plan has no filter but the gate. */
static struct chain *chain_new(struct session *s)
{
    const struct plan *p = s->d.plan;
    size_t n = p->conf->n_filters, children = 0;
    for (size_t i = 0; i < n; i++)
        children += kind_of(s, i) != NULL;
    if (children == 0)
        return NULL;
    struct chain *ch = mem_zalloc(sizeof(*ch) + n * sizeof(ch->filter[0]));
    ch->count = (unsigned)n;
    ch->since = s->d.sh->now.mono;
    ch->last_status = VERDICT_CONTINUE;
    for (unsigned i = 0; i < ch->count; i++) {
        const struct filter_kind *kind = kind_of(s, i);
        if (kind)
            ch->filter[i] = kind->make(&s->d, &ch->common, &p->conf->filters[i], i);
    }
    if (!s->d.transcript)
        s->d.transcript = transcript_new(s->d.sh, s->d.client.owner);
    s->d.transcript->standing = ch->standing;
    s->d.transcript->quarantined = ch->quarantined;
    return ch;
}

static void forget_message(struct session *s, struct chain *ch)
{
    free(ch->common.notes);
    ch->common.notes = NULL;
    ch->common.n_notes = ch->common.cap_notes = 0;
    free(ch->memo);
    ch->memo = NULL;
    shared_keep_less(s->d.sh, ch->changes.len, 0);
    buf_fini(&ch->changes);
    arena_clear(&ch->common.message_texts);
}

static void end_filters(struct session *s, struct chain *ch)
{
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i])
            ch->filter[i]->ops->end(ch->filter[i]);
    forget_message(s, ch);
    arena_fini(&ch->common.connection_texts);
    arena_fini(&ch->common.message_texts);
    arena_fini(&ch->common.unknown_texts);
    free(ch);
}

static void free_filters(struct session *s)
{
    struct chain *ch = s->chain;
    if (!ch)
        return;
    chain_clear_message(s);
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        if (!f)
            continue;
        f->ops->hang_up(f);
        if (f->counted) /* before any message */
            chain_log_filter(s, f);
    }
    if (s->d.sh->out)
        chain_log_session(s);
    end_filters(s, ch);
    s->chain = NULL;
}

static void free_children(struct session *s)
{
    free_filters(s);
    transcript_free(s->d.transcript);
    s->d.transcript = NULL;
}

/* Which block of the file is a gate; where none is, the one that is there without a file. */
static void make_gate(struct session *s)
{
    const struct conf *conf = s->d.plan->conf;
    const struct registry *registry = s->d.sh->registry;
    unsigned i = 0;
    while (i < conf->n_filters && !registry_gate_kind(registry, &conf->filters[i]))
        i++;
    const struct conf_filter *block = i < conf->n_filters ? &conf->filters[i] : NULL;
    registry_gate_kind(registry, block)->make_gate(&s->gate, &s->d, block, i);
}

void chain_begin(struct session *s)
{
    make_gate(s);
    s->chain = chain_new(s);
}

void chain_close(struct session *s)
{
    struct filter *gate = chain_gate(s);
    gate->ops->hang_up(gate);
    if (!s->d.sh->stopping)
        gate->ops->clear(gate, FILTER_CONNECTION);
    free_children(s);
}

void chain_end(struct session *s)
{
    free_children(s);
    chain_gate(s)->ops->end(chain_gate(s));
}

/* What the MTA has said of the connection stays where it is, and is told to the new ones: the gate hears it at once. */
void chain_take_plan(struct session *s)
{
    struct chain *old = s->chain;
    for (unsigned i = 0; old && i < old->count; i++)
        if (old->filter[i])
            old->filter[i]->ops->hang_up(old->filter[i]);
    bool was_over = chain_gate(s)->connection_over;
    chain_gate(s)->ops->end(chain_gate(s));
    chain_begin(s);
    if (old && s->chain) {
        s->chain->since = old->since;
    } else if (old) {
        transcript_free(s->d.transcript);
        s->d.transcript = NULL;
    }
    if (old)
        end_filters(s, old);
    chain_judge_connection(s, was_over);
}

void chain_clear_connection(struct session *s)
{
    struct filter *gate = chain_gate(s);
    gate->ops->clear(gate, FILTER_CONNECTION);
    gate->ops->end(gate);
    if (s->chain) {
        free_filters(s);
        transcript_clear_connection(s->d.transcript);
    }
    chain_begin(s);
    if (!s->chain)
        free_children(s);
}

static void clear_filter(struct session *s, struct filter *f)
{
    if (f->counted)
        chain_log_filter(s, f);
    f->ops->clear(f, FILTER_MESSAGE);
    f->counted = f->quarantines = f->applied = f->stopped = f->without_recipient = f->rewound = f->look_again = false;
    f->asked = POLICY_LATER;
    f->rcpt_verdict = VERDICT_CONTINUE;
    if (!f->connection_over) { /* its word is for all messages of the connection */
        f->outcome = OUTCOME_PENDING;
        f->reply = SLICE_NONE;
    }
}

void chain_clear_message(struct session *s)
{
    struct chain *ch = s->chain;
    if (!ch)
        return;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i] && s->d.transcript->mail)
            clear_filter(s, ch->filter[i]);
    transcript_clear_message(s->d.transcript);
    forget_message(s, ch);
    ch->sent_body = ch->sent_changes = 0;
    ch->trouble = TROUBLE_NONE;
    ch->answering = ch->applied_own = false;
    ch->drain_request = 0;
    ch->send_deadline.ms = 0;
}

/* ---- what the MTA says: the envelope ---- */

void chain_macros(struct session *s, uint8_t for_cmd, struct slice pairs)
{
    (void)session_was_kept(s, transcript_record_macros(s->d.transcript, for_cmd, pairs));
}

void chain_connect(struct session *s, struct slice body)
{
    (void)session_was_kept(s, transcript_record_connect(s->d.transcript, body));
}

static void clear_scope(struct session *s, enum filter_scope scope)
{
    for (unsigned i = 0; i < s->chain->count; i++)
        if (s->chain->filter[i])
            s->chain->filter[i]->ops->clear(s->chain->filter[i], scope);
}

void chain_helo(struct session *s, struct slice body)
{
    if (!session_is_refused(s) && session_was_kept(s, transcript_record_helo(s->d.transcript, body)))
        clear_scope(s, FILTER_HELO);
}

void chain_mail(struct session *s, struct slice body)
{
    struct chain *ch = s->chain;
    transcript_record_mail(s->d.transcript, body);
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        if (!f || f->connection_over)
            continue;
        f->asked = POLICY_LATER; /* the condition may say something else of this message than of the connection */
        /* who has failed before the first message has failed for it: it is tried again at the next */
        if (f->outcome != OUTCOME_FALLBACK)
            f->outcome = OUTCOME_PENDING;
    }
}

void chain_keep_rcpt(struct session *s, struct slice body)
{
    (void)session_was_kept(s, transcript_keep_rcpt(s->d.transcript, body));
}

bool chain_rcpt(struct session *s)
{
    struct chain *ch = s->chain;
    struct transcript *t = s->d.transcript;
    clear_scope(s, FILTER_RECIPIENT);
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i] && ch->filter[i]->without_recipient) {
            ch->filter[i]->without_recipient = false;
            ch->filter[i]->asked = POLICY_YES; /* as it was before that DATA; it hears of the message from MAIL on */
        }
    if (transcript_record_rcpt(t) != ERR_NONE) {
        dialogue_log(&s->d, LOG_LEVEL_NOTICE, "refused with 452: the message has more recipients than are kept");
        return false;
    }
    struct filter_note *note = filter_note(&ch->common, t->present - 1);
    *note = (struct filter_note){0};
    for (unsigned i = 0; i < ch->count && !transcript_is_rejected(t, t->present - 1); i++)
        if (ch->filter[i])
            chain_judge_recipient(s, ch->filter[i], note);
    return true;
}

/* ---- the message ---- */

/*
 * No more headers are kept. What a sender does wrong is no filter's failure: no fallback may let such a message pass, and no
 * breaker may move. It is refused where a filter needs it, or may still; those that are only evaluated have no claim to it.
 */
static void headers_over(struct session *s, enum trouble trouble)
{
    struct chain *ch = s->chain;
    bool needed = false, watched = false;
    for (unsigned i = 0; i < ch->count; i++) {
        bool settled = !ch->filter[i] || filter_is_settled(ch->filter[i]);
        bool evaluated = !settled && ch->filter[i]->conf->set.evaluation;
        needed |= !settled && !evaluated;
        watched |= evaluated;
    }
    chain_stop(s);
    const char *why = trouble == TROUBLE_HEADERS ? "take more than 4096 KiB" : "find no room";
    if (needed) {
        ch->trouble = (uint8_t)trouble;
        dialogue_log(&s->d, LOG_LEVEL_NOTICE, "from %.*s: message refused with %s: its headers %s", SLICE_ARG(s->d.sender),
                     trouble == TROUBLE_HEADERS ? "552" : "452", why);
    } else if (watched) {
        dialogue_log(&s->d, LOG_LEVEL_NOTICE, "headers %s: filters that are only evaluated do not see the message", why);
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
        s->chain->trouble = TROUBLE_ROOM;
}

void chain_eom(struct session *s, struct slice chunk)
{
    if (s->d.transcript->goal < STAGE_EOH)
        chain_eoh(s); /* an MTA that was asked to leave it out */
    if (transcript_record_eom(s->d.transcript, chunk, peeks(s)) != ERR_NONE)
        s->chain->trouble = TROUBLE_ROOM;
}

void chain_unknown(struct session *s, struct slice line)
{
    struct chain *ch = s->chain;
    arena_clear(&ch->common.unknown_texts);
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        if (!f || !f->ops->unknown)
            continue;
        f->unknown_verdict = VERDICT_CONTINUE;
        f->ops->unknown(f, line);
    }
}

/* ---- how the others stand to one ---- */

static bool is_blocked(const struct chain *ch, const struct filter *f)
{
    for (unsigned i = 0; i < f->number && !f->conf->sees_original; i++)
        if (ch->filter[i] && chain_filter_may_edit(ch->filter[i]))
            return true;
    return false;
}

static bool is_overtaken(const struct chain *ch, const struct filter *f)
{
    for (unsigned i = f->number + 1u; i < ch->count; i++) {
        const struct filter *behind = ch->filter[i];
        if (behind && !behind->conf->sees_original && !behind->conf->set.evaluation &&
            behind->ops->position(behind).has_begun)
            return true;
    }
    return false;
}

static struct filter_place place_of(const struct session *s, const struct filter *f)
{
    return (struct filter_place){
        .is_blocked = is_blocked(s->chain, f),
        .is_overtaken = is_overtaken(s->chain, f),
        .recipients_open = chain_has_undecided(s, f),
    };
}

/* ---- events ---- */

static void give(struct session *s, struct filter *f, const struct event *event)
{
    struct filter_place place = place_of(s, f);
    f->ops->event(f, &place, event);
}

void chain_event(struct session *s, const struct event *event)
{
    struct chain *ch = s->chain;
    if (!ch || (event->kind == EVENT_DNS && event->request == 0) || (event->kind == EVENT_SPOOL && !s->d.transcript->mail))
        return;
    if (event->kind == EVENT_DNS && macros_resolved(&ch->common, event))
        return;
    if (event->kind == EVENT_SPOOL && deliver_spooled(s, event))
        return;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i])
            give(s, ch->filter[i], event);
}

void chain_child_event(struct session *s, unsigned number, const struct event *event)
{
    if (s->chain && number < s->chain->count && s->chain->filter[number])
        give(s, s->chain->filter[number], event);
}

void chain_tick(struct session *s)
{
    if (!s->chain)
        return;
    deliver_check_deadline(s);
    chain_event(s, &(struct event){.kind = EVENT_TICK, .now = s->d.sh->now});
}

int64_t chain_deadline_ms(const struct session *s)
{
    if (!s->chain)
        return 0;
    int64_t first = s->chain->send_deadline.ms;
    for (unsigned i = 0; i < s->chain->count; i++) {
        const struct filter *f = s->chain->filter[i];
        int64_t deadline_ms = f ? f->ops->deadline_ms(f) : 0;
        if (deadline_ms != 0 && (first == 0 || deadline_ms < first))
            first = deadline_ms;
    }
    return first;
}

/* ---- the run ---- */

/* An earlier filter has changed the envelope: it hears of this message from its beginning. False: nothing is different for it. */
static bool rewind_filter(struct session *s, struct filter *f, const struct filter_place *place)
{
    const struct transcript *t = s->d.transcript;
    bool is_due = t->goal >= STAGE_HEADER && !place->is_blocked && f->ops->position(f).next == STAGE_HEADER;
    if (!is_due || f->rewound || filter_is_settled(f) || !mail_envelope_differs(t->mail, MAIL_ORIGINAL, filter_view(f)))
        return false;
    f->rewound = true;
    f->ops->rewind(f);
    return true;
}

static void lead(struct session *s, struct filter *f)
{
    if (!chain_may_lead(s, f))
        return;
    struct filter_place place = place_of(s, f);
    (void)rewind_filter(s, f, &place);
    f->state = (uint8_t)f->ops->advance(f, &place);
    if (rewind_filter(s, f, &place))
        f->state = (uint8_t)f->ops->advance(f, &place);
}

static void lead_all(struct session *s)
{
    struct chain *ch = s->chain;
    bool earlier_done = true;
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        bool was_settled = !f || filter_is_settled(f);
        chain_decide(s, i, earlier_done);
        if (!f)
            continue;
        lead(s, f);
        if (!was_settled && filter_is_settled(f))
            chain_apply(s); /* edits may have waited for it, and the next one is to see them */
        earlier_done &= filter_is_settled(f);
    }
}

/* The command that waits has passed the gate: it is a part of what the others hear. */
void chain_pass(struct session *s)
{
    session_set_wait(s, WAIT_NOTHING);
    if (!s->chain)
        return;
    if (s->d.owed == SMFIC_RCPT && !chain_rcpt(s))
        chain_refuse_rcpt(s);
    else if (s->d.owed == SMFIC_DATA)
        transcript_record_data(s->d.transcript);
}

void chain_to_gate(struct session *s)
{
    s->flags |= FLAG_AT_GATE | FLAG_GATE_BEGINS;
}

void chain_gate_event(struct session *s, const struct event *event)
{
    chain_gate(s)->ops->event(chain_gate(s), &(struct filter_place){0}, event);
}

/* A gate's word on the command that waits. False: it has not been passed. */
static bool pass_gate(struct session *s)
{
    struct filter *gate = chain_gate(s);
    if (!(s->flags & FLAG_AT_GATE))
        return true;
    struct filter_place place = {
        .stage = (enum stage)milter_command_kind(s->d.owed)->stage,
        .begins = s->flags & FLAG_GATE_BEGINS,
    };
    s->flags &= ~(uint32_t)FLAG_GATE_BEGINS;
    gate->state = (uint8_t)gate->ops->advance(gate, &place);
    if (filter_waits(gate)) {
        if (s->wait != WAIT_GATE)
            session_set_wait(s, WAIT_GATE);
        session_arm_timer(s);
        return false;
    }
    s->flags &= ~(uint32_t)FLAG_AT_GATE;
    if (gate->rcpt_verdict == VERDICT_CONTINUE) {
        chain_pass(s);
        return true;
    }
    if (place.stage == STAGE_EOM)
        chain_reply_last(s, gate->reply);
    else
        session_reply(s, gate->reply);
    return false;
}

static void run(struct session *s)
{
    bool passed = pass_gate(s);
    if (s->chain) {
        chain_apply(s);
        lead_all(s);
        chain_settle(s);
    } else if (passed && s->d.owed == SMFIC_BODYEOB && s->wait == WAIT_NOTHING) {
        deliver_alone(s);
    } else if (s->d.owed && s->wait == WAIT_NOTHING) {
        session_reply_code(s, SMFIR_CONTINUE);
    }
}

void chain_run(struct session *s)
{
    if (s->phase == PHASE_OVER)
        return;
    run(s);
    waiting_trace(s);
}

void chain_client_gone(struct session *s)
{
    struct chain *ch = s->chain;
    s->d.sh->stats.gone++;
    ch->answering = false; /* of a new body that is on its way to the MTA no more is sent */
    dialogue_log_gone(&s->d, "gone while a filter was awaited");
    session_reply_gone(s, "Client is gone");
    for (unsigned i = 0; i < ch->count; i++) {
        struct filter *f = ch->filter[i];
        if (!f || filter_is_settled(f))
            continue;
        f->ops->hang_up(f);
        f->stopped = true;
        f->outcome = OUTCOME_FINAL; /* nothing more is asked about this message */
        f->verdict = VERDICT_TEMPFAIL;
    }
}
