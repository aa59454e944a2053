/* kinds.c - what every kind of store does, asked of each kind by its interface alone. */
#include "rig.h"
#include "store/store.h"

static const struct {
    const struct store_kind *kind;
    const char *name;
} kinds[] = {{&store_lmdb, "lmdb"}, {&store_memory, "memory"}};

enum { KINDS = COUNT_OF(kinds) };

/* A rig whose store is of this kind. NULL when it does not open, which is told. */
static struct rig *kind_open(size_t i)
{
    struct rig *r = rig_new();
    if (kinds[i].kind->guard)
        kinds[i].kind->guard();
    if (CHECK_INT(kinds[i].kind->open(&r->config, &r->store), ERR_NONE))
        return r;
    printf("# kind %s\n", kinds[i].name);
    rig_free(r);
    return NULL;
}

static void decides_as_grey_apply_does(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = kind_open(i);
        if (!r)
            continue;
        CHECK(store_is_new(r->store));
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_NEW);
        const struct grey_answer *a = rig_ask(r, GREY_DECIDE, 1);
        CHECK_INT(a->verdict, GREY_DEFER);
        CHECK_INT(a->remaining_sec, 30 * MINUTE);
        CHECK_INT(a->commit, GREY_COMMIT_QUICK);
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
        rig_pass(r, 31 * MINUTE, false);
        CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->verdict, GREY_ACCEPT);
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
        CHECK(rig_serve(r, "192.0.2.8", 2));
        CHECK(rig_ask_at(r, GREY_LOOK, "192.0.2.8", 3)->patient);
        struct store_stats s;
        store_get_stats(r->store, &s);
        CHECK(s.is_open);
        CHECK_INT(s.records, 3);
        CHECK_INT(s.unconfirmed, 0);
        CHECK_INT(s.refused, 0);
        CHECK_INT(r->failed, 0);
        rig_free(r);
    }
}

/* A request that nobody waits for, and one whose texts die at once. */
static void copies_what_it_is_given(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = kind_open(i);
        char text[40];
        if (!r)
            continue;
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, 1, text);
        store_submit(r->store, 0, 0, &req);
        rig_submit(r, &req);
        memset(text, 'x', sizeof(text));
        rig_await(r, 1);
        CHECK_INT(r->answers, 1);
        CHECK_INT(r->got.state, GREY_PENDING);
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
        rig_free(r);
    }
}

/* One record of each type, as another host would send it. */
static size_t items_of_all_types(struct store_item items[8])
{
    struct grey_record all[] = {
        {.type = GREY_RECORD_TUPLE, .sender = SLICE_LIT("<a@example.org>"), .recipient = SLICE_LIT("<9@example.net>")},
        {.type = GREY_RECORD_TUPLE,
         .is_auto = true,
         .domain = SLICE_LIT("example.com"),
         .sender = SLICE_LIT("<a@example.org>"),
         .recipient = SLICE_LIT("<9@example.net>")},
        {.type = GREY_RECORD_PAIR, .is_auto = true, .domain = SLICE_LIT("example.com"), .sender = SLICE_LIT("example.org")},
        {.type = GREY_RECORD_PAIR, .is_auto = true, .sender = SLICE_LIT("")},
        {.type = GREY_RECORD_CLIENT, .auto_since = {T0 - HOUR}, .patient_until = {T0 + DAY}},
        {.type = GREY_RECORD_LAZY, .is_auto = true},
        {.type = GREY_RECORD_SHARED},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        items[i] = (struct store_item){.record = all[i], .addr_bits = 24};
        struct grey_record *r = &items[i].record;
        r->first_seen.sec = T0 - HOUR;
        r->expires.sec = T0 + DAY;
        r->left_sec = -1;
        if (ip_parse(SLICE_LIT("192.0.2.7"), &r->addr) != ERR_NONE)
            abort();
    }
    return COUNT_OF(all);
}

struct walk {
    size_t count, stop_at;
    struct grey_key last;
    bool sorted;
    unsigned types;
};

static bool walk_on(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    struct walk *w = ctx;
    w->sorted = w->sorted && (w->count == 0 || memcmp(&w->last, key, sizeof(*key)) < 0);
    w->last = *key;
    w->types |= 1u << record->type;
    return ++w->count != w->stop_at;
}

static void takes_in_every_type_once(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct store_item items[8];
        struct rig *r = kind_open(i);
        if (!r)
            continue;
        struct store_import im = {.items = items, .count = items_of_all_types(items)};
        CHECK_INT(store_import(r->store, &im), ERR_NONE);
        CHECK_INT(im.added, im.count);
        CHECK_INT(im.changed, 0);
        im.added = 0;
        CHECK_INT(store_import(r->store, &im), ERR_NONE);
        CHECK_INT(im.added + im.changed, 0);
        struct walk all = {.sorted = true};
        CHECK_INT(store_each(r->store, walk_on, &all), ERR_NONE);
        CHECK_INT(all.count, im.count);
        CHECK(all.sorted);
        CHECK_INT(all.types, 1u << GREY_RECORD_TUPLE | 1u << GREY_RECORD_PAIR | 1u << GREY_RECORD_CLIENT |
                                 1u << GREY_RECORD_LAZY | 1u << GREY_RECORD_SHARED);
        struct walk two = {.stop_at = 2};
        CHECK_INT(store_each(r->store, walk_on, &two), ERR_NONE);
        CHECK_INT(two.count, 2);
        rig_free(r);
    }
}

/* What was taken in is found by the requests that it is about. */
static void finds_what_it_took_in(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct store_item items[8];
        char text[40];
        struct rig *r = kind_open(i);
        if (!r)
            continue;
        struct store_import im = {.items = items, .count = items_of_all_types(items)};
        CHECK_INT(store_import(r->store, &im), ERR_NONE);
        struct grey_request req = rig_request(r, GREY_LOOK, "192.0.2.99", 9, text);
        req.tuple.addr_bits = 24;
        rig_submit(r, &req);
        rig_await(r, 1);
        CHECK_INT(r->got.state, GREY_DUE); /* another host of the network */
        CHECK(!r->got.patient);            /* patience is the address's own */
        req.tuple.client_domain = SLICE_LIT("example.com");
        rig_submit(r, &req);
        rig_await(r, 2);
        CHECK_INT(r->got.state, GREY_AUTO);
        CHECK_INT(r->got.via, GREY_VIA_TUPLE);
        req.tuple.recipient = SLICE_LIT("<other@example.net>");
        req.pairs = true;
        rig_submit(r, &req);
        rig_await(r, 3);
        CHECK_INT(r->got.via, GREY_VIA_PAIR);
        CHECK(rig_ask_at(r, GREY_LOOK, "192.0.2.7", 50)->patient);
        rig_free(r);
    }
}

/* Beyond `store max` a first sight is not promised. */
static void refuses_what_has_no_room(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = rig_new();
        struct store_stats s;
        r->config.max_records = 3;
        if (!CHECK_INT(kinds[i].kind->open(&r->config, &r->store), ERR_NONE))
            return;
        for (unsigned n = 0; n < 3; n++)
            CHECK(rig_serve(r, NULL, n) || r->failed > 0); /* AUTO and patience: nothing to push out */
        (void)rig_ask(r, GREY_DECIDE, 7);
        CHECK(r->got.failed);
        store_get_stats(r->store, &s);
        CHECK(s.records <= 3);
        rig_free(r);
    }
}

int main(void)
{
    TEST(decides_as_grey_apply_does);
    TEST(copies_what_it_is_given);
    TEST(takes_in_every_type_once);
    TEST(finds_what_it_took_in);
    TEST(refuses_what_has_no_room);
    return TEST_END();
}
