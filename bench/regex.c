/*
 * regex.c - what hostile messages cost the loop where the configuration has regexes that try many ways: the engine alone, milliseconds
 * of CPU a message and of its longest step, beside the same message without the regexes. The goal is 50 ms beyond that at most.
 */
#include "base/mem.h"
#include "engine/engine.h"
#include "milter/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK_BYTES = 65000 };

struct hostile {
    const char *name;
    const char *configuration, *least; /* with the regexes and without */
    const char *unit;                  /* senders, recipients, values and lines of the body are made of it */
    size_t sender_bytes, recipients, headers, header_bytes, body_bytes;
};

#define LATE    " and msgsize > 30M }\n"
#define FILTER  "filter \"f\" { connect \"unix:/f\" when "
#define NOTHING FILTER "msgsize > 30M }\n"
#define WAYS    "/\\(wo*\\|or*\\|rd*\\|[a-z]\\)*[0-9]/"
#define LINE    "racl whitelist from " WAYS "\n"
#define LINES5  LINE LINE LINE LINE LINE

static const struct hostile rows[] = {
    {"4,000 headers", FILTER "header \"Subject\" " WAYS LATE, NOTHING, "word", 20, 1, 4000, 60, 1300000},
    {"15 headers of 60 KB", FILTER "header \"Subject\" " WAYS LATE, NOTHING, "word", 20, 1, 15, 60000, 1300000},
    {"1.3 MB of body", FILTER "body " WAYS LATE, NOTHING, "word", 20, 1, 10, 60, 1300000},
    {"twenty racl lines", LINES5 LINES5 LINES5 LINES5 "racl whitelist default\n", "racl whitelist default\n", "word", 200,
     50, 0, 0, 0},
    {"1,000 recipients", FILTER "rcpt " WAYS LATE, NOTHING, "word", 20, 1000, 10, 60, 1300000},
    {"back-references", FILTER "header \"Subject\" /\\(.*\\)\\1\\1[0-9]/" LATE, NOTHING, "a", 20, 1, 15, 60000, 0},
    {"scans from each byte", FILTER "header \"Subject\" /a*[0-9]/" LATE, NOTHING, "a", 20, 1, 15, 60000, 0},
    {"long fixed counts", FILTER "header \"Subject\" /[a-z]\\{1000\\}[0-9]/" LATE, NOTHING, "a", 20, 1, 15, 60000, 0},
    {"four filters",
     FILTER "header \"Subject\" " WAYS LATE "filter \"g\" { connect \"unix:/g\" when body " WAYS LATE
            "filter \"h\" { connect \"unix:/h\" when from " WAYS LATE
            "filter \"i\" { connect \"unix:/i\" when rcpt " WAYS LATE,
     NOTHING, "word", 200, 100, 1000, 200, 1300000},
};

struct run {
    struct engine *engine;
    struct effects effects;
    struct instant now;
    double all_ms, longest_ms;
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void measure(struct run *r, const struct event *event)
{
    double begin = cpu_ms();
    engine_step(r->engine, event, &r->effects);
    double ms = cpu_ms() - begin;
    r->all_ms += ms;
    if (ms > r->longest_ms)
        r->longest_ms = ms;
}

/* The client is there, and its file takes the body. Nobody else is ever asked. */
static bool take_question(struct run *r, struct event *answer)
{
    bool asked = false;
    for (size_t i = 0; i < r->effects.count; i++) {
        const struct effect *e = &r->effects.items[i];
        if (e->kind != EFFECT_LOOK && e->kind != EFFECT_SPOOL_WRITE)
            continue;
        *answer = (struct event){.owner = e->owner, .now = r->now, .request = e->request};
        answer->kind = e->kind == EFFECT_LOOK ? EVENT_LOOK : EVENT_SPOOL;
        if (e->kind == EFFECT_LOOK) {
            answer->u.look.result = LOOK_ALIVE;
            answer->u.look.cookie = 4711;
        } else {
            answer->u.spool.ok = true;
        }
        asked = true;
    }
    effects_clear(&r->effects);
    return asked;
}

static void step(struct run *r, enum event_kind kind, struct slice bytes)
{
    struct event event = {.kind = kind, .owner = owner_make(OWNER_SESSION, 0, 1), .now = r->now};
    if (kind == EVENT_BYTES)
        event.u.bytes = bytes;
    do
        measure(r, &event);
    while (take_question(r, &event));
}

static void send_packet(struct run *r, char cmd, struct slice body)
{
    struct buf out = {0};
    uint32_t n = (uint32_t)body.len + 1;
    const char head[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, cmd};
    buf_put(&out, head, sizeof(head));
    buf_put_slice(&out, body);
    step(r, EVENT_BYTES, buf_slice(&out));
    buf_fini(&out);
}

static void put_units(struct buf *out, const char *unit, size_t n)
{
    size_t length = strlen(unit);
    for (size_t i = 0; i < n; i++)
        buf_put_byte(out, unit[i % length]);
}

static void send_address(struct run *r, char cmd, const struct hostile *h, size_t bytes, size_t number)
{
    struct buf b = {0};
    buf_put_byte(&b, '<');
    put_units(&b, h->unit, bytes);
    buf_printf(&b, "@%c%c.example>", (int)('a' + number / 26 % 26), (int)('a' + number % 26));
    buf_put_byte(&b, '\0');
    send_packet(r, cmd, buf_slice(&b));
    buf_fini(&b);
}

static void send_message(struct run *r, const struct hostile *h)
{
    struct buf text = {0};
    send_address(r, SMFIC_MAIL, h, h->sender_bytes, 0);
    for (size_t i = 0; i < h->recipients; i++)
        send_address(r, SMFIC_RCPT, h, 40, i);
    send_packet(r, SMFIC_DATA, SLICE_NONE);
    buf_put(&text, "Subject\0", 8);
    put_units(&text, h->unit, h->header_bytes);
    buf_put_byte(&text, '\0');
    for (size_t i = 0; i < h->headers; i++)
        send_packet(r, SMFIC_HEADER, buf_slice(&text));
    if (h->headers > 0)
        send_packet(r, SMFIC_EOH, SLICE_NONE);
    buf_clear(&text);
    for (size_t sent = 0; sent < h->body_bytes; sent += CHUNK_BYTES) {
        buf_clear(&text);
        while (text.len < CHUNK_BYTES - 100) {
            put_units(&text, h->unit, 76);
            buf_put_cstr(&text, "\r\n");
        }
        send_packet(r, SMFIC_BODY, buf_slice(&text));
    }
    send_packet(r, SMFIC_BODYEOB, SLICE_NONE);
    buf_fini(&text);
}

static struct plan *make_plan(const char *text)
{
    struct slice conf = slice_cstr(text);
    const struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "bench.conf", "mx.example.net", &diags);
    if (!plan) {
        struct buf told = {0};
        diags_print(&diags, &told);
        fprintf(stderr, "regex: %s", buf_cstr(&told));
        exit(70);
    }
    diags_fini(&diags);
    return plan;
}

/* Milliseconds of CPU for the message, without its connection. */
static double run(const struct hostile *h, const char *configuration, double *longest_ms, uint64_t *unknown)
{
    static const char negotiation[] = "\0\0\0\6\0\0\1\377\0\37\377\377", connection[] = "mail.example.com\0"
                                                                                        "4\x9c\x40"
                                                                                        "192.0.2.7";
    struct run r = {.now = {{1000}, {1800000001}}};
    r.engine = engine_new(make_plan(configuration), (struct siphash_key){{1}}, r.now);
    step(&r, EVENT_OPEN, SLICE_NONE);
    send_packet(&r, SMFIC_OPTNEG, slice_of(negotiation, 12));
    send_packet(&r, SMFIC_CONNECT, slice_of(connection, sizeof(connection)));
    send_packet(&r, SMFIC_HELO, slice_of("x", 2));
    r.all_ms = r.longest_ms = 0;
    send_message(&r, h);
    const struct engine_stats stats = engine_stats(r.engine);
    *unknown = stats.regex_limits;
    *longest_ms = r.longest_ms;
    if (stats.open != 1 || stats.protocol_errors != 0)
        PANIC("the session is over");
    engine_free(r.engine);
    effects_fini(&r.effects);
    return r.all_ms;
}

int main(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double longest, longest_least;
        uint64_t unknown, none;
        double least = run(&rows[i], rows[i].least, &longest_least, &none);
        double ms = run(&rows[i], rows[i].configuration, &longest, &unknown);
        printf("case=\"%s\" message_ms=%.1f least_ms=%.1f beyond_ms=%.1f longest_step_ms=%.1f unknown=%llu\n", rows[i].name,
               ms, least, ms - least, longest, (unsigned long long)unknown);
    }
    return 0;
}
