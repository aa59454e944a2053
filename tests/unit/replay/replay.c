/* replay.c - traces through the three worlds: what is counted, what is remembered, who comes back when. */
#include "base/mem.h"
#include "replay/report.h"
#include "replay/trace.h"
#include "test.h"

#include <string.h>

#define SHIPPED                                                                                                             \
    "filter \"greylist\" {\n  builtin greylist\n  when generic_rdns or unknown_client\n}\n"                                 \
    "autowhite 35d\nracl whitelist tarpit 125s\nracl greylist default\n"

struct row {
    const char *what, *conf;
    int64_t warm_up_sec, retry_sec;
    const char *trace;                               /* lines; blanks stand for TABs */
    unsigned deliveries, suspects;                   /* wanted */
    unsigned held_low, held_once, once, held, bound; /* bound: deferred in the high world */
    unsigned p50_min;                                /* until they were let in, in the high world */
};

static const struct row rows[] = {
    {.what = "a named server passes untouched",
     .trace = "1000000 192.0.2.1 mail.example.com a@example.com b@mx.example\n",
     .deliveries = 1},
    {.what = "no name: held, deferred once; after the retry it is known",
     .trace = "1000000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1010000 192.0.2.1 unknown a@example.com b@mx.example\n",
     .deliveries = 2,
     .suspects = 2,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 1,
     .p50_min = 30},
    {.what = "all that comes before the retry is deferred, in the high world only",
     .trace = "1000000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1000300 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1000600 192.0.2.1 unknown a@example.com b@mx.example\n",
     .deliveries = 3,
     .suspects = 3,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 3,
     .p50_min = 30},
    {.what = "a retry that comes later is the client's",
     .retry_sec = 7200,
     .trace = "1000000 192.0.2.1 unknown a@example.com b@mx.example\n",
     .deliveries = 1,
     .suspects = 1,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 1,
     .p50_min = 120},
    {.what = "what is remembered ends: behind autowhite it is held anew",
     .trace = "1000000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "5000000 192.0.2.1 unknown a@example.com b@mx.example\n",
     .deliveries = 2,
     .suspects = 2,
     .held_low = 2,
     .held_once = 2,
     .once = 2,
     .held = 2,
     .bound = 2,
     .p50_min = 30},
    {.what = "the warm-up is remembered, not counted",
     .warm_up_sec = 5000,
     .trace = "1000000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1010000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1010001 192.0.2.2  c@example.org b@mx.example\n",
     .deliveries = 2,
     .suspects = 2,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 1,
     .p50_min = 30},
    {.what = "a name that nobody has looked up is missing in the high world only",
     .trace = "1000000 192.0.2.1 [192.0.2.1] a@example.com b@mx.example\n",
     .deliveries = 1,
     .suspects = 1,
     .held = 1,
     .bound = 1,
     .p50_min = 30},
    {.what = "greylisting for everybody holds nobody",
     .conf = "greylist 5m\nracl greylist default\n",
     .trace = "1000000 192.0.2.1 mail.example.com a@example.com b@mx.example\n",
     .deliveries = 1,
     .suspects = 1,
     .once = 1,
     .bound = 1,
     .p50_min = 15},
    {.what = "what the filter only evaluates is told as if it were done",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  evaluation yes\n}\nracl whitelist tarpit 125s\nracl greylist "
             "default\n",
     .trace = "1000000 192.0.2.1 mail.example.com a@example.com b@mx.example\n",
     .deliveries = 1,
     .suspects = 1,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 1,
     .p50_min = 30},
    {.what = "lines that cannot be read are none, and time never goes back",
     .trace = "time address name sender recipient\n"
              "1000000 192.0.2.1 unknown a@example.com b@mx.example\n"
              "x 192.0.2.1 unknown a@example.com b@mx.example\n"
              "1000000 192.0.2 unknown a@example.com b@mx.example\n"
              "1000000 192.0.2.1 unknown a@example.com\n"
              "999000 192.0.2.1 unknown a@example.com b@mx.example\n",
     .deliveries = 2,
     .suspects = 2,
     .held_low = 1,
     .held_once = 1,
     .once = 1,
     .held = 1,
     .bound = 2,
     .p50_min = 30},
};

static struct plan *plan_of(const char *text)
{
    struct slice conf = slice_cstr(text);
    struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "test.conf", "mx.example.net", &diags);
    diags_fini(&diags);
    return plan;
}

static void play(struct replay *r, const char *trace)
{
    struct slice rest = slice_cstr(trace);
    while (rest.len > 0) {
        char line[256];
        struct slice s = slice_cut(&rest, '\n');
        struct delivery d;
        memcpy(line, s.ptr, s.len);
        for (size_t i = 0; i < s.len; i++)
            line[i] = line[i] == ' ' ? '\t' : line[i];
        if (trace_read(slice_of(line, s.len), &d) == ERR_NONE)
            replay_delivery(r, &d);
    }
    replay_finish(r);
}

static void traces(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct plan *plan = plan_of(row->conf ? row->conf : SHIPPED);
        struct replay_options options = {
            .warm_up_sec = row->warm_up_sec, .retry_sec = row->retry_sec ? row->retry_sec : 900, .is_certain = true};
        struct replay *r = replay_new(plan, &options);
        play(r, row->trace);
        const struct replay_counts *c = replay_counts(r);
        bool ok = CHECK_INT(c->deliveries, row->deliveries);
        ok &= CHECK_INT(c->all.suspects, row->suspects);
        ok &= CHECK_INT(c->all.held[REPLAY_LOW], row->held_low);
        ok &= CHECK_INT(c->all.deferred[REPLAY_LOW], row->held ? 0 : row->bound); /* who is held waits */
        ok &= CHECK_INT(c->all.held[REPLAY_ONCE], row->held_once);
        ok &= CHECK_INT(c->all.deferred[REPLAY_ONCE], row->once);
        ok &= CHECK_INT(c->all.held[REPLAY_HIGH], row->held);
        ok &= CHECK_INT(c->all.deferred[REPLAY_HIGH], row->bound);
        ok &= CHECK_INT(world_delay_percentile(replay_delays(r), 50), row->p50_min);
        if (!ok)
            printf("# %s\n", row->what);
        replay_free(r);
        plan_unref(plan);
    }
}

static void check_width(struct slice screen)
{
    while (screen.len > 0)
        CHECK(slice_cut(&screen, '\n').len <= 80);
}

static struct delivery delivery_of(const char *sender, int64_t at_sec)
{
    struct delivery d = {.time = {at_sec}, .client = {IP_V4, {192, 0, 2, 1}}, .resolve = RESOLVE_FAIL, .times = 1};
    d.sender = slice_cstr(sender);
    d.recipients[d.n_recipients++] = SLICE_LIT("b@mx.example");
    return d;
}

/* All recipients of a message are named, and each is known later; with one of them refused for good it is no deferral. */
static void recipients(void)
{
    struct plan *plan = plan_of("greylist 5m\nautowhite 35d\nracl blacklist rcpt bad@mx.example\nracl greylist default\n");
    struct replay_options options = {.retry_sec = 900, .is_certain = true};
    struct replay *r = replay_new(plan, &options);
    const struct replay_counts *c = replay_counts(r);
    struct delivery d = delivery_of("a@example.com", 1000000);
    d.recipients[d.n_recipients++] = SLICE_LIT("c@mx.example");
    replay_delivery(r, &d);
    CHECK_INT(c->all.deferred[REPLAY_HIGH], 1);
    d = delivery_of("a@example.com", 1010000);
    d.recipients[0] = SLICE_LIT("c@mx.example");
    replay_delivery(r, &d);
    CHECK_INT(c->all.deferred[REPLAY_HIGH], 1);
    d.recipients[d.n_recipients++] = SLICE_LIT("bad@mx.example");
    replay_delivery(r, &d);
    CHECK_INT(c->rejected, 1);
    CHECK_INT(c->all.deferred[REPLAY_HIGH], 1);
    replay_free(r);
    plan_unref(plan);
}

/* Its HELO may have proved it where nobody knows it: spared in the low bound, held in the high one. A trace spares nobody. */
static void helo_bounds(void)
{
    static const struct {
        const char *helo; /* NULL: not known */
        bool is_certain;
        unsigned low, high;
    } cases[] = {
        {NULL, false, 0, 1},
        {NULL, true, 1, 1},
        {"mail.selfhoster.net", false, 0, 1},
        {"localhost", false, 1, 1},
        {"198-51-100-1.nip.io", false, 1, 1},
        {"mail.isp-company.net", false, 1, 1}, /* the reverse name's domain, though that name is forged */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct plan *plan =
            plan_of("filter \"greylist\" {\n  builtin greylist\n  when (generic_rdns or unknown_client) and not "
                    "helo_confirmed\n}\nracl whitelist tarpit 125s\nracl greylist default\n");
        struct replay_options options = {.retry_sec = 900, .is_certain = cases[i].is_certain};
        struct replay *r = replay_new(plan, &options);
        struct delivery d = delivery_of("a@example.com", 1000000);
        d.resolve = RESOLVE_FORGED;
        d.name = SLICE_LIT("dhcp-2-1.isp-company.net");
        d.helo = slice_cstr(cases[i].helo);
        replay_delivery(r, &d);
        bool ok = CHECK_INT(replay_counts(r)->all.held[REPLAY_LOW], cases[i].low);
        ok &= CHECK_INT(replay_counts(r)->all.held[REPLAY_HIGH], cases[i].high);
        ok &= CHECK_INT(replay_counts(r)->all.deferred[REPLAY_HIGH], cases[i].high);
        if (!ok)
            printf("# HELO %s\n", cases[i].helo ? cases[i].helo : "not known");
        replay_free(r);
        plan_unref(plan);
    }
}

/* The log's clock is wrong once, and right again: what comes then is not of that time. */
static void clock_that_jumps(void)
{
    struct plan *plan = plan_of("greylist 5m\nautowhite 35d\nracl greylist default\n");
    struct replay_options options = {.retry_sec = 900, .is_certain = true};
    struct replay *r = replay_new(plan, &options);
    const int64_t times[] = {1000000, 900000000, 1000060, 1000120, 1001000};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct delivery d = delivery_of("a@example.com", times[i]);
        replay_delivery(r, &d);
    }
    /* by then all was forgotten, so the next ones are deferred anew; the last one finds that a retry was let in */
    CHECK_INT(replay_counts(r)->all.deferred[REPLAY_HIGH], 4);
    CHECK_INT(replay_counts(r)->last.sec, 1001000);
    replay_finish(r);
    replay_free(r);
    plan_unref(plan);
}

/* More tuples than there is room for: what is kept stays bounded, and the report says so. */
static void bounded(void)
{
    for (int full = 0; full < 2; full++) {
        struct plan *plan = plan_of("greylist 5m\nautowhite 35d\nracl greylist default\n");
        struct replay_options options = {.retry_sec = 900, .is_certain = true, .records_max = full ? 100 : 1000};
        struct replay *r = replay_new(plan, &options);
        struct buf screen = {0};
        for (unsigned i = 0; i < 400; i++) {
            char sender[32];
            struct delivery d;
            snprintf(sender, sizeof(sender), "a%u@example.com", i);
            d = delivery_of(sender, 1000000 + i);
            replay_delivery(r, &d);
        }
        replay_finish(r);
        report_put_screen(
            r,
            &(struct replay_reading){.lines = 4123456789, .unread = 123456789, .warm_up_sec = 90 * 86400, .retry_sec = 900},
            &screen);
        CHECK_INT(replay_was_full(r), full);
        CHECK((strstr(buf_cstr(&screen), "no room to remember") != NULL) == full);
        check_width(buf_slice(&screen));
        CHECK_INT(replay_counts(r)->all.deferred[REPLAY_HIGH], 400);
        CHECK_INT(replay_delays(r)->let_in, 400);
        buf_fini(&screen);
        replay_free(r);
        plan_unref(plan);
    }
}

int main(void)
{
    TEST(traces);
    TEST(recipients);
    TEST(clock_that_jumps);
    TEST(helo_bounds);
    TEST(bounded);
    return TEST_END();
}
