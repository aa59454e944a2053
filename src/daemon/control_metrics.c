/* control_metrics.c - `metrics`: everything that is counted, a line of Prometheus's text form a row. */
#include "daemon/control.h"
#include "daemon/metrics.h"
#include "base/mem.h"
#include "fetch/dns/dns.h"

#include <stdlib.h>

/* A label has at most 200 values: a configuration has far fewer filters, and all other values are our own words. */
_Static_assert(CONF_FILTERS_MAX <= 200, "one more would have to be `other`");

/* Filters have several names of samples, and all samples of a name stand together: the filters are walked for each name. */
enum part { PART_FIXED, PART_UP, PART_RESULTS, PART_SECONDS, PART_END };

struct writing {
    enum part part;
    size_t filter;
};

static void put_one(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    metrics_put_head(out, name, type, help);
    metrics_put_sample(out, name, NULL, value);
}

static void put_by(struct buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
    metrics_put_sample(out, name, (const char *const[]){label, value, NULL}, n);
}

static void put_holds(const struct engine_overview *o, struct buf *out)
{
    const struct engine_stats *s = &o->stats;
    static const char ended[] = "tarsier_holds_ended_total";
    put_one(out, "tarsier_holds", "gauge", "Clients that are held now.", o->held);
    put_one(out, "tarsier_holds_limit", "gauge", "How many may be held at once.", o->holds_max);
    metrics_put_head(out, ended, "counter", "Holds that have ended, by how.");
    put_by(out, ended, "outcome", "stayed", s->served + s->siblings);
    put_by(out, ended, "outcome", "left", s->left);
    put_by(out, ended, "outcome", "cut", s->cut);
    put_by(out, ended, "outcome", "released", s->released);
    put_by(out, ended, "outcome", "dropped", s->dropped);
}

static uint64_t all_of(const struct metrics *m, enum journal_what what)
{
    uint64_t n = 0;
    for (size_t i = 0; i < JOURNAL_SUSPICION_MAX_; i++)
        n += m->decisions[what][i];
    return n;
}

static void put_greylist(const struct daemon *d, const struct engine_overview *o, const struct store_stats *s,
                         struct buf *out)
{
    static const char event[] = "tarsier_greylist_total", records[] = "tarsier_store_records";
    metrics_put_head(out, event, "counter",
                     "Greylisting: first sights, visits before the delay was over, passes, expiries.");
    put_by(out, event, "event", "first", o->stats.first_sights);
    put_by(out, event, "event", "early", o->stats.deferred - o->stats.first_sights);
    put_by(out, event, "event", "passed", all_of(&d->control->metrics, JOURNAL_LET_IN));
    put_by(out, event, "event", "expired", s->expired);
    metrics_put_head(out, records, "gauge", "Records by state.");
    put_by(out, records, "state", "pending", s->unconfirmed);
    put_by(out, records, "state", "passed", s->records > s->unconfirmed ? s->records - s->unconfirmed : 0);
    put_one(out, "tarsier_store_errors_total", "counter", "Changes that could not be committed.", s->failures);
    put_one(out, "tarsier_store_up", "gauge", "Whether the store can be used.", s->is_open);
    metrics_put_head(out, "tarsier_store_commit_seconds", "summary",
                     "How long commits took; the quantiles are of the last 1,024.");
    buf_printf(out, "tarsier_store_commit_seconds{quantile=\"0.5\"} %.6f\n", (double)s->commit_p50_us / 1e6);
    buf_printf(out, "tarsier_store_commit_seconds{quantile=\"0.99\"} %.6f\n", (double)s->commit_p99_us / 1e6);
    buf_printf(out, "tarsier_store_commit_seconds_sum %.6f\n", (double)s->commit_us_sum / 1e6);
    buf_printf(out, "tarsier_store_commit_seconds_count %llu\n", (unsigned long long)s->commits);
}

static void put_dns(const struct daemon *d, struct mono now, struct buf *out)
{
    static const char *const kinds[] = {[DNS_A] = "a", [DNS_AAAA] = "aaaa", [DNS_PTR] = "ptr"};
    static const char *const results[] = {[DNS_FOUND] = "found", [DNS_ABSENT] = "absent", [DNS_FAILED] = "failed"};
    struct dns_stats s;
    dns_get_stats(d->dns, now, &s);
    metrics_put_head(out, "tarsier_dns_queries_total", "counter", "Questions that were asked, by what became of them.");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (size_t k = 0; k < COUNT_OF(results); k++)
            metrics_put_sample(out, "tarsier_dns_queries_total",
                               (const char *const[]){"kind", kinds[i], "result", results[k], NULL}, s.queries[i][k]);
}

static void put_journal(const struct daemon *d, struct buf *out)
{
    struct journal_stats s;
    journal_get_stats(d->journal, &s);
    put_one(out, "tarsier_journal_up", "gauge", "Whether the last write to the decision journal was a success.",
            !s.is_failing);
    put_one(out, "tarsier_journal_lost_total", "counter", "Rows of the decision journal that could not be written.", s.lost);
}

static void put_fixed(struct daemon *d, const struct ctl_request *r)
{
    struct engine_overview o;
    struct store_stats s;
    struct buf *out = r->out;
    engine_overview(d->engine, r->now, &o);
    store_get_stats(d->store, &s);
    metrics_put_head(out, "tarsier_build_info", "gauge", "Its version; always 1.");
    put_by(out, "tarsier_build_info", "version", TARSIER_VERSION, 1);
    put_one(out, "tarsier_start_time_seconds", "gauge", "When it was started.", (uint64_t)d->control->started.wall.sec);
    put_one(out, "tarsier_paused", "gauge", "Whether nobody is held or deferred for now.",
            engine_paused_until(d->engine).sec != 0);
    put_one(out, "tarsier_config_last_reload_successful", "gauge", "Whether the last reload was.", !d->reload_failed);
    put_one(out, "tarsier_config_last_reload_seconds", "gauge", "When it was.", (uint64_t)d->reload_at.sec);
    put_one(out, "tarsier_sessions", "gauge", "Open connections of the MTA.", o.stats.open);
    put_one(out, "tarsier_sessions_total", "counter", "All of them.", o.stats.sessions);
    put_one(out, "tarsier_stressed", "gauge", "Whether the MTA is near its limit.", o.stressed);
    metrics_put(&d->control->metrics, out);
    put_holds(&o, out);
    put_greylist(d, &o, &s, out);
    put_dns(d, r->now.mono, out);
    put_journal(d, out);
}

static void put_results(const struct engine_filter *f, const char *name, struct buf *out)
{
    for (size_t i = 0; i < ENGINE_RESULTS; i++)
        metrics_put_sample(out, "tarsier_filter_results_total",
                           (const char *const[]){"filter", name, "result", engine_result_word(i), NULL}, f->results[i]);
}

static void put_filter(enum part part, const struct engine_filter *f, const char *name, struct buf *out)
{
    if (part == PART_UP)
        put_by(out, "tarsier_filter_up", "filter", name, f->enabled && f->is_asked);
    else if (part == PART_RESULTS)
        put_results(f, name, out);
    else
        metrics_put_histogram(out, "tarsier_filter_seconds", "filter", name, &f->seconds, f->seconds_bounds);
}

/* One filter's samples of this part, or the step to the next part. */
static void put_next(struct daemon *d, struct writing *w, const struct ctl_request *r)
{
    static const struct {
        const char *name, *type, *help;
    } heads[PART_END] = {
        [PART_UP] = {"tarsier_filter_up", "gauge", "Whether a filter is asked now."},
        [PART_RESULTS] = {"tarsier_filter_results_total", "counter", "Messages that a filter was asked about, by its word."},
        [PART_SECONDS] = {"tarsier_filter_seconds", "histogram", "How long a filter took over a message."},
    };
    struct engine_filter f;
    if (w->part == PART_FIXED) {
        put_fixed(d, r);
        w->part = PART_UP;
        return;
    }
    if (engine_filter(d->engine, w->filter, r->now, &f)) {
        if (w->filter++ == 0)
            metrics_put_head(r->out, heads[w->part].name, heads[w->part].type, heads[w->part].help);
        put_filter(w->part, &f, f.name, r->out);
        return;
    }
    w->filter = 0;
    w->part++;
}

/* What stands in the buffer are lines; each becomes a row. */
static void lines_to_rows(struct buf *out)
{
    struct buf lines = *out;
    *out = (struct buf){0};
    for (struct slice rest = buf_slice(&lines); rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        ctl_put_row(out, &line, 1);
    }
    buf_fini(&lines);
}

enum ctl_progress control_metrics(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct writing *w = r->state;
    if (!w)
        w = r->state = mem_zalloc(sizeof(*w));
    while (w->part != PART_END && r->out->len < CTL_SLICE_BYTES)
        put_next(d, w, r);
    lines_to_rows(r->out);
    return w->part == PART_END ? CTL_DONE : CTL_MORE;
}

void control_metrics_end(struct ctl_request *r)
{
    free(r->state);
}
