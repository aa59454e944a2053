/* damage.c - unit tests of the store when things go wrong: killed, full, damaged, somebody else's. */
#include "rig.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- other processes ---- */

static void only_one_may_write(void)
{
    struct rig *r = rig_new();
    struct store *second = r->store;
    if (!rig_open(r))
        return;
    CHECK_INT(store_lmdb.open(&r->config, &second), ERR_BUSY);
    CHECK(second == NULL);
    CHECK(rig_logged(r, "in use by another process"));
    CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->failed, false);
    rig_close(r);
    rig_open(r);
    rig_free(r);
}

static void tell_parent(struct rig *r, uint32_t number, const struct grey_answer *answer)
{
    int fd = *(int *)r->mine;
    if (!answer->failed && answer->verdict == GREY_DEFER && write(fd, &number, sizeof(number)) < 0)
        _exit(1);
}

/* Greylist one tuple after the other, the number of each answered one into the pipe, until killed. */
static _Noreturn void greylist_for_ever(struct rig *r, int fd)
{
    r->mine = &fd;
    r->each_answer = tell_parent;
    if (store_lmdb.open(&r->config, &r->store) != ERR_NONE)
        _exit(1);
    for (;;) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, r->number + 1, text);
        rig_submit(r, &req);
        if (r->number > r->answers + 100)
            rig_await(r, r->answers + 1);
    }
}

static void check_known(struct rig *r, uint32_t number)
{
    if (rig_ask(r, GREY_LOOK, number)->state != GREY_PENDING)
        CHECK_INT(number, 0);
}

static void killed_it_knows_every_answer(void)
{
    struct rig *r = rig_new();
    r->config.crowd_max = 1000000;
    uint32_t last = 0;
    for (int round = 0; round < 4; round++) {
        int pipes[2];
        uint32_t number, first = 0;
        if (!CHECK_INT(pipe(pipes), 0))
            return;
        r->number = (uint32_t)round * 1000000;
        r->answers = r->number;
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            greylist_for_ever(r, pipes[1]);
        }
        close(pipes[1]);
        for (int n = 0; n < 300 + 117 * round; n++) {
            if (!CHECK_INT(read(pipes[0], &number, sizeof(number)), sizeof(number)))
                break;
            first = first ? first : number;
            last = number;
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &number, sizeof(number)) == sizeof(number))
            last = number;
        close(pipes[0]);
        if (!rig_open(r))
            return;
        r->number = 0;
        r->answers = 0;
        for (uint32_t i = first; i <= last; i++)
            check_known(r, i);
        struct store_stats stats;
        store_get_stats(r->store, &stats);
        CHECK_INT(stats.records, stats.unconfirmed);
        rig_close(r);
    }
    rig_free(r);
}

static bool count_one(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)key;
    (void)record;
    (*(size_t *)ctx)++;
    return true;
}

static void others_may_read_meanwhile(void)
{
    struct rig *r = rig_new();
    struct store *reader;
    int ready[2];
    char c = 0;
    CHECK_INT(store_lmdb.open_reader(&(struct store_config){.place = r->dir}, &reader), ERR_NOT_FOUND);
    if (!CHECK_INT(pipe(ready), 0))
        return;
    pid_t child = fork();
    if (child == 0) {
        if (store_lmdb.open(&r->config, &r->store) != ERR_NONE)
            _exit(1);
        for (unsigned i = 0; i < 30; i++)
            (void)rig_ask(r, GREY_DECIDE, i);
        if (write(ready[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &c, 1), 1);
    if (CHECK_INT(store_lmdb.open_reader(&(struct store_config){.place = r->dir}, &reader), ERR_NONE)) {
        size_t count = 0;
        struct store_stats stats;
        CHECK_INT(store_each(reader, count_one, &count), ERR_NONE);
        CHECK_INT(count, 30);
        store_get_stats(reader, &stats);
        CHECK_INT(stats.records, 30);
        CHECK_INT(stats.unconfirmed, 30);
        store_close(reader);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    rig_free(r);
}

/* ---- full ---- */

static void a_full_map_damages_nothing(void)
{
    enum { KEPT = 100, FLOOD = 14000 };
    struct rig *r = rig_new();
    r->config.bytes_max = (size_t)4 << 20;
    r->config.crowd_max = 1000000;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < KEPT; i++)
        CHECK(rig_serve(r, "203.0.113.1", i));
    size_t before = r->answers;
    for (unsigned i = 0; i < FLOOD; i++) {
        char text[40], addr[20];
        snprintf(addr, sizeof(addr), "198.%u.%u.7", i % 50, i % 3);
        struct grey_request req = rig_request(r, GREY_DECIDE, addr, i, text);
        rig_submit(r, &req);
        rig_await(r, i > 64 ? before + i - 64 : 0);
    }
    rig_await(r, before + FLOOD);
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    printf("# %zu of %d failed, %d records, %d evicted\n", r->failed, FLOOD, (int)stats.records, (int)stats.evicted);
    CHECK(stats.evicted > 0);
    CHECK(r->failed < FLOOD / 10);
    rig_close(r);
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < KEPT; i++)
        CHECK_INT(rig_ask_at(r, GREY_LOOK, "203.0.113.1", i)->state, GREY_AUTO);
    CHECK_INT(rig_ask_at(r, GREY_DECIDE, "203.0.113.1", 1)->failed, false);
    rig_free(r);
}

/* A limit on the size of files stands in for a full disk: the same write fails, with EFBIG for ENOSPC. */
static void a_full_disk_damages_nothing(void)
{
    struct rig *r = rig_new();
    struct rlimit unlimited, limit;
    char path[400];
    struct stat st;
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 50; i++)
        CHECK(!rig_ask(r, GREY_DECIDE, i)->failed);
    snprintf(path, sizeof(path), "%s/data.mdb", r->dir);
    CHECK_INT(stat(path, &st), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &unlimited);
    limit = unlimited;
    limit.rlim_cur = (rlim_t)st.st_size;
    setrlimit(RLIMIT_FSIZE, &limit);
    size_t before = r->failed;
    for (unsigned i = 1000; i < 1900; i++) {
        char text[40], addr[20];
        snprintf(addr, sizeof(addr), "198.51.%u.7", i % 250);
        struct grey_request req = rig_request(r, GREY_DECIDE, addr, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, 950);
    CHECK(r->failed > before);
    CHECK(rig_logged(r, "cannot write"));
    /* reading goes on */
    CHECK_INT(rig_ask(r, GREY_LOOK, 7)->state, GREY_PENDING);
    setrlimit(RLIMIT_FSIZE, &unlimited);
    signal(SIGXFSZ, SIG_DFL);
    CHECK(!rig_ask(r, GREY_DECIDE, 5000)->failed);
    CHECK(!rig_ask(r, GREY_DECIDE, 5001)->failed); /* the round that says so is over */
    CHECK(rig_logged(r, "can be written again"));
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(stats.failures > 0);
    rig_close(r);
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(rig_ask(r, GREY_LOOK, i)->state, GREY_PENDING);
    CHECK_INT(rig_ask(r, GREY_LOOK, 5000)->state, GREY_PENDING);
    rig_free(r);
}

/* ---- damaged ---- */

/* Write one value into a closed store, below its own API. */
static void poke(struct rig *r, enum table table, const void *key, size_t key_len, const void *value, size_t len)
{
    struct tables t;
    struct buf why = {0};
    MDB_txn *txn;
    CHECK_INT(tables_open(&t, r->dir, r->config.bytes_max, false, &why), ERR_NONE);
    CHECK_INT(mdb_txn_begin(t.env, NULL, 0, &txn), 0);
    CHECK_INT(tables_put(&t, txn, table, key, key_len, value, len), 0);
    CHECK_INT(mdb_txn_commit(txn), 0);
    tables_close(&t);
    buf_fini(&why);
}

static bool take_key(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)record;
    *(struct grey_key *)ctx = *key;
    return false;
}

static void an_unreadable_record_counts_as_absent(void)
{
    static const char *values[] = {"", "\1", "seq\7\7rubbish of another version", "seq\7\1\1\xff\4too short"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct rig *r = rig_new();
        struct grey_key key = {0};
        if (!rig_open(r))
            return;
        (void)rig_ask(r, GREY_DECIDE, 1);
        CHECK_INT(store_each(r->store, take_key, &key), ERR_NONE);
        rig_close(r);
        poke(r, TABLE_RECORDS, &key, sizeof(key), values[i], strlen(values[i]));
        if (!rig_open(r))
            return;
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_NEW);
        CHECK_INT(r->got.failed, false);
        CHECK_INT(rig_ask(r, GREY_DECIDE, 1)->state, GREY_NEW);
        CHECK_INT(r->got.failed, false);
        CHECK(rig_logged(r, "unreadable records"));
        struct store_stats stats;
        store_get_stats(r->store, &stats);
        CHECK(stats.corrupt > 0);
        CHECK_INT(rig_ask(r, GREY_LOOK, 1)->state, GREY_PENDING);
        size_t count = 0;
        CHECK_INT(store_each(r->store, count_one, &count), ERR_NONE);
        CHECK_INT(count, 1);
        rig_free(r);
    }
}

static void another_versions_store_is_refused(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    rig_close(r);
    poke(r, TABLE_META, "format", 6, "\2", 1);
    CHECK_INT(store_lmdb.open(&r->config, &r->store), ERR_UNSUPPORTED);
    CHECK(r->store == NULL);
    CHECK(rig_logged(r, "written by another version"));
    rig_free(r);
}

static void write_file(const struct rig *r, const char *name, const char *text, off_t cut)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK(text ? write(fd, text, strlen(text)) > 0 : ftruncate(fd, cut) == 0);
    close(fd);
}

static void a_foreign_file_is_refused(void)
{
    struct rig *r = rig_new();
    char text[9000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    if (!rig_open(r))
        return;
    rig_close(r);
    write_file(r, "data.mdb", text, 0);
    CHECK_INT(store_lmdb.open(&r->config, &r->store), ERR_CORRUPT);
    CHECK(r->store == NULL);
    rig_free(r);
}

static void a_file_cut_off_is_refused(void)
{
    struct rig *r = rig_new();
    if (!rig_open(r))
        return;
    for (unsigned i = 0; i < 500; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, 500);
    rig_close(r);
    write_file(r, "data.mdb", NULL, 5 * 4096);
    CHECK_INT(store_lmdb.open(&r->config, &r->store), ERR_CORRUPT);
    CHECK(rig_logged(r, "cut off"));
    rig_free(r);
}

static void a_directory_that_cannot_be_made_is_told(void)
{
    struct rig *r = rig_new();
    snprintf(r->dir, sizeof(r->dir), "%s/file/store", r->top);
    char path[400];
    snprintf(path, sizeof(path), "%s/file", r->top);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK_INT(store_lmdb.open(&r->config, &r->store), ERR_IO);
    CHECK_INT(errno, ENOTDIR);
    CHECK(rig_logged(r, "/file/store"));
    rig_free(r);
}

int main(void)
{
    TEST(only_one_may_write);
    TEST(killed_it_knows_every_answer);
    TEST(others_may_read_meanwhile);
    TEST(a_full_map_damages_nothing);
    TEST(a_full_disk_damages_nothing);
    TEST(an_unreadable_record_counts_as_absent);
    TEST(another_versions_store_is_refused);
    TEST(a_foreign_file_is_refused);
    TEST(a_file_cut_off_is_refused);
    TEST(a_directory_that_cannot_be_made_is_told);
    return TEST_END();
}
