/* cli.h - what the subcommands of `tarsier` share. */
#ifndef TARSIER_CLI_CLI_H
#define TARSIER_CLI_CLI_H

#include "ctl/commands.h"
#include "plan/plan.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_NO_DAEMON = 3 }; /* exit statuses */

/* What a row of the table (ctl/commands.h) does. */
struct command {
    enum ctl_id id;
    int (*run)(const struct command *c, int argc, char **argv); /* argv[0] is the last word of the command's name */
    const struct ctl_command *row;                              /* filled in by main() */
};

/* Say why (NULL or "": that has been told) and how it is called; returns CLI_USAGE. */
int cli_usage(const struct command *c, const char *why);
/*
 * The next option, as the command's row has them: its letter, and optarg; -1 behind the last one, optind is the first argument then.
 * '?': one that it does not know, which getopt has told.
 */
int cli_option(const struct command *c, int argc, char **argv);

/* The configuration at path, or the default one for NULL; NULL after its errors were printed. Owner: plan_unref. */
struct plan *cli_plan(const char *path);

/* "45s", "30m", "12h", "7d", "2w"; a bare number is seconds. Errors: ERR_SYNTAX, ERR_RANGE (over a hundred years). */
MUST_CHECK enum err cli_duration(const char *text, int64_t *sec);

int cli_status(const struct command *c, int argc, char **argv);
int cli_metrics(const struct command *c, int argc, char **argv);
int cli_holds(const struct command *c, int argc, char **argv);
int cli_top(const struct command *c, int argc, char **argv);
int cli_trace_on(const struct command *c, int argc, char **argv);
int cli_trace_off(const struct command *c, int argc, char **argv);
int cli_trace_list(const struct command *c, int argc, char **argv);
int cli_pause(const struct command *c, int argc, char **argv);
int cli_check(const struct command *c, int argc, char **argv);
int cli_show_config(const struct command *c, int argc, char **argv);
/* What is only asked of the daemon: its words are the arguments, and its rows are lines of text (ctl.c). */
int cli_simple(const struct command *c, int argc, char **argv);
int cli_allow_list(const struct command *c, int argc, char **argv);
int cli_allow_add(const struct command *c, int argc, char **argv);
int cli_allow_remove(const struct command *c, int argc, char **argv);
int cli_completion(const struct command *c, int argc, char **argv);
int cli_explain(const struct command *c, int argc, char **argv);
int cli_judge(const struct command *c, int argc, char **argv);
int cli_replay(const struct command *c, int argc, char **argv);
int cli_backup(const struct command *c, int argc, char **argv);
int cli_restore(const struct command *c, int argc, char **argv);
int cli_export(const struct command *c, int argc, char **argv);
int cli_grey(const struct command *c, int argc, char **argv);
int cli_import(const struct command *c, int argc, char **argv);
int cli_import_manager(const struct command *c, int argc, char **argv); /* argv[0] is "milter-manager" */
int cli_history(const struct command *c, int argc, char **argv);
int cli_stats(const struct command *c, int argc, char **argv);
int cli_detect(const struct command *c, int argc, char **argv);
int cli_setup(const struct command *c, int argc, char **argv);

#endif
