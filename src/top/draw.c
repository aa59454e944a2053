/*
 * draw.c - the screen: two lines of numbers, the list, and below it all of the one selected. The list is cut by columns;
 * below it long names are wrapped. A low screen leaves out from below.
 */
#include "top/cells.h"
#include "top/top.h"

#include <inttypes.h>
#include <stdio.h>

enum { HEAD_ROWS = 3, LEFT_COLUMNS = 6, WHY_COLUMNS = 11, LIST_ROWS_LEAST = 3 };

struct page {
    const struct top *top;
    const struct top_screen *screen;
    size_t row; /* the next one */
};

static void put(struct page *p, enum top_style style, struct slice text)
{
    struct buf line = {0};
    if (p->row >= p->screen->rows)
        return;
    cells_put(&line, text, p->screen->columns, style == TOP_REVERSE, p->screen->utf8);
    p->screen->put(p->screen->ctx, p->row++, style, buf_slice(&line));
    buf_fini(&line);
}

/* Wrapped over as many lines as it takes. */
static void put_wrapped(struct page *p, struct slice text)
{
    while (text.len > 0) {
        size_t n = cells_fit(text, p->screen->columns, p->screen->utf8);
        put(p, TOP_PLAIN, slice_upto(text, n));
        text = slice_from(text, n);
    }
}

static size_t wrapped_rows(const struct page *p, struct slice text)
{
    size_t rows = 0;
    for (; text.len > 0; rows++)
        text = slice_from(text, cells_fit(text, p->screen->columns, p->screen->utf8));
    return rows;
}

static void put_head(struct page *p)
{
    const struct top *t = p->top;
    struct buf line = {0};
    buf_printf(&line, "%s  %s  ", p->screen->host, p->screen->clock);
    if (t->lost.len > 0)
        buf_put_cstr(&line, "NO DAEMON ");
    for (size_t i = 0; i < t->mode.len; i++)
        buf_put_byte(&line, ascii_is_alpha(t->mode.ptr[i]) ? (char)(t->mode.ptr[i] & ~0x20) : t->mode.ptr[i]);
    if (t->lost.len == 0) {
        buf_printf(&line, "   held %" PRIu64 "/%" PRIu64 "   smtpd %" PRIu64, t->held, t->held_max, t->sessions);
        if (t->sessions_max > 0)
            buf_printf(&line, "/%" PRIu64, t->sessions_max);
    }
    buf_put_cstr(&line, "   q quit  r release");
    put(p, TOP_BOLD, buf_slice(&line));
    buf_fini(&line);
}

static void put_counts(struct page *p)
{
    static const char *const names[] = {[TOP_PASSED] = "passed",
                                        [TOP_HELD] = "held",
                                        [TOP_LEFT] = "left",
                                        [TOP_STAYED] = "stayed",
                                        [TOP_DEFERRED] = "deferred"};
    const struct top *t = p->top;
    struct buf line = {0};
    if (t->lost.len == 0 && t->n_samples > 0) {
        const struct top_sample *from = &t->samples[t->first_sample],
                                *to = &t->samples[(t->first_sample + t->n_samples - 1) % TOP_SAMPLES];
        int64_t sec = (to->at.ms - from->at.ms + 500) / 1000;
        if (sec >= 60)
            buf_put_cstr(&line, "/min");
        else
            buf_printf(&line, "last %" PRId64 " s", sec);
        for (size_t i = 0; i < TOP_COUNTS; i++)
            buf_printf(&line, "  %s %" PRIu64, names[i], to->count[i] - from->count[i]);
    }
    put(p, TOP_PLAIN, buf_slice(&line));
    buf_fini(&line);
}

struct widths {
    size_t client, from;
};

static struct widths widths_of(const struct top_screen *s)
{
    size_t fixed = LEFT_COLUMNS + WHY_COLUMNS, rest = s->columns > fixed ? s->columns - fixed : 0;
    size_t client = rest * 2 / 3;
    return (struct widths){client, rest - client};
}

/* A column and the blank behind it. */
static void put_column(const struct page *p, struct buf *line, struct slice text, size_t columns)
{
    if (columns == 0)
        return;
    cells_put(line, text, columns - 1, true, p->screen->utf8);
    buf_put_byte(line, ' ');
}

static void put_list_row(struct page *p, enum top_style style, struct slice left, struct slice client, struct slice why,
                         struct slice from)
{
    struct widths w = widths_of(p->screen);
    struct buf line = {0};
    put_column(p, &line, left, LEFT_COLUMNS);
    put_column(p, &line, client, w.client);
    put_column(p, &line, why, WHY_COLUMNS);
    cells_put(&line, from, w.from, false, p->screen->utf8);
    put(p, style, buf_slice(&line));
    buf_fini(&line);
}

static void put_client(struct buf *out, const struct top_hold *h)
{
    buf_put_slice(out, h->name);
    buf_printf(out, "[%.*s]", SLICE_ARG(h->address));
}

static void put_hold(struct page *p, const struct top_hold *h, bool is_chosen)
{
    char left[32];
    struct buf client = {0};
    uint64_t sec;
    if (slice_to_u64(h->left, &sec) != ERR_NONE)
        sec = 0;
    snprintf(left, sizeof(left), "%" PRIu64 ":%02d", sec / 60, (int)(sec % 60));
    put_client(&client, h);
    put_list_row(p, is_chosen ? TOP_REVERSE : TOP_PLAIN, slice_cstr(left), buf_slice(&client), h->why, h->sender);
    buf_fini(&client);
}

/* Page by page: the one with who is selected. */
static void put_list(struct page *p, size_t rows)
{
    const struct top *t = p->top;
    size_t first = rows > 0 ? t->at / rows * rows : 0;
    for (size_t i = first; i < t->n_holds && i < first + rows; i++)
        put_hold(p, &t->holds[i], i == t->at);
}

static void put_details(struct buf *out, const struct top_hold *h)
{
    put_client(out, h);
    if (h->helo.len > 0)
        buf_printf(out, " HELO %.*s:", SLICE_ARG(h->helo));
    buf_printf(out, " %.*s -> %.*s; ", SLICE_ARG(h->sender), SLICE_ARG(h->recipient));
    if (h->why.len > 0)
        buf_printf(out, "%.*s, ", SLICE_ARG(h->why));
    buf_printf(out, "line %.*s; %.*s", SLICE_ARG(h->line), SLICE_ARG(h->connection));
}

/* What is said below the list: a question, what came of a key, why something is missing, or else all of the one selected. */
static void put_below(const struct top *t, struct buf *out)
{
    const struct top_hold *h = t->n_holds ? &t->holds[t->at] : NULL;
    if (t->lost.len > 0) {
        buf_printf(out, "%.*s. Trying again.", SLICE_ARG(buf_slice(&t->lost)));
    } else if (t->is_asking && h) {
        buf_put_cstr(out, "Let ");
        put_client(out, h);
        buf_printf(out, " in now, to %.*s? (y/n)", SLICE_ARG(h->recipient));
    } else if (t->said.len > 0) {
        buf_put_slice(out, buf_slice(&t->said));
    } else if (t->only.len > 0) {
        buf_put_slice(out, buf_slice(&t->only));
    } else if (h) {
        put_details(out, h);
    } else {
        buf_put_cstr(out, "nobody is held");
    }
}

void top_draw(const struct top *t, const struct top_screen *screen)
{
    struct page p = {.top = t, .screen = screen};
    struct buf below = {0};
    put_below(t, &below);
    size_t room = screen->rows > HEAD_ROWS ? screen->rows - HEAD_ROWS : 0;
    size_t wanted = wrapped_rows(&p, buf_slice(&below));
    size_t most = room > LIST_ROWS_LEAST ? room - LIST_ROWS_LEAST : room > 0 ? 1 : 0;
    size_t list_rows = room - (wanted < most ? wanted : most);
    put_head(&p);
    put_counts(&p);
    put_list_row(&p, TOP_PLAIN, SLICE_LIT("LEFT"), SLICE_LIT("CLIENT"), SLICE_LIT("WHY"), SLICE_LIT("FROM"));
    put_list(&p, list_rows);
    while (p.row < screen->rows && p.row < HEAD_ROWS + list_rows)
        put(&p, TOP_PLAIN, SLICE_LIT(""));
    put_wrapped(&p, buf_slice(&below));
    while (p.row < screen->rows)
        put(&p, TOP_PLAIN, SLICE_LIT(""));
    buf_fini(&below);
}
