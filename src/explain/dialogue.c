/* dialogue.c - mails played against the engine, one after the other. */
#include "explain/dialogue.h"
#include "engine/engine.h"
#include "milter/command.h"
#include "milter/reply.h"
#include "policy/allow.h"

#include <string.h>

enum { HOLD_MAX_MS = 24 * 3600 * 1000, COOKIE = 1 };

struct dialogue {
    struct dialogue_world *world;
    owner_id session;
    const struct explain_facts *facts;
    struct instant now;
    struct buf sent; /* what the engine has sent since the last command */
    struct outcome *out;
    bool gone, closed;
};

void outcome_fini(struct outcome *o)
{
    buf_fini(&o->reply);
    buf_fini(&o->header);
    buf_fini(&o->log);
}

static void step(struct dialogue *d, struct event *event);

/* A line of the log, without the connection's name: there is no such connection that anybody could look for. */
static struct slice without_name(struct slice line)
{
    if (!slice_has_prefix(line, "s-"))
        return line;
    const char *colon = memmem(line.ptr, line.len, ": ", 2);
    return colon ? slice_of(colon + 2, line.len - (size_t)(colon + 2 - line.ptr)) : line;
}

/* Of a host name, by facts->proof. Of PTR nothing is known: the facts tell the client's name. */
static void answer_dns(struct dialogue *d, const struct effect *e)
{
    const struct explain_facts *f = d->facts;
    struct event answer = {.kind = EVENT_DNS, .owner = e->owner, .request = e->request};
    bool address = e->u.dns.type == (f->client.family == IP_V6 ? DNS_AAAA : DNS_A);
    struct slice helo = f->helo.len ? f->helo : f->name;
    bool fails = f->proof == EXPLAIN_NOT_ASKED || f->proof == EXPLAIN_HELO_FAILED;
    answer.u.dns.status = fails ? DNS_FAILED : DNS_ABSENT;
    if (f->proof == EXPLAIN_HELO_LEADS && address && slice_eq_nocase(e->u.dns.name, helo)) {
        answer.u.dns.status = DNS_FOUND;
        answer.u.dns.addresses = &f->client;
        answer.u.dns.n_addresses = 1;
    }
    step(d, &answer);
}

static void carry_out(struct dialogue *d, const struct effect *e)
{
    struct event answer = {.owner = e->owner, .request = e->request};
    struct grey_answer known;
    switch (e->kind) {
    case EFFECT_SEND:
        buf_put_slice(&d->sent, e->u.bytes);
        break;
    case EFFECT_CLOSE:
        d->closed = true;
        break;
    case EFFECT_LOG:
        buf_put_slice(&d->out->log, without_name(e->u.bytes));
        buf_put_byte(&d->out->log, '\n');
        break;
    case EFFECT_STORE:
        (void)grey_memory_run(d->world->memory, e->u.store, &known);
        if (e->request == 0)
            break;
        answer.kind = EVENT_STORE;
        answer.u.answer = &known;
        step(d, &answer);
        break;
    case EFFECT_LOOK:
        answer.kind = EVENT_LOOK;
        answer.u.look.result = d->gone ? LOOK_GONE : d->facts->unwatched ? LOOK_ABSENT : LOOK_ALIVE;
        answer.u.look.cookie = COOKIE;
        step(d, &answer);
        break;
    case EFFECT_DNS:
        answer_dns(d, e);
        break;
    default: /* no child is asked: conditions on them are told apart */
        break;
    }
}

/* One event; carrying its effects out makes more of them, in a queue of their own. */
static void step(struct dialogue *d, struct event *event)
{
    struct effects mine;
    event->now = d->now;
    effects_init(&mine);
    engine_step(d->world->engine, event, &mine);
    for (size_t i = 0; i < mine.count; i++)
        carry_out(d, &mine.items[i]);
    effects_fini(&mine);
}

static void put_text(struct buf *out, const struct milter_reply *r)
{
    /* as a person reads it: `%%` is one percent sign, and lines are joined */
    struct slice text = r->u.replycode.text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' && i + 1 < text.len && text.ptr[i + 1] == '%')
            continue;
        if (text.ptr[i] != '\r')
            buf_put_byte(out, text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
    }
}

/* The verdict among what came since the last command; headers on the way. Returns its code, 0 when nothing final came. */
static uint8_t read_reply(struct dialogue *d, const char *stage)
{
    struct slice in = buf_slice(&d->sent);
    struct wire_packet p;
    struct milter_reply r;
    uint8_t verdict = 0;
    while (wire_next(&in, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        if (p.cmd == SMFIR_PROGRESS || p.cmd == SMFIC_OPTNEG)
            continue;
        if (milter_parse_reply(&p, &r) != ERR_NONE)
            continue;
        if (r.code == SMFIR_ADDHEADER || r.code == SMFIR_INSHEADER) {
            buf_printf(&d->out->header, "%s%.*s: %.*s", d->out->header.len ? "\n" : "", SLICE_ARG(r.u.header.name),
                       SLICE_ARG(r.u.header.value));
            continue;
        }
        verdict = r.code;
        buf_clear(&d->out->reply);
        if (r.code == SMFIR_REPLYCODE)
            put_text(&d->out->reply, &r);
        else
            buf_put_cstr(&d->out->reply, "250");
    }
    buf_clear(&d->sent);
    if (verdict) {
        d->out->stage = stage;
        d->out->deferred |= verdict == SMFIR_TEMPFAIL || (verdict == SMFIR_REPLYCODE && d->out->reply.ptr[0] == '4');
        d->out->rejected |= verdict == SMFIR_REJECT || (verdict == SMFIR_REPLYCODE && d->out->reply.ptr[0] == '5');
    }
    return verdict;
}

static void send_packet(struct dialogue *d, struct buf *packet)
{
    struct event event = {.kind = EVENT_BYTES, .owner = d->session};
    event.u.bytes = buf_slice(packet);
    step(d, &event);
    buf_clear(packet);
}

static void put_macro(struct buf *out, const char *name, struct slice value)
{
    if (!value.ptr)
        return;
    buf_put(out, name, strlen(name) + 1);
    buf_put_slice(out, value);
    buf_put_byte(out, '\0');
}

static void put_macros(struct buf *packet, uint8_t for_cmd, const struct buf *pairs)
{
    struct milter_command c = {.cmd = SMFIC_MACRO};
    c.u.macro.for_cmd = for_cmd;
    c.u.macro.pairs = buf_slice(pairs);
    milter_put_command(packet, &c);
}

static uint8_t say_connect(struct dialogue *d, struct buf *packet)
{
    static const char *const resolves[] = {[RESOLVE_ABSENT] = NULL,
                                           [RESOLVE_OK] = "OK",
                                           [RESOLVE_FORGED] = "FORGED",
                                           [RESOLVE_TEMP] = "TEMP",
                                           [RESOLVE_FAIL] = "FAIL"};
    const struct explain_facts *f = d->facts;
    struct buf pairs = {0}, host = {0};
    char address[IP_TEXT_MAX];
    ip_format(&f->client, address);
    bool named = f->resolve == RESOLVE_OK;
    put_macro(&pairs, "v", SLICE_LIT("Postfix (explained)"));
    put_macro(&pairs, "{client_ptr}", f->ptr.len ? f->ptr : named ? f->name : SLICE_LIT("unknown"));
    put_macro(&pairs, "{client_resolve}", slice_cstr(resolves[f->resolve]));
    put_macro(&pairs, "{daemon_addr}", f->client.family == IP_V6 ? SLICE_LIT("::1") : SLICE_LIT("127.0.0.1"));
    put_macro(&pairs, "{daemon_port}", SLICE_LIT("25"));
    put_macros(packet, SMFIC_CONNECT, &pairs);
    if (named)
        buf_put_slice(&host, f->name);
    else
        buf_printf(&host, "[%s]", address);
    struct milter_command c = {.cmd = SMFIC_CONNECT};
    c.u.connect.host = buf_slice(&host);
    c.u.connect.family = f->client.family == IP_V6 ? MILTER_FAMILY_INET6 : MILTER_FAMILY_INET;
    c.u.connect.port = 50000;
    c.u.connect.address = slice_cstr(address);
    milter_put_command(packet, &c);
    send_packet(d, packet);
    buf_fini(&pairs);
    buf_fini(&host);
    return read_reply(d, "CONNECT");
}

/* Also to an engine that has switched the step off: it answers then, as to any command. */
static uint8_t say_helo(struct dialogue *d, struct buf *packet)
{
    struct milter_command c = {.cmd = SMFIC_HELO};
    c.u.helo = d->facts->helo.len ? d->facts->helo : d->facts->name;
    if (c.u.helo.len == 0)
        return SMFIR_CONTINUE;
    milter_put_command(packet, &c);
    send_packet(d, packet);
    return read_reply(d, "HELO");
}

static uint8_t say_envelope(struct dialogue *d, struct buf *packet, uint8_t cmd, struct slice address)
{
    struct buf bracketed = {0}, pairs = {0};
    if (cmd == SMFIC_MAIL && d->facts->authenticated.len) {
        put_macro(&pairs, "{auth_type}", SLICE_LIT("PLAIN"));
        put_macro(&pairs, "{auth_authen}", d->facts->authenticated);
        put_macros(packet, SMFIC_MAIL, &pairs);
    }
    bool bare = !slice_has_prefix(address, "<");
    buf_printf(&bracketed, "%s%.*s%s", bare ? "<" : "", SLICE_ARG(address), bare ? ">" : "");
    struct milter_command c = {.cmd = cmd};
    c.u.envelope.address = buf_slice(&bracketed);
    milter_put_command(packet, &c);
    send_packet(d, packet);
    buf_fini(&bracketed);
    buf_fini(&pairs);
    return read_reply(d, cmd == SMFIC_MAIL ? "MAIL" : "RCPT");
}

/* Time passes until RCPT is answered. */
static uint8_t sit_out(struct dialogue *d, bool leaves)
{
    struct event tick = {.kind = EVENT_TICK};
    int64_t start_ms = d->now.mono.ms;
    uint8_t verdict = 0;
    d->out->held = true;
    d->gone = leaves;
    while (verdict == 0 && !d->closed && engine_wants_ticks(d->world->engine) && d->now.mono.ms - start_ms < HOLD_MAX_MS) {
        d->now.mono.ms += 1000;
        d->now.wall.sec += 1;
        step(d, &tick);
        verdict = read_reply(d, "RCPT");
    }
    d->out->held_ms = d->now.mono.ms - start_ms;
    return verdict;
}

/* Whether some recipient was let in. */
static bool say_recipients(struct dialogue *d, struct buf *packet, bool leaves)
{
    bool any = false;
    for (size_t i = 0; i <= d->facts->n_more && !d->closed && !d->gone; i++) {
        struct slice recipient = i == 0 ? d->facts->recipient : d->facts->more_recipients[i - 1];
        uint8_t verdict = say_envelope(d, packet, SMFIC_RCPT, recipient);
        if (verdict == 0)
            verdict = sit_out(d, leaves);
        any |= verdict == SMFIR_CONTINUE;
        d->out->passed |= verdict == SMFIR_ACCEPT;
    }
    return any;
}

static void say_simple(struct dialogue *d, struct buf *packet, uint8_t cmd)
{
    struct milter_command c = {.cmd = cmd};
    milter_put_command(packet, &c);
    send_packet(d, packet);
}

static void play(struct dialogue *d, bool leaves)
{
    struct buf packet = {0};
    struct milter_options offer = {.version = MILTER_VERSION, .actions = SMFIF_ALL, .steps = 0x1fffff};
    milter_put_options(&packet, &offer);
    send_packet(d, &packet);
    buf_clear(&d->sent);
    uint8_t verdict = say_connect(d, &packet);
    if (verdict == SMFIR_CONTINUE)
        verdict = say_helo(d, &packet);
    if (verdict == SMFIR_CONTINUE)
        verdict = say_envelope(d, &packet, SMFIC_MAIL, d->facts->sender);
    if (verdict == SMFIR_ACCEPT)
        d->out->passed = true;
    if (verdict == SMFIR_CONTINUE && say_recipients(d, &packet, leaves) && !d->out->passed) {
        say_simple(d, &packet, SMFIC_DATA);
        if (read_reply(d, "DATA") == SMFIR_CONTINUE) {
            say_simple(d, &packet, SMFIC_BODYEOB);
            (void)read_reply(d, "RCPT");
        }
    }
    buf_fini(&packet);
}

void dialogue_world_init(struct dialogue_world *w, struct plan *plan, struct grey_memory *memory, struct wall now)
{
    *w = (struct dialogue_world){.memory = memory, .epoch = now, .mono = {1000}};
    plan->without_children = true; /* what they would say nobody knows */
    w->engine = engine_new(plan_ref(plan), (struct siphash_key){{0}}, (struct instant){.mono = w->mono, .wall = now});
}

void dialogue_world_fini(struct dialogue_world *w)
{
    engine_free(w->engine);
}

void dialogue_world_allow(struct dialogue_world *w, struct allows *allows)
{
    struct event event = {.kind = EVENT_ALLOWS, .now = {.mono = w->mono, .wall = w->epoch}};
    struct effects none;
    event.u.allows = allows_ref(allows);
    effects_init(&none);
    engine_step(w->engine, &event, &none);
    effects_fini(&none);
}

void dialogue_play_in(struct dialogue_world *w, const struct explain_facts *facts, bool leaves, struct outcome *out)
{
    int64_t passed_ms = 1000 + (facts->now.sec - w->epoch.sec) * 1000;
    *out = (struct outcome){.stage = "RCPT"};
    struct dialogue d = {.world = w, .facts = facts, .out = out, .session = owner_make(OWNER_SESSION, 1, ++w->serial)};
    d.now.mono.ms = passed_ms > w->mono.ms ? passed_ms : w->mono.ms;
    d.now.wall = facts->now;
    struct event open = {.kind = EVENT_OPEN, .owner = d.session}, end = {.kind = EVENT_EOF, .owner = d.session};
    step(&d, &open);
    play(&d, leaves);
    if (!d.closed)
        step(&d, &end);
    w->mono = d.now.mono;
    buf_fini(&d.sent);
}

void dialogue_play(struct plan *plan, const struct explain_facts *facts, struct grey_memory *memory, bool leaves,
                   struct outcome *out)
{
    struct dialogue_world world;
    dialogue_world_init(&world, plan, memory, facts->now);
    dialogue_play_in(&world, facts, leaves, out);
    dialogue_world_fini(&world);
}
