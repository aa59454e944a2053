/*
 * mta.c - the MTA's side of a connection, as Postfix 3.7 behaves: it sends only the steps that were not switched off, the macros
 * that were asked for (also before a step that was), waits for each reply, leaves out DATA when nobody was accepted, lets go of
 * a session or a message that was accepted, hangs up after 421, and closes when it has heard nothing for 30 s.
 */
#include "world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { COMMAND_TIMEOUT_MS = 30 * 1000, CONTENT_TIMEOUT_MS = 300 * 1000 };

const char *mta_option(const struct conn *c, const char *name)
{
    size_t n = strlen(name);
    for (unsigned i = 0; i < c->n_options; i++)
        if (strncmp(c->options[i], name, n) == 0 && c->options[i][n] == '=')
            return c->options[i] + n + 1;
    return NULL;
}

static const char *option_or(const struct conn *c, const char *name, const char *otherwise)
{
    const char *v = mta_option(c, name);
    return v ? v : otherwise;
}

/* ---- sending ---- */

/* The bytes go out as the seed cuts them: whole, in two, or one by one. */
static void send_bytes(struct world *w, struct conn *c, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    unsigned how = world_random(w, 4);
    size_t piece = how == 0 ? 1 + world_random(w, 3) : how == 1 ? 1 + world_random(w, (unsigned)bytes.len) : bytes.len;
    if (bytes.len / piece > 2000)
        piece = bytes.len / 2000 + 1;
    while (bytes.len > 0 && c->open) {
        world_step(w, &(struct event){.kind = EVENT_BYTES, .owner = c->id, .u.bytes = slice_upto(bytes, piece)});
        bytes = slice_from(bytes, piece);
    }
}

static const char *domain_of(struct conn *c, struct world *w, const char *address)
{
    (void)c;
    const char *at = address ? strrchr(address, '@') : NULL;
    if (!at)
        return NULL;
    struct slice d = slice_trim(slice_cstr(at + 1), ">");
    return arena_cstr(&w->arena, d);
}

/* What Postfix knows under this name when the command comes; NULL: left out. */
static const char *macro_value(struct world *w, struct conn *c, uint8_t for_cmd, struct slice name)
{
    bool six = strchr(c->address, ':') != NULL;
    bool known = strcmp(c->address, "unknown") != 0;
    const struct {
        const char *name;
        const char *value;
    } values[] = {
        {"j", "mx.example.org"},
        {"v", option_or(c, "v", "Postfix 3.7.11")},
        {"_", c->host},
        {"{daemon_name}", "smtpd"},
        {"{client_addr}", known && six ? arena_printf(&w->arena, "IPv6:%s", c->address) : c->address},
        {"{client_name}", c->host[0] == '[' ? "unknown" : c->host},
        {"{client_port}", option_or(c, "port", "40000")},
        {"{client_ptr}", option_or(c, "ptr", c->host[0] == '[' ? "unknown" : c->host)},
        {"{client_resolve}", option_or(c, "resolve", c->host[0] == '[' ? "FAIL" : "OK")},
        {"{daemon_addr}", option_or(c, "daemon_addr", six ? "IPv6:2001:db8::25" : "192.0.2.25")},
        {"{daemon_port}", option_or(c, "daemon_port", "25")},
        {"{if_addr}", mta_option(c, "if_addr")},
        {"{stress}", mta_option(c, "stress")},
        {"i", c->accepted ? "4XyZ" : NULL},
        {"{auth_type}", c->auth && for_cmd == SMFIC_MAIL ? "PLAIN" : NULL},
        {"{auth_authen}", for_cmd == SMFIC_MAIL ? c->auth : NULL},
        {"{cert_subject}", c->tls ? c->subject : NULL},
        {"{verify}", c->tls ? (c->subject ? "OK" : "NO") : NULL},
        {"{tls_version}", c->tls ? "TLSv1.3" : NULL},
        {"{mail_addr}", c->sender},
        {"{rcpt_addr}", for_cmd != SMFIC_RCPT ? NULL
                        : c->refuses          ? "5.1.1 no such user"
                                              : c->recipient},
        {"{rcpt_host}", for_cmd != SMFIC_RCPT ? NULL
                        : c->refuses          ? "5.1.1"
                                              : domain_of(c, w, c->recipient)},
        {"{rcpt_mailer}", for_cmd != SMFIC_RCPT ? NULL
                          : c->refuses          ? "error"
                                                : "smtp"},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        if (slice_eq_cstr(name, values[i].name))
            return values[i].value;
    return NULL;
}

static void put_macros(struct world *w, struct conn *c, uint8_t for_cmd, struct buf *out)
{
    static const char *const usual[SMFIM_STAGES] = {
        [SMFIM_CONNECT] = "j {daemon_name} {daemon_addr} v _",
        [SMFIM_HELO] = "{tls_version} {cert_subject}",
        [SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {mail_addr}",
        [SMFIM_ENVRCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
        [SMFIM_DATA] = "i",
        [SMFIM_EOM] = "i",
        [SMFIM_EOH] = "i",
    };
    enum milter_stage stage = milter_stage_of_command(for_cmd);
    if (stage == SMFIM_STAGES)
        return;
    const char *names = c->symlist[stage] ? c->symlist[stage] : usual[stage];
    struct buf pairs = {0};
    struct slice rest = slice_cstr(names);
    while (rest.ptr) {
        struct slice name = slice_cut(&rest, ' ');
        const char *value = name.len ? macro_value(w, c, for_cmd, name) : NULL;
        if (!value)
            continue;
        wire_put_string(&pairs, name);
        wire_put_string(&pairs, slice_cstr(value));
    }
    struct milter_command m = {.cmd = SMFIC_MACRO};
    m.u.macro.for_cmd = for_cmd;
    m.u.macro.pairs = buf_slice(&pairs);
    milter_put_command(out, &m);
    buf_fini(&pairs);
}

static bool is_off(const struct conn *c, uint32_t step)
{
    return (c->steps & step) != 0;
}

static void owe(struct conn *c, uint8_t cmd)
{
    c->reply = NULL;
    if (c->owed < OWED_MAX)
        c->owed_cmds[c->owed++] = cmd;
}

static bool is_of_message(uint8_t cmd)
{
    return cmd == SMFIC_RCPT || cmd == SMFIC_DATA || cmd == SMFIC_HEADER || cmd == SMFIC_EOH || cmd == SMFIC_BODY ||
           cmd == SMFIC_BODYEOB;
}

bool mta_send_command(struct world *w, struct conn *c, const struct milter_command *command, uint32_t off, uint32_t no_reply)
{
    if (c->message_free && is_of_message(command->cmd))
        return false;
    struct buf out = {0};
    unsigned owed = c->owed;
    if (command->cmd != SMFIC_UNKNOWN)
        put_macros(w, c, command->cmd, &out);
    if (!is_off(c, off)) {
        milter_put_command(&out, command);
        if (!is_off(c, no_reply))
            owe(c, command->cmd);
        world_tell(w, "%s > %s", c->name, milter_command_name(command->cmd));
    }
    bool awaited = c->owed > owed;
    send_bytes(w, c, buf_slice(&out));
    buf_fini(&out);
    return awaited;
}

static void send_code(struct world *w, struct conn *c, uint8_t cmd)
{
    struct buf out = {0};
    wire_put(&out, cmd, SLICE_NONE);
    world_tell(w, "%s > %s", c->name, milter_command_name(cmd));
    send_bytes(w, c, buf_slice(&out));
    buf_fini(&out);
}

void mta_hang_up(struct world *w, struct conn *c)
{
    c->n_queue = c->owed = 0;
    c->hung_up = true;
    if (!c->open)
        return;
    world_tell(w, "%s > (closes)", c->name);
    world_step(w, &(struct event){.kind = EVENT_EOF, .owner = c->id});
    if (c->open)
        world_fail(w, "%s: the MTA has closed, and the engine does not", c->name);
}

static void quit(struct world *w, struct conn *c)
{
    send_code(w, c, SMFIC_QUIT);
    if (c->open)
        mta_hang_up(w, c);
    c->hung_up = true;
    c->n_queue = c->owed = 0;
}

/* ---- steps ---- */

void mta_forget_message(struct conn *c)
{
    c->sender_known = c->message_free = c->skips_body = c->refuses = false;
    c->accepted = 0;
    c->mail = NULL;
    c->sender = c->recipient = NULL;
    c->message_tuples = NULL;
}

static void do_negotiate(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    if (c->version < 6) {
        c->offer = 0x3f;
        c->offered_steps = 0x7f;
    }
    struct milter_options o = {.version = c->version, .actions = c->offer, .steps = c->offered_steps};
    struct buf out = {0};
    milter_put_options(&out, &o);
    owe(c, SMFIC_OPTNEG);
    send_bytes(w, c, buf_slice(&out));
    buf_fini(&out);
}

static uint8_t family_of(const struct conn *c)
{
    const char *given = mta_option(c, "family");
    if (given)
        return (uint8_t)given[0];
    if (strcmp(c->address, "unknown") == 0)
        return MILTER_FAMILY_UNKNOWN;
    return strchr(c->address, ':') ? MILTER_FAMILY_INET6 : MILTER_FAMILY_INET;
}

static void do_connect(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    struct milter_command m = {.cmd = SMFIC_CONNECT};
    m.u.connect.host = slice_cstr(c->host);
    m.u.connect.family = family_of(c);
    m.u.connect.port = (uint16_t)strtoul(option_or(c, "port", "40000"), NULL, 10);
    m.u.connect.address = slice_cstr(c->address);
    (void)mta_send_command(w, c, &m, SMFIP_NOCONNECT, SMFIP_NR_CONN);
}

static void do_helo(struct world *w, struct conn *c, const struct mta_step *s)
{
    struct milter_command m = {.cmd = SMFIC_HELO, .u.helo = slice_cstr(s->args[0])};
    c->helo = s->args[0];
    (void)mta_send_command(w, c, &m, SMFIP_NOHELO, SMFIP_NR_HELO);
}

static struct slice esmtp_of(struct world *w, const struct mta_step *s, unsigned from)
{
    struct buf b = {0};
    for (unsigned i = from; i < s->n_args; i++)
        if (strncmp(s->args[i], "auth=", 5) != 0 && strcmp(s->args[i], "refused") != 0)
            wire_put_string(&b, slice_cstr(script_repeat(&w->arena, s->args[i])));
    struct slice kept = arena_slice(&w->arena, buf_slice(&b));
    buf_fini(&b);
    return kept;
}

static void do_mail(struct world *w, struct conn *c, const struct mta_step *s)
{
    mta_forget_message(c);
    mta_begin_mail(w, c, s->args[0]);
    for (unsigned i = 1; i < s->n_args; i++)
        if (strncmp(s->args[i], "auth=", 5) == 0)
            c->auth = s->args[i][5] ? s->args[i] + 5 : NULL;
    struct milter_command m = {.cmd = SMFIC_MAIL};
    m.u.envelope.address = slice_cstr(c->sender);
    m.u.envelope.esmtp = esmtp_of(w, s, 1);
    (void)mta_send_command(w, c, &m, SMFIP_NOMAIL, SMFIP_NR_MAIL);
}

static void do_rcpt(struct world *w, struct conn *c, const struct mta_step *s)
{
    c->recipient = s->args[0];
    c->progress = c->looks = c->alone_looks = c->stores = 0;
    c->now_tuple.decided = false;
    c->refuses = s->n_args > 1 && strcmp(s->args[1], "refused") == 0;
    if (c->refuses && !is_off(c, SMFIP_RCPT_REJ)) /* the bit asks for them */
        return;
    struct milter_command m = {.cmd = SMFIC_RCPT};
    m.u.envelope.address = slice_cstr(c->recipient);
    m.u.envelope.esmtp = esmtp_of(w, s, 1);
    if (!mta_send_command(w, c, &m, SMFIP_NORCPT, SMFIP_NR_RCPT) && !c->refuses)
        mta_recipient_passed(c);
}

static void do_unknown(struct world *w, struct conn *c, const struct mta_step *s)
{
    struct milter_command m = {.cmd = SMFIC_UNKNOWN, .u.unknown = slice_cstr(s->args[0])};
    if (c->version >= 3)
        (void)mta_send_command(w, c, &m, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN);
}

static void do_abort(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    send_code(w, c, SMFIC_ABORT);
    mta_forget_message(c);
}

static void do_starttls(struct world *w, struct conn *c, const struct mta_step *s)
{
    do_abort(w, c, s);
    c->tls = true;
    c->subject = s->n_args > 0 ? s->args[0] : NULL;
}

static void do_quit(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    quit(w, c);
}

static void do_eof(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    mta_hang_up(w, c);
}

static void do_blind(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)w;
    (void)s;
    c->is_blind = true;
}

/* Bytes as they are; a reply is expected for each `=N` behind them. */
static void do_raw(struct world *w, struct conn *c, const struct mta_step *s)
{
    struct buf out = {0};
    for (unsigned i = 0; i < s->n_args; i++) {
        const char *a = s->args[i];
        if (a[0] != '=') {
            script_bytes(a, &out);
            continue;
        }
        for (unsigned long n = strtoul(a + 1, NULL, 10); n > 0; n--)
            owe(c, 0);
    }
    world_tell(w, "%s > raw, %zu bytes", c->name, out.len);
    if (out.len)
        send_bytes(w, c, buf_slice(&out));
    buf_fini(&out);
}

/* A new client's connection on the same milter connection. */
static void do_quit_nc(struct world *w, struct conn *c, const struct mta_step *s)
{
    send_code(w, c, SMFIC_QUIT_NC);
    mta_forget_message(c);
    c->address = s->args[0];
    c->host = s->args[1];
    c->auth = c->subject = NULL;
    c->tls = false;
    c->cookie += 100000;
    do_connect(w, c, s);
}

enum { FREE_SESSION = 1, OF_MESSAGE = 2 }; /* not sent when the filter has let go of it; part of one */

static const struct verb {
    const char *name;
    void (*run)(struct world *w, struct conn *c, const struct mta_step *s);
    unsigned min_args;
    unsigned flags;
} verbs[] = {
    {"connect", NULL, 2, 0}, /* becomes the two that follow */
    {"negotiate", do_negotiate, 0, 0},
    {"hello", do_connect, 0, 0},
    {"helo", do_helo, 1, FREE_SESSION},
    {"mail", do_mail, 1, FREE_SESSION},
    {"rcpt", do_rcpt, 1, FREE_SESSION | OF_MESSAGE},
    {"data", mta_data, 0, FREE_SESSION | OF_MESSAGE},
    {"message", mta_message, 0, FREE_SESSION | OF_MESSAGE},
    {"header", mta_header, 0, FREE_SESSION | OF_MESSAGE},
    {"eoh", mta_eoh, 0, FREE_SESSION | OF_MESSAGE},
    {"body", mta_body, 0, FREE_SESSION | OF_MESSAGE},
    {"eom", mta_eom, 0, FREE_SESSION | OF_MESSAGE},
    {"unknown", do_unknown, 1, FREE_SESSION},
    {"abort", do_abort, 0, FREE_SESSION},
    {"rset", do_abort, 0, FREE_SESSION},
    {"starttls", do_starttls, 0, FREE_SESSION},
    {"quit", do_quit, 0, 0},
    {"eof", do_eof, 0, 0},
    {"blind", do_blind, 0, 0},
    {"raw", do_raw, 1, 0},
    {"now", do_raw, 1, 0}, /* the same, also while a reply is owed */
    {"quit-nc", do_quit_nc, 2, 0},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static bool is_at_once(const char *verb)
{
    return strcmp(verb, "now") == 0 || strcmp(verb, "eof") == 0;
}

bool mta_is_ready(const struct conn *c)
{
    if (!c->open || c->n_queue == 0)
        return false;
    return c->owed == 0 || c->is_blind || is_at_once(c->queue[0].verb);
}

void mta_send_next(struct world *w, struct conn *c)
{
    struct mta_step s = c->queue[0];
    c->n_queue--;
    memmove(c->queue, c->queue + 1, c->n_queue * sizeof(*c->queue));
    const struct verb *v = find_verb(s.verb);
    if (v->flags & FREE_SESSION && c->session_free)
        return;
    bool goes_alone = c->message_free && v->flags & OF_MESSAGE; /* the script looks at the reply later */
    bool ends = v->run == do_quit || v->run == do_eof || v->run == do_blind || v->run == do_raw;
    if (c->unseen && !goes_alone && !ends && v->run != do_abort && !w->crashed) {
        world_fail(w, "%s was answered \"%s\", and no line of the script looks at it", c->name, c->reply);
        return;
    }
    c->heard_ms = w->now_ms;
    c->sent_now = 0;
    v->run(w, c, &s);
}

/* ---- the script's line ---- */

/* lacks=skip,leadspc,addrcpt_par: what an older MTA does not offer. */
static void lack(struct world *w, struct conn *c, const char *words)
{
    struct slice rest = slice_cstr(words);
    while (rest.len > 0) {
        const char *word = arena_cstr(&w->arena, slice_cut(&rest, ','));
        uint32_t action = child_action_of(word), step = child_step_bit_of(word);
        if (!action && !step)
            world_fail(w, "an MTA cannot lack %s", word);
        c->offer &= ~action;
        c->offered_steps &= ~step;
    }
}

static void begin(struct world *w, const char *name, const struct mta_step *s)
{
    struct conn *old = world_conn(w, name);
    if (old && old->open && old->owed && !w->crashed)
        world_fail(w, "%s is connected and waits for a reply", name);
    if (old && old->open)
        quit(w, old);
    struct conn *c = world_open(w, name);
    if (!c->open) /* the daemon is stopping, or has crashed just now */
        return;
    c->address = s->args[0];
    c->host = strcmp(s->args[1], "unknown") == 0 && strcmp(s->args[0], "unknown") != 0
                  ? arena_printf(&w->arena, "[%s]", s->args[0])
                  : s->args[1];
    c->options = s->args + 2;
    c->n_options = s->n_args - 2;
    c->version = (uint32_t)strtoul(option_or(c, "version", "6"), NULL, 10);
    c->offer = mta_option(c, "nosymlist") ? 0xff : 0x1ff;
    c->offered_steps = 0x1fffff;
    lack(w, c, option_or(c, "lacks", ""));
    c->timeout_ms = mta_option(c, "timeout") ? strtol(mta_option(c, "timeout"), NULL, 10) * 1000 : COMMAND_TIMEOUT_MS;
    const char *client = option_or(c, "client", "alive");
    c->lies_gone = strcmp(client, "lies") == 0;
    if (!c->lies_gone && !outside_client_state(client, &c->state))
        world_fail(w, "no such state of a client: %s", client);
    c->queue = mem_grow(c->queue, &c->cap_queue, 2, sizeof(*c->queue));
    c->queue[c->n_queue++] = (struct mta_step){.verb = "negotiate", .line = w->line};
    c->queue[c->n_queue++] = (struct mta_step){.verb = "hello", .line = w->line};
}

/* goes_first: before what waits for its turn still. */
static void add_step(struct world *w, const char *name, char **words, unsigned n, bool goes_first)
{
    const struct verb *v = n ? find_verb(words[0]) : NULL;
    if (!v || n - 1 < v->min_args) {
        world_fail(w, "a step that is none: %s", n ? words[0] : "(empty)");
        return;
    }
    struct mta_step s = {.verb = v->name, .args = words + 1, .n_args = n - 1, .line = w->line};
    if (!v->run) {
        begin(w, name, &s);
        return;
    }
    struct conn *c = world_conn(w, name);
    if (!c || !c->open) {
        if (!w->crashed && !(c && (c->closed || c->hung_up)))
            world_fail(w, "no connection \"%s\"", name);
        return;
    }
    c->queue = mem_grow(c->queue, &c->cap_queue, c->n_queue + 1, sizeof(*c->queue));
    unsigned at = goes_first ? 0 : (unsigned)c->n_queue;
    memmove(c->queue + at + 1, c->queue + at, (c->n_queue - at) * sizeof(*c->queue));
    c->queue[at] = s;
    c->n_queue++;
}

void mta_line(struct world *w, struct script_line *l)
{
    unsigned at = 1;
    const char *name = "mta";
    if (l->n_words > 1 && !find_verb(l->words[1]))
        name = l->words[at++];
    bool is_first = true;
    while (at < l->n_words && !w->failed) {
        unsigned end = at;
        while (end < l->n_words && strcmp(l->words[end], "|") != 0)
            end++;
        add_step(w, name, l->words + at, end - at, is_first && is_at_once(l->words[at]));
        is_first = false;
        at = end + 1;
    }
    world_settle(w);
}

void mta_check_timeouts(struct world *w)
{
    for (size_t i = 0; i < w->n_conns && !w->failed; i++) {
        struct conn *c = w->conns[i];
        bool content =
            c->owed && is_of_message(c->owed_cmds[0]) && c->owed_cmds[0] != SMFIC_RCPT && c->owed_cmds[0] != SMFIC_DATA;
        int64_t limit_ms = c->timeout_ms && content ? CONTENT_TIMEOUT_MS : c->timeout_ms;
        if (c->open && c->owed && limit_ms && w->now_ms - c->heard_ms > limit_ms)
            world_fail(w, "%s: the MTA has heard nothing for %d s, its time-out", c->name, (int)(limit_ms / 1000));
    }
}
