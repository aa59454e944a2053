/* lines.c - unit and property tests of records as lines of JSON, and of postgrey's database as text. */
#include "formats/lines.h"

#include "../random.h"
#include "../test.h"
#include "formats/json.h"
#include "formats/postgrey.h"
#include "grey/take.h"

#include <stdlib.h>
#include <string.h>

enum { T0 = 1795485418, RECORDS = 20000 };

/* ---- JSON ---- */

static void reads_flat_objects(void)
{
    static const char text[] =
        " { \"a\" : \"x\\\"\\\\\\/\\n\\u0041\\u00e9\\ud83d\\ude00\", \"n\":-12,\"f\":true , \"g\":false}\r";
    struct arena arena = {0};
    struct json_object o;
    const char *why;
    if (CHECK_INT(json_parse(&arena, slice_cstr(text), &o, &why), ERR_NONE)) {
        CHECK_INT(o.count, 4);
        CHECK_SLICE(json_find(&o, "a")->text, "x\"\\/\nA\xc3\xa9\xf0\x9f\x98\x80");
        CHECK_INT(json_find(&o, "n")->number, -12);
        CHECK(json_find(&o, "f")->flag && !json_find(&o, "g")->flag);
        CHECK(json_find(&o, "x") == NULL);
    }
    CHECK_INT(json_parse(&arena, SLICE_LIT("{}"), &o, &why), ERR_NONE);
    CHECK_INT(o.count, 0);
    arena_fini(&arena);
}

static void refuses_what_is_no_flat_object(void)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":1,}",
        "{\"a\":1}x",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a\":null}",
        "{\"a\":1.5}",
        "{\"a\":1e3}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":9223372036854775808}",
        "{\"a\":\"x}",
        "{\"a\":\"x\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":1,\"a\":2}",
        "{a:1}",
        "{\"a\":tru}",
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_object o;
        const char *why = NULL;
        bool refused = json_parse(&arena, slice_cstr(bad[i]), &o, &why) != ERR_NONE;
        if (!CHECK(refused && why))
            printf("# %s\n", bad[i]);
    }
    arena_fini(&arena);
}

/* ---- records ---- */

static struct wall any_time(void)
{
    return (struct wall){T0 + random_below(10000000)};
}

static struct slice any_address(struct arena *arena)
{
    static const char bytes[] = "abcxyz019.-_+\"\\/{}!#$%&'*?^`|~@";
    char *s = arena_alloc(arena, 40);
    size_t n = random_below(30);
    s[0] = '<';
    for (size_t i = 1; i <= n; i++)
        s[i] = bytes[random_below(sizeof(bytes) - 1)];
    s[n + 1] = '>';
    return slice_of(s, n + 2);
}

/* As the store has them: texts are cleaned, and nothing says what it cannot say. */
static struct grey_record any_record(struct arena *arena)
{
    static const char *const domains[] = {"example.com", "xn--bcher-kva.example", "co.example"};
    struct grey_record r = {.type = (enum grey_record_type)(1 + random_below(GREY_RECORD_TYPE_MAX)), .left_sec = -1};
    bool is_v6 = random_below(2), has_domain = r.type <= GREY_RECORD_PAIR && random_below(3) == 0;
    r.addr.family = is_v6 ? IP_V6 : IP_V4;
    for (size_t i = 0; i < (is_v6 ? 16 : 4); i++)
        r.addr.bytes[i] = (uint8_t)(i ? random_below(256) : 0x20);
    r.first_seen = any_time();
    r.expires = any_time();
    r.is_auto = r.type == GREY_RECORD_PAIR || r.type == GREY_RECORD_NETWORK || r.type == GREY_RECORD_LAZY ||
                (r.type == GREY_RECORD_TUPLE && random_below(2));
    r.by_hold = r.is_auto && random_below(2);
    if (r.is_auto)
        r.auto_since = any_time();
    if (r.type == GREY_RECORD_CLIENT && random_below(2))
        r.patient_until = r.auto_since = any_time();
    if (r.type == GREY_RECORD_TUPLE && !r.is_auto && random_below(3) == 0) {
        r.served_since = any_time();
        r.served_until = any_time();
        r.expires.sec *= random_below(2);
    }
    if (random_below(4) == 0) {
        r.left_sec = random_below(126);
        r.left_until = any_time();
    }
    if (has_domain)
        r.domain = slice_cstr(domains[random_below(3)]);
    if (r.type == GREY_RECORD_TUPLE) {
        r.sender = any_address(arena);
        r.recipient = any_address(arena);
    } else if (r.type == GREY_RECORD_PROOF) {
        r.domain = slice_cstr(domains[random_below(3)]);
        r.recipient = random_below(3) ? SLICE_LIT("192.0.2.7@1795485418 2001:db8:1:2::@1795485500") : SLICE_LIT("");
    } else if (r.type == GREY_RECORD_PAIR || r.type == GREY_RECORD_NETWORK) {
        r.sender = random_below(5) ? SLICE_LIT("mail.example.org") : SLICE_LIT("");
    }
    return r;
}

static bool same_bytes(const struct grey_record *a, const struct grey_record *b)
{
    size_t size = grey_record_size(a);
    uint8_t *x = malloc(size), *y = malloc(size);
    bool same = size == grey_record_size(b);
    if (same) {
        grey_record_encode(a, x);
        grey_record_encode(b, y);
        same = memcmp(x, y, size) == 0;
    }
    free(x);
    free(y);
    return same;
}

/* The cleaned sender has no '=', since what stands before one was cut when it was stored. */
static void a_record_comes_back_as_it_was(void)
{
    struct arena arena = {0};
    struct buf text = {0};
    unsigned differ = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct grey_record r = any_record(&arena);
        struct line line;
        const char *why = NULL;
        buf_clear(&text);
        line_put_record(&text, &r);
        enum err e = line_parse(&arena, slice_upto(buf_slice(&text), text.len - 1), &line, &why);
        if (e == ERR_NONE && line.kind == LINE_RECORD && same_bytes(&r, &line.record))
            continue;
        if (differ++ == 0)
            printf("# %s# %s\n", buf_cstr(&text), why ? why : "");
        arena_clear(&arena);
    }
    CHECK_INT(differ, 0);
    buf_fini(&text);
    arena_fini(&arena);
}

/* Two that know of one tuple: whoever takes the other's in twice is no wiser than after once. */
static void taking_in_twice_is_once(void)
{
    struct arena arena = {0};
    unsigned differ = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct grey_record a = any_record(&arena), b;
        do
            b = any_record(&arena);
        while (b.type != a.type);
        b.addr = a.addr;
        b.domain = a.domain;
        b.sender = a.sender;
        b.recipient = a.recipient;
        struct grey_record once = b;
        enum grey_taken first = grey_take_in(&once, &a, NULL);
        struct grey_record twice = b;
        enum grey_taken second = grey_take_in(&twice, &once, NULL);
        struct grey_record self = a;
        if (second != GREY_TAKEN_KNOWN || !same_bytes(&once, &twice) || first == GREY_TAKEN_ADDED ||
            grey_take_in(&self, &a, NULL) != GREY_TAKEN_KNOWN)
            differ++;
        arena_clear(&arena);
    }
    CHECK_INT(differ, 0);
    arena_fini(&arena);
}

static void says_what_is_wrong_with_a_line(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"{\"type\":\"tuple\"}", "client is no address"},
        {"{\"type\":\"tupel\",\"client\":\"192.0.2.7\"}", "a type of record that is not known"},
        {"{\"type\":\"tuple\",\"client\":\"192.0.2.7\",\"sender\":\"<>\",\"expires\":1}", "no recipient"},
        {"{\"type\":\"tuple\",\"client\":\"192.0.2.7\",\"sender\":7}", "a field that must be a text is none"},
        {"{\"type\":\"client\",\"client\":\"192.0.2.7\",\"expires\":-1}", "a number out of range"},
        {"{\"type\":\"client\",\"client\":\"192.0.2.7\"}", "no end of its life (expires)"},
        {"{\"type\":\"pair\",\"client\":\"192.0.2.7\",\"sender\":\"x\",\"expires\":9}",
         "a record of this type that is not auto"},
        {"{\"type\":\"proof\",\"client\":\"192.0.2.7\",\"proved\":\"\",\"expires\":9}", "no domain"},
        {"{\"type\":\"proof\",\"client\":\"192.0.2.7\",\"domain\":\"x.example\",\"expires\":9}",
         "proved is no list of addresses, each with @ and a time"},
        {"{\"type\":\"proof\",\"client\":\"192.0.2.7\",\"domain\":\"x.example\",\"proved\":\"a=1\",\"expires\":9}",
         "proved is no list of addresses, each with @ and a time"},
        {"{\"tarsier\":2}", "it was written by another version of tarsier, in a form that this one does not know"},
        {"{\"x\":1}", "neither a record nor the first or last line of an export"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct line line;
        const char *why = NULL;
        CHECK(line_parse(&arena, slice_cstr(bad[i].text), &line, &why) != ERR_NONE);
        CHECK_STR(why, bad[i].why);
    }
    arena_fini(&arena);
}

/* What somebody has written by hand becomes what requests look for. */
static void cleans_what_others_write(void)
{
    struct arena arena = {0};
    struct line line;
    const char *why;
    CHECK_INT(line_parse(&arena,
                         SLICE_LIT("{\"type\":\"tuple\",\"client\":\"::ffff:192.0.2.7\",\"sender\":\"prvs=1=A@S.Example\","
                                   "\"recipient\":\"B@r.example\",\"first_seen\":1,\"expires\":2,\"new\":\"field\"}"),
                         &line, &why),
              ERR_NONE);
    CHECK_SLICE(line.record.sender, "<a@s.example>");
    CHECK_SLICE(line.record.recipient, "<b@r.example>");
    CHECK_INT(line.record.addr.family, IP_V4);
    arena_fini(&arena);
}

/* ---- postgrey ---- */

struct postgrey_wanted {
    const char *line, *addr, *sender, *why; /* addr NULL: no entry; why NULL: no error */
};

static void check_postgrey(const struct postgrey_wanted *rows, size_t n)
{
    struct postgrey_reader r = {0};
    struct arena arena = {0};
    for (size_t i = 0; i < n; i++) {
        struct postgrey_entry entry;
        const char *why;
        char addr[IP_TEXT_MAX];
        enum err e = postgrey_take_line(&r, &arena, slice_cstr(rows[i].line), &entry, &why);
        CHECK_INT(e == ERR_NONE, rows[i].addr != NULL);
        CHECK_STR(why ? why : "", rows[i].why ? rows[i].why : "");
        if (e == ERR_NONE && rows[i].addr) {
            CHECK_STR(ip_format(&entry.addr, addr), rows[i].addr);
            CHECK_SLICE(entry.sender, rows[i].sender);
        }
    }
    buf_fini(&r.key);
    arena_fini(&arena);
}

static void reads_postgreys_database(void)
{
    static const struct postgrey_wanted text[] = {
        {"VERSION=3", NULL, NULL, NULL},
        {"format=print", NULL, NULL, NULL},
        {"HEADER=END", NULL, NULL, NULL},
        {" 192.0.2.0/a/b@s.example/c@r.example", NULL, NULL, NULL},
        {" 100,500,.7", "192.0.2.7", "a/b@s.example", NULL},
        {" 2001:db8::1/\\5cx\\\\@s.example/c@r.example", NULL, NULL, NULL},
        {" 100,500", "2001:db8::1", "\\x\\@s.example", NULL},
        {" 192.0.2.1//c@r.example", NULL, NULL, NULL},
        {" 100,100", "192.0.2.1", "", NULL},
        {" nobody/a@b/c@d", NULL, NULL, NULL},
        {" 100,100", NULL, NULL, "does not begin with an address"},
        {" 192.0.2.1/a@b/c@d", NULL, NULL, NULL},
        {" soon", NULL, NULL, "not the times of a first and a last visit"},
        {"no blank", NULL, NULL, "no line of db_dump's"},
        {" 1,1", NULL, NULL, "not client/sender/recipient"},
        {"DATA=END", NULL, NULL, NULL},
        {" 192.0.2.1/a@b/c@d", NULL, NULL, NULL},
    };
    static const struct postgrey_wanted hex[] = {
        {"format=bytevalue", NULL, NULL, NULL},
        {"HEADER=END", NULL, NULL, NULL},
        {" 3139322e302e322e312f6140622f634064", NULL, NULL, NULL},
        {" 3130302C313030", "192.0.2.1", "a@b", NULL},
        {" 3139322e3", NULL, NULL, "no line of db_dump's"},
        {" 313", NULL, NULL, "no line of db_dump's"},
        {" 3139322e302e322e312f6140622f634064", NULL, NULL, NULL},
        {"DATA=END", NULL, NULL, "a key without a value"},
    };
    check_postgrey(text, sizeof(text) / sizeof(text[0]));
    check_postgrey(hex, sizeof(hex) / sizeof(hex[0]));
}

static void postgreys_entries_become_records(void)
{
    static const struct dump_rules rules = {.delay_sec = 1800, .timeout_sec = 432000};
    struct arena arena = {0};
    struct grey_record r;
    struct postgrey_entry e = {.sender = SLICE_LIT("A@s.example"),
                               .recipient = SLICE_LIT("c@r.example"),
                               .first = {T0 - 9000},
                               .last = {T0 - 8000}};
    CHECK_INT(postgrey_to_record(&arena, &e, &rules, 86400, (struct wall){T0}, &r), ERR_NONE);
    CHECK(r.type == GREY_RECORD_TUPLE && r.is_auto);
    CHECK_SLICE(r.sender, "<a@s.example>");
    CHECK_INT(r.expires.sec, T0 - 8000 + 86400);
    CHECK_INT(postgrey_to_record(&arena, &e, &rules, 7000, (struct wall){T0}, &r), ERR_NOT_FOUND);
    e.sender = SLICE_LIT("bounce-#@list.example");
    CHECK_INT(postgrey_to_record(&arena, &e, &rules, 86400, (struct wall){T0}, &r), ERR_NONE);
    CHECK(r.type == GREY_RECORD_PAIR && r.is_auto);
    CHECK_SLICE(r.sender, "list.example");
    e.last = e.first;
    CHECK_INT(postgrey_to_record(&arena, &e, &rules, 86400, (struct wall){T0}, &r), ERR_UNSUPPORTED);
    e.sender = SLICE_LIT("a@s.example");
    CHECK_INT(postgrey_to_record(&arena, &e, &rules, 86400, (struct wall){T0}, &r), ERR_NONE);
    CHECK(r.type == GREY_RECORD_TUPLE && !r.is_auto);
    CHECK_INT(r.first_seen.sec, T0 - 9000);
    arena_fini(&arena);
}

int main(void)
{
    random_begin();
    TEST(reads_flat_objects);
    TEST(refuses_what_is_no_flat_object);
    TEST(a_record_comes_back_as_it_was);
    TEST(taking_in_twice_is_once);
    TEST(says_what_is_wrong_with_a_line);
    TEST(cleans_what_others_write);
    TEST(reads_postgreys_database);
    TEST(postgreys_entries_become_records);
    return TEST_END();
}
