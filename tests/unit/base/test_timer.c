/* The timer wheel, alone and against a plain array; the ring of list.h under it. */
#include "../test.h"
#include "../random.h"
#include "base/mem.h"
#include "base/timer.h"

enum { TURN_MS = TIMER_TICK_MS * TIMER_SLOTS };

static struct timer_wheel wheel;

static struct mono at(int64_t ms)
{
    return (struct mono){ms};
}

static int count_fired(int64_t now_ms)
{
    int n = 0;
    while (timer_wheel_next(&wheel, at(now_ms)))
        n++;
    return n;
}

static void fires_once_and_never_early(void)
{
    struct timer t;
    timer_init(&t);
    timer_wheel_init(&wheel, at(0));
    CHECK(!timer_is_armed(&t));
    timer_arm(&wheel, &t, at(1050));
    CHECK(timer_is_armed(&t));
    CHECK_INT(wheel.count, 1);
    CHECK_INT(count_fired(1000), 0);
    CHECK_INT(count_fired(1049), 0);
    CHECK(timer_wheel_next(&wheel, at(1100)) == &t);
    CHECK(!timer_is_armed(&t));
    CHECK_INT(wheel.count, 0);
    CHECK_INT(count_fired(5000), 0);
}

static void fires_at_most_a_tick_late(void)
{
    for (int64_t start = 0; start < 300; start += 37)
        for (int64_t due = start; due < start + 500; due += 13) {
            struct timer t;
            timer_init(&t);
            timer_wheel_init(&wheel, at(start));
            timer_arm(&wheel, &t, at(due));
            int64_t now = start;
            while (count_fired(now) == 0 && now < due + 1000)
                now++;
            CHECK(now >= due);
            CHECK(now - due <= TIMER_TICK_MS || now <= start + TIMER_TICK_MS);
        }
}

static void moves_and_stops(void)
{
    struct timer t;
    timer_init(&t);
    timer_wheel_init(&wheel, at(0));
    timer_stop(&wheel, &t);
    timer_arm(&wheel, &t, at(500));
    timer_arm(&wheel, &t, at(2000));
    CHECK_INT(wheel.count, 1);
    CHECK_INT(count_fired(1000), 0);
    timer_arm(&wheel, &t, at(1200));
    CHECK_INT(count_fired(1300), 1);
    timer_arm(&wheel, &t, at(1500));
    timer_stop(&wheel, &t);
    timer_stop(&wheel, &t);
    CHECK_INT(wheel.count, 0);
    CHECK_INT(count_fired(9000), 0);
}

static void fires_what_is_past_at_the_next_advance(void)
{
    struct timer t;
    timer_init(&t);
    timer_wheel_init(&wheel, at(10000));
    timer_arm(&wheel, &t, at(3));
    CHECK_INT(count_fired(10000), 0);
    CHECK_INT(count_fired(10100), 1);
}

static void waits_for_more_than_a_turn(void)
{
    struct timer t;
    timer_init(&t);
    timer_wheel_init(&wheel, at(0));
    timer_arm(&wheel, &t, at(3 * TURN_MS + 500));
    for (int64_t now = 0; now < 3 * TURN_MS + 500; now += TIMER_TICK_MS)
        if (count_fired(now) != 0)
            CHECK(!"early");
    CHECK_INT(count_fired(3 * TURN_MS + 500), 1);
}

static void survives_a_long_sleep(void)
{
    struct timer t[50];
    timer_wheel_init(&wheel, at(0));
    for (int i = 0; i < 50; i++) {
        timer_init(&t[i]);
        timer_arm(&wheel, &t[i], at((int64_t)i * 9999));
    }
    CHECK_INT(count_fired(100LL * 24 * 3600 * 1000), 50);
    CHECK_INT(wheel.count, 0);
}

static void a_handler_that_arms_itself_keeps_nobody(void)
{
    struct timer t;
    timer_init(&t);
    timer_wheel_init(&wheel, at(0));
    timer_arm(&wheel, &t, at(100));
    int n = 0;
    for (struct timer *f; (f = timer_wheel_next(&wheel, at(100))) != NULL; n++)
        timer_arm(&wheel, f, at(0));
    CHECK_INT(n, 1);
    CHECK_INT(count_fired(200), 1);
}

static void a_timer_may_be_stopped_while_it_waits_to_be_given(void)
{
    struct timer a, b;
    timer_init(&a);
    timer_init(&b);
    timer_wheel_init(&wheel, at(0));
    timer_arm(&wheel, &a, at(100));
    timer_arm(&wheel, &b, at(100));
    struct timer *first = timer_wheel_next(&wheel, at(100));
    timer_stop(&wheel, first == &a ? &b : &a);
    CHECK(timer_wheel_next(&wheel, at(100)) == NULL);
    CHECK_INT(wheel.count, 0);
}

enum { MANY = 64 };

/* Random arming, stopping and advancing, against an array that is searched. */
static void agrees_with_an_array(void)
{
    struct timer t[MANY];
    int64_t due[MANY], now = 12345; /* due < 0: not armed */
    timer_wheel_init(&wheel, at(now));
    for (int i = 0; i < MANY; i++) {
        timer_init(&t[i]);
        due[i] = -1;
    }
    for (int step = 0; step < 20000; step++) {
        unsigned i = random_below(MANY);
        if (random_below(3)) {
            due[i] = now + random_below(random_below(8) ? 3000 : 3 * TURN_MS);
            timer_arm(&wheel, &t[i], at(due[i]));
        } else if (random_below(2)) {
            timer_stop(&wheel, &t[i]);
            due[i] = -1;
        } else {
            now += random_below(random_below(50) ? 250 : 2 * TURN_MS);
            for (struct timer *f; (f = timer_wheel_next(&wheel, at(now))) != NULL;) {
                size_t k = (size_t)(f - t);
                CHECK(due[k] >= 0 && due[k] <= now);
                due[k] = -1;
            }
            for (int k = 0; k < MANY; k++)
                CHECK(due[k] < 0 || due[k] > now - 2 * TIMER_TICK_MS);
        }
        unsigned armed = 0;
        for (int k = 0; k < MANY; k++) {
            armed += due[k] >= 0;
            CHECK_INT(timer_is_armed(&t[k]), due[k] >= 0);
        }
        CHECK_INT(wheel.count, armed);
    }
}

struct item {
    int value;
    struct list node;
};

static void rings(void)
{
    struct list head;
    struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 0}};
    list_init(&head);
    CHECK(list_is_empty(&head));
    for (int i = 0; i < 3; i++) {
        list_init(&items[i].node);
        list_push_back(&head, &items[i].node);
    }
    list_push_front(&head, &items[3].node);
    int want = 0;
    for (struct list *n = head.next; n != &head; n = n->next, want++)
        CHECK_INT(CONTAINER_OF(n, struct item, node)->value, want);
    CHECK_INT(want, 4);
    list_remove(&items[1].node);
    list_remove(&items[1].node); /* again: harmless */
    CHECK(list_is_empty(&items[1].node));
    CHECK(head.prev == &items[2].node && items[0].node.next == &items[2].node);
    list_remove(&items[0].node);
    list_remove(&items[2].node);
    list_remove(&items[3].node);
    CHECK(list_is_empty(&head));
}

int main(void)
{
    random_begin();
    TEST(fires_once_and_never_early);
    TEST(fires_at_most_a_tick_late);
    TEST(moves_and_stops);
    TEST(fires_what_is_past_at_the_next_advance);
    TEST(waits_for_more_than_a_turn);
    TEST(survives_a_long_sleep);
    TEST(a_handler_that_arms_itself_keeps_nobody);
    TEST(a_timer_may_be_stopped_while_it_waits_to_be_given);
    TEST(agrees_with_an_array);
    TEST(rings);
    return TEST_END();
}
