/* The judgement of names: its vectors, each rule at its limits, words, and random names against a plain second implementation. */
#include "../random.h"
#include "../test.h"
#include "base/mem.h"
#include "plain_generic.h"

#include <string.h>

static struct domain_list *list;
static struct generic_rules rules;

static struct ip address(const char *text)
{
    struct ip ip;
    if (ip_parse(slice_cstr(text), &ip) != ERR_NONE)
        printf("# no address: %s\n", text);
    return ip;
}

/* Points, selected, sentences: "6 yes +4 …; +2 …" */
static const char *judged(const char *name, const char *ip_text)
{
    static struct buf out;
    struct ip ip = address(ip_text);
    struct generic_verdict v;
    generic_judge(&rules, list, slice_cstr(name), &ip, &v);
    buf_clear(&out);
    buf_printf(&out, "%d %s", v.points, v.selected ? "yes" : "no");
    if (v.n_reasons)
        buf_put_byte(&out, ' ');
    generic_put_reasons(&v, &out);
    return buf_cstr(&out);
}

#define CHECK_JUDGED(name, ip, want) CHECK_STR(judged(name, ip), want)
#define CHECK_SPELLING(text, ip_text, want)                                                                                 \
    do {                                                                                                                    \
        struct ip a = address(ip_text);                                                                                     \
        CHECK_INT(generic_spelling(slice_cstr(text), &a), want);                                                            \
    } while (0)

/* ---- vectors ---- */

static const char *vectors_file;

static void vectors_agree(void)
{
    FILE *file = fopen(vectors_file, "r");
    if (!CHECK(file != NULL))
        return;
    char line[1024];
    int n = 0;
    while (fgets(line, sizeof(line), file)) {
        struct slice rest = slice_trim(slice_cstr(line), "\n"), field[5];
        for (int i = 0; i < 5; i++)
            field[i] = slice_cut(&rest, '\t');
        if (n++ == 0)
            continue; /* the heading */
        char name[256], ip[64], want[1024];
        snprintf(name, sizeof(name), "%.*s", SLICE_ARG(field[0]));
        snprintf(ip, sizeof(ip), "%.*s", SLICE_ARG(field[1]));
        snprintf(want, sizeof(want), "%.*s %.*s%s%.*s", SLICE_ARG(field[2]), SLICE_ARG(field[3]), field[4].len ? " " : "",
                 SLICE_ARG(field[4]));
        if (!CHECK_STR(judged(name, ip), want))
            printf("# %s\n", name);
    }
    fclose(file);
    CHECK(n > 50);
}

/* ---- the text ---- */

static void text_is_below_the_base_domain(void)
{
    CHECK_JUDGED("dsl1.example.com", "198.51.100.9", "3 yes +3 word of a line: dsl");
    CHECK_JUDGED("dsl1.co.uk", "198.51.100.9", "0 no"); /* that is the base domain itself */
    CHECK_JUDGED("x1.dsl.co.uk", "198.51.100.9", "0 no");
    CHECK_JUDGED("x1.dsl.example.co.uk", "198.51.100.9", "3 yes +3 word of a line: dsl");
    /* a private suffix is none here */
    CHECK_JUDGED("dsl7.blogspot.com", "198.51.100.9", "3 yes +3 word of a line: dsl");
    /* no known top level: one label is the suffix */
    CHECK_JUDGED("dsl7.example.nosuchtop", "198.51.100.9", "3 yes +3 word of a line: dsl");
    /* nothing but a suffix: all of it is text */
    CHECK_JUDGED("dsl7", "198.51.100.9", "3 yes +3 word of a line: dsl");
    CHECK_JUDGED("", "198.51.100.9", "0 no");
    CHECK_JUDGED(".", "198.51.100.9", "0 no");
    CHECK_JUDGED("...", "198.51.100.9", "0 no");
    CHECK_JUDGED("DSL1.Example.COM.", "198.51.100.9", "3 yes +3 word of a line: dsl");
    CHECK_JUDGED("dsl.example1.com", "198.51.100.9", "0 no"); /* the digit must be in the text */
}

/* ---- IPv4 ---- */

static void ipv4_in_hexadecimal(void)
{
    CHECK_SPELLING("cb00712d", "203.0.113.45", GENERIC_SPELLS_HEX);
    CHECK_SPELLING("CB00712D", "203.0.113.45", GENERIC_SPELLS_HEX);
    CHECK_SPELLING("xffcb00712dffx", "203.0.113.45", GENERIC_SPELLS_HEX);
    CHECK_SPELLING("2d7100cb", "203.0.113.45", GENERIC_SPELLS_HEX);
    CHECK_SPELLING("cb00-712d", "203.0.113.45", GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("cb00712", "203.0.113.45", GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("d21700bc", "203.0.113.45", GENERIC_SPELLS_NOTHING); /* nibbles reversed: no */
    CHECK_SPELLING("x", "0.0.0.0", GENERIC_SPELLS_NOTHING);
}

static void ipv4_as_one_number(void)
{
    CHECK_SPELLING("a203011345b", "203.0.113.45", GENERIC_SPELLS_ONE_NUMBER);
    CHECK_SPELLING("451130203", "203.0.113.45", GENERIC_SPELLS_ONE_NUMBER);
    CHECK_SPELLING("3405803821", "203.0.113.45", GENERIC_SPELLS_ONE_NUMBER);
    CHECK_SPELLING("1203011345", "203.0.113.45", GENERIC_SPELLS_NOTHING); /* not the whole run */
    CHECK_SPELLING("2030113457", "203.0.113.45", GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("x1112131", "11.12.1.31", GENERIC_SPELLS_NOTHING); /* seven digits */
    CHECK_SPELLING("x11121314", "11.12.13.14", GENERIC_SPELLS_ONE_NUMBER);
    CHECK_SPELLING("255255255255", "255.255.255.255", GENERIC_SPELLS_ONE_NUMBER);
}

static void ipv4_as_numbers(void)
{
    CHECK_SPELLING("203-0-113-45", "203.0.113.45", GENERIC_SPELLS_FOUR);
    CHECK_SPELLING("113x203.45b0", "203.0.113.45", GENERIC_SPELLS_FOUR);
    CHECK_SPELLING("203000-113045", "203.0.113.45", GENERIC_SPELLS_FOUR);
    CHECK_SPELLING("203000113-045", "203.0.113.45", GENERIC_SPELLS_FOUR);
    CHECK_SPELLING("1-1-1-1", "1.1.1.1", GENERIC_SPELLS_FOUR);
    CHECK_SPELLING("1-1-1", "1.1.1.1", GENERIC_SPELLS_TWO); /* each number is used up by one octet */
    CHECK_SPELLING("203-x-113-x-45", "203.0.113.45", GENERIC_SPELLS_THREE);
    CHECK_SPELLING("x9xxx10xxx1", "1.9.10.77", GENERIC_SPELLS_NOTHING); /* three, one of them above 9 */
    CHECK_SPELLING("x9xxx10xxx11", "11.9.10.77", GENERIC_SPELLS_THREE);
    CHECK_SPELLING("203-0", "203.0.113.45", GENERIC_SPELLS_TWO);
    CHECK_SPELLING("0-203", "203.0.113.45", GENERIC_SPELLS_TWO);
    CHECK_SPELLING("45ab113", "203.0.113.45", GENERIC_SPELLS_TWO);
    CHECK_SPELLING("45abc113", "203.0.113.45", GENERIC_SPELLS_NOTHING); /* three characters between */
    CHECK_SPELLING("113045", "203.0.113.45", GENERIC_SPELLS_TWO);
    CHECK_SPELLING("0-113", "203.0.113.45", GENERIC_SPELLS_NOTHING); /* neighbours, but neither the first nor the last two */
    CHECK_SPELLING("113-7-45", "203.0.113.45", GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("1130-45", "203.0.113.45", GENERIC_SPELLS_NOTHING);
}

/* ---- IPv6 ---- */

static const char v6[] = "2001:db8:a1:b2:c3:d4:e5:f6";

static void ipv6_half(void)
{
    CHECK_SPELLING("20010db800a100b2", v6, GENERIC_SPELLS_HALF);
    CHECK_SPELLING("x0-0.c300d400E500F6", v6, GENERIC_SPELLS_HALF);
    CHECK_SPELLING("6f005e004d003c00", v6, GENERIC_SPELLS_HALF);
    CHECK_SPELLING("2b001a008bd01002", v6, GENERIC_SPELLS_HALF);
    CHECK_SPELLING("20010db8_00a100b2", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("20010db800a100b", v6, GENERIC_SPELLS_NOTHING);
}

static void ipv6_groups(void)
{
    CHECK_SPELLING("db8x00a1-b2.c3", v6, GENERIC_SPELLS_GROUPS);
    CHECK_SPELLING("db8-a1-b2", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("db8-a1-7-b2-c3", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("d4-e5-f6-2001", v6, GENERIC_SPELLS_NOTHING); /* not across the address's end */
    CHECK_SPELLING("2001-db8-0-1", "2001:db8:0:1::9", GENERIC_SPELLS_GROUPS);
    CHECK_SPELLING("2001-db8-0000-0", "2001:db8::9", GENERIC_SPELLS_NOTHING); /* two zeros */
    CHECK_SPELLING("10db8-a1-b2-c3", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("0000000db8-a1-b2-c3", v6, GENERIC_SPELLS_GROUPS);
}

static void ipv6_form(void)
{
    CHECK_SPELLING("x.2001-db8-1-2-3-4", v6, GENERIC_SPELLS_FORM);
    CHECK_SPELLING("2001-db8-1-2-3", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("a.b.c.d.e.f", v6, GENERIC_SPELLS_NOTHING); /* no decimal digit */
    CHECK_SPELLING("a.b.c.d.e.1", v6, GENERIC_SPELLS_FORM);
    CHECK_SPELLING("1-b.c.d.e.f", v6, GENERIC_SPELLS_NOTHING);   /* five that are joined alike */
    CHECK_SPELLING("1-b.c.d.e.f.a", v6, GENERIC_SPELLS_NOTHING); /* six, and the digit is not in them */
    CHECK_SPELLING("a-1.c.d.e.f.a", v6, GENERIC_SPELLS_FORM);
    CHECK_SPELLING("x1-2-3-4-5-6", v6, GENERIC_SPELLS_NOTHING); /* the first is no whole group */
    CHECK_SPELLING("x-1-2-3-4-5-6", v6, GENERIC_SPELLS_FORM);
    CHECK_SPELLING("1-2-3-4-5-6x", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("1-2-3-4-5-12345", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("1-2-3--4-5-6", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("x00112233445566778899aabbccddeeffx", v6, GENERIC_SPELLS_FORM);
    CHECK_SPELLING("00112233445566778899aabbccddeeff0", v6, GENERIC_SPELLS_NOTHING);
    CHECK_SPELLING("1-2-3-4-5-6", "203.0.113.45", GENERIC_SPELLS_NOTHING); /* of the other family */
    const struct ip unknown = {0};
    CHECK_INT(generic_spelling(SLICE_LIT("1-2-3-4-5-6"), &unknown), GENERIC_SPELLS_FORM);
    CHECK_INT(generic_spelling(SLICE_LIT("1-2-3-4"), &unknown), GENERIC_SPELLS_NOTHING);
}

/* ---- where it is used most ---- */

/* Lines of Japan's providers, each with its own way of naming; and mail servers of the same. */
static void lines_of_japan(void)
{
    static const struct {
        const char *name, *ip;
        bool selected;
    } rows[] = {
        {"p1234-ipngn100101osakachuo.osaka.ocn.ne.jp", "203.0.113.45", true},
        {"p2045-ipbf305marunouchi.tokyo.ocn.ne.jp", "203.0.113.45", true},
        {"p123045-omed01.osaka.ocn.ne.jp", "203.0.113.45", true},
        {"p813045-ipoe.ipoe.ocn.ne.jp", "203.0.113.45", true},
        {"mfdf0291.ocn.ad.jp", "203.0.113.45", false},
        {"i203-0-113-45.s41.a014.ap.plala.or.jp", "203.0.113.45", true},
        {"msa01b.plala.or.jp", "203.0.113.45", false},
        {"pcb00712d.tkyoac00.ap.so-net.ne.jp", "203.0.113.45", true},
        {"mail-gw01.so-net.ne.jp", "203.0.113.45", false},
        {"nttpc203-113045.nttpc.ne.jp", "203.0.113.45", true},
        {"mx01.nttpc.ne.jp", "203.0.113.45", false},
        {"softbank203000113045.bbtec.net", "203.0.113.45", true},
        {"203-0-113-45f1.kyt1.eonet.ne.jp", "203.0.113.45", true},
        {"KD203000113045.ppp-bb.dion.ne.jp", "203.0.113.45", true},
        {"fl1-203-0-113-45.tky.mesh.ad.jp", "203.0.113.45", true},
        {"ntkngw123045.kngw.nt.ngn.ppp.infoweb.ne.jp", "203.0.113.45", true},
        {"y919918.dynamic.ppp.asahi-net.or.jp", "203.0.113.45", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip ip = address(rows[i].ip);
        struct generic_verdict v;
        generic_judge(&rules, list, slice_cstr(rows[i].name), &ip, &v);
        if (!CHECK_INT(v.selected, rows[i].selected))
            printf("# %s: %s\n", rows[i].name, judged(rows[i].name, rows[i].ip));
    }
}

/* ---- words ---- */

static void each_class_counts_once(void)
{
    CHECK_JUDGED("dyn1.pool.example.com", "198.51.100.9", "4 yes +4 word of a changing address: dyn");
    CHECK_JUDGED("dsl1.cust.example.com", "198.51.100.9", "3 yes +3 word of a line: dsl");
    CHECK_JUDGED("cust1.dyn.example.com", "198.51.100.9", "4 yes +4 word of a changing address: dyn");
    CHECK_JUDGED("rev1.rev.example.com", "198.51.100.9", "1 no +1 weak words of a line: rev");
    CHECK_JUDGED("static1.rev.isp.example.com", "198.51.100.9", "2 no +2 weak words of a line: rev, static");
    CHECK_JUDGED("mx1.mail.example.com", "198.51.100.9", "-5 no -5 word of a mail server: mx");
    CHECK_JUDGED("mailserver1.example.com", "198.51.100.9", "-5 no -5 word of a mail server: mailserver");
    CHECK_JUDGED("mailserver1.web.example.com", "198.51.100.9",
                 "-6 no -5 word of a mail server: mailserver; -1 word of a server: web");
    CHECK_JUDGED("w1.my-smtp.example", "198.51.100.9", "-5 no -5 word of a mail server: smtp");
}

static unsigned classes_of(const char *pattern, const char *word)
{
    const struct generic_pattern patterns[] = {{GENERIC_LINE, slice_cstr(pattern)}, {GENERIC_WEAK, SLICE_LIT("zz*")}};
    struct generic_words *words;
    size_t bad;
    if (generic_words_new(patterns, 2, &words, &bad) != ERR_NONE)
        return 99;
    unsigned found = generic_words_find(words, slice_cstr(word));
    generic_words_free(words);
    return found;
}

static void patterns_mean_what_they_say(void)
{
    const unsigned line = 1U << GENERIC_LINE;
    CHECK_INT(classes_of("dsl", "dsl"), line);
    CHECK_INT(classes_of("DSL", "dSl"), line);
    CHECK_INT(classes_of("dsl", "adsl"), 0);
    CHECK_INT(classes_of("dsl", "dsla"), 0);
    CHECK_INT(classes_of("dsl*", "dsla"), line);
    CHECK_INT(classes_of("dsl*", "adsl"), 0);
    CHECK_INT(classes_of("*dsl", "adsl"), line);
    CHECK_INT(classes_of("*dsl", "dsldsl"), line);
    CHECK_INT(classes_of("*dsl", "dsla"), 0);
    CHECK_INT(classes_of("*dsl*", "adsla"), line);
    CHECK_INT(classes_of("*aab*", "aaab"), line); /* a step back inside the pattern */
    CHECK_INT(classes_of("*abab", "aababab"), line);
    CHECK_INT(classes_of("*a*", ""), 0);
    CHECK_INT(classes_of("zzz", "zzz"), line | 1U << GENERIC_WEAK);
    CHECK_INT(classes_of("zzz", "zz"), 1U << GENERIC_WEAK);
    CHECK_INT(classes_of("", "a"), 99);
    CHECK_INT(classes_of("*", "a"), 99);
    CHECK_INT(classes_of("**", "a"), 99);
    CHECK_INT(classes_of("a1", "a"), 99);
    CHECK_INT(classes_of("a*b", "a"), 99);
    CHECK_INT(classes_of("a-b", "a"), 99);
}

static void too_many_words(void)
{
    char letters[1001];
    memset(letters, 'x', 1000);
    letters[1000] = '\0';
    struct generic_pattern patterns[60];
    struct generic_words *words;
    size_t bad;
    for (size_t i = 0; i < COUNT_OF(patterns); i++)
        patterns[i] = (struct generic_pattern){GENERIC_SITE, slice_cstr(letters)};
    CHECK_INT(generic_words_new(patterns, 60, &words, &bad), ERR_RANGE);
    CHECK_INT(bad, 59);
    CHECK_INT(generic_words_new(patterns, 59, &words, &bad), ERR_NONE);
    CHECK_INT(generic_words_find(words, slice_cstr(letters)), 1U << GENERIC_SITE);
    generic_words_free(words);
}

/* ---- weights and threshold ---- */

static void weights_count(void)
{
    struct generic_rules kept = rules;
    rules.weight[GENERIC_SAYS_LINE] = 0; /* then it is not mentioned either */
    CHECK_JUDGED("dsl1.example.com", "198.51.100.9", "0 no");
    rules.weight[GENERIC_SAYS_LINE] = -2;
    CHECK_JUDGED("dsl1.example.com", "198.51.100.9", "-2 no -2 word of a line: dsl");
    rules.weight[GENERIC_SAYS_WEAK] = 3;
    CHECK_JUDGED("rev1.isp.example.com", "198.51.100.9", "6 yes +6 weak words of a line: isp, rev");
    rules = kept;
    rules.threshold = 4;
    CHECK_JUDGED("dsl1.example.com", "198.51.100.9", "3 no +3 word of a line: dsl");
    rules.threshold = -5;
    CHECK_JUDGED("mx1.example.com", "198.51.100.9", "-5 yes -5 word of a mail server: mx");
    CHECK_JUDGED("www.example.com", "198.51.100.9", "0 no"); /* nothing was found that could select it */
    rules = kept;
}

/* ---- any length ---- */

static void names_of_any_length(void)
{
    struct buf name = {0};
    for (unsigned i = 0; i < 20000; i++)
        buf_put_cstr(&name, "dsl-1.2-");
    buf_put_cstr(&name, "203-0-113-45.example.com");
    CHECK_JUDGED(buf_cstr(&name), "203.0.113.45",
                 "7 yes +4 the name spells the four numbers of the address; +3 word of a line: dsl");
    buf_clear(&name);
    buf_put_cstr(&name, "dsl1.");
    for (unsigned i = 0; i < 300; i++)
        buf_put_byte(&name, 'x'); /* a label longer than a host name */
    buf_put_cstr(&name, ".com");
    CHECK_JUDGED(buf_cstr(&name), "203.0.113.45", "3 yes +3 word of a line: dsl");
    buf_fini(&name);
}

/* ---- against the plain one ---- */

static const char *const pieces[] = {"-",    ".",     ".",   "-",      "x",    "0",       "00",   "1",    "a",      "f",
                                     "dyn",  "dsl",   "ip",  "static", "mail", "server",  "pool", "host", "12345",  "_",
                                     "cust", "cable", "mta", "vps",    "isp",  "example", "com",  ".jp",  ".ne.jp", "Ab"};

static void put_part_of_address(struct buf *name, const struct ip *ip)
{
    const uint8_t *o = ip->bytes;
    unsigned which = random_below(7), i = random_below(ip->family == IP_V4 ? 4 : 16);
    if (which < 2)
        buf_printf(name, "%0*u", which ? 3 : 1, o[i]);
    else if (which < 4)
        buf_printf(name, "%0*x", which == 2 ? 2 : 1, o[i]);
    else if (which == 4)
        buf_printf(name, "%x%02x", o[i & ~1U], o[i | 1]);
    else if (which == 5)
        for (unsigned k = 0; k < (ip->family == IP_V4 ? 4U : 8U); k++)
            buf_printf(name, "%02x", o[(i & 8) + k]);
    else
        buf_printf(name, "%u%u%u%u", o[0], o[1], o[2], o[3]);
}

static void random_names(void)
{
    unsigned spelled = 0, selected = 0;
    for (unsigned n = 0; n < 60000; n++) {
        struct ip ip = {.family = random_below(20) == 0 ? IP_NONE : random_below(2) ? IP_V4 : IP_V6};
        for (unsigned i = 0; i < (ip.family == IP_V4 ? 4U : ip.family == IP_V6 ? 16U : 0U); i++)
            ip.bytes[i] = (uint8_t)(random_below(3) ? random_below(256) : random_below(12));
        struct buf name = {0}, want = {0}, got = {0};
        for (unsigned k = random_below(16); k > 0; k--) {
            if (random_below(3) == 0)
                put_part_of_address(&name, &ip);
            else
                buf_put_cstr(&name, pieces[random_below(COUNT_OF(pieces))]);
        }
        if (random_below(2))
            buf_put_cstr(&name, random_below(4) ? ".example.com" : ".mailer.co.jp");
        struct generic_verdict v;
        generic_judge(&rules, list, buf_slice(&name), &ip, &v);
        generic_put_reasons(&v, &got);
        int points = plain_judge(list, buf_slice(&name), &ip, &want);
        bool ok = CHECK_INT(v.points, points);
        ok &= CHECK_STR(buf_cstr(&got), buf_cstr(&want));
        CHECK_INT(v.selected, points >= 3);
        spelled += v.n_reasons > 0 && v.reasons[0].feature == GENERIC_SAYS_ADDRESS;
        selected += v.selected;
        if (!ok) {
            char text[IP_TEXT_MAX];
            printf("# %s %s\n", buf_cstr(&name), ip_format(&ip, text));
        }
        buf_fini(&name);
        buf_fini(&want);
        buf_fini(&got);
    }
    CHECK(spelled > 1000 && selected > 1000);
}

int main(int argc, char **argv)
{
    vectors_file = argc > 1 ? argv[1] : "";
    list = domain_list_open();
    if (!list) {
        printf("1..0 # SKIP no Public Suffix List\n");
        return 0;
    }
    rules = plain_default_rules();
    random_begin();
    TEST(vectors_agree);
    TEST(text_is_below_the_base_domain);
    TEST(ipv4_in_hexadecimal);
    TEST(ipv4_as_one_number);
    TEST(ipv4_as_numbers);
    TEST(ipv6_half);
    TEST(ipv6_groups);
    TEST(ipv6_form);
    TEST(lines_of_japan);
    TEST(each_class_counts_once);
    TEST(patterns_mean_what_they_say);
    TEST(too_many_words);
    TEST(weights_count);
    TEST(names_of_any_length);
    TEST(random_names);
    generic_words_free((struct generic_words *)(uintptr_t)rules.words);
    domain_list_free(list);
    return TEST_END();
}
