/* report_screen.c - the screen: at most 80 columns, the outcome first; long names are wrapped, never cut. */
#include "replay/report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOP = 10, NAME_COLUMNS = 40, WIDTH = 80 };
/* A longer name would not stand beside its command: the address does as well. */
enum { ALLOW_NAME_MAX = WIDTH - sizeof("  tarsier allow add ") };

static void put_count(struct buf *out, uint64_t n)
{
    char digits[32];
    int len = 0;
    do {
        if (len % 4 == 3)
            digits[len++] = ',';
        digits[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (len > 0)
        buf_put_byte(out, digits[--len]);
}

static void put_right(struct buf *out, struct slice text, size_t columns)
{
    for (size_t i = text.len; i < columns; i++)
        buf_put_byte(out, ' ');
    buf_put_slice(out, text);
}

static double percent(uint64_t part, uint64_t all)
{
    return all ? 100.0 * (double)part / (double)all : 0;
}

/* "    suspects           402     1.05 %" */
static void put_row(struct buf *out, const char *what, uint64_t n, uint64_t all)
{
    struct buf number = {0};
    put_count(&number, n);
    buf_printf(out, "%-16s", what);
    put_right(out, buf_slice(&number), 12);
    if (all)
        buf_printf(out, "   %6.2f %%", percent(n, all));
    buf_put_byte(out, '\n');
    buf_fini(&number);
}

/* "31 .. 118": where the low world held somebody anew whom the high one had let in by a retry, the bounds change places. */
static void put_bounds(struct buf *out, uint64_t low, uint64_t high)
{
    put_count(out, low < high ? low : high);
    buf_put_cstr(out, " .. ");
    put_count(out, low < high ? high : low);
}

/* "    held      31 .. 118     0.08 .. 0.31 %" */
static void put_range(struct buf *out, const char *what, uint64_t low, uint64_t high, uint64_t all)
{
    struct buf numbers = {0};
    put_bounds(&numbers, low, high);
    buf_printf(out, "%-10s", what);
    put_right(out, buf_slice(&numbers), 18);
    buf_printf(out, "   %6.2f .. %.2f %%", percent(low < high ? low : high, all), percent(low < high ? high : low, all));
    buf_fini(&numbers);
}

static void put_day(struct buf *out, struct wall w)
{
    struct tm tm;
    time_t t = (time_t)w.sec;
    char text[32];
    if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d", &tm) > 0)
        buf_put_cstr(out, text);
}

static void put_duration(struct buf *out, int64_t sec)
{
    static const struct {
        int64_t sec;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    size_t i = 0;
    while (i < 3 && sec % units[i].sec != 0)
        i++;
    buf_printf(out, "%lld %s", (long long)(sec / units[i].sec), units[i].unit);
}

static void put_head(const struct replay_counts *c, const struct replay_reading *reading, struct buf *out)
{
    struct buf unread = {0};
    size_t begin = out->len;
    put_day(out, c->first);
    buf_put_cstr(out, " .. ");
    put_day(out, c->last);
    buf_put_cstr(out, ", ");
    put_count(out, reading->lines);
    buf_put_cstr(out, " lines");
    if (reading->warm_up_sec) {
        buf_put_cstr(out, ", ");
        put_duration(out, reading->warm_up_sec);
        buf_put_cstr(out, " learned");
    }
    if (reading->unread) {
        put_count(&unread, reading->unread);
        buf_put_cstr(&unread, reading->shows_unread ? " unread" : " unread: --show-unread");
        buf_printf(out, "%s(%.*s)", out->len - begin + unread.len + 3 > WIDTH ? "\n" : " ", SLICE_ARG(buf_slice(&unread)));
    }
    buf_put_byte(out, '\n');
    buf_fini(&unread);
}

static void put_refused(const struct replay_counts *c, struct buf *out)
{
    struct buf numbers = {0};
    put_count(&numbers, c->refused);
    buf_printf(out, "%-16s", "refused");
    put_right(out, buf_slice(&numbers), 12);
    buf_put_cstr(out, "   of these ");
    put_count(out, c->refused_suspects);
    buf_put_cstr(out, " would have been suspects anyway\n");
    buf_fini(&numbers);
}

/* Mail of those to whom users here write is what an administrator hears about first. */
static void put_correspondents(const struct replay_counts *c, struct buf *out)
{
    const struct replay_part *p = &c->correspondents;
    struct buf number = {0};
    if (c->from_correspondents == 0)
        return;
    put_count(&number, c->from_correspondents);
    buf_printf(out, "%-16s", "correspondents");
    put_right(out, buf_slice(&number), 12);
    buf_put_cstr(out, "   of them held ");
    put_bounds(out, p->held[REPLAY_LOW], p->held[REPLAY_HIGH]);
    buf_put_cstr(out, ", deferred ");
    put_bounds(out, p->deferred[REPLAY_LOW], p->deferred[REPLAY_HIGH]);
    buf_put_byte(out, '\n');
    buf_fini(&number);
}

static void put_notes(const struct replay_counts *c, const struct replay_reading *reading, struct buf *out)
{
    if (reading->is_trace) {
        buf_put_cstr(out, "Low: all who are held wait. High: nobody does. No HELO proves itself.\n");
        if (c->unnamed) {
            put_count(out, c->unnamed);
            buf_put_cstr(out, " suspects without a look-up: low as named, high as nameless.\n");
        }
        return;
    }
    buf_printf(out, "HELO known for %.0f %% of the suspects; %.0f %% have no name, for now or for good.\n",
               percent(c->helo_known, c->all.suspects), percent(c->perhaps_temp, c->all.suspects));
    buf_put_cstr(out, "Low: HELO names prove themselves, a name was missing for now, all who are\n"
                      "held wait. High: none of this.\n");
}

static void put_sender(const struct sender *s, struct buf *out)
{
    char address[IP_TEXT_MAX];
    struct buf who = {0}, mails = {0};
    ip_format(&s->client, address);
    buf_put_visible(&who, s->name.len ? s->name : SLICE_LIT("unknown"));
    if (who.len + strlen(address) + 3 > NAME_COLUMNS) { /* the name has lines of its own */
        for (; who.len > WIDTH; buf_drop(&who, WIDTH))
            buf_printf(out, "%.*s\n", SLICE_ARG(slice_upto(buf_slice(&who), WIDTH)));
        buf_printf(out, "%.*s\n", SLICE_ARG(buf_slice(&who)));
        buf_clear(&who);
    }
    buf_printf(&who, " [%s]", address);
    buf_put_slice(out, buf_slice(&who));
    put_count(&mails, s->mails);
    for (size_t i = who.len; i < NAME_COLUMNS; i++)
        buf_put_byte(out, ' ');
    put_right(out, buf_slice(&mails), 8);
    buf_printf(out, "  %s", s->rule);
    if (s->points)
        buf_printf(out, " %d", s->points);
    bool by_name = s->name.len > 0 && s->name.len <= ALLOW_NAME_MAX;
    buf_put_cstr(out, "\n  tarsier allow add ");
    buf_put_visible(out, by_name ? s->name : slice_cstr(address));
    buf_put_byte(out, '\n');
    if (s->is_written_to)
        buf_put_cstr(out, "  * your users write to them\n");
    buf_fini(&who);
    buf_fini(&mails);
}

static void put_senders(const struct replay *r, struct buf *out)
{
    struct sender *top;
    size_t n = senders_top(replay_senders(r), TOP, &top);
    uint64_t all = senders_count(replay_senders(r));
    if (n)
        buf_put_cstr(out, "\nGood senders held or deferred              mails  why, and what spares them\n");
    for (size_t i = 0; i < n; i++)
        put_sender(&top[i], out);
    if (all > n) {
        buf_put_cstr(out, "… and ");
        put_count(out, all - n);
        buf_put_cstr(out, " more clients\n");
    }
    free(top);
}

void report_put_screen(const struct replay *r, const struct replay_reading *reading, struct buf *out)
{
    const struct replay_counts *c = replay_counts(r);
    if (c->first.sec == 0 && c->deliveries == 0) {
        buf_put_cstr(out, "nothing to replay: ");
        put_count(out, reading->lines);
        buf_put_cstr(out, " lines, and no delivery from outside in them\n");
        return;
    }
    put_head(c, reading, out);
    put_row(out, "accepted", c->deliveries, 0);
    put_row(out, "  suspects", c->all.suspects, c->deliveries);
    put_range(out, "  held", c->all.held[REPLAY_LOW], c->all.held[REPLAY_HIGH], c->deliveries);
    buf_put_byte(out, '\n');
    put_range(out, "  deferred", c->all.deferred[REPLAY_LOW], c->all.deferred[REPLAY_HIGH], c->deliveries);
    buf_put_cstr(out, "    assumed retry ");
    put_duration(out, reading->retry_sec);
    buf_put_byte(out, '\n');
    if (c->rejected)
        put_row(out, "  rejected", c->rejected, c->deliveries);
    put_correspondents(c, out);
    if (!reading->is_trace)
        put_refused(c, out);
    put_notes(c, reading, out);
    if (replay_was_full(r))
        buf_put_cstr(out, "There is no room to remember them all: the numbers are too high.\n");
    put_senders(r, out);
}
