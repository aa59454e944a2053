/*
 * allow.c - `tarsier allow list|add|remove`: who is let past the greylist filter by hand. The running daemon does it; where none runs the
 * file beside the store is changed, and the daemon takes it over at its start.
 */
#include "cli/access.h"
#include "cli/ctl.h"
#include "cli/screen.h"
#include "setup/allow_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 16, INDENT = 14 };

/* ---- without a daemon ---- */

/*
 * As the daemon's user: the directory is his, and what he has put there (a link to a file of root's) is opened with his rights only.
 * False after it was said what is wrong. Owner: access_end, in any case.
 */
static bool begin_here(const struct command *c, const struct cli_daemon *at, struct access *a)
{
    return access_begin(a, c->row->name, at->file) && access_drop_rights(a);
}

static int change_file(const struct command *c, const struct cli_daemon *at, const struct allow_change *change)
{
    struct access a;
    struct allows *list = NULL;
    struct buf why = {0};
    if (!begin_here(c, at, &a)) {
        access_end(&a);
        return CLI_FAILED;
    }
    enum err e =
        allow_file_change(stores_state_directory(a.plan->set), change, (struct wall){(int64_t)time(NULL)}, &list, &why);
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier %s: %s\n", c->row->name, buf_cstr(&why));
    else
        fprintf(stderr, "tarsier %s: tarsierd does not run; it takes this over at its start\n", c->row->name);
    allows_unref(list);
    access_end(&a);
    buf_fini(&why);
    return e == ERR_NONE ? CLI_OK : CLI_FAILED;
}

/* A request that changes something. CLI_NO_DAEMON without a word where nobody answers. */
static int ask(const struct command *c, const struct cli_daemon *at, const struct slice *words, size_t n, cli_row row,
               void *ctx)
{
    struct buf why = {0};
    int status = cli_ask_quietly(at, words, n, row, ctx, &why);
    bool is_wanted = status != CLI_OK && (status != CLI_NO_DAEMON || at->socket);
    if (is_wanted)
        fprintf(stderr, "tarsier %s: %s\n", c->row->name, buf_cstr(&why));
    buf_fini(&why);
    return status == CLI_NO_DAEMON && at->socket ? CLI_FAILED : status;
}

/* ---- list ---- */

struct list {
    bool json;
    uint64_t count;
    struct wall now;
    struct buf out;
};

static int64_t number_of(struct slice text)
{
    uint64_t n;
    return slice_to_u64(text, &n) == ERR_NONE && n <= INT64_MAX ? (int64_t)n : 0;
}

static void put_for_programs(struct list *l, const struct ctl_line *row)
{
    buf_put_cstr(&l->out, "{\"id\":");
    screen_put_json(&l->out, ctl_field(row, 0));
    for (struct slice words = ctl_field(row, 1); words.len > 0;) {
        struct slice value = slice_cut(&words, ' '), key = slice_cut(&value, '=');
        buf_printf(&l->out, ",\"%.*s\":", SLICE_ARG(key));
        screen_put_json(&l->out, value);
    }
    if (number_of(ctl_field(row, 2)))
        buf_printf(&l->out, ",\"until\":%" PRId64, number_of(ctl_field(row, 2)));
    buf_printf(&l->out, ",\"added\":%" PRId64 ",\"by\":", number_of(ctl_field(row, 3)));
    screen_put_json(&l->out, ctl_field(row, 4));
    buf_put_cstr(&l->out, ",\"reason\":");
    screen_put_json(&l->out, ctl_field(row, 5));
    buf_put_cstr(&l->out, "}\n");
}

static void put_for_people(struct list *l, const struct ctl_line *row)
{
    struct buf *out = &l->out, text = {0};
    int64_t until_sec = number_of(ctl_field(row, 2));
    buf_printf(out, "%-12.*s  ", SLICE_ARG(ctl_field(row, 0)));
    screen_put_words(out, INDENT, ctl_field(row, 1));
    buf_printf(out, "\n%*s", INDENT, "");
    buf_put_cstr(&text, "added ");
    screen_put_time(&text, (struct wall){number_of(ctl_field(row, 3))}, l->now);
    if (until_sec) {
        buf_put_cstr(&text, ", for another ");
        screen_put_duration(&text, until_sec - l->now.sec);
    }
    if (ctl_field(row, 4).len)
        buf_printf(&text, ", by %.*s", SLICE_ARG(ctl_field(row, 4)));
    if (ctl_field(row, 5).len)
        buf_printf(&text, ": %.*s", SLICE_ARG(ctl_field(row, 5)));
    screen_put_words(out, INDENT, buf_slice(&text));
    buf_put_byte(out, '\n');
    buf_fini(&text);
}

static void take_row(void *ctx, const struct ctl_line *row)
{
    struct list *l = ctx;
    l->count++;
    if (l->json)
        put_for_programs(l, row);
    else
        put_for_people(l, row);
    fwrite(l->out.ptr, 1, l->out.len, stdout);
    buf_clear(&l->out);
}

/* The rows as the daemon would send them. */
static int list_file(const struct command *c, const struct cli_daemon *at, struct list *l)
{
    struct access a;
    struct allows *list;
    struct buf why = {0};
    struct arena arena = {0};
    if (!begin_here(c, at, &a)) {
        access_end(&a);
        return CLI_FAILED;
    }
    enum err e = allow_file_read(stores_state_directory(a.plan->set), &list, &why);
    if (why.len)
        fprintf(stderr, "tarsier allow list: %s\n", buf_cstr(&why));
    for (size_t i = 0; e == ERR_NONE && i < allows_count(list); i++) {
        const struct allow_entry *entry = allows_at(list, i);
        struct ctl_line row = {.count = ALLOW_FIELDS};
        allow_fields(entry, &arena, row.fields);
        if (!entry->until_sec || entry->until_sec > l->now.sec)
            take_row(l, &row);
        arena_clear(&arena);
    }
    if (e == ERR_NONE)
        allows_unref(list);
    access_end(&a);
    arena_fini(&arena);
    buf_fini(&why);
    return e == ERR_NONE ? CLI_OK : CLI_FAILED;
}

int cli_allow_list(const struct command *c, int argc, char **argv)
{
    static const struct slice words[] = {{"allow", 5}, {"list", 4}};
    struct cli_daemon at;
    struct list l = {.now = {(int64_t)time(NULL)}};
    int status = cli_daemon_options(c, argc, argv, &at, &l.json);
    if (status != CLI_OK)
        return status;
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    status = ask(c, &at, words, 2, take_row, &l);
    if (status == CLI_NO_DAEMON)
        status = list_file(c, &at, &l);
    if (status == CLI_OK && l.count == 0 && !l.json)
        printf("nobody is let in by hand\n");
    buf_fini(&l.out);
    return status;
}

/* ---- add ---- */

struct addition {
    struct slice words[WORDS_MAX]; /* of the request */
    size_t n;
    struct arena arena; /* of their text */
    struct allow_entry entry;
};

static const char *add_word(struct addition *a, const char *key, const char *value)
{
    if (a->n == WORDS_MAX)
        return "that is too much in one entry";
    char *text = arena_printf(&a->arena, "%s=%s", key, value);
    a->words[a->n++] = slice_cstr(text);
    return NULL;
}

static const char *key_of(const struct allow_entry *e)
{
    return e->net.family != IP_NONE ? "client" : e->name.len ? "name" : e->recipient.len ? "to" : "from";
}

/* WHO, or pairs of a key and its value. Returns what is wrong, or NULL. */
static const char *take_arguments(struct addition *a, int argc, char **argv)
{
    if (argc == 1) {
        const char *wrong = allow_take(&a->entry, NULL, slice_cstr(argv[0]));
        return wrong ? wrong : add_word(a, key_of(&a->entry), argv[0]);
    }
    if (argc == 0 || argc % 2)
        return "it takes one client, name or sender; or pairs such as: client 192.0.2.7 from a@example.org";
    for (int i = 0; i < argc; i += 2) {
        const char *wrong = allow_take(&a->entry, argv[i], slice_cstr(argv[i + 1]));
        if (!wrong)
            wrong = add_word(a, argv[i], argv[i + 1]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static void tell_added(void *ctx, const struct ctl_line *row)
{
    (void)ctx;
    printf("%.*s  %.*s\n", SLICE_ARG(ctl_field(row, 0)), SLICE_ARG(ctl_field(row, 1)));
}

/* Anybody can write any sender into a mail. */
static void warn(const struct allow_entry *e)
{
    if (e->net.family == IP_NONE && !e->name.len && e->sender.len)
        fprintf(stderr,
                "tarsier allow add: note: whoever claims this sender is let in; add its client or name where you can\n");
}

static int add_to_file(const struct command *c, const struct cli_daemon *at, struct addition *a, int64_t for_sec,
                       const char *reason)
{
    const char *user = getenv("SUDO_USER");
    struct allow_change change = {.add = &a->entry};
    struct buf words = {0};
    char id[ALLOW_ID_SIZE];
    a->entry.added_sec = (int64_t)time(NULL);
    a->entry.until_sec = for_sec ? a->entry.added_sec + for_sec : 0;
    a->entry.reason = slice_cstr(reason);
    a->entry.by = slice_cstr(arena_printf(&a->arena, "uid %u%s%s", (unsigned)getuid(), user ? ", " : "", user ? user : ""));
    int status = change_file(c, at, &change);
    allow_id(&a->entry, id);
    allow_put_words(&a->entry, &words);
    if (status == CLI_OK)
        printf("%s  %s\n", id, buf_cstr(&words));
    buf_fini(&words);
    return status;
}

int cli_allow_add(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    struct addition a = {.words = {{"allow", 5}, {"add", 3}}, .n = 2};
    const char *reason = NULL;
    int64_t for_sec = 0;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else if (o == 'r')
            reason = optarg;
        else if (o != 't')
            return cli_usage(c, NULL);
        else if (cli_duration(optarg, &for_sec) != ERR_NONE || for_sec == 0)
            return cli_usage(c, "--for takes a time such as 12h or 30d");
    }
    const char *wrong = take_arguments(&a, argc - optind, argv + optind);
    if (!wrong && for_sec)
        wrong = add_word(&a, "for", arena_printf(&a.arena, "%" PRId64, for_sec));
    if (!wrong && reason)
        wrong = add_word(&a, "reason", reason);
    int status = CLI_USAGE;
    if (wrong) {
        (void)cli_usage(c, wrong);
    } else {
        warn(&a.entry);
        status = ask(c, &at, a.words, a.n, tell_added, NULL);
        if (status == CLI_NO_DAEMON)
            status = add_to_file(c, &at, &a, for_sec, reason);
    }
    arena_fini(&a.arena);
    return status;
}

/* ---- remove ---- */

static void no_row(void *ctx, const struct ctl_line *row)
{
    (void)ctx, (void)row;
}

int cli_allow_remove(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    int status = cli_daemon_options(c, argc, argv, &at, NULL);
    if (status != CLI_OK)
        return status;
    if (argc - optind != 1)
        return cli_usage(c, "it takes one id; `tarsier allow list` shows them");
    const struct slice words[] = {SLICE_LIT("allow"), SLICE_LIT("remove"), slice_cstr(argv[optind])};
    status = ask(c, &at, words, 3, no_row, NULL);
    if (status == CLI_NO_DAEMON)
        status = change_file(c, &at, &(struct allow_change){.remove = argv[optind]});
    return status;
}
