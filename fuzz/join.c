/*
 * join.c - fuzz: any bytes as mail logs. What is given out is whole: no message is lost or told twice, and nothing is kept of a line.
 * And any bytes as a trace.
 */
#include "replay/join.h"
#include "replay/trace.h"
#include "replay/unread.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t deliveries, clients, refused;
};

static void read_text(struct slice s, unsigned *sum)
{
    for (size_t i = 0; i < s.len; i++)
        *sum += (uint8_t)s.ptr[i];
    if (s.len > JOIN_TEXT_MAX)
        abort();
}

static void take_delivery(void *ctx, const struct delivery *d)
{
    struct seen *seen = ctx;
    unsigned sum = 0; /* every byte is read: the sanitizers see whether it is there */
    seen->deliveries++;
    if (d->resolve == RESOLVE_ABSENT || d->client.family == IP_NONE || d->times == 0 ||
        d->n_recipients > DELIVERY_RECIPIENTS_MAX || (d->resolve == RESOLVE_OK && !d->name.ptr) ||
        (d->perhaps_temp && d->name.ptr) || d->retry_sec < 0 || (d->times > 1 && !d->refused))
        abort();
    read_text(d->name, &sum);
    read_text(d->helo, &sum);
    read_text(d->sender, &sum);
    for (size_t i = 0; i < d->n_recipients; i++)
        read_text(d->recipients[i], &sum);
}

static void take_correspondent(void *ctx, struct slice address)
{
    (void)ctx;
    unsigned sum = 0;
    read_text(address, &sum);
}

static void read_trace(struct slice text)
{
    while (text.len > 0) {
        struct delivery d;
        if (trace_read(slice_cut(&text, '\n'), &d) == ERR_NONE && (d.client.family == IP_NONE || d.n_recipients != 1))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    const struct join_sink sink = {take_delivery, take_correspondent, &seen};
    struct maillog_clock clock = {.latest = {1795000000}};
    struct slice text = slice_of(data, size);
    struct join *j = join_new(&sink);
    struct unread *u = unread_new();
    struct buf shown = {0};
    read_trace(text);
    while (text.len > 0) {
        struct maillog_line l;
        struct slice line = slice_cut(&text, '\n');
        char *copy = malloc(line.len + 1);
        if (!copy)
            abort();
        if (line.len)
            memcpy(copy, line.ptr, line.len);
        maillog_read(&clock, slice_of(copy, line.len), &l);
        seen.clients += l.kind == MAILLOG_CLIENT;
        seen.refused += l.kind == MAILLOG_REFUSED || l.kind == MAILLOG_PROXY;
        if (l.kind == MAILLOG_UNREAD)
            unread_note(u, slice_of(copy, line.len));
        join_line(j, &l);
        free(copy);
    }
    join_finish(j);
    const struct join_counts *c = join_counts(j);
    /* each of these lines makes one message at most */
    if (seen.deliveries + c->users + c->unfinished > seen.clients + seen.refused || c->forced)
        abort();
    unread_put(u, &shown);
    buf_fini(&shown);
    unread_free(u);
    join_free(j);
    return 0;
}
