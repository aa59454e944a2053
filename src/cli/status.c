/* status.c - `tarsier status`: eight lines for people, one for a monitor, JSON for programs. */
#include "cli/status.h"
#include "cli/ctl.h"
#include "cli/screen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the pairs ---- */

void status_init(struct status *s)
{
    s->n_pairs = s->n_filters = 0;
    arena_init(&s->arena);
}

void status_fini(struct status *s)
{
    arena_fini(&s->arena);
}

static struct slice keep(struct status *s, struct slice text)
{
    return arena_slice(&s->arena, text);
}

static int64_t to_number(struct slice text)
{
    uint64_t n;
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    if (slice_to_u64(slice_from(text, is_negative), &n) != ERR_NONE || n > INT64_MAX)
        return 0;
    return is_negative ? -(int64_t)n : (int64_t)n;
}

static void take_filter(struct status *s, const struct ctl_line *row)
{
    if (s->n_filters == STATUS_FILTERS_MAX)
        return;
    s->filters[s->n_filters++] =
        (struct status_filter){.name = keep(s, ctl_field(row, 1)),
                               .state = keep(s, ctl_field(row, 2)),
                               .left_sec = to_number(ctl_field(row, 3)),
                               .failures = to_number(ctl_field(row, 4)),
                               .open = to_number(ctl_field(row, 5)),
                               .evaluation = slice_eq_cstr(ctl_field(row, 6), "evaluation"),
                               .fallback = keep(s, ctl_field(row, 7)),
                               .down_sec = to_number(ctl_field(row, 9)),
                               .mean_ms = ctl_field(row, 8).len ? to_number(ctl_field(row, 8)) : -1};
}

void status_take(void *ctx, const struct ctl_line *row)
{
    struct status *s = ctx;
    if (slice_eq_cstr(ctl_field(row, 0), "filter")) {
        take_filter(s, row);
        return;
    }
    if (s->n_pairs == STATUS_PAIRS_MAX)
        return;
    s->pairs[s->n_pairs].name = keep(s, ctl_field(row, 0));
    s->pairs[s->n_pairs++].value = keep(s, ctl_field(row, 1));
}

struct slice status_text(const struct status *s, const char *name)
{
    for (size_t i = 0; i < s->n_pairs; i++)
        if (slice_eq_cstr(s->pairs[i].name, name))
            return s->pairs[i].value;
    return SLICE_LIT("");
}

int64_t status_number(const struct status *s, const char *name)
{
    return to_number(status_text(s, name));
}

/* ---- for a monitor ---- */

static void complain(struct buf *why, enum status_level *worst, enum status_level level, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void complain(struct buf *why, enum status_level *worst, enum status_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (why->len > 0)
        buf_put_cstr(why, "; ");
    buf_vprintf(why, fmt, ap);
    va_end(ap);
    if (level > *worst)
        *worst = level;
}

static void judge_filters(const struct status *s, struct buf *why, enum status_level *worst)
{
    for (size_t i = 0; i < s->n_filters; i++) {
        const struct status_filter *f = &s->filters[i];
        if (slice_eq_cstr(f->state, "down") || slice_eq_cstr(f->state, "probing"))
            complain(why, worst, STATUS_WARNING, "filter %.*s does not answer", SLICE_ARG(f->name));
    }
}

enum status_level status_judge(const struct status *s, struct buf *why)
{
    enum status_level worst = STATUS_OK;
    int64_t holds = status_number(s, "holds"), holds_max = status_number(s, "holds_max");
    if (s->n_pairs == 0) {
        buf_put_cstr(why, "its answer has nothing in it");
        return STATUS_UNKNOWN;
    }
    if (status_number(s, "store_open") == 0)
        complain(why, &worst, STATUS_CRITICAL, "the store cannot be used: nobody is remembered");
    struct slice disk = status_text(s, "store_disk");
    if (slice_eq_cstr(disk, "full") || slice_eq_cstr(disk, "fails"))
        complain(why, &worst, STATUS_CRITICAL, "the store cannot be written: nobody new is remembered");
    if (slice_eq_cstr(status_text(s, "mta_socket"), "gone"))
        complain(why, &worst, STATUS_CRITICAL, "the socket that Postfix connects to is gone, and cannot be made again");
    judge_filters(s, why, &worst);
    if (slice_eq_cstr(status_text(s, "journal_ok"), "0"))
        complain(why, &worst, STATUS_WARNING, "the journal cannot be written: `tarsier history` misses what is decided now");
    if (status_number(s, "reload_ok") == 0)
        complain(why, &worst, STATUS_WARNING, "the last reload has failed: the configuration has an error");
    if (slice_eq_cstr(status_text(s, "mode"), "paused"))
        complain(why, &worst, STATUS_WARNING, "paused: nobody is held or deferred");
    if (holds_max > 0 && holds >= holds_max)
        complain(why, &worst, STATUS_WARNING, "all %" PRId64 " holds are taken", holds_max);
    if (status_number(s, "stress"))
        complain(why, &worst, STATUS_WARNING, "the MTA is near its limit of connections");
    if (worst == STATUS_OK)
        buf_printf(why, "%" PRId64 " sessions, %" PRId64 " of %" PRId64 " holds", status_number(s, "sessions"), holds,
                   holds_max);
    /* what a monitor draws */
    buf_printf(why, " | sessions=%" PRId64 " holds=%" PRId64 ";;;0;%" PRId64 " store_errors=%" PRId64 "c",
               status_number(s, "sessions"), holds, holds_max, status_number(s, "store_errors"));
    return worst;
}

static int check(const struct cli_daemon *at)
{
    static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    struct status s;
    struct buf why = {0};
    struct slice request = SLICE_LIT("status");
    status_init(&s);
    int asked = cli_ask_quietly(at, &request, 1, status_take, &s, &why);
    enum status_level level = asked == CLI_OK          ? status_judge(&s, &why)
                              : asked == CLI_NO_DAEMON ? STATUS_CRITICAL
                                                       : STATUS_UNKNOWN;
    printf("TARSIER %s - %s\n", words[level], buf_cstr(&why));
    status_fini(&s);
    buf_fini(&why);
    return (int)level;
}

/* ---- for people ---- */

static void put_uptime(int64_t sec, struct buf *out)
{
    if (sec >= 86400)
        buf_printf(out, "%" PRId64 "d ", sec / 86400);
    buf_printf(out, "%02d:%02d", (int)(sec % 86400 / 3600), (int)(sec % 3600 / 60));
}

static void put_head(const struct status *s, int64_t now_sec, struct buf *out)
{
    struct slice mode = status_text(s, "mode");
    struct buf line = {0};
    buf_printf(&line, "tarsier %.*s  up ", SLICE_ARG(status_text(s, "version")));
    put_uptime(status_number(s, "uptime"), &line);
    buf_put_cstr(&line, "  ");
    for (size_t i = 0; i < mode.len; i++)
        buf_put_byte(&line, mode.ptr[i] >= 'a' && mode.ptr[i] <= 'z' ? (char)(mode.ptr[i] - 'a' + 'A') : mode.ptr[i]);
    int64_t until = status_number(s, "paused_until");
    if (until > now_sec) {
        buf_put_cstr(&line, " for ");
        screen_put_duration(&line, until - now_sec);
    }
    int64_t traced = status_number(s, "traced_clients");
    if (traced > 0)
        buf_printf(&line, "  %" PRId64 " traced", traced);
    buf_put_visible(out, buf_slice(&line));
    buf_clear(&line);
    buf_printf(&line, "configuration %" PRId64 " of ", status_number(s, "generation"));
    screen_put_time(&line, (struct wall){status_number(s, "generation_at")}, (struct wall){now_sec});
    buf_put_cstr(&line, status_number(s, "reload_ok") ? " ok" : " in force; the file has an ERROR");
    bool fits = out->len + 2 + line.len <= SCREEN_COLUMNS;
    buf_printf(out, "%s%s\n", fits ? "  " : "\n           ", buf_cstr(&line));
    buf_fini(&line);
}

static void put_holds(const struct status *s, struct buf *out)
{
    static const char *const ends[] = {"stayed", "left", "cut", "released", "dropped"};
    buf_printf(out, "holds      %" PRId64 " of %" PRId64 "; today ", status_number(s, "holds"),
               status_number(s, "holds_max"));
    screen_put_count(out, status_number(s, "today_held"));
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char name[32];
        snprintf(name, sizeof(name), "today_%s", ends[i]);
        int64_t n = status_number(s, name);
        if (i > 2 && n == 0)
            continue;
        buf_put_cstr(out, i == 0 ? ": " : " ");
        screen_put_count(out, n);
        buf_printf(out, " %s", ends[i]);
    }
    buf_put_byte(out, '\n');
}

static void put_store(const struct status *s, struct buf *out)
{
    int64_t records = status_number(s, "store_records"), pending = status_number(s, "store_pending");
    struct slice disk = status_text(s, "store_disk");
    bool is_full = slice_eq_cstr(disk, "full"), is_good = !slice_eq_cstr(disk, "fails");
    buf_put_cstr(out, "grey       ");
    if (!status_number(s, "store_open")) {
        buf_put_cstr(out, "the store CANNOT BE USED: nobody is remembered; see the log\n");
        return;
    }
    screen_put_count(out, pending);
    buf_put_cstr(out, " pending  ");
    screen_put_count(out, records > pending ? records - pending : 0);
    buf_printf(out, " passed  %" PRId64 " MiB", status_number(s, "store_bytes") / (1 << 20));
    buf_printf(out, "  commit p99 %" PRId64 " ms", (status_number(s, "commit_p99_us") + 999) / 1000);
    buf_printf(out, "  disk %s\n", is_full ? "FULL" : is_good ? "ok" : "FAILS");
}

static void put_dns(const struct status *s, struct buf *out)
{
    int64_t failed = status_number(s, "dns_hour_failed");
    buf_put_cstr(out, "dns        ");
    screen_put_count(out, status_number(s, "dns_hour"));
    buf_printf(out, "/h, median %" PRId64 " ms, ", status_number(s, "dns_median_ms"));
    screen_put_count(out, status_number(s, "dns_hour_timeouts"));
    buf_put_cstr(out, " timeouts");
    if (failed > 0) {
        buf_put_cstr(out, ", ");
        screen_put_count(out, failed);
        buf_put_cstr(out, " failures");
    }
    buf_put_byte(out, '\n');
}

static void put_filters(const struct status *s, struct buf *out)
{
    if (s->n_filters == 0)
        return;
    struct buf line = {0};
    for (size_t i = 0; i < s->n_filters; i++) {
        const struct status_filter *f = &s->filters[i];
        buf_printf(&line, "%s%.*s ", i ? "| " : "", SLICE_ARG(f->name));
        if (slice_eq_cstr(f->state, "down") || slice_eq_cstr(f->state, "probing")) {
            buf_put_cstr(&line, "DOWN ");
            screen_put_duration(&line, f->down_sec);
            buf_put_cstr(&line, f->left_sec > 0 ? ", tried again in " : ", tried again now");
            if (f->left_sec > 0)
                screen_put_duration(&line, f->left_sec);
            buf_printf(&line, " -> %.*s ", SLICE_ARG(f->fallback));
        } else {
            buf_printf(&line, "%.*s ", SLICE_ARG(f->state));
            if (f->mean_ms >= 0)
                buf_printf(&line, "%" PRId64 " ms ", f->mean_ms);
        }
        if (f->evaluation)
            buf_put_cstr(&line, "(evaluation) ");
    }
    buf_put_cstr(out, "filters    ");
    screen_put_words(out, 11, buf_slice(&line));
    buf_put_byte(out, '\n');
    buf_fini(&line);
}

void status_put_screen(const struct status *s, int64_t now_sec, struct buf *out)
{
    int64_t mta_sec = status_number(s, "mta_seconds");
    put_head(s, now_sec, out);
    struct slice file = status_text(s, "mta_socket");
    buf_printf(out, "postfix    %s", slice_eq_cstr(file, "gone") ? "socket GONE, " : file.len ? "socket ok, " : "");
    if (mta_sec < 0) {
        buf_put_cstr(out, "has not connected since the start");
    } else {
        buf_put_cstr(out, "last connection ");
        screen_put_duration(out, mta_sec);
        buf_put_cstr(out, " ago");
    }
    buf_printf(out, "%s\n", status_number(s, "stress") ? "; near its limit: nobody is held" : "");
    int64_t waiting = status_number(s, "dns_waiting");
    buf_printf(out, "sessions   %" PRId64 " open", status_number(s, "sessions"));
    if (waiting > 0)
        buf_printf(out, ", %" PRId64 " wait for DNS", waiting);
    buf_put_byte(out, '\n');
    put_holds(s, out);
    put_store(s, out);
    put_dns(s, out);
    put_filters(s, out);
    buf_printf(out, "errors     store %" PRId64 "  dns %" PRId64 "  filters %" PRId64 "  limits %" PRId64,
               status_number(s, "store_failures"), status_number(s, "dns_failures"), status_number(s, "filter_failures"),
               status_number(s, "regex_limits"));
    int64_t lost = status_number(s, "journal_lost");
    if (lost > 0)
        buf_printf(out, "  journal %" PRId64 " rows lost", lost);
    buf_printf(out, "%s\n", slice_eq_cstr(status_text(s, "journal_ok"), "0") ? " NOW" : "");
}

/* ---- for programs ---- */

static bool is_number(struct slice text)
{
    size_t at = text.len > 1 && text.ptr[0] == '-';
    for (size_t i = at; i < text.len; i++)
        if (!ascii_is_digit(text.ptr[i]))
            return false;
    return text.len > at && text.len < 18 && (text.ptr[at] != '0' || text.len == at + 1);
}

void status_put_json(const struct status *s, struct buf *out)
{
    buf_put_byte(out, '{');
    for (size_t i = 0; i < s->n_pairs; i++) {
        screen_put_json(out, s->pairs[i].name);
        buf_put_byte(out, ':');
        if (is_number(s->pairs[i].value))
            buf_put_slice(out, s->pairs[i].value);
        else
            screen_put_json(out, s->pairs[i].value);
        buf_put_byte(out, ',');
    }
    buf_put_cstr(out, "\"filters\":[");
    for (size_t i = 0; i < s->n_filters; i++) {
        const struct status_filter *f = &s->filters[i];
        buf_put_cstr(out, i ? ",{\"name\":" : "{\"name\":");
        screen_put_json(out, f->name);
        buf_put_cstr(out, ",\"state\":");
        screen_put_json(out, f->state);
        buf_put_cstr(out, ",\"fallback\":");
        screen_put_json(out, f->fallback);
        if (f->mean_ms >= 0)
            buf_printf(out, ",\"mean_ms\":%" PRId64, f->mean_ms);
        buf_printf(out,
                   ",\"seconds_down\":%" PRId64 ",\"seconds_left\":%" PRId64 ",\"failures\":%" PRId64
                   ",\"connections\":%" PRId64 ",\"evaluation\":%s}",
                   f->down_sec, f->left_sec, f->failures, f->open, f->evaluation ? "true" : "false");
    }
    buf_put_cstr(out, "]}\n");
}

int cli_status(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    bool json = false, is_check = false;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'j')
            json = true;
        else if (o == 'c')
            is_check = true;
        else if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else
            return cli_usage(c, NULL);
    }
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    if (is_check)
        return check(&at);
    struct status s;
    struct buf out = {0};
    struct slice request = SLICE_LIT("status");
    status_init(&s);
    int status = cli_ask(c, &at, &request, 1, status_take, &s);
    if (status == CLI_OK && json)
        status_put_json(&s, &out);
    else if (status == CLI_OK)
        status_put_screen(&s, (int64_t)time(NULL), &out);
    fputs(buf_cstr(&out), stdout);
    status_fini(&s);
    buf_fini(&out);
    return status;
}
