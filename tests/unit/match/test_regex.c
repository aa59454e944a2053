/*
 * Regular expressions: what regcomp and regexec say (REG_ICASE | REG_NEWLINE), ours must say: on a table that was written by
 * hand, and on patterns and subjects drawn at random.
 */
#include "../random.h"
#include "../test.h"
#include "base/buf.h"
#include "base/mem.h"
#include "match/regex.h"

#include <regex.h>
#include <string.h>

enum { NO_MATCH = -1, REFUSED = -2, LIMIT = -3 };

/* One pattern, compiled by the system and by us. */
struct pair {
    const char *pattern;
    bool extended;
    regex_t theirs;
    struct regex *ours;
};

/* Unprintable bytes of a failing case, readable. */
static void print_quoted(const char *label, const char *s)
{
    printf("# %s \"", label);
    for (; *s; s++)
        printf(*s >= ' ' && *s < 0x7f ? "%c" : "\\x%02x", (unsigned char)*s);
    printf("\"\n");
}

static void print_pair(const struct pair *p)
{
    printf("# %s\n", p->extended ? "extended" : "basic");
    print_quoted("pattern", p->pattern);
    struct buf b = {0};
    struct regex_error error;
    if (regex_translate(slice_cstr(p->pattern), p->extended, &b, &error) == ERR_NONE)
        print_quoted("pcre", buf_cstr(&b));
    buf_fini(&b);
}

/* False when the pattern was refused, which must be by both. */
static bool pair_compile(struct pair *p, const char *pattern, bool extended)
{
    *p = (struct pair){.pattern = pattern, .extended = extended};
    bool theirs = regcomp(&p->theirs, pattern, REG_ICASE | REG_NEWLINE | (extended ? REG_EXTENDED : 0)) == 0;
    struct regex_error error;
    bool ours = regex_compile(slice_cstr(pattern), extended, &p->ours, &error) == ERR_NONE;
    if (!ours) {
        CHECK(error.message != NULL && error.message[0] != '\0');
        CHECK(error.offset <= strlen(pattern));
    }
    if (!CHECK_INT(ours, theirs))
        print_pair(p);
    if (ours && theirs)
        return true;
    if (theirs)
        regfree(&p->theirs);
    regex_free(p->ours);
    return false;
}

static void pair_free(struct pair *p)
{
    regfree(&p->theirs);
    regex_free(p->ours);
}

/*
 * Where the leftmost match begins: the same for every way of matching. Trying in turn what regcomp tries at once, we may run
 * into our limit where it does not; how often is checked by the caller.
 */
static int pair_match(struct pair *p, const char *subject)
{
    regmatch_t m[1];
    int want = regexec(&p->theirs, subject, 1, m, 0) == 0 ? (int)m[0].rm_so : NO_MATCH;
    bool matched;
    struct slice groups[REGEX_GROUPS_MAX];
    if (regex_match(p->ours, slice_cstr(subject), NULL, &matched, groups) != ERR_NONE)
        return LIMIT;
    int got = matched ? (int)(groups[0].ptr - subject) : NO_MATCH;
    if (!CHECK_INT(got, want)) {
        print_pair(p);
        print_quoted("subject", subject);
    }
    return got;
}

/* Patterns for both syntaxes; subjects are tried with each. What they mean is regcomp's to say. */
/* clang-format off */
static const char *const patterns[] = {
    "", "a", "A", "abc", "a.c", ".", "\\.", "^a", "a$", "^$", "^", "$", "^^a", "a$$", "$$", "^*", "^*a", "*",
    "*a", "a*", "a**", "a*\\+", "a+", "a\\+", "a?", "a\\?", "+", "\\+", "?", "\\?", "\\(a\\)", "(a)", "()",
    "\\(\\)", "(", ")", "\\(", "\\)", "a)", "(a", "\\(a", "a\\)", "((a))", "a|b", "a\\|b", "|", "\\|", "|a",
    "a|", "a||b", "a\\|\\|b", "(|a)", "(a|)", "(|)", "(a|b)*c", "\\(a\\|b\\)*c", "a|*b", "a\\|*b", "(*a)",
    "\\(*a\\)", "(+a)", "\\(\\+a\\)", "\\(\\{1\\}\\)", "(^a)", "\\(^a\\)", "x\\(^a\\)", "(a$)", "\\(a$\\)",
    "a^b", "a$b", "a$\\|b", "a\\|^b", "a|^b", "(^)*a", "($)*", "(^|a)b", "a{2}", "a\\{2\\}", "a{1,2}",
    "a\\{1,2\\}", "a{2,}", "a\\{2,\\}", "a{,2}", "a\\{,2\\}", "a{,}", "a\\{,\\}", "a{0}", "a\\{0\\}",
    "ba{0}c", "(a){0}b", "a{2,1}", "a\\{2,1\\}", "a{", "a\\{", "a{1", "a\\{1", "a{x}", "a{1,x}", "a{1x}",
    "a{1,2,3}", "{", "{1}", "\\{", "\\{1\\}", "}", "a}", "\\}", "a\\}", "a{1\\,2}b", "a\\{1\\,2\\}b",
    "a{\\1}", "a{1}{2}", "a\\{1\\}\\{2\\}", "a{2}*", "a*{2}", "a+?", "a?+", "a*?", "a{2}?", "a{2}+", "a++",
    "(a*)*", "(a*)+", "(a+)*b", "a{32767}", "a{32768}", "a{99999999999999}", "\\<a", "a\\>", "\\<", "\\>",
    "\\ba", "a\\b", "\\b", "\\Ba", "a\\B", "\\B", "\\b*a", "\\<*", "\\w", "\\W", "\\w+", "\\w\\+", "\\s",
    "\\S", "\\s*a", "\\`a", "a\\'", "\\`", "\\'", "\\`*", "\\(a\\)\\1", "(a)\\1", "(a*)\\1b", "\\1", "(a\\1)",
    "(a)|\\1", "\\(a\\)\\|\\1", "((a)|b)\\1", "(a)(b)\\2\\1", "(a)\\2", "(a)\\10", "(.)\\1",
    "(.)(.)(.)\\3\\2\\1", "(a){0}\\1", "[a]", "[A]", "[^a]", "[abc]", "[a-c]", "[A-C]", "[^a-c]", "[]",
    "[]a]", "[^]", "[^]a]", "[]-a]", "[-a]", "[a-]", "[^-a]", "[a-c-e]", "[a-c-]", "[--a]", "[+--]", "[%--]",
    "[c-a]", "[Z-a]", "[_-z]", "[+-a]", "[a", "[", "[^", "[a-", "[a-c", "[[]", "[[a]", "[a[]", "[[:alpha:]]",
    "[[:ALPHA:]]", "[[:alpha:][:digit:]]", "[^[:alpha:]]", "[[:alpha:]-z]", "[[:alpha:]-]", "[a-[:alpha:]]",
    "[[:upper:]]", "[[:lower:]]", "[[:alnum:]]", "[[:blank:]]", "[[:cntrl:]]", "[[:digit:]]", "[[:graph:]]",
    "[[:print:]]", "[[:punct:]]", "[[:space:]]", "[[:xdigit:]]", "[[:nothing:]]", "[[:alpha:", "[[:alpha",
    "[[:alpha:]", "[[:", "[[::]]", "[:alpha:]", "[[.a.]]", "[[.-.]]", "[[.].]]", "[[.hyphen.]]", "[[..]]",
    "[[.a", "[[.a.]-c]", "[a-[.c.]]", "[[=a=]]", "[[=ab=]]", "[[=a=]-c]", "[a-[=c=]]", "[[=]=]]",
    "[[:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:]]", "[\\]", "[\\]]", "[\\n]", "[a\\]", "[.]", "[*]", "[$]",
    "[a^]", "[\\w]", "[\n]", "[^\n]", "a\\", "\\", "\\\\", "\\a", "\\A", "\\d", "\\D", "\\x41", "\\-", "\\@",
    "\\/", "\\ ", "\\_", "\\0", "\\n", "\\t", "\\^", "\\$", "\\*", "\\[", "\\]", "a\\.b", "\\\na", "\n",
    "^\n$", "a\n^b", "a$\n^b", "a.b", "a[^x]b", "\xe9", "[\xe0-\xef]", "\\\xe9", "[^\xe9]", "#", "a b",
    "(?:a)", "(?i)a", "\\Qa\\E", "\\h", "\\R", "a#b", "^<a@", "@b\\.c>$", "^<(postmaster|abuse)@",
    "^<\\(postmaster\\|abuse\\)@", "<.*=.*@", "^dhcp[0-9]+", "[0-9]{1,3}(\\.[0-9]{1,3}){3}",
    "\\.(dyn|pool)\\.", ".*\\.$", "^.*$", "^[^@]*$", "(a|b|ab)(c|bcd)", "x*", "(x*|a)b",
};
/* clang-format on */

/* clang-format off */
static const char *const subjects[] = {
    "", "a", "A", "b", "ab", "AB", "ba", "aa", "aab", "aaa", "aaaa", "abc", "abcd", "abba", "xay", "x*y",
    "*a", "a*", "a+", "a?", "+a", "(a)", "a)", "(", ")", "a|b", "|", "^a", "a^b", "a$b", "a$", "$", "^",
    "a{2}", "{1}", "{", "}", "a}", "\\", "a\\b", "]", "]a", "-", "[", "x-y", "_", "5", "z", "Z", "\n", "\na",
    "a\n", "a\nb", "a\n\nb", "b\na", "x y", " a", "a ", "a b c", "a@b", "\xe9", "\xe9z", "d", "D", "x41", ".",
    "a.b", "a,b", "\t", "aba", "abccba", "abab", "<a@b.c>", "<postmaster@example.org>", "<x=y@example.org>",
    "dhcp12.example.org", "192.0.2.1", "h.dyn.example.org", "?", "#", "a#b", "\x7f", "\x01", "foo bar_baz",
    "bac", "bc", "a1", "aa0", "n", "t", "w", "hR", "Q",
};
/* clang-format on */

static void agrees_on_the_table(void)
{
    for (size_t i = 0; i < 2 * COUNT_OF(patterns); i++) {
        struct pair p;
        if (!pair_compile(&p, patterns[i / 2], i % 2))
            continue;
        for (size_t k = 0; k < COUNT_OF(subjects); k++)
            CHECK(pair_match(&p, subjects[k]) != LIMIT);
        pair_free(&p);
    }
}

/* ---- random patterns ---- */

static void put_random_set(struct buf *b)
{
    static const char *const items[] = {
        "a",         "b",     "C",     "-",     "]",  "^", "a-c", "A-b", "+-a", "[:alpha:]", "[:upper:]", "[:digit:]",
        "[:punct:]", "[.a.]", "[=b=]", "[.-.]", "\\", ".", "\n",  "_",   "[",   "[.a.]-c",   "0-9",       "\xe9"};
    buf_put_cstr(b, random_below(3) ? "[" : "[^");
    unsigned n = 1 + random_below(3);
    while (n--)
        buf_put_cstr(b, items[random_below(COUNT_OF(items))]);
    if (random_below(20))
        buf_put_byte(b, ']');
}

static void put_random_repeat(struct buf *b, bool extended)
{
    static const char *const repeats[] = {"*",    "+",   "?",   "{2}",   "{1,2}", "{,2}",
                                          "{2,}", "{0}", "{,}", "{0,1}", "{3,1}", "{a}"};
    const char *r = repeats[random_below(random_below(8) ? 9 : COUNT_OF(repeats))];
    if (extended || *r == '*') {
        buf_put_cstr(b, r);
        return;
    }
    buf_put_byte(b, '\\');
    size_t n = strlen(r);
    buf_put(b, r, *r == '{' ? n - 1 : n);
    if (*r == '{')
        buf_put_cstr(b, "\\}");
}

/*
 * Anchors stand outside of groups only, and \B not at all: regexec loses an anchor in a repeated group ("\(\`b\)\{2\}"
 * matches "bb") and misses "c*\B" before a c. The table has them where it is right.
 */
static void put_random_atom(struct buf *b, bool extended, bool anchors)
{
    static const char *const atoms[] = {"^", "$",    "\\<", "\\>", "\\b", "\\`", "\\'", "a", "b", "c",  "A",
                                        ".", "\\w",  "\\W", "\\s", "\\S", "\\.", "-",   "@", " ", "\n", "1",
                                        "_", "\xe9", "ab",  "\\-", "\\A", "\\d", "*",   "+", "?", "{",  "}",
                                        ")", "|",    "\\|", "\\)", "\\+", "\\{", "a",   "b", ".", "a",  "b"};
    enum { ANCHORS = 7 };
    unsigned r = random_below(12);
    if (r == 0)
        put_random_set(b);
    else if (r == 1)
        buf_put_cstr(b, extended ? "|" : "\\|");
    else if (anchors)
        buf_put_cstr(b, atoms[random_below(COUNT_OF(atoms))]);
    else
        buf_put_cstr(b, atoms[ANCHORS + random_below(COUNT_OF(atoms) - ANCHORS)]);
}

/*
 * Mostly well-formed: groups are closed, repetitions stand behind something. Where there are back-references, they and groups
 * are not repeated (a letter behind each sees to it): there regexec takes minutes, or overflows its stack ("()\\1++").
 */
static void put_random_pattern(struct buf *b, bool extended, unsigned depth, bool back_references)
{
    unsigned n = random_below(depth ? 4 : 6), deepest = back_references ? 1 : 3;
    for (unsigned i = 0; i < n; i++) {
        bool group = depth < deepest && random_below(back_references ? 3 : 5) == 0;
        if (group) {
            buf_put_cstr(b, extended ? "(" : "\\(");
            put_random_pattern(b, extended, depth + 1, back_references);
            buf_put_cstr(b, extended ? ")" : "\\)");
            if (back_references)
                buf_put_byte(b, (char)('a' + random_below(2)));
        } else if (back_references && depth == 0 && random_below(3) == 0) {
            buf_printf(b, "\\%u%c", 1 + random_below(3), 'a' + random_below(2));
        } else {
            put_random_atom(b, extended, depth == 0);
        }
        if (random_below(4) == 0 && !(group && back_references))
            put_random_repeat(b, extended);
    }
}

static void put_random_subject(struct buf *b)
{
    static const char letters[] = "aaaabbbbccAB1_ \n.-@*$^\xe9|+";
    unsigned n = random_below(11);
    while (n--)
        buf_put_byte(b, letters[random_below(sizeof(letters) - 1)]);
}

static void run_random(unsigned count, bool back_references)
{
    struct buf pattern = {0}, subject = {0};
    unsigned refused = 0, matched = 0, tried = 0, limits = 0;
    for (unsigned i = 0; i < count && test_case_ok; i++) {
        buf_clear(&pattern);
        bool extended = random_below(2);
        put_random_pattern(&pattern, extended, 0, back_references);
        struct pair p;
        if (!pair_compile(&p, buf_cstr(&pattern), extended)) {
            refused++;
            continue;
        }
        for (int k = 0; k < 8; k++) {
            buf_clear(&subject);
            put_random_subject(&subject);
            int r = pair_match(&p, buf_cstr(&subject));
            tried++;
            matched += r >= 0;
            limits += r == LIMIT;
        }
        pair_free(&p);
    }
    printf("# %u refused, %u tried, %u matched, %u limits\n", refused, tried, matched, limits);
    CHECK(refused > count / 20 && refused < count * 2 / 3);
    CHECK(matched > tried / 10 && matched < tried * 9 / 10);
    CHECK(limits < tried / 1000);
    buf_fini(&pattern);
    buf_fini(&subject);
}

static void agrees_on_random_patterns(void)
{
    run_random(30000, false);
}

static void agrees_on_random_back_references(void)
{
    run_random(10000, true);
}

/* ---- what regcomp has no word for ---- */

static void tells_where_it_went_wrong(void)
{
    static const struct {
        const char *pattern;
        bool extended;
        enum err err;
        size_t offset;
    } rows[] = {
        {"ab(cd", true, ERR_SYNTAX, 2},   {"ab\\(cd", false, ERR_SYNTAX, 2},  {"ab\\)", false, ERR_SYNTAX, 2},
        {"ab|*c", true, ERR_SYNTAX, 3},   {"a{2,1}", true, ERR_SYNTAX, 1},    {"ab{", true, ERR_SYNTAX, 2},
        {"ab[cd", true, ERR_SYNTAX, 2},   {"a[[:al:]]", true, ERR_SYNTAX, 2}, {"a[b-a]", true, ERR_SYNTAX, 2},
        {"[a-c-e]", true, ERR_SYNTAX, 4}, {"a\\", true, ERR_SYNTAX, 1},       {"(a)\\2", true, ERR_SYNTAX, 3},
        {"a**", false, ERR_SYNTAX, 2},    {"x[[.ab.]]", true, ERR_SYNTAX, 2}, {"a{40000}", true, ERR_SYNTAX, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct regex *re;
        struct regex_error error;
        if (!CHECK_INT(regex_compile(slice_cstr(rows[i].pattern), rows[i].extended, &re, &error), rows[i].err) ||
            !CHECK_INT(error.offset, rows[i].offset))
            printf("# on %s\n", rows[i].pattern);
        CHECK(re == NULL);
        CHECK(error.message && *error.message);
    }
}

static enum err compile_error(struct slice source)
{
    struct regex *re;
    struct regex_error error;
    enum err e = regex_compile(source, true, &re, &error);
    CHECK(e == ERR_NONE || error.message);
    regex_free(re);
    return e;
}

static void bounds_the_pattern(void)
{
    struct buf b = {0};
    for (int i = 0; i < REGEX_SOURCE_MAX_BYTES; i++)
        buf_put_byte(&b, 'a');
    CHECK_INT(compile_error(buf_slice(&b)), ERR_NONE);
    buf_put_byte(&b, 'a');
    CHECK_INT(compile_error(buf_slice(&b)), ERR_LIMIT);
    for (int depth = 200; depth <= 201; depth++) {
        buf_clear(&b);
        for (int i = 0; i < depth; i++)
            buf_put_byte(&b, '(');
        for (int i = 0; i < depth; i++)
            buf_put_byte(&b, ')');
        CHECK_INT(compile_error(buf_slice(&b)), depth == 200 ? ERR_NONE : ERR_LIMIT);
    }
    CHECK_INT(compile_error(SLICE_LIT("((((a|b){999}){999}){999}){999}")), ERR_LIMIT);
    CHECK_INT(compile_error(SLICE_LIT("a\0b")), ERR_SYNTAX);
    CHECK_INT(compile_error(SLICE_NONE), ERR_NONE);
    buf_clear(&b);
    /* stars upon stars are one; other repetitions of repetitions nest */
    buf_put_byte(&b, 'a');
    for (int i = 0; i < 1000; i++)
        buf_put_byte(&b, '*');
    CHECK_INT(compile_error(buf_slice(&b)), ERR_NONE);
    buf_clear(&b);
    buf_put_byte(&b, 'a');
    for (int i = 0; i < 300; i++)
        buf_put_cstr(&b, "{2}");
    CHECK_INT(compile_error(buf_slice(&b)), ERR_LIMIT);
    buf_fini(&b);
}

static void bounds_the_effort(void)
{
    static const struct {
        const char *pattern;
        size_t len;
        enum err err;
    } rows[] = {
        {"(a|aa)+[xy]", 100, ERR_LIMIT},
        {"(.*)*[xy]", 300, ERR_LIMIT},
        {"(.*)\\1\\1[xy]", 8000, ERR_LIMIT},
        {"(a|b)*[xy]", 8000, ERR_LIMIT},
        {".*[xy]", 60000, ERR_NONE},
        {"a*b", 60000, ERR_NONE},
        {"(.*)\\1[xy]", 100, ERR_NONE},
        {"a", REGEX_SUBJECT_MAX_BYTES, ERR_NONE},
        {"a", REGEX_SUBJECT_MAX_BYTES + 1, ERR_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct regex *re;
        struct regex_error error;
        CHECK_INT(regex_compile(slice_cstr(rows[i].pattern), true, &re, &error), ERR_NONE);
        char *subject = mem_alloc(rows[i].len);
        memset(subject, 'a', rows[i].len);
        bool matched = true;
        if (!CHECK_INT(regex_match(re, slice_of(subject, rows[i].len), NULL, &matched, NULL), rows[i].err))
            printf("# on %s\n", rows[i].pattern);
        CHECK(rows[i].err == ERR_NONE || !matched);
        /* the limit concerns that subject, not the next one */
        CHECK_INT(regex_match(re, SLICE_LIT("b"), NULL, &matched, NULL), ERR_NONE);
        free(subject);
        regex_free(re);
    }
}

/* What one subject has used is not there for the next one; a step has its own bound below the message's. */
static void carries_the_effort(void)
{
    struct regex *re;
    struct regex_error error;
    bool matched;
    uint32_t spent = 0, before;
    CHECK_INT(regex_compile(SLICE_LIT("(a|aa)*[xy]"), true, &re, &error), ERR_NONE);
    struct slice hard = SLICE_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), easy = SLICE_LIT("aaab");
    for (int step = 0; step < REGEX_MESSAGE_EFFORT / REGEX_STEP_EFFORT; step++) {
        struct regex_effort effort = {.step_left = REGEX_STEP_EFFORT, .spent = &spent};
        before = spent;
        CHECK_INT(regex_match(re, easy, &effort, &matched, NULL), ERR_NONE);
        CHECK(spent > before && spent < before + 1000);
        CHECK_INT(effort.runs, 1);
        CHECK_INT(regex_match(re, hard, &effort, &matched, NULL), ERR_LIMIT);
        CHECK_INT(spent - before, REGEX_STEP_EFFORT);
        CHECK_INT(effort.step_left, 0);
        CHECK_INT(regex_match(re, easy, &effort, &matched, NULL), ERR_LIMIT); /* not begun: nothing is left */
        CHECK_INT(effort.runs, 2);
        CHECK_INT(effort.unknown, 2);
    }
    struct regex_effort effort = {.step_left = REGEX_STEP_EFFORT, .spent = &spent};
    CHECK_INT(spent, REGEX_MESSAGE_EFFORT);
    CHECK_INT(regex_match(re, easy, &effort, &matched, NULL), ERR_LIMIT);
    CHECK_INT(effort.step_left, REGEX_STEP_EFFORT);
    regex_free(re);
}

/* What costs time costs effort, also where PCRE2 itself counts nothing. */
static void counts_what_pcre2_does_not(void)
{
    static const char *const texts[] = {"a*[xy]", "[a-z]{1000}[xy]", "(a{2}){2}(.*)\\2[xy]", "a.*[xy]"};
    char *subject = mem_alloc(REGEX_SUBJECT_MAX_BYTES);
    memset(subject, 'a', REGEX_SUBJECT_MAX_BYTES);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct regex *re;
        struct regex_error error;
        bool matched;
        CHECK_INT(regex_compile(slice_cstr(texts[i]), true, &re, &error), ERR_NONE);
        if (!CHECK_INT(regex_match(re, slice_of(subject, REGEX_SUBJECT_MAX_BYTES), NULL, &matched, NULL), ERR_LIMIT))
            printf("# on %s\n", texts[i]);
        regex_free(re);
    }
    free(subject);
}

/* Much effort at one position is no less well spent than little at many. */
static void finds_what_takes_effort(void)
{
    static const char *const texts[] = {"(a|b)*[xy]", "([ab]+,)+z", "^(a|b)*x"};
    struct buf subject = {0};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct regex *re;
        struct regex_error error;
        CHECK_INT(regex_compile(slice_cstr(texts[i]), true, &re, &error), ERR_NONE);
        buf_clear(&subject);
        buf_put_cstr(&subject, "-,-\n");
        for (int k = 0; k < 1000; k++)
            buf_put_cstr(&subject, "ab");
        buf_put_cstr(&subject, i == 1 ? ",z" : "x");
        bool matched;
        struct slice groups[REGEX_GROUPS_MAX];
        CHECK_INT(regex_match(re, buf_slice(&subject), NULL, &matched, groups), ERR_NONE);
        if (CHECK(matched))
            CHECK_INT(groups[0].ptr - subject.ptr, 4);
        else
            printf("# on %s\n", texts[i]);
        regex_free(re);
    }
    buf_fini(&subject);
}

static void gives_groups(void)
{
    struct regex *re;
    struct regex_error error;
    bool matched;
    struct slice g[REGEX_GROUPS_MAX];
    CHECK_INT(regex_compile(SLICE_LIT("^<([^@]*)@((x)|example)"), true, &re, &error), ERR_NONE);
    CHECK(error.message == NULL);
    CHECK_INT(regex_match(re, SLICE_LIT("<Joe@EXAMPLE.org>"), NULL, &matched, g), ERR_NONE);
    CHECK(matched);
    CHECK_SLICE(g[0], "<Joe@EXAMPLE");
    CHECK_SLICE(g[1], "Joe");
    CHECK_SLICE(g[2], "EXAMPLE");
    for (int i = 3; i < REGEX_GROUPS_MAX; i++)
        CHECK(g[i].ptr == NULL);
    CHECK_INT(regex_match(re, SLICE_LIT("<@examplf>"), NULL, &matched, g), ERR_NONE);
    CHECK(!matched && g[0].ptr == NULL);
    CHECK_INT(regex_match(re, SLICE_NONE, NULL, &matched, g), ERR_NONE);
    CHECK(!matched);
    regex_free(re);

    /* more groups than are given */
    CHECK_INT(regex_compile(SLICE_LIT("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)"), true, &re, &error), ERR_NONE);
    CHECK_INT(regex_match(re, SLICE_LIT("abcdefghijk"), NULL, &matched, g), ERR_NONE);
    CHECK(matched);
    CHECK_SLICE(g[0], "abcdefghijk");
    CHECK_SLICE(g[1], "a");
    CHECK_SLICE(g[9], "i");
    regex_free(re);

    /* an empty group is not an absent one */
    CHECK_INT(regex_compile(SLICE_LIT("\\(x*\\)"), false, &re, &error), ERR_NONE);
    CHECK_INT(regex_match(re, SLICE_NONE, NULL, &matched, g), ERR_NONE);
    CHECK(matched);
    CHECK_SLICE(g[1], "");
    regex_free(re);
    regex_free(NULL);
}

/* Bytes that a C string cannot hold. */
static void takes_nul_in_a_subject(void)
{
    struct regex *re;
    struct regex_error error;
    bool matched;
    CHECK_INT(regex_compile(SLICE_LIT("evil"), true, &re, &error), ERR_NONE);
    CHECK_INT(regex_match(re, SLICE_LIT("a\0EVIL"), NULL, &matched, NULL), ERR_NONE);
    CHECK(matched);
    regex_free(re);
}

static void warns_of_dead_letters(void)
{
    struct regex *re;
    struct regex_error error;
    bool matched;
    CHECK_INT(regex_compile(SLICE_LIT("ab\\d+"), true, &re, &error), ERR_NONE);
    CHECK_INT(error.offset, 2);
    CHECK(error.message && strstr(error.message, "\\d"));
    CHECK_INT(regex_match(re, SLICE_LIT("abd"), NULL, &matched, NULL), ERR_NONE);
    CHECK(!matched);
    regex_free(re);
}

static void counts_groups(void)
{
    static const struct {
        const char *source;
        bool extended;
        unsigned want;
    } rows[] = {
        {"a", true, 0},    {"(a)|(b)", true, 2},       {"(a(b))\\(", true, 2},
        {"(a)", false, 0}, {"\\(a\\)[\\(]", false, 1}, {"((((((((((((a))))))))))))", true, REGEX_GROUPS_MAX - 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct regex *re;
        struct regex_error error;
        CHECK_INT(regex_compile(slice_cstr(rows[i].source), rows[i].extended, &re, &error), ERR_NONE);
        CHECK_INT(regex_groups(re), rows[i].want);
        regex_free(re);
    }
}

int main(void)
{
    random_begin();
    TEST(agrees_on_the_table);
    TEST(agrees_on_random_patterns);
    TEST(agrees_on_random_back_references);
    TEST(tells_where_it_went_wrong);
    TEST(bounds_the_pattern);
    TEST(bounds_the_effort);
    TEST(carries_the_effort);
    TEST(counts_what_pcre2_does_not);
    TEST(finds_what_takes_effort);
    TEST(gives_groups);
    TEST(counts_groups);
    TEST(takes_nul_in_a_subject);
    TEST(warns_of_dead_letters);
    return TEST_END();
}
