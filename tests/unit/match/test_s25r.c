/* The S25R matcher against its vectors and, differentially, against the regular expressions it stands for. */
#include "../random.h"
#include "../test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "match/s25r.h"

#include <regex.h>
#include <string.h>

/* As milter-manager 2.3.2 has them; matched with REG_ICASE and without REG_NEWLINE */
static const char *const rules[] = {
    "^[^.]*[0-9][^0-9.]+[0-9].*\\.",
    "^[^.]*[0-9]{5}",
    "^([^.]+\\.)?[0-9][^.]*\\.[^.]+\\..+\\.[a-z]",
    "^[^.]*[0-9]\\.[^.]*[0-9]-[0-9]",
    "^[^.]*[0-9]\\.[^.]*[0-9]\\.[^.]+\\..+\\.",
    "^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]",
};

static const struct {
    const char *name;
    int rule;
} vectors[] = {
    {"220-139-165-188.dynamic.hinet.example", 1},
    {"pcp04083532pcs.levtwn01.pa.example.net", 2},
    {"398pkj.cm.chello.example", 3},
    {"m226.net81-66-158.example.fr", 4},
    {"dhcp-3245.pppool.example.jp", 6},
    {"dsl411.rbh-brktel.pppoe.example.com", 6},
    {"ppp5.example.org", 6},
    {"DHCP12.example.org", 6},
    {"a1.12.b.example.com", 3},
    {"nat5.x7.isp.co.example", 5},
    {"mail12345.example.com", 2},
    {"1.2.example.com", 3},
    {"mx2-out11.example.net", 1},
    {"UNKNOWN", 0},
    {"mail.example.com", 0},
    {"mail-ej1-f41.example.com", 1},
    {"S0106aabbccddeeff.vs.example.net", 0},
    {"12.example.com", 0},
    {"o1.email.example.net", 0},
    {"mail1234.example.com", 0},
    {"b3.mx01.example.com", 0},
    {"localhost", 0},
    {"", 0},
    {".", 0},
    {"..", 0},
    {"...", 0},
    {"1", 0},
    {"1a2", 0},
    {"1a2.", 1},
    {"12345", 2},
    {"1234.5", 0},
    {"1.a.b.c", 3},
    {"1.a.b.1", 0},
    {"1.a..c", 0},
    {"1..b.c.d", 0},
    {"x.1.a.b.c", 3},
    {".1.a.b.c", 0},
    {"x.y.1.a.b.c", 0},
    {"a1.1-2", 4},
    {"a1.-2", 0},
    {"a1.b.1-2", 0},
    {"a1.b1.c.d.", 5},
    {"a1.b1.c.d", 0},
    {"a1.b1..d.", 0},
    {"xdsl1", 6},
    {"XDSL1", 6},
    {"bdsl1", 0},
    {"dsl", 0},
    {"dsl.1", 0},
    {"dialupx9", 6},
    {"9dialup", 0},
};

static void knows_the_vectors(void)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        if (!CHECK_INT(s25r_match(slice_cstr(vectors[i].name)), vectors[i].rule))
            printf("# on %s\n", vectors[i].name);
}

static void tells_the_rules(void)
{
    for (int rule = 0; rule <= 6; rule++) {
        char prefix[16];
        snprintf(prefix, sizeof(prefix), "rule %d: ", rule);
        CHECK(slice_has_prefix(slice_cstr(s25r_rule_text(rule)), prefix));
    }
}

/* ---- differential ---- */

static regex_t compiled[COUNT_OF(rules)];

static void compile_rules(void)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        CHECK_INT(regcomp(&compiled[i], rules[i], REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
}

static int lowest_rule(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (regexec(&compiled[i], name, 0, NULL, 0) == 0)
            return (int)i + 1;
    return 0;
}

static bool agrees(const char *name)
{
    int got = s25r_match(slice_cstr(name)), want = lowest_rule(name);
    if (got == want)
        return true;
    CHECK_INT(got, want);
    printf("# on \"%s\"\n", name);
    return false;
}

static void put_piece(struct buf *b)
{
    static const char *const pieces[] = {"dhcp", "DialUp", "ppp", "dsl", "XDSL", "a",  "Z",   "-",   "_", ".a",    "12345",
                                         "1.2",  "..",     "1-2", "3",   "mx1",  ".x", "com", "x1.", "1", "7.b-1", "adsl"};
    unsigned r = random_below(100);
    if (r < 35)
        buf_put_cstr(b, pieces[random_below(COUNT_OF(pieces))]);
    else if (r < 60)
        buf_put_byte(b, '.');
    else if (r < 80)
        buf_put_byte(b, (char)('0' + random_below(10)));
    else if (r < 97)
        buf_put_byte(b, (char)(random_below(2) ? 'a' + random_below(26) : 'A' + random_below(26)));
    else
        buf_put_byte(b, (char)(1 + random_below(255)));
}

enum { NAME_MAX_BYTES = 300, RANDOM_NAMES = 200000 };

static void agrees_on_random_names(void)
{
    struct buf b = {0};
    unsigned hits[7] = {0}, longest = 0;
    for (int i = 0; i < RANDOM_NAMES; i++) {
        buf_clear(&b);
        /* mostly short, where the rules are decided; some up to the limit */
        unsigned pieces = random_below(50) ? 1 + random_below(12) : 1 + random_below(150);
        while (pieces-- && b.len < NAME_MAX_BYTES)
            put_piece(&b);
        if (b.len > NAME_MAX_BYTES)
            b.len = NAME_MAX_BYTES;
        if (b.len > longest)
            longest = (unsigned)b.len;
        if (!agrees(buf_cstr(&b)))
            break;
        hits[s25r_match(buf_slice(&b))]++;
    }
    printf("# rules 0-6: %u %u %u %u %u %u %u, longest %u\n", hits[0], hits[1], hits[2], hits[3], hits[4], hits[5], hits[6],
           longest);
    /* a test that hits nothing would prove nothing */
    for (int rule = 0; rule <= 6; rule++)
        CHECK(hits[rule] > 500);
    buf_fini(&b);
}

/* Real host names, one a line, in the first column of a tab-separated file with a heading. */
static void agrees_on_real_names(void)
{
    const char *path = getenv("TARSIER_NAMES");
    FILE *f = path ? fopen(path, "r") : NULL;
    if (!f) {
        printf("# no file of real names (TARSIER_NAMES): left out\n");
        return;
    }
    char *line = NULL;
    size_t cap = 0;
    unsigned count = 0;
    bool heading = true;
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\t\n")] = '\0';
        if (heading) {
            heading = false;
            continue;
        }
        count++;
        if (!agrees(line))
            break;
    }
    free(line);
    fclose(f);
    printf("# %u real names\n", count);
    CHECK(count > 0);
}

/* Not a benchmark: only that a long name costs its length, not its square. */
static void takes_any_length(void)
{
    struct buf b = {0};
    for (int i = 0; i < 1000000; i++)
        buf_put_byte(&b, i % 2 ? '-' : 'a');
    CHECK_INT(s25r_match(buf_slice(&b)), 0);
    buf_fini(&b);
    CHECK_INT(s25r_match(SLICE_NONE), 0);
    CHECK_INT(s25r_match(slice_of("1\0a2.b", 6)), 1);
}

int main(void)
{
    random_begin();
    TEST(knows_the_vectors);
    TEST(tells_the_rules);
    TEST(compile_rules);
    TEST(agrees_on_random_names);
    TEST(agrees_on_real_names);
    TEST(takes_any_length);
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        regfree(&compiled[i]);
    return TEST_END();
}
