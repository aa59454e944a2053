/*
 * control_history.c - `history` and `stats`: the decision journal and its statistics. The journal is read on a worker, a piece at a time,
 * and no faster than its reader takes the rows.
 */
#include "base/mem.h"
#include "daemon/control.h"
#include "setup/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The worker's while it reads; else the request's, or nobody's. */
struct history {
    struct daemon *d;
    owner_id owner;
    struct journal_scan *scan;
    struct buf rows;
    enum err result;
    int error; /* errno's */
    bool more, is_reading, is_orphan;
};

static void free_history(struct history *h)
{
    journal_scan_free(h->scan);
    buf_fini(&h->rows);
    free(h);
}

static void read_work(void *ctx)
{
    struct history *h = ctx;
    h->more = journal_scan_step(h->scan, CTL_SLICE_BYTES, &h->rows, &h->result);
    h->error = errno;
}

static void read_done(void *ctx)
{
    struct history *h = ctx;
    h->is_reading = false;
    if (h->is_orphan)
        free_history(h);
    else
        ctl_server_wake(h->d->control->server, h->owner);
}

static enum ctl_progress read_on(struct history *h)
{
    h->is_reading = true;
    io_work(h->d->io, read_work, read_done, h);
    return CTL_WAIT;
}

/* Words: whom, and since when (seconds since 1970; 0: all). */
static enum ctl_progress begin(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct journal_query query;
    struct buf directory = {0};
    uint64_t since;
    if (journal_query_parse(r->words[0], &query) != ERR_NONE)
        return ctl_refuse(r, "it takes an address, a network, a sender, a name, a connection or a queue id");
    if (slice_to_u64(r->words[1], &since) != ERR_NONE || since > INT64_MAX)
        return ctl_refuse(r, "the second word is a time in seconds since 1970");
    query.since_sec = (int64_t)since;
    struct history *h = r->state = mem_zalloc(sizeof(*h));
    h->d = d;
    h->owner = r->owner;
    buf_printf(&directory, "%s/journal", stores_state_directory(d->started->set));
    h->scan = journal_scan_new(buf_cstr(&directory), &query);
    buf_fini(&directory);
    return read_on(h);
}

/* A row of the journal is a row of the protocol: both write control bytes in the same way, and a time never looks like an end. */
enum ctl_progress control_history(struct ctl_request *r)
{
    struct history *h = r->state;
    if (!h)
        return begin(r);
    if (h->is_reading)
        return CTL_WAIT;
    if (h->result != ERR_NONE)
        return ctl_refuse(r, "the journal cannot be read: %s", strerror(h->error));
    if (h->rows.len > 0) {
        buf_put_slice(r->out, buf_slice(&h->rows));
        buf_clear(&h->rows);
        return h->more ? CTL_MORE : CTL_DONE;
    }
    return h->more ? read_on(h) : CTL_DONE;
}

void control_history_end(struct ctl_request *r)
{
    struct history *h = r->state;
    if (!h)
        return;
    if (h->is_reading)
        h->is_orphan = true;
    else
        free_history(h);
}

/* Words: from, until, in seconds since 1970. Rows: `name`, number; none for zero. */
enum ctl_progress control_stats(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct tally_row sum;
    struct buf text = {0};
    uint64_t from, until;
    if (slice_to_u64(r->words[0], &from) != ERR_NONE || slice_to_u64(r->words[1], &until) != ERR_NONE || from > INT64_MAX ||
        until > INT64_MAX)
        return ctl_refuse(r, "it takes two times in seconds since 1970");
    journal_sum(d->journal, (struct wall){(int64_t)from}, (struct wall){(int64_t)until}, &sum);
    tally_put_row(&sum, &text);
    struct slice rest = slice_trim(buf_slice(&text), "\n");
    for ((void)slice_cut(&rest, ' '); rest.ptr;) {
        struct slice value = slice_cut(&rest, ' '), name = slice_cut(&value, '=');
        const struct slice fields[] = {name, value};
        ctl_put_row(r->out, fields, COUNT_OF(fields));
    }
    buf_fini(&text);
    return CTL_DONE;
}
