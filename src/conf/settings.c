/* settings.c - the table of the global settings, and what reads a row of any table. */
#include "conf/settings.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* greylist.conf's values are ints of C: whatever such a file can say must load. */
#define SEC_MAX INT32_MAX
#define DAY_SEC 86400

static const struct setting_word report_words[] = {{"none", CONF_REPORT_NONE},
                                                   {"delays", CONF_REPORT_DELAYS},
                                                   {"nodelays", CONF_REPORT_NODELAYS},
                                                   {"all", CONF_REPORT_ALL},
                                                   {NULL, 0}};
/* milter-greylist's manual says command, its lexer knows only comand */
static const struct setting_word scope_words[] = {
    {"session", CONF_SCOPE_SESSION}, {"comand", CONF_SCOPE_COMMAND}, {"command", CONF_SCOPE_COMMAND}, {NULL, 0}};
static const struct setting_word hostkey_words[] = {
    {"address", CONF_HOSTKEY_ADDRESS}, {"domain", CONF_HOSTKEY_DOMAIN}, {NULL, 0}};
static const struct setting_word unwatched_words[] = {
    {"skip", CONF_UNWATCHED_SKIP}, {"hold", CONF_UNWATCHED_HOLD}, {NULL, 0}};
static const struct setting_word progress_words[] = {{"auto", CONF_PROGRESS_AUTO},
                                                     {"always", CONF_PROGRESS_ALWAYS},
                                                     {"eom", CONF_PROGRESS_EOM},
                                                     {"never", CONF_PROGRESS_NEVER},
                                                     {NULL, 0}};
static const struct setting_word auto_words[] = {{"auto", -1}, {NULL, 0}};

const struct setting_word setting_fallback_words[] = {{"accept", CONF_FALLBACK_ACCEPT},
                                                      {"tempfail", CONF_FALLBACK_TEMPFAIL},
                                                      {"temporary-failure", CONF_FALLBACK_TEMPFAIL}, /* milter-manager's */
                                                      {"reject", CONF_FALLBACK_REJECT},
                                                      {"discard", CONF_FALLBACK_DISCARD},
                                                      {NULL, 0}};
static const struct setting_word log_format_words[] = {{"text", CONF_LOG_TEXT}, {"json", CONF_LOG_JSON}, {NULL, 0}};
static const struct setting_word client_left_words[] = {
    {"tempfail", CONF_CLIENT_LEFT_TEMPFAIL}, {"ignore", CONF_CLIENT_LEFT_IGNORE}, {NULL, 0}};

#define AT(field) offsetof(struct conf_settings, field)
#define FLAG(word, about)                                                                                                   \
    {                                                                                                                       \
        .name = #word, .type = SETTING_FLAG, .offset = AT(word), .text = about                                              \
    }

static const struct setting rows[] = {
    /* clang-format off */
    {.name = "greylist", .type = SETTING_TIME, .offset = AT(greylist_sec), .value = 1800, .min = 0, .max = SEC_MAX,
     .argument = "time",
     .text = "How long a first sight is deferred: the greylist delay, counted from the first visit."},
    {.name = "autowhite", .type = SETTING_TIME, .offset = AT(autowhite_sec), .value = DAY_SEC, .min = 0, .max = SEC_MAX,
     .argument = "time",
     .text = "How long one that has passed is remembered; each further mail counts anew. 0 remembers nobody."},
    {.name = "timeout", .type = SETTING_TIME, .offset = AT(timeout_sec), .value = 5 * DAY_SEC, .min = 0, .max = SEC_MAX,
     .argument = "time",
     .text = "How long after the end of its delay one that has not come back is still known."},
    {.name = "subnetmatch", .type = SETTING_BITS, .offset = AT(subnetmatch), .value = 32, .min = 0, .max = 32,
     .argument = "/bits",
     .text = "How many bits of an IPv4 address make the client."},
    {.name = "subnetmatch6", .type = SETTING_BITS, .offset = AT(subnetmatch6), .value = 128, .min = 0, .max = 128,
     .argument = "/bits",
     .text = "How many bits of an IPv6 address make the client."},
    FLAG(quiet, "The reply to a deferred mail does not say how long it still has to wait."),
    FLAG(lazyaw, "One that has passed once passes for every sender and recipient."),
    FLAG(delayedreject, "Mail with an empty sender address is deferred at DATA instead of RCPT, so that call-backs which go no "
                        "further than RCPT are not disturbed; nor is it held: a line with tarpit does not match it."),
    FLAG(domainexact, "A domain in a racl line, a list or a condition is itself and the names below it. Without it, it is the "
                      "end of a name: example.org matches not-example.org too, and tarsierd warns of it. It counts for the "
                      "whole file that says it and for no other, so that an included greylist.conf means what it meant."),
    FLAG(extendedregex, "Regular expressions after this line are POSIX extended ones, not basic ones."),
    FLAG(noauth, "Do not let everybody in who has authenticated."),
    FLAG(testmode, "What no line matches is let in instead of greylisted, and legacy rcpt lines greylist."),
    FLAG(verbose, "Log more: why a line with tarpit did not hold a client that has hung up before."),
    {.name = "log_passes", .type = SETTING_FLAG, .offset = AT(log_passes), .value = true,
     .text = "Log a line for each client, message or recipient that the greylist filter is not asked about, with the "
             "condition that decided it."},
    {.name = "log format", .type = SETTING_CHOICE, .offset = AT(log_format), .value = CONF_LOG_TEXT, .words = log_format_words,
     .argument = "form",
     .text = "How the lines of the log are written: text, as milter-greylist does; json, an object of JSON each, with the line "
             "as message and the facts of a decision as members of their own. See tarsierd(8)."},
    {.name = "report", .type = SETTING_CHOICE, .offset = AT(report), .value = CONF_REPORT_ALL, .words = report_words,
     .argument = "which",
     .text = "Which messages get an X-Greylist header."},
    {.name = "tarpit_scope", .type = SETTING_CHOICE, .offset = AT(tarpit_scope), .value = CONF_SCOPE_SESSION,
     .words = scope_words, .argument = "scope",
     .text = "What a hold counts on: session, all that the connection has waited so far; comand (also written command), the "
             "longest single wait."},
    {.name = "pidfile", .type = SETTING_STRING, .offset = AT(pidfile), .needs_restart = true, .argument = "\"file\"",
     .text = "Where the process id is written."},
    {.name = "user", .type = SETTING_STRING, .offset = AT(user), .default_text = "tarsier", .needs_restart = true,
     .argument = "\"login[:group]\"",
     .text = "Whom the daemon runs as after its start. Never root."},
    {.name = "dumpfile", .type = SETTING_STRING, .offset = AT(dumpfile), .argument = "\"file\"",
     .text = "A database file of milter-greylist, read once when the store is new. It is never written. An octal mode may "
             "follow and means nothing here."},
    {.name = "store", .type = SETTING_STRING, .offset = AT(store), .default_text = "/var/lib/tarsier", .needs_restart = true,
     .argument = "\"place\"",
     .text = "Where the records are kept: a directory, which is made if it is missing; or memory:, for trials: nobody else sees the "
             "records then, and the end of the daemon forgets them."},
    {.name = "store commit-pause", .type = SETTING_MS, .offset = AT(store_commit_pause_ms), .needs_restart = true, .value = 0, .min = 0, .max = 20,
     .argument = "milliseconds",
     .text = "How long the store gathers records before it commits them together."},
    {.name = "store max", .type = SETTING_NUMBER, .offset = AT(store_max), .needs_restart = true, .value = 5000000, .min = 0, .max = SEC_MAX,
     .argument = "number",
     .text = "How many records are kept at most; then the network with the most unconfirmed ones loses some. The database "
             "may take 512 bytes for each, and 64 MiB (most take 250); where that is used up before, by long addresses, the same "
             "is done. 0: as many as 16 GiB have room for."},
    {.name = "hostkey", .type = SETTING_CHOICE, .offset = AT(hostkey), .value = CONF_HOSTKEY_ADDRESS, .words = hostkey_words,
     .argument = "which",
     .text = "What makes the client in a record: its address, or the base domain of its verified name, so that a pool which "
             "comes back from another address is known. A name that generic_rdns selects is a line's: then it is the address. With domain, a client "
             "that has no domain, once it has come back after a deferral, is let in by its address for any sender, and by its /24 "
             "or /64 for the sender's domain."},
    {.name = "holds max", .type = SETTING_NUMBER, .offset = AT(holds_max), .value = -1, .min = 0, .max = 1000000,
     .words = auto_words, .argument = "number",
     .text = "How many clients are held at once. auto: half of Postfix's smtpd process limit where it can be read, else 50."},
    {.name = "holds per-client", .type = SETTING_NUMBER, .offset = AT(holds_per_client), .value = 5, .min = 1, .max = 1000000,
     .argument = "number",
     .text = "How many connections of one client are held at once."},
    {.name = "holds unwatched", .type = SETTING_CHOICE, .offset = AT(holds_unwatched), .value = CONF_UNWATCHED_SKIP,
     .words = unwatched_words, .argument = "what",
     .text = "What a tarpit line does where the client's own connection cannot be watched: skip, it does not match; hold, it "
             "holds blindly."},
    {.name = "progress", .type = SETTING_CHOICE, .offset = AT(progress), .value = CONF_PROGRESS_AUTO, .words = progress_words,
     .argument = "when",
     .text = "When the MTA is told during a hold that we are still at work: auto, where it is Postfix itself; always; eom, only "
             "at the end of a message, for an MTA or a manager before it that takes it nowhere else: holds at RCPT must then "
             "be shorter than its time-out; never. Once a filter's new body is on its way to the MTA nothing is told any more: "
             "Postfix would take it for the body's end."},
    {.name = "progress every", .type = SETTING_TIME, .offset = AT(progress_sec), .value = 10, .min = 1, .max = 3600,
     .argument = "time",
     .text = "How often. It must stay below the MTA's time-out, 30 s in Postfix."},
    {.name = "tarpit_memory", .type = SETTING_TIME, .offset = AT(tarpit_memory_sec), .value = -1, .min = 0, .max = SEC_MAX,
     .words = auto_words, .argument = "time",
     .text = "How long a client that has waited is known as patient. auto: as long as autowhite. 0: not at all: each new sender "
             "and recipient of it is held again."},
    {.name = "sessions max", .type = SETTING_NUMBER, .offset = AT(sessions_max), .needs_restart = true, .value = -1, .min = 1, .max = 10000000,
     .words = auto_words, .argument = "number",
     .text = "How many connections of the MTA are served at once; one more is answered at once by fallback. auto: as the limit "
             "of open files allows."},
    {.name = "fallback", .type = SETTING_CHOICE, .offset = AT(fallback), .value = CONF_FALLBACK_ACCEPT, .words = setting_fallback_words,
     .argument = "what",
     .text = "What happens to mail when a filter that says nothing else gives no answer, or when we cannot serve it ourselves: "
             "accept, it goes on as if the filter had not been asked; tempfail (also written temporary-failure); reject; "
             "discard."},
    {.name = "client_left", .type = SETTING_CHOICE, .offset = AT(client_left), .value = CONF_CLIENT_LEFT_TEMPFAIL,
     .words = client_left_words, .argument = "what",
     .text = "What happens when the client hangs up while a filter is awaited: tempfail, the MTA is answered at once and the "
             "filters are told to stop; ignore, the filters go on."},
    {.name = "statistics", .type = SETTING_FLAG, .offset = AT(statistics), .value = true,
     .text = "Log a line for each session and each filter that was asked in it: result, stage and seconds."},
    {.name = "journal", .type = SETTING_TIME, .offset = AT(journal_sec), .value = 7 * DAY_SEC, .min = 0, .max = SEC_MAX,
     .argument = "time",
     .text = "How long it is kept what was decided about each client and recipient, for `tarsier history`: in journal/ in the "
             "store's directory, readable by root and the daemon's user only. It says who wrote to whom. 0: it is not kept."},
    {.name = "journal max", .type = SETTING_NUMBER, .offset = AT(journal_max_bytes), .value = 64 * 1024 * 1024, .min = 1024 * 1024,
     .max = INT64_C(1) << 40, .argument = "bytes",
     .text = "How much of it is kept; the oldest goes first. A decision takes about 200 bytes."},
    {.name = "control", .type = SETTING_STRING, .offset = AT(control), .default_text = "/run/tarsier/control",
     .may_be_none = true, .needs_restart = true, .argument = "\"file\"",
     .text = "The socket over which tarsier asks and steers the running daemon. Everybody may connect; root and the daemon's "
             "user may do everything, others what their groups allow."},
    {.name = "control metrics", .type = SETTING_STRING, .offset = AT(control_metrics), .argument = "\"groups\"",
     .text = "Whose members may ask for numbers, which name nobody: tarsier status, tarsier metrics. Commas or blanks stand "
             "between groups."},
    {.name = "control read", .type = SETTING_STRING, .offset = AT(control_read), .argument = "\"groups\"",
     .text = "Whose members may see who writes to whom, too: tarsier holds."},
    {.name = "control change", .type = SETTING_STRING, .offset = AT(control_change), .argument = "\"groups\"",
     .text = "Whose members may do everything: tarsier reload, tarsier holds release."},
    {.name = "spool", .type = SETTING_STRING, .offset = AT(spool), .needs_restart = true, .argument = "\"directory\"",
     .text = "Where the part of a message is kept that is too large for memory, while filters wait for it. none: in the store's "
             "directory, or in /var/lib/tarsier where the store has none."},
    /* clang-format on */
};

_Static_assert(COUNT_OF(rows) <= CONF_SETTINGS_MAX, "origins need a place each");

const struct settings_table *settings_global(void)
{
    static const struct settings_table table = {rows, COUNT_OF(rows)};
    return &table;
}

size_t settings_count(void)
{
    return COUNT_OF(rows);
}

const struct setting *settings_row(size_t i)
{
    return &rows[i];
}

static struct slice second_word(struct slice *name)
{
    struct slice first = slice_cut(name, ' '), second = *name;
    *name = first;
    return second;
}

size_t settings_find(const struct settings_table *table, struct slice first, struct slice second)
{
    for (size_t i = 0; i < table->count; i++) {
        struct slice name = slice_cstr(table->rows[i].name), rest = second_word(&name);
        if (slice_eq_nocase(name, first) && !rest.ptr == !second.ptr && slice_eq_nocase(rest, second))
            return i;
    }
    return table->count;
}

bool settings_has_second(const struct settings_table *table, struct slice first)
{
    for (size_t i = 0; i < table->count; i++) {
        struct slice name = slice_cstr(table->rows[i].name), rest = second_word(&name);
        if (rest.ptr && slice_eq_nocase(name, first))
            return true;
    }
    return false;
}

static const void *field(const void *values, const struct setting *row)
{
    return (const char *)values + row->offset;
}

bool *settings_flag(void *values, const struct setting *row)
{
    return (void *)((char *)values + row->offset);
}

const char **settings_string(void *values, const struct setting *row)
{
    return (void *)((char *)values + row->offset);
}

int64_t *settings_value(void *values, const struct setting *row)
{
    return (void *)((char *)values + row->offset);
}

void settings_defaults(const struct settings_table *table, void *values)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        if (row->type == SETTING_FLAG)
            *settings_flag(values, row) = row->value;
        else if (row->type == SETTING_STRING)
            *settings_string(values, row) = row->default_text;
        else
            *settings_value(values, row) = row->value;
    }
}

bool settings_equal(const void *a, const void *b, const struct setting *row)
{
    const void *x = field(a, row), *y = field(b, row);
    if (row->type == SETTING_FLAG)
        return *(const bool *)x == *(const bool *)y;
    if (row->type != SETTING_STRING)
        return *(const int64_t *)x == *(const int64_t *)y;
    const char *s = *(const char *const *)x, *t = *(const char *const *)y;
    return s == t || (s && t && strcmp(s, t) == 0);
}

void settings_put_time(int64_t sec, struct buf *out)
{
    if (sec != 0 && sec % DAY_SEC == 0)
        buf_printf(out, "%" PRId64 "d", sec / DAY_SEC);
    else if (sec != 0 && sec % 3600 == 0)
        buf_printf(out, "%" PRId64 "h", sec / 3600);
    else if (sec != 0 && sec % 60 == 0)
        buf_printf(out, "%" PRId64 "m", sec / 60);
    else
        buf_printf(out, "%" PRId64 "s", sec);
}

void settings_put_value(const struct setting *row, int64_t value, struct buf *out)
{
    for (const struct setting_word *w = row->words; w && w->word; w++)
        if (w->value == value) {
            buf_put_cstr(out, w->word);
            return;
        }
    switch (row->type) {
    case SETTING_FLAG:
        buf_put_cstr(out, value ? "yes" : "no");
        break;
    case SETTING_TIME:
        settings_put_time(value, out);
        break;
    case SETTING_MS:
        buf_printf(out, "%" PRId64 "ms", value);
        break;
    case SETTING_BITS:
        buf_printf(out, "/%" PRId64, value);
        break;
    case SETTING_NUMBER:
    case SETTING_CHOICE:
    case SETTING_STRING:
        buf_printf(out, "%" PRId64, value);
        break;
    }
}

void settings_put(const void *values, const struct setting *row, struct buf *out)
{
    const void *value = field(values, row);
    buf_put_cstr(out, row->name);
    buf_put_byte(out, ' ');
    if (row->type == SETTING_FLAG) {
        settings_put_value(row, *(const bool *)value, out);
    } else if (row->type == SETTING_STRING) {
        const char *text = *(const char *const *)value;
        if (text)
            buf_printf(out, "\"%s\"", text);
        else
            buf_put_cstr(out, "none");
    } else {
        settings_put_value(row, *(const int64_t *)value, out);
    }
}
