/* store.c - unit tests of the store: what is answered is kept, what cannot be kept is said. */
#include "rig.h"

#include <time.h>

static void keeps_what_it_answered(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    CHECK(store_is_new(r->store));
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_NEW);
    CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->verdict, GREY_DEFER);
    CHECK_INT(r->got.remaining_sec, 30 * MINUTE);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
    struct grey_secret secret = *store_lmdb_secret(r->store);
    rig_close(r);
    if (!rig_open(r))
        return;
    CHECK(!store_is_new(r->store));
    CHECK(memcmp(&secret, store_lmdb_secret(r->store), sizeof(secret)) == 0);
    rig_pass(r, 10 * MINUTE, false);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
    CHECK_INT(r->got.remaining_sec, 20 * MINUTE);
    rig_pass(r, 20 * MINUTE, false);
    CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->verdict, GREY_ACCEPT);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK_INT(stats.records, 1);
    CHECK_INT(stats.unconfirmed, 0);
    CHECK_INT(stats.failures, 0);
    rig_free(r);
}

static void its_files_are_private(void)
{
    static const char *files[] = {"data.mdb", "lock.mdb", "writer.lock"};
    struct rig *r = rig_new();
    struct stat st;
    char path[400];
    mode_t before = umask(0);
    if (!rig_open(r))
        return;
    umask(before);
    CHECK(stat(r->dir, &st) == 0 && (st.st_mode & 0777) == 0700);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", r->dir, files[i]);
        CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    }
    rig_free(r);
}

static void a_secret_is_each_stores_own(void)
{
    struct rig *a = rig_new(), *b = rig_new();
    if (!rig_open(a) || !rig_open(b))
        return;
    CHECK(memcmp(store_lmdb_secret(a->store), store_lmdb_secret(b->store), sizeof(struct grey_secret)) != 0);
    rig_free(a);
    rig_free(b);
}

static void what_comes_during_a_commit_shares_the_next(void)
{
    enum { N = 600 };
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, N);
    CHECK_INT(r->failed, 0);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK_INT(stats.records, N);
    CHECK_INT(stats.unconfirmed, N);
    CHECK(stats.commits < N / 2);
    CHECK(stats.batch_max > 1);
    CHECK_INT(stats.committed_requests, N);
    CHECK(stats.commit_p50_us > 0 && stats.commit_p50_us <= stats.commit_p99_us);
    CHECK(stats.commit_us_sum >= stats.commits / 2 * stats.commit_p50_us);
    rig_free(r);
}

static void the_pause_gathers_a_batch(void)
{
    struct rig *r = rig_new();
    r->config.commit_pause_ms = 20;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(rig_ask(r, GREY_DECIDE, i)->failed, false);
    rig_free(r);
}

static void closing_finishes_what_is_queued(void)
{
    enum { N = 400 };
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_LEFT, NULL, i, text);
        req.waited_sec = 40;
        store_submit(r->store, 1, 0, &req); /* nobody waits */
    }
    rig_close(r);
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i += 13)
        CHECK_INT(rig_ask(r, GREY_LOOK, i)->state, GREY_PENDING);
    CHECK_INT(r->got.left_sec, 40);
    rig_free(r);
}

static void renewals_are_written_though_nobody_waits(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    CHECK(rig_serve(r, NULL, 1));
    rig_pass(r, DAY / 2, false);
    char text[40];
    struct grey_request req = rig_request(r, GREY_RENEW, NULL, 1, text);
    store_submit(r->store, 1, 0, &req);
    rig_close(r);
    if (!rig_open(r))
        return;
    rig_pass(r, DAY - 1, false);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
    rig_pass(r, 2, false);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_NEW);
    rig_free(r);
}

static void past_the_bound_the_answer_comes_at_once(void)
{
    enum { N = 3000 };
    struct rig *r = rig_new();
    r->config.queue_max = 20;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, N);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(r->failed > 0);
    CHECK_INT(r->failed, stats.refused);
    CHECK_INT(stats.requests, N);
    CHECK_INT(stats.records + r->failed, N);
    rig_free(r);
}

/* ---- a disk that does not come to an end ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool shut, reached;
};

static void stop_at_gate(void *ctx)
{
    struct rig *r = ctx;
    struct gate *g = r->mine;
    pthread_mutex_lock(&g->lock);
    g->reached |= g->shut;
    pthread_cond_broadcast(&g->cond);
    while (g->shut)
        pthread_cond_wait(&g->cond, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void gate_set(struct gate *g, bool shut)
{
    pthread_mutex_lock(&g->lock);
    g->shut = shut;
    g->reached = false;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

static void gate_await(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->reached)
        pthread_cond_wait(&g->cond, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void note_commit(struct rig *r, uint32_t number, const struct grey_answer *answer)
{
    (void)r;
    if (number == 2) /* the one that the disk has kept */
        CHECK_INT(answer->commit, GREY_COMMIT_SLOW);
}

static void a_stuck_commit_keeps_nobody_from_reading(void)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct rig *r = rig_new();
    char text[40];
    r->mine = &gate;
    r->config.queue_max = 20;
    r->config.committing = stop_at_gate;
    r->each_answer = note_commit;
    if (!rig_open(r))
        return;
    CHECK(rig_ask(r, GREY_DECIDE, 0)->commit != GREY_COMMIT_NONE);
    gate_set(&gate, true);
    struct grey_request req = rig_request(r, GREY_DECIDE, NULL, 1, text);
    rig_submit(r, &req);
    gate_await(&gate);
    for (unsigned i = 2; i < 42; i++) { /* 19 wait behind it, the rest is refused */
        req = rig_request(r, GREY_DECIDE, NULL, i, text);
        rig_submit(r, &req);
    }
    size_t before = r->answers;
    rig_await(r, before + 21);
    CHECK_INT(r->failed, 21);
    before = r->answers;
    req = rig_request(r, GREY_LOOK, NULL, 0, text);
    rig_submit(r, &req);
    rig_await(r, before + 1);
    CHECK(!r->got.failed);
    CHECK_INT(r->got.state, GREY_PENDING);
    CHECK_INT(r->got.commit, GREY_COMMIT_NONE);
    rig_pass_ms(r, GREY_SLOW_MS + 1);
    gate_set(&gate, false);
    rig_await(r, r->answers + 20);
    CHECK_INT(r->failed, 21);
    rig_free(r);
}

static void a_crowd_shares_a_record(void)
{
    struct rig *r = rig_new();
    r->config.crowd_max = 10;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 15; i++)
        CHECK_INT(rig_ask(r, GREY_DECIDE, i)->shared, i >= 10);
    CHECK(rig_ask(r, GREY_LOOK, 14)->shared);
    CHECK(!rig_ask_at(r, GREY_DECIDE, "192.0.2.8", 0)->shared);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK_INT(stats.records, 12);
    /* confirmed tuples make room for others; those that share a record are still known */
    rig_pass(r, 30 * MINUTE, false);
    for (unsigned i = 0; i < 5; i++)
        CHECK_INT(rig_ask(r, GREY_DECIDE, i)->verdict, GREY_ACCEPT);
    CHECK_INT(rig_ask(r, GREY_DECIDE, 13)->verdict, GREY_ACCEPT);
    CHECK_INT(rig_ask(r, GREY_DECIDE, 14)->verdict, GREY_ACCEPT);
    rig_pass(r, GREY_SHARED_LIFE_SEC + MINUTE, false);
    CHECK(!rig_ask(r, GREY_DECIDE, 20)->shared);
    rig_free(r);
}

static void expired_records_go(void)
{
    enum { N = 700 };
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, i % 2 ? "192.0.2.7" : "2001:db8::7", i, text);
        req.timeout_sec = HOUR;
        rig_submit(r, &req);
    }
    rig_await(r, N);
    CHECK(rig_serve(r, NULL, 10000));
    rig_pass(r, 3 * HOUR, false);
    struct store_stats stats;
    for (unsigned i = 0; i < 200; i++) { /* each round brings a slice; far fewer are needed */
        (void)rig_ask(r, GREY_DECIDE, 10001 + i);
        store_get_stats(r->store, &stats);
        if (stats.expired == N)
            break;
    }
    CHECK_INT(stats.expired, N);
    CHECK_INT(rig_ask(r, GREY_LOOK, 10000)->state, GREY_AUTO);
    CHECK_INT(rig_ask(r, GREY_LOOK, 10001)->state, GREY_PENDING);
    CHECK_INT(stats.records, stats.unconfirmed + 2); /* the AUTO tuple and its client */
    rig_free(r);
}

static void a_jump_of_the_clock_expires_nothing(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    CHECK(rig_serve(r, NULL, 1));
    (void)rig_ask(r, GREY_DECIDE, 2);
    rig_pass(r, 40 * (int64_t)DAY, true);
    (void)rig_ask(r, GREY_DECIDE, 3); /* the round that notices */
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
    CHECK_INT(rig_ask(r, GREY_DECIDE, 2)->state, GREY_DUE);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(stats.expiry_suspended);
    CHECK_INT(stats.expired, 0);
    CHECK(rig_logged(r, "the clock jumped by"));
    rig_pass(r, HOUR + 10, false);
    (void)rig_ask(r, GREY_DECIDE, 4);
    store_get_stats(r->store, &stats);
    CHECK(!stats.expiry_suspended);
    CHECK(rig_logged(r, "records expire again"));
    rig_free(r);
}

static void a_clock_before_the_newest_record_expires_nothing(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    CHECK(rig_serve(r, NULL, 1));
    rig_close(r);
    r->now.wall.sec -= 10 * DAY;
    if (!rig_open(r))
        return;
    (void)rig_ask(r, GREY_DECIDE, 2);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(stats.expiry_suspended);
    CHECK(rig_logged(r, "before the newest record"));
    rig_free(r);
}

/* A machine that was off, or one whose clock is ahead: which of the two, nobody knows at the start. */
static void a_start_long_after_the_newest_record_deletes_nothing(void)
{
    struct store_stats stats;
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    CHECK(rig_serve(r, NULL, 1));
    rig_close(r);
    rig_pass(r, DAY - MINUTE, false);
    if (!rig_open(r))
        return;
    (void)rig_ask(r, GREY_DECIDE, 2);
    store_get_stats(r->store, &stats);
    CHECK(!stats.expiry_suspended);
    rig_close(r);
    rig_pass(r, 40 * (int64_t)DAY, false);
    if (!rig_open(r))
        return;
    (void)rig_ask(r, GREY_DECIDE, 3);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
    store_get_stats(r->store, &stats);
    CHECK(stats.expiry_suspended);
    CHECK_INT(stats.expired, 0);
    CHECK(rig_logged(r, "the clock is ahead of the newest record by"));
    rig_pass(r, HOUR + 10, false);
    for (unsigned i = 4; i < 100 && stats.expired == 0; i++) {
        (void)rig_ask(r, GREY_DECIDE, i);
        store_get_stats(r->store, &stats);
    }
    CHECK(stats.expired > 0);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_NEW);
    rig_free(r);
}

static void its_map_is_as_large_as_its_records_want(void)
{
    struct store_stats stats;
    struct rig *r = rig_new();
    r->config.bytes_max = 0;
    r->config.max_records = 5000000;
    if (!rig_open(r))
        return;
    store_get_stats(r->store, &stats);
    CHECK(stats.bytes_max >= (uint64_t)5000000 * 512 && stats.bytes_max < (uint64_t)3 << 30);
    rig_free(r);
}

static void when_full_the_noisiest_network_makes_room(void)
{
    struct rig *r = rig_new();
    r->config.max_records = 300;
    if (!rig_open(r))
        return;
    CHECK(rig_serve(r, "203.0.113.1", 1));
    (void)rig_ask_at(r, GREY_DECIDE, "203.0.113.1", 2);
    (void)rig_ask_at(r, GREY_DECIDE, "2001:db8::1", 3);
    for (unsigned i = 0; i < 1000; i++) {
        char text[40], addr[20];
        snprintf(addr, sizeof(addr), "198.51.100.%u", i % 200);
        struct grey_request req = rig_request(r, GREY_DECIDE, addr, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, 1003);
    CHECK_INT(r->failed, 0);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(stats.records <= 300);
    CHECK(stats.records >= 200);
    CHECK(stats.evicted >= 700);
    CHECK_INT(stats.records, stats.unconfirmed + 2); /* the AUTO tuple and its client */
    CHECK_INT(rig_ask_at(r, GREY_LOOK, "203.0.113.1", 1)->state, GREY_AUTO);
    CHECK_INT(rig_ask_at(r, GREY_LOOK, "203.0.113.1", 2)->state, GREY_PENDING);
    CHECK_INT(rig_ask_at(r, GREY_LOOK, "2001:db8::1", 3)->state, GREY_PENDING);
    rig_free(r);
}

static void full_of_what_must_stay_refuses(void)
{
    struct rig *r = rig_new();
    r->config.max_records = 20;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 20; i++)
        CHECK(rig_serve(r, NULL, i) || i >= 19); /* the first makes the client's own record too */
    CHECK(rig_ask(r, GREY_DECIDE, 100)->failed);
    CHECK(rig_logged(r, "no room for a new record"));
    CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->state, GREY_AUTO);
    CHECK(!r->got.failed);
    rig_free(r);
}

/* ---- imports and listings ---- */

static struct store_item item(struct rig *r, unsigned i, bool is_auto, char text[40])
{
    struct grey_request req = rig_request(r, GREY_LOOK, NULL, i, text);
    return (struct store_item){.addr_bits = req.tuple.addr_bits,
                               .record = {.type = GREY_RECORD_TUPLE,
                                          .is_auto = is_auto,
                                          .first_seen = {T0 - HOUR},
                                          .expires = {T0 + DAY},
                                          .left_sec = -1,
                                          .addr = req.tuple.addr,
                                          .sender = req.tuple.sender,
                                          .recipient = req.tuple.recipient}};
}

static void imports_merge(void)
{
    enum { N = 1200 };
    struct rig *r = rig_new();
    struct store_item *items = mem_alloc(N * sizeof(*items));
    char(*texts)[40] = mem_alloc(N * sizeof(*texts));
    if (!rig_open(r))
        return;
    (void)rig_ask(r, GREY_DECIDE, 0); /* known here; the import knows an earlier visit */
    CHECK(rig_serve(r, NULL, 1));     /* known here as AUTO, and not to be made less */
    for (unsigned i = 0; i < N; i++)
        items[i] = item(r, i, i % 10 == 5, texts[i]);
    struct store_import im = {.items = items, .count = N};
    CHECK_INT(store_import(r->store, &im), ERR_NONE);
    CHECK_INT(im.added, N - 2);
    CHECK_INT(im.changed, 1);
    CHECK_INT(rig_ask(r, GREY_LOOK, 0)->state, GREY_DUE);
    CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_AUTO);
    CHECK_INT(rig_ask(r, GREY_LOOK, 5)->state, GREY_AUTO);
    CHECK_INT(rig_ask(r, GREY_LOOK, N - 1)->state, GREY_DUE);
    CHECK_INT(store_import(r->store, &im), ERR_NONE);
    CHECK_INT(im.added + im.changed, 0);
    struct store_import nothing = {0};
    CHECK_INT(store_import(r->store, &nothing), ERR_NONE);
    free(items);
    free(texts);
    rig_free(r);
}

static void imports_serve_lazyaw(void)
{
    struct rig *r = rig_new();
    char text[40], other[40];
    if (!rig_open(r))
        return;
    struct store_item one = item(r, 1, true, text);
    struct store_import im = {.items = &one, .count = 1, .lazy = true};
    CHECK_INT(store_import(r->store, &im), ERR_NONE);
    struct grey_request req = rig_request(r, GREY_LOOK, NULL, 2, other);
    req.lazy = true;
    rig_submit(r, &req);
    rig_await(r, 1);
    CHECK_INT(r->got.state, GREY_AUTO);
    CHECK_INT(r->got.via, GREY_VIA_CLIENT);
    rig_free(r);
}

struct listing {
    size_t count;
    size_t stop_at;
    bool sorted;
    struct grey_key last;
};

static bool count_record(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    struct listing *l = ctx;
    if (l->count > 0 && memcmp(&l->last, key, sizeof(*key)) >= 0)
        l->sorted = false;
    l->last = *key;
    CHECK_SLICE(record->sender, "<a@example.org>");
    return ++l->count != l->stop_at;
}

static void lists_every_record_once(void)
{
    enum { N = 1700 };
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40], addr[20];
        snprintf(addr, sizeof(addr), "192.0.2.%u", i % 4);
        struct grey_request req = rig_request(r, GREY_DECIDE, addr, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, N);
    struct listing all = {.sorted = true}, some = {.sorted = true, .stop_at = 700};
    CHECK_INT(store_each(r->store, count_record, &all), ERR_NONE);
    CHECK_INT(all.count, N);
    CHECK(all.sorted);
    CHECK_INT(store_each(r->store, count_record, &some), ERR_NONE);
    CHECK_INT(some.count, 700);
    rig_free(r);
}

/* ---- both threads at once ---- */

static void seen_once(struct rig *r, uint32_t number, const struct grey_answer *answer)
{
    uint8_t *seen = r->mine;
    CHECK_INT(seen[number], 0);
    CHECK(!answer->failed);
    seen[number]++;
}

static void what_was_served_waits_for_its_confirmation(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 1; i <= 3; i++)
        CHECK(!rig_ask(r, GREY_PASS, i)->failed);
    CHECK_INT(rig_ask(r, GREY_LOOK, 2)->state, GREY_NEW);
    rig_close(r);
    if (!rig_open(r))
        return;
    CHECK_INT(rig_ask(r, GREY_LOOK, 2)->state, GREY_NEW);
    CHECK(!rig_ask(r, GREY_CONFIRM, 1)->failed); /* one record of the client says it of all */
    rig_close(r);
    if (!rig_open(r))
        return;
    for (unsigned i = 1; i <= 3; i++)
        CHECK_INT(rig_ask(r, GREY_LOOK, i)->state, GREY_AUTO);
    CHECK(r->got.patient);
    rig_free(r);
}

static void reader_and_writer_work_side_by_side(void)
{
    enum { N = 6000 };
    static const enum grey_request_kind kinds[] = {GREY_LOOK, GREY_DECIDE,  GREY_LOOK,  GREY_PASS, GREY_LEFT,
                                                   GREY_LOOK, GREY_CONFIRM, GREY_RENEW, GREY_PROVE};
    struct rig *r = rig_new();
    r->mine = mem_zalloc(N + 1);
    r->each_answer = seen_once;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < N; i++) {
        char text[40], addr[20];
        struct store_stats stats;
        snprintf(addr, sizeof(addr), "192.0.2.%u", i % 50);
        struct grey_request req = rig_request(r, kinds[i % COUNT_OF(kinds)], addr, i % 500, text);
        rig_submit(r, &req);
        if (i % 100 == 0)
            store_get_stats(r->store, &stats);
        if (i % 1000 == 999)
            rig_await(r, i - 500);
    }
    rig_await(r, N);
    CHECK_INT(r->answers, N);
    free(r->mine);
    rig_free(r);
}

int main(void)
{
    TEST(keeps_what_it_answered);
    TEST(its_files_are_private);
    TEST(a_secret_is_each_stores_own);
    TEST(what_comes_during_a_commit_shares_the_next);
    TEST(the_pause_gathers_a_batch);
    TEST(closing_finishes_what_is_queued);
    TEST(renewals_are_written_though_nobody_waits);
    TEST(past_the_bound_the_answer_comes_at_once);
    TEST(a_stuck_commit_keeps_nobody_from_reading);
    TEST(a_crowd_shares_a_record);
    TEST(expired_records_go);
    TEST(a_jump_of_the_clock_expires_nothing);
    TEST(a_clock_before_the_newest_record_expires_nothing);
    TEST(a_start_long_after_the_newest_record_deletes_nothing);
    TEST(its_map_is_as_large_as_its_records_want);
    TEST(when_full_the_noisiest_network_makes_room);
    TEST(full_of_what_must_stay_refuses);
    TEST(imports_merge);
    TEST(imports_serve_lazyaw);
    TEST(lists_every_record_once);
    TEST(what_was_served_waits_for_its_confirmation);
    TEST(reader_and_writer_work_side_by_side);
    return TEST_END();
}
