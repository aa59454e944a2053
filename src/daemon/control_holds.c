/*
 * control_holds.c - `holds`, `holds release` and `holds drop`: who is held now, and an administrator's word about one of them. What
 * becomes of it is the engine's affair.
 *
 * ID is the last part of the connection's name in the log: 17 of s-4gk2m9xq-17. The whole name will do, too.
 */
#include "client/client.h"
#include "daemon/control.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct slice id_of(const struct held_client *h)
{
    size_t dash = slice_rfind(h->connection, '-');
    return slice_from(h->connection, dash < h->connection.len ? dash + 1 : 0);
}

static void put_hold(const struct held_client *h, struct buf *out)
{
    char left[24], waited[24], address[IP_TEXT_MAX];
    snprintf(left, sizeof(left), "%" PRId64, (h->left_ms + 999) / 1000);
    snprintf(waited, sizeof(waited), "%" PRId64, h->waited_ms / 1000);
    const struct slice fields[] = {
        SLICE_LIT("hold"),
        id_of(h),
        slice_cstr(left),
        slice_cstr(waited),
        h->name,
        slice_cstr(h->ends.remote.family == IP_NONE ? "" : ip_format(&h->ends.remote, address)),
        h->sender,
        h->recipient,
        h->why,
        h->line,
        h->helo,
        h->connection,
    };
    ctl_put_row(out, fields, COUNT_OF(fields));
}

struct listing {
    owner_id after;
};

enum ctl_progress control_holds(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct listing *l = r->state;
    struct held_client h;
    if (!l) {
        struct engine_overview o;
        l = r->state = mem_zalloc(sizeof(*l));
        l->after = OWNER_NOBODY;
        engine_overview(d->engine, r->now, &o);
        ctl_put_pair(r->out, "max", "%u", o.holds_max);
    }
    while (r->out->len < CTL_SLICE_BYTES) {
        if (!engine_next_held(d->engine, l->after, &h))
            return CTL_DONE;
        put_hold(&h, r->out);
        l->after = h.owner;
    }
    return CTL_MORE;
}

void control_holds_end(struct ctl_request *r)
{
    free(r->state);
}

/* Its name; OWNER_NOBODY: nobody who is held has this ID. */
static owner_id find(const struct engine *e, struct slice id)
{
    struct held_client h;
    for (owner_id after = OWNER_NOBODY; engine_next_held(e, after, &h); after = h.owner)
        if (slice_eq(id, id_of(&h)) || slice_eq(id, h.connection))
            return h.owner;
    return OWNER_NOBODY;
}

static enum ctl_progress end_hold(struct ctl_request *r, enum event_kind how)
{
    struct daemon *d = r->ctx;
    owner_id owner = find(d->engine, r->words[0]);
    if (owner == OWNER_NOBODY)
        return ctl_refuse(r, "nobody who is held now has the ID %.*s", SLICE_ARG(r->words[0]));
    io_feed(d->io, &(struct event){.kind = how, .owner = owner});
    return CTL_DONE;
}

enum ctl_progress control_release(struct ctl_request *r)
{
    return end_hold(r, EVENT_RELEASE);
}

enum ctl_progress control_drop(struct ctl_request *r)
{
    return end_hold(r, EVENT_DROP);
}
