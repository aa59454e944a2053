/* holds.c - `tarsier holds`: who is held now, longest first to go last. */
#include "cli/ctl.h"
#include "cli/screen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_COLUMN = 14, WHY_COLUMN = 59, LINE_COLUMN = 71 };

/* Fields of a row `hold`, tarsier-control(7). */
enum {
    HOLD_ID = 1,
    HOLD_LEFT,
    HOLD_WAITED,
    HOLD_NAME,
    HOLD_ADDRESS,
    HOLD_SENDER,
    HOLD_RECIPIENT,
    HOLD_WHY,
    HOLD_LINE,
    HOLD_HELO
};

struct listing {
    struct buf out;
    bool json;
    unsigned count;
    struct buf max, first;
};

static void put_padded(struct buf *out, struct slice text, size_t width)
{
    size_t before = out->len;
    buf_put_visible(out, text);
    while (out->len - before < width)
        buf_put_byte(out, ' ');
}

static void put_left(struct buf *out, struct slice text)
{
    uint64_t sec = 0;
    char left[24];
    if (slice_to_u64(text, &sec) != ERR_NONE)
        sec = 0;
    snprintf(left, sizeof(left), "%" PRIu64 ":%02d", sec / 60, (int)(sec % 60));
    buf_printf(out, "%5s  ", left);
}

/* name[address], up to WHY_COLUMN. A long name has lines to itself, and its address the next one. */
static void put_client(struct buf *out, struct slice name, struct slice address)
{
    struct buf client = {0};
    size_t whole = CLIENT_COLUMN + name.len + address.len + 2;
    buf_put_slice(&client, name);
    if (whole + 2 > WHY_COLUMN) {
        screen_put_name(out, CLIENT_COLUMN, buf_slice(&client));
        buf_printf(out, "\n%*s", CLIENT_COLUMN, "");
        buf_clear(&client);
    }
    buf_printf(&client, "[%.*s]", SLICE_ARG(address));
    put_padded(out, buf_slice(&client), WHY_COLUMN - CLIENT_COLUMN);
    buf_fini(&client);
}

static void put_for_people(struct listing *l, const struct ctl_line *row)
{
    struct buf *out = &l->out;
    if (l->count == 1)
        buf_put_cstr(out, "ID      LEFT  CLIENT / FROM -> TO                          WHY             LINE\n");
    put_padded(out, ctl_field(row, HOLD_ID), 7);
    put_left(out, ctl_field(row, HOLD_LEFT));
    put_client(out, ctl_field(row, HOLD_NAME), ctl_field(row, HOLD_ADDRESS));
    put_padded(out, ctl_field(row, HOLD_WHY), 16);
    buf_put_visible(out, ctl_field(row, HOLD_LINE));
    buf_printf(out, "\n%*s", CLIENT_COLUMN, "");
    struct slice from = ctl_field(row, HOLD_SENDER), to = ctl_field(row, HOLD_RECIPIENT);
    bool fits = CLIENT_COLUMN + from.len + 4 + to.len <= SCREEN_COLUMNS;
    screen_put_name(out, CLIENT_COLUMN, from);
    if (fits)
        buf_put_cstr(out, " -> ");
    else
        buf_printf(out, "\n%*s-> ", CLIENT_COLUMN, "");
    screen_put_name(out, CLIENT_COLUMN, to);
    buf_put_byte(out, '\n');
}

static void put_json(struct listing *l, const struct ctl_line *row)
{
    static const struct {
        const char *name;
        int field;
    } texts[] = {{"id", HOLD_ID},         {"name", HOLD_NAME},           {"address", HOLD_ADDRESS}, {"helo", HOLD_HELO},
                 {"sender", HOLD_SENDER}, {"recipient", HOLD_RECIPIENT}, {"why", HOLD_WHY},         {"line", HOLD_LINE}};
    buf_put_cstr(&l->out, l->count == 1 ? "[" : ",");
    buf_printf(&l->out, "{\"left_seconds\":%.*s,\"waited_seconds\":%.*s", SLICE_ARG(ctl_field(row, HOLD_LEFT)),
               SLICE_ARG(ctl_field(row, HOLD_WAITED)));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        buf_printf(&l->out, ",\"%s\":", texts[i].name);
        screen_put_json(&l->out, ctl_field(row, (size_t)texts[i].field));
    }
    buf_put_cstr(&l->out, "}");
}

static void take(void *ctx, const struct ctl_line *row)
{
    struct listing *l = ctx;
    if (slice_eq_cstr(ctl_field(row, 0), "max"))
        buf_put_visible(&l->max, ctl_field(row, 1));
    if (!slice_eq_cstr(ctl_field(row, 0), "hold"))
        return;
    if (l->count++ == 0)
        buf_put_visible(&l->first, ctl_field(row, HOLD_ID));
    (l->json ? put_json : put_for_people)(l, row);
    if (l->out.len < 65536)
        return;
    fwrite(l->out.ptr, 1, l->out.len, stdout);
    buf_clear(&l->out);
}

static void put_end(struct listing *l)
{
    if (l->json)
        buf_put_cstr(&l->out, l->count ? "]\n" : "[]\n");
    else if (l->count == 0)
        buf_printf(&l->out, "nobody is held; up to %s may be\n", buf_cstr(&l->max));
    else
        buf_printf(&l->out, "%u held of %s.  Let in now: tarsier holds release %s\n", l->count, buf_cstr(&l->max),
                   buf_cstr(&l->first));
}

int cli_holds(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    struct listing l = {0};
    struct slice words[CTL_WORDS_MAX];
    int status = cli_daemon_options(c, argc, argv, &at, &l.json);
    if (status != CLI_OK)
        return status;
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options: tarsier holds release ID, tarsier holds drop ID");
    status = cli_ask(c, &at, words, cli_words(c, argc, argv, words), take, &l);
    if (status == CLI_OK)
        put_end(&l);
    fwrite(l.out.ptr ? l.out.ptr : "", 1, l.out.len, stdout);
    buf_fini(&l.out);
    buf_fini(&l.max);
    buf_fini(&l.first);
    return status;
}
