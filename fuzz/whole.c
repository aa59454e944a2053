/*
 * whole.c - bytes as an event script against everything together: several MTA connections, the greylist filter with its store,
 * filters in a row, spooled bodies and reloads. What the children are told is read, and held against what was said.
 *
 * Input: the plan to begin with, what children mostly negotiate, then operations of one byte and the bytes that each takes;
 * whatever is missing at the end is 0. After the script nobody answers but the disk and the store, time passes, and every connection ends.
 *
 * A filter's letter says what it is: a and b are ordinary, e is evaluated, o sees the original. They stand in this order, so
 * a reload changes who is there and never what a letter means.
 *
 * Promises: children get well-formed packets in the protocol's order, one command at a time, none that they have switched off;
 * arguments of MAIL and RCPT each with its NUL; no recipient that the greylist filter has refused or put off; at the end of the
 * message the body that those before them have made. The MTA gets one reply to each command, edits at the end of a message only,
 * the parts of a new body without anything between them, and the body of the last who changed it. Nothing happens behind a
 * close, and nothing is left open.
 */
#include "whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- plans ---- */

#define GREY                                                                                                                \
    "filter \"g\" { builtin greylist\n when remote }\nracl blacklist rcpt /^<x/ msg \"grey\"\nracl whitelist rcpt /^<w/\n"  \
    "racl whitelist from /^<p/ tarpit 20s\nracl greylist default delay 10m\n"
#define CHILD(name, more) "filter \"" name "\" { connect \"unix:/" name "\"\n breaker failures 0\n" more " }\n"

static const char *const plan_texts[] = {
    GREY CHILD("a", "fallback tempfail") CHILD("b", "fallback tempfail"),
    GREY CHILD("a", "when rcpt /@b/\n fallback tempfail") CHILD("b", "fallback reject") CHILD("e", "evaluation"),
    CHILD("a", "fallback accept") CHILD("b", "fallback tempfail") CHILD("o", "sees original"),
    GREY CHILD("a", "when header \"Subject\" /x/") CHILD("b", "when body /x/\n fallback discard"),
    GREY,
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

void whole_expect(bool so, const char *what)
{
    if (!so)
        PANIC(what);
}

uint8_t whole_take(struct world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

struct conn *whole_conn(struct world *w, owner_id id)
{
    struct conn *c = &w->conns[owner_slot(id) % CONNS];
    return id && c->id == id ? c : NULL;
}

static void run_effects(struct world *w);

void whole_step(struct world *w, struct event *event)
{
    event->now = w->now;
    engine_step(w->engine, event, &w->effects);
    run_effects(w);
}

static void clear_message(struct conn *c)
{
    buf_clear(&c->body);
    buf_clear(&c->got);
    buf_clear(&c->refused);
    buf_clear(&c->let_in);
    for (int i = 0; i < LETTERS; i++) {
        buf_fini(&c->filters[i].body);
        buf_fini(&c->filters[i].judged);
        c->filters[i] = (struct filter){0};
    }
    c->replacing = c->replaced = c->told_now = c->may_go_on = false;
    c->good = 0;
}

static void conn_closed(struct conn *c)
{
    clear_message(c);
    buf_fini(&c->body);
    buf_fini(&c->got);
    buf_fini(&c->refused);
    buf_fini(&c->let_in);
    *c = (struct conn){0};
}

struct slice whole_body_view(const struct conn *c, char letter)
{
    struct slice body = buf_slice(&c->body);
    for (char f = 'a'; f < letter && f <= 'z' && letter != 'o'; f++)
        if (f != 'e' && c->filters[f - 'a'].answered && c->filters[f - 'a'].has_body)
            body = buf_slice(&c->filters[f - 'a'].body);
    return body;
}

bool whole_same_bytes(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool whole_has_line(const struct buf *lines, struct slice line)
{
    struct slice rest = buf_slice(lines);
    while (rest.len > 0)
        if (slice_eq(slice_cut(&rest, '\n'), line))
            return true;
    return false;
}

static void put_line(struct buf *lines, struct slice line)
{
    buf_put_slice(lines, line);
    buf_put_byte(lines, '\n');
}

/* ---- what the MTA hears ---- */

/* No child of ours gives a text of its own. */
static bool is_greylists(const struct milter_reply *r)
{
    return r->code == SMFIR_REPLYCODE && (slice_has_prefix(r->u.replycode.text, "551 5.7.1 grey") ||
                                          slice_has_prefix(r->u.replycode.text, "451 4.7.1 Greylisting"));
}

static void heard_final(struct conn *c, const struct milter_reply *r)
{
    whole_expect(c->owed, "a reply to nothing");
    c->owed = false;
    bool lets_in = r->code == SMFIR_CONTINUE || r->code == SMFIR_ACCEPT;
    if (c->last == SMFIC_RCPT && lets_in) {
        c->good++;
        put_line(&c->let_in, c->recipient);
    }
    c->may_go_on = c->last == SMFIC_DATA && (!lets_in || c->good == 0);
    if (c->last == SMFIC_RCPT && is_greylists(r)) {
        whole_expect(!c->told_now, "a child was told of a recipient that the greylist filter has refused");
        put_line(&c->refused, c->recipient);
    }
    if (c->last != SMFIC_BODYEOB)
        return;
    if (lets_in) {
        whole_expect(whole_same_bytes(whole_body_view(c, '~'), c->replaced ? buf_slice(&c->got) : buf_slice(&c->body)),
                     "another body is delivered than the filters have made");
        for (char f = 'a'; f <= 'b'; f++)
            whole_expect(!c->filters[f - 'a'].has_judged || !c->filters[f - 'a'].answered ||
                             whole_same_bytes(whole_body_view(c, f), buf_slice(&c->filters[f - 'a'].judged)),
                         "a filter has judged another body than is delivered");
    }
    clear_message(c);
}

static void heard(struct conn *c, struct slice bytes)
{
    struct wire_packet p;
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_reply r;
        if (p.cmd == SMFIC_OPTNEG) {
            whole_expect(c->owed && c->last == SMFIC_OPTNEG, "an answer to no negotiation");
            struct milter_options o;
            whole_expect(milter_parse_options(p.body, &o) == ERR_NONE, "an answer to the negotiation that is none");
            c->steps = o.steps;
            c->owed = false;
            continue;
        }
        whole_expect(milter_parse_reply(&p, &r) == ERR_NONE, "a malformed reply");
        if (r.code == SMFIR_PROGRESS) {
            whole_expect(c->owed && !c->replacing, "PROGRESS to nothing, or within a new body");
        } else if (strchr("cartdys", r.code)) {
            heard_final(c, &r);
        } else {
            whole_expect(c->owed && c->last == SMFIC_BODYEOB, "an edit before the end of the message");
            whole_expect(r.code == SMFIR_REPLBODY || !c->replacing, "an edit within a new body");
            if (r.code != SMFIR_REPLBODY)
                continue;
            c->replacing = c->replaced = true;
            buf_put_slice(&c->got, r.u.body);
        }
    }
    whole_expect(bytes.len == 0, "half a packet");
}

/* ---- what the MTA says ---- */

static void mta_send(struct world *w, struct conn *c, struct buf *out, uint8_t cmd, bool owed)
{
    struct event e = {.kind = EVENT_BYTES, .owner = c->id, .u.bytes = buf_slice(out)};
    c->last = cmd;
    c->owed |= owed;
    whole_step(w, &e);
    buf_fini(out);
}

static struct slice body_piece(uint8_t how)
{
    static char text[65535];
    memset(text, 'a' + how % 26, sizeof(text));
    return slice_of(text, how < 200 ? how + 1u : sizeof(text));
}

static void make_command(struct world *w, struct conn *c, uint8_t cmd, struct milter_command *m)
{
    static const char *const recipients[] = {"<wb@b>", "<wc@c>", "<x@b>", "<gb@b>"};
    static const char *const senders[] = {"<s@example.org>", "<patient@example.org>", "<>"};
    uint8_t how = whole_take(w);
    *m = (struct milter_command){.cmd = cmd};
    switch (cmd) {
    case SMFIC_CONNECT:
        m->u.connect.host = SLICE_LIT("dhcp-1-2-3-4.example.org");
        m->u.connect.family = MILTER_FAMILY_INET;
        m->u.connect.port = 4000;
        m->u.connect.address = how % 8 == 7 ? SLICE_LIT("10.0.0.1") : SLICE_LIT("192.0.2.7");
        break;
    case SMFIC_HELO:
        m->u.helo = SLICE_LIT("helo.example");
        clear_message(c);
        break;
    case SMFIC_MAIL:
        clear_message(c);
        m->u.envelope.address = slice_cstr(senders[how % 3]);
        m->u.envelope.esmtp = how & 8 ? SLICE_LIT("SIZE=1\0BODY=8BITMIME\0") : SLICE_NONE;
        break;
    case SMFIC_RCPT:
        m->u.envelope.address = c->recipient = slice_cstr(recipients[how % 4]);
        c->told_now = false;
        break;
    case SMFIC_HEADER:
        m->u.header.name = how & 1 ? SLICE_LIT("Subject") : SLICE_LIT("X-Other");
        m->u.header.value = how & 2 ? SLICE_LIT(" x") : SLICE_LIT(" y");
        break;
    case SMFIC_BODY:
    case SMFIC_BODYEOB:
        m->u.body = cmd == SMFIC_BODY || how > 200 ? body_piece(how) : SLICE_NONE;
        buf_put_slice(&c->body, m->u.body);
        break;
    case SMFIC_ABORT:
        clear_message(c);
        break;
    default:
        break;
    }
}

static void mta_command(struct world *w, struct conn *c, uint8_t cmd)
{
    struct buf out = {0};
    struct milter_command m;
    bool silent = cmd == SMFIC_ABORT || cmd == SMFIC_QUIT || (cmd == SMFIC_HEADER && (c->steps & SMFIP_NR_HDR));
    if (c->steps & whole_off_step(cmd)) { /* the MTA was asked to leave it out */
        c->last = cmd;
        return;
    }
    make_command(w, c, cmd, &m);
    if (cmd == SMFIC_CONNECT)
        wire_put(
            &out, SMFIC_MACRO,
            SLICE_LIT("Cj\0mx\0v\0Postfix 3.7\0{client_port}\0004000\0{daemon_addr}\000192.0.2.1\0{daemon_port}\00025\0"));
    milter_put_command(&out, &m);
    mta_send(w, c, &out, cmd, !silent);
}

static void mta_open(struct world *w, unsigned slot)
{
    struct conn *c = &w->conns[slot];
    struct buf out = {0};
    c->id = (uint64_t)++w->serials[slot] << 32 | slot;
    whole_step(w, &(struct event){.kind = EVENT_OPEN, .owner = c->id});
    milter_put_options(&out, &(struct milter_options){.version = 6, .actions = SMFIF_ALL, .steps = 0x1fffff & ~SMFIP_SKIP});
    mta_send(w, c, &out, SMFIC_OPTNEG, true);
}

/* What an ordinary client's MTA says next; how: sometimes another recipient, more of the content, RSET, the end. */
static void mta_operation(struct world *w, unsigned slot, uint8_t how)
{
    static const uint8_t next[256] = {
        [SMFIC_OPTNEG] = SMFIC_CONNECT, [SMFIC_CONNECT] = SMFIC_HELO, [SMFIC_HELO] = SMFIC_MAIL,  [SMFIC_MAIL] = SMFIC_RCPT,
        [SMFIC_RCPT] = SMFIC_DATA,      [SMFIC_DATA] = SMFIC_HEADER,  [SMFIC_HEADER] = SMFIC_EOH, [SMFIC_EOH] = SMFIC_BODY,
        [SMFIC_BODY] = SMFIC_BODYEOB,   [SMFIC_BODYEOB] = SMFIC_MAIL, [SMFIC_ABORT] = SMFIC_MAIL,
    };
    struct conn *c = &w->conns[slot];
    bool repeats = c->last == SMFIC_RCPT || c->last == SMFIC_HEADER || c->last == SMFIC_BODY;
    if (!c->id)
        mta_open(w, slot);
    else if (how % 16 == 15)
        whole_step(w, &(struct event){.kind = EVENT_EOF, .owner = c->id});
    else if (c->owed)
        return;
    else if (how % 16 == 14 && c->last != SMFIC_OPTNEG)
        mta_command(w, c, how & 16 ? SMFIC_QUIT : SMFIC_ABORT);
    else if (how % 16 == 13 && c->last == SMFIC_DATA && c->may_go_on)
        mta_command(w, c, SMFIC_RCPT);
    else
        mta_command(w, c, repeats && how % 16 >= 8 ? c->last : next[c->last]);
}

/* ---- what answers ---- */

static size_t spool_at(struct world *w, uint64_t id)
{
    size_t free_one = SPOOLS;
    for (size_t i = 0; i < SPOOLS; i++) {
        if (w->spools[i].id == id)
            return i;
        if (!w->spools[i].id)
            free_one = i;
    }
    whole_expect(free_one < SPOOLS, "more spool files than there can be");
    w->spools[free_one].id = id;
    return free_one;
}

static void keep_question(struct world *w, const struct effect *e)
{
    whole_expect(w->n_questions < QUESTIONS, "more questions than there can be");
    struct question *q = &w->questions[w->n_questions++];
    *q = (struct question){.effect = *e};
    if (e->kind == EFFECT_STORE) {
        q->store = *e->u.store;
        q->store.tuple.client_domain = arena_slice(&w->arena, e->u.store->tuple.client_domain);
        q->store.tuple.sender = arena_slice(&w->arena, e->u.store->tuple.sender);
        q->store.tuple.recipient = arena_slice(&w->arena, e->u.store->tuple.recipient);
    }
    if (e->kind == EFFECT_SPOOL_WRITE)
        buf_put_slice(&w->spools[spool_at(w, e->u.spool.id)].bytes, e->u.spool.bytes);
}

static void answer_store(struct world *w, const struct question *q, uint8_t how)
{
    struct grey_answer answer = {.failed = true};
    struct conn *c = whole_conn(w, q->effect.owner);
    if (how % 8 != 7)
        (void)grey_memory_run(w->memory, &q->store, &answer);
    if (!c || !q->effect.request)
        return;
    struct event e = {.kind = EVENT_STORE, .owner = q->effect.owner, .request = q->effect.request, .u.answer = &answer};
    whole_step(w, &e);
}

static void answer(struct world *w, size_t which, uint8_t how)
{
    struct question q = w->questions[which];
    struct event e = {.owner = q.effect.owner, .request = q.effect.request};
    memmove(&w->questions[which], &w->questions[which + 1], (--w->n_questions - which) * sizeof(q));
    switch (q.effect.kind) {
    case EFFECT_STORE:
        answer_store(w, &q, how);
        return;
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
        e.kind = EVENT_SPOOL;
        e.u.spool.ok = how % 16 != 15;
        e.u.spool.error = 28;
        if (q.effect.kind == EFFECT_SPOOL_READ)
            e.u.spool.bytes = slice_upto(
                slice_from(buf_slice(&w->spools[spool_at(w, q.effect.u.spool.id)].bytes), q.effect.u.spool.offset),
                q.effect.u.spool.length);
        break;
    case EFFECT_LOOK:
        e.kind = EVENT_LOOK;
        e.u.look.result = how % 16 == 15 ? LOOK_GONE : LOOK_ALIVE;
        e.u.look.cookie = 1;
        break;
    case EFFECT_DRAIN:
        e.kind = EVENT_DRAINED;
        break;
    default: /* EFFECT_CHILD_DRAIN */
        if (!whole_peer(w, q.effect.u.child.id))
            return;
        e.kind = EVENT_CHILD;
        e.u.child.id = q.effect.u.child.id;
        e.u.child.news = CHILD_DRAINED;
        break;
    }
    if (q.effect.kind == EFFECT_CHILD_DRAIN || whole_conn(w, q.effect.owner))
        whole_step(w, &e);
}

static void spool_closed(struct world *w, uint64_t id)
{
    size_t at = spool_at(w, id);
    buf_fini(&w->spools[at].bytes);
    w->spools[at].id = 0;
    for (size_t i = w->n_questions; i-- > 0;) {
        const struct effect *q = &w->questions[i].effect;
        if ((q->kind == EFFECT_SPOOL_WRITE || q->kind == EFFECT_SPOOL_READ) && q->u.spool.id == id)
            memmove(&w->questions[i], &w->questions[i + 1], (--w->n_questions - i) * sizeof(w->questions[0]));
    }
}

static void run_effect(struct world *w, const struct effect *e)
{
    struct conn *c = whole_conn(w, e->owner);
    struct peer *p;
    switch (e->kind) {
    case EFFECT_SEND:
        whole_expect(c != NULL, "something is sent behind the close");
        heard(c, e->u.bytes);
        break;
    case EFFECT_CLOSE:
        whole_expect(c != NULL, "closed twice");
        conn_closed(c);
        break;
    case EFFECT_CHILD_OPEN:
        whole_expect(c || e->owner == 0, "a child is opened for no session");
        whole_opened(w, e);
        break;
    case EFFECT_CHILD_SEND:
        whole_told(w, whole_peer(w, e->u.child.id), e->u.child.bytes);
        break;
    case EFFECT_CHILD_CLOSE:
        p = whole_peer(w, e->u.child.id);
        whole_expect(p != NULL, "a child is closed that is not open");
        buf_fini(&p->body);
        *p = (struct peer){0};
        break;
    case EFFECT_SPOOL_CLOSE:
        spool_closed(w, e->u.spool.id);
        break;
    case EFFECT_STORE:
    case EFFECT_LOOK:
    case EFFECT_DRAIN:
    case EFFECT_CHILD_DRAIN:
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
        whole_expect(c || e->kind == EFFECT_CHILD_DRAIN, "a question of no session");
        keep_question(w, e);
        break;
    default:
        break;
    }
}

static void run_effects(struct world *w)
{
    for (size_t i = 0; i < w->effects.count; i++)
        run_effect(w, &w->effects.items[i]);
    effects_clear(&w->effects);
}

/* ---- the script ---- */

static void pass(struct world *w, int64_t ms)
{
    w->now.mono.ms += ms;
    w->now.wall.sec += ms / 1000;
    whole_step(w, &(struct event){.kind = EVENT_TICK});
}

static void answer_all(struct world *w)
{
    for (size_t n = w->n_questions; n > 0 && w->n_questions > 0; n--)
        answer(w, 0, 0);
}

static void operate(struct world *w)
{
    static const int64_t times_ms[] = {100, 1000, 5000, 21000, 31000, 700000};
    uint8_t op = whole_take(w);
    unsigned slot = op / 16 % CONNS;
    switch (op % 10) {
    case 0:
        mta_operation(w, slot, whole_take(w));
        break;
    case 1:
    case 2:
        mta_operation(w, slot, 0);
        break;
    case 3:
    case 4:
        whole_children(w);
        break;
    case 5:
        whole_child(w, &w->peers[whole_take(w) % PEERS], whole_take(w));
        break;
    case 6:
        answer_all(w);
        break;
    case 7:
        if (w->n_questions > 0)
            answer(w, whole_take(w) % w->n_questions, whole_take(w));
        break;
    case 8:
        pass(w, times_ms[op / 16 % COUNT_OF(times_ms)]);
        break;
    default:
        if (op < 128) {
            whole_children(w);
            answer_all(w);
        } else {
            whole_step(w, &(struct event){.kind = EVENT_PLAN, .u.plan = plan_take(whole_take(w))});
            whole_step(w, &(struct event){.kind = EVENT_PROBE});
        }
        break;
    }
}

static bool anything_owed(const struct world *w)
{
    for (unsigned i = 0; i < CONNS; i++)
        if (w->conns[i].id && w->conns[i].owed)
            return true;
    return false;
}

static void finish(struct world *w)
{
    for (unsigned i = 0; i < LAST_SECONDS && anything_owed(w); i++) {
        answer_all(w);
        pass(w, 1000);
    }
    whole_expect(!anything_owed(w), "the MTA was never answered");
    for (unsigned i = 0; i < CONNS; i++)
        if (w->conns[i].id)
            whole_step(w, &(struct event){.kind = EVENT_EOF, .owner = w->conns[i].id});
    whole_step(w, &(struct event){.kind = EVENT_STOP});
    for (unsigned i = 0; i < CONNS; i++)
        whole_expect(w->conns[i].id == 0, "a session is left over");
    for (size_t i = 0; i < PEERS; i++)
        whole_expect(w->peers[i].id == 0, "a child was left open");
    for (size_t i = 0; i < SPOOLS; i++)
        whole_expect(w->spools[i].id == 0, "a spool file was left open");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static const struct grey_secret secret;
    memset(&w, 0, sizeof(w));
    w.at = data;
    w.end = data + size;
    w.now = (struct instant){{1000}, {1795485418}};
    effects_init(&w.effects);
    w.memory = grey_memory_new(&secret);
    w.engine = engine_new(plan_take(whole_take(&w)), (struct siphash_key){{1, 2}}, w.now);
    w.options = whole_take(&w);
    for (unsigned i = 0; i < OPERATIONS_MAX && w.at < w.end; i++)
        operate(&w);
    finish(&w);
    engine_free(w.engine);
    grey_memory_free(w.memory);
    effects_fini(&w.effects);
    arena_fini(&w.arena);
    return 0;
}
