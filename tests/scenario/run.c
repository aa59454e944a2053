/*
 * run.c - play the scenarios of the files named: each with several seeds, and each again with a crash behind every effect.
 *
 *     scenario FILE...        TARSIER_SEED=7 plays that seed only
 */
#include "world.h"

#include "base/mem.h"
#include "policy/allow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 6, CRASH_SEEDS = 2, CRASHES_MAX = 400 };

/* ---- words ---- */

/* In the short form, `conf "a; b"`, statements are parted by "; ". A block has its newlines. */
static const char *conf_text(struct world *w, const char *word)
{
    struct buf b = {0};
    bool block = strchr(word, '\n') != NULL;
    for (const char *p = word; *p; p++) {
        if (!block && p[0] == ';' && p[1] == ' ')
            buf_put_byte(&b, '\n');
        else
            buf_put_byte(&b, *p);
    }
    buf_put_byte(&b, '\n');
    const char *text = arena_cstr(&w->arena, buf_slice(&b));
    buf_fini(&b);
    return text;
}

/* ---- verbs ---- */

static void do_conf(struct world *w, struct script_line *l)
{
    if (w->engine) { /* the scenario's own takes the place of the file's */
        if (w->n_conns) {
            world_fail(w, "conf behind the first connection: reload is what you want");
            return;
        }
        engine_free(w->engine);
        w->engine = NULL;
        plan_unref(w->plan);
        w->plan = NULL;
        w->may_refuse = false;
        w->longest_tarpit_sec = w->longest_child_sec = 0;
    }
    struct plan *plan = world_plan(w, conf_text(w, l->words[1]));
    if (plan)
        world_start(w, plan);
}

static void do_reload(struct world *w, struct script_line *l)
{
    struct plan *plan = world_plan(w, conf_text(w, l->words[1]));
    if (plan)
        world_reload(w, plan);
    world_settle(w);
}

/* allow client=192.0.2.7 from=a@example.org, …: the whole list, which takes the place of the one before */
static void do_allow(struct world *w, struct script_line *l)
{
    struct allows *allows = allows_new();
    struct allow_entry e = {0};
    for (size_t i = 1; i < l->n_words; i++) {
        struct slice value = slice_cstr(l->words[i]), key = slice_cut(&value, '=');
        char name[16] = {0};
        memcpy(name, key.ptr, key.len < sizeof(name) ? key.len : 0);
        const char *wrong = allow_take(&e, name, value);
        if (wrong)
            world_fail(w, "%s: %s", l->words[i], wrong);
    }
    if (allows_add(allows, &e) != ERR_NONE)
        world_fail(w, "allow whom?");
    allows_index(allows);
    world_step(w, &(struct event){.kind = EVENT_ALLOWS, .u.allows = allows});
    world_settle(w);
}

static void do_want(struct world *w, struct script_line *l)
{
    world_settle(w);
    if (!w->crashed && !w->failed)
        expect_line(w, l);
}

static void do_pass(struct world *w, struct script_line *l)
{
    world_pass(w, world_duration_ms(w, l->words[1]));
}

static void do_wall(struct world *w, struct script_line *l)
{
    w->wall_jump_sec += world_duration_ms(w, l->words[1]) / 1000;
}

static void do_client(struct world *w, struct script_line *l)
{
    struct conn *c = world_conn(w, l->n_words > 2 ? l->words[1] : "mta");
    const char *state = l->words[l->n_words - 1];
    if (!c)
        world_fail(w, "no such connection");
    else if (strcmp(state, "lies") == 0)
        c->lies_gone = true;
    else if (!outside_client_state(state, &c->state))
        world_fail(w, "no such state of a client: %s", state);
    if (c)
        world_tell(w, "%s: the client is %s", c->name, state);
}

static void do_store(struct world *w, struct script_line *l)
{
    const char *mode = l->words[1];
    if (strcmp(mode, "ok") == 0)
        outside_mode(w, STORE_OK, 0);
    else if (strcmp(mode, "fail") == 0)
        outside_mode(w, STORE_FAIL, 0);
    else if (strcmp(mode, "full") == 0)
        outside_mode(w, STORE_FULL, 0);
    else if (strcmp(mode, "dead") == 0)
        outside_mode(w, STORE_DEAD, 0);
    else if (strcmp(mode, "hold") == 0)
        outside_mode(w, STORE_HOLD, 0);
    else if (strcmp(mode, "commit") == 0)
        outside_commit(w);
    else if (strcmp(mode, "slow") == 0 && l->n_words > 2)
        outside_mode(w, STORE_SLOW, world_duration_ms(w, l->words[2]));
    else if (strcmp(mode, "commits") == 0 && l->n_words > 2)
        outside_mode(w, STORE_SLOW_COMMITS, world_duration_ms(w, l->words[2]));
    else
        world_fail(w, "store ok|fail|full|dead|hold|commit|slow N|commits N");
    world_settle(w);
}

static void do_report(struct world *w, struct script_line *l)
{
    (void)l;
    world_step(w, &(struct event){.kind = EVENT_REPORT});
}

/* admin release|drop [NAME], pause DURATION, resume, trace ADDRESS BITS DURATION, untrace */
static void do_admin(struct world *w, struct script_line *l)
{
    struct conn *c = world_conn(w, l->n_words > 2 ? l->words[2] : "mta");
    const char *what = l->words[1];
    struct event event = {.kind = EVENT_PAUSE};
    if (strcmp(what, "pause") == 0 && l->n_words > 2) {
        event.u.paused_until.sec = world_now(w).wall.sec + world_duration_ms(w, l->words[2]) / 1000;
    } else if ((strcmp(what, "release") == 0 || strcmp(what, "drop") == 0) && c) {
        event.kind = *what == 'r' ? EVENT_RELEASE : EVENT_DROP;
        event.owner = c->id;
    } else if (strcmp(what, "trace") == 0 && l->n_words > 4) {
        event.kind = EVENT_TRACE;
        event.u.trace.sec = world_duration_ms(w, l->words[4]) / 1000;
        event.u.trace.bits = (uint8_t)atoi(l->words[3]);
        if (ip_parse(slice_cstr(l->words[2]), &event.u.trace.network) != ERR_NONE)
            world_fail(w, "not an address");
    } else if (strcmp(what, "untrace") == 0) {
        event.kind = EVENT_TRACE;
    } else if (strcmp(what, "resume") != 0) {
        world_fail(w, "admin release|drop NAME, pause DURATION, resume");
    }
    world_step(w, &event);
    world_settle(w);
}

static void do_cut(struct world *w, struct script_line *l)
{
    (void)l;
    world_cut(w);
    world_settle(w);
}

static void do_stop(struct world *w, struct script_line *l)
{
    (void)l;
    world_stop(w);
    world_settle(w);
}

static void do_restart(struct world *w, struct script_line *l)
{
    (void)l;
    world_crash(w);
}

/* limits SESSIONS [memory BYTES] */
static void do_limits(struct world *w, struct script_line *l)
{
    bool memory = l->n_words == 4 && strcmp(l->words[2], "memory") == 0;
    world_limits(w, (uint32_t)strtoul(l->words[1], NULL, 10), memory ? strtoul(l->words[3], NULL, 10) : 0);
}

static void do_spool(struct world *w, struct script_line *l)
{
    services_spool_line(w, l);
    world_settle(w);
}

static void do_crowd(struct world *w, struct script_line *l)
{
    grey_memory_set_crowd(w->committed, strtoul(l->words[1], NULL, 10));
}

/* The children are asked what they want, as the daemon does at its start and after a reload. */
static void do_inquire(struct world *w, struct script_line *l)
{
    (void)l;
    world_step(w, &(struct event){.kind = EVENT_PROBE});
    world_settle(w);
}

/* crashes no: for scenarios in which a crash in the middle tells nothing new. Read before the first run. */
static void do_crashes(struct world *w, struct script_line *l)
{
    (void)w;
    (void)l;
}

static bool has_crashes(const struct script_scenario *sc)
{
    for (size_t i = 0; i < sc->n_lines; i++)
        if (strcmp(sc->lines[i].words[0], "crashes") == 0)
            return false;
    return true;
}

static const struct {
    const char *word;
    void (*run)(struct world *w, struct script_line *l);
    unsigned min_words;
    bool needs_engine;
} verbs[] = {{"conf", do_conf, 2, false},     {"reload", do_reload, 2, true},
             {"mta", mta_line, 2, true},      {"want", do_want, 2, true},
             {"pass", do_pass, 2, true},      {"wall", do_wall, 2, true},
             {"client", do_client, 2, true},  {"store", do_store, 2, true},
             {"stop", do_stop, 1, true},      {"cut", do_cut, 1, true},
             {"crash", do_restart, 1, true},  {"restart", do_restart, 1, true},
             {"limits", do_limits, 2, true},  {"crowd", do_crowd, 2, true},
             {"child", child_line, 2, false}, {"dns", services_dns_line, 4, false},
             {"spool", do_spool, 2, false},   {"crashes", do_crashes, 2, false},
             {"admin", do_admin, 2, true},    {"inquire", do_inquire, 1, true},
             {"report", do_report, 1, true},  {"allow", do_allow, 2, true}};

static void run_line(struct world *w, struct script_line *l)
{
    w->line = l->number;
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].word, l->words[0]) != 0)
            continue;
        if (l->n_words < verbs[i].min_words)
            world_fail(w, "%s wants more words", l->words[0]);
        else if (!w->engine && verbs[i].needs_engine)
            world_fail(w, "there is no conf yet");
        else
            verbs[i].run(w, l);
        return;
    }
    world_fail(w, "no such word: %s", l->words[0]);
}

/* ---- a run ---- */

/* Behind the script: nobody waits for ever, and everything can end. */
static void check_end(struct world *w)
{
    if (!w->engine || w->failed)
        return;
    for (size_t i = 0; i < w->n_conns && !w->crashed; i++)
        if (w->conns[i]->unseen)
            world_fail(w, "%s was answered \"%s\", and no line of the script looks at it", w->conns[i]->name,
                       w->conns[i]->reply);
    if (w->store != STORE_DEAD && w->store != STORE_FAIL)
        outside_mode(w, STORE_OK, 0);
    outside_commit(w);
    world_pass(w, (w->longest_tarpit_sec + w->longest_child_sec + 60) * 1000);
    for (size_t i = 0; i < w->n_conns && !w->failed; i++) {
        struct conn *c = w->conns[i];
        if (c->open && c->owed)
            world_fail(w, "%s: no reply has come at all", c->name);
    }
    for (size_t i = 0; i < w->n_conns && !w->failed; i++)
        if (w->conns[i]->open)
            mta_hang_up(w, w->conns[i]);
    struct engine_stats s = engine_stats(w->engine);
    if (!w->failed && (s.open || s.held))
        world_fail(w, "%u sessions and %u holds are left when all connections are closed", s.open, s.held);
    children_check_closed(w, 0);
    if (!w->failed && services_open_files(&w->services, 0))
        world_fail(w, "a spool file is left when all connections are closed");
    if (!w->failed && engine_wants_ticks(w->engine) && engine_paused_until(w->engine).sec == 0)
        world_fail(w, "a timer runs for nobody");
}

/* Returns the number of effects; *ok is cleared by a failure. */
static uint64_t play(const struct script *script, const struct script_scenario *sc, struct plan_cache *plans, uint64_t seed,
                     uint64_t crash_at, bool *ok)
{
    struct world w;
    world_init(&w, script, sc, plans, seed);
    w.crash_at = crash_at;
    for (size_t i = 0; i < sc->n_lines && !w.failed; i++)
        run_line(&w, &sc->lines[i]);
    check_end(&w);
    if (w.failed) {
        printf("  TARSIER_SEED=%" PRIu64 "\n", seed);
        *ok = false;
    }
    uint64_t n = w.n_effects;
    world_fini(&w);
    return n;
}

static bool play_all(const struct script *script, const struct script_scenario *sc, struct plan_cache *plans)
{
    const char *given = getenv("TARSIER_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, seeds = given ? 1 : SEEDS;
    bool ok = true;
    for (uint64_t seed = first; seed < first + seeds && ok; seed++) {
        uint64_t n = play(script, sc, plans, seed, 0, &ok);
        if (seed >= first + CRASH_SEEDS || !has_crashes(sc))
            continue;
        /* long ones are crashed at evenly spread effects */
        uint64_t step = n / CRASHES_MAX + 1;
        for (uint64_t at = 1 + seed % step; at <= n && ok; at += step)
            play(script, sc, plans, seed, at, &ok);
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct plan_cache *plans = plan_cache_new();
    unsigned count = 0, failed = 0;
    const char *only = getenv("TARSIER_SCENARIO"); /* part of a title */
    for (int i = 1; i < argc; i++) {
        struct script script;
        if (!script_read(&script, argv[i])) {
            failed++;
            script.n_scenarios = 0;
        }
        for (size_t k = 0; k < script.n_scenarios; k++) {
            const struct script_scenario *sc = &script.scenarios[k];
            if (only && !strstr(sc->title, only))
                continue;
            bool ok = play_all(&script, sc, plans);
            printf("%s %u - %s\n", ok ? "ok" : "not ok", ++count, sc->title);
            fflush(stdout);
            failed += !ok;
        }
        script_fini(&script);
    }
    plan_cache_free(plans);
    printf("1..%u\n", count);
    return failed != 0;
}
