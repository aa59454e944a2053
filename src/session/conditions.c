/* conditions.c - what filters' conditions are told of the session, and who is asked about it: the gate, and the others. */
#include "base/mem.h"
#include "session/chain.h"
#include "dialogue/facts.h"

static enum stage stage_of(const struct session *s)
{
    enum stage goal = (enum stage)s->d.transcript->goal;
    return goal == STAGE_END ? STAGE_EOM : goal; /* conditions know no stage behind it */
}

static struct policy_memo *memo_of(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    size_t n = policy_memos(s->d.plan->policy);
    if (ch && t->mail && !ch->memo && n > 0)
        ch->memo = mem_zalloc(n * sizeof(*ch->memo));
    return ch ? ch->memo : NULL;
}

/* note: of the recipient; NULL: it has none yet, or there is no recipient. */
static enum policy_truth judge(struct session *s, unsigned number, struct slice recipient, struct filter_note *note,
                               enum stage stage, uint64_t *missing)
{
    struct policy_facts facts = dialogue_facts(&s->d, stage);
    struct policy_why why;
    uint64_t wanted = 0;
    facts.recipient = recipient;
    facts.memo = memo_of(s);
    facts.recipient_memo = note ? &note->memo : NULL;
    enum policy_truth truth = filter_condition(&s->d, number, &facts, &why, &wanted);
    *missing |= wanted;
    return truth;
}

bool chain_facts_ready(struct session *s, enum stage stage)
{
    uint64_t missing = 0;
    if (!policy_conditions_ask(s->d.plan->policy))
        return true;
    for (unsigned i = 0; i < policy_filter_count(s->d.plan->policy); i++) {
        uint64_t wanted = 0;
        (void)judge(s, i, stage == STAGE_RCPT ? s->d.recipient : SLICE_NONE, NULL, stage, &wanted);
        if (i == chain_gate(s)->number)
            wanted &= ~POLICY_FACT_HELO; /* the gate asks for it once it is clear that it matters */
        missing |= wanted;
    }
    if (facts_ready(&s->d, missing))
        return true;
    session_set_wait(s, WAIT_FACTS);
    return false;
}

/* ---- the gate ---- */

/* Without a gate in the file each session would say that it passes. */
static void log_passed(struct session *s, const struct policy_why *why)
{
    const struct filter *gate = chain_gate(s);
    if (!s->chain || gate->conf)
        dialogue_log_passed(&s->d, why, filter_only_evaluates(gate));
}

/* The first of them that holds; a word of points is enough for a line of the log. */
static uint8_t suspicion_of(const struct policy_why *why)
{
    int points = why->generic_points < 0 ? 0 : why->generic_points;
    if (why->s25r_rule >= 0)
        return (uint8_t)(SUSPICION_S25R + why->s25r_rule);
    if (why->is_nameless)
        return SUSPICION_NAMELESS;
    if (!why->is_generic)
        return SUSPICION_NONE;
    return (uint8_t)(points > UINT8_MAX - SUSPICION_POINTS ? UINT8_MAX : SUSPICION_POINTS + points);
}

static void trace_facts(struct session *s, enum stage stage, enum policy_truth truth, const struct policy_why *why)
{
    static const char *const look_ups[] = {[RESOLVE_ABSENT] = "not told",
                                           [RESOLVE_OK] = "ok",
                                           [RESOLVE_FORGED] = "forged",
                                           [RESOLVE_TEMP] = "temp",
                                           [RESOLVE_FAIL] = "fail"};
    trace_line(&s->d, "facts at %s: name %.*s, look-up %s, S25R rule %d, generic points %d, stress %s: greylist filter %s",
               stage_name(stage), SLICE_ARG(s->d.host), look_ups[s->d.resolve], why->s25r_rule, why->generic_points,
               dialogue_is_stressed(&s->d) ? "yes" : "no", truth == POLICY_NO ? "not asked" : "asked");
}

/* False: it says no. */
static bool judge_gate(struct session *s, enum stage stage, struct policy_why *why)
{
    struct policy_facts facts = dialogue_facts(&s->d, stage);
    uint64_t missing;
    enum policy_truth truth = filter_condition(&s->d, chain_gate(s)->number, &facts, why, &missing);
    trace_facts(s, stage, truth, why);
    if (truth != POLICY_NO)
        s->d.suspicion = suspicion_of(why);
    return truth != POLICY_NO;
}

/* A client that passed at CONNECT goes on for the other filters: its line is written at each MAIL. */
static void log_passed_before(struct session *s)
{
    struct policy_facts facts = dialogue_facts(&s->d, STAGE_CONNECT);
    struct policy_why why;
    uint64_t missing;
    /* stress or the time may say otherwise by now */
    bool still = filter_condition(&s->d, chain_gate(s)->number, &facts, &why, &missing) == POLICY_NO;
    log_passed(s, still ? &why : NULL);
}

static bool is_asked(struct session *s, enum stage stage)
{
    struct policy_why why;
    if (judge_gate(s, stage, &why))
        return true;
    s->d.sh->stats.passed++;
    if (stage != STAGE_CONNECT || !s->chain) /* else log_passed_before(), when the sender is known */
        log_passed(s, &why);
    return false;
}

static bool is_asked_about_message(struct session *s)
{
    struct filter *gate = chain_gate(s);
    if (gate->connection_over)
        log_passed_before(s);
    else if (is_asked(s, STAGE_MAIL))
        gate->asked = POLICY_YES;
    return gate->asked == POLICY_YES;
}

static bool is_asked_about_recipient(struct session *s)
{
    struct filter *gate = chain_gate(s);
    if (gate->asked != POLICY_YES || (s->d.transcript && transcript_rcpt_is_rejected(s->d.transcript)))
        return false; /* or the MTA has refused it by itself */
    if (!policy_filter_is_per_recipient(s->d.plan->policy, gate->number) || is_asked(s, STAGE_RCPT))
        return true;
    filter_pass_by(gate);
    return false;
}

bool chain_gate_is_asked(struct session *s, enum stage stage)
{
    if (stage == STAGE_MAIL)
        return is_asked_about_message(s);
    if (stage == STAGE_RCPT)
        return is_asked_about_recipient(s);
    bool asked = is_asked(s, stage);
    chain_gate(s)->connection_over = !asked;
    return asked;
}

void chain_judge_connection(struct session *s, bool was_over)
{
    struct policy_why why;
    bool is_over = !judge_gate(s, STAGE_CONNECT, &why);
    chain_gate(s)->connection_over = is_over;
    s->d.sh->stats.passed += is_over && !was_over;
}

/* ---- the others ---- */

bool chain_may_start(const struct session *s)
{
    const struct filter *gate = chain_gate_const(s);
    if (gate->connection_over)
        return true;
    if (s->phase < PHASE_MAIL)
        return false; /* the gate may still be asked: nobody costs anything before it lets a recipient through */
    return gate->ops->gate->is_open(gate);
}

/*
 * Recipients of which its condition could not tell yet. At RCPT only the present one: what it lacked of the others comes with later
 * stages, and to ask about all of them at each new one would take a client's thousand recipients half a million judgements.
 */
static void decide_recipients(struct session *s, struct filter *f, enum stage stage)
{
    const struct transcript *t = s->d.transcript;
    struct chain *ch = s->chain;
    uint32_t bit = 1u << f->number;
    uint64_t missing = 0;
    if (f->asked == POLICY_NO)
        return; /* of this message none is its */
    bool shown = false, later = false;
    struct mail_cursor cursor = {0};
    struct slice address, esmtp;
    unsigned number;
    while (mail_next_recipient(t->mail, MAIL_ORIGINAL, &cursor, &address, &esmtp, &number)) {
        struct filter_note *note = &ch->common.notes[number];
        if (!transcript_recipient_counts(t, number))
            continue;
        if ((note->later & bit) && (stage > STAGE_RCPT || number + 1 == t->present)) {
            enum policy_truth truth = judge(s, f->number, address, note, stage, &missing);
            if (truth != POLICY_LATER)
                note->later &= ~bit;
            if (truth == POLICY_YES) {
                note->shown |= bit;
                f->look_again = true; /* it may stand before one that it has been told */
            }
        }
        shown |= (note->shown & bit) != 0;
        later |= (note->later & bit) != 0;
    }
    if (shown)
        f->asked = POLICY_YES;
    else if (!later && stage >= STAGE_DATA)
        f->asked = POLICY_NO;
}

void chain_judge_recipient(struct session *s, struct filter *f, struct filter_note *note)
{
    struct policy_facts facts = dialogue_facts(&s->d, STAGE_RCPT);
    struct policy_why why;
    uint32_t bit = 1u << f->number;
    uint64_t missing = 0;
    if (!policy_filter_is_per_recipient(s->d.plan->policy, f->number))
        return;
    facts.memo = memo_of(s);
    facts.recipient_memo = &note->memo;
    if (f->asked == POLICY_NO && !f->connection_over)
        f->asked = POLICY_LATER; /* none was its so far */
    switch (filter_condition(&s->d, f->number, &facts, &why, &missing)) {
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
}

bool chain_has_undecided(const struct session *s, const struct filter *f)
{
    const struct transcript *t = s->d.transcript;
    for (size_t i = 0; i < t->n_recipients; i++)
        if (!t->recipients[i].refused && (s->chain->common.notes[i].later & (1u << f->number)))
            return true;
    return false;
}

static void decide(struct session *s, struct filter *f, enum stage stage)
{
    uint64_t missing = 0;
    if (f->connection_over)
        return;
    if (s->d.transcript->mail && stage >= STAGE_RCPT && policy_filter_is_per_recipient(s->d.plan->policy, f->number)) {
        decide_recipients(s, f, stage);
        return;
    }
    if (f->asked == POLICY_LATER)
        f->asked = (uint8_t)judge(s, f->number, SLICE_NONE, NULL, stage, &missing);
    if (f->asked == POLICY_NO)
        f->outcome = OUTCOME_PENDING; /* what it failed at before the message is of no interest in it */
}

/* What conditions of later filters can ask about the gate, or one that is not enabled. */
static enum policy_standing standing_of_other(const struct session *s, unsigned number)
{
    const struct filter *gate = chain_gate_const(s);
    if (number != gate->number || gate->connection_over)
        return FILTER_NOT_ASKED;
    if (s->d.transcript->goal < STAGE_RCPT)
        return FILTER_PENDING;
    return gate->asked == POLICY_YES ? FILTER_CONTINUED : FILTER_NOT_ASKED;
}

/* What conditions of later filters can ask about one. */
static enum policy_standing standing_of(const struct filter *f)
{
    static const enum policy_standing standings[] = {
        [VERDICT_ACCEPT] = FILTER_ACCEPTED, [VERDICT_CONTINUE] = FILTER_CONTINUED, [VERDICT_TEMPFAIL] = FILTER_TEMPFAILED,
        [VERDICT_REJECT] = FILTER_REJECTED, [VERDICT_DISCARD] = FILTER_DISCARDED,
    };
    if (f->outcome == OUTCOME_FALLBACK)
        return FILTER_FAILED;
    if (f->stopped || f->asked == POLICY_NO)
        return FILTER_NOT_ASKED;
    return f->outcome == OUTCOME_FINAL ? standings[f->verdict] : FILTER_PENDING;
}

void chain_decide(struct session *s, unsigned number, bool earlier_done)
{
    struct chain *ch = s->chain;
    struct filter *f = ch->filter[number];
    enum stage stage = stage_of(s);
    if (!f) {
        ch->standing[number] = (uint8_t)standing_of_other(s, number);
        return;
    }
    /* At the very end a filter that is still at work counts as one of which nothing is known: so that is not asked before. */
    if (stage != STAGE_HEADER) /* all headers are looked at together, at their end */
        decide(s, f, stage == STAGE_EOM && !earlier_done ? STAGE_BODY : stage);
    ch->standing[number] = (uint8_t)standing_of(f);
    ch->quarantined[number] = f->quarantines;
}
