/* recover.c - unit tests of a store that cannot be used, and of the way back: each begins with a daemon's store, which is always there. */
#include "file.h"

#include "store/examine.h"
#include "store/guard.h"
#include "store/tables.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { TUPLES = 600 };

static struct rig *daemon_rig(void)
{
    struct rig *r = rig_new();
    r->config.always = true;
    r->config.crowd_max = 1000000;
    return r;
}

/* A closed store with some tuples, the last ones each in a transaction of its own, in pages that were free before. */
static struct rig *filled_rig(void)
{
    struct rig *r = daemon_rig();
    if (rig_open(r)) {
        greylist(r, 0, TUPLES - 21);
        for (unsigned i = TUPLES - 21; i < TUPLES; i++)
            greylist(r, i, i + 1);
    }
    rig_close(r);
    return r;
}

static void reopen(struct rig *r)
{
    if (!rig_open(r))
        exit(1);
    await_open(r);
}

/* ---- what no look at it mends ---- */

static void without_a_directory_it_answers_and_tries_again(void)
{
    struct rig *r = daemon_rig();
    char path[400];
    snprintf(r->dir, sizeof(r->dir), "%s/file/store", r->top);
    snprintf(path, sizeof(path), "%s/file", r->top);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    if (!rig_open(r))
        return;
    CHECK(rig_ask(r, GREY_DECIDE, 1)->failed);
    CHECK(rig_ask(r, GREY_LOOK, 1)->failed);
    await_log(r, "/file/store: Not a directory");
    CHECK(rig_logged(r, "something else stands in its place"));
    struct store_stats stats;
    store_get_stats(r->store, &stats);
    CHECK(!stats.is_open);
    CHECK_INT(unlink(path), 0);
    await_open(r);
    await_log(r, "open again");
    CHECK(!rig_ask(r, GREY_DECIDE, 1)->failed);
    rig_close(r);
    static const char *const left[] = {"data.mdb", "lock.mdb", "writer.lock", "."};
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        rig_path(r, left[i], path);
        (void)(i < 3 ? unlink(path) : rmdir(r->dir));
    }
    rig_free(r);
}

static bool logged_once(struct rig *r, const char *text)
{
    pthread_mutex_lock(&r->lock);
    const char *first = strstr(buf_cstr(&r->log), text);
    bool once = first && !strstr(first + 1, text);
    pthread_mutex_unlock(&r->lock);
    return once;
}

/* As the user that a daemon is: to root nothing is forbidden. */
static void run_as_nobody(struct rig *r, const char *forbidden)
{
    bool good = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
    good = good && store_lmdb.open(&r->config, &r->store) == ERR_NONE && rig_ask(r, GREY_DECIDE, 1)->failed &&
           rig_logged(r, forbidden) && rig_logged(r, "chown -R") && rig_logged(r, "belongs to uid 0");
    usleep(400000); /* a few more tries, which say nothing new */
    good = good && logged_once(r, "chown -R");
    if (!good)
        fprintf(stderr, "# %s\n", buf_cstr(&r->log));
    store_close(r->store);
    _exit(good ? 0 : 1);
}

static void what_is_not_ours_to_write_is_told(void)
{
    static const struct {
        const char *of_root, *said;
    } cases[] = {
        {".", "/writer.lock: Permission denied"}, {"data.mdb", "Permission denied"}, {"lock.mdb", "Permission denied"}};
    if (geteuid() != 0) {
        printf("# skipped: not root\n");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig *r = filled_rig();
        static const char *const names[] = {"..", "../..", ".", "data.mdb", "lock.mdb", "writer.lock"};
        for (size_t n = 0; n < COUNT_OF(names); n++) {
            char path[400];
            rig_path(r, names[n], path);
            if (strcmp(names[n], cases[i].of_root) != 0)
                CHECK_INT(chown(path, 65534, 65534), 0);
        }
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            run_as_nobody(r, cases[i].said);
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK_INT(status, 0);
        CHECK(!rig_has(r, "damaged.1.mdb"));
        reopen(r);
        CHECK_INT(known(r, TUPLES), TUPLES);
        rig_free(r);
    }
}

static void in_use_by_another_it_waits(void)
{
    struct rig *first = daemon_rig(), *second = daemon_rig();
    second->config.place = first->dir;
    reopen(first);
    if (!rig_open(second))
        return;
    CHECK(rig_ask(second, GREY_DECIDE, 1)->failed);
    CHECK(rig_logged(second, "in use by another process"));
    rig_close(first);
    await_open(second);
    CHECK(!rig_ask(second, GREY_DECIDE, 1)->failed);
    rig_free(second);
    rig_free(first);
}

static void poke_format(struct rig *r, char format)
{
    struct tables t;
    struct buf why = {0};
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val k = {6, (void *)(uintptr_t) "format"}, v = {1, &format};
    CHECK_INT(mdb_env_create(&t.env), 0);
    mdb_env_set_maxdbs(t.env, 8);
    CHECK_INT(mdb_env_open(t.env, r->dir, 0, 0600), 0);
    CHECK_INT(mdb_txn_begin(t.env, NULL, 0, &txn), 0);
    CHECK_INT(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    CHECK_INT(mdb_put(txn, meta, &k, &v, 0), 0);
    CHECK_INT(mdb_txn_commit(txn), 0);
    mdb_env_close(t.env);
    buf_fini(&why);
}

static void another_versions_store_is_left_alone(void)
{
    struct rig *r = filled_rig();
    poke_format(r, 2);
    if (!rig_open(r))
        return;
    CHECK(rig_ask(r, GREY_DECIDE, 1)->failed);
    CHECK(rig_logged(r, "written by another version"));
    usleep(300000);
    rig_close(r);
    CHECK(!rig_logged(r, "looked at"));
    CHECK(!rig_has(r, "damaged.1.mdb"));
    poke_format(r, TABLES_FORMAT);
    reopen(r);
    CHECK_INT(known(r, TUPLES), TUPLES);
    rig_free(r);
}

static void another_programs_environment_is_left_alone(void)
{
    struct rig *r = daemon_rig();
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    reopen(r);
    rig_close(r);
    char path[400];
    rig_path(r, "data.mdb", path);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 2);
    CHECK_INT(mdb_env_open(env, r->dir, 0, 0600), 0);
    CHECK_INT(mdb_txn_begin(env, NULL, 0, &txn), 0);
    CHECK_INT(mdb_dbi_open(txn, "theirs", MDB_CREATE, &dbi), 0);
    CHECK_INT(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    if (!rig_open(r))
        return;
    CHECK(rig_ask(r, GREY_DECIDE, 1)->failed);
    CHECK(rig_logged(r, "another program"));
    CHECK(!rig_has(r, "damaged.1.mdb"));
    rig_free(r);
}

/* ---- a full disk ---- */

static void run_on_a_full_disk(struct rig *r)
{
    /* namespaces of our own: the mount is seen by nobody else and goes with us */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", r->top, "tmpfs", 0, "size=8k,mode=700") != 0)
        _exit(77);
    bool good = store_lmdb.open(&r->config, &r->store) == ERR_NONE && rig_ask(r, GREY_DECIDE, 1)->failed &&
                rig_logged(r, "No space left on device; make room") && !rig_logged(r, "damaged");
    if (good && mount("none", r->top, "tmpfs", MS_REMOUNT, "size=8m") == 0) {
        await_open(r);
        good = !rig_ask(r, GREY_DECIDE, 1)->failed && !rig_logged(r, "damaged") && rig_logged(r, "open again");
    }
    if (!good)
        fprintf(stderr, "# %s\n", buf_cstr(&r->log));
    store_close(r->store);
    _exit(good ? 0 : 1);
}

static void a_full_disk_at_the_first_start(void)
{
    struct rig *r = daemon_rig();
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        run_on_a_full_disk(r);
    CHECK_INT(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        printf("# skipped: no namespace of our own\n");
    else
        CHECK_INT(status, 0);
    rig_free(r);
}

/* ---- damage ---- */

/* Where a sanitizer has its own handlers a crash would be an exit: here it is what it is in the daemon. */
static void be_the_daemon(void)
{
    static const int signals[] = {SIGBUS, SIGSEGV, SIGFPE, SIGABRT};
    static const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)signal(signals[i], SIG_DFL);
    store_lmdb.guard();
}

/* As the daemon does: until it is there, and every tuple can be asked for. Its log goes to a file. */
static _Noreturn void serve_once(struct rig *r)
{
    char path[400];
    be_the_daemon();
    if (store_lmdb.open(&r->config, &r->store) != ERR_NONE)
        _exit(1);
    bool done = false;
    for (int round = 0; round < 10 && !done; round++) { /* damage is met when it is read */
        await_open(r);
        size_t failed = r->failed;
        (void)known(r, TUPLES);
        done = !rig_ask(r, GREY_DECIDE, 5000)->failed && r->failed == failed;
    }
    store_close(r->store);
    snprintf(path, sizeof(path), "%s/file", r->top);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    _exit(done && write(fd, r->log.ptr, r->log.len) == (ssize_t)r->log.len ? 0 : 2);
}

/* What a supervisor does; how often it died. */
static unsigned serve(struct rig *r)
{
    int status = 0;
    for (unsigned deaths = 0; deaths < 4; deaths++) {
        pid_t child = fork();
        if (child == 0)
            serve_once(r);
        CHECK_INT(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) {
            CHECK_INT(status, 0);
            return deaths;
        }
    }
    CHECK_INT(status, 0);
    return 4;
}

static bool file_says(const struct rig *r, const char *text)
{
    char path[400], bytes[20000] = "";
    snprintf(path, sizeof(path), "%s/file", r->top);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes) - 1);
    close(fd);
    if (n >= 0 && strstr(bytes, text))
        return true;
    printf("# the log:\n%s", bytes);
    return false;
}

/* A damaged store ends the daemon once at most; then it has what was whole. */
static void check_recovered(struct rig *r, unsigned least)
{
    unsigned deaths = serve(r);
    CHECK(deaths <= 1);
    CHECK(file_says(r, "is damaged: "));
    CHECK(file_says(r, "is kept as damaged.1.mdb"));
    CHECK(rig_has(r, "damaged.1.mdb"));
    CHECK(!rig_has(r, "salvage"));
    reopen(r); /* and now it is a store like any other */
    unsigned n = known(r, TUPLES);
    printf("# %u of %d tuples known, died %u times\n", n, TUPLES, deaths);
    CHECK(n >= least);
    CHECK_INT(rig_ask(r, GREY_LOOK, 5000)->state, GREY_PENDING);
    rig_close(r);
    CHECK_INT(buf_slice(&r->log).len, 0);
}

static void a_damaged_header_costs_no_record(void)
{
    for (off_t page = 0; page < 3; page++) {
        struct rig *r = filled_rig();
        int fd = rig_file(r, "data.mdb");
        spoil_page(fd, page % 2);
        if (page == 2)
            spoil_page(fd, 1);
        close(fd);
        check_recovered(r, TUPLES);
        rig_free(r);
    }
}

static void a_damaged_page_costs_what_is_in_it(void)
{
    struct rig *r = filled_rig();
    int fd = rig_file(r, "data.mdb");
    off_t pages = file_pages(fd), spoilt = 0;
    /* every copy that has been: one of them is the one in use */
    for (off_t page = 2; page < pages; page++) {
        if (page_flags(fd, page) == 2 && first_key_len(fd, page) == 32 && page % 4 == 0) {
            spoil_page(fd, page);
            spoilt++;
        }
    }
    close(fd);
    CHECK(spoilt > 0);
    check_recovered(r, TUPLES / 4);
    rig_free(r);
}

static void a_damaged_branch_costs_no_record(void)
{
    struct rig *r = filled_rig();
    int fd = rig_file(r, "data.mdb");
    for (off_t page = 2; page < file_pages(fd); page++) {
        if (page_flags(fd, page) == 1)
            spoil_page(fd, page);
    }
    close(fd);
    check_recovered(r, TUPLES);
    rig_free(r);
}

static void without_its_secret_the_records_are_found_again(void)
{
    struct rig *r = filled_rig();
    int fd = rig_file(r, "data.mdb");
    for (off_t page = 2; page < file_pages(fd); page++) {
        if (page_flags(fd, page) == 2 && first_key_len(fd, page) == 6)
            spoil_page(fd, page);
    }
    close(fd);
    check_recovered(r, TUPLES);
    rig_free(r);
}

static void a_file_cut_off_keeps_what_is_left(void)
{
    struct rig *r = filled_rig();
    int fd = rig_file(r, "data.mdb");
    CHECK_INT(ftruncate(fd, file_pages(fd) / 2 * PAGE), 0);
    close(fd);
    check_recovered(r, 1);
    rig_free(r);
}

static void two_damaged_ones_are_kept(void)
{
    struct rig *r = filled_rig();
    struct stat first, second, third, kept;
    char path[400];
    rig_path(r, "data.mdb", path);
    struct stat *was[] = {&first, &second, &third};
    for (size_t i = 0; i < COUNT_OF(was); i++) {
        CHECK_INT(stat(path, was[i]), 0);
        int fd = rig_file(r, "data.mdb");
        spoil_page(fd, 1);
        close(fd);
        reopen(r);
        rig_close(r);
    }
    rig_path(r, "damaged.1.mdb", path);
    CHECK_INT(stat(path, &kept), 0);
    CHECK_INT(kept.st_ino, third.st_ino);
    rig_path(r, "damaged.2.mdb", path);
    CHECK_INT(stat(path, &kept), 0);
    CHECK_INT(kept.st_ino, second.st_ino);
    rig_path(r, "damaged.3.mdb", path);
    CHECK_INT(access(path, F_OK), -1);
    rig_free(r);
}

/* ---- what brings the process down ---- */

/* Open, cut the file off under the map, read: the process does not survive that. */
static _Noreturn void die_of_a_short_file(struct rig *r)
{
    (void)signal(SIGBUS, SIG_DFL); /* a sanitizer's own handler would end us in its way */
    be_the_daemon();
    if (store_lmdb.open(&r->config, &r->store) != ERR_NONE)
        _exit(1);
    await_open(r);
    int fd = rig_file(r, "data.mdb");
    if (ftruncate(fd, 3 * PAGE) != 0)
        _exit(2);
    for (unsigned i = 0; i < TUPLES; i++)
        (void)rig_ask(r, GREY_LOOK, i);
    _exit(3);
}

static struct guard_marks marks_of(const struct rig *r)
{
    int fd = rig_file(r, "writer.lock");
    struct guard_marks marks = guard_read(fd);
    close(fd);
    return marks;
}

static void what_brings_us_down_is_looked_at_first(void)
{
    struct rig *r = filled_rig();
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        die_of_a_short_file(r);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    CHECK_INT(marks_of(r).unexamined, 1);
    check_recovered(r, 0);
    CHECK(file_says(r, "has brought tarsierd down"));
    CHECK_INT(marks_of(r).crashes, 0);
    rig_free(r);
}

static void a_mark_on_a_whole_store_costs_a_look(void)
{
    struct rig *r = filled_rig();
    int fd = rig_file(r, "writer.lock");
    guard_mark(fd);
    reopen(r);
    CHECK(rig_logged(r, "its pages are whole"));
    CHECK(!rig_has(r, "damaged.1.mdb"));
    CHECK_INT(known(r, TUPLES), TUPLES);
    rig_close(r);
    CHECK_INT(guard_read(fd).unexamined, 0);
    CHECK_INT(guard_read(fd).crashes, 1);
    buf_clear(&r->log);
    reopen(r); /* it was looked at: kill -9, say, costs no look */
    CHECK(!rig_logged(r, "looked at"));
    rig_close(r);
    guard_mark(fd); /* again, though nothing is found: it is left alone for a while */
    if (!rig_open(r))
        return;
    await_log(r, "it is opened again in 60 s");
    CHECK(rig_ask(r, GREY_LOOK, 1)->failed);
    CHECK(!rig_has(r, "damaged.1.mdb"));
    close(fd);
    rig_free(r);
}

static void killed_it_is_not_looked_at(void)
{
    struct rig *r = filled_rig();
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        store_lmdb.guard();
        if (store_lmdb.open(&r->config, &r->store) == ERR_NONE)
            greylist(r, TUPLES, 2 * TUPLES);
        (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen(r);
    CHECK(!rig_logged(r, "looked at"));
    CHECK_INT(known(r, 2 * TUPLES), 2 * TUPLES);
    rig_free(r);
}

/* LMDB says so itself while it runs. */
static void a_page_damaged_while_it_runs(void)
{
    struct rig *r = filled_rig();
    reopen(r);
    int fd = rig_file(r, "data.mdb");
    uint16_t overflow = 4; /* no crash but an error: a page of another kind than it should be */
    for (off_t page = 2; page < file_pages(fd); page++) {
        if (page_flags(fd, page) == 1)
            CHECK_INT(pwrite(fd, &overflow, 2, page * PAGE + 10), 2);
    }
    close(fd);
    for (unsigned i = 0; !rig_logged(r, "its pages are looked at"); i++)
        (void)rig_ask(r, GREY_DECIDE, i);
    await_open(r);
    CHECK(rig_has(r, "damaged.1.mdb"));
    CHECK_INT(known(r, TUPLES), TUPLES);
    rig_free(r);
}

/* ---- removed ---- */

static void removed_it_is_made_anew(void)
{
    static const char *const all[] = {"data.mdb", "lock.mdb", "writer.lock"};
    for (unsigned from = 0; from < 3; from++) {
        struct rig *r = filled_rig();
        reopen(r);
        for (size_t i = from == 1 ? 2 : 0; i < COUNT_OF(all); i++) {
            char path[400];
            rig_path(r, all[i], path);
            CHECK_INT(unlink(path), 0);
        }
        if (from == 0)
            CHECK_INT(rmdir(r->dir), 0);
        rig_pass(r, 5, false);
        await_log(r, "has removed or replaced");
        await_log(r, "open again");
        CHECK(rig_has(r, "data.mdb"));
        CHECK(rig_has(r, "writer.lock"));
        CHECK(!rig_ask(r, GREY_DECIDE, 1)->failed);
        CHECK_INT(known(r, TUPLES), from == 1 ? TUPLES : 1);
        CHECK(from == 1 || rig_logged(r, "made anew"));
        rig_free(r);
    }
}

/* ---- the look itself ---- */

/* A pipe in the place of the file: to open it waits for ever. */
static void a_look_that_does_not_end_is_ended(void)
{
    struct rig *r = filled_rig();
    struct examine x;
    struct salvage_report report;
    char path[400];
    rig_path(r, "data.mdb", path);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK_INT(examine_start(&x, EXAMINE_ONLY, r->dir, 1000), 0);
    CHECK_INT(examine_poll(&x, 1000, &report), EXAMINE_RUNS);
    CHECK_INT(examine_poll(&x, 1000 + 60000, &report), EXAMINE_LATE);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD);
    CHECK_INT(examine_start(&x, EXAMINE_ONLY, r->dir, 1000), 0);
    CHECK_INT(kill(x.pid, SIGTERM), 0); /* its own death proves nothing */
    enum examine_result result;
    while ((result = examine_poll(&x, 1000, &report)) == EXAMINE_RUNS)
        usleep(1000);
    CHECK_INT(result, EXAMINE_DIED);
    rig_free(r);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "without_a_directory_it_answers_and_tries_again") == 0)
        TEST(without_a_directory_it_answers_and_tries_again);
    if (argc < 2 || strcmp(argv[1], "what_is_not_ours_to_write_is_told") == 0)
        TEST(what_is_not_ours_to_write_is_told);
    if (argc < 2 || strcmp(argv[1], "in_use_by_another_it_waits") == 0)
        TEST(in_use_by_another_it_waits);
    if (argc < 2 || strcmp(argv[1], "another_versions_store_is_left_alone") == 0)
        TEST(another_versions_store_is_left_alone);
    if (argc < 2 || strcmp(argv[1], "another_programs_environment_is_left_alone") == 0)
        TEST(another_programs_environment_is_left_alone);
    if (argc < 2 || strcmp(argv[1], "a_full_disk_at_the_first_start") == 0)
        TEST(a_full_disk_at_the_first_start);
    if (argc < 2 || strcmp(argv[1], "a_damaged_header_costs_no_record") == 0)
        TEST(a_damaged_header_costs_no_record);
    if (argc < 2 || strcmp(argv[1], "a_damaged_page_costs_what_is_in_it") == 0)
        TEST(a_damaged_page_costs_what_is_in_it);
    if (argc < 2 || strcmp(argv[1], "a_damaged_branch_costs_no_record") == 0)
        TEST(a_damaged_branch_costs_no_record);
    if (argc < 2 || strcmp(argv[1], "without_its_secret_the_records_are_found_again") == 0)
        TEST(without_its_secret_the_records_are_found_again);
    if (argc < 2 || strcmp(argv[1], "a_file_cut_off_keeps_what_is_left") == 0)
        TEST(a_file_cut_off_keeps_what_is_left);
    if (argc < 2 || strcmp(argv[1], "two_damaged_ones_are_kept") == 0)
        TEST(two_damaged_ones_are_kept);
    if (argc < 2 || strcmp(argv[1], "what_brings_us_down_is_looked_at_first") == 0)
        TEST(what_brings_us_down_is_looked_at_first);
    if (argc < 2 || strcmp(argv[1], "a_mark_on_a_whole_store_costs_a_look") == 0)
        TEST(a_mark_on_a_whole_store_costs_a_look);
    if (argc < 2 || strcmp(argv[1], "killed_it_is_not_looked_at") == 0)
        TEST(killed_it_is_not_looked_at);
    if (argc < 2 || strcmp(argv[1], "a_page_damaged_while_it_runs") == 0)
        TEST(a_page_damaged_while_it_runs);
    if (argc < 2 || strcmp(argv[1], "removed_it_is_made_anew") == 0)
        TEST(removed_it_is_made_anew);
    if (argc < 2 || strcmp(argv[1], "a_look_that_does_not_end_is_ended") == 0)
        TEST(a_look_that_does_not_end_is_ended);
    return TEST_END();
}
