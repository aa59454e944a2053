/* manager.c - unit tests of milter-manager's --show-config: read, and written as tarsier.conf, which has to load. */
#include "base/mem.h"
#include "conf/conf.h"
#include "formats/address.h"
#include "formats/manager_conf.h"
#include "../random.h"
#include "../test.h"

#include <stdlib.h>
#include <string.h>

static enum err parse(struct arena *arena, const char *text, struct manager_config *out, struct manager_error *error)
{
    return manager_parse(arena, slice_cstr(text), out, error);
}

static void reads_values(void)
{
    static const struct {
        const char *literal;
        enum manager_kind kind;
        int64_t number; /* thousandths; or the flag */
        const char *text;
    } rows[] = {
        {"nil", MANAGER_NIL, 0, NULL},
        {"true", MANAGER_FLAG, 1, NULL},
        {"false", MANAGER_FLAG, 0, NULL},
        {"7", MANAGER_NUMBER, 7000, NULL},
        {"0", MANAGER_NUMBER, 0, NULL},
        {"0660", MANAGER_NUMBER, 432000, NULL},
        {"-5", MANAGER_NUMBER, -5000, NULL},
        {"1_000", MANAGER_NUMBER, 1000000, NULL},
        {"297.0", MANAGER_NUMBER, 297000, NULL},
        {"0.5", MANAGER_NUMBER, 500, NULL},
        {"0.25", MANAGER_NUMBER, 250, NULL},
        {"7.12345", MANAGER_NUMBER, 7123, NULL},
        {"1.0e-05", MANAGER_NUMBER, 0, NULL},
        {"\"\"", MANAGER_TEXT, 0, ""},
        {"'it\\'s \\n'", MANAGER_TEXT, 0, "it's \\n"},
        {"\"a # b\" # c", MANAGER_TEXT, 0, "a # b"},
        {"\"\\\"q\\\" \\\\ \\#{x} \\t|\\e|\\x41\\101\"", MANAGER_TEXT, 0, "\"q\" \\ #{x} \t|\x1b|AA"},
        {"\"\\u00E9 \\u{1F600 41}\\u20AC\"", MANAGER_TEXT, 0,
         "\xc3\xa9 \xf0\x9f\x98\x80"
         "A\xe2\x82\xac"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {0};
        struct manager_config c;
        struct manager_error error;
        const char *text = arena_printf(&arena, "a.b = %s\n", rows[i].literal);
        if (!CHECK_INT(parse(&arena, text, &c, &error), ERR_NONE))
            printf("# %s: %u:%u: %s\n", rows[i].literal, error.line, error.column, error.why);
        const struct manager_item *item = manager_find(c.items, "a.b");
        if (CHECK(item != NULL)) {
            CHECK_INT(item->value.kind, rows[i].kind);
            if (rows[i].kind == MANAGER_TEXT)
                CHECK_SLICE(item->value.text, rows[i].text);
            else
                CHECK_INT(rows[i].kind == MANAGER_FLAG ? item->value.flag : item->value.thousandths, rows[i].number);
        }
        arena_fini(&arena);
    }
}

static void reads_blocks(void)
{
    static const char text[] = "# default\n\n[2026-11-24T01:00:00Z]: [warning] a line of the log\n"
                               "# /etc/mm.conf:4\nmanager.connection_spec = nil\r\n"
                               "define_applicable_condition(\"S25R\") do |condition|\n"
                               "  # x:1\n  condition.description = \"d\"\nend\n"
                               "define_milter('a') do |m|\n  m.applicable_conditions = [\n    # default\n    \"S25R\",\n"
                               "    # x:2\n    \"Own\",\n  ]\n  # default\n  m.enabled = true\nend\n"
                               "define_milter(\"b\") do |milter|\n  milter.applicable_conditions = []\nend";
    struct arena arena = {0};
    struct manager_config c;
    struct manager_error error;
    CHECK_INT(parse(&arena, text, &c, &error), ERR_NONE);
    CHECK_INT(c.n_strays, 1);
    CHECK_INT(c.n_milters, 2);
    const struct manager_item *spec = manager_find(c.items, "manager.connection_spec");
    CHECK(spec && !spec->next);
    CHECK_INT(spec->line, 5);
    CHECK_SLICE(spec->origin, "/etc/mm.conf:4");
    CHECK_SLICE(spec->raw, "nil");
    CHECK_SLICE(c.conditions->name, "S25R");
    CHECK_SLICE(manager_find(c.conditions->items, "description")->value.text, "d");
    CHECK_SLICE(c.milters->name, "a");
    const struct manager_value *names = manager_find(c.milters->items, "applicable_conditions")->value.first;
    CHECK_SLICE(names->text, "S25R");
    CHECK_SLICE(names->next->text, "Own");
    CHECK(!names->next->next);
    CHECK(manager_find(c.milters->items, "enabled")->value.flag);
    CHECK_SLICE(c.milters->next->name, "b");
    CHECK(!manager_find(c.milters->next->items, "enabled"));
    arena_fini(&arena);
}

static void says_where_it_is_wrong(void)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *why;
    } rows[] = {
        {"", 1, 1, "there is no setting of milter-manager's --show-config in it"},
        {"# only\n# comments\n", 3, 1, "there is no setting of milter-manager's --show-config in it"},
        {"load_default\n", 1, 1, "no setting of milter-manager's --show-config"},
        {"a.b = 1\n  uninitialized constant Foo", 2, 3, "no setting of milter-manager's --show-config"},
        {"a.b 1", 1, 5, "expected `=`"},
        {"a.b = foo", 1, 7, "expected a text, a number, nil, true, false or a list"},
        {"a.b = 1 2", 1, 9, "expected the end of the line"},
        {"a.b = \"x\ny\"", 1, 9, "this text has no closing quote on its line"},
        {"a.b = \"x\\", 1, 10, "this text has no closing quote on its line"},
        {"a.b = \"\\u12\"", 1, 12, "expected four hexadecimal digits"},
        {"a.b = \"\\u{}\"", 1, 11, "expected the number of a character"},
        {"a.b = 08", 1, 8, "a number that begins with 0 is octal"},
        {"a.b = 7x", 1, 8, "a number with letters behind it"},
        {"a.b = -", 1, 8, "expected a number"},
        {"a.b = 1e", 1, 9, "expected the number's exponent"},
        {"a.b = [\"x\"\n \"y\"]", 2, 2, "expected `,` or `]`"},
        {"a.b = [[[[[[[[[[1]]]]]]]]]]", 1, 15, "lists are nested too deeply"},
        {"define_milter(x) do |m|\nend", 1, 15, "expected a name in quotes"},
        {"define_milter(\"x\")", 1, 19, "expected `do |milter|`"},
        {"define_milter(\"x\") do m\nend", 1, 24, "expected `|milter|`"},
        {"define_milter(\"x\") do |m|\n m.enabled = true\n", 3, 1, "this block has no `end`"},
        {"define_milter(\"x\") do |m|\n x.enabled = true\nend", 2, 11, "expected a setting of the block, or `end`"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {0};
        struct manager_config c;
        struct manager_error error;
        CHECK(parse(&arena, rows[i].text, &c, &error) != ERR_NONE);
        if (!CHECK_STR(error.why, rows[i].why) || !CHECK_INT(error.line, rows[i].line) ||
            !CHECK_INT(error.column, rows[i].column))
            printf("# in: %s\n", rows[i].text);
        arena_fini(&arena);
    }
}

/* ---- the way to tarsier.conf ---- */

struct result {
    struct arena arena;
    struct buf text;
    struct conf *conf;
    struct diags diags;
};

static enum err read_either(void *ctx, const char *path, struct slice *text)
{
    *text = strcmp(path, "tarsier.conf") == 0
                ? *(struct slice *)ctx
                : SLICE_LIT("socket \"/run/m.sock\" 660\nuser \"smmsp\"\nracl greylist default\n");
    return ERR_NONE;
}

static enum err expand_one(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    static const char *const one[] = {"/etc/greylist.conf"};
    (void)ctx;
    *paths = one;
    *n = strcmp(pattern, one[0]) == 0;
    return ERR_NONE;
}

static void convert(const char *text, const char *greylist_conf, struct result *out)
{
    struct manager_config c;
    struct manager_error error;
    struct buf said = {0};
    *out = (struct result){0};
    CHECK_INT(parse(&out->arena, text, &c, &error), ERR_NONE);
    manager_put_conf(&c, &(struct manager_conf_options){.greylist_conf = greylist_conf}, &out->text);
    struct slice whole = buf_slice(&out->text);
    struct conf_source source = {.ctx = &whole, .read = read_either, .expand = expand_one};
    diags_init(&out->diags);
    out->conf = conf_load(&source, "tarsier.conf", &out->diags);
    if (CHECK_INT(out->diags.errors, 0))
        return;
    diags_print(&out->diags, &said);
    printf("# %s\n", buf_cstr(&said));
    buf_fini(&said);
}

static void result_fini(struct result *r)
{
    conf_free(r->conf);
    diags_fini(&r->diags);
    buf_fini(&r->text);
    arena_fini(&r->arena);
}

static bool says(const struct result *r, const char *words)
{
    bool found = r->text.ptr && memmem(r->text.ptr, r->text.len, words, strlen(words));
    if (!found)
        printf("# nowhere: %s\n", words);
    return found;
}

static void takes_over_globals(void)
{
    struct result r;
    convert("security.effective_user = \"mm\"\nsecurity.effective_group = \"mail\"\nsecurity.privilege_mode = true\n"
            "log.level = \"default\"\nlog.path = \"/var/log/mm\"\n"
            "manager.connection_spec = \"unix:/run/mm/mm.sock\"\nmanager.unix_socket_mode = 0666\n"
            "manager.unix_socket_group = \"postfix\"\nmanager.pid_file = \"/run/mm.pid\"\nmanager.max_connections = 30\n"
            "manager.fallback_status = \"temporary-failure\"\nmanager.fallback_status_at_disconnect = \"accept\"\n"
            "manager.n_workers = 4\nmanager.new_one = 1\ncontroller.connection_spec = \"inet:1@x\"\n"
            "database.type = \"mysql\"\ndatabase.password = \"secret\"\nmanager.packet_buffer_size = 0\n"
            "define_applicable_condition(\"Own\") do |c|\n c.description = \"of mine\"\nend\n",
            NULL, &r);
    CHECK_INT(r.conf->n_listens, 1);
    CHECK_STR(r.conf->listens[0].address, "unix:/run/mm/mm.sock");
    CHECK_INT(r.conf->listens[0].mode, 0666);
    CHECK_STR(r.conf->listens[0].group, "postfix");
    CHECK_STR(r.conf->set.user, "mm:mail");
    CHECK(r.conf->set.pidfile == NULL); /* /run/mm may be gone with milter-manager */
    CHECK(says(&r, "\npidfile none\n"));
    CHECK(says(&r, "# manager.pid_file = \"/run/mm.pid\"\n#     tarsierd stays in the foreground"));
    CHECK_INT(r.conf->set.sessions_max, 30);
    CHECK_INT(r.conf->set.fallback, CONF_FALLBACK_TEMPFAIL);
    CHECK_INT(r.conf->set.client_left, CONF_CLIENT_LEFT_IGNORE);
    static const char *const left[] = {"# security.privilege_mode = true\n#     tarsierd starts no milters",
                                       "# log.path = \"/var/log/mm\"\n",
                                       "# manager.n_workers = 4\n",
                                       "# manager.new_one = 1\n#     not known to this version\n",
                                       "# controller.connection_spec = \"inet:1@x\"\n",
                                       "# database.password = (not shown)\n",
                                       "# define_applicable_condition(\"Own\") ... of mine\n"};
    for (size_t i = 0; i < COUNT_OF(left); i++)
        CHECK(says(&r, left[i]));
    CHECK(!memmem(r.text.ptr, r.text.len, "secret", 6));
    CHECK(!memmem(r.text.ptr, r.text.len, "log.level", 9));
    CHECK(!memmem(r.text.ptr, r.text.len, "packet_buffer", 13));
    /* no milter: then nobody is greylisted either */
    CHECK_INT(r.conf->n_filters, 1);
    CHECK(!r.conf->filters[0].set.enabled);
    result_fini(&r);
}

static void takes_over_milters(void)
{
    struct result r;
    convert("define_milter(\"spam \\\"one\\\"\") do |milter|\n  milter.connection_spec = \"inet:7357\"\n"
            "  milter.description = \"what\\nit \\\\ \\\"is\\\"\"\n  milter.enabled = false\n"
            "  milter.fallback_status = \"reject\"\n  milter.evaluation_mode = true\n"
            "  milter.applicable_conditions = [\"No Stress\", \"Remote Network\", \"Own\", \"Trust\", \"Stress Notify\", "
            "\"Not DNSBL Listed\"]\n"
            "  milter.command = \"/bin/x\"\n  milter.command_options = [\"a\",\n  \"b\"]\n  milter.user_name = nil\n"
            "  milter.connection_timeout = 0.1\n  milter.writing_timeout = 7.0\n  milter.reading_timeout = 7.2\n"
            "  milter.end_of_message_timeout = 1.0e+16\nend\n"
            "define_milter(\"spam 'one'\") do |milter|\n  milter.connection_spec = \"unix:/run/two.sock\"\n"
            "  milter.applicable_conditions = [\"Authenticated\", \"Sendmail Compatible\"]\nend\n"
            "define_milter(\"lost\") do |milter|\n  milter.connection_spec = nil\nend\n",
            NULL, &r);
    if (CHECK_INT(r.conf->n_filters, 2)) {
        const struct conf_filter *f = &r.conf->filters[0];
        CHECK_STR(f->name, "spam 'one'");
        CHECK_STR(f->connect, "inet:7357@127.0.0.1");
        CHECK_STR(f->set.description, "what?it / 'is'");
        CHECK(!f->set.enabled && f->set.evaluation);
        CHECK_INT(f->set.fallback, CONF_FALLBACK_REJECT);
        CHECK_INT(f->provide, CONF_PROVIDE_STRESS | CONF_PROVIDE_TRUSTED);
        CHECK_INT(f->set.timeout_connect_sec, 1);
        CHECK_INT(f->set.timeout_command_sec, 15);
        CHECK_INT(f->set.timeout_message_sec, 15);
        CHECK_INT(f->set.timeout_eom_sec, 86400);
        f = &r.conf->filters[1];
        CHECK_STR(f->name, "spam 'one' 2");
        CHECK_INT(f->provide, CONF_PROVIDE_SENDMAIL_MACROS);
        CHECK_INT(f->set.timeout_command_sec, 14);
        CHECK(f->set.enabled && !f->set.evaluation);
    }
    CHECK_INT(r.conf->n_dnsbls, 4);
    CHECK_INT(r.conf->n_conditions, 1);
    CHECK(says(&r, "    when remote and not stress and not \"dnsbl listed\"\n"));
    CHECK(says(&r, "    when authenticated\n"));
    CHECK(says(&r, "the condition \"Own\", Ruby of your own"));
    CHECK(says(&r, "    # milter.command_options = [\"a\",\n    #   \"b\"]\n    #     not taken over"));
    CHECK(says(&r, "# filter \"lost\" {\n"));
    result_fini(&r);
}

static const char greylist[] =
    "security.effective_user = nil\n"
    "define_milter(\"milter-greylist\") do |milter|\n"
    "  milter.connection_spec = \"unix:/run/milter-greylist/milter-greylist.sock\"\n"
    "  milter.applicable_conditions = [\"Sendmail Compatible\", \"Stress Notify\", \"Trust\", \"Remote Network\", "
    "\"S25R\", \"Unauthenticated\"]\n  milter.fallback_status = \"accept\"\nend\n"
    "define_milter(\"greylist\") do |milter|\n  milter.connection_spec = \"unix:/run/g2.sock\"\nend\n";

static void runs_greylisting_itself(void)
{
    struct result r;
    convert(greylist, "/etc/greylist.conf", &r);
    if (CHECK_INT(r.conf->n_filters, 2)) {
        CHECK_STR(r.conf->filters[0].builtin, "greylist");
        CHECK_STR(r.conf->filters[1].connect, "unix:/run/g2.sock"); /* there is one of it */
    }
    CHECK(says(&r, "    when remote and unauthenticated and s25r\n"));
    CHECK(says(&r, "#     connect \"unix:/run/milter-greylist/milter-greylist.sock\"\n"));
    CHECK_INT(r.conf->n_acls, 1);
    CHECK(r.conf->statement_files->domainexact && !r.conf->statement_files->next->domainexact); /* it means what it meant */
    CHECK_STR(r.conf->set.user, "tarsier");                                                     /* not greylist.conf's */
    CHECK_INT(r.conf->n_listens, 1);                                                            /* nor its socket */
    CHECK_STR(r.conf->listens[0].address, "unix:/var/spool/postfix/tarsier/tarsier.sock");
    result_fini(&r);
    convert(greylist, NULL, &r);
    CHECK(says(&r, "#include \""));
    CHECK_INT(r.conf->n_acls, 0);
    result_fini(&r);
}

static void bounds_filters(void)
{
    struct buf text = {0};
    struct result r;
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "define_milter(\"m%d\") do |m|\n m.connection_spec = \"inet:%d@h.example\"\nend\n", i, i + 1);
    convert(buf_cstr(&text), NULL, &r);
    CHECK_INT(r.conf->n_filters, CONF_FILTERS_MAX);
    CHECK(says(&r, "at most 32 filters. The milter \"m39\""));
    result_fini(&r);
    for (int i = 0; i < 1000; i++)
        buf_put_cstr(&text, "define_milter(\"m\") do |m|\nend\n");
    struct arena arena = {0};
    struct manager_config c;
    struct manager_error error;
    CHECK_INT(parse(&arena, buf_cstr(&text), &c, &error), ERR_LIMIT);
    arena_fini(&arena);
    buf_fini(&text);
}

/* Pieces of the form in any order: what is read loads, and nothing crashes. */
static void random_texts_load(void)
{
    static const char *const pieces[] = {"define_milter(\"",
                                         "greylist",
                                         "\") do |m|\n",
                                         "end\n",
                                         "m.connection_spec = ",
                                         "\"unix:/a b\"",
                                         "\"inet:25@[::1]\"",
                                         "\n",
                                         "\"inet6:1@1.2.3.4\"",
                                         "m.description = ",
                                         "\"\\\\\"",
                                         "\"\\\"\"",
                                         "m.applicable_conditions = [\"S25R\", \"No Stress\"]\n",
                                         "m.applicable_conditions = [\"DNSBL Listed\"]\n",
                                         "manager.connection_spec = ",
                                         "manager.unix_socket_mode = ",
                                         "0",
                                         "0777",
                                         "01000",
                                         "-1",
                                         "nil",
                                         "true",
                                         "manager.pid_file = ",
                                         "security.effective_user = ",
                                         "\":\"",
                                         "\"0\"",
                                         "\"a:b\"",
                                         "manager.max_connections = ",
                                         "99999999999999999999",
                                         "m.reading_timeout = ",
                                         "1.5",
                                         "[",
                                         "]",
                                         ",",
                                         "# x\n",
                                         "security.effective_group = ",
                                         "\"\"",
                                         "manager.unix_socket_group = "};
    random_begin();
    for (int round = 0; round < 3000; round++) {
        struct buf text = {0};
        struct arena arena = {0};
        struct manager_config c;
        struct manager_error error;
        buf_put_cstr(&text, "a.b = 1\n");
        for (unsigned n = random_below(12); n > 0; n--) {
            if (random_below(2)) /* whole lines are more often right */
                buf_printf(&text, "%s%s\n", pieces[random_below(COUNT_OF(pieces))], pieces[random_below(COUNT_OF(pieces))]);
            else
                buf_printf(&text, "define_milter(\"%u\") do |m|\nm.connection_spec = %s\nm.description = %s\nend\n",
                           random_below(3), pieces[random_below(COUNT_OF(pieces))], pieces[random_below(COUNT_OF(pieces))]);
        }
        if (parse(&arena, buf_cstr(&text), &c, &error) == ERR_NONE) {
            struct result r;
            convert(buf_cstr(&text), random_below(2) ? "/etc/greylist.conf" : NULL, &r);
            result_fini(&r);
        }
        arena_fini(&arena);
        buf_fini(&text);
    }
}

static void puts_addresses(void)
{
    static const struct {
        const char *text;
        bool to_connect;
        const char *want; /* NULL: none */
    } rows[] = {
        {"unix:/run/x.sock", true, "unix:/run/x.sock"},
        {"local:/run/x.sock", true, "unix:/run/x.sock"},
        {" /run/x.sock\r", true, "unix:/run/x.sock"},
        {"inet:8891@localhost", true, "inet:8891@localhost"},
        {"inet:8891@[127.0.0.1]", true, "inet:8891@127.0.0.1"},
        {"inet:8891", true, "inet:8891@127.0.0.1"},
        {"inet:8891", false, "inet:8891@0.0.0.0"},
        {"INET6:8891", true, "inet6:8891@::1"},
        {"inet6:8891@[2001:DB8::1]", false, "inet6:8891@2001:db8::1"},
        {"inet:8891@[::1]", true, "inet6:8891@::1"},
        {"inet6:8891@127.0.0.1", true, "inet:8891@127.0.0.1"},
        {"inet:8891@0.0.0.0", true, "inet:8891@127.0.0.1"},
        {"inet:0@x", true, NULL},
        {"inet:65536@x", true, NULL},
        {"inet:8891@", true, NULL},
        {"inet:8891@a b", true, NULL},
        {"inet:smtp@x", true, NULL},
        {"unix:run/x", true, NULL},
        {"unix:", true, NULL},
        {"/a\"b", true, NULL},
        {"/a\\", true, NULL},
        {"", true, NULL},
        {"8891", true, NULL},
    };
    static const struct {
        const char *text, *want;
    } host_port[] = {{"localhost:11332", "inet:11332@localhost"},
                     {"*:11332", "inet:11332@127.0.0.1"},
                     {"[::1]:11332", "inet6:11332@::1"},
                     {"/run/r.sock mode=0660 owner=x", "unix:/run/r.sock"},
                     {"11332", NULL},
                     {"h:x", NULL}};
    for (size_t i = 0; i < COUNT_OF(rows) + COUNT_OF(host_port); i++) {
        struct buf out = {0};
        bool first = i < COUNT_OF(rows);
        const char *text = first ? rows[i].text : host_port[i - COUNT_OF(rows)].text;
        const char *want = first ? rows[i].want : host_port[i - COUNT_OF(rows)].want;
        enum err e =
            first ? address_put(slice_cstr(text), rows[i].to_connect, &out) : address_put_host_port(slice_cstr(text), &out);
        if (!CHECK_INT(e == ERR_NONE, want != NULL) || !CHECK_STR(buf_cstr(&out), want ? want : ""))
            printf("# %s\n", text);
        buf_fini(&out);
    }
}

int main(void)
{
    TEST(reads_values);
    TEST(reads_blocks);
    TEST(says_where_it_is_wrong);
    TEST(takes_over_globals);
    TEST(takes_over_milters);
    TEST(runs_greylisting_itself);
    TEST(bounds_filters);
    TEST(random_texts_load);
    TEST(puts_addresses);
    return TEST_END();
}
