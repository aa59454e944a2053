/* decide.c - unit tests of the decision: a sentence of the design each. */
#include "world.h"
#include "base/mem.h"
#include "../test.h"

#include <string.h>

static void first_sight_is_deferred(void)
{
    struct world w = world_new();
    CHECK_INT(decide(&w, 0)->verdict, GREY_DEFER);
    CHECK_INT(w.got.state, GREY_NEW);
    CHECK_INT(w.got.remaining_sec, DELAY);
    CHECK_INT(w.got.first_seen.sec, T0);
    CHECK_INT(w.got.left_sec, -1);
    CHECK(!w.got.failed && !w.got.patient && !w.got.shared);
    CHECK(w.durable);
    world_free(&w);
}

static void early_retry_does_not_restart_the_clock(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    CHECK_INT(decide(&w, 10 * MINUTE)->state, GREY_PENDING);
    CHECK_INT(w.got.verdict, GREY_DEFER);
    CHECK_INT(w.got.remaining_sec, 20 * MINUTE);
    CHECK(!w.durable);
    CHECK_INT(decide(&w, 29 * MINUTE)->remaining_sec, MINUTE);
    CHECK_INT(decide(&w, DELAY - 1)->remaining_sec, 1);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    CHECK_INT(w.got.state, GREY_DUE);
    CHECK_INT(w.got.elapsed_sec, DELAY);
    CHECK_INT(w.got.expires.sec, T0 + DELAY + DAY);
    CHECK(w.durable);
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_TUPLE);
    world_free(&w);
}

static void look_changes_nothing(void)
{
    struct world w = world_new();
    CHECK_INT(look(&w, 0)->state, GREY_NEW);
    CHECK_INT(look(&w, 0)->verdict, GREY_DEFER);
    CHECK_INT(grey_memory_count(w.memory), 0);
    (void)decide(&w, 0);
    CHECK_INT(look(&w, MINUTE)->remaining_sec, 29 * MINUTE);
    CHECK_INT(look(&w, DELAY)->state, GREY_DUE);
    CHECK_INT(look(&w, DELAY)->verdict, GREY_ACCEPT);
    CHECK_INT(w.durable, false);
    world_free(&w);
}

static void the_line_that_decides_now_sets_the_delay(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    w.req.delay_sec = 5 * MINUTE;
    CHECK_INT(decide(&w, 2 * MINUTE)->remaining_sec, 3 * MINUTE);
    w.req.delay_sec = 2 * HOUR;
    CHECK_INT(decide(&w, DELAY)->remaining_sec, 90 * MINUTE);
    /* and its life follows the longer delay */
    CHECK_INT(look(&w, 2 * HOUR + TIMEOUT)->state, GREY_DUE);
    CHECK_INT(look(&w, 2 * HOUR + TIMEOUT + 1)->state, GREY_NEW);
    world_free(&w);
}

static void pending_dies_after_delay_and_timeout(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    CHECK_INT(look(&w, DELAY + TIMEOUT)->state, GREY_DUE);
    CHECK_INT(decide(&w, DELAY + TIMEOUT + 1)->state, GREY_NEW);
    CHECK_INT(w.got.verdict, GREY_DEFER);
    CHECK_INT(w.got.remaining_sec, DELAY);
    world_free(&w);
}

static void no_delay_means_no_wait(void)
{
    struct world w = world_new();
    w.req.delay_sec = 0;
    CHECK_INT(decide(&w, 0)->verdict, GREY_ACCEPT);
    CHECK_INT(look(&w, 1)->state, GREY_AUTO);
    world_free(&w);
}

static void future_first_sight_counts_as_now(void)
{
    struct world w = world_new();
    (void)decide(&w, 365 * (int64_t)DAY); /* the clock was wrong, then set right */
    CHECK_INT(decide(&w, 0)->state, GREY_PENDING);
    CHECK_INT(w.got.remaining_sec, DELAY);
    CHECK_INT(decide(&w, MINUTE)->remaining_sec, DELAY - MINUTE);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    world_free(&w);
}

static void a_first_visit_in_the_future_counts_as_now(void)
{
    struct world w = world_new();
    (void)world_ask(&w, GREY_DECIDE, 0, -500);
    CHECK_INT(w.got.first_seen.sec, T0);
    CHECK_INT(w.got.remaining_sec, DELAY);
    world_free(&w);
}

static void without_autowhite_nothing_stays(void)
{
    struct world w = world_new();
    w.req.autowhite_sec = 0;
    w.req.pairs = w.req.lazy = true;
    (void)decide(&w, 0);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    CHECK_INT(grey_memory_count(w.memory), 0);
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_NEW);
    (void)served(&w, DELAY + 2, 125);
    CHECK_INT(grey_memory_count(w.memory), 0);
    world_free(&w);
}

static void what_a_retry_earned_is_renewed_for_ever(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    (void)decide(&w, DELAY);
    int64_t t = DELAY;
    for (int i = 0; i < 40; i++) {
        t += DAY - 1;
        CHECK_INT(decide(&w, t)->state, GREY_AUTO);
        CHECK_INT(w.got.expires.sec, T0 + t + DAY);
        CHECK(!w.durable);
    }
    CHECK_INT(look(&w, t + DAY)->state, GREY_AUTO);
    CHECK_INT(look(&w, t + DAY + 1)->state, GREY_NEW);
    world_free(&w);
}

static void renewal_by_less_than_a_tenth_is_not_written(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    (void)decide(&w, DELAY);
    CHECK_INT(renew(&w, DELAY + DAY / 10)->expires.sec, T0 + DELAY + DAY);
    CHECK_INT(renew(&w, DELAY + DAY / 10 + 1)->expires.sec, T0 + DELAY + DAY / 10 + 1 + DAY);
    world_free(&w);
}

static void what_a_hold_earned_ends(void)
{
    struct world w = world_new();
    (void)served(&w, 125, 125);
    CHECK_INT(w.got.state, GREY_NEW);
    CHECK_INT(w.got.verdict, GREY_ACCEPT);
    CHECK(w.durable);
    int64_t t = 125, end = 125 + 8 * (int64_t)DAY;
    for (; t < end; t += DAY / 2) {
        CHECK_INT(renew(&w, t)->state, GREY_AUTO);
        CHECK(w.got.expires.sec <= T0 + end);
        CHECK(w.got.patient);
    }
    CHECK_INT(look(&w, end + 1)->state, GREY_NEW);
    CHECK(!w.got.patient);
    world_free(&w);
}

static void a_served_hold_makes_the_client_patient(void)
{
    struct world w = world_new();
    (void)served(&w, 125, 125);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(look(&w, 200)->state, GREY_NEW);
    CHECK(w.got.patient);
    /* patience is the address's own */
    w.req.tuple.addr = world_ip("192.0.2.8");
    CHECK(!look(&w, 200)->patient);
    /* patience is nothing to a plain greylist line */
    w.req.tuple.addr = world_ip("192.0.2.7");
    CHECK_INT(decide(&w, 300)->verdict, GREY_DEFER);
    CHECK(w.got.patient);
    CHECK_INT(patient(&w, 400)->verdict, GREY_ACCEPT);
    CHECK_INT(look(&w, 401)->state, GREY_AUTO);
    CHECK(!look(&w, 125 + DAY + 1)->patient);
    world_free(&w);
}

static void patience_has_a_life_of_its_own(void)
{
    struct world w = world_new();
    w.req.patience_sec = HOUR;
    (void)served(&w, 125, 125);
    CHECK(look(&w, 125 + HOUR)->patient);
    CHECK(!look(&w, 125 + HOUR + 1)->patient);
    CHECK_INT(look(&w, 125 + HOUR + 1)->state, GREY_AUTO);
    w.req.tuple.addr = world_ip("192.0.2.8");
    w.req.patience_sec = -1;
    (void)served(&w, 125, 125);
    CHECK(!look(&w, 126)->patient);
    CHECK_INT(look(&w, 126)->state, GREY_AUTO);
    /* patience that outlives autowhite eight times over still makes a tuple AUTO */
    w.req.tuple.addr = world_ip("192.0.2.9");
    w.req.patience_sec = 20 * (int64_t)DAY;
    (void)served(&w, 125, 125);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(patient(&w, 15 * (int64_t)DAY)->verdict, GREY_ACCEPT);
    CHECK_INT(look(&w, 15 * (int64_t)DAY + 1)->state, GREY_AUTO);
    world_free(&w);
}

static void patience_of_ipv6_is_the_64s(void)
{
    struct world w = world_new();
    w.req.tuple.addr = world_ip("2001:db8::1");
    w.req.tuple.addr_bits = 128;
    (void)served(&w, 125, 125);
    w.req.tuple.addr = world_ip("2001:db8::2");
    CHECK_INT(look(&w, 126)->state, GREY_NEW);
    CHECK(w.got.patient);
    w.req.tuple.addr = world_ip("2001:db8:0:1::1");
    CHECK(!look(&w, 126)->patient);
    world_free(&w);
}

static void a_patient_clients_tuples_end_with_its_patience(void)
{
    struct world w = world_new();
    (void)served(&w, 0, 125);
    int64_t t = 0;
    for (; t < 7 * (int64_t)DAY; t += DAY / 2)
        (void)renew(&w, t);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(patient(&w, t)->verdict, GREY_ACCEPT);
    CHECK_INT(w.got.expires.sec, T0 + 8 * (int64_t)DAY);
    world_free(&w);
}

static void leaving_starts_the_clock_at_the_first_visit(void)
{
    struct world w = world_new();
    CHECK_INT(left(&w, 40, 40)->verdict, GREY_DEFER);
    CHECK(w.durable);
    CHECK_INT(w.got.remaining_sec, DELAY - 40);
    CHECK_INT(decide(&w, 10 * MINUTE)->state, GREY_PENDING);
    CHECK_INT(w.got.left_sec, 40);
    CHECK_INT(w.got.remaining_sec, 20 * MINUTE);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_AUTO);
    world_free(&w);
}

static void left_marks_lie_on_tuple_and_client(void)
{
    struct world w = world_new();
    (void)left(&w, 40, 40);
    CHECK_INT(look(&w, 41)->left_sec, 40);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(look(&w, 41)->left_sec, 40);
    CHECK_INT(look(&w, 41)->state, GREY_NEW);
    CHECK_INT(look(&w, DELAY + TIMEOUT)->left_sec, 40);
    CHECK_INT(look(&w, DELAY + TIMEOUT + 1)->left_sec, -1);
    w.req.tuple.addr = world_ip("192.0.2.8");
    CHECK_INT(look(&w, 41)->left_sec, -1);
    world_free(&w);
}

static void the_longest_left_mark_counts(void)
{
    struct world w = world_new();
    (void)left(&w, 40, 40);
    (void)left(&w, 100, 12);
    CHECK_INT(look(&w, 101)->left_sec, 40);
    CHECK_INT(w.got.first_seen.sec, T0);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    (void)left(&w, 300, 90);
    CHECK_INT(look(&w, 301)->left_sec, 90);
    w.req.tuple.recipient = SLICE_LIT("<b@example.net>");
    CHECK_INT(look(&w, 301)->left_sec, 90);
    world_free(&w);
}

static void a_served_hold_clears_left_marks(void)
{
    struct world w = world_new();
    (void)left(&w, 40, 40);
    CHECK_INT(served(&w, 300, 125)->state, GREY_PENDING);
    CHECK_INT(look(&w, 301)->left_sec, -1);
    CHECK_INT(look(&w, 301)->state, GREY_AUTO);
    CHECK(w.got.patient);
    world_free(&w);
}

static void a_survivor_outdoes_a_leaver(void)
{
    struct world w = world_new();
    (void)served(&w, 125, 125);
    (void)left(&w, 130, 60);
    CHECK_INT(look(&w, 131)->state, GREY_AUTO);
    CHECK(w.got.patient);
    CHECK_INT(w.got.left_sec, 60); /* the client's: AUTO and patience come before it */
    world_free(&w);
}

static void hold_then_greylist_counts_from_the_start_of_the_hold(void)
{
    struct world w = world_new();
    (void)world_ask(&w, GREY_DECIDE, 125, 125);
    CHECK_INT(w.got.verdict, GREY_DEFER);
    CHECK_INT(w.got.remaining_sec, DELAY - 125);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    w.req.delay_sec = 100;
    (void)world_ask(&w, GREY_DECIDE, 125, 125);
    CHECK_INT(w.got.verdict, GREY_ACCEPT);
    world_free(&w);
}

static void a_hold_before_a_greylist_line_is_no_pass(void)
{
    struct world w = world_new();
    (void)left(&w, 40, 40);
    CHECK_INT(world_ask(&w, GREY_DECIDE, 300, 125)->verdict, GREY_DEFER);
    CHECK_INT(w.got.remaining_sec, DELAY - 300); /* since the first visit */
    CHECK(w.durable);
    CHECK_INT(look(&w, 301)->state, GREY_PENDING);
    CHECK(!w.got.patient); /* DATA has not come, nor can it */
    CHECK_INT(w.got.left_sec, -1);
    world_free(&w);
}

static void a_served_hold_waits_for_its_confirmation(void)
{
    struct world w = world_new();
    CHECK_INT(held_out(&w, 125, 125)->verdict, GREY_ACCEPT);
    CHECK(w.durable);
    CHECK_INT(look(&w, 126)->state, GREY_NEW);
    CHECK(!w.got.patient);
    CHECK_INT(look(&w, DELAY + 126)->state, GREY_NEW); /* no clock of greylisting runs either */
    CHECK_INT(confirm(&w, DELAY + 127)->verdict, GREY_ACCEPT);
    CHECK(w.durable);
    CHECK_INT(look(&w, DELAY + 128)->state, GREY_AUTO);
    CHECK_INT(w.got.expires.sec, T0 + 125 + DAY); /* since it was served */
    CHECK(w.got.patient);
    CHECK_INT(held_out(&w, 125 + DAY, 125)->state, GREY_AUTO);
    world_free(&w);
}

static void a_confirmation_is_of_what_was_served_before_it(void)
{
    struct world w = world_new();
    w.req.patience_sec = -1;
    (void)served(&w, 125, 125);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    (void)held_out(&w, 300, 125);
    CHECK_INT(look(&w, 301)->state, GREY_NEW);
    CHECK(!w.got.patient);
    (void)confirm(&w, 301);
    CHECK_INT(look(&w, 302)->state, GREY_AUTO);
    (void)renew(&w, 125 + DAY / 2); /* its use makes it AUTO by itself: it outlives the client's record */
    CHECK_INT(look(&w, 301 + DAY + 1)->state, GREY_AUTO);
    world_free(&w);
}

static void without_confirmation_what_was_pending_goes_on(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    (void)held_out(&w, 600, 125);
    CHECK_INT(look(&w, 601)->state, GREY_PENDING);
    CHECK_INT(w.got.remaining_sec, DELAY - 601);
    CHECK_INT(look(&w, DELAY)->state, GREY_DUE);
    (void)left(&w, 700, 20); /* a mark beside it takes nothing away */
    (void)confirm(&w, 800);
    CHECK_INT(look(&w, 801)->state, GREY_AUTO);
    CHECK_INT(w.got.left_sec, -1);
    world_free(&w);
}

static void the_pair_and_the_client_wait_too(void)
{
    struct world w = world_new();
    w.req.pairs = w.req.lazy = true;
    (void)held_out(&w, 125, 125);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(look(&w, 126)->state, GREY_NEW);
    (void)confirm(&w, 127);
    CHECK_INT(look(&w, 128)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_PAIR);
    world_free(&w);
}

static void a_due_tuple_at_a_tarpit_line_was_earned_by_a_retry(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    CHECK_INT(patient(&w, DELAY)->state, GREY_DUE);
    int64_t t = DELAY;
    for (int i = 0; i < 20; i++)
        CHECK_INT(renew(&w, t += DAY - 1)->state, GREY_AUTO);
    world_free(&w);
}

static void the_subnet_is_the_client(void)
{
    struct world w = world_new();
    w.req.tuple.addr_bits = 24;
    (void)decide(&w, 0);
    w.req.tuple.addr = world_ip("192.0.2.200");
    CHECK_INT(decide(&w, MINUTE)->state, GREY_PENDING);
    w.req.tuple.addr = world_ip("198.51.100.7");
    CHECK_INT(look(&w, MINUTE)->state, GREY_NEW);
    world_free(&w);
}

static void a_domain_is_the_client(void)
{
    struct world w = world_new();
    w.req.tuple.client_domain = SLICE_LIT("example.com");
    (void)decide(&w, 0);
    w.req.tuple.addr = world_ip("198.51.100.7");
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    w.req.tuple.client_domain = SLICE_LIT("other.example");
    CHECK_INT(look(&w, DELAY)->state, GREY_NEW);
    world_free(&w);
}

static void a_changed_setting_defers_nobody_anew(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    w.req.tuple.client_domain = SLICE_LIT("example.com");
    CHECK_INT(look(&w, MINUTE)->state, GREY_PENDING);
    CHECK_INT(decide(&w, DELAY)->verdict, GREY_ACCEPT);
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_TUPLE);
    /* AUTO by the address outdoes pending by the domain */
    w.req.tuple.client_domain = SLICE_NONE;
    CHECK_INT(look(&w, DELAY + 2)->state, GREY_AUTO);
    world_free(&w);
}

static void what_is_released_is_that_tuple_alone(void)
{
    struct world w = world_new();
    w.req.pairs = w.req.lazy = true;
    w.req.pass = GREY_PASS_RELEASED;
    CHECK_INT(world_ask(&w, GREY_PASS, 0, 0)->verdict, GREY_ACCEPT);
    CHECK(w.durable);
    CHECK_INT(decide(&w, HOUR)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_TUPLE);
    CHECK(!w.got.patient);
    struct world fresh = world_new();
    fresh.req.pairs = fresh.req.lazy = true;
    fresh.req.pass = GREY_PASS_RELEASED;
    (void)world_ask(&fresh, GREY_PASS, 0, 0);
    fresh.req.tuple.recipient = SLICE_LIT("<another@example.net>");
    CHECK_INT(decide(&fresh, HOUR)->state, GREY_NEW);
    world_free(&fresh);
    world_free(&w);
}

static void pairs_let_in_what_is_like_it(void)
{
    struct world w = world_new();
    w.req.pairs = true;
    w.req.tuple.client_domain = SLICE_LIT("example.com");
    (void)decide(&w, 0);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(look(&w, 1)->state, GREY_NEW);
    w.req.tuple.recipient = SLICE_LIT("<b@example.net>");
    (void)decide(&w, DELAY);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    w.req.tuple.sender = SLICE_LIT("<other@example.org>");
    w.req.tuple.addr = world_ip("198.51.100.7");
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_PAIR);
    CHECK_INT(w.got.verdict, GREY_ACCEPT);
    CHECK_INT(w.got.expires.sec, T0 + DELAY + DAY);
    CHECK_INT(decide(&w, DELAY + DAY)->expires.sec, T0 + DELAY + 2 * DAY); /* renewed by use */
    w.req.tuple.sender = SLICE_LIT("<other@example.com>");
    CHECK_INT(look(&w, DELAY + 1)->state, GREY_NEW);
    w.req.pairs = false;
    w.req.tuple.sender = SLICE_LIT("<other@example.org>");
    CHECK_INT(look(&w, DELAY + 1)->state, GREY_NEW);
    world_free(&w);
}

static void a_patient_bot_does_not_free_its_provider(void)
{
    struct world w = world_new();
    w.req.pairs = true;
    w.req.tuple.client_domain = SLICE_LIT("example.com");
    (void)served(&w, 125, 125);
    w.req.tuple.recipient = SLICE_LIT("<c@example.net>");
    CHECK_INT(look(&w, 126)->via, GREY_VIA_PAIR);
    CHECK_INT(w.got.state, GREY_AUTO);
    w.req.tuple.addr = world_ip("198.51.100.7");
    CHECK_INT(look(&w, 126)->state, GREY_NEW);
    world_free(&w);
}

static void lazyaw_counts_any_tuple_of_the_client(void)
{
    struct world w = world_new();
    w.req.lazy = true;
    (void)decide(&w, 0);
    (void)decide(&w, DELAY);
    w.req.tuple.sender = SLICE_LIT("<x@example.com>");
    CHECK_INT(decide(&w, DELAY + 1)->state, GREY_AUTO);
    CHECK_INT(w.got.via, GREY_VIA_CLIENT);
    w.req.lazy = false;
    CHECK_INT(look(&w, DELAY + 1)->state, GREY_NEW);
    w.req.lazy = true;
    w.req.tuple.addr = world_ip("192.0.2.8");
    CHECK_INT(look(&w, DELAY + 1)->state, GREY_NEW);
    world_free(&w);
}

static void lazyaw_learns_when_it_is_switched_on(void)
{
    struct world w = world_new();
    (void)decide(&w, 0);
    (void)decide(&w, DELAY);
    w.req.lazy = true;
    (void)decide(&w, DELAY + 1);
    CHECK(!w.durable);
    w.req.tuple.sender = SLICE_LIT("<x@example.com>");
    CHECK_INT(look(&w, DELAY + 2)->state, GREY_AUTO);
    world_free(&w);
}

/* What has ended is gone from the memory, and nothing else: no answer tells whether it is. */
static void what_has_ended_is_forgotten(void)
{
    char text[64];
    struct world w = world_new();
    for (int i = 0; i < 500; i++) { /* a minute apart, so they end a minute apart */
        snprintf(text, sizeof(text), "<%d@example.net>", i);
        w.req.tuple.recipient = slice_cstr(text);
        (void)decide(&w, (int64_t)i * MINUTE);
    }
    CHECK_INT(grey_memory_count(w.memory), 500);
    grey_memory_forget(w.memory, (struct wall){T0 + DELAY + TIMEOUT + 199 * MINUTE + 1});
    CHECK_INT(grey_memory_count(w.memory), 300);
    for (int i = 0; i < 500; i += 50) {
        snprintf(text, sizeof(text), "<%d@example.net>", i);
        w.req.tuple.recipient = slice_cstr(text);
        CHECK_INT(look(&w, 510 * MINUTE)->state, i < 200 ? GREY_NEW : i <= 480 ? GREY_DUE : GREY_PENDING);
    }
    world_free(&w);
}

static void a_crowd_shares_a_record(void)
{
    static const char *names[] = {"<1@example.net>", "<2@example.net>", "<3@example.net>", "<4@example.net>"};
    struct world w = world_new();
    grey_memory_set_crowd(w.memory, 2);
    for (int i = 0; i < 4; i++) {
        w.req.tuple.recipient = slice_cstr(names[i]);
        CHECK_INT(decide(&w, i)->verdict, GREY_DEFER);
        CHECK_INT(w.got.shared, i >= 2);
    }
    CHECK_INT(w.got.remaining_sec, DELAY - 1); /* the record's clock, not the tuple's */
    CHECK_INT(grey_memory_count(w.memory), 3);
    /* other clients have records of their own */
    w.req.tuple.addr = world_ip("192.0.2.8");
    CHECK(!decide(&w, 5)->shared);
    w.req.tuple.addr = world_ip("192.0.2.7");
    /* all that were told to come back pass by it, also when the client is below its bound again */
    CHECK_INT(decide(&w, DELAY + 2)->verdict, GREY_ACCEPT);
    CHECK_INT(look(&w, DELAY + 3)->state, GREY_AUTO);
    grey_memory_set_crowd(w.memory, 100);
    w.req.tuple.recipient = slice_cstr(names[2]);
    CHECK_INT(decide(&w, DELAY + 3)->verdict, GREY_ACCEPT);
    /* not for long: it lets in new tuples too */
    w.req.tuple.recipient = SLICE_LIT("<5@example.net>");
    CHECK_INT(decide(&w, DELAY + GREY_SHARED_LIFE_SEC + 3)->verdict, GREY_DEFER);
    CHECK(!w.got.shared);
    world_free(&w);
}

static void hash_collisions_are_not_found(void)
{
    static const struct grey_secret secret = {{{1}}, {{2}}};
    struct world w = world_new();
    struct grey_set set;
    struct grey_record other = {.type = GREY_RECORD_TUPLE,
                                .is_auto = true,
                                .left_sec = -1,
                                .expires = {T0 + DAY},
                                .sender = SLICE_LIT("<other@example.org>"),
                                .recipient = w.req.tuple.recipient};
    grey_set_init(&set, &secret, &w.req);
    grey_memory_put(w.memory, &set.slots[GREY_SLOT_TUPLE].key, &other);
    CHECK_INT(look(&w, 0)->state, GREY_NEW);
    other.sender = w.req.tuple.sender;
    grey_memory_put(w.memory, &set.slots[GREY_SLOT_TUPLE].key, &other);
    CHECK_INT(look(&w, 0)->state, GREY_AUTO);
    other.type = GREY_RECORD_SHARED;
    grey_memory_put(w.memory, &set.slots[GREY_SLOT_TUPLE].key, &other);
    CHECK_INT(look(&w, 0)->state, GREY_NEW);
    world_free(&w);
}

static void nothing_expires_while_the_clock_is_not_trusted(void)
{
    static const struct grey_secret secret = {{{1}}, {{2}}};
    struct world w = world_new();
    struct grey_set set;
    struct grey_record r = {.type = GREY_RECORD_TUPLE,
                            .is_auto = true,
                            .left_sec = -1,
                            .expires = {T0 - DAY},
                            .sender = w.req.tuple.sender,
                            .recipient = w.req.tuple.recipient};
    uint8_t bytes[128];
    grey_record_encode(&r, bytes);
    for (int keep = 0; keep < 2; keep++) {
        grey_set_init(&set, &secret, &w.req);
        set.keep_expired = keep;
        CHECK_INT(grey_set_load(&set, GREY_SLOT_TUPLE, &w.req, slice_of(bytes, grey_record_size(&r))), ERR_NONE);
        grey_apply(&w.req, &set, &w.got);
        CHECK_INT(w.got.state, keep ? GREY_AUTO : GREY_NEW);
    }
    world_free(&w);
}

static void a_copy_is_what_was_committed(void)
{
    struct world w = world_new(), crashed = w;
    (void)decide(&w, 0);
    crashed.memory = grey_memory_copy(w.memory);
    (void)decide(&w, DELAY);
    CHECK_INT(look(&crashed, DELAY)->state, GREY_DUE);
    CHECK_INT(look(&w, DELAY)->state, GREY_AUTO);
    world_free(&crashed);
    world_free(&w);
}

/* ---- what a domain proves ---- */

static const struct grey_answer *prove(struct world *w, unsigned host, int64_t at)
{
    w->req.tuple.client_domain = SLICE_LIT("example.com");
    w->req.tuple.addr.bytes[3] = (uint8_t)host;
    return world_ask(w, GREY_PROVE, at, 0);
}

static void a_domain_proves_sixteen_clients(void)
{
    struct world w = world_new();
    for (unsigned i = 0; i < GREY_PROOF_CLIENTS; i++) {
        CHECK_INT(prove(&w, i, i * HOUR)->verdict, GREY_ACCEPT);
        CHECK(w.durable);
    }
    CHECK_INT(prove(&w, 100, 20 * HOUR)->verdict, GREY_DEFER);
    CHECK(!w.durable);
    CHECK_INT(prove(&w, 3, 20 * HOUR)->verdict, GREY_ACCEPT);
    CHECK(!w.durable);
    CHECK_INT(grey_memory_count(w.memory), 1);
    w.req.tuple.client_domain = SLICE_LIT("example.org"); /* another one has its own */
    w.req.tuple.addr.bytes[3] = 100;
    CHECK_INT(world_ask(&w, GREY_PROVE, 20 * HOUR, 0)->verdict, GREY_ACCEPT);
    world_free(&w);
}

/* In 35 days, counted from each one's last use. */
static void unused_proofs_make_room(void)
{
    struct world w = world_new();
    for (unsigned i = 0; i < GREY_PROOF_CLIENTS; i++)
        (void)prove(&w, i, 0);
    (void)prove(&w, 5, 10 * DAY);
    CHECK(!w.durable); /* a renewal: nobody waits for it */
    CHECK_INT(prove(&w, 100, 35 * DAY)->verdict, GREY_DEFER);
    for (unsigned i = 0; i < GREY_PROOF_CLIENTS - 1; i++)
        CHECK_INT(prove(&w, 100 + i, 35 * DAY + 1)->verdict, GREY_ACCEPT);
    CHECK_INT(prove(&w, 5, 36 * DAY)->verdict, GREY_ACCEPT);
    CHECK_INT(prove(&w, 6, 36 * DAY)->verdict, GREY_DEFER);
    world_free(&w);
}

static void ipv6_is_proved_by_its_network(void)
{
    struct world w = world_new();
    w.req.tuple.client_domain = SLICE_LIT("example.com");
    for (unsigned i = 0; i < 40; i++) {
        w.req.tuple.addr = world_ip("2001:db8:1:2::1");
        w.req.tuple.addr.bytes[15] = (uint8_t)i;
        CHECK_INT(world_ask(&w, GREY_PROVE, i, 0)->verdict, GREY_ACCEPT);
    }
    for (unsigned i = 0; i < 40; i++) {
        w.req.tuple.addr.bytes[7] = (uint8_t)(100 + i);
        CHECK_INT(world_ask(&w, GREY_PROVE, 100, 0)->verdict, i < GREY_PROOF_CLIENTS - 1 ? GREY_ACCEPT : GREY_DEFER);
    }
    world_free(&w);
}

static void a_spoilt_list_of_proofs_is_passed_over(void)
{
    char out[GREY_PROOF_TEXT_MAX];
    size_t len = 0;
    struct ip ip = world_ip("192.0.2.9");
    CHECK_INT(grey_proof_note(SLICE_LIT("x@1  192.0.2.7 @ 192.0.2.8@-3 192.0.2.7@99999999999999999999 192.0.2.1@90"), &ip,
                              (struct wall){100}, false, out, &len),
              GREY_PROOF_ADDED);
    CHECK_SLICE(slice_of(out, len), "192.0.2.1@90 192.0.2.9@100");
    CHECK_INT(grey_proof_note(SLICE_LIT("192.0.2.9@500"), &ip, (struct wall){100}, false, out, &len), GREY_PROOF_KNOWN);
}

int main(void)
{
    TEST(a_domain_proves_sixteen_clients);
    TEST(unused_proofs_make_room);
    TEST(ipv6_is_proved_by_its_network);
    TEST(a_spoilt_list_of_proofs_is_passed_over);
    TEST(first_sight_is_deferred);
    TEST(early_retry_does_not_restart_the_clock);
    TEST(look_changes_nothing);
    TEST(the_line_that_decides_now_sets_the_delay);
    TEST(pending_dies_after_delay_and_timeout);
    TEST(no_delay_means_no_wait);
    TEST(future_first_sight_counts_as_now);
    TEST(a_first_visit_in_the_future_counts_as_now);
    TEST(without_autowhite_nothing_stays);
    TEST(what_a_retry_earned_is_renewed_for_ever);
    TEST(renewal_by_less_than_a_tenth_is_not_written);
    TEST(what_a_hold_earned_ends);
    TEST(a_served_hold_makes_the_client_patient);
    TEST(patience_has_a_life_of_its_own);
    TEST(patience_of_ipv6_is_the_64s);
    TEST(a_patient_clients_tuples_end_with_its_patience);
    TEST(leaving_starts_the_clock_at_the_first_visit);
    TEST(left_marks_lie_on_tuple_and_client);
    TEST(the_longest_left_mark_counts);
    TEST(a_served_hold_clears_left_marks);
    TEST(a_survivor_outdoes_a_leaver);
    TEST(hold_then_greylist_counts_from_the_start_of_the_hold);
    TEST(a_hold_before_a_greylist_line_is_no_pass);
    TEST(a_served_hold_waits_for_its_confirmation);
    TEST(a_confirmation_is_of_what_was_served_before_it);
    TEST(without_confirmation_what_was_pending_goes_on);
    TEST(the_pair_and_the_client_wait_too);
    TEST(a_due_tuple_at_a_tarpit_line_was_earned_by_a_retry);
    TEST(the_subnet_is_the_client);
    TEST(a_domain_is_the_client);
    TEST(a_changed_setting_defers_nobody_anew);
    TEST(pairs_let_in_what_is_like_it);
    TEST(a_patient_bot_does_not_free_its_provider);
    TEST(lazyaw_counts_any_tuple_of_the_client);
    TEST(what_is_released_is_that_tuple_alone);
    TEST(lazyaw_learns_when_it_is_switched_on);
    TEST(what_has_ended_is_forgotten);
    TEST(a_crowd_shares_a_record);
    TEST(hash_collisions_are_not_found);
    TEST(nothing_expires_while_the_clock_is_not_trusted);
    TEST(a_copy_is_what_was_committed);
    return TEST_END();
}
