/*
 * main.c - tarsier, the administrator's command: from the words of the command line to the function behind a row of the table of
 * commands (ctl/commands.h).
 */
#include "cli/cli.h"
#include "cli/screen.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    /* clang-format off */
    {CTL_STATUS, cli_status},
    {CTL_METRICS_PRINT, cli_metrics},
    {CTL_HOLDS, cli_holds},
    {CTL_HOLDS_RELEASE, cli_simple},
    {CTL_HOLDS_DROP, cli_simple},
    {CTL_TOP, cli_top},
    {CTL_PAUSE, cli_pause},
    {CTL_TRACE_ON, cli_trace_on},
    {CTL_TRACE_OFF, cli_trace_off},
    {CTL_TRACE_LIST, cli_trace_list},
    {CTL_RESUME, cli_simple},
    {CTL_RELOAD, cli_simple},
    {CTL_CHECK, cli_check},
    {CTL_SHOW_CONFIG, cli_show_config},
    {CTL_ALLOW_LIST, cli_allow_list},
    {CTL_ALLOW_ADD, cli_allow_add},
    {CTL_ALLOW_REMOVE, cli_allow_remove},
    {CTL_EXPLAIN, cli_explain},
    {CTL_JUDGE, cli_judge},
    {CTL_HISTORY, cli_history},
    {CTL_STATS, cli_stats},
    {CTL_REPLAY, cli_replay},
    {CTL_GREY_LIST, cli_grey},
    {CTL_GREY_SHOW, cli_grey},
    {CTL_GREY_DELETE, cli_grey},
    {CTL_GREY_FLUSH, cli_grey},
    {CTL_EXPORT, cli_export},
    {CTL_BACKUP, cli_backup},
    {CTL_RESTORE, cli_restore},
    {CTL_IMPORT, cli_import},
    {CTL_DETECT, cli_detect},
    {CTL_SETUP_POSTFIX, cli_setup},
    {CTL_COMPLETION, cli_completion},
    /* clang-format on */
};

enum {
    N_COMMANDS = sizeof(commands) / sizeof(commands[0]),
    OPTIONS_MAX = 24,
    NAME_WORDS_MAX = 2,
};

_Static_assert((int)N_COMMANDS == (int)CTL_COMMANDS, "each row of the table of commands has its function");

static void usage(FILE *out)
{
    struct buf text = {0};
    ctl_put_help(&text);
    fputs(buf_cstr(&text), out);
    buf_fini(&text);
}

static void usage_of(const struct ctl_command *row, FILE *out)
{
    struct buf text = {0};
    buf_put_cstr(&text, "usage: ");
    ctl_put_help_of(row, &text);
    buf_put_cstr(&text, "More: man tarsier\n");
    fputs(buf_cstr(&text), out);
    buf_fini(&text);
}

int cli_usage(const struct command *c, const char *why)
{
    struct buf text = {0};
    if (why && *why) {
        buf_printf(&text, "tarsier %s: ", c->row->name);
        screen_put_words(&text, 0, slice_cstr(why));
        fprintf(stderr, "%s\n", buf_cstr(&text));
    }
    usage_of(c->row, stderr);
    buf_fini(&text);
    return CLI_USAGE;
}

int cli_option(const struct command *c, int argc, char **argv)
{
    struct option longs[OPTIONS_MAX] = {{0}};
    char shorts[2 * OPTIONS_MAX + 1];
    size_t n = 0, at = 0;
    for (const struct ctl_option *o = c->row->options; o && o->name && n + 1 < OPTIONS_MAX; o++, n++) {
        longs[n] = (struct option){o->name, o->argument ? required_argument : no_argument, NULL, o->letter};
        if (!o->is_short)
            continue;
        shorts[at++] = o->letter;
        if (o->argument)
            shorts[at++] = ':';
    }
    shorts[at] = '\0';
    return getopt_long(argc, argv, shorts, longs, NULL);
}

int cli_completion(const struct command *c, int argc, char **argv)
{
    struct buf text = {0};
    if (cli_option(c, argc, argv) != -1)
        return cli_usage(c, NULL);
    if (argc - optind != 1)
        return cli_usage(c, "it takes the name of a shell");
    if (strcmp(argv[optind], "bash") == 0)
        ctl_put_bash(&text);
    else if (strcmp(argv[optind], "zsh") == 0)
        ctl_put_zsh(&text);
    else
        return cli_usage(c, "it knows bash and zsh");
    fputs(buf_cstr(&text), stdout);
    buf_fini(&text);
    return CLI_OK;
}

enum err cli_duration(const char *text, int64_t *sec)
{
    static const struct {
        const char *unit;
        int64_t sec;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    enum { MAX_DAYS = 36525 };
    size_t digits = strspn(text, "0123456789");
    uint64_t n;
    if (slice_to_u64(slice_of(text, digits), &n) != ERR_NONE)
        return ERR_SYNTAX;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) != 0)
            continue;
        if (n > (uint64_t)MAX_DAYS * 86400 / (uint64_t)units[i].sec)
            return ERR_RANGE;
        *sec = (int64_t)n * units[i].sec;
        return ERR_NONE;
    }
    return ERR_SYNTAX;
}

/* The row that the first of these words name, and how many words that are. */
static const struct ctl_command *find(int argc, char **argv, size_t *used)
{
    struct slice words[NAME_WORDS_MAX];
    size_t n = 0;
    while (n < NAME_WORDS_MAX && (int)n < argc) {
        words[n] = slice_cstr(argv[n]);
        n++;
    }
    return ctl_command_find(words, n, used);
}

/* Commands of this first word, such as grey: their help. False: there are none. */
static bool tell_group(const char *first, FILE *out)
{
    struct buf text = {0};
    bool found = ctl_put_help_of_group(slice_cstr(first), &text);
    if (found)
        fprintf(out, "usage:\n  %sMore: --help behind one of them, man tarsier\n", buf_cstr(&text));
    buf_fini(&text);
    return found;
}

static void say_unknown(const char *first, const char *second)
{
    const char *names[CTL_COMMANDS];
    struct buf said = {0};
    buf_printf(&said, "%s%s%s", first, *second ? " " : "", second);
    for (size_t i = 0; i < CTL_COMMANDS; i++)
        names[i] = ctl_command_row(i)->name;
    const char *near = diag_suggest(buf_slice(&said), names, CTL_COMMANDS);
    if (!near)
        near = diag_suggest(slice_cstr(first), names, CTL_COMMANDS);
    fprintf(stderr, "tarsier: there is no command \"%s\"", buf_cstr(&said));
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fprintf(stderr, "\n");
    buf_fini(&said);
}

/* No command begins with these words. A long list would push the error off the screen. */
static int unknown(int argc, char **argv)
{
    const char *second = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    struct buf none = {0};
    if (argv[0][0] == '-')
        fprintf(stderr, "tarsier: options stand behind the command, such as: tarsier status %s\n", argv[0]);
    else if (!*second && ctl_put_help_of_group(slice_cstr(argv[0]), &none))
        fprintf(stderr, "tarsier: \"%s\" takes a second word\n", argv[0]);
    else
        say_unknown(argv[0], second);
    buf_fini(&none);
    if (!tell_group(argv[0], stderr))
        fprintf(stderr, "All commands: tarsier help\n");
    return CLI_USAGE;
}

/* For tarsier(1) and tarsier-control(7), which hold these lists; tests/docs compares. */
static int help_for_manual(void (*put)(struct buf *out))
{
    struct buf text = {0};
    put(&text);
    fputs(buf_cstr(&text), stdout);
    buf_fini(&text);
    return CLI_OK;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* For these words, which may be none. */
static int help(int argc, char **argv)
{
    size_t used;
    if (argc == 0) {
        usage(stdout);
        return CLI_OK;
    }
    if (argc == 1 && strcmp(argv[0], "--mdoc") == 0)
        return help_for_manual(ctl_put_manual);
    if (argc == 1 && strcmp(argv[0], "--mdoc=requests") == 0)
        return help_for_manual(ctl_put_manual_of_requests);
    const struct ctl_command *row = find(argc, argv, &used);
    if (used < 2 && argc == 1 && tell_group(argv[0], stdout))
        return CLI_OK;
    if (!row)
        return unknown(argc, argv);
    usage_of(row, stdout);
    return CLI_OK;
}

/* getopt(3) begins its complaints with argv[0]. */
static int run(const struct ctl_command *row, int argc, char **argv)
{
    struct buf name = {0};
    int status = CLI_USAGE;
    buf_printf(&name, "tarsier %s", row->name);
    (void)buf_cstr(&name);
    argv[0] = name.ptr;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        struct command c = commands[i];
        c.row = row;
        if (c.id == row->id)
            status = c.run(&c, argc, argv);
    }
    buf_fini(&name);
    return status;
}

/* Whether help is asked for, by an option in any place. What stands behind "--" is no option. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    size_t used = 0;
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || is_help(argv[1]))
        return help(argc - 2, argv + 2);
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("tarsier %s\n", TARSIER_VERSION);
        return CLI_OK;
    }
    const struct ctl_command *row = find(argc - 1, argv + 1, &used);
    if (wants_help(argc - 1, argv + 1))
        return help(row ? (int)used : 1, argv + 1);
    return row ? run(row, argc - (int)used, argv + used) : unknown(argc - 1, argv + 1);
}
