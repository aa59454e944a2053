/*
 * storm.c - random dialogues, each from its number alone: the configuration, the MTA's side, events and effects.
 *
 *     test-storm [--seed N] [--count N] [-v]
 *
 * A dialogue that goes wrong names its number: `--seed N --count 1 -v` plays it again and tells it.
 */
#include "storm.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX_SECONDS = 4000 };

/* ---- chance, and what is told ---- */

unsigned storm_random(struct storm *w, unsigned below)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15U; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return below ? (unsigned)(z % below) : 0;
}

bool storm_chance(struct storm *w, unsigned of_1000)
{
    return storm_random(w, 1000) < of_1000;
}

void storm_log(struct storm *w, const char *fmt, ...)
{
    if (!w->verbose)
        return;
    va_list ap;
    va_start(ap, fmt);
    printf("# %9.3f ", (double)w->now.mono.ms / 1000);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
}

void storm_log_headers(struct storm *w, const char *what, const struct storm_headers *h)
{
    for (int i = 0; i < h->n; i++)
        storm_log(w, "%s %s:%s%s", what, h->at[i].name, h->at[i].value, h->at[i].dead ? " (deleted)" : "");
}

void storm_fail(struct storm *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("not ok - dialogue %lu: ", w->seed);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
    fflush(stdout);
    exit(1);
}

/* ---- the configuration ---- */

static const char *const when_texts[WHEN_MAX] = {
    [WHEN_ALWAYS] = "",
    [WHEN_REMOTE] = "when remote",
    [WHEN_RCPT] = "when rcpt /^<b/",
    [WHEN_SUBJECT] = "when header \"Subject\" /x/",
    [WHEN_NO_SUBJECT] = "when not header \"Subject\" /x/",
    [WHEN_BODY] = "when body /x/",
    [WHEN_EVERY] = "when every rcpt /^<b/",
};

static void make_filter(struct storm *w, int number)
{
    static const char *const fallbacks[] = {
        [V_ACCEPT] = "accept", [V_TEMPFAIL] = "tempfail", [V_REJECT] = "reject", [V_DISCARD] = "discard"};
    static const enum storm_verdict verdicts[] = {V_ACCEPT, V_TEMPFAIL, V_REJECT, V_DISCARD};
    static const uint32_t versions[] = {6, 6, 6, 6, 4, 3, 2};
    struct storm_filter *f = &w->filters[number];
    *f = (struct storm_filter){
        .when = storm_chance(w, 500) ? WHEN_ALWAYS : (enum storm_when)storm_random(w, WHEN_MAX),
        .fallback = verdicts[storm_random(w, 4)],
        .evaluation = storm_chance(w, 150),
        .original = storm_chance(w, 200),
        .breaker = storm_chance(w, 100),
        .version = versions[storm_random(w, 7)],
    };
    f->actions = storm_chance(w, 300) ? 0 : storm_random(w, 256);
    for (uint32_t bit = 1; bit < SMFIP_HDR_LEADSPC << 1; bit <<= 1) {
        bool often = bit == SMFIP_HDR_LEADSPC || bit == SMFIP_SKIP || bit == SMFIP_RCPT_REJ;
        f->steps |= storm_chance(w, often ? 500 : 120) ? bit : 0;
    }
    f->connection.verdict = f->message.verdict = f->recipient.verdict = f->unknown.verdict = V_NONE;
    buf_printf(&w->conf, "filter \"%c\" { connect \"unix:/%c\"\n fallback %s\n", 'a' + number, 'a' + number,
               fallbacks[f->fallback]);
    buf_printf(&w->conf, " %s\n %s\n %s\n %s }\n", when_texts[f->when], f->evaluation ? "evaluation yes" : "",
               f->original ? "sees original" : "", f->breaker ? "" : "breaker failures 0");
}

static void make_conf(struct storm *w)
{
    w->n_filters = 1 + (int)storm_random(w, FILTERS_MAX);
    w->greylist = storm_chance(w, 250);
    if (w->greylist)
        buf_put_cstr(&w->conf, "report none\nfilter \"g\" { builtin greylist }\n");
    for (int i = 0; i < w->n_filters; i++)
        make_filter(w, i);
    if (w->greylist)
        buf_put_cstr(&w->conf, "racl blacklist rcpt /^<x/ code \"450\" ecode \"4.7.1\" msg \"grey says no\"\n"
                               "racl whitelist default\n");
    storm_log(w, "%s", buf_cstr(&w->conf));
}

static struct plan *make_plan(struct storm *w)
{
    struct slice text = buf_slice(&w->conf);
    struct conf_source source = conf_source_text(&text);
    struct diags diags;
    diags_init(&diags);
    struct plan *p = plan_build(&source, "storm.conf", "mx.example.net", &diags);
    if (!p) {
        struct buf b = {0};
        diags_print(&diags, &b);
        storm_fail(w, "its configuration has errors: %s", buf_cstr(&b));
    }
    diags_fini(&diags);
    return p;
}

/* ---- effects ---- */

static bool is_final(uint8_t code)
{
    return code == SMFIR_CONTINUE || code == SMFIR_ACCEPT || code == SMFIR_REJECT || code == SMFIR_TEMPFAIL ||
           code == SMFIR_DISCARD || code == SMFIR_REPLYCODE || code == SMFIR_SKIP;
}

static void take_reply(struct storm *w, const struct milter_reply *r)
{
    struct said said = {V_CONTINUE, ""};
    if (!w->owed)
        storm_fail(w, "a reply to nothing: %c", r->code);
    w->owed = false;
    w->skip = r->code == SMFIR_SKIP;
    if (r->code == SMFIR_ACCEPT)
        said.verdict = V_ACCEPT;
    else if (r->code == SMFIR_REJECT)
        said.verdict = V_REJECT;
    else if (r->code == SMFIR_TEMPFAIL)
        said.verdict = V_TEMPFAIL;
    else if (r->code == SMFIR_DISCARD)
        said.verdict = V_DISCARD;
    else if (r->code == SMFIR_REPLYCODE) {
        said.verdict = r->u.replycode.status >= 500 ? V_REJECT : V_TEMPFAIL;
        snprintf(said.text, sizeof(said.text), "%.*s", SLICE_ARG(r->u.replycode.text));
    }
    storm_log(w, "mta   gets %c %s", r->code, said.text);
    storm_judge(w, &said);
    w->reply = said;
    if (w->command == SMFIC_RCPT && !w->recipient_rejected && said.verdict < V_DISCARD)
        storm_add_recipient(said.verdict >= V_TEMPFAIL ? &w->refused : &w->original.recipients, w->recipient);
}

static void take_change(struct storm *w, const struct milter_reply *r)
{
    if (w->command != SMFIC_BODYEOB || !w->owed)
        storm_fail(w, "a change of the message, but not at its end");
    storm_log(w, "mta   gets %c %u %.*s:%.*s", r->code, r->code == SMFIR_ADDHEADER ? 0 : r->u.header.index,
              SLICE_ARG(r->code == SMFIR_REPLBODY ? SLICE_NONE : r->u.header.name),
              SLICE_ARG(r->code == SMFIR_REPLBODY ? SLICE_NONE : r->u.header.value));
    if (r->code == SMFIR_REPLBODY) {
        if (!w->body_replaced)
            buf_clear(&w->mail.body);
        w->body_replaced = true;
        buf_put_slice(&w->mail.body, r->u.body);
    } else {
        storm_mta_applies(&w->mail, r, w->granted.steps & SMFIP_HDR_LEADSPC);
    }
}

static void to_mta(struct storm *w, struct slice bytes)
{
    struct wire_packet p;
    if (w->closed)
        storm_fail(w, "something is sent behind the close");
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_reply r;
        if (p.cmd == SMFIC_OPTNEG) {
            if (milter_parse_options(p.body, &w->granted) != ERR_NONE || !w->owed)
                storm_fail(w, "a bad negotiation");
            w->owed = false;
            continue;
        }
        if (milter_parse_reply(&p, &r) != ERR_NONE)
            storm_fail(w, "a malformed reply to the MTA");
        if (is_final(p.cmd))
            take_reply(w, &r);
        else if (p.cmd != SMFIR_PROGRESS)
            take_change(w, &r);
    }
    if (bytes.len > 0)
        storm_fail(w, "half a packet for the MTA");
}

static struct storm_spool *spool_of(struct storm *w, uint64_t id, bool makes)
{
    struct storm_spool *spare = NULL;
    for (size_t i = 0; i < COUNT_OF(w->spools); i++) {
        if (w->spools[i].id == id)
            return &w->spools[i];
        if (!w->spools[i].id)
            spare = &w->spools[i];
    }
    if (!makes || !spare)
        storm_fail(w, "a spool file that is not there, or too many");
    spare->id = id;
    return spare;
}

static void keep_question(struct storm *w, const struct effect *e)
{
    if (w->n_questions == (int)COUNT_OF(w->questions))
        storm_fail(w, "too many questions at once");
    if (e->kind == EFFECT_SPOOL_WRITE)
        buf_put_slice(&spool_of(w, e->u.spool.id, true)->bytes, e->u.spool.bytes);
    w->questions[w->n_questions++] = *e;
}

static void close_spool(struct storm *w, uint64_t id)
{
    struct storm_spool *s = spool_of(w, id, true);
    buf_fini(&s->bytes);
    s->id = 0;
    for (int i = w->n_questions; i-- > 0;) {
        const struct effect *q = &w->questions[i];
        if ((q->kind == EFFECT_SPOOL_WRITE || q->kind == EFFECT_SPOOL_READ) && q->u.spool.id == id)
            memmove(&w->questions[i], &w->questions[i + 1], (size_t)(--w->n_questions - i) * sizeof(*q));
    }
}

static void run_effect(struct storm *w, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_SEND:
        to_mta(w, e->u.bytes);
        break;
    case EFFECT_CLOSE:
        if (w->closed)
            storm_fail(w, "closed twice");
        w->closed = true;
        break;
    case EFFECT_CHILD_OPEN:
        storm_child_open(w, e);
        break;
    case EFFECT_CHILD_SEND:
        storm_child_told(w, e);
        break;
    case EFFECT_CHILD_CLOSE:
        storm_child_close(w, e);
        break;
    case EFFECT_DRAIN:
    case EFFECT_CHILD_DRAIN:
    case EFFECT_DNS:
    case EFFECT_LOOK:
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
        keep_question(w, e);
        break;
    case EFFECT_SPOOL_CLOSE:
        close_spool(w, e->u.spool.id);
        break;
    case EFFECT_LOG:
        storm_log(w, "log   %.*s", SLICE_ARG(e->u.bytes));
        break;
    default:
        break;
    }
}

void storm_step(struct storm *w, struct event *event)
{
    event->now = w->now;
    engine_step(w->engine, event, &w->effects);
    for (size_t i = 0; i < w->effects.count; i++)
        run_effect(w, &w->effects.items[i]);
    effects_clear(&w->effects);
}

/* ---- what answers beside the children ---- */

static void answer_question(struct storm *w, int which)
{
    struct effect q = w->questions[which];
    struct event e = {.session = q.session, .request = q.request};
    memmove(&w->questions[which], &w->questions[which + 1], (size_t)(--w->n_questions - which) * sizeof(q));
    switch (q.kind) {
    case EFFECT_LOOK:
        e.kind = EVENT_LOOK;
        w->gone |= w->wild > 0 && storm_chance(w, 10);
        e.u.look.result = w->gone ? LOOK_GONE : LOOK_ALIVE;
        e.u.look.cookie = 1;
        break;
    case EFFECT_SPOOL_WRITE:
    case EFFECT_SPOOL_READ:
        e.kind = EVENT_SPOOL;
        e.u.spool.ok = w->wild == 0 || !storm_chance(w, 50);
        e.u.spool.error = 28;
        w->spool_failed |= !e.u.spool.ok;
        if (q.kind == EFFECT_SPOOL_READ)
            e.u.spool.bytes = slice_upto(slice_from(buf_slice(&spool_of(w, q.u.spool.id, false)->bytes), q.u.spool.offset),
                                         q.u.spool.length);
        break;
    case EFFECT_CHILD_DRAIN:
        if (!storm_peer(w, q.u.child.id))
            return;
        e.kind = EVENT_CHILD;
        e.u.child.id = q.u.child.id;
        e.u.child.news = CHILD_DRAINED;
        break;
    case EFFECT_DRAIN:
        e.kind = EVENT_DRAINED;
        break;
    default:
        e.kind = EVENT_DNS;
        e.u.dns.status = DNS_ABSENT;
        break;
    }
    storm_step(w, &e);
}

static void pass(struct storm *w, int64_t ms)
{
    w->now.mono.ms += ms;
    w->now.wall.sec += ms / 1000;
    storm_step(w, &(struct event){.kind = EVENT_TICK});
}

/* Something happens. */
static void live(struct storm *w)
{
    bool first = storm_chance(w, 500);
    if (first && w->n_questions > 0) {
        answer_question(w, (int)storm_random(w, (unsigned)w->n_questions));
        return;
    }
    if (w->wild > 0 && storm_chance(w, 5))
        storm_children_idle(w);
    if (storm_children_act(w))
        return;
    if (w->n_questions > 0)
        answer_question(w, 0);
    else
        pass(w, 500);
}

/* ---- the MTA ---- */

static void leave(struct storm *w)
{
    struct buf out = {0};
    if (w->closed)
        return;
    if (storm_chance(w, 300)) {
        storm_log(w, "mta   EOF");
        storm_step(w, &(struct event){.kind = EVENT_EOF, .session = w->session});
    } else {
        storm_log(w, "mta   QUIT");
        milter_put_command(&out, &(struct milter_command){.cmd = SMFIC_QUIT});
        storm_step(w, &(struct event){.kind = EVENT_BYTES, .session = w->session, .u.bytes = buf_slice(&out)});
        buf_fini(&out);
    }
    if (!w->closed)
        storm_fail(w, "the end of the MTA is not the session's");
}

static void reload(struct storm *w)
{
    storm_log(w, "reload");
    w->reloaded = true;
    storm_step(w, &(struct event){.kind = EVENT_PLAN, .u.plan = make_plan(w)});
    storm_step(w, &(struct event){.kind = EVENT_INQUIRE});
}

static void wait_reply(struct storm *w)
{
    int64_t since_ms = w->now.mono.ms;
    while (w->owed && !w->closed) {
        if (storm_chance(w, 1)) {
            leave(w);
            return;
        }
        live(w);
        if (w->now.mono.ms - since_ms > ANSWER_MAX_SECONDS * 1000LL)
            storm_fail(w, "no answer to %c", w->command);
    }
}

/* False: the dialogue is over. */
static bool send_packets(struct storm *w, struct buf *out, uint8_t cmd, bool is_answered)
{
    if (w->closed) {
        buf_fini(out);
        return false;
    }
    w->command = cmd;
    w->owed = is_answered;
    w->reply = (struct said){V_CONTINUE, ""};
    storm_log(w, "mta   %c", cmd);
    storm_step(w, &(struct event){.kind = EVENT_BYTES, .session = w->session, .u.bytes = buf_slice(out)});
    buf_fini(out);
    wait_reply(w);
    for (unsigned i = storm_chance(w, 100) ? storm_random(w, 20) : 0; i > 0 && !w->closed; i--)
        live(w);
    if (!w->closed && storm_chance(w, 3))
        leave(w);
    if (!w->closed && storm_chance(w, 4))
        reload(w);
    return !w->closed;
}

static bool send_command(struct storm *w, const struct milter_command *c, bool is_answered)
{
    struct buf out = {0};
    milter_put_command(&out, c);
    return send_packets(w, &out, c->cmd, is_answered);
}

/* A command whose step the MTA may have been told to leave out. */
static bool send_step(struct storm *w, const struct milter_command *c, uint32_t no_step)
{
    w->reply = (struct said){V_CONTINUE, ""};
    w->skip = false;
    return w->granted.steps & no_step ? !w->closed : send_command(w, c, true);
}

static bool refused(const struct storm *w)
{
    return w->reply.verdict >= V_TEMPFAIL;
}

static bool say_helo(struct storm *w)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof(text), "h%u", ++w->helo);
    w->any_helo = true;
    if (w->in_message)
        storm_clear_message(w);
    w->in_message = false;
    return send_step(w, &(struct milter_command){.cmd = SMFIC_HELO, .u.helo = slice_cstr(text)}, SMFIP_NOHELO);
}

static bool say_unknown(struct storm *w)
{
    for (int i = 0; i < w->n_filters; i++)
        w->filters[i].unknown.verdict = V_NONE;
    return send_step(w, &(struct milter_command){.cmd = SMFIC_UNKNOWN, .u.unknown = SLICE_LIT("XYZZY")}, SMFIP_NOUNKNOWN);
}

static bool say_connect(struct storm *w)
{
    struct buf out = {0};
    struct milter_command c = {.cmd = SMFIC_OPTNEG};
    uint32_t steps = w->leadspc ? MILTER_STEPS_ALL : MILTER_STEPS_ALL & ~(uint32_t)SMFIP_HDR_LEADSPC;
    milter_put_options(&out, &(struct milter_options){.version = 6, .actions = SMFIF_ALL, .steps = steps});
    if (!send_packets(w, &out, SMFIC_OPTNEG, true))
        return false;
    c.cmd = SMFIC_CONNECT;
    c.u.connect.host = SLICE_LIT("mx.example.org");
    c.u.connect.family = MILTER_FAMILY_INET;
    c.u.connect.address = w->remote ? SLICE_LIT("192.0.2.7") : SLICE_LIT("10.0.0.1");
    if (!(w->granted.steps & SMFIP_NOCONNECT))
        wire_put(&out, SMFIC_MACRO, SLICE_LIT("Cj\0mx\0v\0Postfix 3.7\0{daemon_addr}\000192.0.2.1\0{daemon_port}\00025\0"));
    milter_put_command(&out, &c);
    return send_packets(w, &out, SMFIC_CONNECT, true);
}

/* ---- a message ---- */

static void make_message(struct storm *w)
{
    static const char *const names[] = {"Subject", "X-A", "X-B", "From"};
    struct storm_mail *m = &w->original;
    m->recipients.n = 0;
    m->quarantine[0] = '\0';
    snprintf(m->sender, TEXT_BYTES, "<s%d@example.org>", ++w->next_id);
    m->headers.n = 1;
    m->headers.at[0] = (struct storm_header){.id = 0, .name = "Received", .value = " own"};
    for (unsigned i = storm_random(w, 6); i > 0; i--) {
        struct storm_header *h = &m->headers.at[m->headers.n++];
        *h = (struct storm_header){.id = ++w->next_id};
        strcpy(h->name, names[storm_random(w, 4)]);
        snprintf(h->value, TEXT_BYTES, "%s%s%d", w->leadspc && storm_chance(w, 150) ? "  " : " ",
                 storm_chance(w, 300) ? "x" : "o", w->next_id);
    }
    buf_clear(&m->body);
    for (unsigned i = storm_random(w, 4); i > 0; i--)
        buf_printf(&m->body, "line %d %s\r\n", ++w->next_id, storm_chance(w, 200) ? "x" : "o");
    if (storm_chance(w, 15))
        for (unsigned i = 20000 + storm_random(w, 40000); i > 0; i--)
            buf_put_cstr(&m->body, "0123456\r\n");
}

static bool say_rcpt(struct storm *w)
{
    static const char kinds[] = "bbbccx";
    struct buf out = {0};
    struct milter_command c = {.cmd = SMFIC_RCPT};
    char kind = kinds[storm_random(w, 6)];
    for (int i = 0; i < w->n_filters; i++)
        w->filters[i].recipient.verdict = V_NONE;
    snprintf(w->recipient, TEXT_BYTES, "<%c%d@example.net>", kind == 'x' && !w->greylist ? 'c' : kind, ++w->next_id);
    w->recipient_rejected = storm_chance(w, 60);
    if (w->recipient_rejected) {
        if (!(w->granted.steps & SMFIP_RCPT_REJ))
            return true;
        storm_add_recipient(&w->rejected, w->recipient);
        wire_put(&out, SMFIC_MACRO, SLICE_LIT("R{rcpt_mailer}\0error\0{rcpt_host}\0005.1.1\0{rcpt_addr}\0no\0"));
    }
    c.u.envelope.address = slice_cstr(w->recipient);
    milter_put_command(&out, &c);
    if (!send_packets(w, &out, SMFIC_RCPT, true))
        return false;
    if (w->recipient_rejected)
        w->reply = (struct said){V_REJECT, ""};
    w->recipient_rejected = false;
    return true;
}

/* RSET, or a message that is over for the MTA, after which it may say nothing. */
static bool reset(struct storm *w)
{
    if (storm_chance(w, 250))
        return !w->closed;
    if (w->in_message)
        storm_clear_message(w);
    w->in_message = false;
    return send_command(w, &(struct milter_command){.cmd = SMFIC_ABORT}, false);
}

/* False: the message is over. */
static bool say_body(struct storm *w, size_t *from)
{
    const struct buf *body = &w->original.body;
    w->skip = false;
    while (*from < body->len && !w->skip) {
        size_t n = body->len - *from, most = storm_chance(w, 500) ? 65535 : 1 + storm_random(w, 65535);
        n = n < most ? n : most;
        if (n == body->len - *from && storm_chance(w, 300))
            return true; /* with the end */
        struct milter_command c = {.cmd = SMFIC_BODY, .u.body = slice_upto(slice_from(buf_slice(body), *from), n)};
        *from += n;
        if (!send_step(w, &c, SMFIP_NOBODY) || refused(w) || w->reply.verdict == V_ACCEPT)
            return false;
    }
    if (w->skip || (w->granted.steps & SMFIP_NOBODY))
        *from = body->len;
    return true;
}

static bool say_content(struct storm *w)
{
    for (int i = 1; i < w->original.headers.n; i++) {
        const struct storm_header *h = &w->original.headers.at[i];
        struct milter_command c = {.cmd = SMFIC_HEADER};
        c.u.header.name = slice_cstr(h->name);
        c.u.header.value = slice_cstr(w->granted.steps & SMFIP_HDR_LEADSPC ? h->value : h->value + 1);
        if (w->granted.steps & SMFIP_NOHDRS)
            break;
        if (!send_command(w, &c, !(w->granted.steps & SMFIP_NR_HDR)) || refused(w) || w->reply.verdict == V_ACCEPT)
            return false;
    }
    if (!send_step(w, &(struct milter_command){.cmd = SMFIC_EOH}, SMFIP_NOEOH) || refused(w) || w->reply.verdict == V_ACCEPT)
        return false;
    size_t from = 0;
    if (!say_body(w, &from))
        return false;
    struct milter_command end = {.cmd = SMFIC_BODYEOB, .u.body = slice_from(buf_slice(&w->original.body), from)};
    storm_mail_copy(&w->mail, &w->original);
    w->body_replaced = false;
    bool goes_on = send_command(w, &end, true);
    storm_clear_message(w);
    w->in_message = false;
    return goes_on;
}

/* MAIL and RCPTs. False: there is no more to this message. */
static bool say_envelope(struct storm *w)
{
    if (w->in_message)
        storm_clear_message(w);
    make_message(w);
    w->in_message = true;
    w->messages++;
    struct milter_command c = {.cmd = SMFIC_MAIL, .u.envelope.address = slice_cstr(w->original.sender)};
    if (!send_step(w, &c, SMFIP_NOMAIL) || w->reply.verdict == V_ACCEPT || w->reply.verdict == V_DISCARD)
        return false;
    if (refused(w) && storm_chance(w, 700))
        return false;
    for (unsigned i = storm_random(w, 5); i > 0; i--) {
        if (!say_rcpt(w) || w->reply.verdict == V_ACCEPT || w->reply.verdict == V_DISCARD)
            return false;
        if (storm_chance(w, 10) && !say_unknown(w))
            return false;
    }
    return w->original.recipients.n > 0 || storm_chance(w, 50);
}

static bool say_message(struct storm *w)
{
    if (!say_envelope(w) || storm_chance(w, 30))
        return reset(w);
    if (!send_step(w, &(struct milter_command){.cmd = SMFIC_DATA}, SMFIP_NODATA) || w->reply.verdict == V_ACCEPT)
        return reset(w);
    if (refused(w)) {
        if (w->reply.verdict == V_DISCARD || !storm_chance(w, 150))
            return reset(w);
        if (!say_rcpt(w) || !send_step(w, &(struct milter_command){.cmd = SMFIC_DATA}, SMFIP_NODATA) ||
            w->reply.verdict == V_ACCEPT || refused(w))
            return reset(w);
    }
    say_content(w);
    return w->in_message ? reset(w) : !w->closed;
}

/* ---- a dialogue ---- */

static void talk(struct storm *w)
{
    if (!say_connect(w))
        return;
    w->whole_over |= w->reply.verdict == V_ACCEPT;
    if ((refused(w) || w->whole_over) && storm_chance(w, 800))
        return;
    if (storm_chance(w, 950) && !say_helo(w))
        return;
    w->whole_over |= w->reply.verdict == V_ACCEPT;
    if ((refused(w) || w->whole_over) && storm_chance(w, 800))
        return;
    for (unsigned i = 1 + storm_random(w, 3); i > 0; i--) {
        if (!say_message(w))
            return;
        if (storm_chance(w, 50) && !say_helo(w))
            return;
        w->whole_over |= w->command == SMFIC_HELO && w->reply.verdict == V_ACCEPT;
        if (storm_chance(w, 50) && !say_unknown(w))
            return;
    }
}

static void one_session(struct storm *w, uint32_t serial)
{
    w->session = session_id_make(1, serial);
    w->closed = w->gone = w->spool_failed = w->reloaded = w->whole_over = w->in_message = w->any_helo = false;
    w->owed = false;
    w->helo = 0;
    w->remote = storm_chance(w, 700);
    w->leadspc = storm_chance(w, 700);
    storm_clear_connection(w);
    storm_step(w, &(struct event){.kind = EVENT_OPEN, .session = w->session});
    talk(w);
    leave(w);
    for (int i = 0; i < PEERS_MAX; i++)
        if (w->peers[i].id && w->peers[i].of_session)
            storm_fail(w, "child %c is left open", 'a' + w->peers[i].filter);
    for (size_t i = 0; i < COUNT_OF(w->spools); i++)
        if (w->spools[i].id)
            storm_fail(w, "a spool file is left open");
    if (engine_stats(w->engine).open != 0)
        storm_fail(w, "a session is left over");
    w->n_questions = 0;
}

static void dialogue(struct storm *w, unsigned long seed)
{
    w->seed = seed;
    w->random = seed * 0x2545f4914f6cdd1dU;
    w->now = (struct instant){{1000}, {1795485418}};
    w->calm = storm_chance(w, 600);
    w->wild = storm_chance(w, 500) ? 0 : storm_chance(w, 700) ? 10 : 80;
    make_conf(w);
    effects_init(&w->effects);
    w->engine = engine_new(make_plan(w), (struct siphash_key){{1, 2}}, w->now);
    if (storm_chance(w, 700)) {
        storm_step(w, &(struct event){.kind = EVENT_INQUIRE});
        for (unsigned i = 0; i < 40; i++)
            live(w);
    }
    for (uint32_t i = 1 + storm_random(w, 2); i > 0; i--)
        one_session(w, i);
    engine_free(w->engine);
    effects_fini(&w->effects);
    buf_fini(&w->conf);
    storm_mail_fini(&w->original);
    storm_mail_fini(&w->mail);
    for (int i = 0; i < FILTERS_MAX; i++)
        buf_fini(&w->filters[i].edits.body);
    for (int i = 0; i < PEERS_MAX; i++)
        storm_mail_fini(&w->peers[i].told);
}

int main(int argc, char **argv)
{
    unsigned long seed = 1, count = 2000, delivered = 0, refusals = 0;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-v"))
            verbose = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--count") && i + 1 < argc)
            count = strtoul(argv[++i], NULL, 10);
    }
    static struct storm w;
    for (unsigned long i = 0; i < count; i++) {
        memset(&w, 0, sizeof(w));
        w.verbose = verbose;
        dialogue(&w, seed + i);
        delivered += w.delivered;
        refusals += w.refusals;
    }
    printf("# %lu messages went through, %lu refusals\n", delivered, refusals);
    printf("%s - %lu dialogues\n1..1\n", delivered > 0 && refusals > 0 ? "ok" : "not ok", count);
    return delivered == 0 || refusals == 0;
}
