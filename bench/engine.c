/*
 * engine.c - the engine alone with very many held clients: what each needs in memory, what bringing one to RCPT and what a minute of
 * holding costs, without a socket, a disk or a thread. The outside (MTA, kernel, store) is played here and answers at once.
 */
#include "engine/engine.h"
#include "base/mem.h"
#include "dialogue.h"
#include "grey/memory.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char configuration[] = "holds max 1000000\n"
                                    "holds per-client 1000000\n"
                                    "filter \"greylist\" { builtin greylist\n when remote and s25r }\n"
                                    "racl whitelist tarpit 900s\n"
                                    "racl greylist default\n";

enum { TICK_MS = 100, MINUTE_MS = 60000, COOKIE = 4711 };

/* An event on its way to the engine, with the bytes it borrows. */
struct pending {
    struct event event;
    struct grey_answer answer;
    struct buf bytes;
};

struct bench {
    struct engine *engine;
    struct effects effects;
    struct grey_memory *memory;
    struct dialogue_settings settings;
    struct dialogue_terms *terms; /* newest first */
    struct dialogue_counts counts;
    struct dialogue *dialogues;
    uint32_t holds;
    struct instant now;
    uint64_t engine_ns, steps, looks;
    struct pending *queue; /* of what follows from one step and from what follows from that */
    size_t queued, queue_cap, next;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct pending *push(struct bench *b, enum event_kind kind, owner_id session)
{
    if (b->queued == b->queue_cap) {
        size_t old = b->queue_cap;
        b->queue = mem_grow(b->queue, &b->queue_cap, old + 1, sizeof(*b->queue));
        memset(b->queue + old, 0, (b->queue_cap - old) * sizeof(*b->queue));
    }
    struct pending *p = &b->queue[b->queued++];
    buf_clear(&p->bytes);
    p->event = (struct event){.kind = kind, .owner = session};
    return p;
}

/* The engine's bytes to the MTA, and what Postfix says then. */
static void take_send(struct bench *b, const struct effect *e)
{
    struct slice in = e->u.bytes;
    struct wire_packet p;
    struct pending *reply = push(b, EVENT_BYTES, e->owner);
    while (wire_next(&in, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK)
        if (dialogue_take(&b->dialogues[owner_slot(e->owner)], &b->settings, &b->terms, &b->counts, &p, &reply->bytes) !=
            DIALOGUE_WAIT)
            PANIC("a session ended that should be held");
    if (reply->bytes.len == 0)
        b->queued--; /* PROGRESS */
}

static void take_effect(struct bench *b, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_SEND:
        take_send(b, e);
        break;
    case EFFECT_LOOK: {
        struct pending *p = push(b, EVENT_LOOK, e->owner);
        p->event.request = e->request;
        p->event.u.look.result = LOOK_ALIVE;
        p->event.u.look.cookie = COOKIE;
        b->looks++;
        break;
    }
    case EFFECT_STORE: {
        struct grey_answer answer;
        grey_memory_run(b->memory, e->u.store, &answer);
        if (e->request == 0)
            break;
        struct pending *p = push(b, EVENT_STORE, e->owner);
        p->event.request = e->request;
        p->answer = answer;
        break;
    }
    default:
        break;
    }
}

/* Give the engine everything that is queued, and all that follows from it. */
static void run_queue(struct bench *b)
{
    while (b->next < b->queued) {
        struct pending *p = &b->queue[b->next++];
        p->event.now = b->now;
        if (p->event.kind == EVENT_BYTES)
            p->event.u.bytes = buf_slice(&p->bytes);
        if (p->event.kind == EVENT_STORE)
            p->event.u.answer = &p->answer;
        uint64_t begin = now_ns();
        engine_step(b->engine, &p->event, &b->effects);
        b->engine_ns += now_ns() - begin;
        b->steps++;
        for (size_t i = 0; i < b->effects.count; i++)
            take_effect(b, &b->effects.items[i]);
        effects_clear(&b->effects);
    }
    b->queued = b->next = 0;
}

static void open_session(struct bench *b, uint32_t slot)
{
    owner_id id = owner_make(OWNER_SESSION, slot, 1);
    push(b, EVENT_OPEN, id);
    struct pending *p = push(b, EVENT_BYTES, id);
    dialogue_begin(&b->dialogues[slot], &b->settings, slot, (uint16_t)(1024 + slot % 60000), &p->bytes);
    run_queue(b);
}

static void pass(struct bench *b, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += TICK_MS) {
        b->now.mono.ms += TICK_MS;
        b->now.wall.sec = 1800000000 + b->now.mono.ms / 1000;
        push(b, EVENT_TICK, 0);
        run_queue(b);
    }
}

static struct plan *make_plan(void)
{
    struct slice conf = slice_cstr(configuration);
    const struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "bench.conf", "mx.example.net", &diags);
    if (!plan) {
        struct buf text = {0};
        diags_print(&diags, &text);
        fprintf(stderr, "engine: %s", buf_cstr(&text));
        exit(70);
    }
    diags_fini(&diags);
    return plan;
}

static uint64_t rss_anon_bytes(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "RssAnon: %llu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static void bench_init(struct bench *b, uint32_t holds)
{
    static const struct grey_secret secret;
    *b = (struct bench){.holds = holds, .now = {{1000}, {1800000001}}};
    b->settings = (struct dialogue_settings){.kind = DIALOGUE_SUSPICIOUS,
                                             .recipients = 1,
                                             .host = SLICE_LIT("mx.example.net"),
                                             .daemon_address = "198.18.0.1",
                                             .daemon_port = 25,
                                             .clients = TUPLE_CLIENTS_MAX};
    b->memory = grey_memory_new(&secret);
    b->dialogues = mem_alloc(holds * sizeof(*b->dialogues));
    memset(b->dialogues, 0xff, holds * sizeof(*b->dialogues)); /* ours, and there before the engine's memory is measured */
    b->engine = engine_new(make_plan(), (struct siphash_key){{1}}, b->now);
}

static void bench_fini(struct bench *b)
{
    engine_free(b->engine);
    grey_memory_free(b->memory);
    effects_fini(&b->effects);
    dialogue_terms_free(b->terms);
    for (size_t i = 0; i < b->queue_cap; i++)
        buf_fini(&b->queue[i].bytes);
    free(b->queue);
    free(b->dialogues);
}

/* A part of the run: the engine's share of the time, applied to the CPU used, so that others on the machine do not count. */
struct part {
    uint64_t wall_ns, engine_ns;
    double cpu_ns;
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct part part_begin(const struct bench *b)
{
    return (struct part){now_ns(), b->engine_ns, cpu_ns()};
}

static double part_engine_cpu_ns(const struct bench *b, const struct part *p)
{
    double share = (double)(b->engine_ns - p->engine_ns) / (double)(now_ns() - p->wall_ns);
    return share * (cpu_ns() - p->cpu_ns);
}

static void run(struct bench *b)
{
    uint64_t before = rss_anon_bytes();
    struct part part = part_begin(b);
    for (uint32_t i = 0; i < b->holds; i++) {
        open_session(b, i);
        if (i % 100 == 99) /* a thousand a second */
            pass(b, TICK_MS);
    }
    double bytes = (double)(rss_anon_bytes() - before) / b->holds;
    double open_us = part_engine_cpu_ns(b, &part) / 1e3 / b->holds;
    uint64_t looks = b->looks, progress = b->counts.progress;
    uint32_t held = engine_stats(b->engine).held;
    part = part_begin(b);
    pass(b, MINUTE_MS);
    double minute_ms = part_engine_cpu_ns(b, &part) / 1e6;
    printf("holds=%u held=%u bytes_each=%.0f open_us=%.2f minute_cpu_ms=%.1f looks=%llu progress=%llu\n", b->holds, held,
           bytes, open_us, minute_ms, (unsigned long long)(b->looks - looks),
           (unsigned long long)(b->counts.progress - progress));
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"holds", required_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    uint64_t holds = 100000;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c != 'h' || slice_to_u64(slice_cstr(optarg), &holds) != ERR_NONE || holds == 0 || holds > 1000000) {
            fprintf(stderr, "usage: engine [--holds N]\n");
            return 64;
        }
    struct bench *b = mem_alloc(sizeof(*b));
    bench_init(b, (uint32_t)holds);
    run(b);
    bool all = engine_stats(b->engine).held == b->holds;
    bench_fini(b);
    free(b);
    if (!all)
        fprintf(stderr, "engine: not all of them are held\n");
    return !all;
}
