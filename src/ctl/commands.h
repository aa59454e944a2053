/*
 * commands.h - the one table of `tarsier`'s commands: what each is called, takes and may. The parser of requests, the command line,
 * its help, completion and the manual's list are made of it. What a command does stands elsewhere (ctl/server.h tells how one is
 * added).
 */
#ifndef TARSIER_CTL_COMMANDS_H
#define TARSIER_CTL_COMMANDS_H

#include "base/buf.h"

enum ctl_id {
    CTL_STATUS,
    CTL_METRICS_PRINT,
    CTL_HOLDS,
    CTL_HOLDS_RELEASE,
    CTL_HOLDS_DROP,
    CTL_TOP,
    CTL_PAUSE,
    CTL_RESUME,
    CTL_TRACE_ON,
    CTL_TRACE_OFF,
    CTL_TRACE_LIST,
    CTL_RELOAD,
    CTL_CHECK,
    CTL_SHOW_CONFIG,
    CTL_ALLOW_LIST,
    CTL_ALLOW_ADD,
    CTL_ALLOW_REMOVE,
    CTL_EXPLAIN,
    CTL_JUDGE,
    CTL_HISTORY,
    CTL_STATS,
    CTL_REPLAY,
    CTL_GREY_LIST,
    CTL_GREY_SHOW,
    CTL_GREY_DELETE,
    CTL_GREY_FLUSH,
    CTL_EXPORT,
    CTL_BACKUP,
    CTL_RESTORE,
    CTL_IMPORT,
    CTL_DETECT,
    CTL_SETUP_POSTFIX,
    CTL_COMPLETION,
    CTL_COMMANDS /* number of them */
};

/* Classes of commands, each with all before it. */
enum ctl_right {
    CTL_LOCAL,   /* no request: it runs without the daemon */
    CTL_METRICS, /* numbers, and nobody's names */
    CTL_READ,    /* shows who writes to whom */
    CTL_CHANGE,  /* changes what the daemon does */
};

struct ctl_option {
    const char *name;     /* "json", without its dashes */
    char letter;          /* what stands for it in the program's code */
    bool is_short;        /* it may be written with one dash and its letter, too */
    const char *argument; /* "FILE"; NULL: it takes none */
    const char *text;
};

struct ctl_command {
    enum ctl_id id;
    enum ctl_right right;
    uint8_t least, most;              /* words behind the name in a request; not of CTL_LOCAL */
    const char *name;                 /* one word, or two with a blank between */
    const char *arguments;            /* as in a usage line, without the options; "": none */
    const char *text;                 /* one sentence without its stop */
    const struct ctl_option *options; /* until one without a name; NULL: none */
};

/* In the order of the help; i < CTL_COMMANDS. */
const struct ctl_command *ctl_command_row(size_t i);
const struct ctl_command *ctl_command(enum ctl_id id);

/*
 * The command that the first words name, the longer name before the shorter; *used is the number of those words. NULL: none.
 */
const struct ctl_command *ctl_command_find(const struct slice *words, size_t n, size_t *used);

/* "metrics", "read", "change", "local". */
const char *ctl_right_name(enum ctl_right right);

/* All commands with their text, at most 80 columns wide. */
void ctl_put_help(struct buf *out);
/* One command with its options the same way; its first line begins with "tarsier". */
void ctl_put_help_of(const struct ctl_command *c, struct buf *out);
/*
 * All commands that begin with this word, where a second word may follow it; options only of one that is the word alone. False: no second
 * word may follow.
 */
bool ctl_put_help_of_group(struct slice first, struct buf *out);
/* Completion for bash(1) and zsh(1). */
void ctl_put_bash(struct buf *out);
void ctl_put_zsh(struct buf *out);
/* The list of commands for tarsier(1), in mdoc. */
void ctl_put_manual(struct buf *out);
/* The table of requests for tarsier-control(7), in mdoc. */
void ctl_put_manual_of_requests(struct buf *out);

#endif
