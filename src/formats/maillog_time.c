/* maillog_time.c - the time at the beginning of a log line. A day's start is computed once: mktime(3) for each line would be slow. */
#include "formats/maillog_time.h"

#include <string.h>
#include <time.h>

enum { DAY_SEC = 24 * 3600 };

struct stamp {
    int year, month, day; /* month: 0 to 11 */
    int hour, minute, second;
    bool has_zone;
    int zone_sec; /* east of UTC */
};

/* n digits, or blanks for leading zeros. */
static bool take_number(struct slice *s, size_t n, int *out)
{
    int value = 0;
    bool any = false;
    if (s->len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = s->ptr[i];
        if (c == ' ' && !any)
            continue;
        if (!ascii_is_digit(c))
            return false;
        any = true;
        value = value * 10 + (c - '0');
    }
    *s = slice_from(*s, n);
    *out = value;
    return any;
}

static bool take_byte(struct slice *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static bool take_clock(struct slice *s, struct stamp *t)
{
    return take_number(s, 2, &t->hour) && take_byte(s, ':') && take_number(s, 2, &t->minute) && take_byte(s, ':') &&
           take_number(s, 2, &t->second) && t->hour < 24 && t->minute < 60 && t->second <= 60;
}

static bool take_month_name(struct slice *s, int *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12 && s->len >= 4; i++)
        if (memcmp(s->ptr, names + (ptrdiff_t)i * 3, 3) == 0 && s->ptr[3] == ' ') {
            *month = i;
            *s = slice_from(*s, 4);
            return true;
        }
    return false;
}

/* Nothing, "Z", "+01:00" or "+0100". */
static bool take_zone(struct slice *s, struct stamp *t)
{
    int hours, minutes;
    if (take_byte(s, 'Z')) {
        t->has_zone = true;
        return true;
    }
    if (s->len == 0 || (s->ptr[0] != '+' && s->ptr[0] != '-'))
        return true;
    int sign = s->ptr[0] == '-' ? -1 : 1;
    *s = slice_from(*s, 1);
    if (!take_number(s, 2, &hours))
        return false;
    (void)take_byte(s, ':');
    if (!take_number(s, 2, &minutes))
        return false;
    t->has_zone = true;
    t->zone_sec = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* RFC 3339, as rsyslog and journalctl write it. */
static bool take_long(struct slice *s, struct stamp *t)
{
    int month;
    if (!take_number(s, 4, &t->year) || !take_byte(s, '-') || !take_number(s, 2, &month) || !take_byte(s, '-') ||
        !take_number(s, 2, &t->day) || !(take_byte(s, 'T') || take_byte(s, ' ')) || !take_clock(s, t))
        return false;
    t->month = month - 1;
    if (take_byte(s, '.') || take_byte(s, ','))
        while (s->len > 0 && ascii_is_digit(s->ptr[0]))
            *s = slice_from(*s, 1);
    return t->month >= 0 && t->month < 12 && take_zone(s, t);
}

static bool take_short(struct slice *s, struct stamp *t)
{
    if (!take_month_name(s, &t->month) || !take_number(s, 2, &t->day) || !take_byte(s, ' ') || !take_clock(s, t))
        return false;
    if (take_byte(s, '.')) /* journalctl -o short-precise */
        while (s->len > 0 && ascii_is_digit(s->ptr[0]))
            *s = slice_from(*s, 1);
    return true;
}

/* Of a local day the start by its noon: where the zone's rules change within it, the hours before are off by one. */
static int64_t start_of_day(struct maillog_clock *c, const struct stamp *t)
{
    if (c->day_year == t->year && c->day_month == t->month && c->day == t->day && c->day_is_utc == t->has_zone)
        return c->day_start_sec;
    struct tm noon = {.tm_year = t->year - 1900, .tm_mon = t->month, .tm_mday = t->day, .tm_hour = 12, .tm_isdst = -1};
    c->day_year = t->year;
    c->day_month = t->month;
    c->day = t->day;
    c->day_is_utc = t->has_zone;
    c->day_start_sec = (int64_t)(t->has_zone ? timegm(&noon) : mktime(&noon)) - 12 * 3600;
    return c->day_start_sec;
}

static int64_t seconds_of(struct maillog_clock *c, const struct stamp *t)
{
    return start_of_day(c, t) + t->hour * 3600 + t->minute * 60 + t->second - t->zone_sec;
}

/* A file spans less than a year, and its lines are in order: December is followed by the next January. */
static void find_year(struct maillog_clock *c, struct stamp *t)
{
    if (c->year == 0) {
        time_t latest = (time_t)c->latest.sec;
        struct tm tm;
        c->year = gmtime_r(&latest, &tm) ? tm.tm_year + 1900 : 1970;
        t->year = c->year;
        struct maillog_clock trial = {0};
        if (seconds_of(&trial, t) > c->latest.sec + DAY_SEC)
            c->year--;
    } else if (c->month == 11 && t->month == 0) {
        c->year++;
    } else if (c->month == 0 && t->month == 11) {
        c->year--; /* a late line of the year that has ended */
    }
    c->month = t->month;
    t->year = c->year;
}

enum err maillog_time(struct maillog_clock *clock, struct slice *line, struct wall *out)
{
    struct stamp t = {0};
    struct slice rest = *line;
    if (take_short(&rest, &t))
        find_year(clock, &t);
    else {
        rest = *line;
        t = (struct stamp){0};
        if (!take_long(&rest, &t))
            return ERR_SYNTAX;
    }
    if (t.day < 1 || t.day > 31 || !take_byte(&rest, ' '))
        return ERR_SYNTAX;
    out->sec = seconds_of(clock, &t);
    *line = rest;
    return ERR_NONE;
}
