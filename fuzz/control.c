/*
 * control.c - the control socket's server over any bytes, cut anywhere, with readers that are slow: nothing is sent to one who has not
 * read, each request ends exactly once. And the client's side over the same bytes, as a daemon's answer.
 */
#include "base/mem.h"
#include "ctl/server.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CONNECTIONS = 3 };

struct world {
    struct ctl_server *server;
    struct effects out;
    bool turn_wanted;
    unsigned running, calls;
    bool draining[CONNECTIONS], open[CONNECTIONS];
};

/* Every command writes back what it was told, a word a slice, and waits in between. */
static enum ctl_progress produce(struct ctl_request *r)
{
    struct world *w = r->ctx;
    if (!r->state)
        w->running++;
    size_t done = (size_t)(uintptr_t)r->state;
    r->state = (void *)(uintptr_t)(done + 1);
    if (done % 3 == 1)
        return CTL_WAIT;
    ctl_put_row(r->out, r->n_words ? r->words : (struct slice[]){SLICE_LIT(".")}, r->n_words ? r->n_words : 1);
    if (done > 4)
        return r->n_words % 2 ? ctl_refuse(r, "%s", r->command->name) : CTL_DONE;
    return CTL_MORE;
}

static void end(struct ctl_request *r)
{
    struct world *w = r->ctx;
    if (!r->state || w->running == 0)
        abort();
    w->running--;
}

static void soon(void *ctx)
{
    ((struct world *)ctx)->turn_wanted = true;
}

static void carry_out(struct world *w)
{
    for (size_t i = 0; i < w->out.count; i++) {
        const struct effect *e = &w->out.items[i];
        uint32_t slot = owner_slot(e->owner);
        if (e->kind == EFFECT_LOG)
            continue;
        if (slot >= CONNECTIONS || !w->open[slot])
            abort();
        if (e->kind == EFFECT_SEND && e->u.bytes.len > CTL_SLICE_BYTES)
            abort();
        if (e->kind == EFFECT_DRAIN)
            w->draining[slot] = true;
        if (e->kind == EFFECT_CLOSE)
            w->open[slot] = w->draining[slot] = false;
    }
    effects_clear(&w->out);
}

static void give(struct world *w, const struct event *event)
{
    ctl_server_step(w->server, event, &w->out);
    carry_out(w);
}

static void act(struct world *w, uint8_t what, struct slice bytes, int64_t *now_ms)
{
    uint32_t slot = what % CONNECTIONS;
    struct event e = {.owner = owner_make(OWNER_CONTROL, slot, 1), .now = {.mono = {*now_ms}}};
    if (!w->open[slot]) {
        e.kind = EVENT_OPEN;
        w->open[slot] = true;
        struct ctl_peer peer = {.right = (enum ctl_right)(what / CONNECTIONS % 4)};
        ctl_server_open(w->server, &e, &peer, &w->out);
        carry_out(w);
        if (!w->open[slot])
            return;
    }
    e.kind = EVENT_BYTES;
    e.u.bytes = bytes;
    give(w, &e);
    e.u.bytes = SLICE_NONE;
    if (what & 0x20 && w->draining[slot]) {
        w->draining[slot] = false;
        e.kind = EVENT_DRAINED;
        give(w, &e);
    }
    if (what & 0x40)
        ctl_server_wake(w->server, e.owner);
    if (what & 0x80) {
        *now_ms += 20000;
        e.kind = EVENT_TICK;
        e.now.mono.ms = *now_ms;
        give(w, &e);
    }
    if (what == 0x1f) {
        e.kind = EVENT_EOF;
        give(w, &e);
    }
    for (int i = 0; w->turn_wanted && i < 4; i++) {
        w->turn_wanted = false;
        e.kind = EVENT_TURN;
        give(w, &e);
    }
}

static void serve(const uint8_t *data, size_t size)
{
    struct world w = {0};
    struct ctl_handler handlers[CTL_COMMANDS];
    for (size_t i = 0; i < CTL_COMMANDS; i++)
        handlers[i] = (struct ctl_handler){produce, end};
    effects_init(&w.out);
    w.server = ctl_server_new(&(struct ctl_server_hooks){.ctx = &w, .handlers = handlers, .soon = soon});
    int64_t now_ms = 1;
    while (size > 1) {
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        act(&w, data[0], slice_of(data + 2, n), &now_ms);
        data += 2 + n;
        size -= 2 + n;
    }
    ctl_server_free(w.server);
    if (w.running != 0)
        abort();
    effects_fini(&w.out);
}

/* What was read is what would be written for it. */
static void read_answer(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size + 1);
    memcpy(copy, data, size);
    for (size_t at = 0; at < size;) {
        const char *end_of_line = memchr(copy + at, '\n', size - at);
        size_t n = end_of_line ? (size_t)(end_of_line - copy) - at : size - at;
        struct ctl_line line, again;
        if (ctl_line_parse(copy + at, n, &line) == ERR_NONE && line.kind == CTL_LINE_ROW) {
            struct buf out = {0};
            ctl_put_row(&out, line.fields, line.count);
            if (ctl_line_parse(out.ptr, out.len - 1, &again) != ERR_NONE || again.kind != CTL_LINE_ROW ||
                again.count != line.count)
                abort();
            for (size_t i = 0; i < line.count; i++)
                if (!slice_eq(line.fields[i], again.fields[i]))
                    abort();
            buf_fini(&out);
        }
        at += n + 1;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    serve(data, size);
    read_answer(data, size);
    return 0;
}
