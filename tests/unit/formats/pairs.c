/* pairs.c - unit tests of the readers of other programs' files. */
#include "formats/pairs.h"
#include "base/buf.h"
#include "base/mem.h"
#include "../test.h"

/* All pairs as "line:section:key=value|". */
static void check(enum pairs_form form, const char *text, const char *want)
{
    struct arena arena = {0};
    struct pairs p = {.form = form, .text = slice_cstr(text), .line = 1};
    struct pair pair;
    struct buf got = {0};
    while (pairs_next(&p, &arena, &pair))
        buf_printf(&got, "%u:%.*s:%.*s=%.*s|", pair.line, SLICE_ARG(pair.section), SLICE_ARG(pair.key),
                   SLICE_ARG(pair.value));
    if (!CHECK_STR(buf_cstr(&got), want))
        printf("# in: %s\n", text);
    buf_fini(&got);
    arena_fini(&arena);
}

static void reads_words(void)
{
    check(PAIRS_WORDS,
          "# c\n\nSocket\t\tlocal:/run/a.sock\r\nSocket = inet:1@h # why\nsocket \"/run/b c\" 660\nsocket: "
          "\"x\"\nExample\n; c\nKey \"open",
          "3::Socket=local:/run/a.sock|4::Socket=inet:1@h|5::socket=/run/b c|6::socket=x|7::Example=|9::Key=open|");
    check(PAIRS_WORDS, "", "");
    check(PAIRS_WORDS, "=\n\"\n:x", "1::=|2::=|3::=x|");
}

static void reads_shell(void)
{
    check(PAIRS_SHELL, "# SOCKET=/no\nA=b\nexport C=\"d e\" # f\nE='$x'\nF= g\nnot this\nG=h;I=j\n  K=l\n",
          "2::A=b|3::C=d e|4::E=$x|5::F=|7::G=h|8::K=l|");
}

static void reads_units(void)
{
    check(PAIRS_UNIT,
          "[Unit]\nDescription = a b\n[Service]\nExecStart=/bin/x \\\n  # comment\n  -p y\\\n\nEnvironment=\"A=b "
          "c\"\nnothing\n[",
          "2:Unit:Description=a b|4:Service:ExecStart=/bin/x  -p y|8:Service:Environment=\"A=b c\"|");
    check(PAIRS_UNIT, "a=b\\", "1::a=b|");
}

static void reads_ucl(void)
{
    check(
        PAIRS_UCL,
        "# c\nmilter = yes; # on\nbind_socket = \"*:1\";\nupstream \"local\" {\n  bind_socket = \"no\";\n  x { y = z }\n}\n"
        ".include \"x\"\n/* milter = no;\n */\ncount: 1, a b;\nlist = [\"one\", \"two\"]\n}\nend=last",
        "2::milter=yes|3::bind_socket=*:1|11::count=1|11::a=b|12::list=one|14::end=last|");
    check(PAIRS_UCL, "worker \"x\" {\n a = b\n", "");
    check(PAIRS_UCL, "a", "");
    check(PAIRS_UCL, "/*", "");
}

static void expands_variables(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"plain", "plain"},      {"local:$RUN/a.sock", "local:/run/x/a.sock"},
        {"${RUN}b$", "/run/xb"}, {"$NO|${NO}|", "||"},
        {"${NO:-d}e", "de"},     {"${RUN:-d}", "/run/x"},
        {"${RUN", "/run/x"},     {"$RUNX", ""},
        {"${EMPTY:=f}", "f"},
    };
    struct arena arena = {0};
    struct vars v = {0};
    vars_read(&v, &arena, SLICE_LIT("RUN=/run/y\nRUN=/run/x\nEMPTY=\nNESTED=$RUN/z\n"));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_SLICE(vars_expand(&v, &arena, slice_cstr(rows[i].text)), rows[i].want);
    CHECK_SLICE(vars_expand(&v, &arena, SLICE_LIT("$NESTED")), "/run/x/z");
    vars_read_words(&v, &arena, SLICE_LIT("LC_ALL=C \"RUN=a b\" junk"));
    CHECK_SLICE(vars_expand(&v, &arena, SLICE_LIT("$LC_ALL $RUN")), "C a b");
    for (int i = 0; i < PAIRS_VARS_MAX + 10; i++)
        vars_set(&v, &arena, slice_cstr(arena_printf(&arena, "V%d", i)), SLICE_LIT("x"));
    CHECK_INT(v.n, PAIRS_VARS_MAX);
    arena_fini(&arena);
}

/* Doubling variables do not grow without end. */
static void bounds_what_grows(void)
{
    struct arena arena = {0};
    struct vars v = {0};
    struct buf text = {0};
    buf_put_cstr(&text, "A=xxxxxxxxxxxxxxxx\n");
    for (int i = 0; i < 40; i++)
        buf_put_cstr(&text, "A=$A$A\n");
    vars_read(&v, &arena, buf_slice(&text));
    CHECK_INT(vars_expand(&v, &arena, SLICE_LIT("$A")).len, PAIRS_VALUE_MAX_BYTES);
    buf_fini(&text);
    arena_fini(&arena);
}

static void finds_options(void)
{
    static const struct {
        const char *command, *want; /* NULL: not given */
    } rows[] = {
        {"/usr/sbin/x -P /run/pid -p inet:1@h -u me", "inet:1@h"},
        {"/usr/sbin/x -p/run/a.sock", "/run/a.sock"},
        {"/usr/sbin/x -p '/run/a b' -q", "/run/a b"},
        {"/bin/sh -c 'exec /usr/bin/x -m /m -p /run/s -P /pid'", "/run/s"},
        {"/usr/sbin/x -P /run/pid", NULL},
        {"/usr/sbin/x -p", NULL},
        {"/usr/sbin/x --p y", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {0};
        struct slice got = command_option(slice_cstr(rows[i].command), &arena, 'p');
        if (!CHECK_SLICE(got, rows[i].want))
            printf("# %s\n", rows[i].command);
        arena_fini(&arena);
    }
}

int main(void)
{
    TEST(reads_words);
    TEST(reads_shell);
    TEST(reads_units);
    TEST(reads_ucl);
    TEST(expands_variables);
    TEST(bounds_what_grows);
    TEST(finds_options);
    return TEST_END();
}
