/*
 * child.c - the connections to scripted children: what the engine sends is cut, checked and noted; what is on its way back is
 * handed over when its time has come, cut by the seed.
 */
#include "child.h"

#include "base/mem.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GAVE_UP_MS = 1000 };

/* ---- who is who ---- */

struct child *child_find(struct world *w, struct slice name)
{
    for (size_t i = 0; i < w->children.n; i++)
        if (slice_eq_cstr(name, w->children.items[i]->name))
            return w->children.items[i];
    return NULL;
}

static struct child *who_listens(struct world *w, const struct effect *e)
{
    if (e->u.child.path)
        return child_find(w, slice_cstr(e->u.child.path + (e->u.child.path[0] == '/')));
    for (size_t i = 0; i < w->children.n; i++) {
        struct child *ch = w->children.items[i];
        if (ch->port && ch->port == e->u.child.port && ip_eq(&ch->address, &e->u.child.address))
            return ch;
    }
    return NULL;
}

static struct child_conn *open_conn(struct world *w, child_id id)
{
    for (size_t i = w->children.n_conns; i-- > 0;) {
        struct child_conn *cc = w->children.conns[i];
        if (cc->id == id && cc->state != CHILD_CONN_CLOSED)
            return cc;
    }
    return NULL;
}

static const char *name_of(struct world *w, const struct child_conn *cc)
{
    return cc->child ? arena_printf(&w->arena, "%s#%u", cc->child->name, cc->number) : "(nobody)";
}

static void note_seen(struct child_conn *cc, const char *word)
{
    struct child *ch = cc->child;
    ch->seen = mem_grow(ch->seen, &ch->cap_seen, ch->n_seen + 1, sizeof(*ch->seen));
    ch->seen[ch->n_seen++] = (struct child_seen){word, cc->number, false};
}

/* ---- what it is sent ---- */

static const struct {
    uint8_t cmd, rank;
    uint32_t off, no_reply;
    uint32_t version; /* from this one on */
} commands[] = {
    {SMFIC_CONNECT, 0, SMFIP_NOCONNECT, SMFIP_NR_CONN, 2},
    {SMFIC_HELO, 0, SMFIP_NOHELO, SMFIP_NR_HELO, 2},
    {SMFIC_MAIL, 1, SMFIP_NOMAIL, SMFIP_NR_MAIL, 2},
    {SMFIC_RCPT, 2, SMFIP_NORCPT, SMFIP_NR_RCPT, 2},
    {SMFIC_DATA, 3, SMFIP_NODATA, SMFIP_NR_DATA, 4},
    {SMFIC_HEADER, 4, SMFIP_NOHDRS, SMFIP_NR_HDR, 2},
    {SMFIC_EOH, 5, SMFIP_NOEOH, SMFIP_NR_EOH, 2},
    {SMFIC_BODY, 6, SMFIP_NOBODY, SMFIP_NR_BODY, 2},
    {SMFIC_BODYEOB, 7, 0, 0, 2},
    {SMFIC_UNKNOWN, 0, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, 3},
};

static void begin_message(struct child_conn *cc)
{
    memset(cc->counts, 0, sizeof(cc->counts));
    cc->messages++;
    cc->message_over = cc->skips_body = cc->accepted_message = cc->passed_eom = false;
    struct arena *arena = cc->shown.arena;
    message_fini(&cc->shown);
    message_init(&cc->shown, arena);
}

/* Of the message's commands, those that must have come before this one have. */
static bool is_complete_before(const struct child_conn *cc, uint8_t rank)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        uint8_t cmd = commands[i].cmd;
        bool must = cmd == SMFIC_MAIL || cmd == SMFIC_RCPT || cmd == SMFIC_DATA || cmd == SMFIC_EOH;
        if (must && commands[i].rank < rank && !(cc->chosen.steps & commands[i].off) &&
            cc->chosen.version >= commands[i].version && cc->counts[cmd] == 0)
            return false;
    }
    return true;
}

static void check_order(struct world *w, struct child_conn *cc, size_t row)
{
    uint8_t cmd = commands[row].cmd, rank = commands[row].rank;
    const char *name = milter_command_name(cmd), *who = name_of(w, cc);
    if (cc->owed)
        world_fail(w, "%s is sent %s while it owes the answer to %s", who, name, milter_command_name(cc->owed));
    if ((cc->chosen.steps & commands[row].off) || cc->chosen.version < commands[row].version)
        world_fail(w, "%s is sent %s, which it has negotiated away", who, name);
    if (cc->session_over)
        world_fail(w, "%s is sent %s when it is done with the connection", who, name);
    if (cmd == SMFIC_CONNECT ? cc->counts[cmd] > 0 : !cc->host && !(cc->chosen.steps & SMFIP_NOCONNECT))
        world_fail(w, "%s is sent %s: CONNECT must come once, and first", who, name);
    if (rank == 0)
        return;
    if (rank == 1 && (cc->message_over || cc->rank == 0))
        cc->rank = 0;
    if (cc->rank == 0)
        begin_message(cc);
    if (cc->message_over || (cc->skips_body && cmd == SMFIC_BODY))
        world_fail(w, "%s is sent %s when it is done with the message", who, name);
    bool again = cmd == SMFIC_RCPT || cmd == SMFIC_HEADER || cmd == SMFIC_BODY;
    if (rank < cc->rank || (rank == cc->rank && !again) || !is_complete_before(cc, rank))
        world_fail(w, "%s is sent %s out of turn", who, name);
    cc->rank = rank;
}

static struct slice shown_value(const struct child_conn *cc, struct world *w, struct slice value)
{
    if (cc->chosen.steps & SMFIP_HDR_LEADSPC)
        return value;
    return slice_cstr(arena_printf(&w->arena, " %.*s", SLICE_ARG(value)));
}

static void note_content(struct world *w, struct child_conn *cc, const struct milter_command *m)
{
    switch (m->cmd) {
    case SMFIC_CONNECT:
        cc->host = arena_cstr(&w->arena, m->u.connect.host);
        break;
    case SMFIC_HELO:
        cc->helo = arena_cstr(&w->arena, m->u.helo);
        break;
    case SMFIC_MAIL:
        cc->shown.sender = arena_cstr(&w->arena, m->u.envelope.address);
        break;
    case SMFIC_RCPT:
        message_add_recipient(&cc->shown, m->u.envelope.address);
        break;
    case SMFIC_HEADER:
        message_add_header(&cc->shown, m->u.header.name, shown_value(cc, w, m->u.header.value));
        break;
    case SMFIC_BODY:
    case SMFIC_BODYEOB:
        buf_put_slice(&cc->shown.body, m->u.body);
        break;
    default:
        break;
    }
}

static void on_command(struct world *w, struct child_conn *cc, const struct milter_command *m)
{
    size_t row = 0;
    while (row < COUNT_OF(commands) && commands[row].cmd != m->cmd)
        row++;
    if (row == COUNT_OF(commands)) {
        world_fail(w, "%s is sent %s", name_of(w, cc), milter_command_name(m->cmd));
        return;
    }
    note_seen(cc, child_word_of(m->cmd));
    check_order(w, cc, row);
    cc->counts[m->cmd]++;
    cc->macros[m->cmd] = cc->pending_for == m->cmd ? cc->pending_macros : SLICE_NONE;
    cc->pending_for = 0;
    note_content(w, cc, m);
    if (!(cc->chosen.steps & commands[row].no_reply)) {
        cc->owed = m->cmd;
        cc->asked++;
        cc->asked_ms = w->now_ms;
    } else if (m->cmd == SMFIC_BODYEOB) {
        cc->rank = 0;
    }
    const struct child_rule *rule = child_rule_for(cc, m);
    child_run_steps(w, cc, m->cmd, rule ? rule->steps : NULL, rule ? rule->n_steps : 0);
}

static void on_negotiation(struct world *w, struct child_conn *cc, struct slice body)
{
    if (cc->negotiated)
        world_fail(w, "%s: a second negotiation", name_of(w, cc));
    cc->negotiated = true;
    if (milter_parse_options(body, &cc->offered) != ERR_NONE) {
        world_fail(w, "%s: a negotiation that cannot be read", name_of(w, cc));
        return;
    }
    cc->owed = SMFIC_OPTNEG;
    cc->asked++;
    cc->asked_ms = w->now_ms;
    struct milter_command m = {.cmd = SMFIC_OPTNEG};
    const struct child_rule *rule = child_rule_for(cc, &m);
    child_run_steps(w, cc, SMFIC_OPTNEG, rule ? rule->steps : NULL, rule ? rule->n_steps : 0);
}

static void on_packet(struct world *w, struct child_conn *cc, const struct wire_packet *p)
{
    if (cc->got_quit)
        world_fail(w, "%s is sent something behind QUIT", name_of(w, cc));
    if (p->cmd == SMFIC_OPTNEG) {
        on_negotiation(w, cc, p->body);
        return;
    }
    struct milter_command m;
    if (!cc->negotiated || milter_parse_command(p, &m) != ERR_NONE) {
        world_fail(w, "%s is sent what no child can read (%c)", name_of(w, cc), p->cmd);
        return;
    }
    if (m.cmd != SMFIC_MACRO)
        world_tell(w, "%s << %s", name_of(w, cc), milter_command_name(m.cmd));
    switch (m.cmd) {
    case SMFIC_MACRO:
        cc->pending_for = m.u.macro.for_cmd;
        cc->pending_macros = arena_slice(&w->arena, m.u.macro.pairs);
        break;
    case SMFIC_ABORT:
        note_seen(cc, "abort");
        cc->owed = cc->rank = 0;
        cc->message_over = false;
        break;
    case SMFIC_QUIT:
        note_seen(cc, "quit");
        cc->got_quit = true;
        cc->owed = 0;
        break;
    default:
        on_command(w, cc, &m);
        break;
    }
}

static void on_bytes(struct world *w, struct child_conn *cc, struct slice bytes)
{
    if (cc->state != CHILD_CONN_OPEN) {
        world_fail(w, "%s is sent something while it is not connected", name_of(w, cc));
        return;
    }
    buf_put_slice(&cc->in, bytes);
    struct slice rest = buf_slice(&cc->in);
    struct wire_packet p;
    enum wire_result r;
    while ((r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK && !w->failed)
        on_packet(w, cc, &p);
    if (r == WIRE_BAD)
        world_fail(w, "%s is sent a frame that is none", name_of(w, cc));
    buf_drop(&cc->in, cc->in.len - rest.len);
}

/* ---- effects ---- */

static void open_one(struct world *w, const struct effect *e)
{
    for (size_t i = 0; i < w->children.n_conns; i++)
        if (w->children.conns[i]->id == e->u.child.id || e->u.child.id == 0)
            world_fail(w, "a child's connection is given a name that is none, or was used before");
    struct child_conn *cc = arena_zalloc(&w->arena, sizeof(*cc));
    cc->id = e->u.child.id;
    cc->session = e->owner;
    cc->child = who_listens(w, e);
    message_init(&cc->shown, &w->arena);
    w->children.conns =
        mem_grow(w->children.conns, &w->children.cap_conns, w->children.n_conns + 1, sizeof(struct child_conn *));
    w->children.conns[w->children.n_conns++] = cc;
    struct child *ch = cc->child;
    enum child_door door = ch ? ch->door : e->u.child.path ? CHILD_MISSING : CHILD_REFUSES;
    if (ch)
        cc->number = ++ch->n_connections;
    world_tell(w, "%s << (connects to %s)", name_of(w, cc), e->u.child.path ? e->u.child.path : "an address");
    int64_t soon = w->now_ms + world_random(w, 3);
    if (door == CHILD_ACCEPTS)
        child_later(w, cc, soon + ch->accept_ms, CHILD_CONNECTED);
    else if (door != CHILD_DEAF)
        child_later(w, cc, soon, CHILD_LOST)->error = door == CHILD_MISSING ? ENOENT : ECONNREFUSED;
    if (door != CHILD_ACCEPTS)
        child_misbehaves(cc);
}

static void close_one(struct world *w, struct child_conn *cc)
{
    bool lost = cc->state == CHILD_CONN_LOST || cc->misbehaved || cc->session_over;
    bool unused = cc->asked <= 1; /* it was negotiated with at most: maybe it wanted too much */
    bool gave_up = cc->owed && w->now_ms - cc->asked_ms >= GAVE_UP_MS;
    if (gave_up)
        child_misbehaves(cc);
    if (!lost && !gave_up && !unused && !cc->got_quit)
        world_fail(w, "%s is closed without QUIT", name_of(w, cc));
    if (cc->was_open && !cc->got_quit)
        note_seen(cc, "closed");
    world_tell(w, "%s << (closed)", name_of(w, cc));
    cc->state = CHILD_CONN_CLOSED;
}

void child_effect(struct world *w, const struct effect *e)
{
    if (e->kind == EFFECT_CHILD_OPEN) {
        open_one(w, e);
        return;
    }
    struct child_conn *cc = open_conn(w, e->u.child.id);
    if (!cc) {
        world_fail(w, "an effect (kind %d) for a child's connection that is not open", (int)e->kind);
        return;
    }
    switch (e->kind) {
    case EFFECT_CHILD_SEND:
        on_bytes(w, cc, e->u.child.bytes);
        break;
    case EFFECT_CHILD_CLOSE:
        close_one(w, cc);
        break;
    case EFFECT_CHILD_DRAIN:
        cc->drain_asked = true;
        if (!cc->child || !cc->child->stopped)
            child_later(w, cc, w->now_ms + world_random(w, 3), CHILD_DRAINED);
        break;
    case EFFECT_CHILD_PAUSE:
        cc->paused = true;
        break;
    default: /* RESUME */
        cc->paused = false;
        if (cc->n_held)
            outside_later(w, DELIVER_CHILD_HELD, w->now_ms)->child = cc;
        break;
    }
}

void child_reads(struct world *w, struct child *ch)
{
    ch->stopped = false;
    for (size_t i = 0; i < w->children.n_conns; i++) {
        struct child_conn *cc = w->children.conns[i];
        if (cc->child == ch && cc->drain_asked && cc->state == CHILD_CONN_OPEN)
            child_later(w, cc, w->now_ms, CHILD_DRAINED);
    }
}

/* ---- deliveries ---- */

static void note_answer(struct child_conn *cc, uint8_t cmd, uint8_t code)
{
    bool early = cmd == SMFIC_CONNECT || cmd == SMFIC_HELO;
    bool refuses = code == SMFIR_REJECT || code == SMFIR_TEMPFAIL || code == SMFIR_REPLYCODE || code == SMFIR_SHUTDOWN ||
                   code == SMFIR_CONNFAIL;
    cc->accepted_session |= early && code == SMFIR_ACCEPT;
    cc->session_over |= early && code != SMFIR_CONTINUE && code != SMFIR_SKIP;
    if (early || cmd == SMFIC_UNKNOWN || cmd == SMFIC_OPTNEG)
        return;
    cc->accepted_message |= code == SMFIR_ACCEPT;
    cc->skips_body |= cmd == SMFIC_BODY && code == SMFIR_SKIP;
    if (cmd == SMFIC_BODYEOB) {
        cc->passed_eom |= code == SMFIR_CONTINUE || code == SMFIR_ACCEPT || code == SMFIR_SKIP;
        cc->rank = 0;
        return;
    }
    cc->message_over |= code == SMFIR_ACCEPT || code == SMFIR_DISCARD || (refuses && cmd != SMFIC_RCPT);
}

static void tell_bytes(struct world *w, struct child_conn *cc, const struct delivery *d)
{
    if (d->code && d->ask && d->ask == cc->asked && cc->owed == d->cmd) {
        cc->owed = 0;
        note_answer(cc, d->cmd, d->code);
    }
    struct slice bytes = d->bytes;
    unsigned how = world_random(w, 4);
    size_t piece = how == 0 ? 1 + world_random(w, 3) : how == 1 ? 1 + world_random(w, (unsigned)bytes.len) : bytes.len;
    if (bytes.len / piece > 200)
        piece = bytes.len / 200 + 1;
    while (bytes.len > 0 && cc->state == CHILD_CONN_OPEN) {
        struct event event = {.kind = EVENT_CHILD};
        event.u.child.id = cc->id;
        event.u.child.news = CHILD_BYTES;
        event.u.child.bytes = slice_upto(bytes, piece);
        world_step(w, &event);
        bytes = slice_from(bytes, piece);
    }
}

static void tell(struct world *w, struct child_conn *cc, const struct delivery *d)
{
    static const char *const words[] = {"connected", "bytes", "drained", "lost"};
    if (cc->state == CHILD_CONN_CLOSED || cc->state == CHILD_CONN_LOST)
        return;
    if (d->news == CHILD_BYTES) {
        world_tell(w, "%s >> %zu bytes (%c)", name_of(w, cc), d->bytes.len, d->bytes.len > 4 ? d->bytes.ptr[4] : '-');
        tell_bytes(w, cc, d);
        return;
    }
    world_tell(w, "%s >> (%s)", name_of(w, cc), words[d->news]);
    if (d->news == CHILD_DRAINED && !cc->drain_asked)
        return;
    if (d->news == CHILD_DRAINED)
        cc->drain_asked = false;
    if (d->news == CHILD_CONNECTED) {
        cc->state = CHILD_CONN_OPEN;
        cc->was_open = true;
    }
    if (d->news == CHILD_LOST)
        cc->state = CHILD_CONN_LOST;
    struct event event = {.kind = EVENT_CHILD};
    event.u.child.id = cc->id;
    event.u.child.news = d->news;
    event.u.child.error = d->error;
    world_step(w, &event);
}

static void tell_held(struct world *w, struct child_conn *cc)
{
    while (cc->n_held > 0 && !cc->paused) {
        struct delivery *d = cc->held[0];
        cc->n_held--;
        memmove(cc->held, cc->held + 1, cc->n_held * sizeof(struct delivery *));
        tell(w, cc, d);
        free(d);
    }
}

void child_deliver(struct world *w, struct delivery *d)
{
    struct child_conn *cc = d->child;
    bool is_read = d->news == CHILD_BYTES || d->news == CHILD_LOST;
    if (d->kind == DELIVER_CHILD_HELD) {
        tell_held(w, cc);
        free(d);
    } else if (is_read && (cc->paused || cc->n_held) && cc->state == CHILD_CONN_OPEN) {
        cc->held = mem_grow(cc->held, &cc->cap_held, cc->n_held + 1, sizeof(struct delivery *));
        cc->held[cc->n_held++] = d;
    } else {
        tell(w, cc, d);
        free(d);
    }
}

/* ---- the end, and what must be so ---- */

void children_forget(struct world *w)
{
    for (size_t i = 0; i < w->children.n_conns; i++) {
        struct child_conn *cc = w->children.conns[i];
        cc->state = CHILD_CONN_CLOSED;
        cc->id = 0;
        for (size_t k = 0; k < cc->n_held; k++)
            free(cc->held[k]);
        cc->n_held = 0;
    }
}

void children_fini(struct children *cs)
{
    for (size_t i = 0; i < cs->n_conns; i++) {
        struct child_conn *cc = cs->conns[i];
        for (size_t k = 0; k < cc->n_held; k++)
            free(cc->held[k]);
        free(cc->held);
        buf_fini(&cc->in);
        message_fini(&cc->shown);
    }
    for (size_t i = 0; i < cs->n; i++)
        free(cs->items[i]->seen);
    free(cs->conns);
    free(cs->items);
    *cs = (struct children){0};
}

void children_check_closed(struct world *w, owner_id session)
{
    for (size_t i = 0; i < w->children.n_conns; i++) {
        struct child_conn *cc = w->children.conns[i];
        if (cc->state != CHILD_CONN_CLOSED && (!session || cc->session == session))
            world_fail(w, "the connection to %s is left when its session is over", name_of(w, cc));
    }
}

void children_new_message(struct world *w, owner_id session)
{
    for (size_t i = 0; i < w->children.n_conns; i++)
        if (w->children.conns[i]->session == session)
            w->children.conns[i]->accepted_message = w->children.conns[i]->passed_eom = false;
}

static void check_filter(struct world *w, const struct conn *c, const struct conf_filter *f, bool at_eom)
{
    if (strncmp(f->connect, "unix:/", 6) != 0)
        return;
    const struct child *ch = child_find(w, slice_cstr(f->connect + 6));
    bool failed = !ch || ch->failed_ever;
    for (size_t i = 0; i < w->children.n_conns; i++) {
        const struct child_conn *cc = w->children.conns[i];
        if (!ch || cc->child != ch || cc->session != c->id)
            continue;
        if (cc->accepted_session || cc->accepted_message || (at_eom && cc->passed_eom))
            return;
        failed |= cc->owed && w->now_ms - cc->asked_ms >= GAVE_UP_MS;
    }
    if (!failed)
        world_fail(w, "%s: the mail is let in, and the filter %s has not said so", c->name, f->name);
    else if (f->set.fallback != CONF_FALLBACK_ACCEPT)
        world_fail(w, "%s: the mail is let in, and the filter %s, which has failed, is not to fall back to that", c->name,
                   f->name);
}

void children_check_accept(struct world *w, const struct conn *c, bool at_eom)
{
    const struct conf *conf = w->plan->conf;
    if (w->reloaded)
        return;
    for (size_t i = 0; i < conf->n_filters; i++) {
        const struct conf_filter *f = &conf->filters[i];
        if (f->connect && !f->when && f->set.enabled && !f->set.evaluation)
            check_filter(w, c, f, at_eom);
    }
}
