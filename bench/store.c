/*
 * store.c - how fast the store takes first sights: a number of requests outstanding at once, as many sessions would have them.
 *
 *     bench/store DIR OUTSTANDING COUNT [PREFILL]
 *
 * PREFILL tuples are put in first. Prints one line: first sights a second, CPU a request (all threads), the commit's p50 and p99.
 */
#include "base/mem.h"
#include "store/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

struct bench {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool woken;
    uint64_t sent, answered, failed;
};

static void wake(void *ctx)
{
    struct bench *b = ctx;
    pthread_mutex_lock(&b->lock);
    b->woken = true;
    pthread_cond_signal(&b->cond);
    pthread_mutex_unlock(&b->lock);
}

static void print_line(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

static void take(void *ctx, owner_id session, uint32_t number, const struct grey_answer *answer)
{
    struct bench *b = ctx;
    (void)session;
    (void)number;
    b->answered++;
    b->failed += answer->failed;
}

static uint64_t scatter(uint64_t i)
{
    i = (i ^ i >> 31) * 0x9e3779b97f4a7c15u;
    return i ^ i >> 29;
}

static void fill_request(struct grey_request *req, uint64_t i, char text[64])
{
    uint64_t r = scatter(i + 1);
    *req = (struct grey_request){
        .kind = GREY_DECIDE,
        .tuple = {.addr = {.family = IP_V4,
                           .bytes = {(uint8_t)(r >> 24), (uint8_t)(r >> 16), (uint8_t)(r >> 8), (uint8_t)r}},
                  .addr_bits = 32,
                  .recipient = SLICE_LIT("<somebody@example.org>")},
        .now = {time(NULL)},
        .delay_sec = 1800,
        .timeout_sec = 432000,
        .autowhite_sec = 86400};
    req->first_seen = req->now;
    int n = snprintf(text, 64, "<sender-%" PRIu64 "@bulk%u.example>", i, (unsigned)(r >> 40 & 0xffff));
    req->tuple.sender = slice_of(text, (size_t)n);
}

static void submit(struct bench *b)
{
    char text[64];
    struct grey_request req;
    fill_request(&req, b->sent++, text);
    store_submit(b->store, 1, 1, &req);
}

static void run(struct bench *b, uint64_t count, uint64_t outstanding)
{
    uint64_t end = b->sent + count;
    while (b->answered < end) {
        while (b->sent < end && b->sent - b->answered < outstanding)
            submit(b);
        pthread_mutex_lock(&b->lock);
        while (!b->woken)
            pthread_cond_wait(&b->cond, &b->lock);
        b->woken = false;
        pthread_mutex_unlock(&b->lock);
        (void)store_take_answers(b->store, take, b);
    }
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s DIR OUTSTANDING COUNT [PREFILL]\n", argv[0]);
        return 64;
    }
    struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct store_config config = {.place = argv[1], .wake = wake, .log = print_line, .ctx = &b};
    uint64_t outstanding = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
    uint64_t prefill = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    if (store_lmdb.open(&config, &b.store) != ERR_NONE)
        return 1;
    run(&b, prefill, 8000);
    double start = seconds(), cpu = cpu_seconds();
    run(&b, count, outstanding);
    double took = seconds() - start, used = cpu_seconds() - cpu;
    struct store_stats s;
    store_get_stats(b.store, &s);
    printf("outstanding %" PRIu64 "  tuples %" PRIu64 "  first sights/s %.0f  cpu us each %.1f  commit p50 %.2f ms"
           "  p99 %.2f ms  map bytes a tuple %.0f  failed %" PRIu64 "\n",
           outstanding, s.records, (double)count / took, used / (double)count * 1e6, (double)s.commit_p50_us / 1000,
           (double)s.commit_p99_us / 1000, s.records ? (double)s.bytes_used / (double)s.records : 0, b.failed);
    store_close(b.store);
    return b.failed != 0;
}
