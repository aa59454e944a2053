/*
 * session.c - life of a session, its input, its events. What each command of the MTA does is commands.c's.
 *
 * Input is cut into packets while no reply is owed. What comes meanwhile is kept, and looked through only for ABORT and QUITs:
 * an MTA that speaks up during a hold has lost its client.
 */
#include "session/chain.h"
#include "base/mem.h"
#include "session/facts.h"

#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX_BYTES = 64 * 1024, PENDING_MAX_FRAMES = 1 };

struct session *session_new(struct shared *sh, owner_id id)
{
    struct session *s = mem_alloc(sizeof(*s));
    memset(s, 0, offsetof(struct session, inline_memory));
    s->d.sh = sh;
    client_init(&s->d.client, id);
    s->d.connection = ++sh->connections;
    s->d.plan = plan_ref(sh->plan);
    s->chain = chain_new(s);
    char *memory = s->inline_memory;
    arena_init_inline(&s->d.conn.arena, memory, SESSION_CONN_BYTES);
    arena_init_inline(&s->d.mail.arena, memory + SESSION_CONN_BYTES, SESSION_MAIL_BYTES);
    arena_init_inline(&s->d.rcpt.arena, memory + SESSION_CONN_BYTES + SESSION_MAIL_BYTES, SESSION_RCPT_BYTES);
    sh->stats.open++;
    sh->stats.sessions++;
    return s;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    client_fini(&s->d.sh->clients, &s->d.client);
    chain_free(s);
    facts_free(s);
    struct scope *const scopes[] = {&s->d.conn, &s->d.helo_scope, &s->d.mail, &s->d.rcpt};
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        scope_clear(scopes[i], s->d.sh);
    shared_keep_less(s->d.sh, s->headers_bytes, 0);
    shared_keep_less(s->d.sh, s->in.len, 0);
    buf_fini(&s->in);
    free(s->report);
    plan_unref(s->d.plan);
    s->d.sh->stats.open--;
    free(s);
}

owner_id session_name(const struct session *s)
{
    return s->d.client.owner;
}

struct client *session_client(struct session *s)
{
    return &s->d.client;
}

void session_describe_hold(const struct session *s, struct held_client *out)
{
    text_describe_hold(s, out);
}

bool session_is_over(const struct session *s)
{
    return s->phase == PHASE_OVER;
}

/* ---- the pieces that the other files use ---- */

void session_close(struct session *s, const char *why)
{
    if (s->phase == PHASE_OVER)
        return;
    if (why) {
        s->d.sh->stats.protocol_errors++;
        text_log_protocol(s, why);
    }
    holding_cut(s);
    if (s->flags & FLAG_UNCONFIRMED && !s->d.sh->stopping)
        text_log_unconfirmed(s);
    chain_free(s);
    s->phase = PHASE_OVER;
    s->wait = WAIT_NOTHING;
    timer_stop(&s->d.sh->clients.wheel, &s->d.client.timer);
    effects_add(s->d.sh->out, EFFECT_CLOSE, s->d.client.owner);
}

void session_reply(struct session *s, struct slice packets)
{
    if (s->phase == PHASE_OVER)
        return;
    session_set_wait(s, WAIT_NOTHING);
    s->owed = 0;
    effects_send(s->d.sh->out, s->d.client.owner, packets);
}

void session_continue(struct session *s)
{
    if (s->wait != WAIT_NOTHING)
        session_set_wait(s, WAIT_NOTHING);
    if (!s->chain)
        return;
    if (s->owed == SMFIC_RCPT && !chain_rcpt(s))
        chain_refuse_rcpt(s);
    else if (s->owed == SMFIC_DATA)
        transcript_record_data(s->d.transcript);
}

void session_reply_code(struct session *s, uint8_t code)
{
    const uint8_t packet[5] = {0, 0, 0, 1, code};
    session_reply(s, slice_of(packet, sizeof(packet)));
}

void session_reply_gone(struct session *s, const char *text)
{
    struct buf packet = {0};
    milter_put_replycode(&packet, SLICE_LIT("421"), SLICE_LIT("4.7.0"), slice_cstr(text));
    session_reply(s, buf_slice(&packet));
    buf_fini(&packet);
}

bool session_is_refused(const struct session *s)
{
    return s->phase == PHASE_OVER || (s->flags & FLAG_REFUSED);
}

/*
 * The MTA's client is sent away, for good manners with its message: were only the connection closed, the MTA would let the
 * message pass or not as its own default says, and a sender could bring that about.
 */
void session_refuse(struct session *s)
{
    struct buf packet = {0};
    holding_cut(s);
    milter_put_replycode(&packet, SLICE_LIT("421"), SLICE_LIT("4.3.1"),
                         SLICE_LIT("Out of memory for this connection, try again later"));
    session_reply(s, buf_slice(&packet));
    buf_fini(&packet);
    session_close(s, NULL);
}

bool session_was_kept(struct session *s, enum err e)
{
    if (e == ERR_NONE)
        return true;
    if (e == ERR_LIMIT) {
        s->d.sh->stats.protocol_errors++;
        text_log_protocol(s, "the MTA sends names, macros and recipients without end");
    }
    if (s->owed)
        session_refuse(s);
    else
        s->flags |= FLAG_REFUSED; /* macros: their command follows */
    return false;
}

bool session_may_keep(struct session *s, struct scope *scope, size_t bytes)
{
    return session_was_kept(s, scope_reserve(scope, s->d.sh, bytes, SCOPE_KEEP_MAX_BYTES));
}

struct slice session_keep(struct session *s, struct scope *scope, struct slice text)
{
    struct slice kept;
    if (session_is_refused(s) || !session_was_kept(s, scope_keep(scope, s->d.sh, text, SCOPE_KEEP_MAX_BYTES, &kept)))
        return SLICE_NONE;
    return kept;
}

void session_clear_helo(struct session *s)
{
    scope_clear(&s->d.helo_scope, s->d.sh);
    s->d.helo = s->d.verify = s->d.cert_subject = SLICE_NONE;
    s->d.helo_macros = NULL;
    facts_clear(s, FACTS_HELO);
    if (s->d.transcript)
        transcript_clear_helo(s->d.transcript);
    s->flags &= ~(uint32_t)FLAG_HELO_MACROS;
}

void session_clear_recipient(struct session *s)
{
    scope_clear(&s->d.rcpt, s->d.sh);
    facts_clear(s, FACTS_RECIPIENT);
    s->d.recipient = SLICE_NONE;
    s->d.rcpt_macros = NULL;
    s->decision = (struct decision){0};
    s->tuple = (struct grey_tuple){0};
    s->known = NULL;
    s->flags &= ~(uint32_t)(FLAG_RCPT_MACROS | FLAG_COUNTED | FLAG_RELEASED);
}

void session_clear_message(struct session *s)
{
    session_clear_recipient(s);
    facts_clear(s, FACTS_MESSAGE);
    chain_clear_message(s);
    scope_clear(&s->d.mail, s->d.sh);
    s->d.sender = s->d.queue_id = s->d.auth_type = s->d.auth_authen = SLICE_NONE;
    s->d.mail_macros = NULL;
    s->accepted = 0;
    s->elapsed_sec = s->tarpit_sec = 0;
    s->reasons = 0;
    s->deferred_text = SLICE_NONE;
    s->header_acl = NULL;
    s->header_acl_id = NULL;
    s->headers = NULL;
    shared_keep_less(s->d.sh, s->headers_bytes, 0);
    s->headers_bytes = 0;
    free(s->report);
    s->report = NULL;
    s->flags &=
        ~(uint32_t)(FLAG_DEFER_AT_DATA | FLAG_MAIL_MACROS | FLAG_ASKED | FLAG_RCPT_UNFILTERED | FLAG_HEADERS_LEFT_OUT);
    s->d.flags &= ~(uint32_t)DIALOGUE_UNKNOWN_TOLD;
    s->d.effort_spent = 0;
    if (s->phase > PHASE_CONNECTED && s->phase < PHASE_OVER)
        s->phase = PHASE_CONNECTED;
}

void session_arm_timer(struct session *s)
{
    const int64_t jobs[] = {s->deadline.ms, client_next_ms(&s->d.client), s->next_progress.ms, chain_deadline_ms(s)};
    int64_t first = 0;
    for (size_t i = 0; i < COUNT_OF(jobs); i++)
        if (jobs[i] != 0 && (first == 0 || jobs[i] < first))
            first = jobs[i];
    if (first == 0)
        timer_stop(&s->d.sh->clients.wheel, &s->d.client.timer);
    else
        timer_arm(&s->d.sh->clients.wheel, &s->d.client.timer, (struct mono){first});
}

/*
 * Whether PROGRESS may go out for the command that waits. At the end of a message every MTA takes it; but not once a new body
 * has begun: any other packet ends that body for Postfix (3.7.11), which then delivers a part of it.
 */
static bool may_progress_now(const struct session *s)
{
    if (s->owed != SMFIC_BODYEOB)
        return session_may_progress(s);
    return s->d.plan->set->progress != CONF_PROGRESS_NEVER && !deliver_body_has_begun(s);
}

void session_set_wait(struct session *s, enum wait wait)
{
    s->wait = wait;
    s->store_request = s->look_request = 0;
    s->deadline.ms = 0;
    client_rest(&s->d.client);
    if (wait == WAIT_LOOK_STORE || wait == WAIT_CONFIRM) /* WAIT_STORE's are asking.c's */
        s->deadline.ms = s->d.sh->now.mono.ms + asking_patience_ms(s->d.sh, wait == WAIT_CONFIRM);
    if (wait < WAIT_LOOK_STORE || !may_progress_now(s))
        s->next_progress.ms = 0;
    else if (s->next_progress.ms == 0) /* the MTA counts from the command, whatever its reply waits for next */
        s->next_progress.ms = s->d.sh->now.mono.ms + s->d.plan->set->progress_sec * 1000;
    session_arm_timer(s);
}

bool session_may_progress(const struct session *s)
{
    switch ((enum conf_progress)s->d.plan->set->progress) {
    case CONF_PROGRESS_ALWAYS:
        return true;
    case CONF_PROGRESS_AUTO:
        /* milter-manager takes PROGRESS at end of message only; it sets {if_addr}, which Postfix never does */
        return (s->d.flags & DIALOGUE_POSTFIX) && !(s->d.flags & DIALOGUE_IF_ADDR);
    case CONF_PROGRESS_EOM: /* may_progress_at_end() */
    case CONF_PROGRESS_NEVER:
        break;
    }
    return false;
}

void session_note_effort(struct session *s)
{
    struct regex_effort *effort = &s->d.sh->effort;
    s->d.sh->stats.regex_runs += effort->runs;
    effort->runs = 0;
    if (effort->unknown == 0)
        return;
    s->d.sh->stats.regex_limits += effort->unknown;
    effort->unknown = 0;
    if (s->d.flags & DIALOGUE_UNKNOWN_TOLD)
        return;
    s->d.flags |= DIALOGUE_UNKNOWN_TOLD;
    dialogue_log(&s->d, LOG_LEVEL_WARNING,
                 "a regex took too long on this message's data: whether it matches is unknown; "
                 "a racl line does not match then, and a filter is asked");
}

struct policy_facts session_facts(struct session *s, enum stage stage)
{
    s->d.sh->effort.spent = &s->d.effort_spent;
    s->d.sh->more = chain_facts(s);
    return (struct policy_facts){
        .stage = stage,
        .client = s->d.client.ends.remote,
        .client_is_local = s->d.flags & DIALOGUE_LOCAL,
        .host = s->d.host,
        .client_ptr = s->d.client_ptr,
        .resolve = s->d.resolve,
        .temp_again = s->d.flags & DIALOGUE_TEMP_AGAIN,
        .helo = s->d.helo,
        .sender = s->d.sender,
        .sender_seen = s->tuple.sender, /* NONE before plan_tuple */
        .recipient = s->d.recipient,
        .auth_type = s->d.auth_type,
        .auth_authen = s->d.auth_authen,
        .verify = s->d.verify,
        .cert_subject = s->d.cert_subject,
        .now = s->d.sh->now.wall,
        .look = s->known,
        .no_hold = stage == STAGE_RCPT ? holding_why_not(s) : HOLD_POSSIBLE, /* no condition reads it */
        .waited_ms = s->d.client.waited_ms,
        .longest_ms = s->d.client.longest_ms,
        .allows = s->d.sh->allows,
        .effort = &s->d.sh->effort,
        .more = &s->d.sh->more,
    };
}

bool session_only_evaluates(const struct session *s)
{
    size_t number = policy_greylist_number(s->d.plan->policy);
    return number < s->d.plan->conf->n_filters && s->d.plan->conf->filters[number].set.evaluation;
}

bool session_spares_all(const struct session *s)
{
    return session_only_evaluates(s) || shared_is_paused(s->d.sh);
}

void session_accept_connection(struct session *s)
{
    s->flags |= FLAG_OVER;
    session_reply_code(s, SMFIR_ACCEPT);
}

bool session_is_accepted(const struct session *s)
{
    return s->flags & FLAG_OVER;
}

/* ---- input ---- */

/* While a reply is owed: what else has the MTA said? */
static void scan_pending(struct session *s)
{
    struct slice rest = buf_slice(&s->in);
    struct wire_packet p;
    unsigned frames = 0;
    enum wire_result r;
    while ((r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK) {
        bool ends = p.cmd == SMFIC_ABORT || p.cmd == SMFIC_QUIT || p.cmd == SMFIC_QUIT_NC;
        if (ends && s->wait != WAIT_NOTHING) {
            holding_left(s);
            if (p.cmd == SMFIC_QUIT)
                session_close(s, NULL);
            else
                session_reply_gone(s, "Client is gone");
            return;
        }
        if (p.cmd != SMFIC_MACRO && !ends)
            frames++;
    }
    if (r == WIRE_BAD)
        session_close(s, "a frame of length zero or above the limit");
    else if (frames > PENDING_MAX_FRAMES || s->in.len > PENDING_MAX_BYTES)
        session_close(s, "more commands while a reply is owed");
}

/* Cut and handle packets off *rest until a reply is owed or they end. */
static void consume(struct session *s, struct slice *rest)
{
    struct wire_packet p;
    while (s->phase != PHASE_OVER && s->wait == WAIT_NOTHING) {
        enum wire_result r = wire_next(rest, WIRE_PACKET_MAX_BYTES, &p);
        if (r == WIRE_MORE)
            return;
        if (r == WIRE_BAD) {
            session_close(s, "a frame of length zero or above the limit");
            return;
        }
        command_handle(s, &p);
    }
}

/* Handle what is kept in s->in; the buffer goes when it is empty, for held clients are many. */
static void consume_pending(struct session *s)
{
    while (s->phase != PHASE_OVER && s->in.len > 0) {
        struct slice rest = buf_slice(&s->in);
        size_t before = rest.len;
        consume(s, &rest);
        if (rest.len == before)
            break;
        shared_keep_less(s->d.sh, before, rest.len);
        buf_drop(&s->in, before - rest.len);
        if (s->wait == WAIT_NOTHING)
            continue;
        scan_pending(s);
        if (s->wait != WAIT_NOTHING)
            break;
    }
    if (s->in.len == 0)
        buf_fini(&s->in);
}

/* No memory for what comes. Who waits for an answer has one; half a command has none. */
static void refuse_input(struct session *s)
{
    if (s->owed)
        session_refuse(s);
    else
        session_close(s, "no memory for the rest of a command");
}

void session_bytes(struct session *s, struct slice bytes)
{
    if (s->phase == PHASE_OVER)
        return;
    if (s->in.len == 0)
        consume(s, &bytes);
    if (s->phase == PHASE_OVER || bytes.len == 0)
        return;
    if (!shared_keep_input(s->d.sh, s->in.len, s->in.len + bytes.len)) {
        refuse_input(s);
        return;
    }
    buf_put_slice(&s->in, bytes);
    if (s->wait != WAIT_NOTHING)
        scan_pending(s);
    if (s->wait == WAIT_NOTHING)
        consume_pending(s);
}

void session_eof(struct session *s)
{
    session_close(s, NULL);
}

/* What an event has changed is over: one run of the filters; and where it has ended a wait, the MTA's next commands may be here. */
void session_end_event(struct session *s)
{
    chain_run(s);
    if (s->phase != PHASE_OVER && s->wait == WAIT_NOTHING)
        consume_pending(s);
}

static void take_store_answer(struct session *s, uint32_t request, const struct grey_answer *answer)
{
    if (request == 0 || (request != s->store_request && request != s->look_request))
        return;
    if (s->wait == WAIT_STORE) {
        asking_answered(s, request, answer);
    } else if (s->wait == WAIT_LOOK_STORE) {
        s->store_request = 0;
        s->d.sh->stats.store_failures += answer->failed;
        recipient_known(s, answer);
    } else if (s->wait == WAIT_CONFIRM) {
        s->store_request = 0;
        s->d.sh->stats.store_failures += answer->failed;
        message_confirmed(s, answer);
    }
}

void session_store_answered(struct session *s, uint32_t request, const struct grey_answer *answer)
{
    take_store_answer(s, request, answer);
    session_end_event(s);
}

void session_looked(struct session *s, uint32_t request, enum look_result result, uint64_t cookie)
{
    if (!client_looked(&s->d.sh->clients, &s->d.client, request, result, cookie))
        return;
    holding_go(s);
    if (s->phase != PHASE_OVER)
        session_arm_timer(s);
    session_end_event(s);
}

void session_dns_answered(struct session *s, const struct event *event)
{
    if (!facts_answered(s, event))
        chain_event(s, event);
    session_end_event(s); /* who waited for a name, or for one whose host has none */
}

void session_child_event(struct session *s, unsigned filter, const struct event *event)
{
    chain_child_event(s, filter, event);
    session_end_event(s);
}

void session_spooled(struct session *s, const struct event *event)
{
    chain_event(s, event);
    session_end_event(s);
}

void session_drained(struct session *s, uint32_t request)
{
    deliver_drained(s, request);
    session_end_event(s);
}

static void send_progress(struct session *s)
{
    int64_t now = s->d.sh->now.mono.ms;
    if (s->next_progress.ms == 0 || now < s->next_progress.ms)
        return;
    if (!may_progress_now(s)) {
        s->next_progress.ms = 0;
        return;
    }
    const uint8_t packet[5] = {0, 0, 0, 1, SMFIR_PROGRESS};
    effects_send(s->d.sh->out, s->d.client.owner, slice_of(packet, sizeof(packet)));
    s->next_progress.ms = now + s->d.plan->set->progress_sec * 1000;
}

static void store_deadline(struct session *s)
{
    static const struct grey_answer failed = {.failed = true, .left_sec = -1};
    if (s->wait == WAIT_STORE) {
        asking_timer(s);
    } else if (s->wait == WAIT_LOOK_STORE || s->wait == WAIT_CONFIRM) {
        asking_note_missed(s, s->wait == WAIT_CONFIRM);
        take_store_answer(s, s->store_request, &failed);
    }
}

void session_run(struct session *s)
{
    int64_t now = s->d.sh->now.mono.ms;
    send_progress(s);
    chain_tick(s);
    if (s->phase == PHASE_OVER)
        return;
    client_run(&s->d.sh->clients, &s->d.client);
    holding_go(s);
    if (s->phase != PHASE_OVER && s->deadline.ms != 0 && now >= s->deadline.ms)
        store_deadline(s);
    if (s->phase != PHASE_OVER)
        session_arm_timer(s);
    session_end_event(s);
}

void session_stop(struct session *s)
{
    if (s->phase == PHASE_OVER)
        return;
    holding_cut(s);
    if (s->owed)
        session_reply_gone(s, "Service is being restarted, please come back");
    session_close(s, NULL);
}

void session_cut(struct session *s)
{
    if (client_is_held(&s->d.client))
        session_stop(s);
}
