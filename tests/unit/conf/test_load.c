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
    const struct conf_regex *re = &c->acls[0].clauses[0].item.regex;
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
            CHECK_STR(ip_format(&c->acls[0].clauses[0].item.net, ip), cases[i].net);
            CHECK_INT(c->acls[0].clauses[0].item.bits, cases[i].bits);
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
    return TEST_END();
}
