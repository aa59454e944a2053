/* grey.c - `tarsier grey list|show|delete|flush`: the records that are in the store. */
#include "base/mem.h"
#include "cli/access.h"
#include "cli/ctl.h"
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
    const struct command *c;
    struct cli_daemon at;
    struct access access;
    struct listing listing;
    struct slice words[CTL_WORDS_MAX / 2]; /* of the request: the command, then name=value. They lie in the arena */
    size_t n_words;
    struct arena arena;
    void (*put)(struct grey *g, const struct grey_record *r); /* a record that was found, into out */
    struct buf out;
    uint64_t count;
    struct wall now;
    bool all; /* flush --all */
    bool unwritten;
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

static bool is_pair(const struct grey_record *r)
{
    return r->type == GREY_RECORD_PAIR || r->type == GREY_RECORD_NETWORK;
}

static void put_mail(struct buf *out, const struct grey_record *r)
{
    buf_printf(out, "\n%*s", ROW_INDENT, "");
    if (is_pair(r)) {
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
    if (r->type == GREY_RECORD_NETWORK)
        screen_put_words(out, ROW_INDENT, r->addr.family == IP_V6 ? SLICE_LIT("and its /64") : SLICE_LIT("and its /24"));
    if (r->type == GREY_RECORD_TUPLE || is_pair(r))
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
    if (r->type == GREY_RECORD_NETWORK)
        put_value(out, "known as", r->addr.family == IP_V6 ? SLICE_LIT("its /64") : SLICE_LIT("its /24"));
    if (is_pair(r))
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

/* ---- by the daemon ---- */

static int fail(const struct grey *g, const char *what)
{
    fprintf(stderr, "tarsier %s: %s\n", g->access.command, what);
    return CLI_FAILED;
}

static void take_row(void *ctx, const struct ctl_line *row)
{
    struct grey *g = ctx;
    struct arena arena = {0};
    struct line line;
    const char *why;
    if (line_parse(&arena, ctl_field(row, 0), &line, &why) == ERR_NONE && line.kind == LINE_RECORD) {
        g->put(g, &line.record);
        g->count++;
        g->unwritten |= !flush_out(g);
    }
    arena_fini(&arena);
}

static void take_count(void *ctx, const struct ctl_line *row)
{
    struct grey *g = ctx;
    uint64_t n;
    if (slice_eq_cstr(ctl_field(row, 0), "deleted") && slice_to_u64(ctl_field(row, 1), &n) == ERR_NONE)
        g->count = n;
}

/* ---- by ourselves ---- */

static int list_here(struct grey *g)
{
    struct listing *l = &g->listing;
    if (!access_drop_rights(&g->access) || access_open_for_reading(&g->access) != ERR_NONE)
        return CLI_FAILED;
    while (!g->unwritten && listing_next(l)) {
        struct grey_key key;
        struct grey_record r;
        if (store_run(g->access.store, &l->job) != ERR_NONE)
            return fail(g, "the store cannot be read");
        for (size_t at = 0; store_slice_next(&l->job.u.read, &at, &key, &r); g->count++)
            g->put(g, &r);
        g->unwritten = !flush_out(g); /* while somebody reads slowly no transaction is open */
    }
    return CLI_OK;
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

static int delete_here(struct grey *g)
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
    return e == ERR_NONE ? CLI_OK : fail(g, err_text(e));
}

/* ---- which way ---- */

/* Reading is done beside the daemon where we may: no pager keeps one of its connections. */
static int list(struct grey *g)
{
    int status;
    if (!g->at.socket && access_may_read(&g->access))
        status = list_here(g);
    else
        status = cli_ask(g->c, &g->at, g->words, g->n_words, take_row, g);
    if (status != CLI_OK)
        return status;
    if (g->unwritten || fflush(stdout) != 0)
        return fail(g, "cannot write");
    if (g->count == 0)
        return fail(g, "there is no such record");
    return CLI_OK;
}

/* A daemon that runs does it; without one we do. */
static int delete_records(struct grey *g)
{
    struct buf why = {0};
    int status = cli_ask_quietly(&g->at, g->words, g->n_words, take_count, g, &why);
    if (status == CLI_NO_DAEMON && !g->at.socket && access_is_kept(&g->access))
        status = delete_here(g);
    else if (status != CLI_OK)
        fprintf(stderr, "tarsier %s: %s\n", g->access.command, buf_cstr(&why));
    buf_fini(&why);
    if (status == CLI_OK)
        printf("%" PRIu64 " record%s deleted\n", g->count, g->count == 1 ? "" : "s");
    return status;
}

/* ---- the command line ---- */

/* A condition, for us and as a word of the request. */
static bool add(struct grey *g, struct grey_filter *filter, const char *name, const char *value, const char **why)
{
    if (grey_filter_add(filter, name, slice_cstr(value), why) != ERR_NONE)
        return false;
    *why = "too many filters";
    if (g->n_words == COUNT_OF(g->words))
        return false;
    g->words[g->n_words++] = slice_cstr(arena_printf(&g->arena, "%s=%s", name, value));
    return true;
}

static const char *option_name(const struct command *c, int letter)
{
    const struct ctl_option *o = c->row->options;
    while (o->name && o->letter != letter)
        o++;
    return o->name ? o->name : "";
}

static bool take_options(struct grey *g, struct grey_filter *filter, int argc, char **argv, const char **why)
{
    for (int o; (o = cli_option(g->c, argc, argv)) != -1;) {
        *why = NULL;
        if (o == 'f')
            g->at.file = optarg;
        else if (o == 'S')
            g->at.socket = optarg;
        else if (o == 'j')
            g->put = put_json;
        else if (o == 'a')
            g->all = true;
        else if (o == '?' || !add(g, filter, option_name(g->c, o), optarg, why))
            return false;
    }
    for (int i = optind; i < argc; i++)
        if (!add(g, filter, "client", argv[i], why))
            return false;
    return true;
}

int cli_grey(const struct command *c, int argc, char **argv)
{
    bool deletes = c->id == CTL_GREY_DELETE || c->id == CTL_GREY_FLUSH;
    struct grey g = {.c = c, .now = {(int64_t)time(NULL)}, .put = c->id == CTL_GREY_SHOW ? put_block : put_row};
    struct grey_filter filter;
    const char *why = NULL;
    int status = CLI_FAILED;
    grey_filter_init(&filter, g.now);
    for (struct slice name = slice_cstr(c->row->name); name.ptr;)
        g.words[g.n_words++] = slice_cut(&name, ' ');
    if (!take_options(&g, &filter, argc, argv, &why)) {
        status = cli_usage(c, why);
    } else if (c->id != CTL_GREY_LIST && grey_filter_is_empty(&filter) && !g.all) {
        status =
            cli_usage(c, c->id == CTL_GREY_FLUSH ? "which clients? all of them: --all" : "which records? give it a filter");
    } else if (g.all && !grey_filter_is_empty(&filter)) {
        status = cli_usage(c, "--all is every record: it takes no client and no filter beside it");
    } else {
        if (g.all)
            g.words[g.n_words++] = SLICE_LIT("all");
        listing_begin(&g.listing, &filter);
        if (access_begin(&g.access, c->row->name, g.at.file))
            status = deletes ? delete_records(&g) : list(&g);
        listing_end(&g.listing);
        access_end(&g.access);
    }
    buf_fini(&g.out);
    arena_fini(&g.arena);
    return status;
}
