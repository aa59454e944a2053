/*
 * loop.c - the libuv loop and the step: an event goes in, its effects are carried out, then the events that waited.
 * The only place of io/ where the clocks are read.
 */
#include "io/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SEND_TOGETHER = 8 };

struct instant io_now(void)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    return (struct instant){.mono = {(int64_t)mono.tv_sec * 1000 + mono.tv_nsec / 1000000}, .wall = {(int64_t)wall.tv_sec}};
}

/* ---- steps ---- */

/*
 * What follows each other to one MTA or one child goes out in one write: small writes cost 43 ms each by Nagle's algorithm where
 * it is on, and a packet of the network each where not.
 */
static size_t send_run(struct io *io, size_t at)
{
    const struct effect *first = &io->effects.items[at];
    bool to_child = first->kind == EFFECT_CHILD_SEND;
    uv_buf_t bufs[SEND_TOGETHER];
    unsigned n = 0;
    while (n < SEND_TOGETHER && at + n < io->effects.count) {
        const struct effect *e = &io->effects.items[at + n];
        if (e->kind != first->kind || (to_child ? e->u.child.id != first->u.child.id : e->owner != first->owner))
            break;
        struct slice bytes = to_child ? e->u.child.bytes : e->u.bytes;
        bufs[n++] = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    }
    if (to_child)
        child_send(io, first->u.child.id, bufs, n);
    else
        conn_send(io, first->owner, bufs, n);
    return n;
}

/* The MTA's connection and the hooks. */
static void effect_run(struct io *io, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_DRAIN:
        conn_drain(io, e->owner, e->request);
        break;
    case EFFECT_CLOSE:
        conn_close(io, e->owner);
        break;
    case EFFECT_STORE:
        io->hooks.store(io->hooks.ctx, e);
        break;
    case EFFECT_LOOK:
        io->hooks.look(io->hooks.ctx, e);
        break;
    case EFFECT_DNS:
        io->hooks.dns(io->hooks.ctx, e);
        io_dns_soon(io);
        break;
    case EFFECT_LOG:
        io->hooks.log(io->hooks.ctx, e->level, e->u.bytes, e->about);
        break;
    case EFFECT_JOURNAL:
        io->hooks.journal(io->hooks.ctx, e);
        break;
    case EFFECT_STOPPED:
        io->stopped = true;
        break;
    default:
        PANIC("no such effect");
    }
}

static void effect_run_child(struct io *io, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_CHILD_OPEN:
        child_open(io, e);
        break;
    case EFFECT_CHILD_DRAIN:
        child_drain(io, e->u.child.id);
        break;
    case EFFECT_CHILD_PAUSE:
        child_pause(io, e->u.child.id);
        break;
    case EFFECT_CHILD_RESUME:
        child_resume(io, e->u.child.id);
        break;
    case EFFECT_CHILD_CLOSE:
        child_close(io, e->u.child.id);
        break;
    default:
        PANIC("no such effect");
    }
}

static void effects_run(struct io *io)
{
    bool looked = false;
    for (size_t i = 0; i < io->effects.count;) {
        const struct effect *e = &io->effects.items[i];
        size_t done = 1;
        switch (e->kind) {
        case EFFECT_SEND:
        case EFFECT_CHILD_SEND:
            done = send_run(io, i);
            break;
        case EFFECT_LOOK:
            looked = true;
            effect_run(io, e);
            break;
        case EFFECT_CLOSE:
        case EFFECT_STORE:
        case EFFECT_LOG:
        case EFFECT_JOURNAL:
        case EFFECT_STOPPED:
        case EFFECT_DRAIN:
        case EFFECT_DNS:
            effect_run(io, e);
            break;
        case EFFECT_CHILD_OPEN:
        case EFFECT_CHILD_DRAIN:
        case EFFECT_CHILD_PAUSE:
        case EFFECT_CHILD_RESUME:
        case EFFECT_CHILD_CLOSE:
            effect_run_child(io, e);
            break;
        case EFFECT_SPOOL_WRITE:
            spool_write(io, e);
            break;
        case EFFECT_SPOOL_READ:
            spool_read(io, e);
            break;
        case EFFECT_SPOOL_CLOSE:
            spool_close(io, e->u.spool.id);
            break;
        case EFFECT_MAX_:
            PANIC("no such effect");
        }
        i += done;
    }
    effects_clear(&io->effects);
    if (looked)
        io->hooks.look_flush(io->hooks.ctx);
}

static bool is_of_connection(enum event_kind kind)
{
    return kind == EVENT_OPEN || kind == EVENT_BYTES || kind == EVENT_EOF || kind == EVENT_DRAINED;
}

static void step_run(struct io *io, const struct event *event)
{
    struct conn *c = NULL;
    if (is_of_connection(event->kind)) {
        c = conn_find(io, event->owner);
        if (!c)
            return; /* closed while the event waited */
    }
    if (event->kind == EVENT_CHILD && !child_find(io, event->u.child.id))
        return;
    if (c)
        conn_step(io, c, event);
    else
        io->hooks.step(io->hooks.ctx, event, &io->effects);
    effects_run(io);
}

static void tick_fired(uv_timer_t *timer);

/* The timer runs only while somebody needs it: an idle daemon sleeps. */
void loop_adjust_ticks(struct io *io)
{
    bool want = !list_is_empty(&io->lingering) || !list_is_empty(&io->child_lingering) ||
                !list_is_empty(&io->child_waiting) || io->listeners_waiting > 0 || io->hooks.wants_ticks(io->hooks.ctx);
    if (want == io->ticking || uv_is_closing((uv_handle_t *)&io->tick))
        return;
    io->ticking = want;
    if (want) {
        uv_update_time(&io->loop);
        uv_timer_start(&io->tick, tick_fired, IO_TICK_MS, IO_TICK_MS);
    } else {
        uv_timer_stop(&io->tick);
    }
}

static bool event_borrows(const struct event *e)
{
    switch (e->kind) {
    case EVENT_BYTES:
    case EVENT_STORE:
    case EVENT_DNS:
        return true;
    case EVENT_CHILD:
        return e->u.child.news == CHILD_BYTES;
    case EVENT_SPOOL:
        return e->u.spool.bytes.len > 0;
    default:
        return false;
    }
}

void io_feed(struct io *io, const struct event *event)
{
    if (io->busy) {
        if (event_borrows(event))
            PANIC("an event that borrows cannot wait");
        io->pending = mem_grow(io->pending, &io->pending_cap, io->pending_count + 1, sizeof(*io->pending));
        io->pending[io->pending_count++] = *event;
        return;
    }
    io->busy = true;
    struct instant now = io_now();
    struct event e = *event;
    e.now = now;
    step_run(io, &e);
    while (io->pending_at < io->pending_count) {
        e = io->pending[io->pending_at++];
        e.now = now;
        if (io->pending_at == io->pending_count)
            io->pending_at = io->pending_count = 0;
        step_run(io, &e);
    }
    io->busy = false;
    loop_adjust_ticks(io);
    loop_check_stopped(io);
}

/* ---- timer, wakes, signals, workers ---- */

static void tick_fired(uv_timer_t *timer)
{
    struct io *io = timer->loop->data;
    io_feed(io, &(struct event){.kind = EVENT_TICK});
    int64_t now_ms = io_now().mono.ms;
    stream_linger_check(&io->lingering, now_ms);
    stream_linger_check(&io->child_lingering, now_ms);
    child_retry(io);
    if (io->listeners_waiting > 0)
        conn_make_room(io);
    loop_adjust_ticks(io);
}

static void dns_fired(uv_timer_t *timer)
{
    struct io *io = timer->loop->data;
    int64_t ms = io->hooks.dns_tick(io->hooks.ctx);
    if (ms < 0 || uv_is_active((uv_handle_t *)timer)) /* what it answered has asked for more: at once */
        return;
    uv_update_time(&io->loop);
    uv_timer_start(timer, dns_fired, (uint64_t)ms, 0);
}

void io_dns_soon(struct io *io)
{
    uv_timer_start(&io->dns, dns_fired, 0, 0);
}

static void wake_fired(uv_async_t *wake)
{
    struct io *io = wake->loop->data;
    io->hooks.woken(io->hooks.ctx);
}

void io_wake(struct io *io)
{
    uv_async_send(&io->wake);
}

static void signal_fired(uv_signal_t *handle, int signo)
{
    struct io *io = handle->loop->data;
    io->hooks.signalled(io->hooks.ctx, signo);
}

enum err io_catch(struct io *io, int signo)
{
    struct io_signal *s = mem_zalloc(sizeof(*s));
    s->next = io->signals;
    io->signals = s;
    int r = uv_signal_init(&io->loop, &s->uv);
    if (r == 0)
        r = uv_signal_start(&s->uv, signal_fired, signo);
    errno = r < 0 ? -r : 0;
    return r < 0 ? ERR_IO : ERR_NONE;
}

struct io_job {
    uv_work_t uv;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void job_run(uv_work_t *uv)
{
    struct io_job *job = CONTAINER_OF(uv, struct io_job, uv);
    job->work(job->ctx);
}

static void job_done(uv_work_t *uv, int status)
{
    struct io_job *job = CONTAINER_OF(uv, struct io_job, uv);
    (void)status; /* never cancelled */
    job->done(job->ctx);
    free(job);
}

void io_work(struct io *io, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    struct io_job *job = mem_zalloc(sizeof(*job));
    job->work = work;
    job->done = done;
    job->ctx = ctx;
    if (uv_queue_work(&io->loop, &job->uv, job_run, job_done) < 0)
        PANIC("uv_queue_work");
}

/* ---- life ---- */

uint32_t io_raise_files(uint32_t want)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    if (limit.rlim_max < want) {
        struct rlimit more = {.rlim_cur = want, .rlim_max = want};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return want;
    }
    rlim_t top = limit.rlim_max > UINT32_MAX / 2 ? UINT32_MAX / 2 : limit.rlim_max;
    struct rlimit raised = {.rlim_cur = top, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur < top && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit.rlim_cur = top;
    return limit.rlim_cur > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)limit.rlim_cur;
}

/* Behind timers and what was read, before the loop sleeps. */
static void round_over(uv_prepare_t *send)
{
    stream_send_all(send->loop->data);
}

enum err io_new(struct io **out, const struct io_hooks *hooks, const struct io_limits *limits)
{
    *out = NULL;
    struct io *io = mem_zalloc(sizeof(*io));
    int r = uv_loop_init(&io->loop);
    if (r < 0) {
        free(io);
        errno = -r;
        return ERR_IO;
    }
    /* A write to an MTA that has gone must be an error value, and one beyond what a file may have (RLIMIT_FSIZE). */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    io->loop.data = io;
    io->hooks = *hooks;
    io->limits = *limits;
    if (io->limits.overload_quiet_ms == 0)
        io->limits.overload_quiet_ms = IO_OVERLOAD_QUIET_MS;
    if (io->limits.socket_look_ms == 0)
        io->limits.socket_look_ms = IO_SOCKET_LOOK_MS;
    io->descriptors = limits->sessions_max + limits->files_max;
    list_init(&io->listeners);
    list_init(&io->free);
    list_init(&io->lingering);
    for (size_t i = 0; i < IO_KINDS; i++) {
        const struct io_kind_hooks *kind = &hooks->kinds[i];
        io->sets[i] =
            (struct conn_set){.max = kind->max, .overload_max = kind->overload_max ? kind->overload_max : IO_OVERLOAD_MAX};
        list_init(&io->sets[i].overload_open);
    }
    io->sets[IO_MTA].max = limits->sessions_max;
    list_init(&io->child_free);
    list_init(&io->child_lingering);
    list_init(&io->child_waiting);
    for (size_t i = 0; i < SPOOL_BUCKETS; i++)
        list_init(&io->spools[i]);
    list_init(&io->watches);
    effects_init(&io->effects);
    arena_init_inline(&io->effects.arena, io->effects_memory, sizeof(io->effects_memory));
    uv_timer_init(&io->loop, &io->tick);
    uv_timer_init(&io->loop, &io->limit);
    uv_timer_init(&io->loop, &io->dns);
    uv_timer_init(&io->loop, &io->socket_look);
    uv_timer_init(&io->loop, &io->beat);
    uv_prepare_init(&io->loop, &io->send);
    uv_prepare_start(&io->send, round_over);
    r = uv_async_init(&io->loop, &io->wake, wake_fired);
    if (r < 0) {
        io_free(io);
        errno = -r;
        return ERR_IO;
    }
    *out = io;
    return ERR_NONE;
}

bool loop_has_file(const struct io *io)
{
    return io->files < io->limits.files_max && io->files + io->sets[IO_MTA].open < io->descriptors;
}

void io_share(struct io *io, uint32_t sessions_max, uint32_t files_max)
{
    io->sets[IO_MTA].max = sessions_max;
    io->limits.files_max = files_max;
}

static void beat_fired(uv_timer_t *timer)
{
    struct io *io = timer->loop->data;
    io->hooks.beat(io->hooks.ctx);
}

void io_beat(struct io *io, int64_t every_ms)
{
    uv_timer_stop(&io->beat);
    if (every_ms > 0)
        uv_timer_start(&io->beat, beat_fired, 0, (uint64_t)every_ms);
}

void io_run(struct io *io)
{
    uv_run(&io->loop, UV_RUN_DEFAULT);
}

static void limit_fired(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void drain_over(struct io *io)
{
    io->draining = false;
    uv_update_time(&io->loop);
    uv_timer_start(&io->limit, limit_fired, (uint64_t)io->stop_limit_ms, 0);
    io_feed(io, &(struct event){.kind = EVENT_STOP});
}

static void drain_fired(uv_timer_t *timer)
{
    drain_over(timer->loop->data);
}

void loop_check_stopped(struct io *io)
{
    const struct conn_set *mtas = &io->sets[IO_MTA]; /* who asks over the control socket keeps nobody from stopping */
    if (io->draining && mtas->open + mtas->overload == 0)
        drain_over(io);
    if (io->stopping && io->stopped && mtas->open + mtas->overload + io->children == 0)
        uv_stop(&io->loop);
}

void io_stop(struct io *io, int64_t drain_ms, int64_t limit_ms)
{
    if (io->stopping)
        return;
    io->stopping = io->draining = true;
    io->stop_limit_ms = limit_ms;
    uv_update_time(&io->loop);
    uv_timer_start(&io->limit, drain_fired, (uint64_t)drain_ms, 0);
    listener_close_all(io);
    io_feed(io, &(struct event){.kind = EVENT_CUT});
}

static void close_any(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void io_free(struct io *io)
{
    if (!io)
        return;
    io->stopping = true;
    listener_close_all(io);
    poll_end_all(io);
    spool_close_all(io);
    uv_walk(&io->loop, close_any, NULL);
    while (uv_run(&io->loop, UV_RUN_DEFAULT) != 0)
        continue; /* a uv_stop on the way ends only one round */
    if (uv_loop_close(&io->loop) < 0)
        PANIC("a handle is left in the loop");
    while (io->signals) {
        struct io_signal *s = io->signals;
        io->signals = s->next;
        free(s);
    }
    conn_free_all(io);
    child_free_all(io);
    stream_free_batch(io);
    inherited_free(io);
    effects_fini(&io->effects);
    free(io->pending);
    free(io);
}
