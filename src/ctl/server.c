/* server.c - connections, one request at a time each, a slice of one request a turn. */
#include "ctl/server.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

struct connection {
    struct list node;  /* of the server */
    struct list ready; /* in no list: it cannot go on now */
    owner_id owner;
    struct ctl_peer peer;
    struct mono active; /* when it has last asked or read something */
    struct buf in;      /* what was not handled yet */
    bool eof;           /* it asks nothing more; what it has asked is answered */
    bool draining;      /* EVENT_DRAINED is awaited */
    bool has_request;
    bool blocked; /* the request waits for ctl_server_wake */
    struct ctl_request request;
    struct ctl_words words;
    const struct ctl_command *many; /* a command that takes as many words as fit, asked again and again; NULL: none yet */
    uint64_t many_words;
};

struct ctl_server {
    struct ctl_server_hooks hooks;
    struct list connections, ready;
    struct buf rows;
};

static void request_end(struct ctl_server *s, struct connection *c)
{
    if (!c->has_request)
        return;
    const struct ctl_handler *handler = &s->hooks.handlers[c->request.command->id];
    if (handler->end)
        handler->end(&c->request);
    buf_fini(&c->request.why);
    c->has_request = c->blocked = false;
}

static void connection_free(struct ctl_server *s, struct connection *c)
{
    request_end(s, c);
    list_remove(&c->node);
    list_remove(&c->ready);
    buf_fini(&c->in);
    free(c);
}

/* A request is said as it was asked; thousands of them that belong together are one line, at the end. */
static void log_many(const struct connection *c, struct effects *out)
{
    if (c->many)
        effects_log(out, OWNER_NOBODY, LOG_LEVEL_NOTICE, "control: uid %u, process %d: %s, %llu items", c->peer.uid,
                    c->peer.pid, c->many->name, (unsigned long long)c->many_words);
}

static void connection_close(struct ctl_server *s, struct connection *c, struct effects *out)
{
    log_many(c, out);
    effects_add(out, EFFECT_CLOSE, c->owner);
    connection_free(s, c);
}

struct ctl_server *ctl_server_new(const struct ctl_server_hooks *hooks)
{
    struct ctl_server *s = mem_zalloc(sizeof(*s));
    s->hooks = *hooks;
    list_init(&s->connections);
    list_init(&s->ready);
    return s;
}

void ctl_server_free(struct ctl_server *s)
{
    if (!s)
        return;
    while (!list_is_empty(&s->connections))
        connection_free(s, CONTAINER_OF(s->connections.next, struct connection, node));
    buf_fini(&s->rows);
    free(s);
}

static struct connection *find(const struct ctl_server *s, owner_id owner)
{
    for (struct list *at = s->connections.next; at != &s->connections; at = at->next) {
        struct connection *c = CONTAINER_OF(at, struct connection, node);
        if (c->owner == owner)
            return c;
    }
    return NULL;
}

/* ---- who may go on ---- */

static bool has_line(const struct connection *c)
{
    return slice_find(buf_slice(&c->in), '\n') < c->in.len;
}

static bool can_go_on(const struct connection *c)
{
    return !c->draining && (c->has_request ? !c->blocked : has_line(c));
}

static void check_ready(struct ctl_server *s, struct connection *c)
{
    if (!can_go_on(c) || !list_is_empty(&c->ready))
        return;
    bool is_first = list_is_empty(&s->ready);
    list_push_back(&s->ready, &c->ready);
    if (is_first)
        s->hooks.soon(s->hooks.ctx);
}

/* Everything that it has asked is answered and out. */
static bool is_over(const struct connection *c)
{
    return c->eof && !c->draining && !c->has_request && !has_line(c);
}

/* ---- requests ---- */

static void send_rows(struct ctl_server *s, struct connection *c, struct effects *out)
{
    if (s->rows.len == 0)
        return;
    effects_send(out, c->owner, buf_slice(&s->rows));
    effects_add(out, EFFECT_DRAIN, c->owner);
    c->draining = true;
    buf_clear(&s->rows);
}

static void answer_error(struct ctl_server *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void answer_error(struct ctl_server *s, const char *code, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    ctl_put_error(&s->rows, code, buf_slice(&text));
    buf_fini(&text);
}

/* What changes something is told in the log: by whom, and as it was asked. */
static void log_change(struct connection *c, struct slice line, struct effects *out)
{
    if (c->request.command->most == CTL_WORDS_MAX - 1) {
        c->many = c->request.command;
        c->many_words += c->request.n_words;
        return;
    }
    struct buf text = {0};
    for (size_t i = 0; i < line.len; i++)
        buf_put_byte(&text, line.ptr[i] == '\t' ? ' ' : line.ptr[i]);
    effects_log(out, OWNER_NOBODY, LOG_LEVEL_NOTICE, "control: uid %u, process %d: %s", c->peer.uid, c->peer.pid,
                buf_cstr(&text));
    buf_fini(&text);
}

/* The request begins, or is answered with an error at once. */
static void request_begin(struct ctl_server *s, struct connection *c, struct slice line, struct effects *out)
{
    enum err e = ctl_request_parse(line, &c->words);
    size_t used = 0;
    const struct ctl_command *command = e == ERR_NONE ? ctl_command_find(c->words.word, c->words.count, &used) : NULL;
    size_t n = c->words.count - used;
    if (e != ERR_NONE) {
        answer_error(s, CTL_CODE_USAGE, "the request cannot be read: %s",
                     e == ERR_LIMIT ? "it is too long" : "a control byte, or a \\ that begins no \\xHH");
    } else if (!command || command->right == CTL_LOCAL || !s->hooks.handlers[command->id].produce) {
        answer_error(s, CTL_CODE_USAGE, "there is no such request");
    } else if (command->right > c->peer.right) {
        answer_error(s, CTL_CODE_DENIED, "uid %u may not use %s: it is of the class %s", c->peer.uid, command->name,
                     ctl_right_name(command->right));
    } else if (n < command->least || n > command->most) {
        answer_error(s, CTL_CODE_USAGE, "%s takes %u to %u words, not %zu", command->name, command->least, command->most, n);
    } else {
        c->request = (struct ctl_request){.command = command,
                                          .words = c->words.word + used,
                                          .n_words = n,
                                          .peer = c->peer,
                                          .owner = c->owner,
                                          .ctx = s->hooks.ctx};
        c->has_request = true;
        if (command->right == CTL_CHANGE)
            log_change(c, line, out);
    }
}

static void request_go_on(struct ctl_server *s, struct connection *c, struct instant now)
{
    struct ctl_request *r = &c->request;
    r->now = now;
    r->out = &s->rows;
    c->blocked = true; /* it may be woken before it returns */
    enum ctl_progress progress = s->hooks.handlers[r->command->id].produce(r);
    c->blocked = c->blocked && progress == CTL_WAIT;
    switch (progress) {
    case CTL_DONE:
        ctl_put_end(&s->rows);
        request_end(s, c);
        break;
    case CTL_REFUSED:
        ctl_put_error(&s->rows, CTL_CODE_REFUSED, buf_slice(&r->why));
        request_end(s, c);
        break;
    case CTL_WAIT:
    case CTL_MORE:
        break;
    }
}

/* One slice of whoever has waited longest. */
static void turn(struct ctl_server *s, const struct event *event, struct effects *out)
{
    if (list_is_empty(&s->ready))
        return;
    struct connection *c = CONTAINER_OF(s->ready.next, struct connection, ready);
    list_remove(&c->ready);
    c->active = event->now.mono;
    if (!c->has_request) {
        struct slice line = slice_upto(buf_slice(&c->in), slice_find(buf_slice(&c->in), '\n'));
        request_begin(s, c, line, out);
        buf_drop(&c->in, line.len + 1);
    }
    if (c->has_request)
        request_go_on(s, c, event->now);
    send_rows(s, c, out);
    if (is_over(c))
        connection_close(s, c, out);
    else
        check_ready(s, c);
    if (!list_is_empty(&s->ready))
        s->hooks.soon(s->hooks.ctx);
}

/* ---- events ---- */

void ctl_server_open(struct ctl_server *s, const struct event *open, const struct ctl_peer *peer, struct effects *out)
{
    if (peer->right == CTL_LOCAL) {
        answer_error(s, CTL_CODE_DENIED,
                     "uid %u may ask nothing here; root may, and groups: `control read` in tarsier.conf(5)", peer->uid);
        effects_send(out, open->owner, buf_slice(&s->rows));
        effects_add(out, EFFECT_CLOSE, open->owner);
        buf_clear(&s->rows);
        return;
    }
    struct connection *c = mem_zalloc(sizeof(*c));
    list_init(&c->ready);
    list_push_back(&s->connections, &c->node);
    c->owner = open->owner;
    c->peer = *peer;
    c->active = open->now.mono;
}

/* More than may wait, or a line that has no end. */
static bool is_too_much(const struct connection *c)
{
    return c->in.len > CTL_AHEAD_MAX_BYTES ||
           (!c->has_request && slice_find(buf_slice(&c->in), '\n') >= CTL_REQUEST_MAX_BYTES &&
            c->in.len >= CTL_REQUEST_MAX_BYTES);
}

static void take_bytes(struct ctl_server *s, struct connection *c, struct slice bytes, struct effects *out)
{
    buf_put_slice(&c->in, bytes);
    if (is_too_much(c)) {
        answer_error(s, CTL_CODE_USAGE, "a request has at most %d bytes, and %d may be sent ahead", CTL_REQUEST_MAX_BYTES,
                     CTL_AHEAD_MAX_BYTES);
        effects_send(out, c->owner, buf_slice(&s->rows));
        buf_clear(&s->rows);
        connection_close(s, c, out);
        return;
    }
    check_ready(s, c);
}

static void tick(struct ctl_server *s, struct mono now, struct effects *out)
{
    for (struct list *at = s->connections.next, *next; at != &s->connections; at = next) {
        struct connection *c = CONTAINER_OF(at, struct connection, node);
        next = at->next;
        if (!c->blocked && now.ms - c->active.ms >= CTL_IDLE_MS)
            connection_close(s, c, out);
    }
}

void ctl_server_step(struct ctl_server *s, const struct event *event, struct effects *out)
{
    if (event->kind == EVENT_TICK) {
        tick(s, event->now.mono, out);
        return;
    }
    if (event->kind == EVENT_TURN) {
        turn(s, event, out);
        return;
    }
    struct connection *c = find(s, event->owner);
    if (!c)
        return;
    switch (event->kind) {
    case EVENT_BYTES:
        c->active = event->now.mono;
        take_bytes(s, c, event->u.bytes, out);
        return;
    case EVENT_EOF:
        c->eof = true;
        break;
    case EVENT_DRAINED:
        c->active = event->now.mono;
        c->draining = false;
        check_ready(s, c);
        break;
    default:
        break;
    }
    if (is_over(c))
        connection_close(s, c, out);
}

bool ctl_server_wants_ticks(const struct ctl_server *s)
{
    return !list_is_empty(&s->connections);
}

static void wake(struct ctl_server *s, struct connection *c)
{
    c->blocked = false;
    check_ready(s, c);
}

void ctl_server_wake(struct ctl_server *s, owner_id owner)
{
    struct connection *c = find(s, owner);
    if (c && c->has_request)
        wake(s, c);
}

void ctl_server_wake_all(struct ctl_server *s, enum ctl_id id)
{
    for (struct list *at = s->connections.next; at != &s->connections; at = at->next) {
        struct connection *c = CONTAINER_OF(at, struct connection, node);
        if (c->has_request && c->request.command->id == id)
            wake(s, c);
    }
}

enum ctl_progress ctl_refuse(struct ctl_request *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_clear(&r->why);
    buf_vprintf(&r->why, fmt, ap);
    va_end(ap);
    return CTL_REFUSED;
}
