/*
 * engine.c - bytes as an event script against the whole engine: several MTA connections, a store and clients' sockets that
 * answer in any order, wrongly, late or never, two clocks that jump, new plans, a stop.
 *
 * Input: the plan to begin with, then operations of one byte and the bytes that each of them takes; whatever is missing at the
 * end is 0. After the script nobody answers any more, time passes, and every connection breaks.
 *
 * Promises: nothing is done for a session after its EFFECT_CLOSE; what is sent is well-formed, at most one final reply for each
 * command, and in the end exactly one; no 5xx without the blacklisted sender; timers end; nothing is left over.
 */
#include "base/mem.h"
#include "client/client.h"
#include "engine/engine.h"
#include "port/journal.h"
#include "grey/memory.h"
#include "milter/command.h"
#include "milter/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CONNS = 6,
    WALL_START_SEC = 1795485418,
    WALL_JUMP_MAX_SEC = 400 * 86400,
    FILLER_MAX_BYTES = 400 * 1024, /* of one script */
    LAST_TICKS = 600               /* of a second: more than all that may follow on each other takes */
};

/* ---- plans ---- */

static const char *const plan_texts[] = {
    /* all that decides, for clients that look like an end user's line */
    "filter \"greylist\" { builtin greylist\n when remote and unauthenticated and s25r }\n"
    "delayedreject\nverbose\nholds max 4\nholds per-client 3\ngreylist 10m\nautowhite 1d\n"
    "racl blacklist from /^<spam/ msg \"%f: go away, %h\"\n"
    "racl whitelist from /^<report/ report \"let in by %a for %E\" addheader \"X-Line: %h %f %r\", 1\n"
    "racl greylist from /^<patient/ tarpit 20s delay 1m\n"
    "racl blacklist from /^<spray/ tarpit 5s code \"450\" ecode \"4.7.0\"\n"
    "racl whitelist tarpit 40s addheader \"X-Held: %h %t\"\n"
    "racl greylist default\n",
    /* needs more: HELO, a macro, tuples by domain, everybody is asked about */
    "hostkey domain\nlazyaw\nholds unwatched hold\nprogress always\nprogress every 3s\nquiet\nreport all\n"
    "racl blacklist from /^<spam/ tarpit 5s\n"
    "racl whitelist helo \"friend\" addheader \"X-Host: %M{rcpt_host} %M{j}\"\n"
    "racl greylist not tarpit 10s delay 2m\n"
    "racl whitelist tarpit 15s\n"
    "racl greylist default msg \"%r: come back in %R, %M{rcpt_host}\"\n",
    /* needs nothing */
    "report none\nracl whitelist default\n",
};

static struct plan *plans[COUNT_OF(plan_texts)];

/* Built once: only the counter changes. Owner: the caller has a reference. */
static struct plan *plan_take(unsigned which)
{
    unsigned i = which % COUNT_OF(plan_texts);
    if (!plans[i]) {
        struct slice text = slice_cstr(plan_texts[i]);
        struct conf_source source = conf_source_text(&text);
        struct diags diags;
        diags_init(&diags);
        plans[i] = plan_build(&source, "fuzz.conf", "mx.example.net", &diags);
        if (!plans[i]) {
            struct buf b = {0};
            diags_print(&diags, &b);
            fputs(buf_cstr(&b), stderr);
            PANIC("the target's own plan has errors");
        }
        diags_fini(&diags);
    }
    return plan_ref(plans[i]);
}

/* ---- the world ---- */

/* The MTA's side of a connection. */
struct conn {
    owner_id id;
    bool open;
    bool spam;               /* the blacklisted sender's name was sent */
    bool broken;             /* a frame that ends everything was sent: what follows is no command */
    struct buf out;          /* written, not yet sent */
    struct buf sent;         /* the frame that is not complete yet */
    unsigned asked, replied; /* commands that want a reply, and final replies */
    uint8_t next;            /* step of the ordinary dialogue */
};

/* What the engine has asked and nobody has answered. */
struct asked {
    owner_id session;
    uint32_t request;
    struct grey_request *store; /* NULL: a look */
    uint64_t cookie;
};

struct world {
    const uint8_t *at, *end;
    struct engine *engine;
    struct effects effects;
    struct grey_memory *memory;
    struct arena arena;
    struct instant now;
    struct conn conns[CONNS];
    uint32_t serials[CONNS];
    struct asked *asked;
    size_t n_asked, cap_asked;
    size_t filler_left;
    bool stopping, stopped;
};

static void expect(bool so, const char *what)
{
    if (!so)
        PANIC(what);
}

static uint8_t take(struct world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

static struct conn *conn_of(struct world *w, owner_id id)
{
    uint32_t slot = owner_slot(id);
    return slot < CONNS && w->conns[slot].open && w->conns[slot].id == id ? &w->conns[slot] : NULL;
}

static struct conn *take_conn(struct world *w)
{
    return &w->conns[take(w) % CONNS];
}

static void conn_closed(struct conn *c)
{
    buf_fini(&c->out);
    buf_fini(&c->sent);
    *c = (struct conn){0};
}

/* ---- effects ---- */

static bool is_final(uint8_t code)
{
    switch (code) {
    case SMFIR_CONTINUE:
    case SMFIR_ACCEPT:
    case SMFIR_REPLYCODE:
        return true;
    case SMFIR_PROGRESS:
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
        return false;
    default:
        PANIC("a reply that no command of ours has");
    }
}

static void heard(struct conn *c, struct slice bytes)
{
    struct wire_packet p;
    expect(bytes.len > 0, "an empty write");
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_options options;
        struct milter_reply reply;
        if (p.cmd == SMFIC_OPTNEG) {
            expect(c->replied == 0, "a second answer to the negotiation");
            expect(milter_parse_options(p.body, &options) == ERR_NONE, "an answer to the negotiation that is none");
            c->replied++;
            continue;
        }
        expect(c->replied > 0, "a reply before the negotiation");
        expect(milter_parse_reply(&p, &reply) == ERR_NONE, "a reply that no MTA would take");
        if (p.cmd == SMFIR_REPLYCODE && !c->spam)
            expect(reply.u.replycode.status < 500, "a 5xx for a suspicion");
        c->replied += is_final(p.cmd);
        expect(c->replied <= c->asked, "a reply that nobody waits for");
    }
    expect(bytes.len == 0, "half a packet was sent");
}

static struct grey_request *copy_request(struct world *w, const struct grey_request *r)
{
    struct grey_request *copy = arena_alloc(&w->arena, sizeof(*copy));
    *copy = *r;
    copy->tuple.client_domain = arena_slice(&w->arena, r->tuple.client_domain);
    copy->tuple.sender = arena_slice(&w->arena, r->tuple.sender);
    copy->tuple.recipient = arena_slice(&w->arena, r->tuple.recipient);
    return copy;
}

static struct asked *note_asked(struct world *w, const struct effect *e)
{
    w->asked = mem_grow(w->asked, &w->cap_asked, w->n_asked + 1, sizeof(*w->asked));
    struct asked *a = &w->asked[w->n_asked++];
    *a = (struct asked){.session = e->owner, .request = e->request};
    return a;
}

static void asked_store(struct world *w, const struct effect *e)
{
    const struct grey_request *r = e->u.store;
    expect(r->now.sec == w->now.wall.sec, "a request whose time is not now");
    expect(r->delay_sec >= 0 && r->timeout_sec > 0 && r->autowhite_sec >= 0 && r->waited_sec >= 0, "a time below zero");
    if (r->kind != GREY_CONFIRM && r->kind != GREY_PROVE) /* those are of no tuple */
        expect(slice_has_prefix(r->tuple.sender, "<") && slice_has_prefix(r->tuple.recipient, "<"),
               "an address not cleaned");
    note_asked(w, e)->store = copy_request(w, r);
}

static void asked_look(struct world *w, const struct effect *e)
{
    const struct endpoints *ends = &e->u.look.ends;
    expect(e->request != 0, "a look whose answer nobody waits for");
    expect(ends->local.family != IP_NONE && ends->local.family == ends->remote.family, "a look at no connection");
    expect(ends->local_port != 0 && ends->remote_port != 0, "a look at no port");
    note_asked(w, e)->cookie = e->u.look.cookie;
}

static void carry_out(struct world *w, const struct effect *e)
{
    struct conn *c = conn_of(w, e->owner);
    expect(c || e->owner == 0, "an effect for a session that is no more");
    expect(c || e->kind == EFFECT_LOG || e->kind == EFFECT_STOPPED, "an effect for no session");
    switch (e->kind) {
    case EFFECT_SEND:
        heard(c, e->u.bytes);
        break;
    case EFFECT_CLOSE:
        conn_closed(c);
        break;
    case EFFECT_STORE:
        asked_store(w, e);
        break;
    case EFFECT_LOOK:
        asked_look(w, e);
        break;
    case EFFECT_LOG:
        expect(slice_find(e->u.bytes, '\n') == e->u.bytes.len && slice_find(e->u.bytes, '\0') == e->u.bytes.len,
               "a log line that is more than one");
        break;
    case EFFECT_JOURNAL: {
        struct buf row = {0};
        journal_put_row(&row, e->u.journal);
        expect(slice_find(buf_slice(&row), '\n') + 1 == row.len, "a row of the journal that is more than one");
        buf_fini(&row);
        break;
    }
    case EFFECT_STOPPED:
        expect(w->stopping && !w->stopped, "stopped without being told, or twice");
        w->stopped = true;
        break;
    case EFFECT_CHILD_OPEN:
    case EFFECT_CHILD_SEND:
    case EFFECT_CHILD_DRAIN:
    case EFFECT_CHILD_PAUSE:
    case EFFECT_CHILD_RESUME:
    case EFFECT_CHILD_CLOSE:
    case EFFECT_DRAIN:
    case EFFECT_DNS:
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
    case EFFECT_SPOOL_CLOSE:
    case EFFECT_MAX_:
        break;
    }
}

static void check_counters(const struct world *w)
{
    struct engine_stats stats = engine_stats(w->engine);
    unsigned open = 0;
    for (size_t i = 0; i < CONNS; i++)
        open += w->conns[i].open;
    expect(stats.open == open, "another number of sessions than there are connections");
    expect(stats.held <= stats.open, "more are held than there are");
    expect(stats.held_all ==
               stats.held + stats.served + stats.left + stats.cut + stats.siblings + stats.released + stats.dropped,
           "a hold without an end");
    expect(!w->stopping || open == 0, "a session after the stop");
    expect(w->stopped == w->stopping, "the stop was not told");
}

static void step(struct world *w, struct event event)
{
    event.now = w->now;
    engine_step(w->engine, &event, &w->effects);
    for (size_t i = 0; i < w->effects.count; i++)
        carry_out(w, &w->effects.items[i]);
    effects_clear(&w->effects);
    check_counters(w);
}

/* ---- what the MTA writes ---- */

static bool wants_reply(uint8_t cmd)
{
    return cmd != SMFIC_MACRO && cmd != SMFIC_ABORT && cmd != SMFIC_QUIT && cmd != SMFIC_QUIT_NC;
}

static void note_spam(struct conn *c, struct slice bytes)
{
    for (; bytes.len >= 4 && !c->spam; bytes = slice_from(bytes, 1))
        c->spam = slice_eq_nocase(slice_upto(bytes, 4), SLICE_LIT("spam"));
}

/* What will have been asked once these bytes are there. */
static void note_sent(struct conn *c, struct slice bytes)
{
    struct wire_packet p;
    enum wire_result r = WIRE_MORE;
    buf_put_slice(&c->sent, bytes);
    struct slice rest = buf_slice(&c->sent);
    while (!c->broken && (r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK) {
        c->asked += wants_reply(p.cmd);
        note_spam(c, p.body);
    }
    c->broken |= r == WIRE_BAD;
    buf_drop(&c->sent, c->sent.len - rest.len);
}

/* The first n of the bytes that are written. */
static void flush(struct world *w, struct conn *c, size_t n)
{
    if (!c->open || c->out.len == 0)
        return;
    struct slice bytes = slice_upto(buf_slice(&c->out), n);
    /* an exact copy, so that a sanitizer sees one byte too many, and because a close frees what is written */
    char *exact = mem_alloc(bytes.len);
    memcpy(exact, bytes.ptr, bytes.len);
    bytes.ptr = exact;
    buf_drop(&c->out, bytes.len);
    note_sent(c, bytes);
    step(w, (struct event){.kind = EVENT_BYTES, .owner = c->id, .u.bytes = bytes});
    free(exact);
}

static void put_filler(struct world *w, struct buf *out, size_t n)
{
    if (n > w->filler_left)
        n = w->filler_left;
    if (n == 0)
        return;
    w->filler_left -= n;
    memset(buf_reserve(out, n), 'x', n);
    out->len += n;
}

static const char *const hosts[] = {"dhcp-12-34-56-78.isp.example", "mail.example.org", "[192.0.2.7]", "unknown", "",
                                    "1-2-3-4.pool.isp.example",     "a\nb.example"};
static const char *const addresses[] = {"192.0.2.7",   "192.0.2.8",        "198.51.100.1", "IPv6:2001:db8::7",
                                        "2001:db8::8", "::ffff:192.0.2.9", "127.0.0.1",    "nowhere"};
static const uint8_t families[] = {MILTER_FAMILY_INET,    MILTER_FAMILY_INET6, MILTER_FAMILY_UNIX,
                                   MILTER_FAMILY_UNKNOWN, MILTER_FAMILY_INET,  'X'};
static const char *const senders[] = {
    "<a@example.org>",    "<>", "<spam@example.org>",        "<patient@example.org>",   "<report@example.org>",
    "<spray@example.org", "",   "<prvs=1=spam@example.org>", "<\x01\xff%s@example.org>"};
static const char *const recipients[] = {"<b@example.net>", "<c@example.net>", "<postmaster@example.net>", "", "<%n\r\n>"};
static const char *const helos[] = {"x.isp.example", "friend", "", "[192.0.2.7]"};

/* A text of the table, or very long. */
static struct slice pick(struct world *w, const char *const *table, size_t n, struct buf *room)
{
    uint8_t b = take(w);
    if (b < 0xf0)
        return slice_cstr(table[b % n]);
    put_filler(w, room, (size_t)(b & 15) * 4500);
    buf_put_cstr(room, table[0]);
    return buf_slice(room);
}

static void put_options(struct world *w, struct buf *out)
{
    static const struct milter_options offers[] = {
        {.version = 6, .actions = SMFIF_ALL, .steps = 0x1fffff},
        {.version = 2, .actions = 0x3f, .steps = 0x7f},
        {.version = 6, .actions = 0, .steps = 0},
        {.version = 99, .actions = UINT32_MAX, .steps = UINT32_MAX},
        {.version = 1},
    };
    milter_put_options(out, &offers[take(w) % COUNT_OF(offers)]);
}

static void put_connect(struct world *w, struct buf *out)
{
    struct buf room = {0};
    struct milter_command c = {.cmd = SMFIC_CONNECT};
    c.u.connect.host = pick(w, hosts, COUNT_OF(hosts), &room);
    uint8_t b = take(w);
    c.u.connect.address = slice_cstr(addresses[b % COUNT_OF(addresses)]);
    b = take(w);
    c.u.connect.family = families[b % COUNT_OF(families)];
    c.u.connect.port = b & 0x80 ? 0 : 40000;
    milter_put_command(out, &c);
    buf_fini(&room);
}

static void put_pair(struct buf *pairs, const char *name, const char *value)
{
    wire_put_string(pairs, slice_cstr(name));
    wire_put_string(pairs, slice_cstr(value));
}

/* Macros for a command: by a byte's bits, those that a session reads. */
static void put_macros(struct world *w, struct buf *out, uint8_t for_cmd)
{
    static const struct {
        const char *name, *values[2]; /* absent and present bit; NULL: not sent */
    } connect[] =
        {
            {"v", {"Postfix 3.7.11", "8.17.1"}},  {"{daemon_addr}", {"192.0.2.25", "2001:db8::25"}},
            {"{daemon_port}", {"25", NULL}},      {"{client_ptr}", {NULL, "dhcp-12-34-56-78.isp.example"}},
            {"{client_resolve}", {"OK", "TEMP"}}, {"{if_addr}", {NULL, "192.0.2.26"}},
            {"{stress}", {NULL, "yes"}},
        },
      other[] = {
          {"i", {NULL, "4BxyZ1234"}},         {"{auth_type}", {NULL, "PLAIN"}},   {"{auth_authen}", {NULL, "user"}},
          {"{verify}", {NULL, "OK"}},         {"{cert_subject}", {NULL, "CN=a"}}, {"{rcpt_host}", {NULL, "example.net"}},
          {"{rcpt_host}", {NULL, "a\r\n%b"}},
      };
    struct buf pairs = {0};
    uint8_t bits = take(w);
    bool at_connect = for_cmd == SMFIC_CONNECT;
    for (size_t i = 0; i < 7; i++) {
        const char *value = at_connect ? connect[i].values[bits >> i & 1] : other[i].values[bits >> i & 1];
        if (value)
            put_pair(&pairs, at_connect ? connect[i].name : other[i].name, value);
    }
    if (bits & 0x80) {
        wire_put_string(&pairs, slice_cstr(at_connect ? "j" : for_cmd == SMFIC_RCPT ? "{rcpt_host}" : "i"));
        put_filler(w, &pairs, (size_t)take(w) * 250);
        buf_put_byte(&pairs, '\0');
    }
    struct milter_command c = {.cmd = SMFIC_MACRO};
    c.u.macro.for_cmd = for_cmd;
    c.u.macro.pairs = buf_slice(&pairs);
    milter_put_command(out, &c);
    buf_fini(&pairs);
}

static void put_envelope(struct world *w, struct buf *out, uint8_t cmd)
{
    struct buf room = {0};
    struct milter_command c = {.cmd = cmd};
    c.u.envelope.address =
        cmd == SMFIC_MAIL ? pick(w, senders, COUNT_OF(senders), &room) : pick(w, recipients, COUNT_OF(recipients), &room);
    milter_put_command(out, &c);
    buf_fini(&room);
}

static void put_packet(struct world *w, struct buf *out, uint8_t cmd)
{
    struct buf room = {0};
    struct milter_command c = {.cmd = cmd};
    switch (cmd) {
    case SMFIC_OPTNEG:
        put_options(w, out);
        return;
    case SMFIC_CONNECT:
        put_connect(w, out);
        return;
    case SMFIC_MAIL:
    case SMFIC_RCPT:
        put_envelope(w, out, cmd);
        return;
    case SMFIC_MACRO:
        put_macros(w, out, take(w));
        return;
    case SMFIC_HELO:
        c.u.helo = pick(w, helos, COUNT_OF(helos), &room);
        break;
    case SMFIC_HEADER:
        c.u.header.name = SLICE_LIT("Subject");
        c.u.header.value = SLICE_LIT("hello");
        break;
    case SMFIC_BODY:
        put_filler(w, &room, (size_t)take(w) * 257);
        c.u.body = buf_slice(&room);
        break;
    case SMFIC_UNKNOWN:
        c.u.unknown = SLICE_LIT("NOOP");
        break;
    default:
        break;
    }
    milter_put_command(out, &c);
    buf_fini(&room);
}

/* ---- operations ---- */

static void op_open(struct world *w)
{
    uint8_t slot = take(w) % CONNS;
    struct conn *c = &w->conns[slot];
    if (c->open)
        return;
    *c = (struct conn){.open = true, .id = owner_make(OWNER_SESSION, slot, ++w->serials[slot])};
    step(w, (struct event){.kind = EVENT_OPEN, .owner = c->id});
}

/* The next command of an ordinary dialogue, with its macros, in one write. */
static void op_next(struct world *w)
{
    static const uint8_t dialogue[] = {SMFIC_OPTNEG, SMFIC_CONNECT, SMFIC_HELO, SMFIC_MAIL, SMFIC_RCPT,
                                       SMFIC_DATA,   SMFIC_HEADER,  SMFIC_EOH,  SMFIC_BODY, SMFIC_BODYEOB};
    struct conn *c = take_conn(w);
    if (!c->open)
        return;
    if (c->next >= sizeof(dialogue))
        c->next = 3;
    uint8_t cmd = dialogue[c->next++];
    if (milter_stage_of_command(cmd) <= SMFIM_ENVRCPT)
        put_macros(w, &c->out, cmd);
    put_packet(w, &c->out, cmd);
    flush(w, c, SIZE_MAX);
}

/* Any command. */
static void op_command(struct world *w)
{
    static const uint8_t commands[] = {SMFIC_OPTNEG, SMFIC_CONNECT, SMFIC_HELO,  SMFIC_MAIL,    SMFIC_RCPT,
                                       SMFIC_DATA,   SMFIC_HEADER,  SMFIC_EOH,   SMFIC_BODY,    SMFIC_BODYEOB,
                                       SMFIC_ABORT,  SMFIC_QUIT,    SMFIC_MACRO, SMFIC_QUIT_NC, SMFIC_UNKNOWN};
    struct conn *c = take_conn(w);
    uint8_t b = take(w);
    if (!c->open)
        return;
    uint8_t cmd = commands[(b & 0x3f) % COUNT_OF(commands)];
    c->next = cmd == SMFIC_QUIT_NC ? 1 : cmd == SMFIC_ABORT ? 3 : c->next;
    put_packet(w, &c->out, cmd);
    if (b & 0x40) /* cut */
        flush(w, c, 1 + take(w));
    else if (!(b & 0x80)) /* whole; else with what follows, in one read */
        flush(w, c, SIZE_MAX);
}

static void op_raw(struct world *w)
{
    struct conn *c = take_conn(w);
    uint8_t n = take(w);
    for (unsigned i = 0; i < (n & 0x3fu); i++)
        if (c->open)
            buf_put_byte(&c->out, (char)take(w));
    flush(w, c, SIZE_MAX);
}

static void op_eof(struct world *w)
{
    struct conn *c = take_conn(w);
    if (c->open)
        step(w, (struct event){.kind = EVENT_EOF, .owner = c->id});
}

static void answer_store(struct world *w, const struct asked *a, bool failed)
{
    struct grey_answer answer = {.failed = true};
    if (!failed)
        (void)grey_memory_run(w->memory, a->store, &answer);
    if (a->request)
        step(w, (struct event){.kind = EVENT_STORE, .owner = a->session, .request = a->request, .u.answer = &answer});
}

static void look_at(struct world *w, owner_id session, uint32_t request, uint8_t b)
{
    struct event e = {.kind = EVENT_LOOK, .owner = session, .request = request};
    e.u.look.result = (enum look_result)(b % (LOOK_UNKNOWN + 1));
    e.u.look.cookie = e.u.look.result == LOOK_ALIVE || e.u.look.result == LOOK_GONE ? 1u + (b >> 6) : 0;
    step(w, e);
}

/* Answer the n-th question that is open, truly or not, or lose it. */
static void op_answer(struct world *w)
{
    uint8_t n = take(w), b = take(w);
    if (w->n_asked == 0)
        return;
    size_t i = n % w->n_asked;
    struct asked a = w->asked[i];
    memmove(w->asked + i, w->asked + i + 1, (--w->n_asked - i) * sizeof(a));
    if (b >= 0xe0)
        return;
    if (a.store)
        answer_store(w, &a, b >= 0xc0);
    else
        look_at(w, a.session, a.request, b);
}

/* As a healthy host would: every question there is, the client is there. */
static void op_answer_all(struct world *w)
{
    for (unsigned n = 0; n < 64 && w->n_asked > 0; n++) {
        struct asked a = w->asked[0];
        memmove(w->asked, w->asked + 1, --w->n_asked * sizeof(a));
        if (a.store)
            answer_store(w, &a, false);
        else
            look_at(w, a.session, a.request, LOOK_ALIVE);
    }
}

/* To whoever it may be, about whatever it may be. */
static void op_stale(struct world *w)
{
    uint8_t slot = take(w), serial = take(w), request = take(w), b = take(w);
    owner_id id = owner_make(OWNER_SESSION, slot % (CONNS + 1), serial);
    static const struct grey_answer none = {.state = GREY_NEW, .left_sec = -1, .verdict = GREY_ACCEPT};
    if (b & 0x80)
        look_at(w, id, request, b & 0x7f);
    else
        step(w, (struct event){.kind = EVENT_STORE, .owner = id, .request = request, .u.answer = &none});
}

static void pass(struct world *w, int64_t ms)
{
    w->now.mono.ms += ms;
    w->now.wall.sec += ms / 1000;
}

static int64_t take_duration_ms(struct world *w)
{
    static const int64_t ms[] = {100, 0, 1, 1000, 999, 5000, 10000, 20000, 41000, 61000, 102400, 601000, 3600001, 86400000};
    return ms[take(w) % COUNT_OF(ms)];
}

static void op_tick(struct world *w)
{
    pass(w, take_duration_ms(w));
    step(w, (struct event){.kind = EVENT_TICK});
}

/* Several ticks, with every question answered in between: a hold that is served. */
static void op_wait(struct world *w)
{
    unsigned n = take(w) % 64;
    for (unsigned i = 0; i < n; i++) {
        pass(w, 1000);
        step(w, (struct event){.kind = EVENT_TICK});
        op_answer_all(w);
    }
}

static void op_late(struct world *w)
{
    pass(w, take_duration_ms(w));
}

static void op_wall(struct world *w)
{
    uint8_t b = take(w);
    int64_t by_sec = (int64_t)1 << (b & 31) % 27;
    int64_t to_sec = w->now.wall.sec + (b & 0x80 ? -by_sec : by_sec);
    if (to_sec > WALL_START_SEC - WALL_JUMP_MAX_SEC && to_sec < WALL_START_SEC + WALL_JUMP_MAX_SEC)
        w->now.wall.sec = to_sec;
}

static void op_plan(struct world *w)
{
    step(w, (struct event){.kind = EVENT_PLAN, .u.plan = plan_take(take(w))});
}

static void op_limits(struct world *w)
{
    step(w, (struct event){.kind = EVENT_LIMITS, .u.limits.mta_sessions = take(w)});
}

/* Whoever is in the listing is held, and found by its name. */
static void check_listing(const struct world *w)
{
    struct held_client each, same;
    unsigned n = 0;
    for (owner_id after = OWNER_NOBODY; engine_next_held(w->engine, after, &each); after = each.owner, n++)
        expect(engine_find_held(w->engine, each.owner, &same) && same.owner == each.owner, "a listed hold is not found");
    expect(n == engine_stats(w->engine).held, "another number of holds is listed");
}

/* What an administrator does: end holds, of whoever it may be, or all; cut. */
static void op_administer(struct world *w)
{
    uint8_t b = take(w);
    struct event e = {.kind = b < 0x40 ? EVENT_RELEASE : b < 0x80 ? EVENT_DROP : b < 0xc0 ? EVENT_PAUSE : EVENT_CUT};
    check_listing(w);
    if (b < 0x80)
        e.owner = w->conns[b % CONNS].id;
    else if (b < 0xc0)
        e.u.paused_until.sec = b & 1 ? 0 : w->now.wall.sec + b;
    step(w, e);
}

static void op_stop(struct world *w)
{
    if (take(w) < 0xc0) /* it ends the play: not too often */
        return;
    w->stopping = true;
    step(w, (struct event){.kind = EVENT_STOP});
}

static void (*const ops[])(struct world *w) = {
    op_open, op_next, op_command, op_raw,  op_eof,  op_answer, op_answer_all, op_stale,
    op_tick, op_wait, op_late,    op_wall, op_plan, op_limits, op_stop,       op_administer,
};

/* ---- the end ---- */

/* Nobody answers any more, and still everybody hears. */
static void wait_out(struct world *w)
{
    step(w, (struct event){.kind = EVENT_PAUSE}); /* no pause; the wall clock might be set back for ever */
    for (unsigned i = 0; i < LAST_TICKS && engine_wants_ticks(w->engine); i++) {
        pass(w, 1000);
        step(w, (struct event){.kind = EVENT_TICK});
    }
    expect(!engine_wants_ticks(w->engine), "a timer that never ends");
    for (size_t i = 0; i < CONNS; i++)
        expect(!w->conns[i].open || w->conns[i].asked == w->conns[i].replied, "a command that is never answered");
}

static void hang_up(struct world *w)
{
    for (size_t i = 0; i < CONNS; i++)
        if (w->conns[i].open)
            step(w, (struct event){.kind = EVENT_EOF, .owner = w->conns[i].id});
    struct engine_stats stats = engine_stats(w->engine);
    expect(stats.open == 0 && stats.held == 0 && !engine_wants_ticks(w->engine), "something is left over");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct grey_secret secret = {{{1}}, {{2}}};
    struct world w = {.at = data,
                      .end = data + size,
                      .memory = grey_memory_new(&secret),
                      .now = {{1000000}, {WALL_START_SEC}},
                      .filler_left = FILLER_MAX_BYTES};
    effects_init(&w.effects);
    w.engine = engine_new(plan_take(take(&w)), (struct siphash_key){{7}}, w.now);
    while (w.at < w.end)
        ops[take(&w) % COUNT_OF(ops)](&w);
    wait_out(&w);
    hang_up(&w);
    engine_free(w.engine);
    for (size_t i = 0; i < COUNT_OF(plans); i++)
        expect(!plans[i] || plans[i]->references == 1, "a plan that somebody still holds");
    effects_fini(&w.effects);
    grey_memory_free(w.memory);
    arena_fini(&w.arena);
    free(w.asked);
    return 0;
}
