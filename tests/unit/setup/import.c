/* import.c - records out of one store and into another, by the form that they travel in. Both stores are tables in memory. */
#include "setup/import.h"

#include "../random.h"
#include "../test.h"
#include "base/mem.h"
#include "formats/lines.h"
#include "setup/listing.h"
#include "setup/stores.h"

#include <stdlib.h>
#include <string.h>

enum { T0 = 1795485418, DAY = 86400, RECORDS = 2500 };

static struct conf_settings settings(void)
{
    return (struct conf_settings){.greylist_sec = 1800,
                                  .timeout_sec = 5 * DAY,
                                  .autowhite_sec = DAY,
                                  .subnetmatch = 24,
                                  .subnetmatch6 = 64,
                                  .store = "memory:"};
}

static struct store *open_store(void)
{
    struct store *s;
    struct store_config config = {.place = "memory:"};
    if (stores_find("memory:")->open(&config, &s) != ERR_NONE)
        abort();
    return s;
}

/* What a server has seen: requests of all kinds, at random. */
static void fill(struct store *s)
{
    char domain[32], sender[32], recipient[32];
    for (unsigned i = 0; i < RECORDS; i++) {
        struct grey_request r = {.kind = (enum grey_request_kind)random_below(6),
                                 .delay_sec = 1800,
                                 .timeout_sec = 5 * DAY,
                                 .autowhite_sec = DAY,
                                 .waited_sec = random_below(126),
                                 .pass = (enum grey_pass)random_below(3),
                                 .pairs = random_below(2),
                                 .lazy = random_below(4) == 0};
        r.now.sec = T0 - (int64_t)random_below(DAY);
        r.first_seen.sec = r.now.sec - r.waited_sec;
        r.tuple.addr = (struct ip){.family = IP_V4, .bytes = {192, 0, (uint8_t)random_below(3), (uint8_t)random_below(200)}};
        r.tuple.addr_bits = 24;
        snprintf(domain, sizeof(domain), "d%u.example", random_below(20));
        snprintf(sender, sizeof(sender), "<s%u@x%u.example>", random_below(50), random_below(5));
        snprintf(recipient, sizeof(recipient), "<r%u@example.net>", random_below(50));
        r.tuple.client_domain = random_below(3) ? SLICE_NONE : slice_cstr(domain);
        r.tuple.sender = slice_cstr(sender);
        r.tuple.recipient = slice_cstr(recipient);
        store_submit(s, 0, 0, &r);
    }
}

/* All of a store's records as lines, sorted: two stores have different secrets, hence orders. */
static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_all(struct store *s, struct buf *out)
{
    struct grey_filter filter;
    struct listing l;
    char **lines = NULL;
    size_t n = 0;
    grey_filter_init(&filter, (struct wall){T0});
    listing_begin(&l, &filter);
    while (listing_next(&l)) {
        struct grey_key key;
        struct grey_record r;
        CHECK_INT(store_run(s, &l.job), ERR_NONE);
        for (size_t at = 0; store_slice_next(&l.job.u.read, &at, &key, &r);) {
            struct buf line = {0};
            line_put_record(&line, &r);
            lines = mem_realloc(lines, (n + 1) * sizeof(*lines));
            lines[n++] = mem_strdup(buf_cstr(&line));
            buf_fini(&line);
        }
    }
    listing_end(&l);
    qsort(lines, n, sizeof(*lines), compare);
    for (size_t i = 0; i < n; i++) {
        buf_put_cstr(out, lines[i]);
        free(lines[i]);
    }
    free(lines);
}

static void export_and_import_is_the_identity(void)
{
    struct conf_settings set = settings();
    struct store *a = open_store(), *b = open_store();
    struct buf first = {0}, second = {0};
    struct import_result result;
    fill(a);
    put_all(a, &first);
    CHECK(first.len > 100000);
    CHECK_INT(import_text(b, &set, buf_slice(&first), (struct wall){T0}, &result), ERR_NONE);
    CHECK_INT(result.bad + result.expired + result.changed, 0);
    CHECK(result.added > 0 && result.added == result.records);
    put_all(b, &second);
    CHECK_INT(slice_cmp(buf_slice(&first), buf_slice(&second)), 0);
    /* and again: nothing new */
    CHECK_INT(import_text(b, &set, buf_slice(&first), (struct wall){T0}, &result), ERR_NONE);
    CHECK_INT(result.added + result.changed, 0);
    buf_clear(&second);
    put_all(b, &second);
    CHECK_INT(slice_cmp(buf_slice(&first), buf_slice(&second)), 0);
    buf_fini(&first);
    buf_fini(&second);
    store_close(a);
    store_close(b);
}

/* Two hosts that send each other what they know end up alike, and stay so. */
static void two_hosts_become_alike(void)
{
    struct conf_settings set = settings();
    struct store *hosts[2] = {open_store(), open_store()};
    struct buf text[2] = {{0}};
    struct import_result result;
    fill(hosts[0]);
    fill(hosts[1]);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            buf_clear(&text[i]);
            put_all(hosts[i], &text[i]);
            CHECK_INT(import_text(hosts[1 - i], &set, buf_slice(&text[i]), (struct wall){T0}, &result), ERR_NONE);
            CHECK_INT(result.added, round ? 0 : result.added);
        }
    }
    CHECK_INT(result.changed, 0);
    for (unsigned i = 0; i < 2; i++) {
        buf_fini(&text[i]);
        store_close(hosts[i]);
    }
}

static void tells_the_lines_that_are_bad(void)
{
    static const struct {
        const char *text;
        unsigned bad, line;
        uint64_t added;
        bool is_cut;
    } rows[] = {
        {"", 0, 0, 0, false},
        {"\n\n{\"tarsier\":1}\n{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\n{\"end\":true}\n", 0,
         0, 1, false},
        {"{\"tarsier\":1}\n{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\n", 0, 0, 1, true},
        {"{\"tarsier\":1}\n{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expi", 1, 2, 0, true},
        {"{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\nrubbish\n{}\n", 2, 2, 1, false},
        {"{\"end\":true}\n{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\n", 1, 2, 0, false},
        {"# a dump\n192.0.2.7\t<a@b>\t<c@d>\t1795500000\nrubbish\n", 1, 3, 1, false},
        {"VERSION=3\nHEADER=END\n 192.0.2.7/a@b/c@d\n 1795480000,1795485000\nx\n y\nDATA=END\n", 2, 5, 1, false},
    };
    struct conf_settings set = settings();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store *s = open_store();
        struct import_result result;
        CHECK_INT(import_text(s, &set, slice_cstr(rows[i].text), (struct wall){T0}, &result), ERR_NONE);
        CHECK_INT(result.bad, rows[i].bad);
        CHECK_INT(result.first_bad_line, rows[i].line);
        CHECK_INT(result.added, rows[i].added);
        CHECK_INT(result.is_cut, rows[i].is_cut);
        store_close(s);
    }
}

/* A line longer than any of ours, and many bad ones, take no memory that stays. */
static void is_bounded(void)
{
    struct conf_settings set = settings();
    struct store *s = open_store();
    struct buf text = {0};
    struct import_result result;
    buf_put_cstr(&text, "{\"tarsier\":1}\n{\"type\":\"");
    for (unsigned i = 0; i < 70000; i++)
        buf_put_byte(&text, 'x');
    buf_put_cstr(&text, "\"}\n");
    for (unsigned i = 0; i < 10000; i++)
        buf_put_cstr(&text, "{\"a\":\"\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\"}\n");
    buf_put_cstr(&text, "{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\n{\"end\":true}\n");
    CHECK_INT(import_text(s, &set, buf_slice(&text), (struct wall){T0}, &result), ERR_NONE);
    CHECK_INT(result.bad, 10001);
    CHECK_INT(result.added, 1);
    buf_fini(&text);
    store_close(s);
}

static void refuses_another_version(void)
{
    struct conf_settings set = settings();
    struct store *s = open_store();
    struct import_result result;
    CHECK_INT(
        import_text(s, &set,
                    SLICE_LIT("{\"tarsier\":2}\n{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":1795500000}\n"),
                    (struct wall){T0}, &result),
        ERR_UNSUPPORTED);
    CHECK_INT(result.added, 0);
    CHECK_INT(result.first_bad_line, 1);
    store_close(s);
}

int main(void)
{
    random_begin();
    TEST(export_and_import_is_the_identity);
    TEST(two_hosts_become_alike);
    TEST(tells_the_lines_that_are_bad);
    TEST(is_bounded);
    TEST(refuses_another_version);
    return TEST_END();
}
