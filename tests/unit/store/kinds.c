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
        {.type = GREY_RECORD_PROOF, .domain = SLICE_LIT("example.com"), .recipient = SLICE_LIT("192.0.2.7@1795485418")},
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
        CHECK_INT(store_import(r->store, &im), ERR_NONE);
        CHECK_INT(im.added + im.changed, 0);
        struct walk all = {.sorted = true};
        CHECK_INT(store_each(r->store, walk_on, &all), ERR_NONE);
        CHECK_INT(all.count, im.count);
        CHECK(all.sorted);
        CHECK_INT(all.types, 1u << GREY_RECORD_TUPLE | 1u << GREY_RECORD_PAIR | 1u << GREY_RECORD_CLIENT |
                                 1u << GREY_RECORD_LAZY | 1u << GREY_RECORD_SHARED | 1u << GREY_RECORD_PROOF);
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

struct told {
    struct rig *rig;
    unsigned done;
};

static void tell_done(struct store_job *job)
{
    struct told *t = job->owner;
    t->done++;
}

/* Take answers until so many jobs are done. */
static void await_jobs(struct told *t, unsigned jobs)
{
    struct rig *r = t->rig;
    while (t->done < jobs) {
        pthread_mutex_lock(&r->lock);
        while (!r->woken)
            pthread_cond_wait(&r->cond, &r->lock);
        r->woken = false;
        pthread_mutex_unlock(&r->lock);
        (void)store_take_answers(r->store, rig_answer, r);
    }
}

static bool even_recipient(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)key;
    (*(size_t *)ctx)++;
    return record->recipient.len > 1 && (record->recipient.ptr[record->recipient.len - 14] - '0') % 2 == 0;
}

/* 1,200 tuples and their client: some slices of a listing, half of them removed, all beside a request. */
static void lists_and_removes_in_slices(void)
{
    enum { N = 1200 };
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = kind_open(i);
        if (!r)
            continue;
        struct store_item *items = mem_zalloc(N * sizeof(*items));
        char(*texts)[40] = mem_alloc(N * sizeof(*texts));
        struct grey_key *keys = mem_alloc(N * sizeof(*keys));
        for (unsigned n = 0; n < N; n++) {
            struct grey_request req = rig_request(r, GREY_DECIDE, NULL, n, texts[n]);
            items[n].record = (struct grey_record){.type = GREY_RECORD_TUPLE,
                                                   .first_seen = {T0},
                                                   .expires = {T0 + DAY},
                                                   .left_sec = -1,
                                                   .addr = req.tuple.addr,
                                                   .sender = req.tuple.sender,
                                                   .recipient = req.tuple.recipient};
            items[n].addr_bits = 32;
        }
        struct told told = {.rig = r};
        struct store_job job = {.kind = STORE_JOB_IMPORT, .done = tell_done, .owner = &told};
        job.u.import = (struct store_import){.items = items, .count = N};
        store_start(r->store, &job);
        await_jobs(&told, 1);
        CHECK_INT(job.err, ERR_NONE);
        CHECK_INT(job.u.import.added, N);

        size_t asked = 0, found = 0, seen = 0, slices = 0;
        struct store_job list = {.kind = STORE_JOB_READ, .done = tell_done, .owner = &told};
        store_slice_begin(&list.u.read, even_recipient, &asked);
        while (!list.u.read.ended && slices < N) {
            struct grey_record record;
            store_start(r->store, &list);
            CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
            await_jobs(&told, (unsigned)(2 + slices++));
            CHECK_INT(list.err, ERR_NONE);
            seen += list.u.read.seen;
            for (size_t at = 0; found < N && store_slice_next(&list.u.read, &at, &keys[found], &record);)
                found++;
        }
        CHECK(slices >= 3);
        CHECK_INT(seen, N);
        CHECK_INT(asked, N);
        CHECK_INT(found, N / 2);

        struct store_job removal = {.kind = STORE_JOB_REMOVE};
        removal.u.removal = (struct store_removal){.keys = keys, .count = found, .wanted = even_recipient, .ctx = &asked};
        CHECK_INT(store_run(r->store, &removal), ERR_NONE);
        CHECK_INT(removal.u.removal.removed, N / 2);
        CHECK_INT(store_run(r->store, &removal), ERR_NONE);
        CHECK_INT(removal.u.removal.removed, 0);
        CHECK_INT(rig_ask(r, GREY_LOOK, 2)->state, GREY_NEW);
        CHECK_INT(rig_ask(r, GREY_LOOK, 3)->state, GREY_PENDING);
        struct store_stats s;
        store_get_stats(r->store, &s);
        CHECK_INT(s.records, N / 2);
        CHECK_INT(s.unconfirmed, N / 2);
        buf_fini(&list.u.read.found);
        free(items);
        free(texts);
        free(keys);
        rig_free(r);
    }
}

/* A hold that DATA has confirmed is told as AUTO, and is removed as such, though its record says "served". */
static bool is_passed(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)ctx;
    (void)key;
    return record->type == GREY_RECORD_TUPLE && record->is_auto;
}

static void tells_records_settled(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = kind_open(i);
        struct grey_key key;
        struct grey_record record;
        size_t at = 0;
        if (!r)
            continue;
        CHECK(rig_serve(r, NULL, 1));
        struct store_job list = {.kind = STORE_JOB_READ};
        store_slice_begin(&list.u.read, is_passed, NULL);
        CHECK_INT(store_run(r->store, &list), ERR_NONE);
        CHECK_INT(list.u.read.count, 1);
        CHECK(store_slice_next(&list.u.read, &at, &key, &record));
        struct store_job removal = {.kind = STORE_JOB_REMOVE, .u.removal = {.keys = &key, .count = 1, .wanted = is_passed}};
        CHECK_INT(store_run(r->store, &removal), ERR_NONE);
        CHECK_INT(removal.u.removal.removed, 1);
        buf_fini(&list.u.read.found);
        rig_free(r);
    }
}

/* Who closes a store hears of every job. */
static void ends_its_jobs(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        struct rig *r = kind_open(i);
        struct store_job jobs[3] = {0};
        if (!r)
            continue;
        struct told told = {.rig = r};
        for (size_t n = 0; n < COUNT_OF(jobs); n++) {
            jobs[n] = (struct store_job){.kind = STORE_JOB_READ, .done = tell_done, .owner = &told};
            store_slice_begin(&jobs[n].u.read, NULL, NULL);
            store_start(r->store, &jobs[n]);
        }
        rig_close(r);
        CHECK_INT(told.done, COUNT_OF(jobs));
        for (size_t n = 0; n < COUNT_OF(jobs); n++)
            buf_fini(&jobs[n].u.read.found);
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
    TEST(lists_and_removes_in_slices);
    TEST(tells_records_settled);
    TEST(ends_its_jobs);
    TEST(refuses_what_has_no_room);
    return TEST_END();
}
