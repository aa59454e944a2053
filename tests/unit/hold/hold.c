/* hold.c - the table of held clients: order, bounds, many clients. */
#include "hold/hold.h"
#include "base/mem.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static struct ip client(const char *text)
{
    struct ip ip;
    if (ip_parse(slice_cstr(text), &ip) != ERR_NONE)
        abort();
    return ip_client(&ip);
}

static struct mono at(int64_t ms)
{
    return (struct mono){ms};
}

static void oldest_first(void)
{
    struct hold_table *t = hold_table_new((struct siphash_key){{1}});
    struct hold a = {0}, b = {0}, c = {0}, other = {0};
    struct ip x = client("192.0.2.1"), y = client("192.0.2.2");
    hold_begin(t, &a, &x, at(0), 5000);
    hold_begin(t, &b, &x, at(100), 5000);
    hold_begin(t, &c, &x, at(200), 1000);
    hold_begin(t, &other, &y, at(300), 5000);
    CHECK_INT(hold_count(t), 4);
    CHECK_INT(hold_count_client(t, &x), 3);
    CHECK(hold_first(t, &y) == &other && !hold_next(&other));
    CHECK(hold_first(t, &x) == &a && hold_next(&a) == &b && hold_next(&b) == &c && !hold_next(&c));
    hold_end(t, &a);
    CHECK(hold_first(t, &x) == &b && !hold_is_held(&a));
    CHECK_INT(b.due.ms, 5100);
    CHECK_INT(hold_waited_ms(&b, (struct mono){1100}), 1000);
    hold_end(t, &c);
    hold_end(t, &b);
    hold_end(t, &b);
    CHECK_INT(hold_count_client(t, &x), 0);
    CHECK(!hold_first(t, &x));
    hold_end(t, &other);
    CHECK_INT(hold_count(t), 0);
    hold_table_free(t);
}

static void a_v6_client_is_its_64(void)
{
    struct hold_table *t = hold_table_new((struct siphash_key){{2}});
    struct hold a = {0}, b = {0}, c = {0};
    struct ip x = client("2001:db8:0:1::1"), y = client("2001:db8:0:1:ffff::2"), z = client("2001:db8:0:2::1");
    hold_begin(t, &a, &x, at(0), 1);
    hold_begin(t, &b, &y, at(0), 1);
    hold_begin(t, &c, &z, at(0), 1);
    CHECK_INT(hold_count_client(t, &x), 2);
    CHECK_INT(hold_count_client(t, &z), 1);
    hold_end(t, &a);
    hold_end(t, &b);
    hold_end(t, &c);
    hold_table_free(t);
}

static void many_clients(void)
{
    enum { N = 20000 };
    struct hold_table *t = hold_table_new((struct siphash_key){{3}});
    struct hold *h = mem_zalloc(N * sizeof(*h));
    for (unsigned i = 0; i < N; i++) {
        struct ip ip = {.family = IP_V4, .bytes = {192, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        hold_begin(t, &h[i], &ip, at(i), 1000);
    }
    CHECK_INT(hold_count(t), N);
    for (unsigned i = 0; i < N; i += 2)
        hold_end(t, &h[i]);
    struct ip odd = {.family = IP_V4, .bytes = {192, 0, 0, 7}}, even = {.family = IP_V4, .bytes = {192, 0, 0, 8}};
    CHECK(hold_first(t, &odd) == &h[7]);
    CHECK(!hold_first(t, &even));
    for (unsigned i = 1; i < N; i += 2)
        hold_end(t, &h[i]);
    CHECK_INT(hold_count(t), 0);
    free(h);
    hold_table_free(t);
}

int main(void)
{
    TEST(oldest_first);
    TEST(a_v6_client_is_its_64);
    TEST(many_clients);
    return TEST_END();
}
