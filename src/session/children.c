/*
 * children.c - life of the manager's side of a session: whose conditions hold, who is started, who has failed, and what is left
 * when a message or the connection ends. How a child is led through a message is talk.c's.
 */
#include "session/children.h"
#include "base/mem.h"
#include "session/facts.h"

#include <stdlib.h>
#include <string.h>

static bool is_child(const struct milter *c)
{
    return c->conf && !c->conf->builtin && c->conf->set.enabled;
}

/* ---- life ---- */

static void init_child(struct session *s, struct milter *c, unsigned number)
{
    const struct conf_filter *conf = &s->d.plan->conf->filters[number];
    *c = (struct milter){.session = s, .number = (uint8_t)number, .conf = conf, .asked = POLICY_LATER};
    if (!is_child(c)) {
        c->asked = POLICY_NO;
        return;
    }
    c->record = registry_record(s->d.sh->registry, conf->name, conf->connect);
    c->limits = (struct link_limits){
        .connect_ms = conf->set.timeout_connect_sec * 1000,
        .command_ms = conf->set.timeout_command_sec * 1000,
        .message_ms = conf->set.timeout_message_sec * 1000,
        .eom_ms = conf->set.timeout_eom_sec * 1000,
        .progress_max_ms = conf->set.progress_max_sec * 1000,
    };
}

struct children *children_new(struct session *s)
{
    const struct conf *conf = s->d.plan->conf;
    bool any = false;
    for (size_t i = 0; i < conf->n_filters && !s->d.plan->without_children; i++)
        any |= !conf->filters[i].builtin && conf->filters[i].set.enabled;
    if (!any)
        return NULL;
    struct children *ch = mem_zalloc(sizeof(*ch) + conf->n_filters * sizeof(ch->child[0]));
    ch->count = (unsigned)conf->n_filters;
    ch->any_child = any;
    ch->since = s->d.sh->now.mono;
    ch->last_status = VERDICT_CONTINUE;
    for (unsigned i = 0; i < ch->count; i++)
        init_child(s, &ch->child[i], i);
    if (!s->d.transcript)
        s->d.transcript = transcript_new(s->d.sh, s->d.client.owner);
    return ch;
}

/* What filters have of a message. The transcript's part has gone before: its mail borrows new bodies. */
static void free_message_of(struct session *s, struct children *ch)
{
    free(ch->notes);
    ch->notes = NULL;
    ch->n_notes = ch->cap_notes = 0;
    free(ch->memo);
    ch->memo = NULL;
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->child[i].new_body) {
            spool_drop(s->d.sh, s->d.client.owner, ch->child[i].new_body);
            free(ch->child[i].new_body);
            ch->child[i].new_body = NULL;
        }
    shared_keep_less(s->d.sh, ch->changes.len, 0);
    buf_fini(&ch->changes);
    arena_clear(&ch->message_texts);
}

/* What is left of it when its message is freed. */
static void free_rest_of(struct children *ch)
{
    arena_fini(&ch->connection_texts);
    arena_fini(&ch->message_texts);
    arena_fini(&ch->unknown_texts);
    free(ch);
}

static void free_filters(struct session *s)
{
    struct children *ch = s->children;
    if (!ch)
        return;
    children_clear_message(s);
    for (unsigned i = 0; i < ch->count; i++) {
        child_hang_up(&ch->child[i]);
        if (ch->child[i].counted) /* before any message */
            children_log_child(&ch->child[i]);
    }
    if (ch->any_child && s->d.sh->out)
        children_log_session(s);
    free_rest_of(ch);
    s->children = NULL;
}

void children_free(struct session *s)
{
    free_filters(s);
    transcript_free(s->d.transcript);
    s->d.transcript = NULL;
}

void children_take_plan(struct session *s)
{
    struct children *old = s->children;
    for (unsigned i = 0; i < old->count; i++)
        child_hang_up(&old->child[i]);
    struct children *ch = children_new(s);
    if (ch) /* what the MTA has said of the connection is replayed to the new ones */
        ch->since = old->since;
    free_message_of(s, old);
    free_rest_of(old);
    s->children = ch;
    if (!ch) {
        transcript_free(s->d.transcript);
        s->d.transcript = NULL;
    }
}

static void reset_for_message(struct session *s, struct milter *c)
{
    if (c->counted)
        children_log_child(c);
    child_abort(c);
    c->counted = c->was_quarantined = c->skips = c->skips_rcpt = c->skips_header = false;
    c->asked = is_child(c) ? POLICY_LATER : POLICY_NO;
    c->header = c->rcpt = (struct mail_cursor){0};
    c->rcpt_good = 0;
    c->body_told = 0;
    c->spool_writes = 0;
    c->reading = false;
    c->rcpt_verdict = VERDICT_CONTINUE;
    if (!c->connection_over) {
        c->outcome = OUTCOME_PENDING;
        c->refusal = SLICE_NONE;
    }
    if (c->paused && c->id) {
        c->paused = false;
        effects_add(s->d.sh->out, EFFECT_CHILD_RESUME, 0)->u.child.id = c->id;
    }
    c->replayed = c->applied = c->stopped = c->without_recipient = false;
    mail_edits_fini(&c->edits);
    if (c->link && c->next > STAGE_HELO)
        c->next = STAGE_HELO; /* where it is seen whether there is a new one */
}

void children_clear_message(struct session *s)
{
    struct children *ch = s->children;
    if (!ch)
        return;
    if (s->d.transcript->mail)
        for (unsigned i = 0; i < ch->count; i++)
            reset_for_message(s, &ch->child[i]);
    transcript_clear_message(s->d.transcript);
    free_message_of(s, ch);
    ch->sent_body = 0;
    ch->sent_changes = 0;
    ch->trouble = TROUBLE_NONE;
    ch->answering = false;
    ch->drain_request = 0;
    ch->send_deadline.ms = 0;
    for (unsigned i = 0; i < ch->count; i++)
        if (!ch->child[i].connection_over) /* its word is for all messages of the connection */
            ch->standing[i] = FILTER_PENDING;
    memset(ch->quarantined, 0, sizeof(ch->quarantined));
}

void children_clear_connection(struct session *s)
{
    if (!s->children)
        return;
    free_filters(s);
    transcript_clear_connection(s->d.transcript);
    s->children = children_new(s);
    if (!s->children)
        children_free(s);
}

/* ---- facts ---- */

static bool next_header(const void *ctx, size_t n, struct slice *name, struct slice *value)
{
    const struct session *s = ctx;
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    if (!ch || !t->mail)
        return false;
    if (n == 0 || n != ch->header_at) { /* asked in order, mostly: the cursor is where the last call left it */
        ch->header_cursor = (struct mail_cursor){0};
        ch->header_at = 0;
    }
    do {
        if (!mail_next_header(t->mail, MAIL_ORIGINAL, &ch->header_cursor, name, value)) {
            ch->header_at = 0;
            return false;
        }
    } while (ch->header_at++ < n);
    return true;
}

static bool next_recipient(const void *ctx, size_t n, struct slice *address)
{
    const struct session *s = ctx;
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    struct slice esmtp;
    unsigned number;
    if (!ch || !t->mail)
        return false;
    if (n == 0 || n != ch->recipient_at) { /* as with headers: a thousand recipients are not gone through a thousand times */
        ch->recipient_cursor = (struct mail_cursor){0};
        ch->recipient_at = 0;
    }
    while (mail_next_recipient(t->mail, MAIL_ORIGINAL, &ch->recipient_cursor, address, &esmtp, &number))
        if (transcript_recipient_counts(t, number) && ch->recipient_at++ == n)
            return true;
    ch->recipient_at = 0;
    return false;
}

struct policy_session_facts children_facts(const struct session *s)
{
    const struct transcript *t = s->d.transcript;
    const struct children *ch = s->children;
    struct policy_session_facts more = {
        .stressed = (s->d.flags & DIALOGUE_MTA_STRESS) || shared_is_stressed(s->d.sh),
        .open_sessions = s->d.sh->stats.open,
        .macro = session_macro,
        .header = next_header,
        .recipient = next_recipient,
        .ctx = s,
        .listed = facts_listed(s),
    };
    if (ch) {
        more.standing = ch->standing;
        more.quarantined = ch->quarantined;
        more.body = slice_upto(buf_slice(&t->peek), POLICY_BODY_MAX_BYTES);
        more.body_complete = t->goal >= STAGE_EOM || t->peek.len >= POLICY_BODY_MAX_BYTES;
        more.size_bytes = t->size_bytes;
    }
    return more;
}

enum stage children_stage(const struct session *s)
{
    enum stage goal = (enum stage)s->d.transcript->goal;
    return goal == STAGE_END ? STAGE_EOM : goal; /* conditions know no stage behind it */
}

/* ---- conditions ---- */

struct policy_memo *children_memo(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    size_t n = policy_memos(s->d.plan->policy);
    if (ch && t->mail && !ch->memo && n > 0)
        ch->memo = mem_zalloc(n * sizeof(*ch->memo));
    return ch ? ch->memo : NULL;
}

/* note: of the recipient; NULL: it has none yet, or there is no recipient. */
static enum policy_truth judge(struct session *s, unsigned number, struct slice recipient, struct recipient_note *note,
                               enum stage stage, uint64_t *missing)
{
    struct policy_facts facts = session_facts(s, stage);
    struct policy_why why;
    uint64_t wanted = 0;
    facts.recipient = recipient;
    facts.memo = children_memo(s);
    facts.recipient_memo = note ? &note->memo : NULL;
    enum policy_truth truth = policy_filter_when(s->d.plan->policy, number, &facts, &why, &wanted);
    session_note_effort(s);
    *missing |= wanted;
    return truth;
}

bool children_facts_ready(struct session *s, enum stage stage, void (*then)(struct session *s))
{
    uint64_t missing = 0;
    if (!policy_conditions_ask(s->d.plan->policy))
        return true;
    for (unsigned i = 0; i < policy_filter_count(s->d.plan->policy); i++)
        (void)judge(s, i, stage == STAGE_RCPT ? s->d.recipient : SLICE_NONE, NULL, stage, &missing);
    return facts_ready(s, missing, then);
}

void children_dns_answered(struct session *s, const struct event *event)
{
    struct children *ch = s->children;
    if (!ch || event->request == 0)
        return;
    if (ch->if_name_request == event->request) {
        ch->if_name_request = 0;
        ch->if_name_known = true;
        if (event->u.dns.status == DNS_FOUND)
            ch->if_name = arena_slice(&ch->connection_texts, slice_upto(event->u.dns.name, 255));
    } else {
        for (unsigned i = 0; i < ch->count; i++)
            if (ch->child[i].dns_request == event->request)
                child_resolved(&ch->child[i], event);
    }
}

/* ---- who is asked ---- */

bool children_may_start(const struct session *s)
{
    if (s->flags & FLAG_GREYLIST_NOT_APPLICABLE)
        return true;
    if (s->phase < PHASE_MAIL)
        return false; /* the greylist filter may still be asked: nobody costs anything before it lets a recipient through */
    return !(s->flags & FLAG_ASKED) || (s->flags & FLAG_RCPT_UNFILTERED) || s->accepted > 0;
}

/*
 * Recipients of which its condition could not tell yet. At RCPT only the present one: what it lacked of the others comes with later
 * stages, and to ask about all of them at each new one would take a client's thousand recipients half a million judgements.
 */
static void decide_recipients(struct session *s, struct milter *c, enum stage stage)
{
    const struct transcript *t = s->d.transcript;
    struct children *ch = s->children;
    uint32_t bit = 1u << c->number;
    uint64_t missing = 0;
    if (c->asked == POLICY_NO)
        return; /* of this message none is its */
    bool shown = false, later = false;
    struct mail_cursor cursor = {0};
    struct slice address, esmtp;
    unsigned number;
    while (mail_next_recipient(t->mail, MAIL_ORIGINAL, &cursor, &address, &esmtp, &number)) {
        struct recipient_note *note = &ch->notes[number];
        if (!transcript_recipient_counts(t, number))
            continue;
        if ((note->later & bit) && (stage > STAGE_RCPT || number + 1 == t->present)) {
            enum policy_truth truth = judge(s, c->number, address, note, stage, &missing);
            if (truth != POLICY_LATER)
                note->later &= ~bit;
            if (truth == POLICY_YES) {
                note->shown |= bit;
                c->rcpt = (struct mail_cursor){0}; /* it may stand before one that it has been told */
            }
        }
        shown |= (note->shown & bit) != 0;
        later |= (note->later & bit) != 0;
    }
    if (shown)
        c->asked = POLICY_YES;
    else if (!later && stage >= STAGE_DATA)
        c->asked = POLICY_NO;
}

bool child_has_undecided(const struct milter *c)
{
    const struct transcript *t = c->session->d.transcript;
    const struct children *ch = c->session->children;
    for (size_t i = 0; i < t->n_recipients; i++)
        if (!t->recipients[i].refused && (ch->notes[i].later & (1u << c->number)))
            return true;
    return false;
}

static void decide(struct session *s, struct milter *c, enum stage stage)
{
    uint64_t missing = 0;
    if (!is_child(c) || c->connection_over)
        return;
    if (s->d.transcript->mail && stage >= STAGE_RCPT && policy_filter_is_per_recipient(s->d.plan->policy, c->number)) {
        decide_recipients(s, c, stage);
        return;
    }
    if (c->asked == POLICY_LATER)
        c->asked = (uint8_t)judge(s, c->number, SLICE_NONE, NULL, stage, &missing);
    if (c->asked == POLICY_NO) {
        s->children->standing[c->number] = FILTER_NOT_ASKED;
        c->outcome = OUTCOME_PENDING; /* what it failed at before the message is of no interest in it */
    }
}

/* What conditions of later filters can ask about one that is not a child, or is not enabled. */
static enum policy_standing standing_of_other(const struct session *s, const struct milter *c)
{
    if (!c->conf->builtin || (s->flags & FLAG_GREYLIST_NOT_APPLICABLE))
        return FILTER_NOT_ASKED;
    if (s->d.transcript->goal < STAGE_RCPT)
        return FILTER_PENDING;
    return s->flags & FLAG_ASKED ? FILTER_CONTINUED : FILTER_NOT_ASKED;
}

void children_decide(struct session *s)
{
    struct children *ch = s->children;
    enum stage stage = children_stage(s);
    bool earlier_done = true;
    for (unsigned i = 0; i < ch->count; i++) {
        struct milter *c = &ch->child[i];
        bool was_settled = child_is_settled(c);
        if (!is_child(c))
            ch->standing[i] = (uint8_t)standing_of_other(s, c);
        /* At the very end a filter that is still at work counts as one of which nothing is known: so that is not asked before. */
        if (stage != STAGE_HEADER) /* all headers are looked at together, at their end */
            decide(s, c, stage == STAGE_EOM && !earlier_done ? STAGE_BODY : stage);
        child_lead(c);
        if (!was_settled && child_is_settled(c))
            children_apply(s); /* edits may have waited for it, and the next one is to see them */
        earlier_done &= child_is_settled(c);
    }
}

bool child_is_settled(const struct milter *c)
{
    return !is_child(c) || c->asked == POLICY_NO || c->outcome != OUTCOME_PENDING || c->connection_over;
}

bool child_actions_edit(uint32_t actions)
{
    return actions & (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT |
                      SMFIF_CHGFROM);
}

bool child_may_edit(const struct milter *c)
{
    if (!is_child(c) || c->conf->set.evaluation)
        return false;
    if (c->link && c->link->state != LINK_CONNECTING && c->link->state != LINK_NEGOTIATING && c->link->state != LINK_NEW)
        return child_actions_edit(c->link->got.actions | c->record->unnegotiated);
    return !c->record->required.known || child_actions_edit(c->record->required.options.actions);
}

bool child_is_overtaken(const struct milter *c)
{
    const struct children *ch = c->session->children;
    for (unsigned i = c->number + 1u; i < ch->count; i++) {
        const struct milter *behind = &ch->child[i];
        bool has_seen = behind->header.at || behind->body_told > 0 || behind->next > STAGE_HEADER;
        if (has_seen && !behind->conf->sees_original && !behind->conf->set.evaluation)
            return true;
    }
    return false;
}

/* ---- ends ---- */

/* The client, or another filter, has ended it. That it has answered all that it was asked is proof; a connection alone is none. */
static void end_probe(struct milter *c)
{
    if (!c->probe)
        return;
    if (c->link && c->link->state == LINK_IDLE && c->link->late == 0 && c->has_answered)
        child_served(c);
    breaker_unproven(&c->record->breaker, c->probe, c->session->d.sh->now.mono);
    c->probe = 0;
}

void child_hang_up(struct milter *c)
{
    struct session *s = c->session;
    end_probe(c);
    if (!c->id)
        return;
    struct link *l = c->link;
    if (l->state == LINK_IDLE || l->state == LINK_ASKED) {
        struct buf out = {0};
        child_abort(c);
        link_ask(l, &(struct milter_command){.cmd = SMFIC_QUIT}, SLICE_NONE, s->d.sh->now.mono, &out);
        effects_child_send(s->d.sh->out, c->id, buf_slice(&out));
        buf_fini(&out);
    }
    effects_add(s->d.sh->out, EFFECT_CHILD_CLOSE, 0)->u.child.id = c->id;
    registry_connection_forget(s->d.sh->registry, c->id);
    link_fini(l);
    free(l);
    c->link = NULL;
    c->id = 0;
    c->next = STAGE_CONNECT;
    c->helo_told = 0;
    c->in_transaction = c->paused = c->reading = c->draining = c->has_answered = false;
    c->unanswered_bytes = 0;
}

static void tell_breaker(struct session *s, const struct milter *c)
{
    const struct breaker *b = &c->record->breaker;
    if (b->state == BREAKER_CLOSED)
        effects_log(s->d.sh->out, s->d.client.owner, LOG_LEVEL_NOTICE, "filter \"%s\": it answers again, and is asked again",
                    c->conf->name);
    else
        effects_log(s->d.sh->out, s->d.client.owner, LOG_LEVEL_WARNING,
                    "filter \"%s\": it has failed %u times in a row and is not asked for %lld s", c->conf->name, b->failures,
                    (long long)(b->pause_ms / 1000));
}

void child_served(struct milter *c)
{
    if (breaker_succeeded(&c->record->breaker, c->probe))
        tell_breaker(c->session, c);
}

void child_fail(struct milter *c, const char *why)
{
    static const char *const fallbacks[] = {"accept", "tempfail", "reject", "discard"};
    struct session *s = c->session;
    const struct breaker_limits limits = {.failures = (unsigned)c->conf->set.breaker_failures,
                                          .pause_max_ms = c->conf->set.breaker_pause_sec * 1000};
    c->dns_request = 0;
    c->outcome = OUTCOME_FALLBACK;
    c->counted = true;
    s->children->standing[c->number] = FILTER_FAILED;
    s->d.sh->stats.child_failures++;
    c->record->failures++;
    text_log(s, LOG_LEVEL_WARNING, "filter \"%s\": %s (at %s); its fallback counts: %s%s", c->conf->name, why,
             stage_name(c->last), fallbacks[c->conf->set.fallback],
             c->conf->set.evaluation ? " (evaluation only: not applied)" : "");
    if (breaker_failed(&c->record->breaker, c->probe, &limits, s->d.sh->now.mono))
        tell_breaker(s, c);
    if (c->link && c->link->state != LINK_FAILED)
        link_lost(c->link, 0); /* nothing more is said to it */
    child_hang_up(c);
}

void child_let_go(struct milter *c)
{
    c->dns_request = 0;
    child_hang_up(c);
    c->closed_between_messages = c->session->d.transcript->mail == NULL;
}

void child_break(struct milter *c, const char *why)
{
    if (c->outcome == OUTCOME_PENDING && c->asked == POLICY_YES) {
        child_fail(c, why);
        return;
    }
    text_log(c->session, LOG_LEVEL_WARNING, "filter \"%s\": %s, while it was not asked", c->conf->name, why);
    child_let_go(c);
}

/* ---- time ---- */

int64_t children_deadline_ms(const struct session *s)
{
    if (!s->children)
        return 0;
    int64_t first = s->children->send_deadline.ms;
    for (unsigned i = 0; i < s->children->count; i++) {
        const struct milter *c = &s->children->child[i];
        int64_t deadline_ms = c->draining      ? c->drain_deadline.ms
                              : c->link        ? c->link->deadline.ms
                              : c->dns_request ? c->started.ms + c->limits.connect_ms
                                               : 0;
        if (deadline_ms != 0 && (first == 0 || deadline_ms < first))
            first = deadline_ms;
    }
    return first;
}

void children_check_deadlines(struct session *s)
{
    if (!s->children)
        return;
    children_check_sending(s);
    for (unsigned i = 0; i < s->children->count; i++) {
        struct milter *c = &s->children->child[i];
        if (c->link && link_check_deadline(c->link, s->d.sh->now.mono))
            child_break(c, c->link->why);
        else if (c->draining && s->d.sh->now.mono.ms >= c->drain_deadline.ms)
            child_break(c, "it takes nothing of what is sent to it");
        else
            child_check_resolving(c);
    }
}
