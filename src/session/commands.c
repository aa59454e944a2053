/*
 * commands.c - the table that says which command of the MTA may come when, and what each one does first: keep its facts, have the
 * filters' conditions judged (conditions.c), and begin the gate's part.
 */
#include "session/chain.h"
#include "dialogue/facts.h"

#include "base/mem.h"

/* The first facts are in: who is asked about this client? */
static void connect_go(struct session *s)
{
    if (chain_gate_is_asked(s, STAGE_CONNECT) || s->chain)
        presence_first_look(s);
    else
        session_accept_connection(s);
}

static void on_connect(struct session *s, const struct milter_command *c, struct slice raw)
{
    /* a verified name is the reverse name again: kept once */
    bool same = s->d.client_ptr.ptr && slice_eq(s->d.client_ptr, c->u.connect.host);
    s->d.host = same ? s->d.client_ptr : session_keep(s, &s->d.conn, c->u.connect.host);
    if (s->phase == PHASE_OVER)
        return;
    if (c->u.connect.family == MILTER_FAMILY_UNKNOWN) {
        /* The client was gone before the MTA looked; what it has sent blindly would be delivered (Postfix 3.7). */
        s->d.sh->stats.gone++;
        dialogue_log_gone(&s->d, "gone before the MTA knew its address");
        session_reply_gone(s, "Client is gone");
        return;
    }
    struct ip ip = {0};
    if (c->u.connect.family == MILTER_FAMILY_UNIX)
        s->d.flags |= DIALOGUE_LOCAL;
    else if (ip_parse(c->u.connect.address, &ip) != ERR_NONE) {
        session_close(s, "CONNECT with an address that is none");
        return;
    }
    /* After XCLIENT or PROXY the packet has the client that counts; the macros name the same one. */
    s->d.client.ends.remote = ip;
    s->d.client.ends.remote_port = c->u.connect.port;
    s->phase = PHASE_CONNECTED;
    trace_begin(&s->d);
    trace_command(&s->d, c);
    if (s->chain)
        chain_connect(s, raw);
    struct ip client = ip_client(&ip);
    if (shared_note_lookup(s->d.sh, &client, s->d.resolve == RESOLVE_TEMP))
        s->d.flags |= DIALOGUE_TEMP_AGAIN;
    if (s->phase != PHASE_OVER && chain_facts_ready(s, STAGE_CONNECT))
        connect_go(s);
}

static void helo_go(struct session *s)
{
    chain_pass(s);
}

static void on_helo(struct session *s, const struct milter_command *c, struct slice raw)
{
    if (!(s->flags & FLAG_HELO_MACROS))
        session_clear_helo(s);
    s->flags &= ~(uint32_t)FLAG_HELO_MACROS;
    s->d.helo = session_keep(s, &s->d.helo_scope, c->u.helo);
    session_clear_message(s); /* RFC 5321, section 4.1.4: as RSET */
    if (s->chain)
        chain_helo(s, raw);
    if (s->phase != PHASE_OVER && chain_facts_ready(s, STAGE_HELO))
        helo_go(s);
}

static void mail_go(struct session *s)
{
    if (chain_gate_is_asked(s, STAGE_MAIL) || s->chain) {
        chain_pass(s);
        return;
    }
    session_clear_message(s);
    session_reply_code(s, SMFIR_ACCEPT); /* this message only: the next MAIL is seen again */
}

static void take_newest_plan(struct session *s)
{
    if (s->d.plan == s->d.sh->plan || !session_can_take_plan(s, s->d.sh->plan))
        return;
    struct plan *old = s->d.plan;
    s->d.plan = plan_ref(s->d.sh->plan);
    facts_clear(&s->d, FACTS_CONNECTION); /* lists are known by their number in the plan */
    chain_take_plan(s);
    plan_unref(old);
}

static void on_mail(struct session *s, const struct milter_command *c, struct slice raw)
{
    if (!(s->flags & FLAG_MAIL_MACROS))
        session_clear_message(s);
    s->flags &= ~(uint32_t)FLAG_MAIL_MACROS;
    take_newest_plan(s);
    s->d.sender = session_keep(s, &s->d.mail, c->u.envelope.address);
    if (s->phase == PHASE_OVER)
        return;
    s->phase = PHASE_MAIL;
    if (s->chain)
        chain_mail(s, raw);
    if (chain_facts_ready(s, STAGE_MAIL))
        mail_go(s);
}

static void rcpt_go(struct session *s)
{
    if (chain_gate_is_asked(s, STAGE_RCPT))
        chain_to_gate(s);
    else
        chain_pass(s);
}

static void on_rcpt(struct session *s, const struct milter_command *c, struct slice raw)
{
    if (!(s->flags & FLAG_RCPT_MACROS))
        session_clear_recipient(s);
    s->flags &= ~(uint32_t)FLAG_RCPT_MACROS;
    s->d.recipient = session_keep(s, &s->d.rcpt, c->u.envelope.address);
    if (s->phase == PHASE_OVER)
        return;
    s->phase = PHASE_RCPT;
    if (s->chain)
        chain_keep_rcpt(s, raw);
    if (s->phase != PHASE_OVER && chain_facts_ready(s, STAGE_RCPT))
        rcpt_go(s);
}

static void on_data(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)c, (void)raw;
    s->phase = PHASE_MESSAGE;
    chain_to_gate(s);
}

static void on_header(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)raw;
    s->phase = PHASE_MESSAGE;
    if (s->chain)
        chain_header(s, c->u.header.name, c->u.header.value);
    chain_pass(s);
}

static void on_eoh(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)c, (void)raw;
    s->phase = PHASE_MESSAGE;
    if (s->chain)
        chain_eoh(s);
    chain_pass(s);
}

static void on_body(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)raw;
    s->phase = PHASE_MESSAGE;
    if (s->chain)
        chain_body(s, c->u.body);
    chain_pass(s);
}

static void on_end(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)raw;
    s->phase = PHASE_MESSAGE;
    if (s->chain)
        chain_eom(s, c->u.body);
    chain_to_gate(s);
}

static void on_unknown(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)raw;
    if (s->chain)
        chain_unknown(s, c->u.unknown);
    chain_pass(s);
}

static void on_abort(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)c, (void)raw;
    session_clear_message(s);
}

static void on_quit(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)c, (void)raw;
    session_close(s, NULL);
}

/* A new client's connection follows on this one; nothing of the old client's may stay. */
static void on_quit_nc(struct session *s, const struct milter_command *c, struct slice raw)
{
    (void)c, (void)raw;
    session_clear_message(s);
    scope_clear(&s->d.conn, s->d.sh);
    session_clear_helo(s);
    facts_clear(&s->d, FACTS_CONNECTION);
    chain_clear_connection(s);
    s->d.host = s->d.client_ptr = s->d.mta_name = s->d.if_addr = SLICE_NONE;
    s->d.conn_macros = NULL;
    client_forget(&s->d.client);
    s->d.resolve = RESOLVE_ABSENT;
    s->d.suspicion = SUSPICION_NONE;
    s->d.flags = 0;
    s->flags &= FLAG_SILENT_HEADERS;          /* as negotiated, once for all */
    s->d.connection = ++s->d.sh->connections; /* in the log it is another one */
    s->phase = PHASE_OPEN;
}

#define BIT(phase) (1u << (phase))

/*
 * Which command may come when, and what it does; what is known of a command beside that is milter/command.c's. HELO comes twice with STARTTLS, ABORT at any time and several in a row, and a sender that the
 * MTA refused by itself may be followed by another MAIL. A DATA that was refused (delayedreject, or another filter) ends no
 * message: the client may go on with recipients, DATA or HELO, and Postfix hands them on without an ABORT before.
 */
static const struct command_rule {
    uint8_t cmd;
    uint16_t phases;
    void (*handle)(struct session *s, const struct milter_command *c, struct slice raw);
    void (*go_on)(struct session *s); /* when the facts are there that it has waited for; NULL: it never waits for any */
} rules[] = {
    {SMFIC_CONNECT, BIT(PHASE_OPEN), on_connect, connect_go},
    {SMFIC_HELO, BIT(PHASE_CONNECTED) | BIT(PHASE_MAIL) | BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_helo, helo_go},
    {SMFIC_MAIL, BIT(PHASE_CONNECTED) | BIT(PHASE_MAIL), on_mail, mail_go},
    {SMFIC_RCPT, BIT(PHASE_MAIL) | BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_rcpt, rcpt_go},
    {SMFIC_DATA, BIT(PHASE_MAIL) | BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_data, NULL},
    {SMFIC_HEADER, BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_header, NULL},
    {SMFIC_EOH, BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_eoh, NULL},
    {SMFIC_BODY, BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_body, NULL},
    {SMFIC_BODYEOB, BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_end, NULL},
    {SMFIC_UNKNOWN, BIT(PHASE_CONNECTED) | BIT(PHASE_MAIL) | BIT(PHASE_RCPT) | BIT(PHASE_MESSAGE), on_unknown, NULL},
    {SMFIC_ABORT, (uint16_t)~BIT(PHASE_NEW), on_abort, NULL},
    {SMFIC_QUIT, UINT16_MAX, on_quit, NULL},
    {SMFIC_QUIT_NC, (uint16_t)~BIT(PHASE_NEW), on_quit_nc, NULL},
};

static const struct command_rule *find_rule(uint8_t cmd)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].cmd == cmd)
            return &rules[i];
    return NULL;
}

void command_go_on(struct session *s)
{
    const struct command_rule *rule = find_rule(s->d.owed);
    session_set_wait(s, WAIT_NOTHING);
    if (rule && rule->go_on)
        rule->go_on(s);
}

void command_handle(struct session *s, const struct wire_packet *p)
{
    if (p->cmd == SMFIC_OPTNEG) {
        if (s->phase != PHASE_NEW || session_negotiate(s, p->body) != ERR_NONE)
            session_close(s, "negotiation that cannot be understood, or a second one");
        return;
    }
    struct milter_command c;
    if (milter_parse_command(p, &c) != ERR_NONE) {
        session_close(s, "a command that cannot be understood");
        return;
    }
    if (s->phase == PHASE_NEW && p->cmd != SMFIC_QUIT) {
        session_close(s, "a command before the negotiation");
        return;
    }
    if (p->cmd == SMFIC_MACRO) {
        session_macros(s, c.u.macro.for_cmd, c.u.macro.pairs);
        return;
    }
    const struct command_rule *rule = find_rule(p->cmd);
    if (!rule || !(rule->phases & BIT(s->phase))) {
        session_close(s, "a command at the wrong time");
        return;
    }
    bool counts = milter_command_kind(p->cmd)->is_answered;
    /* of SMFIP_NR_* only NR_HDR is ever asked for (negotiate.c) */
    bool is_answered = counts && !(p->cmd == SMFIC_HEADER && (s->flags & FLAG_SILENT_HEADERS));
    if (is_answered)
        s->d.owed = p->cmd;
    if (is_answered && session_is_accepted(s)) {
        session_reply_code(s, SMFIR_CONTINUE); /* an MTA that goes on asking after "accept" */
        return;
    }
    if (counts && (s->flags & FLAG_REFUSED)) {
        if (is_answered)
            session_refuse(s);
        return;
    }
    trace_command(&s->d, &c); /* CONNECT: not traced yet, see on_connect() */
    rule->handle(s, &c, p->body);
    if (counts)
        chain_run(s);
    if (s->d.transcript)
        transcript_chunk_over(s->d.transcript);
}
