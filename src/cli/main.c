/*
 * main.c - tarsier, the administrator's command: a table of subcommands, each with its options and its text.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"explain", cli_explain, "[options] NAME ADDRESS SENDER RECIPIENT",
     "what would happen to a mail, and which line decides"},
    {"judge", cli_judge, "[-f FILE] NAME ADDRESS | -",
     "what generic_rdns sees of a host name; or of each line \"name TAB address\" of standard input"},
    {"history", cli_history, "[-f FILE] [--since TIME] [--json] ADDRESS|SENDER|NAME|ID",
     "what was decided about a client, a sender or recipient, a connection or a queue id"},
    {"stats", cli_stats, "[-f FILE] [--day DAY | --since TIME] [--would] [--json]",
     "how many were held, deferred and let in; with --would, what a filter that is only evaluated would have done"},
    {"replay", cli_replay,
     "[-f FILE] [--warm-up TIME] [--retry TIME] [--format postfix|trace] [--json] [--show-unread] LOG...",
     "what would have happened to the mail of Postfix's logs, or of a trace"},
    {"grey", cli_grey, "list|show|delete|flush [-f FILE] [FILTER]... [--json] [CLIENT]",
     "look at, or forget, the records that match: --client, --network, --sender, --recipient,\n"
     "      --state, --older, --newer"},
    {"export", cli_export, "[-f FILE] [--since TIME] [--dump]",
     "print the records, for `tarsier import` on another host; --dump: in milter-greylist's form"},
    {"backup", cli_backup, "[-f FILE] FILE|-", "write records and the files beside them into one file; the daemon may run"},
    {"restore", cli_restore, "[-f FILE] [--max-age TIME] FILE",
     "make a backup the store; the daemon must not run, and the old store is kept"},
    {"import", cli_import, "[-f FILE] FILE|- | milter-manager FILE|-",
     "read records into the store: an export, milter-greylist's dump, or postgrey's by db_dump;\n"
     "      or print the tarsier.conf for what `milter-manager --show-config` has printed into FILE"},
    {"detect", cli_detect, "[--root DIR] [-f FILE] [-c POSTFIX_DIR]",
     "look for milters on this machine, say which of them Postfix and tarsierd ask, and print filter blocks"},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *out)
{
    fprintf(out, "usage: tarsier COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  tarsier %s %s\n      %s\n", commands[i].name, commands[i].arguments, commands[i].text);
    fprintf(out, "  tarsier help | --help\n  tarsier version | --version\n\nMore: man tarsier\n");
}

int cli_usage(const struct command *c, const char *why)
{
    if (why)
        fprintf(stderr, "tarsier %s: %s\n", c->name, why);
    fprintf(stderr, "usage: tarsier %s %s\nMore: man tarsier\n", c->name, c->arguments);
    return CLI_USAGE;
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

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = diag_suggest(slice_cstr(name), names, N_COMMANDS);
    fprintf(stderr, "tarsier: there is no command \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fprintf(stderr, "\n");
    usage(stderr);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("tarsier %s\n", TARSIER_VERSION);
        return CLI_OK;
    }
    const struct command *c = find(argv[1]);
    return c ? c->run(c, argc - 1, argv + 1) : unknown(argv[1]);
}
