/* ctl.h - asking the running daemon over its control socket (tarsier-control(7)). */
#ifndef TARSIER_CLI_CTL_H
#define TARSIER_CLI_CTL_H

#include "cli/cli.h"
#include "ctl/protocol.h"

/* Where it is: the socket, or else what the configuration says, or else where it is by default. NULL: not given. */
struct cli_daemon {
    const char *socket, *file;
    int patience_sec; /* how long it may say nothing before it counts as gone; 0: for ever */
};

/* The row is borrowed for the call. */
typedef void (*cli_row)(void *ctx, const struct ctl_line *row);

/*
 * One request and its answer. What the daemon refuses, and that there is none, is told on standard error. Returns CLI_OK, CLI_FAILED
 * (refused), CLI_USAGE or CLI_NO_DAEMON.
 */
int cli_ask(const struct command *c, const struct cli_daemon *at, const struct slice *words, size_t n, cli_row row,
            void *ctx);

/*
 * A conversation of several requests. cli_talk_open returns CLI_OK, or CLI_NO_DAEMON with the reason in t->why. cli_talk_ask
 * returns CLI_OK, CLI_FAILED (refused), CLI_USAGE, or CLI_NO_DAEMON, after which it is over. Owner: cli_talk_close, in any case.
 */
struct cli_talk {
    int fd;
    struct buf in;
    size_t at;      /* the next line begins here */
    struct buf why; /* of the last request that was not CLI_OK */
};

int cli_talk_open(struct cli_talk *t, const struct cli_daemon *at);
int cli_talk_ask(struct cli_talk *t, const struct slice *words, size_t n, cli_row row, void *ctx);
void cli_talk_close(struct cli_talk *t);

/*
 * Options -f, --socket and --json from the command line; arguments stand from optind on. *json may be NULL. Errors: CLI_USAGE, which has
 * been told; else CLI_OK.
 */
MUST_CHECK int cli_daemon_options(const struct command *c, int argc, char **argv, struct cli_daemon *at, bool *json);

/* The command's name as words, and these arguments: what cli_ask takes. Returns their number, at most CTL_WORDS_MAX. */
size_t cli_words(const struct command *c, int argc, char **argv, struct slice words[CTL_WORDS_MAX]);

/* The same without a word on standard error; *why gets it, in one line. */
int cli_ask_quietly(const struct cli_daemon *at, const struct slice *words, size_t n, cli_row row, void *ctx,
                    struct buf *why);

#endif
