/*
 * control_grey.c - records of the running store: `grey list`, `grey delete`, `grey import`, `explain`. The work is jobs of the store's, so nothing here
 * waits: a job is started, the request waits, the job's end wakes it. A client that hangs up in between leaves its state to the
 * job that is still under way.
 */
#include "base/mem.h"
#include "daemon/control.h"
#include "formats/lines.h"
#include "formats/wanted.h"
#include "setup/listing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct grey_work {
    struct daemon *d;
    owner_id owner;
    bool under_way;     /* the job: this must stay where it is */
    bool is_orphan;     /* nobody asks any more */
    bool is_removing;   /* a slice's records; else it is being read */
    struct arena arena; /* the filter's texts, or the records */
    struct listing listing;
    size_t at;               /* in the slice: rows before it are out */
    struct store_job change; /* REMOVE, IMPORT */
    struct grey_key keys[STORE_SLICE_RECORDS];
    struct store_item items[CTL_WORDS_MAX];
    uint64_t removed;
    struct grey_request requests[WANTED_REQUESTS_MAX]; /* explain: whose records are told */
    size_t n_requests, next_request;
};

static void work_free(struct grey_work *w)
{
    listing_end(&w->listing);
    arena_fini(&w->arena);
    free(w);
}

static void job_done(struct store_job *job)
{
    struct grey_work *w = job->owner;
    w->under_way = false;
    if (w->is_orphan)
        work_free(w);
    else
        ctl_server_wake(w->d->control->server, w->owner);
}

static enum ctl_progress start(struct grey_work *w, struct store_job *job)
{
    job->done = job_done;
    job->owner = w;
    w->under_way = true;
    store_start(w->d->store, job);
    return CTL_WAIT;
}

static struct grey_work *work_new(struct ctl_request *r)
{
    struct grey_work *w = mem_zalloc(sizeof(*w));
    w->d = r->ctx;
    w->owner = r->owner;
    r->state = w;
    return w;
}

void control_grey_end(struct ctl_request *r)
{
    struct grey_work *w = r->state;
    r->state = NULL;
    if (w && w->under_way)
        w->is_orphan = true;
    else if (w)
        work_free(w);
}

/* ---- which records ---- */

/* The words are name=value. NULL after the request was refused. */
static struct grey_work *begin_listing(struct ctl_request *r)
{
    const struct daemon *d = r->ctx;
    struct grey_work *w = work_new(r);
    struct grey_filter filter;
    grey_filter_init(&filter, r->now.wall);
    filter.autowhite_sec = d->plan->set->autowhite_sec;
    for (size_t i = 0; i < r->n_words; i++) {
        struct slice value = r->words[i], name = slice_cut(&value, '=');
        const char *why;
        if (grey_filter_add(&filter, arena_cstr(&w->arena, name), arena_slice(&w->arena, value), &why) != ERR_NONE) {
            (void)ctl_refuse(r, "%.*s: %s", SLICE_ARG(name), why);
            return NULL;
        }
    }
    listing_begin(&w->listing, &filter);
    return w;
}

/* The next slice is asked for. False at the end. */
static bool start_slice(struct grey_work *w)
{
    w->at = 0;
    if (!listing_next(&w->listing))
        return false;
    (void)start(w, &w->listing.job);
    return true;
}

/* Of the slice that was read: as many as one go takes. */
static void put_rows(struct ctl_request *r, struct grey_work *w)
{
    struct grey_key key;
    struct grey_record record;
    struct buf line = {0};
    while (r->out->len < CTL_SLICE_BYTES && store_slice_next(&w->listing.job.u.read, &w->at, &key, &record)) {
        buf_clear(&line);
        line_put_record(&line, &record);
        ctl_put_row(r->out, &(struct slice){line.ptr, line.len - 1}, 1);
    }
    buf_fini(&line);
}

enum ctl_progress control_grey_list(struct ctl_request *r)
{
    struct grey_work *w = r->state;
    if (!w) {
        w = begin_listing(r);
        if (!w)
            return CTL_REFUSED;
    } else if (w->under_way) {
        return CTL_WAIT;
    }
    put_rows(r, w);
    if (w->at < w->listing.job.u.read.found.len)
        return CTL_MORE;
    if (w->listing.job.err != ERR_NONE)
        return ctl_refuse(r, "the store cannot be read now");
    return start_slice(w) ? CTL_WAIT : CTL_DONE;
}

/* ---- delete ---- */

static enum ctl_progress start_removal(struct grey_work *w)
{
    const struct store_slice *slice = &w->listing.job.u.read;
    struct grey_record record;
    size_t n = 0;
    for (size_t at = 0; n < COUNT_OF(w->keys) && store_slice_next(slice, &at, &w->keys[n], &record);)
        n++;
    w->change = (struct store_job){.kind = STORE_JOB_REMOVE};
    w->change.u.removal =
        (struct store_removal){.keys = w->keys, .count = n, .wanted = listing_wants, .ctx = &w->listing.filter};
    return start(w, &w->change);
}

static void tell(struct ctl_request *r, const struct grey_work *w)
{
    struct buf line = {0};
    buf_printf(&line, "control: %" PRIu64 " records deleted by user %" PRIu32 ", process %" PRId32 ":", w->removed,
               r->peer.uid, r->peer.pid);
    for (size_t i = 0; i < r->n_words; i++) {
        buf_put_byte(&line, ' ');
        buf_put_visible(&line, r->words[i]);
    }
    log_write(w->d->log, LOG_LEVEL_NOTICE, buf_slice(&line));
    buf_fini(&line);
}

/* A slice is read, its records go, then the next. */
enum ctl_progress control_grey_delete(struct ctl_request *r)
{
    struct grey_work *w = r->state;
    bool all = r->n_words == 1 && slice_eq_cstr(r->words[0], "all");
    if (!w) {
        if (all)
            r->n_words = 0;
        w = begin_listing(r);
        if (!w)
            return CTL_REFUSED;
        if (!all && grey_filter_is_empty(&w->listing.filter))
            return ctl_refuse(r, "which records? `all` for all of them");
        return start_slice(w) ? CTL_WAIT : CTL_DONE;
    }
    if (w->under_way)
        return CTL_WAIT;
    if (!w->is_removing && w->listing.job.err == ERR_NONE && w->listing.job.u.read.count > 0) {
        w->is_removing = true;
        return start_removal(w);
    }
    w->removed += w->is_removing ? w->change.u.removal.removed : 0;
    enum err e = w->is_removing ? w->change.err : w->listing.job.err;
    w->is_removing = false;
    if (e == ERR_NONE && start_slice(w))
        return CTL_WAIT;
    tell(r, w);
    ctl_put_pair(r->out, "deleted", "%" PRIu64, w->removed);
    return e == ERR_NONE ? CTL_DONE : ctl_refuse(r, "the store cannot be changed now");
}

/* ---- explain ---- */

static bool take_wanted(struct ctl_request *r, struct grey_work *w)
{
    struct slice words[WANTED_WORDS_MAX];
    struct wanted wanted;
    const char *why;
    for (size_t i = 0; i < r->n_words; i++)
        words[i] = arena_slice(&w->arena, r->words[i]);
    if (wanted_take(words, r->n_words, &wanted, &why) != ERR_NONE) {
        (void)ctl_refuse(r, "%s", why);
        return false;
    }
    w->n_requests = wanted_requests(&wanted, r->now.wall, w->requests);
    return true;
}

/* What each of the requests would be answered on, one job after the other. */
enum ctl_progress control_explain(struct ctl_request *r)
{
    struct grey_work *w = r->state;
    if (!w) {
        w = work_new(r);
        if (!take_wanted(r, w))
            return CTL_REFUSED;
    } else if (w->under_way) {
        return CTL_WAIT;
    }
    put_rows(r, w);
    if (w->at < w->listing.job.u.read.found.len)
        return CTL_MORE;
    if (w->listing.job.err != ERR_NONE)
        return ctl_refuse(r, "the store cannot be read now");
    if (w->next_request == w->n_requests)
        return CTL_DONE;
    w->at = 0;
    w->listing.job.kind = STORE_JOB_READ;
    w->listing.job.u.read.of = &w->requests[w->next_request++];
    return start(w, &w->listing.job);
}

/* ---- import ---- */

static bool parse_records(struct ctl_request *r, struct grey_work *w)
{
    const struct conf_settings *set = w->d->plan->set;
    for (size_t i = 0; i < r->n_words; i++) {
        struct line line;
        const char *why = "it is no record";
        struct slice text = arena_slice(&w->arena, r->words[i]);
        if (line_parse(&w->arena, text, &line, &why) != ERR_NONE || line.kind != LINE_RECORD) {
            (void)ctl_refuse(r, "record %zu: %s", i + 1, why ? why : "it is no record");
            return false;
        }
        bool is_v4 = line.record.addr.family == IP_V4;
        w->items[i] = (struct store_item){.record = line.record,
                                          .addr_bits = (unsigned)(is_v4 ? set->subnetmatch : set->subnetmatch6)};
    }
    return true;
}

/* Each word is a record. All of them, or none. */
enum ctl_progress control_grey_import(struct ctl_request *r)
{
    struct grey_work *w = r->state;
    if (!w) {
        w = work_new(r);
        if (!parse_records(r, w))
            return CTL_REFUSED;
        w->change = (struct store_job){.kind = STORE_JOB_IMPORT};
        w->change.u.import = (struct store_import){.items = w->items, .count = r->n_words, .lazy = w->d->plan->set->lazyaw};
        return start(w, &w->change);
    }
    if (w->under_way)
        return CTL_WAIT;
    if (w->change.err != ERR_NONE)
        return ctl_refuse(r, "the store cannot be written now: %s", err_text(w->change.err));
    ctl_put_pair(r->out, "added", "%zu", w->change.u.import.added);
    ctl_put_pair(r->out, "changed", "%zu", w->change.u.import.changed);
    return CTL_DONE;
}
