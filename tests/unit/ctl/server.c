/*
 * server.c - connections and requests, without a socket: who may ask what, slices, waiting, a reader that is slow or gone, floods.
 * `status` stands for any command here: it counts to as many as the test says.
 */
#include "ctl/server.h"
#include "test.h"

#include <string.h>

struct world {
    struct ctl_server *server;
    struct effects out;
    struct mono now;
    unsigned turns_wanted;
    /* the command */
    unsigned rows, per_slice, waits, produced, ended;
    bool refuses, wakes_itself;
    owner_id asked_by;
    struct buf said; /* to anybody */
    unsigned closed, drains;
};

static enum ctl_progress produce(struct ctl_request *r)
{
    struct world *w = r->ctx;
    w->asked_by = r->owner;
    r->state = w; /* so that `end` has something to see */
    if (w->refuses)
        return ctl_refuse(r, "not %s", "today");
    if (w->waits > 0) {
        w->waits--;
        if (w->wakes_itself)
            ctl_server_wake(w->server, r->owner);
        return CTL_WAIT;
    }
    for (unsigned i = 0; i < w->per_slice && w->produced < w->rows; i++)
        ctl_put_pair(r->out, "row", "%u", ++w->produced);
    return w->produced < w->rows ? CTL_MORE : CTL_DONE;
}

static void end(struct ctl_request *r)
{
    struct world *w = r->state;
    w->ended++;
}

static void soon(void *ctx)
{
    ((struct world *)ctx)->turns_wanted++;
}

static const struct ctl_handler handlers[CTL_COMMANDS] = {[CTL_STATUS] = {.produce = produce, .end = end}};

static void begin(struct world *w)
{
    *w = (struct world){.now = {1000}, .per_slice = 100};
    effects_init(&w->out);
    w->server = ctl_server_new(&(struct ctl_server_hooks){.ctx = w, .handlers = handlers, .soon = soon});
}

static void finish(struct world *w)
{
    ctl_server_free(w->server);
    effects_fini(&w->out);
    buf_fini(&w->said);
}

/* What came of an event. */
static void carry_out(struct world *w)
{
    for (size_t i = 0; i < w->out.count; i++) {
        const struct effect *e = &w->out.items[i];
        if (e->kind == EFFECT_SEND)
            buf_put_slice(&w->said, e->u.bytes);
        w->closed += e->kind == EFFECT_CLOSE;
        w->drains += e->kind == EFFECT_DRAIN;
    }
    effects_clear(&w->out);
}

static void give(struct world *w, enum event_kind kind, owner_id owner, struct slice bytes)
{
    struct event e = {.kind = kind, .owner = owner, .now = {.mono = w->now}};
    e.u.bytes = bytes;
    ctl_server_step(w->server, &e, &w->out);
    carry_out(w);
}

static owner_id name(uint32_t slot)
{
    return owner_make(OWNER_CONTROL, slot, 1);
}

static void dial(struct world *w, uint32_t slot, enum ctl_right right)
{
    struct event e = {.kind = EVENT_OPEN, .owner = name(slot), .now = {.mono = w->now}};
    ctl_server_open(w->server, &e, &(struct ctl_peer){.uid = 1000, .pid = 7, .right = right}, &w->out);
    carry_out(w);
}

static void say(struct world *w, uint32_t slot, const char *text)
{
    give(w, EVENT_BYTES, name(slot), slice_cstr(text));
}

/* Turns as long as they are wanted. */
static void turn(struct world *w)
{
    while (w->turns_wanted > 0) {
        w->turns_wanted = 0;
        give(w, EVENT_TURN, OWNER_NOBODY, SLICE_NONE);
    }
}

static void check_said(struct world *w, const char *want)
{
    CHECK_STR(buf_cstr(&w->said), want);
    buf_clear(&w->said);
}

static void answers_in_the_order_of_the_questions(void)
{
    struct world w;
    begin(&w);
    w.rows = 1;
    dial(&w, 1, CTL_METRICS);
    say(&w, 1, "sta");
    CHECK_INT(w.turns_wanted, 0);
    say(&w, 1, "tus\nnonsense\r\n\nstatus now\njudge\nstat\\x75\n");
    turn(&w);
    check_said(&w, "row\t1\n.\n");
    for (int i = 0; i < 5; i++) { /* nothing more before the first answer is out */
        give(&w, EVENT_DRAINED, name(1), SLICE_NONE);
        turn(&w);
    }
    CHECK(strstr(buf_cstr(&w.said), "error usage there is no such request\nerror usage there is no such request\n"
                                    "error usage status takes 0 to 0 words, not 1\nerror usage"));
    CHECK_INT(w.ended, 1);
    CHECK_INT(w.closed, 0);
    give(&w, EVENT_EOF, name(1), SLICE_NONE);
    CHECK_INT(w.closed, 0); /* its last answer is not out */
    give(&w, EVENT_DRAINED, name(1), SLICE_NONE);
    CHECK_INT(w.closed, 1);
    CHECK(!ctl_server_wants_ticks(w.server));
    finish(&w);
}

static void asks_only_what_one_may(void)
{
    struct world w;
    begin(&w);
    dial(&w, 1, CTL_LOCAL);
    check_said(&w, "error denied uid 1000 may ask nothing here; root may, and groups: `control read` in tarsier.conf(5)\n");
    CHECK_INT(w.closed, 1);
    say(&w, 1, "status\n"); /* it is no connection any more */
    turn(&w);
    check_said(&w, "");
    finish(&w);
}

static void a_slow_reader_stops_the_listing(void)
{
    struct world w;
    begin(&w);
    w.rows = 1000;
    dial(&w, 1, CTL_METRICS);
    say(&w, 1, "status\n");
    turn(&w);
    CHECK_INT(w.produced, 100);
    turn(&w);
    CHECK_INT(w.produced, 100);
    for (int i = 0; i < 9; i++) {
        give(&w, EVENT_DRAINED, name(1), SLICE_NONE);
        turn(&w);
    }
    CHECK_INT(w.produced, 1000);
    CHECK_INT(w.ended, 1);
    /* One that reads nothing at all loses its connection, and the request ends. */
    w.produced = 0;
    give(&w, EVENT_DRAINED, name(1), SLICE_NONE);
    say(&w, 1, "status\n");
    turn(&w);
    w.now.ms += CTL_IDLE_MS - 1;
    give(&w, EVENT_TICK, OWNER_NOBODY, SLICE_NONE);
    CHECK_INT(w.closed, 0);
    w.now.ms += 1;
    give(&w, EVENT_TICK, OWNER_NOBODY, SLICE_NONE);
    CHECK_INT(w.closed, 1);
    CHECK_INT(w.ended, 2);
    finish(&w);
}

static void waits_for_what_is_asked_elsewhere(void)
{
    struct world w;
    begin(&w);
    w.rows = 1;
    w.waits = 2;
    dial(&w, 1, CTL_METRICS);
    say(&w, 1, "status\n");
    turn(&w);
    w.now.ms += 2 * CTL_IDLE_MS; /* who waits for us is not idle */
    give(&w, EVENT_TICK, OWNER_NOBODY, SLICE_NONE);
    ctl_server_wake(w.server, name(2)); /* nobody's name */
    turn(&w);
    CHECK_INT(w.waits, 1);
    ctl_server_wake(w.server, w.asked_by);
    turn(&w);
    CHECK_INT(w.waits, 0);
    check_said(&w, "");
    ctl_server_wake_all(w.server, CTL_STATUS);
    turn(&w);
    check_said(&w, "row\t1\n.\n");
    /* An answer that is there before `produce` has returned is not lost. */
    give(&w, EVENT_DRAINED, name(1), SLICE_NONE);
    w.produced = 0;
    w.waits = 1;
    w.wakes_itself = true;
    say(&w, 1, "status\n");
    turn(&w);
    check_said(&w, "row\t1\n.\n");
    finish(&w);
}

static void ends_a_request_whose_client_has_gone(void)
{
    struct world w;
    begin(&w);
    w.rows = 1000;
    dial(&w, 1, CTL_METRICS);
    say(&w, 1, "status\n");
    turn(&w);
    give(&w, EVENT_EOF, name(1), SLICE_NONE); /* broken, or only its own side is closed: nobody can tell */
    CHECK_INT(w.ended, 0);
    w.now.ms += CTL_IDLE_MS;
    give(&w, EVENT_TICK, OWNER_NOBODY, SLICE_NONE);
    CHECK_INT(w.ended, 1);
    CHECK_INT(w.closed, 1);
    w.refuses = true;
    w.produced = 0;
    dial(&w, 2, CTL_METRICS);
    say(&w, 2, "status\n");
    turn(&w);
    CHECK(strstr(buf_cstr(&w.said), "error refused not today\n"));
    CHECK_INT(w.ended, 2);
    w.refuses = false;
    give(&w, EVENT_DRAINED, name(2), SLICE_NONE);
    say(&w, 2, "status\n");
    turn(&w);
    ctl_server_free(w.server); /* the daemon's end */
    w.server = NULL;
    CHECK_INT(w.ended, 3);
    finish(&w);
}

static void gives_each_connection_its_turn(void)
{
    struct world w;
    begin(&w);
    w.rows = 1000000;
    w.per_slice = 1;
    dial(&w, 1, CTL_METRICS);
    dial(&w, 2, CTL_METRICS);
    say(&w, 1, "status\n");
    say(&w, 2, "status\n");
    owner_id before = OWNER_NOBODY;
    for (int i = 0; i < 10; i++) {
        w.turns_wanted = 0;
        give(&w, EVENT_TURN, OWNER_NOBODY, SLICE_NONE);
        CHECK(w.asked_by != before);
        CHECK_INT(w.produced, i + 1);
        before = w.asked_by;
        give(&w, EVENT_DRAINED, before, SLICE_NONE);
    }
    finish(&w);
}

static void bounds_what_is_sent_ahead(void)
{
    struct world w;
    static char flood[CTL_AHEAD_MAX_BYTES + 1];
    begin(&w);
    w.waits = 1;
    dial(&w, 1, CTL_METRICS);
    say(&w, 1, "status\n");
    turn(&w);
    memset(flood, '\n', sizeof(flood));
    give(&w, EVENT_BYTES, name(1), slice_of(flood, sizeof(flood) - 1));
    CHECK_INT(w.closed, 0);
    give(&w, EVENT_BYTES, name(1), slice_of(flood, 1));
    CHECK_INT(w.closed, 1);
    CHECK_INT(w.ended, 1);
    CHECK(strstr(buf_cstr(&w.said), "error usage a request has at most 4096 bytes"));
    /* A line without an end. */
    memset(flood, 'a', sizeof(flood));
    dial(&w, 2, CTL_METRICS);
    give(&w, EVENT_BYTES, name(2), slice_of(flood, CTL_REQUEST_MAX_BYTES - 1));
    CHECK_INT(w.closed, 1);
    give(&w, EVENT_BYTES, name(2), slice_of(flood, 1));
    CHECK_INT(w.closed, 2);
    finish(&w);
}

int main(void)
{
    TEST(answers_in_the_order_of_the_questions);
    TEST(asks_only_what_one_may);
    TEST(a_slow_reader_stops_the_listing);
    TEST(waits_for_what_is_asked_elsewhere);
    TEST(ends_a_request_whose_client_has_gone);
    TEST(gives_each_connection_its_turn);
    TEST(bounds_what_is_sent_ahead);
    return TEST_END();
}
