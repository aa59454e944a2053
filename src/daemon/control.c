/* control.c - the control server's place on the loop, and the table of commands. Decides nothing but who may ask. */
#include "daemon/control.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

enum { SOCKET_MODE = 0666, DIRECTORY_MODE = 0755, OVERLOAD_MAX = 4 };

static const struct ctl_handler handlers[CTL_COMMANDS] = {
    [CTL_STATUS] = {.produce = control_status},
    [CTL_METRICS_PRINT] = {.produce = control_metrics, .end = control_metrics_end},
    [CTL_HOLDS] = {.produce = control_holds, .end = control_holds_end},
    [CTL_HOLDS_RELEASE] = {.produce = control_release},
    [CTL_HOLDS_DROP] = {.produce = control_drop},
    [CTL_PAUSE] = {.produce = control_pause, .end = control_pause_end},
    [CTL_RESUME] = {.produce = control_resume, .end = control_pause_end},
    [CTL_TRACE_ON] = {.produce = control_trace_on},
    [CTL_TRACE_OFF] = {.produce = control_trace_off},
    [CTL_TRACE_LIST] = {.produce = control_trace_list},
    [CTL_RELOAD] = {.produce = control_reload, .end = control_reload_end},
    [CTL_HISTORY] = {.produce = control_history, .end = control_history_end},
    [CTL_STATS] = {.produce = control_stats},
    [CTL_ALLOW_LIST] = {.produce = control_allow_list, .end = control_allow_list_end},
    [CTL_ALLOW_ADD] = {.produce = control_allow_add, .end = control_allow_end},
    [CTL_ALLOW_REMOVE] = {.produce = control_allow_remove, .end = control_allow_end},
    [CTL_GREY_LIST] = {control_grey_list, control_grey_end},
    [CTL_GREY_SHOW] = {control_grey_list, control_grey_end},
    [CTL_GREY_DELETE] = {control_grey_delete, control_grey_end},
    [CTL_GREY_FLUSH] = {control_grey_delete, control_grey_end},
    [CTL_IMPORT] = {control_grey_import, control_grey_end},
    [CTL_EXPLAIN] = {control_explain, control_grey_end},
};

/* The server wants a turn. Not within this one: what mail wants comes first, again and again. */
static void soon(void *ctx)
{
    struct daemon *d = ctx;
    d->control->turn_wanted = true;
    io_wake(d->io);
}

void control_woken(struct daemon *d)
{
    if (!d->control || !d->control->turn_wanted)
        return;
    d->control->turn_wanted = false;
    io_feed(d->io, &(struct event){.kind = EVENT_TURN});
}

static void open_connection(struct daemon *d, const struct event *event, struct effects *out)
{
    struct io_peer peer;
    struct ctl_peer who = {.uid = (uint32_t)-1, .right = CTL_LOCAL};
    if (io_peer(d->io, event->owner, &peer) == ERR_NONE) {
        enum ctl_right right = control_rights_of(&d->control->rights, peer.uid, peer.gid, peer.groups, peer.n_groups);
        who = (struct ctl_peer){.uid = peer.uid, .pid = peer.pid, .right = right};
        io_peer_fini(&peer);
    }
    ctl_server_open(d->control->server, event, &who, out);
}

static void hook_control(void *ctx, const struct event *event, struct effects *out)
{
    struct daemon *d = ctx;
    if (event->kind == EVENT_OPEN)
        open_connection(d, event, out);
    else
        ctl_server_step(d->control->server, event, out);
}

static void hook_busy(void *ctx, const struct event *event, struct effects *out)
{
    (void)ctx;
    if (event->kind != EVENT_OPEN)
        return;
    struct buf line = {0};
    ctl_put_error(&line, CTL_CODE_BUSY, SLICE_LIT("too many connections are open"));
    effects_send(out, event->owner, buf_slice(&line));
    effects_add(out, EFFECT_CLOSE, event->owner);
    buf_fini(&line);
}

void control_hooks(struct io_hooks *hooks)
{
    hooks->kinds[IO_CONTROL] = (struct io_kind_hooks){.owner = OWNER_CONTROL,
                                                      .step = hook_control,
                                                      .overload = hook_busy,
                                                      .max = CTL_CONNECTIONS_MAX,
                                                      .overload_max = OVERLOAD_MAX};
}

void control_event(struct daemon *d, const struct event *event, struct effects *out)
{
    if (event->kind == EVENT_OPEN)
        d->control->last_mta = event->now.mono;
    else if (event->kind == EVENT_TICK || event->kind == EVENT_TURN)
        ctl_server_step(d->control->server, event, out);
}

bool control_wants_ticks(const struct daemon *d)
{
    return ctl_server_wants_ticks(d->control->server);
}

void control_take_rights(struct daemon *d, struct control_rights *rights)
{
    control_rights_fini(&d->control->rights);
    d->control->rights = *rights;
    *rights = (struct control_rights){0};
    if (d->control->rights.unknown.len > 0)
        log_printf(d->log, LOG_LEVEL_WARNING, "control: no such group: %s", buf_cstr(&d->control->rights.unknown));
}

/* ---- files beside the store ---- */

struct change {
    struct list node;
    struct daemon *d;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void change_work(void *ctx)
{
    const struct change *c = ctx;
    c->work(c->ctx);
}

static void change_done(void *ctx);

static void change_start(struct change *c)
{
    io_work(c->d->io, change_work, change_done, c);
}

static void change_done(void *ctx)
{
    struct change *c = ctx;
    struct list *all = &c->d->control->changes;
    c->done(c->ctx);
    list_remove(&c->node);
    free(c);
    if (!list_is_empty(all))
        change_start(CONTAINER_OF(all->next, struct change, node));
}

void control_change_file(struct daemon *d, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    struct change *c = mem_alloc(sizeof(*c));
    *c = (struct change){.d = d, .work = work, .done = done, .ctx = ctx};
    bool is_first = list_is_empty(&d->control->changes);
    list_push_back(&d->control->changes, &c->node);
    if (is_first)
        change_start(c);
}

/* ---- life ---- */

static void listen_at(struct daemon *d, const char *path)
{
    struct buf address = {0}, why = {0};
    buf_printf(&address, "unix:%s", path);
    struct io_listen spec = {.kind = IO_CONTROL,
                             .address = buf_cstr(&address),
                             .mode = SOCKET_MODE,
                             .directory_mode = DIRECTORY_MODE,
                             .owner = d->identity.uid};
    if (io_listen(d->io, &spec, &why) != ERR_NONE)
        log_printf(d->log, LOG_LEVEL_WARNING, "no control socket: %s; started all the same", buf_cstr(&why));
    buf_fini(&address);
    buf_fini(&why);
}

enum err control_start(struct daemon *d, struct buf *why)
{
    (void)why;
    struct ctl_server_hooks hooks = {.ctx = d, .handlers = handlers, .soon = soon};
    struct control_rights rights;
    d->control = mem_zalloc(sizeof(*d->control));
    list_init(&d->control->changes);
    d->control->server = ctl_server_new(&hooks);
    d->control->started = io_now();
    control_rights_find(d->plan->set, d->identity.change ? d->identity.uid : geteuid(), &rights);
    control_take_rights(d, &rights);
    if (d->plan->set->control)
        listen_at(d, d->plan->set->control);
    return ERR_NONE;
}

void control_free(struct daemon *d)
{
    if (!d->control)
        return;
    ctl_server_free(d->control->server);
    control_rights_fini(&d->control->rights);
    free(d->control);
    d->control = NULL;
}
