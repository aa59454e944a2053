/* test_load.c - what the golden files cannot show: places, flags, lines, limits of files, settings' rows. */
#include "../../config/roundtrip.h"
#include "../test.h"
#include "base/mem.h"
#include "conf/settings.h"

#include <stdlib.h>
#include <string.h>

static struct diags diags;

static struct conf *load(const char *text)
{
    struct slice s = slice_cstr(text);
    struct conf_source source = conf_source_text(&s);
    diags_init(&diags);
    return conf_load(&source, "t.conf", &diags);
}

static void unload(struct conf *c)
{
    conf_free(c);
    diags_fini(&diags);
}

static void regex_places(void)
{
    struct conf *c = load("racl whitelist domain /a\\/b/\nextendedregex\nlist \"l\" from { /c+/ }\n");
    CHECK_INT(diags.errors, 0);
    const struct conf_regex *re = &c->acls[0].clauses[0].term.item.regex;
    CHECK_SLICE(re->source, "a/b");
    CHECK(!re->extended);
    CHECK_INT(re->where.column, 24);
    CHECK_INT(re->where.width, 4);
    CHECK(c->lists[0]->items[0].regex.extended);
    CHECK(c->set.extendedregex);
    unload(c);
}

/* %A and the logs name the line on which a statement ends, as milter-greylist does. */
static void acl_lines(void)
{
    struct conf *c = load("racl greylist \\\n  addr 192.0.2.1 \\\n  nolog\nracl whitelist default msg \"x\"");
    CHECK_INT(c->acls[0].line, 3);
    CHECK_INT(c->acls[0].where.line, 1);
    CHECK_INT(c->acls[1].line, 4);
    CHECK_INT(c->acls[1].msg_where.column, 29);
    CHECK_INT(c->acls[0].delay_sec, -1);
    CHECK_INT(c->acls[0].tarpit_scope, -1);
    CHECK(!c->acls[0].is_default && c->acls[0].n_clauses == 1);
    unload(c);
}

static void one_line_print(void)
{
    struct conf *c = load("racl \"i\" blacklist not helo \"x\\\" \\\n code \"551\" \\\n msg \"y\\\" \\\n report \"z\"\n");
    CHECK_INT(diags.errors, 0);
    struct buf out = {0};
    conf_print_acl(&c->acls[0], &out);
    CHECK_STR(buf_cstr(&out), "racl \"i\" blacklist not helo \"x\\\" code \"551\" msg \"y\\\" report \"z\"");
    buf_fini(&out);
    unload(c);
}

static void addresses(void)
{
    static const struct {
        const char *text, *net;
        unsigned bits;
    } cases[] = {
        {"192.0.2.77/24", "192.0.2.0", 24},    {"192.0.2.7", "192.0.2.7", 32},
        {"0.0.0.0/0", "0.0.0.0", 0},           {"2001:DB8::1/32", "2001:db8::", 32},
        {"::ffff:192.0.2.7", "192.0.2.7", 32}, {"::ffff:192.0.2.7/120", "192.0.2.0", 24},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[100], ip[IP_TEXT_MAX];
        snprintf(text, sizeof(text), "racl whitelist addr %s", cases[i].text);
        struct conf *c = load(text);
        if (CHECK_INT(c->n_acls, 1)) {
            CHECK_STR(ip_format(&c->acls[0].clauses[0].term.item.net, ip), cases[i].net);
            CHECK_INT(c->acls[0].clauses[0].term.item.bits, cases[i].bits);
        }
        unload(c);
    }
}

/* A list with a broken item still counts, so that its use is no second error; of a list of an unsupported type the same. */
static void no_follow_up_errors(void)
{
    struct conf *c =
        load("list \"a\" addr { 192.0.2.1 x }\nlist \"b\" header { \"x\" }\nracl whitelist list \"a\" list \"b\"\n"
             "racl whitelist list \"b\"\n");
    CHECK_INT(diags.errors, 2);
    unload(c);
}

static enum err fail_read(void *ctx, const char *path, struct slice *text)
{
    (void)ctx;
    (void)path;
    (void)text;
    return ERR_NOT_FOUND;
}

static void unreadable(void)
{
    struct conf_source source = conf_source_text(NULL);
    source.read = fail_read;
    diags_init(&diags);
    struct conf *c = conf_load(&source, "no.conf", &diags);
    CHECK_INT(diags.errors, 1);
    CHECK(strstr(diags.items[0].message, "no.conf"));
    CHECK_INT(c->n_listens, 1);
    unload(c);
}

static void too_large(void)
{
    size_t n = (16u << 20) + 1;
    char *text = mem_alloc(n + 1);
    memset(text, '\n', n);
    text[n] = '\0';
    struct conf *c = load(text);
    CHECK_INT(diags.errors, 1);
    unload(c);
    text[n - 1] = '\0';
    c = load(text);
    CHECK_INT(diags.errors, 0);
    unload(c);
    free(text);
}

static enum err expand_many(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    static const char *const names[] = {"c", "a", "b", "d"};
    (void)ctx;
    (void)pattern;
    *paths = names;
    *n = COUNT_OF(names);
    return ERR_NONE;
}

static enum err read_by_name(void *ctx, const char *path, struct slice *text)
{
    static char texts[5][40] = {"include \"*\"", "user \"a\"", "user \"b\"", "user \"c\"", "user \"d\""};
    (void)ctx;
    *text = slice_cstr(texts[path[1] ? 0 : path[0] - 'a' + 1]);
    return ERR_NONE;
}

static void included_in_order(void)
{
    struct conf_source source = {NULL, read_by_name, expand_many};
    diags_init(&diags);
    struct conf *c = conf_load(&source, "main", &diags);
    CHECK_INT(diags.errors, 0);
    CHECK_INT(c->n_files, 5);
    CHECK_STR(c->files[0], "main");
    CHECK_STR(c->files[1], "a");
    CHECK_STR(c->set.user, "d");
    unload(c);
}

/* Files whose names have four letters at most include eight others with one letter more. */
static enum err expand_deeper(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    static char names[8][8];
    static const char *out[8];
    (void)ctx;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(names[i], sizeof(names[i]), "%.4s%u", pattern, i);
        out[i] = names[i];
    }
    *paths = out;
    *n = 8;
    return ERR_NONE;
}

static enum err read_deeper(void *ctx, const char *path, struct slice *text)
{
    char *buffer = ctx; /* read before the next is asked for: a part of it for each depth */
    size_t depth = strlen(path);
    if (depth > 4) {
        *text = SLICE_LIT("quiet");
        return ERR_NONE;
    }
    snprintf(buffer + 32 * depth, 32, "include \"%s\"", path);
    *text = slice_cstr(buffer + 32 * depth);
    return ERR_NONE;
}

static void includes_are_bounded(void)
{
    char buffer[5 * 32];
    struct conf_source source = {buffer, read_deeper, expand_deeper};
    diags_init(&diags);
    struct conf *c = conf_load(&source, "m", &diags);
    CHECK_INT(c->n_files, 256);
    bool said = false;
    for (size_t i = 0; i < diags.count; i++)
        said |= strstr(diags.items[i].message, "more than 256 files") != NULL;
    CHECK(said);
    unload(c);
}

static void rows(void)
{
    struct conf_settings a, b;
    settings_defaults(settings_global(), &a);
    settings_defaults(settings_global(), &b);
    for (size_t i = 0; i < settings_count(); i++) {
        const struct setting *row = settings_row(i);
        CHECK(settings_equal(&a, &b, row));
        CHECK(row->text && row->text[strlen(row->text) - 1] == '.');
        if (row->type == SETTING_FLAG) {
            *settings_flag(&b, row) ^= true;
        } else if (row->type == SETTING_STRING) {
            *settings_string(&b, row) = "other";
        } else {
            CHECK(row->type == SETTING_CHOICE || row->min <= row->max);
            *settings_value(&b, row) += 1;
        }
        CHECK(!settings_equal(&a, &b, row));
        struct slice second = slice_cstr(row->name), first = slice_cut(&second, ' ');
        CHECK_INT(settings_find(settings_global(), first, second), i);
    }
    CHECK_STR(a.user, "tarsier");
    CHECK_STR(a.store, "/var/lib/tarsier");
    CHECK_INT(a.greylist_sec, 1800);
    CHECK_INT(a.holds_max, -1);
    CHECK_INT(a.report, CONF_REPORT_ALL);
    CHECK(settings_row(settings_find(settings_global(), SLICE_LIT("USER"), SLICE_NONE))->needs_restart);
    CHECK_INT(settings_find(settings_global(), SLICE_LIT("holds"), SLICE_NONE), settings_count());
}

/* Every row of a filter's table can be set, keeps its place, and is printed as it is read. */
static void filter_rows(void)
{
    static const struct {
        const char *name, *value;
    } values[] = {
        {"description", "\"x\""},  {"enabled", "no"},         {"evaluation", "yes"},     {"fallback", "discard"},
        {"timeout connect", "2s"}, {"timeout command", "2s"}, {"timeout message", "2s"}, {"timeout end-of-message", "2s"},
        {"progress max", "2s"},    {"breaker failures", "2"}, {"breaker pause", "2s"}};
    const struct settings_table *table = settings_filter();
    CHECK_INT(table->count, COUNT_OF(values));
    struct conf_filter_settings defaults = {0};
    settings_defaults(table, &defaults);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[200], line[100];
        snprintf(line, sizeof(line), "%s %s", values[i].name, values[i].value);
        snprintf(text, sizeof(text), "filter \"a\" {\nconnect \"unix:/a\"\n%s }", line);
        struct conf *c = load(text);
        CHECK_INT(diags.errors, 0);
        struct slice second = slice_cstr(values[i].name), first = slice_cut(&second, ' ');
        size_t row = settings_find(table, first, second);
        struct buf out = {0};
        if (CHECK(row < table->count) && CHECK_INT(c->n_filters, 1)) {
            CHECK(!settings_equal(&c->filters[0].set, &defaults, &table->rows[row]));
            settings_put(&c->filters[0].set, &table->rows[row], &out);
            CHECK_STR(buf_cstr(&out), line);
            for (size_t k = 0; k < table->count; k++)
                CHECK_INT(c->filters[0].origin[k].file ? c->filters[0].origin[k].line : 0, k == row ? 3 : 0);
        }
        buf_fini(&out);
        unload(c);
    }
}

static void filter_defaults(void)
{
    struct conf *c = load("filter \"a\" { connect \"unix:/a\" }");
    const struct conf_filter *f = &c->filters[0];
    CHECK(f->set.enabled && !f->set.evaluation && !f->set.description);
    CHECK_INT(f->set.fallback, CONF_FALLBACK_ACCEPT);
    CHECK_INT(f->set.timeout_connect_sec, 5);
    CHECK_INT(f->set.timeout_command_sec, 30);
    CHECK_INT(f->set.timeout_message_sec, 30);
    CHECK_INT(f->set.timeout_eom_sec, 300);
    CHECK_INT(f->set.progress_max_sec, 600);
    CHECK_INT(f->set.breaker_failures, 5);
    CHECK_INT(f->set.breaker_pause_sec, 60);
    CHECK(!f->sees_original && f->provide == 0 && !f->when && !f->builtin);
    CHECK(c->set.statistics && !c->set.spool);
    unload(c);
}

/* Also of a global one that stands behind the filter; the place is that line's. */
static void inherited_fallback(void)
{
    struct conf *c = load("filter \"a\" { connect \"unix:/a\" }\nfilter \"b\" { connect \"unix:/b\" fallback accept }\n"
                          "fallback tempfail\n");
    size_t row = settings_find(settings_filter(), SLICE_LIT("fallback"), SLICE_NONE);
    CHECK_INT(c->filters[0].set.fallback, CONF_FALLBACK_TEMPFAIL);
    CHECK_INT(c->filters[0].origin[row].line, 3);
    CHECK_INT(c->filters[1].set.fallback, CONF_FALLBACK_ACCEPT);
    CHECK_INT(c->filters[1].origin[row].line, 2);
    unload(c);
}

/* The expression of `condition "c" { text }` behind some statements that terms name. */
static struct conf *load_term(const char *text, const struct conf_term **term)
{
    char all[1000];
    snprintf(all, sizeof(all),
             "list \"l\" rcpt { a@b.example }\ndnsrbl \"z\" zen.example\nfilter \"f0\" { connect \"unix:/0\" }\n"
             "filter \"f1\" { connect \"unix:/1\" }\ncondition \"n\" { remote }\ncondition \"c\" { %s }\n",
             text);
    struct conf *c = load(all);
    CHECK_INT(diags.errors, 0);
    *term = c->n_conditions == 2 ? &c->conditions[1]->expr->term : NULL;
    return c;
}

static void terms(void)
{
    static const struct {
        const char *text;
        enum conf_term_kind kind;
        const char *name;
        int64_t number;
    } cases[] = {
        {"S25R", CONF_TERM_S25R, NULL, 0},
        {"trusted", CONF_TERM_TRUSTED, NULL, 0},
        {"stress", CONF_TERM_STRESS, NULL, -1},
        {"stress 80", CONF_TERM_STRESS, NULL, 80},
        {"dnsbl", CONF_TERM_DNSBL, NULL, 0},
        {"dnsbl \"z\"", CONF_TERM_DNSBL, "z", 0},
        {"rcpt /x/", CONF_TERM_ITEMS, NULL, 0},
        {"list \"l\"", CONF_TERM_ITEMS, NULL, 0},
        {"every list \"l\"", CONF_TERM_EVERY, NULL, 0},
        {"header \"Subject\" /x/", CONF_TERM_HEADER, "Subject", 0},
        {"body /x/", CONF_TERM_BODY, NULL, 0},
        {"msgsize >= 10M", CONF_TERM_MSGSIZE, NULL, 10485760},
        {"time \"* * * * *\"", CONF_TERM_TIME, NULL, 0},
        {"filter \"f1\" temporary-failure", CONF_TERM_FILTER, "f1", 0},
        {"macro \"auth_type\" \"x\"", CONF_TERM_MACRO, "{auth_type}", 0},
        {"macro \"{i}\"", CONF_TERM_MACRO, "i", 0},
        {"n", CONF_TERM_CONDITION, "n", 0},
        {"\"n\"", CONF_TERM_CONDITION, "n", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct conf_term *t;
        struct conf *c = load_term(cases[i].text, &t);
        if (CHECK(t != NULL)) {
            CHECK_INT(t->kind, cases[i].kind);
            CHECK_INT(t->number, cases[i].number);
            CHECK_STR(t->name ? t->name : "-", cases[i].name ? cases[i].name : "-");
            CHECK(c->conditions[1]->expr->term.word != NULL);
            CHECK(t->kind != CONF_TERM_FILTER || (t->filter == 1 && t->result == CONF_RESULT_TEMPFAIL));
            CHECK(t->kind != CONF_TERM_MSGSIZE || t->compare == CONF_MORE_OR_EQUAL);
            CHECK(t->kind != CONF_TERM_CONDITION || t->condition == c->conditions[0]);
            CHECK(t->kind != CONF_TERM_EVERY || t->list == c->lists[0]);
        }
        unload(c);
    }
}

static void times(void)
{
    static const struct {
        const char *text;
        uint64_t minutes;
        uint32_t hours, days, months, weekdays;
        bool any_day, any_weekday;
    } cases[] = {
        {"0-3,59 8-10 1,31 jan,DEC mon-fri", 0x80000000000000fu, 0x700, 0x80000002u, 0x1002, 0x3e, false, false},
        {"*/20 */12 */30 */6 *", 0x10000100001u, 0x1001, 0x80000002u, 0x82, 0x7f, false, true},
        {"5/30 0 1-9/4 2 7", 0x800000020u, 1, 0x222, 4, 1, false, false},
        {" 0\t0  * 12 6-7 ", 1, 1, 0xfffffffeu, 0x1000, 0x41, true, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[100];
        const struct conf_term *t;
        snprintf(text, sizeof(text), "time \"%s\"", cases[i].text);
        struct conf *c = load_term(text, &t);
        if (CHECK(t != NULL)) {
            CHECK(t->time.minutes == cases[i].minutes);
            CHECK(t->time.hours == cases[i].hours);
            CHECK(t->time.days == cases[i].days);
            CHECK(t->time.months == cases[i].months);
            CHECK(t->time.weekdays == cases[i].weekdays);
            CHECK(t->time.any_day == cases[i].any_day && t->time.any_weekday == cases[i].any_weekday);
        }
        unload(c);
    }
}

/* A condition that could not be read gives one error, however often it is named; where it stood is kept. */
static void conditions_share(void)
{
    struct conf *c = load("condition \"a\" { nonsense }\ncondition \"b\" { a or \"a\" }\n"
                          "filter \"f\" { connect \"unix:/f\" when b and a }\ncondition \"c\" { b }\n");
    CHECK_INT(diags.errors, 1);
    CHECK_INT(c->n_conditions, 2);
    CHECK_INT(c->conditions[0]->filters_above, 0);
    CHECK_INT(c->conditions[1]->filters_above, 1);
    unload(c);
}

static void trust_adds_up(void)
{
    struct conf *c = load("");
    CHECK_INT(c->n_trust, 7);
    CHECK_SLICE(c->trust[0].text, "gmail.com");
    unload(c);
    c = load("trust { example.org }\ntrust { }\ntrust { .example.net }\n");
    if (CHECK_INT(c->n_trust, 2)) {
        CHECK_SLICE(c->trust[1].text, ".example.net");
        CHECK_INT(c->trust[1].where.line, 3);
    }
    unload(c);
}

static void dnsbl_answers(void)
{
    char ip[IP_TEXT_MAX];
    struct conf *c = load("dnsrbl \"a\" \"Zen.Example.\"\ndnsrbl \"b\" b.example 127.0.0.9/31 127.0.0.2\n");
    CHECK_INT(diags.errors, 0);
    if (CHECK_INT(c->n_dnsbls, 2) && CHECK_INT(c->dnsbls[0].n_answers, 1) && CHECK_INT(c->dnsbls[1].n_answers, 2)) {
        CHECK_STR(c->dnsbls[0].zone, "Zen.Example");
        CHECK_STR(ip_format(&c->dnsbls[0].answers[0], ip), "127.0.0.0");
        CHECK_INT(c->dnsbls[0].bits[0], 8);
        CHECK_STR(ip_format(&c->dnsbls[1].answers[0], ip), "127.0.0.8");
        CHECK_INT(c->dnsbls[1].bits[0], 31);
        CHECK_INT(c->dnsbls[1].bits[1], 32);
    }
    unload(c);
}

int main(void)
{
    TEST(regex_places);
    TEST(acl_lines);
    TEST(one_line_print);
    TEST(addresses);
    TEST(no_follow_up_errors);
    TEST(unreadable);
    TEST(too_large);
    TEST(included_in_order);
    TEST(includes_are_bounded);
    TEST(rows);
    TEST(filter_rows);
    TEST(filter_defaults);
    TEST(inherited_fallback);
    TEST(terms);
    TEST(times);
    TEST(conditions_share);
    TEST(trust_adds_up);
    TEST(dnsbl_answers);
    return TEST_END();
}
