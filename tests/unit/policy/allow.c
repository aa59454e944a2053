/* allow.c - the list of those who are let in by hand: words, text there and back, what is found, compared with asking one by one. */
#include "policy/allow.h"
#include "../random.h"
#include "../test.h"

#include <stdlib.h>
#include <string.h>

static struct allow_entry entry(const char *words)
{
    struct allow_entry e = {0};
    struct slice rest = slice_cstr(words);
    while (rest.len > 0) {
        struct slice value = slice_cut(&rest, ' '), key = slice_cut(&value, '=');
        char name[16] = {0};
        memcpy(name, key.ptr, key.len);
        const char *wrong = value.ptr ? allow_take(&e, name, value) : allow_take(&e, NULL, key);
        if (!CHECK(!wrong))
            printf("# %s: %s\n", words, wrong);
    }
    return e;
}

static bool allows(const char *words, const char *client, const char *name, const char *sender, const char *recipient)
{
    struct allows *a = allows_new();
    struct allow_entry e = entry(words);
    struct allow_question q = {
        .name = slice_cstr(name), .sender = slice_cstr(sender), .recipient = slice_cstr(recipient), .now = {1000}};
    if (allows_add(a, &e) != ERR_NONE || ip_parse(slice_cstr(client), &q.client) != ERR_NONE)
        abort();
    allows_index(a);
    bool found = allows_find(a, &q) != NULL;
    allows_unref(a);
    return found;
}

static void each_criterion_is_compared(void)
{
    CHECK(allows("192.0.2.7", "192.0.2.7", NULL, NULL, NULL));
    CHECK(!allows("192.0.2.7", "192.0.2.8", NULL, NULL, NULL));
    CHECK(allows("192.0.2.0/24", "192.0.2.8", NULL, NULL, NULL));
    CHECK(!allows("192.0.2.0/24", "192.0.3.8", NULL, NULL, NULL));
    CHECK(allows("2001:db8::/32", "2001:db8:1::1", NULL, NULL, NULL));
    CHECK(!allows("2001:db8::/32", "192.0.2.7", NULL, NULL, NULL));
    CHECK(allows("werk.example", "192.0.2.7", "srv4.Werk.example", NULL, NULL));
    CHECK(allows("werk.example", "192.0.2.7", "werk.example", NULL, NULL));
    CHECK(!allows("werk.example", "192.0.2.7", "not-werk.example", NULL, NULL));
    CHECK(!allows("werk.example", "192.0.2.7", NULL, NULL, NULL)); /* no verified name */
    CHECK(allows("a@example.org", "192.0.2.7", NULL, "<A@example.org>", "<b@example.net>"));
    CHECK(!allows("a@example.org", "192.0.2.7", NULL, "<b@example.org>", "<a@example.org>"));
    CHECK(allows("from=bounce+b=example.net@example.org", "192.0.2.7", NULL, "<bounce+b=example.net@example.org>", NULL));
    CHECK(allows("@example.org", "192.0.2.7", NULL, "<a@lists.example.org>", NULL));
    CHECK(!allows("@example.org", "192.0.2.7", NULL, "<a@notexample.org>", NULL));
    CHECK(allows("<>", "192.0.2.7", NULL, "<>", NULL));
    CHECK(!allows("<>", "192.0.2.7", NULL, "<a@example.org>", NULL));
    CHECK(!allows("<>", "192.0.2.7", NULL, NULL, NULL));
    CHECK(allows("to=b@example.net", "192.0.2.7", NULL, "<a@example.org>", "<b@example.net>"));
    CHECK(!allows("to=b@example.net", "192.0.2.7", NULL, "<b@example.net>", "<a@example.org>"));
}

static void all_that_is_said_must_be_true(void)
{
    static const char words[] = "client=192.0.2.0/24 from=@example.org";
    CHECK(allows(words, "192.0.2.8", NULL, "<a@example.org>", NULL));
    CHECK(!allows(words, "192.0.3.8", NULL, "<a@example.org>", NULL));
    CHECK(!allows(words, "192.0.2.8", NULL, "<a@example.net>", NULL));
}

static void what_is_no_criterion_is_refused(void)
{
    static const char *const bad[][2] = {
        {NULL, "192.0.2.7/24"},
        {NULL, "192.0.2.0/33"},
        {NULL, "0.0.0.0/0"},
        {NULL, "localhost"},
        {NULL, ""},
        {NULL, "a b.example"},
        {NULL, "a@"},
        {"client", "example"},
        {"name", "a@b.c"},
        {"from", "example.org"},
        {"helo", "x.example"},
        {"name", "a=b.example"},
        {"to", "@"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct allow_entry e = {0};
        if (!CHECK(allow_take(&e, bad[i][0], slice_cstr(bad[i][1])) != NULL))
            printf("# %s\n", bad[i][1]);
    }
}

static void a_key_counts_once(void)
{
    static const char *const words[][2] = {
        {"client", "192.0.2.7"}, {"name", "werk.example"}, {"from", "a@example.org"}, {"to", "b@example.net"}};
    struct allow_entry e = {0};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CHECK(!allow_take(&e, words[i][0], slice_cstr(words[i][1])));
        CHECK(allow_take(&e, words[i][0], slice_cstr(words[i][1])) != NULL);
    }
}

static void time_ends_an_entry(void)
{
    struct allows *a = allows_new();
    struct allow_entry e = entry("192.0.2.7");
    struct buf text = {0};
    e.until_sec = 1000;
    CHECK_INT(allows_add(a, &e), ERR_NONE);
    allows_index(a);
    struct allow_question q = {.client = e.net, .now = {999}};
    CHECK(allows_find(a, &q) != NULL);
    q.now.sec = 1000;
    CHECK(!allows_find(a, &q));
    allows_put(a, q.now, &text);
    CHECK_INT(text.len, 0);
    allows_unref(a);
    buf_fini(&text);
}

static void text_comes_back_and_keeps_what_it_does_not_know(void)
{
    static const char text[] = "# mine\n"
                               "allow\tclient=192.0.2.9\tcolour=green\n"
                               "allow\tclient=192.0.2.0/24\tname=werk.example\tfrom=@example.org\tto=b@example.net\t"
                               "until=1800000000\tadded=1795500000\tby=root\treason=a supplier, see ticket = 7\n"
                               "allow\tfrom=<>\tadded=0\n";
    struct allows *a = allows_new();
    struct buf out = {0};
    size_t unknown;
    CHECK_INT(allows_parse(a, slice_cstr(text), &unknown), ERR_NONE);
    CHECK_INT(unknown, 1); /* a comment is no trouble */
    CHECK_INT(allows_count(a), 2);
    CHECK_SLICE(allows_at(a, 0)->reason, "a supplier, see ticket = 7");
    allows_put(a, (struct wall){1795500001}, &out);
    CHECK_SLICE(buf_slice(&out), text);
    allows_unref(a);
    buf_fini(&out);
}

static void what_it_does_not_know_is_kept_to_its_last_byte(void)
{
    static const char text[] = "# a\0b\n"; /* printf's %s would end at the NUL */
    struct allows *a = allows_new();
    struct buf out = {0};
    size_t unknown;
    CHECK_INT(allows_parse(a, slice_of(text, sizeof(text) - 1), &unknown), ERR_NONE);
    allows_put(a, (struct wall){1}, &out);
    CHECK_INT(out.len, sizeof(text) - 1);
    CHECK(slice_eq(buf_slice(&out), slice_of(text, sizeof(text) - 1)));
    allows_unref(a);
    buf_fini(&out);
}

static void the_same_again_replaces(void)
{
    struct allows *a = allows_new();
    struct allow_entry e = entry("Werk.example"), again = entry("werk.example");
    char id[ALLOW_ID_SIZE], other[ALLOW_ID_SIZE];
    again.until_sec = 77;
    CHECK_INT(allows_add(a, &e), ERR_NONE);
    CHECK_INT(allows_add(a, &again), ERR_NONE);
    CHECK_INT(allows_count(a), 1);
    CHECK_INT(allows_at(a, 0)->until_sec, 77);
    allow_id(&e, id);
    allow_id(&again, other);
    CHECK_STR(id, other);
    CHECK_INT(allows_remove(a, "000000000000"), ERR_NOT_FOUND);
    CHECK_INT(allows_remove(a, id), ERR_NONE);
    CHECK_INT(allows_count(a), 0);
    allows_unref(a);
}

static void one_that_stands_there_twice_goes_as_a_whole(void)
{
    static const char text[] = "allow\tname=werk.example\nallow\tclient=192.0.2.7\nallow\tname=WERK.example\n";
    struct allows *a = allows_new();
    char id[ALLOW_ID_SIZE];
    size_t unknown;
    CHECK_INT(allows_parse(a, slice_cstr(text), &unknown), ERR_NONE);
    CHECK_INT(allows_count(a), 3);
    allow_id(allows_at(a, 0), id);
    CHECK_INT(allows_remove(a, id), ERR_NONE);
    CHECK_INT(allows_count(a), 1);
    CHECK(allows_at(a, 0)->name.len == 0);
    allows_unref(a);
}

static void there_are_bounds(void)
{
    struct allows *a = allows_new();
    struct buf text = {0};
    size_t unknown;
    for (unsigned i = 0; i < ALLOWS_MAX; i++)
        buf_printf(&text, "allow\tclient=10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
    CHECK_INT(allows_parse(a, buf_slice(&text), &unknown), ERR_NONE);
    CHECK_INT(allows_count(a), ALLOWS_MAX);
    struct allow_entry e = entry("192.0.2.7"), nothing = {0};
    CHECK_INT(allows_add(a, &e), ERR_LIMIT);
    CHECK_INT(allows_add(a, &nothing), ERR_SYNTAX);
    allows_unref(a);
    buf_fini(&text);
}

/* Few values, so that many match. */
static void put_random(struct buf *out)
{
    static const char *const nets[] = {"192.0.2.7", "192.0.2.0/24", "192.0.0.0/16", "2001:db8::1", "2001:db8::/32"};
    static const char *const names[] = {"a.example", "b.a.example", "example.org", "x.example.org"};
    static const char *const boxes[] = {"u@a.example", "@a.example", "@example.org", "<>", "v@x.example.org"};
    if (random_below(3) == 0)
        buf_printf(out, " client=%s", nets[random_below(5)]);
    if (random_below(3) == 0)
        buf_printf(out, " name=%s", names[random_below(4)]);
    if (random_below(3) == 0)
        buf_printf(out, " from=%s", boxes[random_below(5)]);
    if (random_below(3) == 0)
        buf_printf(out, " to=%s", boxes[random_below(5)]);
}

static void many_are_found_as_one_by_one(void)
{
    static const char *const clients[] = {"192.0.2.7", "192.0.2.8", "192.0.9.9", "2001:db8::1", "2001:db9::1"};
    static const char *const names[] = {"a.example", "c.b.a.example", "example.org", "y.x.example.org", "ba.example", NULL};
    static const char *const boxes[] = {"<u@a.example>", "<w@b.a.example>", "<>", "<v@x.example.org>", "<a@b>", NULL};
    random_begin();
    for (int round = 0; round < 300; round++) {
        struct allows *all = allows_new(), *each[8];
        size_t n = 1 + random_below(8);
        for (size_t i = 0; i < n; i++) {
            struct buf words = {0};
            while (words.len == 0)
                put_random(&words);
            struct allow_entry e = entry(buf_cstr(&words) + 1);
            each[i] = allows_new();
            if (allows_add(all, &e) != ERR_NONE || allows_add(each[i], &e) != ERR_NONE)
                abort();
            allows_index(each[i]);
            buf_fini(&words);
        }
        allows_index(all);
        for (int asked = 0; asked < 40; asked++) {
            struct allow_question q = {.name = slice_cstr(names[random_below(6)]),
                                       .sender = slice_cstr(boxes[random_below(6)]),
                                       .recipient = slice_cstr(boxes[random_below(6)])};
            if (ip_parse(slice_cstr(clients[random_below(5)]), &q.client) != ERR_NONE)
                abort();
            bool any = false;
            for (size_t i = 0; i < n; i++)
                any |= allows_find(each[i], &q) != NULL;
            CHECK_INT(allows_find(all, &q) != NULL, any);
        }
        allows_unref(all);
        for (size_t i = 0; i < n; i++)
            allows_unref(each[i]);
    }
}

int main(void)
{
    TEST(each_criterion_is_compared);
    TEST(all_that_is_said_must_be_true);
    TEST(what_is_no_criterion_is_refused);
    TEST(a_key_counts_once);
    TEST(time_ends_an_entry);
    TEST(text_comes_back_and_keeps_what_it_does_not_know);
    TEST(what_it_does_not_know_is_kept_to_its_last_byte);
    TEST(the_same_again_replaces);
    TEST(one_that_stands_there_twice_goes_as_a_whole);
    TEST(there_are_bounds);
    TEST(many_are_found_as_one_by_one);
    return TEST_END();
}
