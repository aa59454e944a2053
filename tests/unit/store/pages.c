/* pages.c - unit tests of the walk through the pages: whole stores are whole, and what passes does LMDB no harm. */
#include "file.h"

#include "../random.h"
#include "store/pages.h"
#include "store/salvage.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum { BATCHES = 24, ROUNDS = 120, TUPLES = 400 };

static struct pages_report walk(const struct rig *r)
{
    struct pages_report report;
    int fd = rig_file(r, "data.mdb");
    pages_walk(fd, NULL, NULL, &report);
    close(fd);
    if (report.verdict == PAGES_DAMAGED)
        printf("# %s\n", report.why);
    return report;
}

/* Made, changed, expired, evicted, opened again: never is it taken for damaged. */
static void whole_stores_are_whole(void)
{
    struct rig *r = rig_new();
    r->config.crowd_max = 1000000;
    r->config.max_records = 3000;
    if (!rig_open(r))
        return;
    CHECK_INT(walk(r).verdict, PAGES_FINE);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        unsigned from = batch * 173;
        greylist(r, from, from + 100 + batch * 20);
        for (unsigned i = from; i < from + 40; i++)
            (void)rig_ask(r, GREY_PASS, i);
        if (batch % 4 == 3) {
            rig_pass(r, 3 * DAY, false);
            (void)rig_ask(r, GREY_DECIDE, from + 7);
        }
        if (batch % 3 == 1) {
            rig_close(r);
            CHECK_INT(walk(r).verdict, PAGES_FINE);
            if (!rig_open(r))
                return;
        }
    }
    rig_close(r);
    struct pages_report report = walk(r);
    CHECK_INT(report.verdict, PAGES_FINE);
    CHECK_INT(report.bad, 0);
    CHECK(report.pages > 20);
    rig_free(r);
}

/* ---- other bytes ---- */

struct copy {
    uint8_t *bytes;
    size_t len;
};

static struct copy read_data(const struct rig *r)
{
    struct copy c = {0};
    int fd = rig_file(r, "data.mdb");
    c.len = (size_t)file_pages(fd) * PAGE;
    c.bytes = mem_alloc(c.len);
    CHECK_INT(pread(fd, c.bytes, c.len, 0), (ssize_t)c.len);
    close(fd);
    return c;
}

static void write_data(const struct rig *r, const struct copy *c)
{
    int fd = rig_file(r, "data.mdb");
    CHECK_INT(pwrite(fd, c->bytes, c->len, 0), (ssize_t)c->len);
    CHECK_INT(ftruncate(fd, (off_t)c->len), 0);
    close(fd);
}

/* A few bytes, mostly where the structure is; or a page of other bytes; or one page in the place of another. */
static void spoil(struct copy *c)
{
    size_t pages = c->len / PAGE, page = random_below((unsigned)pages);
    uint8_t *at = c->bytes + page * PAGE;
    switch (random_below(8)) {
    case 0:
        for (size_t i = 0; i < PAGE; i++)
            at[i] = (uint8_t)random_below(256);
        return;
    case 1:
        memcpy(at, c->bytes + random_below((unsigned)pages) * (size_t)PAGE, PAGE);
        return;
    case 2:
        c->len = page * PAGE + random_below(PAGE);
        return;
    default:
        break;
    }
    size_t reach = random_below(2) ? PAGE : 160;
    for (unsigned n = random_below(4) + 1; n > 0; n--)
        at[random_below((unsigned)reach)] ^= (uint8_t)(1 + random_below(255));
}

static bool count_one(void *ctx, const struct grey_key *key, const struct grey_record *record)
{
    (void)key;
    (void)record;
    ++*(size_t *)ctx;
    return true;
}

/* Whatever passes the walk: LMDB reads and changes all of it, and lives. */
static _Noreturn void use_it(struct rig *r)
{
    static const struct rlimit none = {0, 0};
    size_t count = 0;
    (void)setrlimit(RLIMIT_CORE, &none);
    if (store_lmdb.open(&r->config, &r->store) != ERR_NONE)
        _exit(0); /* refused with a reason */
    if (store_each(r->store, count_one, &count) != ERR_NONE)
        _exit(3);
    for (unsigned i = 0; i < TUPLES; i += 3) {
        (void)rig_ask(r, GREY_LOOK, i);
        (void)rig_ask(r, GREY_PASS, i);
    }
    rig_pass(r, 40 * DAY, false);
    greylist(r, TUPLES, TUPLES + 200);
    store_close(r->store);
    _exit(0);
}

static _Noreturn void salvage_it(struct rig *r)
{
    struct salvage_report report;
    struct buf why = {0};
    salvage_make(r->dir, &report);
    if (report.pages.verdict != PAGES_DAMAGED || report.failed != 0)
        _exit(1);
    _exit(salvage_put_in_place(r->dir, &why) == 0 ? 0 : 2);
}

static int in_a_child(struct rig *r, void (*work)(struct rig *r))
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        work(r);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

static void what_passes_does_lmdb_no_harm(void)
{
    struct rig *r = rig_new();
    unsigned fine = 0, salvaged = 0;
    random_begin();
    r->config.crowd_max = 1000000;
    if (!rig_open(r))
        return;
    greylist(r, 0, TUPLES);
    rig_close(r);
    struct copy whole = read_data(r);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct copy c = {mem_alloc(whole.len), whole.len};
        memcpy(c.bytes, whole.bytes, whole.len);
        spoil(&c);
        write_data(r, &c);
        int fd = rig_file(r, "data.mdb"), status = 0;
        struct pages_report report;
        pages_walk(fd, NULL, NULL, &report);
        close(fd);
        if (report.verdict == PAGES_FINE && ++fine)
            status = in_a_child(r, use_it);
        else if (report.verdict == PAGES_DAMAGED && round % 4 == 0 && ++salvaged) {
            status = in_a_child(r, salvage_it);
            if (status == 0 && walk(r).verdict != PAGES_FINE)
                CHECK_INT(round, 0);
            status = status ? status : in_a_child(r, use_it);
        }
        if (!CHECK_INT(status, 0))
            printf("# round %u: %s\n", round, report.why);
        free(c.bytes);
    }
    printf("# of %d files %u passed, %u of the others were saved\n", ROUNDS, fine, salvaged);
    CHECK(fine > 0);
    CHECK(salvaged > 0);
    free(whole.bytes);
    rig_free(r);
}

int main(void)
{
    TEST(whole_stores_are_whole);
    TEST(what_passes_does_lmdb_no_harm);
    return TEST_END();
}
