/*
 * stats.c - `tarsier stats`: the numbers of a day or of the last hours. The running daemon is asked; where none runs the statistics are
 * read where they lie.
 */
#include "cli/ctl.h"
#include "cli/screen.h"
#include "setup/stores.h"
#include "journal/journal.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_SEC = 86400 };

struct period {
    struct wall from, until;
};

/* Midnight of the day that lies `back` days before now, in local time; days have 23 to 25 hours. */
static struct wall midnight(struct wall now, int back)
{
    time_t t = (time_t)now.sec;
    struct tm tm;
    localtime_r(&t, &tm);
    tm.tm_mday -= back;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return (struct wall){(int64_t)mktime(&tm)};
}

/* "today", "yesterday" or "2026-11-24". */
static enum err parse_day(const char *text, struct wall now, struct period *out)
{
    struct tm tm = {0};
    int back = strcmp(text, "today") == 0 ? 0 : strcmp(text, "yesterday") == 0 ? 1 : -1;
    if (back >= 0) {
        *out = (struct period){midnight(now, back), midnight(now, back - 1)};
        return ERR_NONE;
    }
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || *end)
        return ERR_SYNTAX;
    tm.tm_isdst = -1;
    out->from.sec = (int64_t)mktime(&tm);
    tm.tm_mday++;
    tm.tm_isdst = -1;
    out->until.sec = (int64_t)mktime(&tm);
    return ERR_NONE;
}

static void put_count(struct buf *out, const char *name, uint64_t n)
{
    char digits[32], grouped[48];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), to = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            grouped[to++] = ',';
        grouped[to++] = digits[i];
    }
    grouped[to] = '\0';
    buf_printf(out, "%-18s %11s", name, grouped);
}

static void put_suspicions(struct buf *out, const uint64_t *held, const uint64_t *deferred)
{
    bool any = false;
    for (int i = 0; i < JOURNAL_SUSPICION_MAX_; i++) {
        const char *word = i == JOURNAL_NOT_SUSPECTED ? "other" : journal_suspicion_word((enum journal_suspicion)i);
        if (held[i] + deferred[i] == 0)
            continue;
        buf_printf(out, "%s   %s %" PRIu64, any ? "" : "by reason       ", word, held[i] + deferred[i]);
        any = true;
    }
    if (any)
        buf_put_byte(out, '\n');
}

static void put_left(struct buf *out, const uint64_t *left)
{
    static const char *const bins[TALLY_LEFT_BINS] = {"<10 s", "<30 s", "<60 s", "<125 s", "later"};
    uint64_t all = 0;
    for (size_t i = 0; i < TALLY_LEFT_BINS; i++)
        all += left[i];
    if (all == 0)
        return;
    buf_put_cstr(out, "hung up at      ");
    for (size_t i = 0; i < TALLY_LEFT_BINS; i++)
        if (left[i])
            buf_printf(out, "   %s %" PRIu64, bins[i], left[i]);
    buf_put_byte(out, '\n');
}

static void put_deferred(struct buf *out, const struct tally_row *row, const uint64_t *what)
{
    uint64_t back = what[JOURNAL_LET_IN];
    put_count(out, "deferred", what[JOURNAL_DEFERRED]);
    buf_printf(out, "   came back %" PRIu64, back);
    if (back > 0) {
        buf_put_cstr(out, " (p50 ");
        screen_put_duration(out, tally_delay_quantile_sec(row, 0.5) / 60 * 60);
        buf_put_cstr(out, ", p95 ");
        screen_put_duration(out, tally_delay_quantile_sec(row, 0.95) / 60 * 60);
        buf_put_byte(out, ')');
    }
    buf_put_byte(out, '\n');
}

static void put_for_people(struct buf *out, const struct tally_row *row, bool would)
{
    const uint64_t *what = row->what[would];
    put_count(out, would ? "would pass" : "passed untouched", what[JOURNAL_PASSED]);
    buf_put_byte(out, '\n');
    put_count(out, would ? "would be held" : "held", what[JOURNAL_HELD]);
    if (!would)
        buf_printf(out, "   stayed %" PRIu64 "   left %" PRIu64 "   cut %" PRIu64,
                   what[JOURNAL_STAYED] + what[JOURNAL_SIBLING], what[JOURNAL_LEFT], what[JOURNAL_CUT]);
    if (what[JOURNAL_RELEASED] + what[JOURNAL_DROPPED])
        buf_printf(out, "   released %" PRIu64 "   dropped %" PRIu64, what[JOURNAL_RELEASED], what[JOURNAL_DROPPED]);
    buf_put_byte(out, '\n');
    put_deferred(out, row, what);
    put_count(out, "let in, known", what[JOURNAL_ACCEPTED]);
    buf_put_byte(out, '\n');
    if (what[JOURNAL_REJECTED]) {
        put_count(out, "rejected", what[JOURNAL_REJECTED]);
        buf_put_byte(out, '\n');
    }
    put_suspicions(out, row->held_for[would], row->deferred_for[would]);
    if (!would)
        put_left(out, row->left);
}

static void put_numbers(struct buf *out, const uint64_t *numbers, size_t n, const char *(*name)(size_t i))
{
    bool any = false;
    buf_put_byte(out, '{');
    for (size_t i = 0; i < n; i++)
        if (numbers[i]) {
            buf_printf(out, "%s\"%s\":%" PRIu64, any ? "," : "", name(i), numbers[i]);
            any = true;
        }
    buf_put_byte(out, '}');
}

static const char *name_of_what(size_t i)
{
    return journal_word((enum journal_what)i);
}

static const char *name_of_suspicion(size_t i)
{
    return i == JOURNAL_NOT_SUSPECTED ? "other" : journal_suspicion_word((enum journal_suspicion)i);
}

static void put_for_programs(struct buf *out, const struct tally_row *row, const struct period *p, bool would)
{
    buf_printf(out, "{\"from\":%" PRId64 ",\"until\":%" PRId64 ",\"evaluation\":%s,\"recipients\":", p->from.sec,
               p->until.sec, would ? "true" : "false");
    put_numbers(out, row->what[would], JOURNAL_MAX_, name_of_what);
    buf_put_cstr(out, ",\"held_for\":");
    put_numbers(out, row->held_for[would], JOURNAL_SUSPICION_MAX_, name_of_suspicion);
    buf_put_cstr(out, ",\"deferred_for\":");
    put_numbers(out, row->deferred_for[would], JOURNAL_SUSPICION_MAX_, name_of_suspicion);
    buf_printf(out, ",\"delay_p50_seconds\":%" PRId64 ",\"delay_p95_seconds\":%" PRId64 "}\n",
               tally_delay_quantile_sec(row, 0.5), tally_delay_quantile_sec(row, 0.95));
}

static int read_file(const struct cli_daemon *at, const struct period *p, struct tally_row *row)
{
    struct plan *plan = cli_plan(at->file);
    struct buf directory = {0};
    if (!plan)
        return CLI_FAILED;
    buf_printf(&directory, "%s/journal", stores_state_directory(plan->set));
    struct tally *t = tally_new();
    enum err e = journal_read_tally(buf_cstr(&directory), t);
    tally_sum(t, p->from, p->until, row);
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier stats: %s/statistics: %s\n", buf_cstr(&directory),
                e == ERR_SYNTAX      ? "it is damaged; remove it, and the daemon begins a new one"
                : e == ERR_NOT_FOUND ? "there is none: the daemon writes it within a minute of the first decision"
                                     : strerror(errno));
    tally_free(t);
    plan_unref(plan);
    buf_fini(&directory);
    return e == ERR_NONE ? CLI_OK : CLI_FAILED;
}

static void take_row(void *ctx, const struct ctl_line *row)
{
    struct buf *text = ctx;
    buf_printf(text, " %.*s=", SLICE_ARG(ctl_field(row, 0)));
    buf_put_slice(text, ctl_field(row, 1));
}

/* CLI_NO_DAEMON without a word where nobody answers. */
static int ask_daemon(const struct command *c, const struct cli_daemon *at, const struct period *p, struct tally_row *row)
{
    char from[24], until[24];
    struct buf text = {0}, why = {0};
    snprintf(from, sizeof(from), "%" PRId64, p->from.sec < 0 ? 0 : p->from.sec);
    snprintf(until, sizeof(until), "%" PRId64, p->until.sec < 0 ? 0 : p->until.sec);
    const struct slice words[] = {SLICE_LIT("stats"), slice_cstr(from), slice_cstr(until)};
    buf_put_cstr(&text, "0");
    int status = cli_ask_quietly(at, words, 3, take_row, &text, &why);
    struct tally *t = tally_new();
    unsigned line;
    if (status == CLI_OK && tally_parse(t, buf_slice(&text), &line) == ERR_NONE)
        tally_sum(t, (struct wall){0}, (struct wall){1}, row);
    else if (status != CLI_NO_DAEMON || at->socket)
        fprintf(stderr, "tarsier %s: %s\n", c->row->name, why.len ? buf_cstr(&why) : "an answer that is not understood");
    tally_free(t);
    buf_fini(&text);
    buf_fini(&why);
    return status;
}

static int tell(const struct command *c, const struct cli_daemon *at, const struct period *p, bool would, bool json)
{
    struct tally_row row = {0};
    struct buf out = {0};
    int status = ask_daemon(c, at, p, &row);
    if (status == CLI_NO_DAEMON && !at->socket)
        status = read_file(at, p, &row);
    if (status != CLI_OK)
        return status;
    if (json)
        put_for_programs(&out, &row, p, would);
    else
        put_for_people(&out, &row, would);
    fputs(buf_cstr(&out), stdout);
    buf_fini(&out);
    return CLI_OK;
}

int cli_stats(const struct command *c, int argc, char **argv)
{
    struct wall now = {(int64_t)time(NULL)};
    struct period p = {{now.sec - DAY_SEC}, {now.sec + 1}};
    struct cli_daemon at = {0};
    bool would = false, json = false;
    int64_t since_sec;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else if (o == 'w')
            would = true;
        else if (o == 'j')
            json = true;
        else if (o == 'd' && parse_day(optarg, now, &p) != ERR_NONE)
            return cli_usage(c, "--day takes today, yesterday or a date such as 2026-11-24");
        else if (o == 's' && cli_duration(optarg, &since_sec) != ERR_NONE)
            return cli_usage(c, "--since takes a time such as 12h or 7d");
        else if (o == 's')
            p.from.sec = now.sec - since_sec;
        else if (o != 'd')
            return cli_usage(c, NULL);
    }
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    return tell(c, &at, &p, would, json);
}
