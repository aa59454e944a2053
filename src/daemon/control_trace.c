/* control_trace.c - `trace on`, `trace off` and `trace list`: whose dialogues are logged step by step. A restart forgets it. */
#include "daemon/control.h"

#include <inttypes.h>

/* An address, or a network with its bits; what is below them is cleared. */
static bool parse_client(struct slice text, struct event *e)
{
    struct slice rest = text, address = slice_cut(&rest, '/');
    uint64_t bits;
    struct ip ip;
    if (ip_parse(address, &ip) != ERR_NONE)
        return false;
    bits = ip_width_bits(&ip);
    if (rest.ptr && (slice_to_u64(rest, &bits) != ERR_NONE || bits > ip_width_bits(&ip)))
        return false;
    e->u.trace.network = ip_mask(&ip, (unsigned)bits);
    e->u.trace.bits = (uint8_t)bits;
    return true;
}

static bool is_there(const struct traces *t, const struct event *e)
{
    for (unsigned i = 0; i < t->count; i++)
        if (t->clients[i].bits == e->u.trace.bits && ip_eq(&t->clients[i].network, &e->u.trace.network))
            return true;
    return false;
}

/* The words: the client, and seconds. */
enum ctl_progress control_trace_on(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct event e = {.kind = EVENT_TRACE};
    uint64_t sec = TRACE_USUAL_SEC;
    if (!parse_client(r->words[0], &e))
        return ctl_refuse(r, "it takes an address or a network such as 192.0.2.0/24");
    if (r->n_words > 1 && (slice_to_u64(r->words[1], &sec) != ERR_NONE || sec == 0 || sec > TRACE_MAX_SEC))
        return ctl_refuse(r, "a trace is 1 second to 24 hours long");
    const struct traces *t = engine_traces(d->engine, r->now.mono);
    if (t->count == TRACE_CLIENTS_MAX && !is_there(t, &e))
        return ctl_refuse(r, "%d clients are traced already", TRACE_CLIENTS_MAX);
    e.u.trace.sec = (int64_t)sec;
    io_feed(d->io, &e);
    return CTL_DONE;
}

enum ctl_progress control_trace_off(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct event e = {.kind = EVENT_TRACE};
    bool all = slice_eq_cstr(r->words[0], "all");
    if (!all && !parse_client(r->words[0], &e))
        return ctl_refuse(r, "it takes an address, a network, or all");
    if (!all && !is_there(engine_traces(d->engine, r->now.mono), &e))
        return ctl_refuse(r, "%.*s is not traced", SLICE_ARG(r->words[0]));
    io_feed(d->io, &e);
    return CTL_DONE;
}

enum ctl_progress control_trace_list(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    const struct traces *t = engine_traces(d->engine, r->now.mono);
    for (unsigned i = 0; i < t->count; i++) {
        char address[IP_TEXT_MAX];
        struct buf client = {0}, left = {0};
        buf_printf(&client, "%s/%u", ip_format(&t->clients[i].network, address), t->clients[i].bits);
        buf_printf(&left, "%" PRId64, (t->clients[i].until.ms - r->now.mono.ms + 999) / 1000);
        ctl_put_row(r->out, (struct slice[]){SLICE_LIT("trace"), buf_slice(&client), buf_slice(&left)}, 3);
        buf_fini(&client);
        buf_fini(&left);
    }
    return CTL_DONE;
}
