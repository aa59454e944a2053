/*
 * session.c - life of a session, its input, its events. What each command of the MTA does is commands.c's.
 *
 * Input is cut into packets while no reply is owed. What comes meanwhile is kept, and looked through only for ABORT and QUITs:
 * an MTA that speaks up during a hold has lost its client.
 */
#include "session/chain.h"
#include "base/mem.h"
#include "dialogue/facts.h"

#include <stdio.h>
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
    chain_begin(s);
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
    chain_end(s);
    facts_free(&s->d);
    struct scope *const scopes[] = {&s->d.conn, &s->d.helo_scope, &s->d.mail, &s->d.rcpt};
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        scope_clear(scopes[i], s->d.sh);
    shared_keep_less(s->d.sh, s->in.len, 0);
    buf_fini(&s->in);
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
    char *room = out->room;
    struct buf name = {0};
    dialogue_put_connection(&s->d, &name);
    size_t n = (size_t)snprintf(room, 48, "%.*s", SLICE_ARG(buf_slice(&name)));
    buf_fini(&name);
    out->connection = slice_of(room, n < 48 ? n : 47);
    out->name = s->d.host;
    out->helo = s->d.helo;
    out->sender = s->d.sender;
    out->recipient = s->d.recipient;
    out->why = dialogue_suspicion_text(&s->d, room + 48);
    out->line = chain_gate_const(s)->ops->gate->holding_line(chain_gate_const(s), room + 72);
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
        dialogue_log_protocol(&s->d, why);
    }
    chain_close(s);
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
    s->d.owed = 0;
    trace_replies(&s->d, packets);
    effects_send(s->d.sh->out, s->d.client.owner, packets);
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
    chain_gate(s)->ops->hang_up(chain_gate(s));
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
        dialogue_log_protocol(&s->d, "the MTA sends names, macros and recipients without end");
    }
    if (s->d.owed)
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
    facts_clear(&s->d, FACTS_HELO);
    if (s->d.transcript)
        transcript_clear_helo(s->d.transcript);
    s->flags &= ~(uint32_t)FLAG_HELO_MACROS;
}

void session_clear_recipient(struct session *s)
{
    scope_clear(&s->d.rcpt, s->d.sh);
    facts_clear(&s->d, FACTS_RECIPIENT);
    s->d.recipient = SLICE_NONE;
    s->d.rcpt_macros = NULL;
    chain_gate(s)->ops->clear(chain_gate(s), FILTER_RECIPIENT);
    s->flags &= ~(uint32_t)(FLAG_RCPT_MACROS | FLAG_AT_GATE | FLAG_GATE_BEGINS);
}

void session_clear_message(struct session *s)
{
    session_clear_recipient(s);
    facts_clear(&s->d, FACTS_MESSAGE);
    chain_clear_message(s);
    scope_clear(&s->d.mail, s->d.sh);
    s->d.sender = s->d.queue_id = s->d.auth_type = s->d.auth_authen = SLICE_NONE;
    s->d.mail_macros = NULL;
    chain_gate(s)->ops->clear(chain_gate(s), FILTER_MESSAGE);
    s->flags &= ~(uint32_t)FLAG_MAIL_MACROS;
    s->d.flags &= ~(uint32_t)DIALOGUE_UNKNOWN_TOLD;
    s->d.effort_spent = 0;
    if (s->phase > PHASE_CONNECTED && s->phase < PHASE_OVER)
        s->phase = PHASE_CONNECTED;
}

static int64_t gate_deadline_ms(const struct session *s)
{
    const struct filter *gate = chain_gate_const(s);
    return gate->ops->deadline_ms(gate);
}

/* The earlier of two times; 0: there is none. */
static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

void session_arm_timer(struct session *s)
{
    int64_t first = earlier(client_next_ms(&s->d.client), s->next_progress.ms);
    first = earlier(first, gate_deadline_ms(s));
    first = earlier(first, facts_deadline_ms(&s->d));
    if (s->chain)
        first = earlier(first, chain_deadline_ms(s));
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
    if (s->d.owed != SMFIC_BODYEOB)
        return dialogue_may_progress(&s->d);
    return s->d.plan->set->progress != CONF_PROGRESS_NEVER && !deliver_body_has_begun(s);
}

void session_set_wait(struct session *s, enum wait wait)
{
    s->wait = wait;
    if (!client_is_held(&s->d.client))
        client_rest(&s->d.client);
    if (wait < WAIT_GATE || !may_progress_now(s))
        s->next_progress.ms = 0;
    else if (s->next_progress.ms == 0) /* the MTA counts from the command, whatever its reply waits for next */
        s->next_progress.ms = s->d.sh->now.mono.ms + s->d.plan->set->progress_sec * 1000;
    session_arm_timer(s);
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
            chain_gate(s)->ops->gate->client_left(chain_gate(s));
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
    if (s->d.owed)
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

/* A command that has waited for facts goes on; a filter that has sees by itself that they are there. */
static void facts_go_on(struct session *s)
{
    if (s->wait == WAIT_FACTS && !facts_are_awaited(&s->d))
        command_go_on(s);
}

void session_store_answered(struct session *s, const struct event *event)
{
    trace_answer(&s->d, event);
    if (facts_stored(&s->d, event->request, event->u.answer))
        facts_go_on(s);
    else
        chain_gate_event(s, event);
    session_end_event(s);
}

void session_looked(struct session *s, const struct event *event)
{
    struct client *c = &s->d.client;
    unsigned before = client_standing(c);
    int64_t due_ms = client_next_ms(c);
    if (!client_looked(&s->d.sh->clients, c, event->request, event->u.look.result, event->u.look.cookie))
        return;
    if (client_standing(c) != before) {
        presence_changed(s);
        chain_gate_event(s, event);
        session_end_event(s);
    }
    if (s->phase != PHASE_OVER && client_next_ms(c) != due_ms)
        session_arm_timer(s);
}

void session_dns_answered(struct session *s, const struct event *event)
{
    trace_answer(&s->d, event);
    if (facts_answered(&s->d, event))
        facts_go_on(s);
    else
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
    trace_replies(&s->d, slice_of(packet, sizeof(packet)));
    effects_send(s->d.sh->out, s->d.client.owner, slice_of(packet, sizeof(packet)));
    s->next_progress.ms = now + s->d.plan->set->progress_sec * 1000;
}

static bool is_due(const struct session *s, int64_t deadline_ms)
{
    return deadline_ms != 0 && s->d.sh->now.mono.ms >= deadline_ms;
}

/*
 * Its timer, or another's client has woken it. A client that only waits has most of these runs, for the next look at it: nothing
 * has come to be known then, and the filters are not led on.
 */
void session_run(struct session *s)
{
    struct client *c = &s->d.client;
    unsigned before = client_standing(c);
    bool filters_due = is_due(s, chain_deadline_ms(s));
    send_progress(s);
    if (filters_due)
        chain_tick(s);
    if (s->phase == PHASE_OVER)
        return;
    client_run(&s->d.sh->clients, c);
    bool facts_due = is_due(s, facts_deadline_ms(&s->d)), gate_due = is_due(s, gate_deadline_ms(s));
    bool client_changed = client_standing(c) != before;
    if (client_changed)
        presence_changed(s);
    if (facts_due) {
        facts_tick(&s->d);
        facts_go_on(s);
    }
    if (client_changed || gate_due)
        chain_gate_event(s, &(struct event){.kind = EVENT_TICK, .now = s->d.sh->now});
    if (filters_due || client_changed || facts_due || gate_due)
        session_end_event(s);
    if (s->phase != PHASE_OVER)
        session_arm_timer(s);
}

void session_stop(struct session *s)
{
    if (s->phase == PHASE_OVER)
        return;
    chain_gate(s)->ops->hang_up(chain_gate(s));
    if (s->d.owed)
        session_reply_gone(s, "Service is being restarted, please come back");
    session_close(s, NULL);
}

void session_cut(struct session *s)
{
    if (client_is_held(&s->d.client))
        session_stop(s);
}
