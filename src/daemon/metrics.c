/* metrics.c - counting, and the text form of Prometheus (exposition format 0.0.4). */
#include "daemon/metrics.h"

#include <inttypes.h>

const struct histogram_bounds metrics_hold_bounds = {
    {5000, 10000, 20000, 30000, 60000, 90000, 125000, 180000, 300000, 600000}};
const struct histogram_bounds metrics_delay_bounds = {
    {60000, 300000, 600000, 1200000, 1800000, 3600000, 7200000, 14400000, 43200000, 86400000}};

void metrics_count(struct metrics *m, const struct journal_entry *e)
{
    if (e->evaluation)
        return;
    m->decisions[e->what][e->suspicion]++;
    if (e->what == JOURNAL_LEFT && e->sec >= 0)
        histogram_add(&m->hold_left, &metrics_hold_bounds, e->sec * 1000);
    if (e->what == JOURNAL_LET_IN && e->sec >= 0)
        histogram_add(&m->greylist_delay, &metrics_delay_bounds, e->sec * 1000);
}

/* ---- the text form ---- */

void metrics_put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value_of_label(struct buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buf_put_byte(out, '\\');
        if (*value == '\n')
            buf_put_cstr(out, "\\n");
        else
            buf_put_byte(out, *value);
    }
}

static void put_label(struct buf *out, const char *key, const char *value, bool is_first)
{
    buf_printf(out, "%s%s=\"", is_first ? "{" : ",", key);
    put_value_of_label(out, value);
    buf_put_byte(out, '"');
}

void metrics_put_sample(struct buf *out, const char *name, const char *const *labels, uint64_t value)
{
    buf_put_cstr(out, name);
    for (size_t i = 0; labels && labels[i]; i += 2)
        put_label(out, labels[i], labels[i + 1], i == 0);
    buf_printf(out, "%s %" PRIu64 "\n", labels && labels[0] ? "}" : "", value);
}

static void put_seconds(struct buf *out, int64_t ms)
{
    buf_printf(out, "%" PRId64, ms / 1000);
    if (ms % 1000)
        buf_printf(out, ".%03d", (int)(ms % 1000));
}

void metrics_put_histogram(struct buf *out, const char *name, const char *label, const char *label_value,
                           const struct histogram *h, const struct histogram_bounds *bounds)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        below += h->bins[i];
        buf_printf(out, "%s_bucket", name);
        if (label_value)
            put_label(out, label, label_value, true);
        buf_printf(out, "%sle=\"", label_value ? "," : "{");
        if (i < HISTOGRAM_BOUNDS)
            put_seconds(out, bounds->ms[i]);
        else
            buf_put_cstr(out, "+Inf");
        buf_printf(out, "\"} %" PRIu64 "\n", below);
    }
    const char *const parts[] = {"_sum", "_count"};
    for (size_t i = 0; i < 2; i++) {
        buf_printf(out, "%s%s", name, parts[i]);
        if (label_value) {
            put_label(out, label, label_value, true);
            buf_put_byte(out, '}');
        }
        buf_put_byte(out, ' ');
        if (i == 0)
            put_seconds(out, h->sum_ms);
        else
            buf_printf(out, "%" PRIu64, below);
        buf_put_byte(out, '\n');
    }
}

/* How it ended for a recipient; holds have names of their own. */
static const enum journal_what verdicts[] = {JOURNAL_PASSED,   JOURNAL_ACCEPTED, JOURNAL_LET_IN, JOURNAL_DEFERRED,
                                             JOURNAL_REJECTED, JOURNAL_HELD,     JOURNAL_GONE};

void metrics_put(const struct metrics *m, struct buf *out)
{
    metrics_put_head(out, "tarsier_recipients_total", "counter", "What was decided, and why the client was a suspect.");
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        for (int k = 0; k < JOURNAL_SUSPICION_MAX_; k++) {
            const char *reason = k == JOURNAL_NOT_SUSPECTED ? "none" : journal_suspicion_word((enum journal_suspicion)k);
            const char *const labels[] = {"verdict", journal_word(verdicts[i]), "reason", reason, NULL};
            metrics_put_sample(out, "tarsier_recipients_total", labels, m->decisions[verdicts[i]][k]);
        }
    metrics_put_head(out, "tarsier_hold_left_seconds", "histogram", "How long they waited who hung up.");
    metrics_put_histogram(out, "tarsier_hold_left_seconds", NULL, NULL, &m->hold_left, &metrics_hold_bounds);
    metrics_put_head(out, "tarsier_greylist_delay_seconds", "histogram",
                     "From the first visit to the mail that was let in.");
    metrics_put_histogram(out, "tarsier_greylist_delay_seconds", NULL, NULL, &m->greylist_delay, &metrics_delay_bounds);
}
