/* sets.c - networks and texts in sets: against a plain search through all of them, on drawn members and questions. */
#include "policy/ipset.h"
#include "policy/textset.h"
#include "../test.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* ---- ipset ---- */

static struct ip address(const char *text)
{
    struct ip ip;
    CHECK_INT(ip_parse(slice_cstr(text), &ip), ERR_NONE);
    return ip;
}

static void nets_of_all_lengths(void)
{
    static const struct {
        const char *net;
        unsigned bits;
    } nets[] = {{"192.0.2.77", 24},   {"198.51.100.7", 32},   {"203.0.113.8", 29},
                {"2001:db8:1::", 48}, {"2001:db8:2::1", 128}, {"203.0.113.8", 29}};
    static const struct {
        const char *ip;
        bool in;
    } asked[] = {
        {"192.0.2.0", true},      {"192.0.2.255", true},   {"192.0.3.0", false},     {"198.51.100.7", true},
        {"198.51.100.6", false},  {"203.0.113.15", true},  {"203.0.113.16", false},  {"203.0.113.7", false},
        {"2001:db8:1:f::", true}, {"2001:db8:2::1", true}, {"2001:db8:2::2", false}, {"::ffff:192.0.2.1", true},
        {"::192.0.2.1", false},
    };
    struct ipset s = {0};
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        struct ip net = address(nets[i].net);
        ipset_add(&s, &net, nets[i].bits);
    }
    ipset_seal(&s);
    CHECK_INT(s.count, 5);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct ip ip = address(asked[i].ip);
        if (!CHECK_INT(ipset_has(&s, &ip), asked[i].in))
            printf("# %s\n", asked[i].ip);
    }
    ipset_fini(&s);
}

static void nets_at_the_ends(void)
{
    struct ipset s = {0};
    struct ip any = address("0.0.0.0"), v6 = address("2001:db8::1"), v4 = address("255.255.255.255");
    struct ip none = {0};
    CHECK(!ipset_has(&s, &v4)); /* empty */
    ipset_add(&s, &any, 0);
    ipset_seal(&s);
    CHECK(ipset_has(&s, &v4));
    CHECK(ipset_has(&s, &any));
    CHECK(!ipset_has(&s, &v6));
    CHECK(!ipset_has(&s, &none));
    ipset_fini(&s);
    ipset_add(&s, &v4, 99); /* more than there are: the whole address */
    ipset_seal(&s);
    CHECK(ipset_has(&s, &v4));
    CHECK(!ipset_has(&s, &any));
    ipset_fini(&s);
}

static struct ip draw_ip(uint64_t *state)
{
    struct ip ip = {.family = draw(state) % 4 ? IP_V4 : IP_V6};
    unsigned n = ip.family == IP_V4 ? 4 : 16;
    for (unsigned i = 0; i < n; i++)
        ip.bytes[i] = (uint8_t)(draw(state) % 3 ? draw(state) % 4 : draw(state)); /* often near each other */
    return ip;
}

static void nets_as_a_plain_search(void)
{
    enum { NETS = 2000, ASKED = 20000 };
    struct ipset_net *all = malloc(NETS * sizeof(*all));
    struct ipset s = {0};
    uint64_t state = 1;
    for (size_t i = 0; i < NETS; i++) {
        struct ip net = draw_ip(&state);
        unsigned width = ip_width_bits(&net);
        unsigned bits = width - (unsigned)(draw(&state) % (width / 2));
        all[i] = (struct ipset_net){net, (uint8_t)bits};
        ipset_add(&s, &net, bits);
    }
    ipset_seal(&s);
    unsigned differ = 0, hits = 0;
    for (size_t i = 0; i < ASKED; i++) {
        struct ip ip = draw_ip(&state);
        bool in = false;
        for (size_t j = 0; j < NETS && !in; j++)
            in = ip_in(&ip, &all[j].net, all[j].bits);
        hits += in;
        differ += in != ipset_has(&s, &ip);
    }
    CHECK_INT(differ, 0);
    CHECK(hits > ASKED / 50 && hits < ASKED);
    ipset_fini(&s);
    free(all);
}

/* ---- textset ---- */

static void texts_equal(void)
{
    struct textset s = {0};
    CHECK(!textset_find(&s, SLICE_LIT("x")).ptr);
    textset_add(&s, SLICE_LIT("joe@example.org"));
    textset_add(&s, SLICE_LIT("JOE@example.ORG"));
    textset_add(&s, SLICE_LIT("ann@example.org"));
    CHECK_INT(s.count, 2);
    CHECK_SLICE(textset_find(&s, SLICE_LIT("Joe@Example.org")), "joe@example.org");
    CHECK(!textset_find(&s, SLICE_LIT("oe@example.org")).ptr);
    CHECK(!textset_find(&s, SLICE_LIT("jo")).ptr);
    CHECK(!textset_find(&s, SLICE_NONE).ptr);
    textset_add(&s, SLICE_NONE); /* the empty text is one, too */
    CHECK_SLICE(textset_find(&s, SLICE_NONE), "");
    CHECK_SLICE(textset_find_suffix(&s, SLICE_LIT("zzz"), false), "");
    textset_fini(&s);
}

static void texts_as_suffixes(void)
{
    static const struct {
        const char *name;
        bool any, at_label;
    } asked[] = {
        {"example.org", true, true},     {"mail.example.org", true, true},
        {"badexample.org", true, false}, {"MAIL.EXAMPLE.ORG", true, true},
        {"xample.org", false, false},    {"a.b.example.net", true, true},
        {"example.net", false, false},   {"", false, false},
        {"example.org.", false, false},
    };
    struct textset s = {0};
    textset_add(&s, SLICE_LIT("Example.org"));
    textset_add(&s, SLICE_LIT(".example.net"));
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct slice name = slice_cstr(asked[i].name);
        bool any = textset_find_suffix(&s, name, false).ptr, at_label = textset_find_suffix(&s, name, true).ptr;
        if (!CHECK_INT(any, asked[i].any) || !CHECK_INT(at_label, asked[i].at_label))
            printf("# %s\n", asked[i].name);
    }
    textset_fini(&s);
}

/* milter-greylist's `domain X`: case-insensitive suffix of the name; exact: only on a label's boundary. */
static bool has_suffix(struct slice name, struct slice suffix, bool exact)
{
    if (!slice_has_suffix_nocase(name, suffix))
        return false;
    if (!exact || name.len == suffix.len)
        return true;
    size_t at = name.len - suffix.len;
    return suffix.len > 0 && (suffix.ptr[0] == '.' || name.ptr[at - 1] == '.');
}

static struct slice draw_name(uint64_t *state, char *out, size_t min)
{
    size_t len = min + draw(state) % 9;
    for (size_t i = 0; i < len; i++)
        out[i] = "ab.B"[draw(state) % 4];
    return slice_of(out, len);
}

static void suffixes_as_a_plain_search(void)
{
    enum { NAMES = 120, ASKED = 20000, ROOM = 16 };
    char(*texts)[ROOM] = malloc(NAMES * sizeof(*texts));
    struct slice names[NAMES];
    struct textset s = {0};
    uint64_t state = 2;
    for (size_t i = 0; i < NAMES; i++) {
        names[i] = draw_name(&state, texts[i], 3);
        textset_add(&s, names[i]);
    }
    unsigned differ = 0, hits[2] = {0};
    for (size_t i = 0; i < ASKED; i++) {
        char room[ROOM];
        struct slice name = draw_name(&state, room, 0);
        for (int exact = 0; exact <= 1; exact++) {
            bool in = false;
            for (size_t j = 0; j < NAMES && !in; j++)
                in = has_suffix(name, names[j], exact);
            hits[exact] += in;
            differ += in != (textset_find_suffix(&s, name, exact).ptr != NULL);
        }
    }
    CHECK_INT(differ, 0);
    CHECK(hits[1] > 0 && hits[1] < hits[0] && hits[0] < ASKED);
    textset_fini(&s);
    free(texts);
}

/* Hashes that cluster would show as a chain through the whole table, and this test as one that takes minutes. */
static void texts_in_numbers(void)
{
    enum { TEXTS = 100000, ROOM = 40 };
    char(*texts)[ROOM] = malloc((size_t)TEXTS * sizeof(*texts));
    struct textset s = {0};
    for (size_t i = 0; i < TEXTS; i++) {
        int n = snprintf(texts[i], ROOM, "user%zu@example.org", i);
        textset_add(&s, slice_of(texts[i], (size_t)n));
    }
    CHECK_INT(s.count, TEXTS);
    unsigned missing = 0, wrong = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        char other[ROOM];
        int n = snprintf(other, ROOM, "user%zu@example.net", i);
        missing += !textset_find(&s, slice_cstr(texts[i])).ptr;
        wrong += textset_find(&s, slice_of(other, (size_t)n)).ptr != NULL;
    }
    CHECK_INT(missing, 0);
    CHECK_INT(wrong, 0);
    textset_fini(&s);
    free(texts);
}

int main(void)
{
    TEST(nets_of_all_lengths);
    TEST(nets_at_the_ends);
    TEST(nets_as_a_plain_search);
    TEST(texts_equal);
    TEST(texts_as_suffixes);
    TEST(suffixes_as_a_plain_search);
    TEST(texts_in_numbers);
    return TEST_END();
}
