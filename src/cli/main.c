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
    {"import", cli_import, "[-f FILE] DUMP | milter-manager FILE|-",
     "read milter-greylist's dump into the store;\n"
     "      or print the tarsier.conf for what `milter-manager --show-config` has printed into FILE"},
    {"detect", cli_detect, "[--root DIR]", "look for milters on this machine and print their filter blocks"},
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
