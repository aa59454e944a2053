/*
 * storm.c - random dialogues, each from its number alone: the configuration, events and effects.
 *
 *     test-storm [--seed N] [--count N] [-v]
 *
 * A dialogue that goes wrong names its number: `--seed N --count 1 -v` plays it again and tells it.
 */
#include "storm.h"
#include "nobody.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    f->inside = w->seed % 8 == 5 && w->seed / 8 % (unsigned)w->n_filters == (unsigned)number;
    buf_printf(&w->conf, "filter \"%c\" { connect \"unix:/", 'a' + number);
    if (f->inside)
        buf_put_cstr(&w->conf, "nobody");
    else
        buf_printf(&w->conf, "%c", 'a' + number);
    buf_printf(&w->conf, "\"\n fallback %s\n", fallbacks[f->fallback]);
    buf_printf(&w->conf, " %s\n %s\n %s\n %s }\n", when_texts[f->when], f->evaluation ? "evaluation yes" : "",
               f->original ? "sees original" : "", f->breaker ? "" : "breaker failures 0");
}

static void make_conf(struct storm *w)
{
    w->n_filters = 1 + (int)storm_random(w, FILTERS_MAX);
    w->greylist = storm_chance(w, 250);
    w->adds_header = storm_chance(w, 500);
    w->greylist_at = storm_chance(w, 600) ? 0 : (int)storm_random(w, (unsigned)w->n_filters + 1);
    for (int i = 0; i <= w->n_filters; i++) {
        if (w->greylist && i == w->greylist_at)
            buf_put_cstr(&w->conf, "report none\nfilter \"g\" { builtin greylist }\n");
        if (i < w->n_filters)
            make_filter(w, i);
    }
    if (w->greylist)
        buf_put_cstr(&w->conf, "racl blacklist rcpt /^<x/ code \"450\" ecode \"4.7.1\" msg \"grey says no\"\n"
                               "racl whitelist default");
    if (w->greylist)
        buf_printf(&w->conf, "%s\n", w->adds_header ? " addheader \"X-Grey: yes\"" : "");
    storm_log(w, "%s", buf_cstr(&w->conf));
}

struct plan *storm_plan(struct storm *w)
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
    struct event e = {.owner = q.owner, .request = q.request};
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

void storm_live(struct storm *w)
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

/* ---- a dialogue ---- */

static void one_session(struct storm *w, uint32_t serial)
{
    w->session = owner_make(OWNER_SESSION, 1, serial);
    w->closed = w->gone = w->spool_failed = w->reloaded = w->owed = w->in_message = w->any_helo = false;
    w->remote = storm_chance(w, 700);
    w->leadspc = storm_chance(w, 700);
    storm_step(w, &(struct event){.kind = EVENT_OPEN, .owner = w->session});
    storm_talk(w);
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
    w->engine = engine_new(storm_plan(w), (struct siphash_key){{1, 2}}, w->now);
    engine_add_filter_kind(w->engine, &nobody_kind);
    if (storm_chance(w, 700)) {
        storm_step(w, &(struct event){.kind = EVENT_PROBE});
        for (unsigned i = 0; i < 40; i++)
            storm_live(w);
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
