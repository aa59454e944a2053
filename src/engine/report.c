/*
 * report.c - what the engine is doing now, as lines of the log. One line of counters, and one for each child milter: whether it
 * is asked, and what its breaker says. Reads only; the manual page tarsierd(8) has the words.
 */
#include "engine/report.h"
#include "conf/settings.h"

#include <inttypes.h>
#include <string.h>

static void put_counters(struct shared *sh)
{
    const struct engine_stats *s = &sh->stats;
    effects_log(sh->out, 0, LOG_LEVEL_NOTICE,
                "status: generation %u; %" PRIu32 " sessions open, %" PRIu32 " clients held%s; since the start %" PRIu64
                " sessions; passed: %" PRIu64 "; recipients: %" PRIu64 " accepted, %" PRIu64 " deferred, %" PRIu64
                " rejected; holds: %" PRIu64 ", %" PRIu64 " served, %" PRIu64 " released with another connection, %" PRIu64
                " left, %" PRIu64 " cut, %" PRIu64 " released and %" PRIu64 " dropped by an administrator; %" PRIu64
                " clients gone before any hold, %" PRIu64 " failures of the store, %" PRIu64 " of children, %" PRIu64
                " regexes that took too long",
                sh->plan->generation, s->open, hold_count(sh->clients.holds),
                shared_is_paused(sh)     ? ", paused: nobody is held or deferred"
                : shared_is_stressed(sh) ? ", the MTA is under stress"
                                         : "",
                s->sessions, s->passed, s->accepted, s->deferred, s->rejected, s->held_all, s->served, s->siblings, s->left,
                s->cut, s->released, s->dropped, s->gone, s->store_failures, s->child_failures, s->regex_limits);
}

static unsigned open_connections(const struct shared *sh, const struct registry_record *r)
{
    unsigned n = 0;
    for (size_t i = 0; i < sh->registry->n_slots; i++)
        n += sh->registry->slots[i].is_open && !sh->registry->slots[i].probe && sh->registry->slots[i].record == r;
    return n;
}

/* At the present moment: a pause that is over is none, though nobody has tried yet. */
static void put_breaker(const struct shared *sh, const struct breaker *b, struct buf *out)
{
    int64_t left_sec = (b->until.ms - sh->now.mono.ms + 999) / 1000;
    if (b->state == BREAKER_OPEN && left_sec > 0)
        buf_printf(out, "not asked for %" PRId64 " s more, %u failures in a row", left_sec, b->failures);
    else if (b->state == BREAKER_OPEN)
        buf_printf(out, "asked again by the next session, %u failures in a row", b->failures);
    else if (b->state == BREAKER_PROBING)
        buf_printf(out, "asked by one session to see whether it answers again, %u failures in a row", b->failures);
    else if (b->failures > 0)
        buf_printf(out, "asked, %u failure%s in a row", b->failures, b->failures == 1 ? "" : "s");
    else
        buf_put_cstr(out, "asked");
}

static void put_filter(struct shared *sh, const struct conf_filter *f)
{
    struct buf line = {0};
    buf_printf(&line, "status: filter \"%s\", %s: ", f->name, f->connect);
    if (!f->set.enabled) {
        buf_put_cstr(&line, "not enabled");
    } else {
        const struct registry_record *r = registry_record(sh->registry, f->name, f->connect);
        put_breaker(sh, &r->breaker, &line);
        buf_printf(&line, "; %u connections open, %" PRIu64 " made, %" PRIu64 " failures%s%s", open_connections(sh, r),
                   r->connections, r->failures, r->required.known ? "" : "; it has never told yet what it wants",
                   f->set.evaluation ? "; evaluation only" : "");
    }
    effects_log(sh->out, 0, LOG_LEVEL_NOTICE, "%s", buf_cstr(&line));
    buf_fini(&line);
}

void report_put(struct shared *sh)
{
    const struct conf *conf = sh->plan->conf;
    put_counters(sh);
    for (size_t i = 0; i < conf->n_filters && !sh->plan->without_children; i++)
        if (conf->filters[i].connect)
            put_filter(sh, &conf->filters[i]);
}

void report_overview(struct shared *sh, struct instant now, struct engine_overview *out)
{
    const struct conf *conf = sh->plan->conf;
    (void)now;
    *out = (struct engine_overview){.stats = sh->stats,
                                    .held = hold_count(sh->clients.holds),
                                    .holds_max = shared_holds_max(sh),
                                    .stressed = shared_is_stressed(sh),
                                    .filters = conf->n_filters == 0, /* the greylist filter alone */
                                    .evaluates = conf->n_filters > 0};
    for (size_t i = 0; i < conf->n_filters; i++) {
        out->filters |= conf->filters[i].set.enabled;
        out->evaluates &= conf->filters[i].set.evaluation || !conf->filters[i].set.enabled;
    }
}

static const char *word_of(const struct setting_word *words, int64_t value)
{
    while (words->word && words->value != value)
        words++;
    return words->word ? words->word : "";
}

/* The i-th of those that are asked over a socket; NULL: there are no more. */
static const struct conf_filter *filter_at(const struct conf *conf, size_t i)
{
    for (size_t k = 0; k < conf->n_filters; k++)
        if (conf->filters[k].connect && i-- == 0)
            return &conf->filters[k];
    return NULL;
}

bool report_filter(struct shared *sh, size_t i, struct instant now, struct engine_filter *out)
{
    const struct conf_filter *f = filter_at(sh->plan->conf, i);
    if (!f || sh->plan->without_children)
        return false;
    const struct registry_record *r = registry_record(sh->registry, f->name, f->connect);
    int64_t left_sec = r->breaker.state == BREAKER_OPEN ? (r->breaker.until.ms - now.mono.ms + 999) / 1000 : 0;
    *out = (struct engine_filter){.name = f->name,
                                  .connect = f->connect,
                                  .fallback = word_of(setting_fallback_words, f->set.fallback),
                                  .enabled = f->set.enabled,
                                  .evaluation = f->set.evaluation,
                                  .is_asked = r->breaker.state == BREAKER_CLOSED,
                                  .is_probed = r->breaker.state != BREAKER_CLOSED && left_sec <= 0,
                                  .left_sec = left_sec > 0 ? left_sec : 0,
                                  .down_sec =
                                      r->breaker.state == BREAKER_CLOSED ? 0 : (now.mono.ms - r->breaker.since.ms) / 1000,
                                  .open = open_connections(sh, r),
                                  .connections = r->connections,
                                  .failures = r->failures,
                                  .seconds = r->seconds,
                                  .seconds_bounds = &registry_seconds_bounds};
    _Static_assert((int)ENGINE_RESULTS == (int)REGISTRY_RESULTS, "the same words");
    memcpy(out->results, r->results, sizeof(out->results));
    return true;
}

const char *engine_result_word(size_t i)
{
    return registry_result_word((enum registry_result)i);
}
