/* Format strings: every name, every error with its place, and what outside text cannot do. */
#include "../test.h"
#include "base/mem.h"
#include "match/regex.h"
#include "policy/format.h"
#include "policy/xgreylist.h"

#include <stdlib.h>
#include <string.h>

/* Tuesday, 24 November 2026, 01:58:50 UTC */
static const struct wall then = {1795485530};

static struct slice macro(const void *ctx, struct slice name)
{
    (void)ctx;
    if (slice_eq_cstr(name, "j"))
        return SLICE_LIT("mx.example.org");
    if (slice_eq_cstr(name, "{rcpt_host}"))
        return SLICE_LIT("store.example.org");
    if (slice_eq_cstr(name, "{evil}"))
        return SLICE_LIT("a\r\nX-Evil: \0b\x7f\x1b");
    return SLICE_NONE;
}

static struct slice groups[REGEX_GROUPS_MAX];

static struct format_facts facts_new(void)
{
    groups[0] = SLICE_LIT("whole");
    groups[1] = SLICE_LIT("first");
    groups[9] = SLICE_LIT("ninth");
    struct format_facts f = {
        .sender = SLICE_LIT("<joe@mail.example.org>"),
        .recipient = SLICE_LIT("<ann+x@example.net>"),
        .host = SLICE_LIT("dhcp-12.isp.example.com"),
        .helo = SLICE_LIT("friend"),
        .now = then,
        .hostname = SLICE_LIT("mx.example.org"),
        .if_addr = SLICE_LIT("192.0.2.25"),
        .code = SLICE_LIT("451"),
        .ecode = SLICE_LIT("4.7.1"),
        .acl_id = SLICE_LIT("grey"),
        .acl_line = 9,
        .elapsed_sec = 31 * 60 + 12,
        .remaining_sec = 26 * 3600 + 3 * 60 + 4,
        .tarpit_sec = 125,
        .verdict = "tempfail",
        .groups = groups,
        .macro = macro,
    };
    if (ip_parse(SLICE_LIT("192.0.2.77"), &f.client) != ERR_NONE)
        abort();
    return f;
}

/* The text filled in; NULL when it does not compile. Kept until the next call. */
static const char *expand_with(const char *text, const struct format_facts *facts)
{
    static struct buf out;
    struct arena arena = {0};
    struct format *format;
    struct format_error error = {0};
    enum err e = format_compile(slice_cstr(text), &arena, &format, &error);
    buf_fini(&out);
    if (facts && CHECK_INT(e, ERR_NONE))
        format_expand(format, facts, &out);
    else if (facts)
        printf("# on \"%s\": %s\n", text, error.message);
    const char *result = e == ERR_NONE && facts ? buf_cstr(&out) : NULL;
    arena_fini(&arena);
    if (!facts)
        buf_fini(&out);
    return result;
}

static void fills_in_every_name(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"100%%", "100%"},
        {"%%r", "%r"},
        {"%r", "ann+x@example.net"},
        {"%f", "joe@mail.example.org"},
        {"%mr|%sr", "ann+x|example.net"},
        {"%mf|%sf", "joe|mail.example.org"},
        {"%i", "192.0.2.77"},
        {"%I{/24}|%I{/32}|%I{/0}|%I{/128}", "192.0.2.0|192.0.2.77|0.0.0.0|192.0.2.77"},
        {"%j", "77.2.0.192"},
        {"%d", "dhcp-12.isp.example.com"},
        {"%md|%sd", "dhcp-12|isp.example.com"},
        {"%h", "friend"},
        {"%Xc %Xe", "451 4.7.1"},
        {"%M{rcpt_host}|%Mj|%M{j}|%M{nothing}|%Mz", "store.example.org|mx.example.org|mx.example.org||"},
        {"%g{\\1}|%g{\\9}|%g{\\0}|%g{\\2}", "first|ninth|whole|"},
        {"%G", "+0000"},
        {"%V", NULL}, /* below */
        {"%S", "tempfail"},
        {"%A|%a|%cA|%ca", "9|grey|9|grey"},
        {"%E|%Eh|%Em|%Es|%Et", "00:31:12|0|31|12|1872"},
        {"%R|%Rh|%Rm|%Rs|%Rt", "26:03:04|26|3|4|93784"},
        {"come back in %R.", "come back in 26:03:04."},
        {"tarpit %ts", "tarpit 125s"},
        {"%T{%Y-%m-%d %H:%M:%S}", "2026-11-24 01:58:50"},
        {"%T{%a, %d %b %Y %T} %G (%T{%Z})", "Tue, 24 Nov 2026 01:58:50 +0000 (UTC)"},
        {"%T{%z %s %% x}", "+0000 1795485530 % x"},
        {"%T{}|%T{%}", "|%"},
        {"%T{a%nb}", "a?b"},
        /* unknown names stay as they are */
        {"%x %k %1 %-5r %mx %sx %cx %X %", "%x %k %1 %-5r %mx %sx %cx %X %"},
        {"%n%s%n", "%n%s%n"},
        {"%g %T %I", "%g %T 192.0.2.77"},
        {"\xc3\xa9%r\t", "\xc3\xa9"
                         "ann+x@example.net\t"},
        {"%i%i%%%i", "192.0.2.77192.0.2.77%192.0.2.77"},
    };
    struct format_facts facts = facts_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].want)
            CHECK_STR(expand_with(rows[i].text, &facts), rows[i].want);
}

static void says_who_it_is(void)
{
    struct format_facts facts = facts_new();
    struct buf want = {0};
    buf_printf(&want, "tarsier-%s (mx.example.org [192.0.2.25]); Tue, 24 Nov 2026 01:58:50 +0000 (UTC)",
               expand_with("%v", &facts));
    CHECK_STR(expand_with("%V", &facts), buf_cstr(&want));
    CHECK(strstr(buf_cstr(&want), "tarsier- ") == NULL);
    facts.if_addr = SLICE_NONE;
    CHECK(strstr(expand_with("%V", &facts), "(mx.example.org [0.0.0.0]); ") != NULL);
    buf_fini(&want);
}

/* Facts that are not there: nothing, and nothing read that is not there. */
static void does_without_facts(void)
{
    struct format_facts none = {0};
    CHECK_STR(expand_with("[%r%f%mr%sr%mf%sf%d%md%sd%h%Xc%Xe%M{x}%Mj%g{\\1}%j%a%ca]", &none), "[]");
    CHECK_STR(expand_with("%i %I{/8} %S %A %E %R %t", &none), "unknown unknown unknown 0 00:00:00 00:00:00 0");
    CHECK_STR(expand_with("%T{%F}", &none), "1970-01-01");
    none.elapsed_sec = none.remaining_sec = -5;
    CHECK_STR(expand_with("%E %Rs %Rt", &none), "00:00:00 0 0");
    none.sender = none.recipient = SLICE_LIT("<>");
    CHECK_STR(expand_with("%f|%mf|%sf|%r", &none), "|||");
    none.sender = SLICE_LIT("postmaster");
    CHECK_STR(expand_with("%f|%mf|%sf", &none), "postmaster|postmaster|");
    none.sender = SLICE_LIT("<\"a@b\"@example.org>");
    CHECK_STR(expand_with("%mf|%sf", &none), "\"a@b\"|example.org");
    none.host = SLICE_LIT("localhost");
    CHECK_STR(expand_with("%md|%sd", &none), "localhost|");
}

static void knows_ipv6(void)
{
    struct format_facts facts = facts_new();
    CHECK_INT(ip_parse(SLICE_LIT("2001:db8:1:2::7"), &facts.client), ERR_NONE);
    CHECK_STR(expand_with("%i %I{/64} %I{/32} %I{/128}", &facts),
              "2001:db8:1:2::7 2001:db8:1:2:: 2001:db8:: 2001:db8:1:2::7");
    CHECK_STR(expand_with("%j", &facts), "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2");
}

/* No sender ends a reply's line, begins a header or is taken for a printf format. */
static void keeps_outside_text_in_its_place(void)
{
    struct format_facts facts = facts_new();
    facts.helo = SLICE_LIT("a\r\nBcc: x\0y");
    facts.sender = SLICE_LIT("<a\nb@example.org>");
    facts.recipient = SLICE_LIT("<%s%n%x@example.org>");
    facts.host = SLICE_LIT("\x1b[2J.example.org");
    facts.hostname = SLICE_LIT("mx\n");
    facts.acl_id = SLICE_LIT("\t");
    groups[1] = SLICE_LIT("\r\n.\r\n");
    CHECK_STR(expand_with("%h", &facts), "a??Bcc: x?y");
    CHECK_STR(expand_with("%f", &facts), "a?b@example.org");
    CHECK_STR(expand_with("%r", &facts), "%s%n%x@example.org");
    CHECK_STR(expand_with("%d %md", &facts), "?[2J.example.org ?[2J");
    CHECK_STR(expand_with("%g{\\1}", &facts), "??.??");
    CHECK_STR(expand_with("%M{evil}", &facts), "a??X-Evil: ?b??");
    CHECK_STR(expand_with("%a", &facts), "?");
    CHECK(strchr(expand_with("%V", &facts), '\n') == NULL);
}

static void tells_where_it_went_wrong(void)
{
    static const struct {
        const char *text;
        enum err err;
        size_t offset;
    } rows[] = {
        {"ab %D", ERR_UNSUPPORTED, 3},
        {"%C", ERR_UNSUPPORTED, 0},
        {"x%Fx", ERR_UNSUPPORTED, 1},
        {"%P{prop}", ERR_UNSUPPORTED, 0},
        {"%pn", ERR_UNSUPPORTED, 0},
        {"%pv", ERR_UNSUPPORTED, 0},
        {"%pr", ERR_UNSUPPORTED, 0},
        {"%Hs", ERR_UNSUPPORTED, 0},
        {"%Qs", ERR_UNSUPPORTED, 0},
        {"%Qd", ERR_UNSUPPORTED, 0},
        {"%QA", ERR_UNSUPPORTED, 0},
        {"%QS", ERR_UNSUPPORTED, 0},
        {"%i %Xm", ERR_UNSUPPORTED, 3},
        {"%Xh", ERR_UNSUPPORTED, 0},
        {"%r%M{j", ERR_SYNTAX, 4},
        {"%M", ERR_SYNTAX, 2},
        {"%M{}", ERR_SYNTAX, 2},
        {"%M j", ERR_SYNTAX, 2},
        {"%M{a b}", ERR_SYNTAX, 2},
        {"%g{1}", ERR_SYNTAX, 3},
        {"%g{\\10}", ERR_SYNTAX, 3},
        {"%g{\\x}", ERR_SYNTAX, 3},
        {"%g{\\1", ERR_SYNTAX, 2},
        {"%I{24}", ERR_SYNTAX, 2},
        {"%I{/129}", ERR_SYNTAX, 2},
        {"%I{/}", ERR_SYNTAX, 2},
        {"%I{/24", ERR_SYNTAX, 2},
        {"%T{%Y", ERR_SYNTAX, 2},
        {"%I{/99999999999999999999}", ERR_SYNTAX, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {0};
        struct format *format;
        struct format_error error = {0};
        if (!CHECK_INT(format_compile(slice_cstr(rows[i].text), &arena, &format, &error), rows[i].err) ||
            !CHECK_INT(error.offset, rows[i].offset) || !CHECK(error.message && *error.message))
            printf("# on \"%s\"\n", rows[i].text);
        arena_fini(&arena);
    }
}

static void bounds_a_time_format(void)
{
    struct buf text = {0};
    struct format_facts facts = facts_new();
    struct format *format;
    struct format_error error;
    struct arena arena = {0};
    for (int len = 127; len <= 128; len++) {
        buf_clear(&text);
        buf_put_cstr(&text, "%T{");
        for (int i = 0; i < len; i++)
            buf_put_byte(&text, 'x');
        buf_put_byte(&text, '}');
        CHECK_INT(format_compile(buf_slice(&text), &arena, &format, &error), len == 127 ? ERR_NONE : ERR_LIMIT);
    }
    /* an absurd width gives nothing, not a flood */
    CHECK_STR(expand_with("[%T{%9999999Y}]", &facts), "[]");
    arena_fini(&arena);
    buf_fini(&text);
}

static void tells_what_must_be_asked_for(void)
{
    struct arena arena = {0};
    struct format *format;
    struct format_error error;
    CHECK_INT(format_compile(SLICE_LIT("%M{rcpt_host} %Mj %M{j} %Mi %M{rcpt_host}"), &arena, &format, &error), ERR_NONE);
    const char *const *macros = format_macros(format);
    CHECK_STR(macros[0], "{rcpt_host}");
    CHECK_STR(macros[1], "j");
    CHECK_STR(macros[2], "i");
    CHECK(macros[3] == NULL);
    CHECK(!format_names_helo(format));
    CHECK_INT(format_compile(SLICE_LIT("%%h %d"), &arena, &format, &error), ERR_NONE);
    CHECK(!format_names_helo(format));
    CHECK(format_macros(format)[0] == NULL);
    CHECK_INT(format_compile(SLICE_LIT("from %h"), &arena, &format, &error), ERR_NONE);
    CHECK(format_names_helo(format));
    arena_fini(&arena);
}

/* The time zone and the language of the process change nothing. */
static void keeps_off_the_environment(void)
{
    struct format_facts facts = facts_new();
    const char *before = getenv("TZ");
    char *kept = before ? mem_strdup(before) : NULL;
    setenv("TZ", "EST5EDT", 1);
    CHECK_STR(expand_with("%T{%H %Z %z %s}", &facts), "01 UTC +0000 1795485530");
    if (kept)
        setenv("TZ", kept, 1);
    else
        unsetenv("TZ");
    free(kept);
}

int main(void)
{
    TEST(fills_in_every_name);
    TEST(says_who_it_is);
    TEST(does_without_facts);
    TEST(knows_ipv6);
    TEST(keeps_outside_text_in_its_place);
    TEST(tells_where_it_went_wrong);
    TEST(bounds_a_time_format);
    TEST(tells_what_must_be_asked_for);
    TEST(keeps_off_the_environment);
    return TEST_END();
}
