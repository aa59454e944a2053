/* tally.c - hours of numbers in a ring, and their text. */
#include "port/tally.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_SEC = 3600, DELAY_FIRST_SEC = 60, DELAY_BINS_A_DOUBLING = 4 };

struct tally {
    struct tally_row *rows; /* in order of their hours */
    size_t count, cap;
};

struct tally *tally_new(void)
{
    return mem_zalloc(sizeof(struct tally));
}

void tally_free(struct tally *t)
{
    if (t)
        free(t->rows);
    free(t);
}

/* Hours come in order but for a clock that was set back, and for a file that is read. NULL: older than all that is kept. */
static struct tally_row *row_of(struct tally *t, int64_t hour)
{
    size_t at = t->count;
    while (at > 0 && t->rows[at - 1].hour > hour)
        at--;
    if (at > 0 && t->rows[at - 1].hour == hour)
        return &t->rows[at - 1];
    if (t->count == TALLY_HOURS) {
        if (at == 0)
            return NULL;
        memmove(t->rows, t->rows + 1, --t->count * sizeof(*t->rows));
        at--;
    }
    t->rows = mem_grow(t->rows, &t->cap, t->count + 1, sizeof(*t->rows));
    memmove(t->rows + at + 1, t->rows + at, (t->count++ - at) * sizeof(*t->rows));
    t->rows[at] = (struct tally_row){.hour = hour};
    return &t->rows[at];
}

static size_t left_bin(int64_t sec)
{
    static const int64_t below[TALLY_LEFT_BINS - 1] = {10, 30, 60, 125};
    size_t bin = 0;
    while (bin < TALLY_LEFT_BINS - 1 && sec >= below[bin])
        bin++;
    return bin;
}

/* The end of a bin: 60 s, then four to each doubling, as whole seconds. */
static int64_t delay_end_sec(size_t bin)
{
    static const int64_t quarters[DELAY_BINS_A_DOUBLING] = {1000, 1189, 1414, 1682}; /* thousandths: 2^(n/4) */
    return (((int64_t)DELAY_FIRST_SEC << bin / DELAY_BINS_A_DOUBLING) * quarters[bin % DELAY_BINS_A_DOUBLING]) / 1000;
}

static size_t delay_bin(int64_t sec)
{
    size_t bin = 0;
    while (bin < TALLY_DELAY_BINS - 1 && sec > delay_end_sec(bin))
        bin++;
    return bin;
}

void tally_count(struct tally *t, const struct journal_entry *e)
{
    struct tally_row *row = row_of(t, e->at.sec / HOUR_SEC);
    size_t kind = e->evaluation;
    if (!row)
        return;
    row->what[kind][e->what]++;
    if (e->what == JOURNAL_HELD)
        row->held_for[kind][e->suspicion]++;
    if (e->what == JOURNAL_DEFERRED)
        row->deferred_for[kind][e->suspicion]++;
    if (e->what == JOURNAL_LEFT && e->sec >= 0)
        row->left[left_bin(e->sec)]++;
    if (e->what == JOURNAL_LET_IN && e->sec >= 0)
        row->delay[delay_bin(e->sec)]++;
}

/* All numbers of a row behind its hour, in one list. */
static uint64_t *numbers_of(struct tally_row *row)
{
    return &row->what[0][0];
}

enum { NUMBERS = (sizeof(struct tally_row) - offsetof(struct tally_row, what)) / sizeof(uint64_t) };

static void add(struct tally_row *to, const struct tally_row *from)
{
    struct tally_row copy = *from;
    for (size_t i = 0; i < NUMBERS; i++)
        numbers_of(to)[i] += numbers_of(&copy)[i];
}

void tally_sum(const struct tally *t, struct wall from, struct wall until, struct tally_row *out)
{
    *out = (struct tally_row){.hour = from.sec / HOUR_SEC};
    for (size_t i = 0; i < t->count; i++) {
        int64_t begin = t->rows[i].hour * HOUR_SEC;
        if (begin >= from.sec && begin < until.sec)
            add(out, &t->rows[i]);
    }
}

int64_t tally_delay_quantile_sec(const struct tally_row *row, double share)
{
    uint64_t all = 0, so_far = 0;
    for (size_t i = 0; i < TALLY_DELAY_BINS; i++)
        all += row->delay[i];
    for (size_t i = 0; i < TALLY_DELAY_BINS; i++) {
        so_far += row->delay[i];
        if (all > 0 && (double)so_far >= share * (double)all)
            return delay_end_sec(i);
    }
    return -1;
}

/* ---- text ---- */

/* "held", "would-held", "held-for-s25r", "left-1", "delay-17" */
static void put_name(size_t number, struct buf *out)
{
    static const char *const prefix[] = {"", "would-"};
    size_t at = number;
    if (at < 2 * JOURNAL_MAX_) {
        buf_printf(out, "%s%s", prefix[at / JOURNAL_MAX_], journal_word((enum journal_what)(at % JOURNAL_MAX_)));
        return;
    }
    at -= 2 * JOURNAL_MAX_;
    if (at < 4 * JOURNAL_SUSPICION_MAX_) {
        size_t list = at / JOURNAL_SUSPICION_MAX_;
        const char *word = journal_suspicion_word((enum journal_suspicion)(at % JOURNAL_SUSPICION_MAX_));
        buf_printf(out, "%s%s-for-%s", prefix[list % 2], list < 2 ? "held" : "deferred", *word == '-' ? "none" : word);
        return;
    }
    at -= 4 * JOURNAL_SUSPICION_MAX_;
    if (at < TALLY_LEFT_BINS)
        buf_printf(out, "left-%zu", at);
    else
        buf_printf(out, "delay-%zu", at - TALLY_LEFT_BINS);
}

void tally_put_row(const struct tally_row *given, struct buf *out)
{
    struct tally_row row = *given;
    buf_printf(out, "%" PRId64, row.hour);
    for (size_t n = 0; n < NUMBERS; n++) {
        if (numbers_of(&row)[n] == 0)
            continue;
        buf_put_byte(out, ' ');
        put_name(n, out);
        buf_printf(out, "=%" PRIu64, numbers_of(&row)[n]);
    }
    buf_put_byte(out, '\n');
}

void tally_put(const struct tally *t, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++)
        tally_put_row(&t->rows[i], out);
}

/* Looked for from `first` on, for we write them in order; any order is taken. NUMBERS: there is none. */
static size_t find_name(struct slice word, size_t first)
{
    struct buf name = {0};
    size_t found = NUMBERS;
    for (size_t i = 0; i < NUMBERS && found == NUMBERS; i++) {
        size_t n = (first + i) % NUMBERS;
        buf_clear(&name);
        put_name(n, &name);
        if (slice_eq(word, buf_slice(&name)))
            found = n;
    }
    buf_fini(&name);
    return found;
}

static enum err parse_line(struct slice line, struct tally_row *row)
{
    struct slice rest = line;
    uint64_t hour;
    *row = (struct tally_row){0};
    if (slice_to_u64(slice_cut(&rest, ' '), &hour) != ERR_NONE || hour > INT64_MAX / HOUR_SEC)
        return ERR_SYNTAX;
    row->hour = (int64_t)hour;
    for (size_t first = 0; rest.ptr;) {
        struct slice value = slice_cut(&rest, ' '), name = slice_cut(&value, '=');
        size_t n = find_name(name, first);
        uint64_t number;
        if (slice_to_u64(value, &number) != ERR_NONE)
            return ERR_SYNTAX;
        if (n == NUMBERS)
            continue; /* a later version may count more; that is lost in this one */
        numbers_of(row)[n] = number;
        first = n + 1;
    }
    return ERR_NONE;
}

enum err tally_parse(struct tally *t, struct slice text, unsigned *line)
{
    struct tally fresh = {0};
    enum err e = ERR_NONE;
    *line = 0;
    for (struct slice rest = text; rest.len > 0 && e == ERR_NONE;) {
        struct tally_row row;
        ++*line;
        e = parse_line(slice_cut(&rest, '\n'), &row);
        struct tally_row *to = e == ERR_NONE ? row_of(&fresh, row.hour) : NULL;
        if (to)
            add(to, &row);
    }
    for (size_t i = 0; i < fresh.count && e == ERR_NONE; i++) {
        struct tally_row *to = row_of(t, fresh.rows[i].hour);
        if (to)
            add(to, &fresh.rows[i]);
    }
    free(fresh.rows);
    return e;
}
