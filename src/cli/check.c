/* check.c - `tarsier check` and `tarsier show config`: what tarsierd --check and --show-config tell. */
#include "setup/check.h"
#include "cli/cli.h"
#include "setup/files.h"

#include <getopt.h>

static int run(const struct command *c, int argc, char **argv, struct check_question q)
{
    q.program = "tarsier";
    q.postfix_dir = "/etc/postfix";
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            q.file = optarg;
        else if (o == 'q')
            q.quiet = true;
        else if (o == 'p')
            q.postfix_dir = optarg;
        else
            return cli_usage(c, NULL);
        q.networks = q.networks || o == 'p';
    }
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    if (!q.file)
        q.file = files_default();
    return check_tell(&q) ? CLI_OK : CLI_FAILED;
}

int cli_check(const struct command *c, int argc, char **argv)
{
    return run(c, argc, argv, (struct check_question){0});
}

int cli_show_config(const struct command *c, int argc, char **argv)
{
    return run(c, argc, argv, (struct check_question){.show = true});
}
