/* commands.c - the table, and finding a row of it. */
#include "ctl/commands.h"

#include "base/mem.h"
#include "ctl/protocol.h"

#include <string.h>

enum { CTL_FILTER_WORDS_MAX = 32 };

#define FILE_OPTION                                                                                                         \
    {                                                                                                                       \
        "file", 'f', true, "FILE", "the configuration, instead of the usual one"                                            \
    }
#define SOCKET_OPTION                                                                                                       \
    {                                                                                                                       \
        "socket", 'S', false, "PATH", "the control socket, instead of the configuration's"                                  \
    }
#define JSON_OPTION                                                                                                         \
    {                                                                                                                       \
        "json", 'j', false, NULL, "print JSON"                                                                              \
    }

static const struct ctl_option status_options[] = {
    {"check", 'c', false, NULL, "print one line for a monitor, with Nagios's exit status: 0, 1, 2, 3"},
    JSON_OPTION,
    FILE_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option metrics_options[] = {
    {"output", 'o', true, "PATH", "into this file, as a whole: for node_exporter's textfile directory"},
    FILE_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option ask_options[] = {FILE_OPTION, SOCKET_OPTION, {0}};
static const struct ctl_option list_options[] = {JSON_OPTION, FILE_OPTION, SOCKET_OPTION, {0}};
static const struct ctl_option check_options[] = {
    FILE_OPTION,
    {"quiet", 'q', true, NULL, "errors only"},
    {"postfix", 'p', false, "DIR", "compare with Postfix's own networks, too; where its configuration is"},
    {0},
};
static const struct ctl_option allow_options[] = {
    JSON_OPTION,
    FILE_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option allow_add_options[] = {
    {"for", 't', false, "TIME", "until then, such as 30d; else for good"},
    {"reason", 'r', false, "TEXT", "why, for whoever reads the list later"},
    FILE_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option trace_options[] = {
    FILE_OPTION,
    SOCKET_OPTION,
    {"for", 't', false, "TIME", "this long, such as 10m, at most 24h"},
    {0},
};
static const struct ctl_option file_options[] = {FILE_OPTION, {0}};
static const struct ctl_option explain_options[] = {
    FILE_OPTION,
    {"helo", 'H', false, "NAME", "what it says in HELO"},
    {"records", 'k', false, NULL, "ask the running daemon what it has recorded of them, and judge with that"},
    {"state", 's', false, "STATE", "what is known already: \"held 40 s and left\""},
    {"resolve", 'R', false, NULL, "ask DNS for its name, whether that leads back, and where its HELO name leads"},
    {"client-resolve", 'r', false, "HOW", "how the look-up of its name ended: ok, forged, temp, fail"},
    {"ptr", 'p', false, "NAME", "the name that its address has, whether verified or not"},
    {"auth", 'a', false, "USER", "it has authenticated"},
    {"unwatched", 'u', false, NULL, "its connection cannot be watched"},
    JSON_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option history_options[] = {
    FILE_OPTION, {"since", 's', false, "TIME", "how far back, such as 12h or 7d"}, JSON_OPTION, SOCKET_OPTION, {0},
};
static const struct ctl_option stats_options[] = {
    FILE_OPTION,
    {"day", 'd', false, "DAY", "today, yesterday, or a date such as 2026-11-24"},
    {"since", 's', false, "TIME", "the last 12h or 7d"},
    {"would", 'w', false, NULL, "what a filter that is only evaluated would have done"},
    JSON_OPTION,
    SOCKET_OPTION,
    {0},
};
static const struct ctl_option replay_options[] = {
    FILE_OPTION,
    {"warm-up", 'w', false, "TIME", "this much of the beginning is learned from, and not counted"},
    {"retry", 'r', false, "TIME", "when a server is taken to come back where the log does not tell"},
    {"format", 'F', false, "FORM", "postfix or trace"},
    JSON_OPTION,
    {"show-unread", 'u', false, NULL, "print the lines that were not understood"},
    {0},
};
#define FILTER_OPTIONS                                                                                                      \
    FILE_OPTION, SOCKET_OPTION, {"client", 'c', false, "ADDRESS", "of this client"},                                        \
        {"network", 'n', false, "NETWORK", "of clients in this network"},                                                   \
        {"sender", 's', false, "PATTERN", "of this sender; *@example.org for a domain"},                                    \
        {"recipient", 'r', false, "PATTERN", "to this recipient"}, {"state", 't', false, "STATE", "in this state"},         \
        {"older", 'o', false, "TIME", "first seen longer ago than 12h or 7d"},                                              \
    {                                                                                                                       \
        "newer", 'w', false, "TIME", "first seen within the last 12h or 7d"                                                 \
    }

static const struct ctl_option grey_options[] = {FILTER_OPTIONS, JSON_OPTION, {0}};
static const struct ctl_option delete_options[] = {FILTER_OPTIONS, {0}};
static const struct ctl_option flush_options[] = {
    FILTER_OPTIONS,
    {"all", 'a', false, NULL, "every record"},
    {0},
};
static const struct ctl_option export_options[] = {
    FILE_OPTION,
    SOCKET_OPTION,
    {"since", 'i', false, "TIME", "what has changed in the last 12h or 7d"},
    {"dump", 'd', false, NULL, "in milter-greylist's form"},
    {0},
};
static const struct ctl_option import_options[] = {FILE_OPTION, SOCKET_OPTION, {0}};
static const struct ctl_option restore_options[] = {
    FILE_OPTION,
    {"max-age", 'm', false, "TIME", "take a backup that is older than a week, too, up to this age"},
    {0},
};
static const struct ctl_option detect_options[] = {
    {"root", 'r', false, "DIR", "look below this directory instead of /"},
    FILE_OPTION,
    {"postfix", 'c', true, "DIR", "Postfix's configuration"},
    {0},
};

static const struct ctl_option setup_options[] = {
    FILE_OPTION,
    {"postfix", 'c', true, "DIR", "Postfix's configuration"},
    {"dry-run", 'n', false, NULL, "show and try, and change nothing"},
    {"yes", 'y', false, NULL, "do not ask"},
    {"undo", 'u', false, NULL, "take it back"},
    {0},
};

static const struct ctl_command rows[] = {
    {CTL_STATUS, CTL_METRICS, 0, 0, "status", "", "how the daemon is, on one screen", status_options},
    {CTL_METRICS_PRINT, CTL_METRICS, 0, 0, "metrics", "", "all numbers, for Prometheus", metrics_options},
    {CTL_HOLDS, CTL_READ, 0, 0, "holds", "", "who is held now, for how long still, and why", list_options},
    {CTL_HOLDS_RELEASE, CTL_CHANGE, 1, 1, "holds release", "ID",
     "let this recipient of a held client in now, and remember it", ask_options},
    {CTL_HOLDS_DROP, CTL_CHANGE, 1, 1, "holds drop", "ID", "send a held client away with 421; nothing is remembered of it",
     ask_options},
    {CTL_TOP, CTL_LOCAL, 0, 0, "top", "", "the same on a full screen, every second; lets in who is selected there",
     ask_options},
    {CTL_PAUSE, CTL_CHANGE, 1, 1, "pause", "TIME",
     "judge and log, but hold and defer nobody, for 30m or 1h; who is held goes on", ask_options},
    {CTL_RESUME, CTL_CHANGE, 0, 0, "resume", "", "end a pause", ask_options},
    {CTL_TRACE_ON, CTL_CHANGE, 1, 2, "trace on", "CLIENT",
     "log every step of new connections of this address or network, for an hour", trace_options},
    {CTL_TRACE_OFF, CTL_CHANGE, 1, 1, "trace off", "CLIENT|all", "stop that", ask_options},
    {CTL_TRACE_LIST, CTL_READ, 0, 0, "trace list", "", "which clients are traced, and for how long still", list_options},
    {CTL_RELOAD, CTL_CHANGE, 0, 0, "reload", "",
     "put the configuration that is there now in force; waits, and says what is wrong with it", ask_options},
    {CTL_CHECK, CTL_LOCAL, 0, 0, "check", "", "is the configuration right, and could tarsierd start with it here?",
     check_options},
    {CTL_SHOW_CONFIG, CTL_LOCAL, 0, 0, "show config", "",
     "all that is in force by the file, with where each part comes from", file_options},
    {CTL_ALLOW_LIST, CTL_READ, 0, 0, "allow list", "", "who is let past the greylist filter by hand", allow_options},
    {CTL_ALLOW_ADD, CTL_CHANGE, 1, 8, "allow add", "WHO | KEY WHO ...",
     "let a client, a name, a sender or a recipient past the greylist filter; with several of the keys client, name, from "
     "and to all must be true",
     allow_add_options},
    {CTL_ALLOW_REMOVE, CTL_CHANGE, 1, 1, "allow remove", "ID", "take one off that list again", allow_options + 1},
    {CTL_EXPLAIN, CTL_READ, 3, 7, "explain", "NAME ADDRESS SENDER RECIPIENT",
     "what would happen to a mail, and which line decides", explain_options},
    {CTL_JUDGE, CTL_LOCAL, 0, 0, "judge", "NAME ADDRESS | -",
     "what generic_rdns sees of a host name, or of each line \"name TAB address\" of standard input", file_options},
    {CTL_HISTORY, CTL_READ, 2, 2, "history", "ADDRESS|SENDER|NAME|ID",
     "what was decided about a client, a sender or recipient, a connection or a queue id", history_options},
    {CTL_STATS, CTL_METRICS, 2, 2, "stats", "", "how many were held, deferred and let in", stats_options},
    {CTL_REPLAY, CTL_LOCAL, 0, 0, "replay", "LOG...", "what would have happened to the mail of a log or a trace",
     replay_options},
    {CTL_GREY_LIST, CTL_READ, 0, CTL_FILTER_WORDS_MAX, "grey list", "[CLIENT]...", "list the records that match",
     grey_options},
    {CTL_GREY_SHOW, CTL_READ, 0, CTL_FILTER_WORDS_MAX, "grey show", "[CLIENT]...",
     "tell all that the records say that match", grey_options},
    {CTL_GREY_DELETE, CTL_CHANGE, 0, CTL_FILTER_WORDS_MAX, "grey delete", "[CLIENT]...", "delete the records that match",
     delete_options},
    {CTL_GREY_FLUSH, CTL_CHANGE, 0, CTL_FILTER_WORDS_MAX, "grey flush", "[CLIENT]...",
     "forget all records of clients or networks, or every record there is", flush_options},
    {CTL_EXPORT, CTL_LOCAL, 0, 0, "export", "", "print the records, for tarsier import on another host", export_options},
    {CTL_BACKUP, CTL_LOCAL, 0, 0, "backup", "FILE|-",
     "write records and the files beside them into one file; the daemon may run", file_options},
    {CTL_RESTORE, CTL_LOCAL, 0, 0, "restore", "FILE",
     "make a backup the store; the daemon must not run, and the old store is kept", restore_options},
    {CTL_IMPORT, CTL_CHANGE, 1, CTL_WORDS_MAX - 1, "import", "FILE|- | milter-manager FILE|-",
     "read records into the store: an export, milter-greylist's dump, or postgrey's by db_dump; or print the tarsier.conf "
     "for what milter-manager --show-config has printed",
     import_options},
    {CTL_DETECT, CTL_LOCAL, 0, 0, "detect", "",
     "look for milters on this machine, say which of them Postfix and tarsierd ask, and print filter blocks",
     detect_options},
    {CTL_SETUP_POSTFIX, CTL_LOCAL, 0, 0, "setup postfix", "",
     "make Postfix ask tarsierd: show the change, try the socket, ask, and do it", setup_options},
    {CTL_COMPLETION, CTL_LOCAL, 0, 0, "completion", "bash|zsh", "print what the shell needs to complete these commands",
     NULL},
};

_Static_assert(COUNT_OF(rows) == CTL_COMMANDS, "each command has its row");

const struct ctl_command *ctl_command_row(size_t i)
{
    return &rows[i];
}

const struct ctl_command *ctl_command(enum ctl_id id)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].id == id)
            return &rows[i];
    PANIC("a command without a row");
}

/* Whether the first words are the row's name; the number of them, 0: they are not. */
static size_t names(const struct ctl_command *c, const struct slice *words, size_t n)
{
    size_t used = 0;
    for (struct slice rest = slice_cstr(c->name); rest.ptr; used++) {
        struct slice part = slice_cut(&rest, ' ');
        if (used == n || !slice_eq(part, words[used]))
            return 0;
    }
    return used;
}

const struct ctl_command *ctl_command_find(const struct slice *words, size_t n, size_t *used)
{
    const struct ctl_command *found = NULL;
    *used = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t length = names(&rows[i], words, n);
        if (length > *used) {
            *used = length;
            found = &rows[i];
        }
    }
    return found;
}

const char *ctl_right_name(enum ctl_right right)
{
    static const char *const words[] = {
        [CTL_LOCAL] = "local", [CTL_METRICS] = "metrics", [CTL_READ] = "read", [CTL_CHANGE] = "change"};
    return words[right];
}
