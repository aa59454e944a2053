/* client.c - looks at a client, its hold, and how that ends. */
#include "client/client.h"
#include "base/mem.h"

enum {
    LOOK_EVERY_MS = 1000,
    LOOK_UNKNOWN_MAX = 5, /* in a row: then the client cannot be watched */
};

void clients_init(struct clients *all, struct siphash_key key, struct instant now)
{
    *all = (struct clients){.holds = hold_table_new(key), .now = now};
    all->last_awake = &all->awake;
    timer_wheel_init(&all->wheel, now.mono);
}

void clients_fini(struct clients *all)
{
    hold_table_free(all->holds);
}

static void wake(struct clients *all, struct client *c)
{
    if (c->is_awake)
        return;
    c->is_awake = true;
    c->next_awake = NULL;
    *all->last_awake = c;
    all->last_awake = &c->next_awake;
}

static void take_off(struct clients *all, struct client *c)
{
    struct client **at = &all->awake;
    if (!c->is_awake)
        return;
    while (*at != c)
        at = &(*at)->next_awake;
    *at = c->next_awake;
    if (!*at)
        all->last_awake = at;
    c->is_awake = false;
}

struct client *clients_next_awake(struct clients *all)
{
    struct client *c = all->awake;
    if (c)
        take_off(all, c);
    return c;
}

static struct client *client_of_hold(struct hold *h)
{
    return CONTAINER_OF(h, struct client, hold);
}

static void release_one(void *all, struct hold *h)
{
    client_release(all, client_of_hold(h));
}

void clients_release_all(struct clients *all)
{
    hold_each(all->holds, release_one, all);
}

void client_init(struct client *c, owner_id owner)
{
    *c = (struct client){.owner = owner};
    list_init(&c->hold.node);
    timer_init(&c->timer);
}

void client_fini(struct clients *all, struct client *c)
{
    hold_end(all->holds, &c->hold);
    take_off(all, c);
    timer_stop(&all->wheel, &c->timer);
}

void client_forget(struct client *c)
{
    if (client_is_held(c))
        PANIC("a held client is forgotten");
    c->ends = (struct endpoints){0};
    c->cookie = 0;
    c->watch = CLIENT_WATCH_UNTRIED;
    c->unknown_looks = 0;
    c->waited_ms = c->longest_ms = 0;
    client_rest(c);
}

/* ---- looks ---- */

static void ask(struct clients *all, struct client *c, bool alone)
{
    struct effect *e = effects_add(all->out, EFFECT_LOOK, c->owner);
    if (++c->last_request == 0)
        c->last_request = 1; /* 0 stands for "nobody waits" */
    c->look_request = c->last_request;
    e->request = c->look_request;
    e->u.look.ends = c->ends;
    e->u.look.cookie = c->cookie;
    e->u.look.alone = alone;
    c->next_look.ms = all->now.mono.ms + LOOK_EVERY_MS;
}

/* A client on this host's TCP whose connection has been named in full. */
static bool has_endpoints(const struct client *c)
{
    const struct endpoints *e = &c->ends;
    return e->remote.family != IP_NONE && e->local.family == e->remote.family && e->local_port && e->remote_port;
}

bool client_look(struct clients *all, struct client *c)
{
    client_rest(c);
    if (!has_endpoints(c)) {
        c->watch = CLIENT_WATCH_IMPOSSIBLE;
        return false;
    }
    c->task = CLIENT_FIRST_LOOK;
    ask(all, c, false);
    return true;
}

/* Connections come in bursts; their looks are spread over the second by where they sit. */
static struct mono spread(const struct clients *all, const struct client *c, int64_t ms)
{
    return (struct mono){all->now.mono.ms + ms + owner_slot(c->owner) % 5 * TIMER_TICK_MS};
}

bool client_is_watchable(const struct client *c)
{
    return c->watch == CLIENT_WATCH_POSSIBLE;
}

void client_watch(struct clients *all, struct client *c)
{
    client_rest(c);
    if (!client_is_watchable(c))
        return;
    c->task = CLIENT_WATCHED;
    c->next_look = spread(all, c, LOOK_EVERY_MS);
}

void client_mark_unwatchable(struct client *c)
{
    client_rest(c);
    c->watch = CLIENT_WATCH_IMPOSSIBLE;
}

void client_rest(struct client *c)
{
    if (client_is_held(c))
        PANIC("a held client is to rest");
    c->state = CLIENT_PRESENT;
    c->task = CLIENT_RESTS;
    c->wish = 0;
    c->with_sibling = c->is_confirming = false;
    c->look_request = 0;
    c->next_look.ms = 0;
}

/* ---- the hold ---- */

bool client_is_held(const struct client *c)
{
    return hold_is_held(&c->hold);
}

int64_t client_waited_ms(const struct clients *all, const struct client *c)
{
    return hold_waited_ms(&c->hold, all->now.mono);
}

int64_t client_left_ms(const struct clients *all, const struct client *c)
{
    int64_t left_ms = c->hold.due.ms - all->now.mono.ms;
    return left_ms > 0 ? left_ms : 0;
}

void client_hold(struct clients *all, struct client *c, int64_t duration_ms, bool holds_unwatched)
{
    struct ip client = ip_client(&c->ends.remote);
    client_rest(c);
    hold_begin(all->holds, &c->hold, &client, all->now.mono, duration_ms);
    c->state = CLIENT_HELD;
    c->task = CLIENT_WAITS;
    c->holds_unwatched = holds_unwatched;
    if (c->watch != CLIENT_WATCH_IMPOSSIBLE)
        c->next_look = spread(all, c, LOOK_EVERY_MS / 2);
}

void client_describe(const struct clients *all, const struct client *c, struct held_client *out)
{
    *out = (struct held_client){
        .owner = c->owner,
        .ends = c->ends,
        .waited_ms = client_waited_ms(all, c),
        .left_ms = client_left_ms(all, c),
    };
}

static uint32_t bounded(int64_t ms)
{
    return ms > CLIENT_WAIT_MAX_MS ? CLIENT_WAIT_MAX_MS : (uint32_t)ms;
}

/* What was waited stays with the connection. Who is released with a sibling has waited: what is left was the other's to serve. */
static void note_waited(struct clients *all, struct client *c)
{
    int64_t waited_ms = client_waited_ms(all, c), hold_ms = c->hold.due.ms - c->hold.started.ms;
    if (c->state == CLIENT_SERVED && c->with_sibling && waited_ms < hold_ms)
        waited_ms = hold_ms;
    c->waited_ms = bounded(c->waited_ms + waited_ms);
    if (waited_ms > c->longest_ms)
        c->longest_ms = bounded(waited_ms);
}

void client_end_hold(struct clients *all, struct client *c, enum client_state how)
{
    if (!client_is_held(c))
        return;
    c->state = (uint8_t)how;
    if (how == CLIENT_SERVED || how == CLIENT_RELEASED)
        note_waited(all, c);
    hold_end(all->holds, &c->hold);
    c->task = CLIENT_RESTS;
    c->wish = 0;
    c->is_confirming = false;
    c->look_request = 0;
    c->next_look.ms = 0;
}

/* It has shown its patience: its other connections need not wait longer, each after a last look of its own. */
static void served(struct clients *all, struct client *c)
{
    struct ip client = ip_client(&c->ends.remote);
    client_end_hold(all, c, CLIENT_SERVED);
    for (struct hold *h = hold_first(all->holds, &client); h; h = hold_next(h)) {
        struct client *other = client_of_hold(h);
        if (other->task != CLIENT_WAITS || other->with_sibling)
            continue;
        other->with_sibling = true;
        wake(all, other);
    }
}

static void last_look(struct clients *all, struct client *c)
{
    c->task = CLIENT_LAST_LOOK;
    c->is_confirming = false;
    if (c->watch == CLIENT_WATCH_IMPOSSIBLE)
        served(all, c); /* nothing can be known but that the owner still waits */
    else
        ask(all, c, true);
}

static void wish(struct clients *all, struct client *c, enum client_state how)
{
    if (!client_is_held(c))
        return;
    c->wish = (uint8_t)how;
    wake(all, c);
}

void client_release(struct clients *all, struct client *c)
{
    wish(all, c, CLIENT_RELEASED);
}

void client_drop(struct clients *all, struct client *c)
{
    wish(all, c, CLIENT_DROPPED);
}

/* ---- what comes ---- */

static void cannot_be_watched(struct clients *all, struct client *c)
{
    c->watch = CLIENT_WATCH_IMPOSSIBLE;
    c->look_request = 0;
    c->next_look.ms = 0;
    if (!client_is_held(c))
        c->task = CLIENT_RESTS;
    else if (!c->holds_unwatched)
        client_end_hold(all, c, CLIENT_UNWATCHABLE);
    else if (c->task == CLIENT_LAST_LOOK)
        served(all, c);
}

static void is_gone(struct clients *all, struct client *c)
{
    if (client_is_held(c)) {
        client_end_hold(all, c, CLIENT_GONE);
        return;
    }
    client_rest(c);
    c->state = CLIENT_GONE;
}

static void is_alive(struct clients *all, struct client *c, uint64_t cookie)
{
    c->unknown_looks = 0;
    c->watch = CLIENT_WATCH_POSSIBLE;
    c->cookie = cookie;
    if (c->task == CLIENT_LAST_LOOK)
        served(all, c);
}

static void is_unknown(struct clients *all, struct client *c)
{
    if (++c->unknown_looks >= LOOK_UNKNOWN_MAX)
        cannot_be_watched(all, c);
}

/* Gone, says a look among many: looked at alone before anybody is turned away. */
static void confirm(struct clients *all, struct client *c)
{
    c->is_confirming = true;
    ask(all, c, true);
}

/* Before it was ever seen, to be absent says nothing: it may be on another host, or in another network namespace. */
static void first_looked(struct clients *all, struct client *c, enum look_result result, uint64_t cookie)
{
    bool confirmed = c->is_confirming && (result == LOOK_ABSENT || result == LOOK_LISTEN);
    if (result == LOOK_GONE && !c->is_confirming) {
        c->cookie = cookie;
        confirm(all, c);
        return;
    }
    if (result == LOOK_GONE || confirmed) {
        is_gone(all, c);
        return;
    }
    client_rest(c);
    if (result == LOOK_ALIVE) {
        c->watch = CLIENT_WATCH_POSSIBLE;
        c->cookie = cookie;
    } else if (result == LOOK_UNKNOWN) {
        c->watch = CLIENT_WATCH_POSSIBLE; /* so far as is known */
        c->unknown_looks = 1;
    } else {
        c->watch = CLIENT_WATCH_IMPOSSIBLE;
    }
}

static void looked(struct clients *all, struct client *c, enum look_result result, uint64_t cookie)
{
    bool is_second = c->is_confirming || c->task == CLIENT_LAST_LOOK;
    c->is_confirming = false;
    c->next_look.ms = all->now.mono.ms + LOOK_EVERY_MS;
    if (result == LOOK_UNKNOWN) {
        is_unknown(all, c);
        return;
    }
    if (result == LOOK_ALIVE) {
        is_alive(all, c, cookie);
        return;
    }
    c->unknown_looks = 0;
    if (result != LOOK_GONE && c->cookie == 0)
        cannot_be_watched(all, c);
    else if (is_second)
        is_gone(all, c);
    else
        confirm(all, c);
}

bool client_looked(struct clients *all, struct client *c, uint32_t request, enum look_result result, uint64_t cookie)
{
    if (request == 0 || request != c->look_request)
        return false;
    c->look_request = 0;
    if (c->task == CLIENT_FIRST_LOOK)
        first_looked(all, c, result, cookie);
    else
        looked(all, c, result, cookie);
    return true;
}

/* It is time for the next look; the one before may not have been answered. */
static void look_again(struct clients *all, struct client *c)
{
    enum client_task task = (enum client_task)c->task;
    if (c->look_request != 0) {
        c->look_request = 0;
        if (task == CLIENT_FIRST_LOOK)
            first_looked(all, c, LOOK_UNKNOWN, 0);
        else
            looked(all, c, LOOK_UNKNOWN, 0);
        if (c->task != task || c->watch == CLIENT_WATCH_IMPOSSIBLE)
            return;
    }
    ask(all, c, task == CLIENT_LAST_LOOK);
}

void client_run(struct clients *all, struct client *c)
{
    int64_t now_ms = all->now.mono.ms;
    if (c->wish != 0) {
        client_end_hold(all, c, (enum client_state)c->wish);
        return;
    }
    if (c->task == CLIENT_WAITS && (c->with_sibling || now_ms >= c->hold.due.ms)) {
        last_look(all, c);
        return;
    }
    if (c->next_look.ms != 0 && now_ms >= c->next_look.ms)
        look_again(all, c);
}

int64_t client_next_ms(const struct client *c)
{
    int64_t due_ms = c->task == CLIENT_WAITS ? c->hold.due.ms : 0;
    if (due_ms == 0 || (c->next_look.ms != 0 && c->next_look.ms < due_ms))
        return c->next_look.ms;
    return due_ms;
}
