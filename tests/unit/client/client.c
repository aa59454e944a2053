/* client.c - looks, holds and their ends, without any session: the owner here only looks on. */
#include "client/client.h"
#include "test.h"

#include <stdlib.h>

enum { OWNERS = 3 };

struct rig {
    struct clients all;
    struct effects out;
    struct client c[OWNERS];
};

static struct ip ip(const char *text)
{
    struct ip ip;
    if (ip_parse(slice_cstr(text), &ip) != ERR_NONE)
        abort();
    return ip;
}

static void begin(struct rig *r)
{
    clients_init(&r->all, (struct siphash_key){{1}}, (struct instant){{1000}, {5000}});
    effects_init(&r->out);
    r->all.out = &r->out;
    for (uint32_t i = 0; i < OWNERS; i++) {
        client_init(&r->c[i], owner_make((enum owner_kind)7, i, 1));
        r->c[i].ends = (struct endpoints){ip("192.0.2.25"), ip("192.0.2.7"), 25, (uint16_t)(40000 + i)};
    }
}

static void end(struct rig *r)
{
    for (uint32_t i = 0; i < OWNERS; i++)
        client_fini(&r->all, &r->c[i]);
    effects_fini(&r->out);
    clients_fini(&r->all);
}

/* Every owner has its run, as if its timer had fired. */
static void pass(struct rig *r, int64_t ms)
{
    r->all.now.mono.ms += ms;
    for (uint32_t i = 0; i < OWNERS; i++)
        client_run(&r->all, &r->c[i]);
}

static void answer(struct rig *r, struct client *c, enum look_result result, uint64_t cookie)
{
    CHECK(client_looked(&r->all, c, c->look_request, result, cookie));
}

/* The last effect is a look at c, alone or not. */
static void check_look(const struct rig *r, const struct client *c, bool alone)
{
    const struct effect *e = r->out.count ? &r->out.items[r->out.count - 1] : NULL;
    CHECK(e && e->kind == EFFECT_LOOK && e->owner == c->owner && e->request == c->look_request);
    CHECK(e && e->u.look.alone == alone && e->u.look.cookie == c->cookie);
}

static void the_first_look(void)
{
    struct rig r = {0};
    begin(&r);
    CHECK(client_look(&r.all, &r.c[0]));
    check_look(&r, &r.c[0], false);
    CHECK(!client_looked(&r.all, &r.c[0], r.c[0].look_request + 1, LOOK_GONE, 0));
    answer(&r, &r.c[0], LOOK_ALIVE, 77);
    CHECK(r.c[0].state == CLIENT_PRESENT && r.c[0].task == CLIENT_RESTS && client_is_watchable(&r.c[0]));
    CHECK_INT(r.c[0].cookie, 77);
    /* one that hears nothing within a second may be watched all the same */
    CHECK(client_look(&r.all, &r.c[1]));
    pass(&r, 999);
    CHECK(r.c[1].task == CLIENT_FIRST_LOOK);
    pass(&r, 1);
    CHECK(r.c[1].state == CLIENT_PRESENT && r.c[1].task == CLIENT_RESTS && client_is_watchable(&r.c[1]));
    /* nobody knows its ports */
    r.c[2].ends.remote_port = 0;
    CHECK(!client_look(&r.all, &r.c[2]) && r.c[2].watch == CLIENT_WATCH_IMPOSSIBLE);
    end(&r);
}

static void gone_is_looked_at_twice(void)
{
    struct rig r = {0};
    begin(&r);
    for (int second = LOOK_ALIVE; second <= LOOK_ABSENT; second++) {
        CHECK(client_look(&r.all, &r.c[0]));
        answer(&r, &r.c[0], LOOK_GONE, 5);
        check_look(&r, &r.c[0], true);
        CHECK_INT(r.c[0].state, CLIENT_PRESENT);
        answer(&r, &r.c[0], (enum look_result)second, 5);
        CHECK_INT(r.c[0].state, second == LOOK_ALIVE ? CLIENT_PRESENT : CLIENT_GONE);
        client_forget(&r.c[0]);
        r.c[0].ends = r.c[1].ends;
    }
    CHECK(client_look(&r.all, &r.c[0]));
    answer(&r, &r.c[0], LOOK_ABSENT, 0);
    CHECK(r.c[0].state == CLIENT_PRESENT && r.c[0].watch == CLIENT_WATCH_IMPOSSIBLE);
    end(&r);
}

static void a_hold_is_served(void)
{
    struct rig r = {0};
    begin(&r);
    client_hold(&r.all, &r.c[0], 5000, false);
    CHECK_INT(client_next_ms(&r.c[0]), 1500);
    for (int i = 0; i < 4; i++) {
        pass(&r, i == 0 ? 500 : 1000);
        check_look(&r, &r.c[0], false);
        answer(&r, &r.c[0], LOOK_ALIVE, 9);
    }
    CHECK_INT(client_left_ms(&r.all, &r.c[0]), 1500);
    pass(&r, 1500);
    check_look(&r, &r.c[0], true);
    CHECK(r.c[0].state == CLIENT_HELD && r.c[0].task == CLIENT_LAST_LOOK);
    answer(&r, &r.c[0], LOOK_ALIVE, 9);
    CHECK(r.c[0].state == CLIENT_SERVED && !client_is_held(&r.c[0]));
    CHECK_INT(r.c[0].waited_ms, 5000);
    CHECK_INT(client_next_ms(&r.c[0]), 0);
    client_rest(&r.c[0]);
    CHECK_INT(r.c[0].state, CLIENT_PRESENT);
    client_hold(&r.all, &r.c[0], 2000, true);
    pass(&r, 2000);
    answer(&r, &r.c[0], LOOK_ALIVE, 9);
    CHECK_INT(r.c[0].waited_ms, 7000);
    CHECK_INT(r.c[0].longest_ms, 5000);
    end(&r);
}

static void one_who_leaves_has_waited_for_nothing(void)
{
    struct rig r = {0};
    begin(&r);
    client_hold(&r.all, &r.c[0], 5000, false);
    pass(&r, 500);
    answer(&r, &r.c[0], LOOK_GONE, 9);
    check_look(&r, &r.c[0], true);
    CHECK_INT(r.c[0].state, CLIENT_HELD);
    answer(&r, &r.c[0], LOOK_GONE, 9);
    CHECK_INT(r.c[0].state, CLIENT_GONE);
    CHECK_INT(client_waited_ms(&r.all, &r.c[0]), 500);
    CHECK_INT(r.c[0].waited_ms, 0);
    end(&r);
}

/* Five looks without an answer, each a second after the one before. */
static void hear_nothing(struct rig *r, struct client *c)
{
    for (int i = 0; i < 6 && client_is_held(c) && c->watch != CLIENT_WATCH_IMPOSSIBLE; i++)
        pass(r, 1000);
    CHECK_INT(c->unknown_looks, 5);
}

static void one_that_cannot_be_watched(void)
{
    struct rig r = {0};
    begin(&r);
    client_hold(&r.all, &r.c[0], 60000, false);
    hear_nothing(&r, &r.c[0]);
    CHECK(r.c[0].state == CLIENT_UNWATCHABLE && !client_is_held(&r.c[0]));
    client_hold(&r.all, &r.c[1], 60000, true);
    hear_nothing(&r, &r.c[1]);
    CHECK(r.c[1].state == CLIENT_HELD && r.c[1].watch == CLIENT_WATCH_IMPOSSIBLE);
    size_t looks = r.out.count;
    pass(&r, 60000);
    CHECK_INT(r.c[1].state, CLIENT_SERVED);
    CHECK_INT(r.out.count, looks);
    end(&r);
}

static void siblings_are_woken_once(void)
{
    struct rig r = {0};
    begin(&r);
    r.c[2].ends.remote = ip("192.0.2.8");
    for (int i = 0; i < OWNERS; i++)
        client_hold(&r.all, &r.c[i], i == 0 ? 5000 : 9000, false);
    pass(&r, 5000);
    answer(&r, &r.c[0], LOOK_ALIVE, 1);
    CHECK_INT(r.c[0].state, CLIENT_SERVED);
    CHECK(clients_next_awake(&r.all) == &r.c[1]);
    CHECK(!clients_next_awake(&r.all));
    client_run(&r.all, &r.c[1]);
    check_look(&r, &r.c[1], true);
    answer(&r, &r.c[1], LOOK_ALIVE, 2);
    CHECK(r.c[1].state == CLIENT_SERVED && r.c[1].with_sibling);
    CHECK_INT(r.c[1].waited_ms, 9000); /* what was left the other has served */
    CHECK_INT(client_waited_ms(&r.all, &r.c[1]), 5000);
    CHECK(r.c[2].state == CLIENT_HELD && !clients_next_awake(&r.all));
    end(&r);
}

static void an_administrator_ends_it(void)
{
    struct rig r = {0};
    begin(&r);
    client_release(&r.all, &r.c[0]); /* who is not held is left alone */
    CHECK(!clients_next_awake(&r.all));
    for (int i = 0; i < OWNERS; i++)
        client_hold(&r.all, &r.c[i], 9000, false);
    r.all.now.mono.ms += 300;
    client_release(&r.all, &r.c[0]);
    client_drop(&r.all, &r.c[1]);
    client_release(&r.all, &r.c[1]); /* the last word counts, and wakes no second time */
    client_drop(&r.all, &r.c[1]);
    for (struct client *c; (c = clients_next_awake(&r.all)) != NULL;)
        client_run(&r.all, c);
    CHECK(r.c[0].state == CLIENT_RELEASED && r.c[1].state == CLIENT_DROPPED && r.c[2].state == CLIENT_HELD);
    CHECK_INT(r.c[0].waited_ms, 300);
    CHECK_INT(r.c[1].waited_ms, 0);
    /* a wish does not outlive the hold */
    client_drop(&r.all, &r.c[2]);
    client_end_hold(&r.all, &r.c[2], CLIENT_GONE);
    client_run(&r.all, clients_next_awake(&r.all));
    CHECK_INT(r.c[2].state, CLIENT_GONE);
    for (int i = 0; i < OWNERS; i++)
        client_hold(&r.all, &r.c[i], 9000, false);
    clients_release_all(&r.all);
    for (struct client *c; (c = clients_next_awake(&r.all)) != NULL;)
        client_run(&r.all, c);
    CHECK_INT(hold_count(r.all.holds), 0);
    end(&r);
}

static void it_ends_while_it_is_awake(void)
{
    struct rig r = {0};
    begin(&r);
    client_hold(&r.all, &r.c[0], 9000, false);
    client_release(&r.all, &r.c[0]);
    client_fini(&r.all, &r.c[0]);
    CHECK(!clients_next_awake(&r.all));
    CHECK_INT(hold_count(r.all.holds), 0);
    end(&r);
}

static void it_is_watched_without_a_hold(void)
{
    struct rig r = {0};
    begin(&r);
    client_watch(&r.all, &r.c[0]); /* nobody has looked yet */
    CHECK_INT(r.c[0].task, CLIENT_RESTS);
    CHECK(client_look(&r.all, &r.c[0]));
    answer(&r, &r.c[0], LOOK_ALIVE, 3);
    client_watch(&r.all, &r.c[0]);
    pass(&r, 1000);
    answer(&r, &r.c[0], LOOK_ABSENT, 0);
    answer(&r, &r.c[0], LOOK_ABSENT, 0);
    CHECK_INT(r.c[0].state, CLIENT_GONE);
    end(&r);
}

int main(void)
{
    TEST(the_first_look);
    TEST(gone_is_looked_at_twice);
    TEST(a_hold_is_served);
    TEST(one_who_leaves_has_waited_for_nothing);
    TEST(one_that_cannot_be_watched);
    TEST(siblings_are_woken_once);
    TEST(an_administrator_ends_it);
    TEST(it_ends_while_it_is_awake);
    TEST(it_is_watched_without_a_hold);
    return TEST_END();
}
