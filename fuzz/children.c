/*
 * children.c - bytes as an event script against a session with child milters: one MTA, up to four filters, whose connections
 * open, answer, lie, stall and die in any order; DNS and the spool answer, fail or are slow; time passes.
 *
 * Input: the plan, then operations of one byte and the bytes that each takes; whatever is missing at the end is 0. After the
 * script everybody is silent and time passes.
 *
 * Promises: never a crash; never a hang: in the end each command of the MTA has its one reply; never an accept that no filter and no
 * fallback said: a message goes through only when every filter that must be asked has let it; nothing is said to a child before
 * it is open or behind its close, and every child that was opened is closed.
 */
#include "base/mem.h"
#include "engine/engine.h"
#include "milter/command.h"
#include "milter/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHILDREN_MAX = 16, FILTERS_MAX = 4, OPERATIONS_MAX = 400, LAST_SECONDS = 4000 };

/* ---- plans ---- */

#define STRICT(name) "filter \"" name "\" { connect \"unix:/" name "\"\n fallback tempfail\n breaker failures 0 }\n"

static const char *const plan_texts[] = {
    STRICT("a"),
    STRICT("a") STRICT("b"),
    STRICT("a") "filter \"b\" { connect \"unix:/b\"\n evaluation }\n" STRICT("c"),
    "filter \"a\" { connect \"unix:/a\"\n fallback tempfail\n sees original\n provide sendmail-macros stress trusted "
    "}\n" STRICT("b") STRICT("c"),
    "filter \"a\" { connect \"inet:1@there.example\"\n fallback reject }\n" STRICT("b"),
    /* conditions of every stage: who is not asked need not let it through */
    "dnsrbl \"l\" l.example\n"
    "filter \"a\" { connect \"unix:/a\"\n when rcpt /b@/ and dnsbl\n fallback discard }\n"
    "filter \"b\" { connect \"unix:/b\"\n when header \"Subject\" /x/ or body /x/\n fallback tempfail }\n"
    "filter \"c\" { connect \"unix:/c\"\n when filter \"b\" asked or every rcpt /b@/\n breaker failures 2 }\n"
    "filter \"d\" { connect \"unix:/d\"\n when not filter \"c\" failed and msgsize > 100 }\n",
    /* behind the built-in one */
    "filter \"g\" { builtin greylist }\n" STRICT("a") STRICT("b") "racl whitelist rcpt /b@/\nracl blacklist default\n",
};

static struct plan *plans[COUNT_OF(plan_texts)];

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

struct peer {
    child_id id; /* 0: free */
    bool connected, lost;
    char filter; /* its name's letter */
    struct buf in;
    unsigned owed; /* commands that want an answer */
    uint8_t last;  /* the newest of them */
};

struct question {
    struct effect effect;
};

struct world {
    const uint8_t *at, *end;
    struct engine *engine;
    struct effects effects;
    struct instant now;
    struct peer peers[CHILDREN_MAX];
    struct question questions[64];
    size_t n_questions;
    unsigned plan;
    bool closed;
    unsigned asked, replied;
    uint8_t last_command;
    struct buf sent;
    bool has_recipient;    /* one was let through: else there is no message, whatever the MTA says */
    bool let[FILTERS_MAX]; /* by letter: it has let the present message through, or the connection */
    bool let_connection[FILTERS_MAX];
    struct {
        uint64_t id, bytes;
    } spools[16];
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

static void run_effects(struct world *w);

static void step(struct world *w, struct event *event)
{
    event->now = w->now;
    engine_step(w->engine, event, &w->effects);
    run_effects(w);
}

/* ---- the MTA ---- */

static const owner_id session = 1;

/* In plans whose filters must all be asked: has each said yes? */
static void check_accept(const struct world *w)
{
    static const char *const must[] = {"a", "ab", "ac", "abc", "ab", "", "ab"};
    for (const char *f = must[w->plan]; *f; f++)
        expect(w->let[*f - 'a'] || w->let_connection[*f - 'a'], "a message went through that a filter did not let through");
}

static bool is_final(uint8_t code)
{
    switch (code) {
    case SMFIR_CONTINUE:
    case SMFIR_ACCEPT:
    case SMFIR_REJECT:
    case SMFIR_TEMPFAIL:
    case SMFIR_DISCARD:
    case SMFIR_REPLYCODE:
    case SMFIR_SKIP:
    case SMFIC_OPTNEG:
        return true;
    default:
        return false;
    }
}

static void replied(struct world *w, uint8_t code)
{
    w->replied++;
    expect(w->replied <= w->asked, "a reply to nothing");
    if (w->last_command == SMFIC_RCPT && (code == SMFIR_CONTINUE || code == SMFIR_ACCEPT))
        w->has_recipient = true;
    bool before_data = w->last_command == SMFIC_CONNECT || w->last_command == SMFIC_HELO || w->last_command == SMFIC_MAIL;
    bool lets_go = code == SMFIR_ACCEPT || (code == SMFIR_CONTINUE && w->last_command == SMFIC_BODYEOB);
    if (lets_go && (before_data || w->has_recipient))
        check_accept(w);
}

static void to_mta(struct world *w, struct slice bytes)
{
    struct wire_packet p;
    expect(!w->closed, "something is sent behind the close");
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_reply r;
        if (p.cmd != SMFIC_OPTNEG)
            expect(milter_parse_reply(&p, &r) == ERR_NONE, "a malformed reply");
        if (is_final(p.cmd))
            replied(w, p.cmd);
        else if (p.cmd != SMFIR_PROGRESS)
            expect(w->last_command == SMFIC_BODYEOB, "an edit before the end of the message");
    }
    expect(bytes.len == 0, "half a packet");
}

static void mta_send(struct world *w, struct buf *packets, uint8_t cmd, bool answered)
{
    struct event e = {.kind = EVENT_BYTES, .owner = session};
    if (!w->closed) {
        w->last_command = cmd;
        w->asked += answered;
        e.u.bytes = buf_slice(packets);
        step(w, &e);
    }
    buf_fini(packets);
}

static void clear_lets(struct world *w)
{
    memset(w->let, 0, sizeof(w->let));
    w->has_recipient = false;
}

static void mta_command(struct world *w, uint8_t which)
{
    struct buf out = {0};
    struct milter_command c = {0};
    uint8_t how = take(w);
    switch (which % 11) {
    case 0:
        c.cmd = SMFIC_CONNECT;
        c.u.connect.host = SLICE_LIT("mx.example.org");
        c.u.connect.family = MILTER_FAMILY_INET;
        c.u.connect.address = how % 2 ? SLICE_LIT("192.0.2.7") : SLICE_LIT("10.0.0.1");
        wire_put(&out, SMFIC_MACRO, SLICE_LIT("Cj\0mx\0v\0Postfix 3.7\0{daemon_addr}\000192.0.2.1\0{daemon_port}\00025\0"));
        break;
    case 1:
        c.cmd = SMFIC_HELO;
        c.u.helo = SLICE_LIT("helo.example");
        break;
    case 2:
        c.cmd = SMFIC_MAIL;
        c.u.envelope.address = SLICE_LIT("<s@gmail.com>");
        break;
    case 3:
        c.cmd = SMFIC_RCPT;
        c.u.envelope.address = how % 3 ? SLICE_LIT("<b@example.net>") : SLICE_LIT("<c@example.net>");
        break;
    case 4:
        c.cmd = SMFIC_DATA;
        break;
    case 5:
        c.cmd = SMFIC_HEADER;
        c.u.header.name = how % 2 ? SLICE_LIT("Subject") : SLICE_LIT("X-Other");
        c.u.header.value = how % 4 == 1 ? SLICE_LIT(" x") : SLICE_LIT(" y");
        break;
    case 6:
        c.cmd = SMFIC_EOH;
        break;
    case 7: {
        static const char text[65535] = {'x'};
        c.cmd = SMFIC_BODY;
        c.u.body = slice_of(text, how < 200 ? how + 1u : sizeof(text));
        break;
    }
    case 8:
        c.cmd = SMFIC_BODYEOB;
        break;
    case 9:
        c.cmd = how % 3 == 0 ? SMFIC_ABORT : how % 3 == 1 ? SMFIC_UNKNOWN : SMFIC_QUIT_NC;
        c.u.unknown = SLICE_LIT("XYZZY");
        break;
    default:
        c.cmd = SMFIC_QUIT;
        break;
    }
    milter_put_command(&out, &c);
    bool silent = c.cmd == SMFIC_ABORT || c.cmd == SMFIC_QUIT || c.cmd == SMFIC_QUIT_NC || c.cmd == SMFIC_HEADER;
    /* an MTA that waits for a reply says nothing but ABORT and QUIT */
    if (w->asked > w->replied && c.cmd != SMFIC_ABORT && c.cmd != SMFIC_QUIT) {
        buf_fini(&out);
        return;
    }
    if (c.cmd == SMFIC_MAIL)
        clear_lets(w);
    if (c.cmd == SMFIC_QUIT_NC)
        memset(w->let_connection, 0, sizeof(w->let_connection));
    mta_send(w, &out, c.cmd, !silent);
}

static void mta_negotiate(struct world *w)
{
    struct buf out = {0};
    milter_put_options(&out, &(struct milter_options){.version = 6, .actions = SMFIF_ALL, .steps = 0x1fffff});
    mta_send(w, &out, SMFIC_OPTNEG, true);
}

/* The next command that an ordinary client's MTA says. */
static void mta_ordinary(struct world *w)
{
    static const uint8_t next_of[256] = {
        [SMFIC_OPTNEG] = 0, [SMFIC_CONNECT] = 1, [SMFIC_HELO] = 2,    [SMFIC_MAIL] = 3,
        [SMFIC_RCPT] = 4,   [SMFIC_DATA] = 5,    [SMFIC_HEADER] = 6,  [SMFIC_EOH] = 7,
        [SMFIC_BODY] = 8,   [SMFIC_BODYEOB] = 2, [SMFIC_UNKNOWN] = 2, [SMFIC_ABORT] = 2,
    };
    mta_command(w, next_of[w->last_command]);
}

/* ---- children ---- */

static struct peer *peer_of(struct world *w, child_id id)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (w->peers[i].id == id && id)
            return &w->peers[i];
    return NULL;
}

static void opened(struct world *w, const struct effect *e)
{
    expect(!peer_of(w, e->u.child.id), "a child's name twice");
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (!w->peers[i].id) {
            w->peers[i] = (struct peer){.id = e->u.child.id, .filter = e->u.child.path ? e->u.child.path[1] : 'a'};
            return;
        }
    PANIC("more children open than one session can have");
}

static bool wants_answer(uint8_t cmd)
{
    return cmd != SMFIC_MACRO && cmd != SMFIC_ABORT && cmd != SMFIC_QUIT;
}

static void to_child(struct world *w, struct peer *p, struct slice bytes)
{
    struct wire_packet packet;
    expect(p != NULL, "bytes for a child that is not open");
    expect(p->connected || p->lost, "bytes before the connection stands");
    (void)w;
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &packet) == WIRE_OK) {
        p->owed += wants_answer(packet.cmd);
        if (wants_answer(packet.cmd))
            p->last = packet.cmd;
    }
    expect(bytes.len == 0, "half a packet for a child");
}

static struct peer *take_peer(struct world *w)
{
    return &w->peers[take(w) % CHILDREN_MAX];
}

static void child_event(struct world *w, const struct peer *p, enum child_news news, struct slice bytes)
{
    struct event e = {.kind = EVENT_CHILD};
    e.u.child.id = p->id;
    e.u.child.news = news;
    e.u.child.error = news == CHILD_LOST ? 111 : 0;
    e.u.child.bytes = bytes;
    step(w, &e);
}

static void child_says(struct world *w, struct peer *p, uint8_t code)
{
    struct buf out = {0};
    unsigned f = (unsigned)(p->filter - 'a');
    if (p->last == SMFIC_OPTNEG) {
        milter_put_options(&out, &(struct milter_options){.version = 6,
                                                          .actions = SMFIF_ALL & ~SMFIF_SETSYMLIST,
                                                          .steps = code % 3 == 1 ? SMFIP_NR_HDR | SMFIP_NR_BODY : 0});
    } else if (code % 16 == 9) {
        milter_put_replycode(&out, SLICE_LIT("550"), SLICE_NONE, SLICE_LIT("no"));
    } else if (code % 16 == 10 && p->last == SMFIC_BODYEOB) {
        milter_put_header(&out, SMFIR_CHGHEADER, 1, SLICE_LIT("Subject"), SLICE_LIT("changed"));
        milter_put_header(&out, SMFIR_INSHEADER, 0, SLICE_LIT("X-Top"), SLICE_LIT("v"));
        milter_put_reply(&out, &(struct milter_reply){.code = SMFIR_REPLBODY, .u.body = SLICE_LIT("new")});
        milter_put_reply(&out,
                         &(struct milter_reply){.code = SMFIR_ADDRCPT, .u.address.address = SLICE_LIT("<z@example.net>")});
        milter_put_reply(&out,
                         &(struct milter_reply){.code = SMFIR_CHGFROM, .u.address.address = SLICE_LIT("<y@example.net>")});
        milter_put_code(&out, SMFIR_CONTINUE);
        w->let[f] = true;
    } else {
        static const uint8_t codes[] = {SMFIR_CONTINUE,  SMFIR_CONTINUE, SMFIR_CONTINUE, SMFIR_CONTINUE, SMFIR_CONTINUE,
                                        SMFIR_ACCEPT,    SMFIR_REJECT,   SMFIR_TEMPFAIL, SMFIR_DISCARD,  SMFIR_CONTINUE,
                                        SMFIR_CONTINUE,  SMFIR_SKIP,     SMFIR_PROGRESS, SMFIR_SHUTDOWN, 'Z',
                                        SMFIR_QUARANTINE};
        uint8_t c = codes[code % 16];
        milter_put_code(&out, c);
        if (p->last == SMFIC_BODYEOB)
            w->let[f] |= c == SMFIR_CONTINUE || c == SMFIR_ACCEPT || c == SMFIR_SKIP; /* as the MTA takes it (link.c) */
        else if (c == SMFIR_ACCEPT && (p->last == SMFIC_CONNECT || p->last == SMFIC_HELO))
            w->let_connection[f] = true;
        else
            w->let[f] |= c == SMFIR_ACCEPT;
    }
    if (p->owed > 0 && code % 16 != 12)
        p->owed--;
    child_event(w, p, CHILD_BYTES, buf_slice(&out));
    buf_fini(&out);
}

/* Everybody answers as a good child does. */
static void children_continue(struct world *w)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        struct peer *p = &w->peers[i];
        if (!p->id || p->lost)
            continue;
        if (!p->connected) {
            p->connected = true;
            child_event(w, p, CHILD_CONNECTED, SLICE_NONE);
        } else if (p->owed > 0) {
            child_says(w, p, 0);
        }
    }
}

static void child_operation(struct world *w)
{
    struct peer *p = take_peer(w);
    uint8_t how = take(w);
    if (!p->id || p->lost)
        return;
    if (how % 8 == 7) {
        p->lost = true;
        child_event(w, p, CHILD_LOST, SLICE_NONE);
    } else if (!p->connected) {
        p->connected = true;
        child_event(w, p, CHILD_CONNECTED, SLICE_NONE);
    } else if (how % 8 == 6) {
        uint8_t garbage[8];
        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = take(w);
        child_event(w, p, CHILD_BYTES, slice_of(garbage, 1 + how % sizeof(garbage)));
    } else if (p->owed > 0 || how % 8 == 5) {
        child_says(w, p, take(w));
    }
}

/* ---- DNS, the spool, the queue ---- */

static void keep_question(struct world *w, const struct effect *e)
{
    if (w->n_questions < COUNT_OF(w->questions)) {
        w->questions[w->n_questions].effect = *e;
        w->questions[w->n_questions++].effect.u.dns.name = SLICE_NONE;
    }
}

static void answer(struct world *w, size_t which, uint8_t how)
{
    static char bytes[SPOOL_READ_MAX_BYTES];
    static const struct ip found = {IP_V4, {127, 0, 0, 2}};
    struct effect q = w->questions[which].effect;
    struct event e = {.owner = q.owner, .request = q.request};
    memmove(&w->questions[which], &w->questions[which + 1], (--w->n_questions - which) * sizeof(w->questions[0]));
    switch (q.kind) {
    case EFFECT_DNS:
        e.kind = EVENT_DNS;
        e.u.dns.status = (enum dns_status)(how % 3);
        e.u.dns.addresses = &found;
        e.u.dns.n_addresses = q.u.dns.type != DNS_PTR;
        e.u.dns.name = SLICE_LIT("mx.example.net");
        break;
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
        e.kind = EVENT_SPOOL;
        e.u.spool.ok = how % 5 != 4;
        e.u.spool.error = 28;
        e.u.spool.bytes = slice_of(bytes, q.kind == EFFECT_SPOOL_READ ? q.u.spool.length : 0);
        break;
    case EFFECT_LOOK:
        e.kind = EVENT_LOOK;
        e.u.look.result = (enum look_result)(how % 8 == 7 ? LOOK_GONE : how % 8 == 6 ? LOOK_ABSENT : LOOK_ALIVE);
        e.u.look.cookie = 1;
        break;
    case EFFECT_DRAIN:
        e.kind = EVENT_DRAINED;
        break;
    case EFFECT_CHILD_DRAIN:
        e.kind = EVENT_CHILD;
        e.u.child.id = q.u.child.id;
        e.u.child.news = CHILD_DRAINED;
        break;
    default:
        return;
    }
    step(w, &e);
}

static void spool_closed(struct world *w, uint64_t id)
{
    for (size_t i = w->n_questions; i-- > 0;) {
        const struct effect *q = &w->questions[i].effect;
        bool of_spool = q->kind == EFFECT_SPOOL_WRITE || q->kind == EFFECT_SPOOL_READ;
        if (of_spool && q->u.spool.id == id)
            memmove(&w->questions[i], &w->questions[i + 1], (--w->n_questions - i) * sizeof(w->questions[0]));
    }
}

static void run_effects(struct world *w)
{
    /* answers are given later, so the queue is not touched meanwhile */
    for (size_t i = 0; i < w->effects.count; i++) {
        const struct effect *e = &w->effects.items[i];
        struct peer *p;
        switch (e->kind) {
        case EFFECT_SEND:
            to_mta(w, e->u.bytes);
            break;
        case EFFECT_CLOSE:
            expect(!w->closed, "closed twice");
            w->closed = true;
            break;
        case EFFECT_CHILD_OPEN:
            opened(w, e);
            break;
        case EFFECT_CHILD_SEND:
            to_child(w, peer_of(w, e->u.child.id), e->u.child.bytes);
            break;
        case EFFECT_CHILD_CLOSE:
            p = peer_of(w, e->u.child.id);
            expect(p != NULL, "a child is closed that is not open");
            buf_fini(&p->in);
            *p = (struct peer){0};
            break;
        case EFFECT_CHILD_PAUSE:
        case EFFECT_CHILD_RESUME:
            expect(peer_of(w, e->u.child.id) != NULL, "a child is paused that is not open");
            break;
        case EFFECT_CHILD_DRAIN:
        case EFFECT_DRAIN:
        case EFFECT_DNS:
        case EFFECT_LOOK:
        case EFFECT_SPOOL_WRITE:
        case EFFECT_SPOOL_READ:
            keep_question(w, e);
            break;
        case EFFECT_SPOOL_CLOSE:
            spool_closed(w, e->u.spool.id);
            break;
        case EFFECT_STORE:
        case EFFECT_LOG:
        case EFFECT_JOURNAL:
        case EFFECT_STOPPED:
        case EFFECT_MAX_:
            break;
        }
    }
    effects_clear(&w->effects);
}

/* ---- the script ---- */

static void pass(struct world *w, int64_t ms)
{
    w->now.mono.ms += ms;
    w->now.wall.sec += ms / 1000;
    step(w, &(struct event){.kind = EVENT_TICK});
}

static void operate(struct world *w)
{
    uint8_t op = take(w);
    switch (op % 10) {
    case 0:
    case 1:
        mta_ordinary(w);
        break;
    case 2:
        mta_command(w, take(w));
        break;
    case 3:
    case 4:
        children_continue(w);
        break;
    case 5:
    case 6:
        child_operation(w);
        break;
    case 7:
        if (w->n_questions > 0)
            answer(w, take(w) % w->n_questions, take(w));
        break;
    case 8:
        while (w->n_questions > 0)
            answer(w, 0, 0);
        break;
    default:
        pass(w, take(w) * 200);
        break;
    }
}

static void finish(struct world *w)
{
    for (unsigned i = 0; i < LAST_SECONDS && w->asked > w->replied && !w->closed; i++) {
        while (w->n_questions > 0) /* the disk and DNS answer in the end, whatever they say */
            answer(w, 0, 2);
        pass(w, 1000);
    }
    expect(w->closed || w->asked == w->replied, "the MTA was never answered");
    if (!w->closed)
        step(w, &(struct event){.kind = EVENT_EOF, .owner = session});
    expect(w->closed, "the end of the MTA is not the session's");
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        expect(w->peers[i].id == 0, "a child was left open");
    expect(engine_stats(w->engine).open == 0, "a session is left over");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size, .now = {{1000}, {1795485418}}};
    w.plan = take(&w) % COUNT_OF(plan_texts);
    effects_init(&w.effects);
    w.engine = engine_new(plan_take(w.plan), (struct siphash_key){{1, 2}}, w.now);
    step(&w, &(struct event){.kind = EVENT_OPEN, .owner = session});
    mta_negotiate(&w);
    for (unsigned i = 0; i < OPERATIONS_MAX && w.at < w.end && !w.closed; i++)
        operate(&w);
    finish(&w);
    engine_free(w.engine);
    effects_fini(&w.effects);
    buf_fini(&w.sent);
    return 0;
}
