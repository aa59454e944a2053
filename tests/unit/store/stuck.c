/* stuck.c - unit tests of a store whose disk does not answer: here fdatasync(2), which LMDB calls, or flock(2), which opening does, does
   not return until it may. */
#include "rig.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool hold;
    unsigned entered, returned;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

/* In the place of the C library's, for this program and the libraries that it uses. */
int fdatasync(int fd)
{
    (void)fd;
    pthread_mutex_lock(&disk.lock);
    disk.entered++;
    pthread_cond_broadcast(&disk.cond);
    while (disk.hold)
        pthread_cond_wait(&disk.cond, &disk.lock);
    disk.returned++;
    pthread_cond_broadcast(&disk.cond);
    pthread_mutex_unlock(&disk.lock);
    return 0;
}

int flock(int fd, int operation)
{
    (void)fdatasync(fd);
    return (int)syscall(SYS_flock, fd, operation);
}

static void disk_hold(bool hold)
{
    pthread_mutex_lock(&disk.lock);
    disk.hold = hold;
    disk.entered = disk.returned = 0;
    pthread_cond_broadcast(&disk.cond);
    pthread_mutex_unlock(&disk.lock);
}

static void disk_release(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.hold = false;
    pthread_cond_broadcast(&disk.cond);
    pthread_mutex_unlock(&disk.lock);
}

static void disk_await(const unsigned *count, unsigned n)
{
    pthread_mutex_lock(&disk.lock);
    while (*count < n)
        pthread_cond_wait(&disk.cond, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

/* What the store knows of its user; freed, so that a sanitizer sees who comes too late. */
struct user {
    unsigned calls;
};

static void user_wakes(void *ctx)
{
    ((struct user *)ctx)->calls++;
}

static void user_logs(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    (void)line;
    ((struct user *)ctx)->calls++;
}

static void closed_nobody_is_called_any_more(void)
{
    struct rig *r = rig_new();
    struct user *user = mem_zalloc(sizeof(*user));
    char text[40];
    r->config.wake = user_wakes;
    r->config.log = user_logs;
    r->config.now = NULL;
    r->config.ctx = user;
    r->config.close_ms = 50;
    if (!rig_open(r))
        return;
    disk_hold(true);
    struct grey_request req = rig_request(r, GREY_DECIDE, NULL, 1, text);
    store_submit(r->store, 7, 1, &req);
    disk_await(&disk.entered, 1);
    rig_close(r); /* comes back, though the writer does not */
    CHECK_INT(disk.returned, 0);
    CHECK_INT(user->calls, 0);
    memset(user, 0xff, sizeof(*user));
    unsigned mark = user->calls;
    disk_release();
    disk_await(&disk.returned, 2); /* its commit, with the answer behind it; and the last sync */
    CHECK_INT(user->calls, mark);
    /* the directory is free again when the last thread has let go of it */
    struct store *again = NULL;
    struct store_config config = {.place = r->dir, .bytes_max = r->config.bytes_max};
    while (store_lmdb.open(&config, &again) == ERR_BUSY)
        usleep(1000);
    CHECK(again != NULL);
    store_close(again);
    free(user);
    rig_free(r);
}

/* The start goes on without it, and it comes by itself. */
static void opening_is_waited_for_a_while(void)
{
    struct rig *r = rig_new();
    struct store_stats stats;
    r->config.always = true;
    r->config.open_ms = 50;
    r->config.now = NULL;
    disk_hold(true);
    if (!rig_open(r))
        return;
    CHECK(rig_logged(r, "has not answered for 50 ms"));
    store_get_stats(r->store, &stats);
    CHECK(!stats.is_open);
    CHECK(!store_is_new(r->store));
    CHECK(rig_ask(r, GREY_LOOK, 1)->failed); /* the reader answers, that there is none */
    disk_release();
    CHECK(!rig_ask(r, GREY_DECIDE, 1)->failed);
    store_get_stats(r->store, &stats);
    CHECK(stats.is_open);
    rig_free(r);
}

/* Whoever closes it meanwhile does not wait either; what is opened then is closed by its thread. */
static void closed_while_it_is_opened(void)
{
    struct rig *r = rig_new();
    r->config.always = true;
    r->config.open_ms = r->config.close_ms = 50;
    r->config.now = NULL;
    disk_hold(true);
    if (!rig_open(r))
        return;
    rig_close(r);
    disk_release();
    struct store *again = NULL;
    struct store_config config = {.place = r->dir, .bytes_max = r->config.bytes_max};
    while (store_lmdb.open(&config, &again) == ERR_BUSY)
        usleep(1000);
    CHECK(again != NULL);
    store_close(again);
    rig_free(r);
}

int main(void)
{
    TEST(opening_is_waited_for_a_while);
    TEST(closed_while_it_is_opened);
    TEST(closed_nobody_is_called_any_more);
    return TEST_END();
}
