/*
 * history.c - `tarsier history`: what was decided about a client, a sender or a mail, from the decision journal. The running daemon is
 * asked; where none runs the journal is read where it lies.
 */
#include "cli/ctl.h"
#include "cli/screen.h"
#include "setup/stores.h"
#include "journal/journal.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INDENT = 16, STEP_BYTES = 64 * 1024 };

struct history {
    bool json;
    struct wall now;
    uint64_t rows;
    struct buf last; /* who the row before was about: said once */
    struct buf out;
};

/* ---- one row for people ---- */

static void put_outcome(const struct journal_entry *e, struct buf *out)
{
    static const struct {
        const char *before, *after; /* of the duration */
    } texts[JOURNAL_MAX_] = {
        [JOURNAL_PASSED] = {"passes: ", ""},
        [JOURNAL_HELD] = {"held for ", ""},
        [JOURNAL_STAYED] = {"stayed ", ": let in"},
        [JOURNAL_SIBLING] = {"let in with another connection of this client after ", ""},
        [JOURNAL_LEFT] = {"left after ", ""},
        [JOURNAL_CUT] = {"hold cut after ", ""},
        [JOURNAL_NOT_HELD] = {"", ""},
        [JOURNAL_DEFERRED] = {"deferred, ", " to go"},
        [JOURNAL_LET_IN] = {"let in, it came back after ", ""},
        [JOURNAL_ACCEPTED] = {"let in: ", ""},
        [JOURNAL_REJECTED] = {"rejected by a blacklist line", ""},
        [JOURNAL_GONE] = {"421, the client was ", ""},
        [JOURNAL_REMEMBERED] = {"DATA has come: it is remembered", ""},
        [JOURNAL_NOT_REMEMBERED] = {"has waited, and no DATA has come: it is not remembered", ""},
        [JOURNAL_QUEUE_ID] = {"queue id ", ""},
        [JOURNAL_RELEASED] = {"let in by an administrator after ", ""},
        [JOURNAL_DROPPED] = {"sent away by an administrator after ", ""},
    };
    buf_put_cstr(out, texts[e->what].before);
    if (e->what == JOURNAL_QUEUE_ID)
        buf_put_slice(out, e->queue_id);
    else if (e->sec >= 0)
        screen_put_duration(out, e->sec);
    buf_put_slice(out, e->why);
    buf_put_cstr(out, texts[e->what].after);
    if (e->suspicion != JOURNAL_NOT_SUSPECTED && (e->what == JOURNAL_HELD || e->what == JOURNAL_DEFERRED))
        buf_printf(out, ", %s", journal_suspicion_word(e->suspicion));
    bool decides = e->what != JOURNAL_QUEUE_ID && e->what != JOURNAL_REMEMBERED && e->what != JOURNAL_NOT_REMEMBERED;
    if (e->line.len && decides)
        buf_printf(out, ", line %.*s", SLICE_ARG(e->line));
    if (e->evaluation)
        buf_put_cstr(out, " (evaluation only: not done)");
}

static void put_who(const struct journal_entry *e, struct buf *out)
{
    buf_printf(out, "%.*s[%.*s]", SLICE_ARG(e->name), SLICE_ARG(e->address));
    if (e->sender.ptr && e->sender.len)
        buf_printf(out, " %.*s", SLICE_ARG(e->sender));
    if (e->recipient.len)
        buf_printf(out, " -> %.*s", SLICE_ARG(e->recipient));
    buf_printf(out, " %.*s", SLICE_ARG(e->connection));
}

static void put_for_people(struct history *h, const struct journal_entry *e)
{
    struct buf text = {0}, who = {0};
    put_who(e, &who);
    if (!slice_eq(buf_slice(&who), buf_slice(&h->last))) {
        screen_put_words(&h->out, 0, buf_slice(&who));
        buf_put_byte(&h->out, '\n');
    }
    buf_fini(&h->last);
    h->last = who;
    buf_put_cstr(&h->out, "  ");
    screen_put_time(&h->out, e->at, h->now);
    buf_put_cstr(&h->out, "  ");
    put_outcome(e, &text);
    screen_put_words(&h->out, INDENT + 2, buf_slice(&text));
    buf_put_byte(&h->out, '\n');
    buf_fini(&text);
}

/* ---- one row for programs ---- */

static void put_for_programs(struct history *h, const struct journal_entry *e)
{
    buf_printf(&h->out, "{\"time\":%" PRId64 ",", e->at.sec);
    journal_put_members(&h->out, e);
    buf_put_cstr(&h->out, "}\n");
}

/* ---- all of them ---- */

static void put_entry(struct history *h, const struct journal_entry *e)
{
    h->rows++;
    if (h->json)
        put_for_programs(h, e);
    else
        put_for_people(h, e);
}

static bool flush(struct history *h)
{
    bool written = fwrite(h->out.ptr ? h->out.ptr : "", 1, h->out.len, stdout) == h->out.len;
    buf_clear(&h->out);
    return written;
}

static void take_row(void *ctx, const struct ctl_line *row)
{
    struct history *h = ctx;
    struct slice fields[JOURNAL_FIELDS];
    struct journal_entry e;
    for (size_t i = 0; i < JOURNAL_FIELDS; i++)
        fields[i] = ctl_field(row, i);
    if (journal_take_fields(fields, &e) == ERR_NONE)
        put_entry(h, &e);
    (void)flush(h);
}

static bool put_rows(struct history *h, struct slice rows)
{
    struct arena arena = {0};
    while (rows.len > 0) {
        struct journal_entry e;
        if (journal_parse_row(slice_cut(&rows, '\n'), &e, &arena) == ERR_NONE)
            put_entry(h, &e);
        arena_clear(&arena);
    }
    arena_fini(&arena);
    return flush(h);
}

static int read_files(const char *directory, const struct journal_query *query, struct history *h)
{
    struct journal_scan *scan = journal_scan_new(directory, query);
    struct buf rows = {0};
    enum err e = ERR_NONE;
    bool written = true, more = true;
    while (more && written) {
        more = journal_scan_step(scan, STEP_BYTES, &rows, &e);
        written = put_rows(h, buf_slice(&rows));
        buf_clear(&rows);
    }
    if (e != ERR_NONE || !written)
        fprintf(stderr, "tarsier history: %s: %s\n", e != ERR_NONE ? directory : "cannot write", strerror(errno));
    journal_scan_free(scan);
    buf_fini(&rows);
    return e == ERR_NONE && written ? CLI_OK : CLI_FAILED;
}

static int without_daemon(const struct cli_daemon *at, const struct journal_query *query, struct history *h)
{
    struct plan *plan = cli_plan(at->file);
    struct buf directory = {0};
    if (!plan)
        return CLI_FAILED;
    buf_printf(&directory, "%s/journal", stores_state_directory(plan->set));
    int status = read_files(buf_cstr(&directory), query, h);
    if (status == CLI_OK && h->rows == 0 && plan->set->journal_sec == 0)
        fprintf(stderr, "tarsier history: `journal 0` is set: nothing is kept\n");
    buf_fini(&directory);
    plan_unref(plan);
    return status;
}

static int tell(const struct command *c, const struct cli_daemon *at, const char *whom, const struct journal_query *query,
                struct history *h)
{
    char since[24];
    struct buf why = {0};
    snprintf(since, sizeof(since), "%" PRId64, query->since_sec);
    const struct slice words[] = {SLICE_LIT("history"), slice_cstr(whom), slice_cstr(since)};
    int status = cli_ask_quietly(at, words, 3, take_row, h, &why);
    if (status == CLI_NO_DAEMON && !at->socket)
        status = without_daemon(at, query, h);
    else if (status != CLI_OK)
        fprintf(stderr, "tarsier %s: %s\n", c->row->name, buf_cstr(&why));
    buf_fini(&why);
    if (fflush(stdout) != 0)
        status = CLI_FAILED;
    if (status == CLI_OK && h->rows == 0) {
        if (!h->json)
            fprintf(stderr, "tarsier history: nothing is known of it\n");
        status = CLI_FAILED;
    }
    return status;
}

int cli_history(const struct command *c, int argc, char **argv)
{
    struct history h = {.now = {(int64_t)time(NULL)}};
    struct cli_daemon at = {0};
    struct journal_query query;
    int64_t since_sec = 0;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else if (o == 'j')
            h.json = true;
        else if (o != 's')
            return cli_usage(c, NULL);
        else if (cli_duration(optarg, &since_sec) != ERR_NONE)
            return cli_usage(c, "--since takes a time such as 1h or 3d");
    }
    if (argc - optind != 1)
        return cli_usage(c, "it takes one address, network, sender, name, connection or queue id");
    if (journal_query_parse(slice_cstr(argv[optind]), &query) != ERR_NONE)
        return cli_usage(c, "a network has its bits behind a slash, such as 192.0.2.0/24");
    if (since_sec)
        query.since_sec = h.now.sec - since_sec;
    int status = tell(c, &at, argv[optind], &query, &h);
    buf_fini(&h.last);
    buf_fini(&h.out);
    return status;
}
