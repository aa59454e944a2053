/* grey.c - `tarsier grey list|show|delete|flush`: the records that are in the store. */
#include "cli/access.h"
#include "cli/screen.h"
#include "formats/lines.h"
#include "grey/filter.h"
#include "setup/listing.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW_INDENT = 22, VALUE_INDENT = 14 };

struct grey {
    struct access access;
    struct listing listing;
    void (*put)(struct grey *g, const struct grey_record *r); /* a record that was found, into out */
    struct buf out;
    uint64_t count;
    struct wall now;
    bool any; /* flush --all */
};

/* ---- what is printed ---- */

/* One unit: "45s", "12m", "4h", "3d". */
static void put_age(struct buf *out, int64_t sec)
{
    if (sec < 120)
        buf_printf(out, "%5" PRId64 "s", sec < 0 ? 0 : sec);
    else if (sec < 2 * 3600)
        buf_printf(out, "%5" PRId64 "m", sec / 60);
    else if (sec < 2 * 86400)
        buf_printf(out, "%5" PRId64 "h", sec / 3600);
    else
        buf_printf(out, "%5" PRId64 "d", sec / 86400);
}

static struct slice inner(struct slice address)
{
    struct slice s = slice_trim(address, "<>");
    return s.len ? s : SLICE_LIT("<>");
}

static void put_mail(struct buf *out, const struct grey_record *r)
{
    buf_printf(out, "\n%*s", ROW_INDENT, "");
    if (r->type == GREY_RECORD_PAIR) {
        screen_put_words(out, ROW_INDENT, r->sender.len ? SLICE_LIT("any sender of") : SLICE_LIT("the null sender"));
        if (r->sender.len)
            screen_put_words(out, ROW_INDENT, r->sender);
        return;
    }
    screen_put_words(out, ROW_INDENT, inner(r->sender));
    screen_put_words(out, ROW_INDENT, SLICE_LIT("->"));
    screen_put_words(out, ROW_INDENT, inner(r->recipient));
}

static void put_row(struct grey *g, const struct grey_record *r)
{
    char addr[IP_TEXT_MAX];
    struct buf *out = &g->out;
    if (g->count == 0)
        buf_put_cstr(out, "STATE      AGE   LEFT  CLIENT / FROM -> TO\n");
    buf_printf(out, "%-8s", grey_word_text(grey_record_word(r)));
    put_age(out, g->now.sec - r->first_seen.sec);
    buf_put_byte(out, ' ');
    put_age(out, grey_record_end(r).sec - g->now.sec);
    buf_put_cstr(out, "  ");
    screen_put_words(out, ROW_INDENT, slice_cstr(ip_format(&r->addr, addr)));
    if (r->domain.ptr) {
        screen_put_words(out, ROW_INDENT, SLICE_LIT("of"));
        screen_put_words(out, ROW_INDENT, r->domain);
    }
    if (r->type == GREY_RECORD_TUPLE || r->type == GREY_RECORD_PAIR)
        put_mail(out, r);
    buf_put_byte(out, '\n');
}

static void put_value(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "  %-12s", name);
    screen_put_words(out, VALUE_INDENT, value);
    buf_put_byte(out, '\n');
}

static void put_when(struct grey *g, const char *name, struct wall at)
{
    if (at.sec <= 0)
        return;
    buf_printf(&g->out, "  %-12s", name);
    screen_put_time(&g->out, at, g->now);
    buf_put_cstr(&g->out, at.sec > g->now.sec ? "   in " : "   ");
    screen_put_duration(&g->out, llabs(at.sec - g->now.sec));
    buf_put_cstr(&g->out, at.sec > g->now.sec ? "\n" : " ago\n");
}

static void put_block(struct grey *g, const struct grey_record *r)
{
    char addr[IP_TEXT_MAX];
    struct buf *out = &g->out;
    buf_printf(out, "%s%s  %s\n", g->count ? "\n" : "", ip_format(&r->addr, addr), grey_word_text(grey_record_word(r)));
    if (r->domain.ptr)
        put_value(out, "known as", r->domain);
    if (r->type == GREY_RECORD_PAIR)
        put_value(out, "senders of", r->sender.len ? r->sender : SLICE_LIT("<>"));
    if (r->type == GREY_RECORD_TUPLE) {
        put_value(out, "from", inner(r->sender));
        put_value(out, "to", inner(r->recipient));
    }
    put_when(g, "first seen", r->first_seen);
    put_when(g, r->type == GREY_RECORD_CLIENT ? "confirmed" : "let in", r->auto_since);
    put_when(g, "waited", r->served_since);
    put_when(g, "patient till", r->patient_until);
    if (r->left_sec >= 0) {
        buf_printf(out, "  %-12s", "hung up");
        screen_put_words(out, VALUE_INDENT, SLICE_LIT("after"));
        buf_put_byte(out, ' ');
        screen_put_duration(out, r->left_sec);
        buf_put_byte(out, '\n');
        put_when(g, "remembered", r->left_until);
    }
    put_when(g, "expires", grey_record_end(r));
}

static void put_json(struct grey *g, const struct grey_record *r)
{
    line_put_record(&g->out, r);
}

static bool flush_out(struct grey *g)
{
    struct slice s = buf_slice(&g->out);
    bool ok = s.len == 0 || fwrite(s.ptr, 1, s.len, stdout) == s.len;
    buf_clear(&g->out);
    return ok;
}

/* ---- the walk ---- */

static int fail(const struct grey *g, const char *what)
{
    fprintf(stderr, "tarsier %s: %s\n", g->access.command, what);
    return CLI_FAILED;
}

static int list(struct grey *g)
{
    struct listing *l = &g->listing;
    if (!access_drop_rights(&g->access) || access_open_for_reading(&g->access) != ERR_NONE)
        return CLI_FAILED;
    bool written = true;
    while (written && listing_next(l)) {
        struct grey_key key;
        struct grey_record r;
        if (store_run(g->access.store, &l->job) != ERR_NONE)
            return fail(g, "the store cannot be read");
        for (size_t at = 0; store_slice_next(&l->job.u.read, &at, &key, &r); g->count++)
            g->put(g, &r);
        written = flush_out(g); /* while somebody reads slowly no transaction is open */
    }
    if (!written || fflush(stdout) != 0)
        return fail(g, "cannot write");
    if (g->count == 0)
        fprintf(stderr, "tarsier %s: there is no such record\n", g->access.command);
    return g->count > 0 ? CLI_OK : CLI_FAILED;
}

/* Each slice's records go before the next slice is read. */
static enum err remove_found(struct grey *g)
{
    struct listing *l = &g->listing;
    struct grey_key keys[STORE_SLICE_RECORDS];
    struct grey_record r;
    size_t count = 0;
    for (size_t at = 0; count < STORE_SLICE_RECORDS && store_slice_next(&l->job.u.read, &at, &keys[count], &r);)
        count++;
    struct store_job job = {.kind = STORE_JOB_REMOVE};
    job.u.removal = (struct store_removal){.keys = keys, .count = count, .wanted = listing_wants, .ctx = &l->filter};
    enum err e = count ? store_run(g->access.store, &job) : ERR_NONE;
    g->count += job.u.removal.removed;
    return e;
}

static int delete (struct grey *g)
{
    struct listing *l = &g->listing;
    if (!access_drop_rights(&g->access) || access_open_for_writing(&g->access) != ERR_NONE)
        return CLI_FAILED;
    enum err e = ERR_NONE;
    while (e == ERR_NONE && listing_next(l)) {
        e = store_run(g->access.store, &l->job);
        if (e == ERR_NONE)
            e = remove_found(g);
    }
    printf("%" PRIu64 " record%s deleted\n", g->count, g->count == 1 ? "" : "s");
    if (e != ERR_NONE)
        return fail(g, err_text(e));
    return CLI_OK;
}

/* ---- the command line ---- */

static const struct option options[] = {
    {"client", required_argument, NULL, 'c'}, {"network", required_argument, NULL, 'n'},
    {"sender", required_argument, NULL, 's'}, {"recipient", required_argument, NULL, 'r'},
    {"state", required_argument, NULL, 't'},  {"older", required_argument, NULL, 'o'},
    {"newer", required_argument, NULL, 'w'},  {"json", no_argument, NULL, 'j'},
    {"all", no_argument, NULL, 'a'},          {NULL, 0, NULL, 0},
};

static bool take_options(struct grey *g, int argc, char **argv, const char **file, const char **why)
{
    int index;
    for (int o; (o = getopt_long(argc, argv, "f:", options, &index)) != -1;) {
        *why = "an option that it does not know, or one without its argument";
        if (o == 'f')
            *file = optarg;
        else if (o == 'j')
            g->put = put_json;
        else if (o == 'a')
            g->any = true;
        else if (o == '?' || grey_filter_add(&g->listing.filter, options[index].name, slice_cstr(optarg), why) != ERR_NONE)
            return false;
    }
    for (int i = optind; i < argc; i++)
        if (grey_filter_add(&g->listing.filter, "client", slice_cstr(argv[i]), why) != ERR_NONE)
            return false;
    return true;
}

static const struct {
    const char *name, *command;
    int (*run)(struct grey *g);
    bool needs_filter; /* or --all, where it is allowed */
} actions[] = {
    {"list", "grey list", list, false},
    {"show", "grey show", list, true},
    {"delete", "grey delete", delete, true},
    {"flush", "grey flush", delete, true},
};

enum { N_ACTIONS = sizeof(actions) / sizeof(actions[0]), SHOW = 1, FLUSH = 3 };

/* The words make a filter; what is done with it is the action's. */
static int run(const struct command *c, size_t action, int argc, char **argv)
{
    struct grey g = {.now = {(int64_t)time(NULL)}, .put = action == SHOW ? put_block : put_row};
    const char *file = NULL, *why = NULL;
    grey_filter_init(&g.listing.filter, g.now);
    if (!take_options(&g, argc, argv, &file, &why))
        return cli_usage(c, why);
    struct grey_filter filter = g.listing.filter;
    if (g.any && action != FLUSH)
        return cli_usage(c, "--all is for flush only");
    if (actions[action].needs_filter && grey_filter_is_empty(&filter) && !g.any)
        return cli_usage(c, action == FLUSH ? "which clients? all of them: --all" : "which records? give it a filter");
    listing_begin(&g.listing, &filter);
    int status = CLI_FAILED;
    if (access_begin(&g.access, actions[action].command, file))
        status = actions[action].run(&g);
    listing_end(&g.listing);
    access_end(&g.access);
    buf_fini(&g.out);
    return status;
}

int cli_grey(const struct command *c, int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < N_ACTIONS; i++)
        if (strcmp(argv[1], actions[i].name) == 0)
            return run(c, i, argc - 1, argv + 1);
    return cli_usage(c, "it does one of list, show, delete and flush");
}
