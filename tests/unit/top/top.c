/* top.c - `tarsier top` without a terminal: rows and keys in, lines of text out. */
#include "test.h"

#include "top/cells.h"
#include "top/top.h"

#include <string.h>

enum { ROWS_MAX = 40 };

struct seen {
    size_t rows, reversed;
    struct buf line[ROWS_MAX];
};

static void keep(void *ctx, size_t row, enum top_style style, struct slice line)
{
    struct seen *s = ctx;
    CHECK_INT(row, s->rows);
    if (style == TOP_REVERSE)
        s->reversed = row;
    buf_put_slice(&s->line[s->rows++], line);
}

static void draw(const struct top *t, size_t rows, size_t columns, struct seen *s)
{
    memset(s, 0, sizeof(*s));
    const struct top_screen screen = {rows, columns, true, "mx1", "13:43:01", keep, s};
    top_draw(t, &screen);
    CHECK_INT(s->rows, rows);
    for (size_t i = 0; i < s->rows; i++)
        CHECK_INT(cells_fit(buf_slice(&s->line[i]), columns, true), s->line[i].len);
}

static void forget(struct seen *s)
{
    for (size_t i = 0; i < s->rows; i++)
        buf_fini(&s->line[i]);
}

static const char *line(struct seen *s, size_t i)
{
    return buf_cstr(&s->line[i]);
}

/* "a|b|c" */
static struct ctl_line row(const char *text)
{
    struct ctl_line l = {.kind = CTL_LINE_ROW};
    for (struct slice rest = slice_cstr(text); rest.ptr;)
        l.fields[l.count++] = slice_cut(&rest, '|');
    return l;
}

static void take(struct top *t, void (*to)(void *, const struct ctl_line *), const char *text)
{
    struct ctl_line l = row(text);
    to(t, &l);
}

static void status(struct top *t, unsigned passed)
{
    char text[32];
    top_begin(t);
    take(t, top_take_status, "mode|enforcing");
    take(t, top_take_status, "holds|2");
    take(t, top_take_status, "holds_max|50");
    take(t, top_take_status, "sessions|31");
    take(t, top_take_status, "mta_sessions_max|100");
    snprintf(text, sizeof(text), "passed|%u", passed);
    take(t, top_take_count, text);
    take(t, top_take_count, "stayed|3");
    take(t, top_take_count, "sibling|2");
}

static void hold(struct top *t, unsigned n)
{
    char text[200];
    snprintf(
        text, sizeof(text),
        "hold|%u|97|28|pc%u.dip.isp.example|198.51.100.%u|<a@shop.example>|<b@example.net>|points 4|conf:53|pc64|s-x-%u", n,
        n, n, n);
    take(t, top_take_hold, text);
}

static void answer(struct top *t, unsigned from, unsigned until)
{
    status(t, 0);
    for (unsigned i = from; i < until; i++)
        hold(t, i);
    top_answered(t, (struct mono){1000}, SLICE_NONE);
}

static void shows_the_screen(void)
{
    struct top t;
    struct seen s;
    top_init(&t);
    answer(&t, 1, 3);
    draw(&t, 8, 80, &s);
    CHECK_STR(line(&s, 0), "mx1  13:43:01  ENFORCING   held 2/50   smtpd 31/100   q quit  r release");
    CHECK_STR(line(&s, 1), "last 0 s  passed 0  held 0  left 0  stayed 0  deferred 0");
    CHECK_STR(line(&s, 2), "LEFT  CLIENT                                    WHY        FROM");
    CHECK_STR(line(&s, 3), "1:37  pc1.dip.isp.example[198.51.100.1]         points 4   <a@shop.example>     ");
    CHECK_STR(line(&s, 4), "1:37  pc2.dip.isp.example[198.51.100.2]         points 4   <a@shop.example>");
    CHECK_INT(s.reversed, 3);
    CHECK_STR(line(&s, 5), "");
    CHECK_STR(line(&s, 6), "pc1.dip.isp.example[198.51.100.1] HELO pc64: <a@shop.example> -> <b@example.net>");
    CHECK_STR(line(&s, 7), "; points 4, line conf:53; s-x-1");
    forget(&s);
    status(&t, 0); /* neither a HELO nor a reason */
    take(&t, top_take_hold, "hold|1|97|28|a|::1|<>|<b@example.net>||6||s-x-1");
    top_answered(&t, (struct mono){1000}, SLICE_NONE);
    draw(&t, 8, 80, &s);
    CHECK_STR(line(&s, 7), "a[::1] <> -> <b@example.net>; line 6; s-x-1");
    forget(&s);
    top_fini(&t);
}

static void counts_a_minute(void)
{
    struct top t;
    struct seen s;
    top_init(&t);
    for (unsigned sec = 0; sec <= 90; sec++) {
        status(&t, 100 + 2 * sec);
        top_answered(&t, (struct mono){1000 * (int64_t)sec + sec % 3}, SLICE_NONE);
        if (sec == 30) {
            draw(&t, 5, 80, &s);
            CHECK_STR(line(&s, 1), "last 30 s  passed 60  held 0  left 0  stayed 0  deferred 0");
            forget(&s);
        }
    }
    draw(&t, 5, 80, &s);
    CHECK_STR(line(&s, 1), "/min  passed 120  held 0  left 0  stayed 0  deferred 0");
    forget(&s);
    status(&t, 7); /* a new daemon */
    top_answered(&t, (struct mono){91000}, SLICE_NONE);
    draw(&t, 5, 80, &s);
    CHECK_STR(line(&s, 1), "last 0 s  passed 0  held 0  left 0  stayed 0  deferred 0");
    forget(&s);
    for (unsigned i = 0; i < 1000; i++) { /* more answers than samples are kept */
        status(&t, 7 + i);
        top_answered(&t, (struct mono){92000 + 10 * (int64_t)i}, SLICE_NONE);
    }
    CHECK_INT(t.n_samples, TOP_SAMPLES);
    top_fini(&t);
}

static void keeps_who_is_selected(void)
{
    struct top t;
    top_init(&t);
    answer(&t, 1, 6);
    CHECK_INT(top_press(&t, TOP_KEY_UP), TOP_NOTHING);
    CHECK_INT(t.at, 0);
    top_press(&t, TOP_KEY_DOWN);
    top_press(&t, TOP_KEY_DOWN);
    CHECK_STR(buf_cstr(&t.chosen), "s-x-3");
    answer(&t, 3, 8); /* two before it have gone */
    CHECK_STR(buf_cstr(&t.chosen), "s-x-3");
    CHECK_INT(t.at, 0);
    top_press(&t, TOP_KEY_LAST);
    CHECK_STR(buf_cstr(&t.chosen), "s-x-7");
    top_press(&t, TOP_KEY_DOWN);
    CHECK_INT(t.at, 4);
    answer(&t, 3, 5); /* the last one, too */
    CHECK_STR(buf_cstr(&t.chosen), "s-x-4");
    answer(&t, 0, 0);
    CHECK_STR(buf_cstr(&t.chosen), "");
    top_press(&t, TOP_KEY_DOWN);
    CHECK_INT(top_press(&t, TOP_KEY_R), TOP_NOTHING);
    CHECK(!t.is_asking);
    top_fini(&t);
}

static void asks_before_it_releases(void)
{
    struct top t;
    struct seen s;
    top_init(&t);
    answer(&t, 1, 3);
    CHECK_INT(top_press(&t, TOP_KEY_Y), TOP_NOTHING);
    CHECK_INT(top_press(&t, TOP_KEY_R), TOP_NOTHING);
    answer(&t, 1, 3);
    draw(&t, 8, 100, &s);
    CHECK_STR(line(&s, 7), "Let pc1.dip.isp.example[198.51.100.1] in now, to <b@example.net>? (y/n)");
    forget(&s);
    CHECK_INT(top_press(&t, TOP_KEY_OTHER), TOP_NOTHING);
    CHECK_STR(buf_cstr(&t.said), "not released");
    top_press(&t, TOP_KEY_R);
    CHECK_INT(top_press(&t, TOP_KEY_Q), TOP_NOTHING); /* no */
    CHECK_INT(top_press(&t, TOP_KEY_Y), TOP_NOTHING);
    top_press(&t, TOP_KEY_R);
    CHECK_INT(top_press(&t, TOP_KEY_Y), TOP_RELEASE);
    CHECK_STR(buf_cstr(&t.chosen), "s-x-1");
    top_released(&t, SLICE_NONE);
    CHECK_STR(buf_cstr(&t.said), "released s-x-1");
    top_press(&t, TOP_KEY_R);
    answer(&t, 2, 3); /* it has gone: y must not mean the next one */
    CHECK_INT(top_press(&t, TOP_KEY_Y), TOP_NOTHING);
    CHECK_INT(top_press(&t, TOP_KEY_Q), TOP_QUIT);
    top_fini(&t);
}

static void says_what_is_missing(void)
{
    struct top t;
    struct seen s;
    top_init(&t);
    answer(&t, 1, 3);
    top_press(&t, TOP_KEY_R);
    top_lost(&t, SLICE_LIT("no tarsierd answers at /x"));
    CHECK_INT(top_press(&t, TOP_KEY_Y), TOP_NOTHING);
    draw(&t, 6, 80, &s);
    CHECK_STR(line(&s, 0), "mx1  13:43:01  NO DAEMON    q quit  r release");
    CHECK_STR(line(&s, 3), "");
    CHECK_STR(line(&s, 5), "no tarsierd answers at /x. Trying again.");
    forget(&s);
    status(&t, 5);
    top_answered(&t, (struct mono){5000}, SLICE_LIT("not for this user"));
    draw(&t, 6, 80, &s);
    CHECK_STR(line(&s, 1), "last 0 s  passed 0  held 0  left 0  stayed 0  deferred 0");
    CHECK_STR(line(&s, 5), "not for this user");
    forget(&s);
    answer(&t, 0, 0);
    draw(&t, 6, 80, &s);
    CHECK_STR(line(&s, 5), "nobody is held");
    forget(&s);
    top_fini(&t);
}

static void fits_any_screen(void)
{
    struct top t;
    struct seen s;
    top_init(&t);
    answer(&t, 0, 60);
    for (unsigned i = 0; i < 25; i++)
        top_press(&t, TOP_KEY_DOWN);
    for (size_t rows = 0; rows < ROWS_MAX; rows++)
        for (size_t columns = 0; columns < 130; columns++) {
            draw(&t, rows, columns, &s);
            if (rows > 4)
                CHECK(s.reversed >= 3);
            forget(&s);
        }
    draw(&t, 5, 20, &s);
    CHECK_STR(line(&s, 3), "1:37  + points 4   +");
    forget(&s);
    top_fini(&t);
}

static void check_cells(const char *text, size_t columns, bool utf8, const char *want)
{
    struct buf out = {0};
    cells_put(&out, slice_cstr(text), columns, true, utf8);
    CHECK_STR(buf_cstr(&out), want);
    buf_fini(&out);
}

static void cuts_by_columns(void)
{
    check_cells("abc", 5, true, "abc  ");
    check_cells("abcdef", 6, true, "abcdef");
    check_cells("abcdefg", 6, true, "abcde+");
    check_cells("m\xc3\xbcller", 4, true, "m\xc3\xbcl+");
    check_cells("m\xc3\xbcller", 6, false, "m?ller");
    check_cells("\xe6\x97\xa5\xe6\x9c\xac", 4, true, "\xe6\x97\xa5\xe6\x9c\xac"); /* two columns each */
    check_cells("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, true, "\xe6\x97\xa5\xe6\x9c\xac+");
    check_cells("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, true, "\xe6\x97\xa5+ ");
    check_cells("e\xcc\x81x", 3, true, "e\xcc\x81x "); /* an accent of its own takes none */
    check_cells("a\x1b[2J\x7f", 8, true, "a?[2J?  ");  /* nobody steers the terminal */
    check_cells("a\xc2\x9b"
                "b\xe2\x80\xae"
                "c",
                5, true, "a?b?c");
    check_cells("\xff\xc3(\xed\xa0\x80\xc0\x80", 10, true,
                "?"
                "?(?????  ");
    check_cells("\xe6\x97", 3, true, "?? ");
    check_cells("abc", 0, true, "");
    CHECK_INT(cells_fit(SLICE_LIT("\xe6\x97\xa5"), 1, true), 3); /* wrapping always goes on */
}

int main(void)
{
    TEST(shows_the_screen);
    TEST(counts_a_minute);
    TEST(keeps_who_is_selected);
    TEST(asks_before_it_releases);
    TEST(says_what_is_missing);
    TEST(fits_any_screen);
    TEST(cuts_by_columns);
    return TEST_END();
}
