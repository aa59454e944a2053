/* filter.c - unit and property tests of which records a filter means. */
#include "grey/filter.h"
#include "grey/proof.h"

#include "../random.h"
#include "../test.h"
#include "grey/take.h"

#include <stdlib.h>
#include <string.h>

enum { T0 = 1795485418, HOUR = 3600 };

static struct grey_record tuple(const char *addr, const char *sender, const char *recipient)
{
    struct grey_record r = {.type = GREY_RECORD_TUPLE,
                            .first_seen = {T0 - 2 * HOUR},
                            .expires = {T0 + HOUR},
                            .left_sec = -1,
                            .sender = slice_cstr(sender),
                            .recipient = slice_cstr(recipient)};
    if (ip_parse(slice_cstr(addr), &r.addr) != ERR_NONE)
        abort();
    return r;
}

/* Whether the filter "name=value name=value" takes the record; -1 when it is none. */
static int asks(const struct grey_record *r, const char *words)
{
    struct grey_filter f;
    struct slice rest = slice_cstr(words);
    const char *why;
    grey_filter_init(&f, (struct wall){T0});
    f.autowhite_sec = HOUR;
    while (rest.ptr && rest.len > 0) {
        struct slice value = slice_cut(&rest, ' '), name = slice_cut(&value, '=');
        char text[16] = {0};
        memcpy(text, name.ptr, name.len);
        if (grey_filter_add(&f, text, value, &why) != ERR_NONE)
            return -1;
    }
    return grey_filter_match(&f, r);
}

static void matches_by_what_it_is_given(void)
{
    struct grey_record r = tuple("192.0.2.7", "<a@mail.example.org>", "<b@example.net>");
    static const struct {
        const char *words;
        int wanted;
    } rows[] = {
        {"", 1},
        {"client=192.0.2.7", 1},
        {"client=192.0.2.8", 0},
        {"network=192.0.2.0/24", 1},
        {"network=2001:db8::/32", 0},
        {"network=192.0.2.0/33", -1},
        {"client=mx.example", -1},
        {"sender=a@mail.example.org", 1},
        {"sender=<A@mail.example.org>", 1},
        {"sender=*@*.example.org", 1},
        {"sender=*@example.org", 0},
        {"sender=a*a*g", 1},
        {"sender=<>", 0},
        {"sender=@example.org", -1},
        {"recipient=b@example.net sender=a@*", 1},
        {"recipient=*@example.com", 0},
        {"state=pending", 1},
        {"state=passed,pending", 1},
        {"state=passed", 0},
        {"state=nonsense", -1},
        {"older=1h", 1},
        {"older=3h", 0},
        {"newer=3h", 1},
        {"newer=119m", 0},
        {"older=h", -1},
        {"since=1h", 0},
        {"since=121m", 1},
        {"colour=red", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!CHECK_INT(asks(&r, rows[i].words), rows[i].wanted))
            printf("# %s\n", rows[i].words);
}

static void tells_states_apart(void)
{
    struct grey_record r = tuple("192.0.2.7", "<>", "<b@example.net>");
    CHECK_INT(asks(&r, "sender=<> state=pending"), 1);
    r.left_sec = 30;
    r.left_until.sec = T0 + HOUR;
    CHECK_INT(asks(&r, "state=left"), 1);
    CHECK_INT(asks(&r, "since=1m"), 1); /* when it hung up nobody knows */
    r.served_since.sec = r.served_until.sec = T0;
    CHECK_INT(asks(&r, "state=served"), 1);
    r.is_auto = true;
    CHECK_INT(asks(&r, "state=passed"), 1);
    r.expires.sec = r.served_until.sec = r.left_until.sec = T0 - 1;
    CHECK_INT(asks(&r, ""), 0); /* its life is over */
    struct grey_record pair = tuple("192.0.2.7", "example.org", "");
    pair.type = GREY_RECORD_PAIR;
    pair.is_auto = true;
    CHECK_INT(asks(&pair, "state=pair sender=*@example.org"), 1);
    CHECK_INT(asks(&pair, "sender=a@example.org"), 0);
    CHECK_INT(asks(&pair, "recipient=*"), 0);
    struct grey_record proof = tuple("192.0.2.7", "", "");
    proof.type = GREY_RECORD_PROOF;
    proof.expires.sec = T0 + GREY_PROOF_LIFE_SEC - 60;
    CHECK_INT(asks(&proof, "state=proof since=2m"), 1); /* a client was added a minute ago */
    CHECK_INT(asks(&proof, "since=30"), 0);
}

/* Whatever mask the key was made with, a range that the filter names has it. */
static void ranges_miss_no_record(void)
{
    static const struct grey_secret secret = {{{1}}, {{2}}};
    unsigned missed = 0, matched = 0;
    for (unsigned i = 0; i < 20000; i++) {
        bool is_v6 = random_below(2);
        struct grey_record r = tuple(is_v6 ? "2001:db8::1" : "192.0.2.1", "<a@b>", "<c@d>");
        for (size_t byte = is_v6 ? 4 : 1; byte < (is_v6 ? 16u : 4u); byte++)
            r.addr.bytes[byte] = (uint8_t)random_below(256);
        r.type = (enum grey_record_type)(1 + random_below(5));
        r.is_auto = r.type == GREY_RECORD_PAIR || r.type == GREY_RECORD_LAZY;
        if (r.type <= GREY_RECORD_PAIR && random_below(3) == 0)
            r.domain = SLICE_LIT("example.org");
        unsigned width = ip_width_bits(&r.addr), least = is_v6 ? 32 : 16;
        struct grey_key key, from, to;
        struct grey_filter f;
        grey_record_key(&secret, &r, least + random_below(width - least + 1), &key);
        grey_filter_init(&f, (struct wall){T0});
        f.bits = random_below(width + 1);
        f.net = ip_mask(&r.addr, f.bits);
        bool found = false;
        for (unsigned n = 0; grey_filter_range(&f, n, &from, &to); n++)
            found |= memcmp(&from, &key, sizeof(key)) <= 0 && memcmp(&key, &to, sizeof(key)) <= 0;
        matched += grey_filter_match(&f, &r);
        missed += grey_filter_match(&f, &r) && !found;
    }
    CHECK_INT(missed, 0);
    CHECK_INT(matched, 20000);
}

int main(void)
{
    random_begin();
    TEST(matches_by_what_it_is_given);
    TEST(tells_states_apart);
    TEST(ranges_miss_no_record);
    return TEST_END();
}
