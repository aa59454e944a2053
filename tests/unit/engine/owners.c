/*
 * owners.c - a second kind of owner beside sessions: clients that are held without any milter session, as a front before smtpd
 * would hold them. It lives in this test only and shows that the engine's interface suffices for it.
 */
#include "client/client.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "grey/request.h"
#include "milter/command.h"
#include "test.h"

#include <stdlib.h>

enum { KIND = 7, DOORS = 3, HOLD_MS = 125000 };

/* A client at the door: nothing is known of it but its connection. */
struct door {
    struct client client;
    bool is_open;
    unsigned runs, events; /* since the last look at them */
};

struct rig {
    struct engine *engine;
    struct effects out;
    struct instant now;
    struct door doors[DOORS];
    uint64_t alive; /* looks that were answered so */
};

static struct ip ip(const char *text)
{
    struct ip ip;
    if (ip_parse(slice_cstr(text), &ip) != ERR_NONE)
        abort();
    return ip;
}

/* ---- the second kind ---- */

static struct door *door_of(struct rig *r, owner_id id)
{
    struct door *d = &r->doors[owner_slot(id) % DOORS];
    return d->is_open && d->client.owner == id ? d : NULL;
}

static void arm(struct clients *all, struct door *d)
{
    int64_t due_ms = client_next_ms(&d->client);
    if (due_ms == 0)
        timer_stop(&all->wheel, &d->client.timer);
    else
        timer_arm(&all->wheel, &d->client.timer, (struct mono){due_ms});
}

static void door_event(void *ctx, struct clients *all, const struct event *event)
{
    struct rig *r = ctx;
    for (uint32_t i = 0; event->kind == EVENT_STOP && i < DOORS; i++)
        if (r->doors[i].is_open)
            client_fini(all, &r->doors[i].client);
    struct door *d = door_of(ctx, event->owner);
    if (!d)
        return;
    d->events++;
    if (event->kind == EVENT_OPEN) {
        client_hold(all, &d->client, HOLD_MS, false);
        arm(all, d);
    }
    if (event->kind == EVENT_LOOK &&
        client_looked(all, &d->client, event->request, event->u.look.result, event->u.look.cookie))
        arm(all, d);
}

static void door_run(void *ctx, struct clients *all, owner_id id)
{
    struct door *d = door_of(ctx, id);
    if (!d)
        return;
    d->runs++;
    client_run(all, &d->client);
    arm(all, d);
}

static const struct owner_ops door_ops = {.event = door_event, .run = door_run};

/* ---- the outside ---- */

static void step(struct rig *r, struct event event)
{
    event.now = r->now;
    engine_step(r->engine, &event, &r->out);
}

/* Everybody who is looked at is there, and the store knows nobody. */
static void carry_out(struct rig *r)
{
    static const struct grey_answer unknown = {.state = GREY_NEW, .verdict = GREY_ACCEPT, .left_sec = -1};
    for (size_t i = 0; i < r->out.count; i++) {
        struct effect e = r->out.items[i];
        if (e.kind == EFFECT_LOOK) {
            struct event looked = {.kind = EVENT_LOOK, .owner = e.owner, .request = e.request};
            looked.u.look.cookie = 1;
            r->alive++;
            step(r, looked);
        } else if (e.kind == EFFECT_STORE && e.request != 0) {
            step(r, (struct event){.kind = EVENT_STORE, .owner = e.owner, .request = e.request, .u.answer = &unknown});
        }
    }
    effects_clear(&r->out);
}

static void pass(struct rig *r, int64_t ms)
{
    for (; ms > 0; ms -= TIMER_TICK_MS) {
        r->now.mono.ms += TIMER_TICK_MS;
        step(r, (struct event){.kind = EVENT_TICK});
        carry_out(r);
    }
}

static struct plan *plan(void)
{
    struct slice text = SLICE_LIT("racl whitelist tarpit 125s\nracl greylist default\n");
    struct conf_source source = conf_source_text(&text);
    struct diags diags;
    diags_init(&diags);
    struct plan *p = plan_build(&source, "test.conf", "mx.example.net", &diags);
    diags_fini(&diags);
    if (!p)
        abort();
    return p;
}

static void begin(struct rig *r)
{
    r->now = (struct instant){{100000}, {1700000000}};
    r->engine = engine_new(plan(), (struct siphash_key){{3}}, r->now);
    effects_init(&r->out);
    engine_add_kind(r->engine, KIND, &door_ops, r);
}

static void open_door(struct rig *r, uint32_t slot, const char *address)
{
    struct door *d = &r->doors[slot];
    client_init(&d->client, owner_make((enum owner_kind)KIND, slot, 1));
    d->client.ends = (struct endpoints){ip("192.0.2.25"), ip(address), 25, (uint16_t)(50000 + slot)};
    d->is_open = true;
    step(r, (struct event){.kind = EVENT_OPEN, .owner = d->client.owner});
    carry_out(r);
}

static void end(struct rig *r)
{
    step(r, (struct event){.kind = EVENT_STOP});
    CHECK_INT(engine_stats(r->engine).held, 0);
    CHECK(!engine_wants_ticks(r->engine));
    engine_free(r->engine);
    effects_fini(&r->out);
}

/* ---- an ordinary session beside it ---- */

static void say(struct rig *r, owner_id id, struct buf *bytes)
{
    step(r, (struct event){.kind = EVENT_BYTES, .owner = id, .u.bytes = buf_slice(bytes)});
    carry_out(r);
    buf_fini(bytes);
}

static void put_macros(struct buf *out, uint8_t cmd, struct slice pairs)
{
    struct milter_command c = {.cmd = SMFIC_MACRO};
    c.u.macro.for_cmd = cmd;
    c.u.macro.pairs = pairs;
    milter_put_command(out, &c);
}

/* A session of the same client up to its RCPT, which is held. */
static void open_session(struct rig *r, owner_id id, const char *address)
{
    struct buf out = {0};
    step(r, (struct event){.kind = EVENT_OPEN, .owner = id});
    milter_put_options(&out, &(struct milter_options){.version = 6, .actions = 0x1ff, .steps = 0x1fffff});
    put_macros(&out, SMFIC_CONNECT,
               SLICE_LIT("{daemon_addr}\0"
                         "192.0.2.25\0"
                         "{daemon_port}\0"
                         "25\0"));
    struct milter_command c = {.cmd = SMFIC_CONNECT};
    c.u.connect.host = SLICE_LIT("dhcp-12-34.isp.example");
    c.u.connect.family = MILTER_FAMILY_INET;
    c.u.connect.port = 40000;
    c.u.connect.address = slice_cstr(address);
    milter_put_command(&out, &c);
    say(r, id, &out);
    c = (struct milter_command){.cmd = SMFIC_MAIL};
    c.u.envelope.address = SLICE_LIT("<a@example.org>");
    milter_put_command(&out, &c);
    say(r, id, &out);
    c.cmd = SMFIC_RCPT;
    c.u.envelope.address = SLICE_LIT("<b@example.net>");
    milter_put_command(&out, &c);
    say(r, id, &out);
}

/* ---- cases ---- */

static void a_client_is_held_without_a_session(void)
{
    struct rig r = {0};
    begin(&r);
    open_door(&r, 0, "192.0.2.7");
    CHECK_INT(engine_stats(r.engine).held, 1);
    CHECK_INT(engine_stats(r.engine).open, 0);
    CHECK(engine_wants_ticks(r.engine));
    pass(&r, HOLD_MS - 1000);
    CHECK_INT(r.doors[0].client.state, CLIENT_HELD);
    CHECK(r.alive >= 120 && r.alive <= 125); /* a look a second has found its way back */
    pass(&r, 1200);
    CHECK_INT(r.doors[0].client.state, CLIENT_SERVED);
    CHECK_INT(r.doors[0].client.waited_ms, HOLD_MS);
    CHECK_INT(engine_stats(r.engine).held, 0);
    CHECK(!engine_wants_ticks(r.engine));
    end(&r);
}

static void it_and_a_session_are_siblings(void)
{
    struct rig r = {0};
    owner_id session = owner_make(OWNER_SESSION, 0, 1); /* the same slot and serial as the door's */
    begin(&r);
    open_door(&r, 0, "192.0.2.7");
    open_door(&r, 1, "192.0.2.8");
    pass(&r, 50000);
    open_session(&r, session, "192.0.2.7");
    CHECK_INT(engine_stats(r.engine).held, 3);
    pass(&r, HOLD_MS - 50000 + 200);
    CHECK_INT(r.doors[0].client.state, CLIENT_SERVED);
    CHECK_INT(engine_stats(r.engine).siblings, 1); /* the session, which had 50 s to wait still */
    CHECK_INT(r.doors[1].client.state, CLIENT_SERVED);
    CHECK_INT(engine_stats(r.engine).held, 0);
    end(&r);
}

static void who_is_woken_has_one_run_in_the_same_step(void)
{
    struct rig r = {0};
    begin(&r);
    for (uint32_t i = 0; i < DOORS; i++)
        open_door(&r, i, "192.0.2.7");
    pass(&r, HOLD_MS - 2000);
    r.now.mono.ms += 2000;
    step(&r, (struct event){.kind = EVENT_TICK}); /* the holds of all end: each looks for the last time */
    for (uint32_t i = 1; i < DOORS; i++)
        r.doors[i].client.task = CLIENT_WAITS; /* as if they had come later */
    for (uint32_t i = 0; i < DOORS; i++)
        r.doors[i].runs = 0;
    struct event looked = {.kind = EVENT_LOOK, .owner = r.doors[0].client.owner};
    looked.request = r.doors[0].client.look_request;
    step(&r, looked);
    CHECK_INT(r.doors[0].client.state, CLIENT_SERVED);
    CHECK_INT(r.doors[0].runs, 0);
    for (uint32_t i = 1; i < DOORS; i++) {
        CHECK_INT(r.doors[i].runs, 1);
        CHECK_INT(r.doors[i].client.task, CLIENT_LAST_LOOK);
    }
    carry_out(&r);
    end(&r);
}

static void stale_and_unknown_names_reach_nobody(void)
{
    struct rig r = {0};
    begin(&r);
    open_door(&r, 0, "192.0.2.7");
    r.doors[0].events = 0;
    const owner_id names[] = {owner_make((enum owner_kind)KIND, 0, 2), owner_make((enum owner_kind)KIND, 2, 1),
                              owner_make((enum owner_kind)6, 0, 1),    owner_make((enum owner_kind)255, 0, 1),
                              owner_make(OWNER_SESSION, 0, 1),         OWNER_NOBODY};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct event looked = {.kind = EVENT_LOOK, .owner = names[i], .request = r.doors[0].client.look_request};
        looked.u.look.result = LOOK_GONE;
        step(&r, looked);
    }
    CHECK_INT(r.doors[0].events, 0);
    CHECK_INT(r.doors[0].client.state, CLIENT_HELD);
    end(&r);
}

int main(void)
{
    TEST(a_client_is_held_without_a_session);
    TEST(it_and_a_session_are_siblings);
    TEST(who_is_woken_has_one_run_in_the_same_step);
    TEST(stale_and_unknown_names_reach_nobody);
    return TEST_END();
}
