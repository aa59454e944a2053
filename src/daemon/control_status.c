/*
 * control_status.c - `status`: what the daemon is doing, as pairs of a name and a value; and a row for each filter. The names are
 * those of tarsier-control(7); an old name never changes its meaning.
 */
#include "base/mem.h"
#include "daemon/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Since midnight, as the administrator's clock has it. */
static struct wall midnight(struct wall now)
{
    time_t t = (time_t)now.sec;
    struct tm tm;
    localtime_r(&t, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return (struct wall){(int64_t)mktime(&tm)};
}

static void put_daemon(const struct daemon *d, const struct ctl_request *r)
{
    const struct control *c = d->control;
    int64_t mta_sec = c->last_mta.ms ? (r->now.mono.ms - c->last_mta.ms) / 1000 : -1;
    ctl_put_pair(r->out, "version", "%s", TARSIER_VERSION);
    ctl_put_pair(r->out, "uptime", "%" PRId64, (r->now.mono.ms - c->started.mono.ms) / 1000);
    ctl_put_pair(r->out, "configuration", "%s", d->conf_file);
    ctl_put_pair(r->out, "generation", "%u", d->plan->generation);
    ctl_put_pair(r->out, "generation_at", "%" PRId64, d->generation_at.sec);
    ctl_put_pair(r->out, "reload_ok", "%d", !d->reload_failed);
    ctl_put_pair(r->out, "reload_at", "%" PRId64, d->reload_at.sec);
    ctl_put_pair(r->out, "mta_socket", "%s", io_listeners_are_there(d->io, IO_MTA) ? "ok" : "gone");
    ctl_put_pair(r->out, "mta_seconds", "%" PRId64, mta_sec);
}

static void put_engine(const struct daemon *d, const struct ctl_request *r)
{
    struct engine_overview o;
    engine_overview(d->engine, r->now, &o);
    int64_t paused_until = engine_paused_until(d->engine).sec;
    ctl_put_pair(r->out, "mode", "%s",
                 paused_until  ? "paused"
                 : o.evaluates ? "evaluation"
                 : o.filters   ? "enforcing"
                               : "nothing");
    ctl_put_pair(r->out, "paused_until", "%" PRId64, paused_until);
    ctl_put_pair(r->out, "traced_clients", "%u", engine_traces(d->engine, r->now.mono)->count);
    ctl_put_pair(r->out, "sessions", "%u", o.stats.open);
    ctl_put_pair(r->out, "sessions_all", "%" PRIu64, o.stats.sessions);
    ctl_put_pair(r->out, "sessions_max", "%u", d->sessions_max);
    ctl_put_pair(r->out, "mta_sessions_max", "%u", d->mta_sessions);
    ctl_put_pair(r->out, "stress", "%d", o.stressed);
    ctl_put_pair(r->out, "holds", "%u", o.held);
    ctl_put_pair(r->out, "holds_max", "%u", o.holds_max);
    ctl_put_pair(r->out, "store_failures", "%" PRIu64, o.stats.store_failures);
    ctl_put_pair(r->out, "filter_failures", "%" PRIu64, o.stats.child_failures);
    ctl_put_pair(r->out, "regex_limits", "%" PRIu64, o.stats.regex_limits);
}

static void put_today(const struct daemon *d, const struct ctl_request *r)
{
    struct tally_row sum;
    journal_sum(d->journal, midnight(r->now.wall), (struct wall){r->now.wall.sec + 1}, &sum);
    const uint64_t *what = sum.what[0];
    ctl_put_pair(r->out, "today_held", "%" PRIu64, what[JOURNAL_HELD]);
    ctl_put_pair(r->out, "today_stayed", "%" PRIu64, what[JOURNAL_STAYED] + what[JOURNAL_SIBLING]);
    ctl_put_pair(r->out, "today_left", "%" PRIu64, what[JOURNAL_LEFT]);
    ctl_put_pair(r->out, "today_cut", "%" PRIu64, what[JOURNAL_CUT]);
    ctl_put_pair(r->out, "today_released", "%" PRIu64, what[JOURNAL_RELEASED]);
    ctl_put_pair(r->out, "today_dropped", "%" PRIu64, what[JOURNAL_DROPPED]);
}

static void put_store(const struct daemon *d, const struct ctl_request *r)
{
    static const char *const disks[] = {"ok", "full", "fails"};
    struct store_stats s;
    store_get_stats(d->store, &s);
    ctl_put_pair(r->out, "store", "%s", d->started->set->store);
    ctl_put_pair(r->out, "store_open", "%d", s.is_open);
    ctl_put_pair(r->out, "store_records", "%" PRIu64, s.records);
    ctl_put_pair(r->out, "store_pending", "%" PRIu64, s.unconfirmed);
    ctl_put_pair(r->out, "store_bytes", "%" PRIu64, s.bytes_used);
    ctl_put_pair(r->out, "store_bytes_max", "%" PRIu64, s.bytes_max);
    ctl_put_pair(r->out, "store_disk", "%s", disks[s.disk]);
    ctl_put_pair(r->out, "store_errors", "%" PRIu64, s.failures);
    ctl_put_pair(r->out, "commit_p99_us", "%" PRIu64, s.commit_p99_us);
}

static void put_dns(const struct daemon *d, const struct ctl_request *r)
{
    struct dns_stats s;
    uint64_t failed = 0;
    dns_get_stats(d->dns, r->now.mono, &s);
    for (size_t i = 0; i < COUNT_OF(s.queries); i++)
        failed += s.queries[i][DNS_FAILED];
    ctl_put_pair(r->out, "dns_waiting", "%u", dns_waiting(d->dns));
    ctl_put_pair(r->out, "dns_hour", "%" PRIu64, s.hour.asked);
    ctl_put_pair(r->out, "dns_hour_timeouts", "%" PRIu64, s.hour.timeouts);
    ctl_put_pair(r->out, "dns_hour_failed", "%" PRIu64, s.hour.failed);
    ctl_put_pair(r->out, "dns_median_ms", "%u", s.median_ms);
    ctl_put_pair(r->out, "dns_failures", "%" PRIu64, failed);
}

static void put_journal(const struct daemon *d, const struct ctl_request *r)
{
    struct journal_stats s;
    journal_get_stats(d->journal, &s);
    ctl_put_pair(r->out, "journal_ok", "%d", !s.is_failing);
    ctl_put_pair(r->out, "journal_lost", "%" PRIu64, s.lost);
}

/* "2": how many ms it took over a message, on average; "": it had none. */
static void put_mean(const struct engine_filter *f, char *text, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += f->seconds.bins[i];
    text[0] = '\0';
    if (n > 0)
        snprintf(text, size, "%" PRId64, f->seconds.sum_ms / (int64_t)n);
}

static const char *filter_state(const struct engine_filter *f)
{
    return !f->enabled ? "off" : f->is_asked ? "ok" : f->is_probed ? "probing" : "down";
}

static void put_filters(const struct daemon *d, const struct ctl_request *r)
{
    struct engine_filter f;
    for (size_t i = 0; engine_filter(d->engine, i, r->now, &f); i++) {
        char numbers[5][24];
        snprintf(numbers[0], sizeof(numbers[0]), "%" PRId64, f.left_sec);
        snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, f.failures);
        snprintf(numbers[2], sizeof(numbers[2]), "%u", f.open);
        put_mean(&f, numbers[3], sizeof(numbers[3]));
        snprintf(numbers[4], sizeof(numbers[4]), "%" PRId64, f.down_sec);
        ctl_put_row(r->out,
                    (struct slice[]){SLICE_LIT("filter"), slice_cstr(f.name), slice_cstr(filter_state(&f)),
                                     slice_cstr(numbers[0]), slice_cstr(numbers[1]), slice_cstr(numbers[2]),
                                     slice_cstr(f.evaluation ? "evaluation" : "enforcing"), slice_cstr(f.fallback),
                                     slice_cstr(numbers[3]), slice_cstr(numbers[4])},
                    10);
    }
}

enum ctl_progress control_status(struct ctl_request *r)
{
    const struct daemon *d = r->ctx;
    put_daemon(d, r);
    put_engine(d, r);
    put_today(d, r);
    put_store(d, r);
    put_dns(d, r);
    put_journal(d, r);
    put_filters(d, r);
    return CTL_DONE;
}
