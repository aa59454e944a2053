/*
 * conf.h - the configuration as it is written: settings with their origins, lists, ACL lines, filters. Knows the language
 * (greylist.conf's and ours), not what any of it does: regexes, names and formats are text here, compiled in policy/.
 *
 * Everything hangs on one arena and dies with conf_free.
 */
#ifndef TARSIER_CONF_CONF_H
#define TARSIER_CONF_CONF_H

#include "base/arena.h"
#include "base/ip.h"
#include "conf/diag.h"
#include "conf/generic.h"

/* ---- global settings: one row a setting in settings.c; the printer, the checker and the manual page read the same rows ---- */

enum conf_report { CONF_REPORT_NONE, CONF_REPORT_DELAYS, CONF_REPORT_NODELAYS, CONF_REPORT_ALL };
enum conf_scope { CONF_SCOPE_SESSION, CONF_SCOPE_COMMAND };
enum conf_unwatched { CONF_UNWATCHED_SKIP, CONF_UNWATCHED_HOLD };
enum conf_progress { CONF_PROGRESS_AUTO, CONF_PROGRESS_ALWAYS, CONF_PROGRESS_EOM, CONF_PROGRESS_NEVER };
enum conf_hostkey { CONF_HOSTKEY_ADDRESS, CONF_HOSTKEY_DOMAIN };
enum conf_fallback { CONF_FALLBACK_ACCEPT, CONF_FALLBACK_TEMPFAIL, CONF_FALLBACK_REJECT, CONF_FALLBACK_DISCARD };
enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };
enum conf_client_left { CONF_CLIENT_LEFT_TEMPFAIL, CONF_CLIENT_LEFT_IGNORE };

/* Plain values, so that a reader of a setting needs nothing of the language. "auto" is -1 where it is possible. */
struct conf_settings {
    /* greylist.conf's */
    int64_t greylist_sec;  /* greylist 30m */
    int64_t autowhite_sec; /* autowhite 1d; 0: off */
    int64_t timeout_sec;   /* timeout 5d */
    int64_t subnetmatch;   /* bits, 32 */
    int64_t subnetmatch6;  /* bits, 128 */
    bool quiet, lazyaw, delayedreject, verbose, testmode, noauth;
    bool domainexact;     /* any file sets it; which domains are meant: conf_item_is_exact */
    bool extendedregex;   /* position matters: each regex carries its own flag; this is the last value */
    int64_t report;       /* enum conf_report */
    int64_t tarpit_scope; /* enum conf_scope */
    const char *pidfile;  /* NULL: none */
    const char *user;     /* "tarsier", or "login:group" */
    const char *dumpfile; /* read once into a new store; NULL: none */
    /* tarsier's own */
    const char *store;             /* its place: "/var/lib/tarsier" */
    int64_t store_commit_pause_ms; /* store commit-pause, 0..20 */
    int64_t store_max;             /* store max: records, 0: as the place allows */
    int64_t hostkey;               /* enum conf_hostkey */
    int64_t holds_max;             /* holds max N; -1: half of the MTA's limit, else 50 */
    int64_t holds_per_client;      /* holds per-client N; 5 */
    int64_t holds_unwatched;       /* enum conf_unwatched */
    int64_t progress;              /* enum conf_progress */
    int64_t progress_sec;          /* progress every 10s */
    int64_t tarpit_memory_sec;     /* life of a client's patience; -1: as autowhite */
    int64_t sessions_max;          /* -1: from RLIMIT_NOFILE */
    /* the manager's */
    int64_t
        fallback; /* enum conf_fallback: of filters that say none; of sessions beyond sessions_max; when we fail ourselves */
    int64_t client_left; /* enum conf_client_left: a filter is awaited and the client has gone */
    int64_t log_format;  /* enum conf_log_format */
    bool log_passes;     /* log_passes yes|no: a line for whom the greylist filter is not asked about (default yes) */
    bool statistics;     /* statistics yes|no: a line a session and a child (default yes) */
    int64_t journal_sec; /* 0: no journal */
    int64_t journal_max_bytes;
    const char *control;                                         /* path of the control socket; NULL: none */
    const char *control_metrics, *control_read, *control_change; /* groups, commas or blanks between; NULL: none */
    const char *spool; /* directory for what memory should not hold; NULL (default): the store's */
};

enum { CONF_SETTINGS_MAX = 64 };

/* ---- lists ---- */

struct conf_regex {
    struct slice source;     /* between the slashes, `\/` made `/` */
    bool extended;           /* extendedregex was in force here */
    struct conf_where where; /* of the first byte behind the slash */
};

enum conf_item_kind {
    CONF_ITEM_ADDR,   /* addr 192.0.2.0/24 */
    CONF_ITEM_DOMAIN, /* domain example.org | domain *example.org | domain /re/ */
    CONF_ITEM_FROM,
    CONF_ITEM_RCPT,
    CONF_ITEM_HELO,
    CONF_ITEM_MAX_
};

/*
 * A file of statements, and what its lines mean because they stand in it: domainexact counts for the domains of the file that
 * sets it, so that an included greylist.conf means what it meant alone. A file that is read twice has one record.
 */
struct conf_file {
    const char *path; /* without "." and "name/.." parts */
    bool domainexact; /* the last one of the file */
    bool differs;     /* another file sets domainexact, this one does not: what is printed must say which domains are ends */
    struct conf_where domainexact_where; /* file NULL: not set here */
    struct slice end;                    /* the first domain without a dot or a `*` at its beginning; NONE: there is none */
    struct conf_where end_where;
    struct conf_file *next; /* in the order in which they were begun */
};

/* One item: what stands behind addr, domain, from, rcpt or helo, or one of a list's. */
struct conf_item {
    struct conf_where where;
    bool is_regex;
    bool is_end;                  /* domain *example.org: the end of a name, whatever the file says */
    const struct conf_file *file; /* of a domain; NULL: one of `trust` */
    struct slice text;            /* domain, from, rcpt, helo as written, without quotes */
    struct conf_regex regex;      /* is_regex */
    struct ip net;                /* addr */
    unsigned bits;                /* addr */
};

struct conf_list {
    const char *name;
    enum conf_item_kind kind; /* ADDR, DOMAIN, FROM, RCPT, HELO */
    struct conf_where where;
    struct conf_item *items;
    size_t n_items;
};

/* ---- terms: the tests of ACL lines and of conditions (conf/terms.h) ---- */

enum conf_term_kind {
    CONF_TERM_ITEMS, /* addr, domain, from, rcpt, helo, list "name" */

    CONF_TERM_S25R,
    CONF_TERM_GENERIC_RDNS,
    CONF_TERM_UNKNOWN_CLIENT,
    CONF_TERM_HELO_CONFIRMED,
    CONF_TERM_REMOTE,
    CONF_TERM_AUTHENTICATED,
    CONF_TERM_UNAUTHENTICATED,
    CONF_TERM_STRESS,  /* stress | stress 80 */
    CONF_TERM_TRUSTED, /* the sender's domain is among those of `trust` */
    CONF_TERM_DNSBL,   /* dnsbl | dnsbl "name" */
    CONF_TERM_EVERY,   /* every rcpt ITEM | every list "name": each recipient of the message */
    CONF_TERM_HEADER,  /* header "Subject" /re/ | header "X-Spam" (it is there) */
    CONF_TERM_BODY,    /* body /re/ */
    CONF_TERM_MSGSIZE, /* msgsize > 10M | < | >= | <= */
    CONF_TERM_TIME,    /* time "0-59 8-17 * * 1-5": minute hour day month weekday, as crontab(5) */
    CONF_TERM_FILTER, /* filter "name" reject|tempfail|discard|accept|continue|quarantine|failed|asked; an earlier one of the file */
    CONF_TERM_MACRO,     /* macro "{name}" | macro "{name}" "value" | macro "{name}" /re/ */
    CONF_TERM_CONDITION, /* a name given by a condition statement before */
    CONF_TERM_TARPIT,    /* tarpit 125s; in an ACL line alone */
    CONF_TERM_MAX_
};

enum conf_compare { CONF_LESS, CONF_LESS_OR_EQUAL, CONF_MORE, CONF_MORE_OR_EQUAL };

/* What has become of another filter, as a condition can ask. */
enum conf_result {
    CONF_RESULT_ACCEPT,
    CONF_RESULT_CONTINUE,
    CONF_RESULT_TEMPFAIL,
    CONF_RESULT_REJECT,
    CONF_RESULT_DISCARD,
    CONF_RESULT_QUARANTINE,
    CONF_RESULT_FAILED,
    CONF_RESULT_ASKED, /* any of those above */
};

/* Bits by value: minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-6 (0: Sunday). */
struct conf_time {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* `*`: crontab(5)'s rule: when both are given either may match */
};

struct conf_condition;

struct conf_term {
    enum conf_term_kind kind;
    const char *word;              /* in small letters: "s25r", "rcpt"; CONDITION: the name given */
    enum conf_item_kind item_kind; /* ITEMS, EVERY: of item, or of the list's items */
    const struct conf_list *list;  /* ITEMS, EVERY: NULL: item alone */
    struct conf_item item;         /* …; HEADER, BODY, MACRO: text or regex; where.file NULL: none given */
    int64_t number;                /* STRESS: sessions, -1: the MTA's own limit; MSGSIZE: bytes; TARPIT: seconds */
    const char *name;              /* DNSBL: NULL any; HEADER, MACRO, FILTER, CONDITION */
    enum conf_compare compare;     /* MSGSIZE */
    enum conf_result result;       /* FILTER */
    unsigned filter;               /* FILTER: its number in conf.filters */
    struct conf_time time;         /* TIME */
    const char *time_text;         /* TIME: as written */
    const struct conf_condition *condition;
};

/* ---- ACL lines ---- */

struct conf_clause {
    bool negated;
    struct conf_where where;
    struct conf_term term;
};

enum conf_action { CONF_GREYLIST, CONF_WHITELIST, CONF_BLACKLIST, CONF_CONTINUE };

struct conf_header { /* addheader "Name: value" [, index] */
    const char *text;
    int64_t index; /* -1: at the end */
    struct conf_where where;
};

struct conf_acl {
    struct conf_where where; /* its first word */
    uint32_t line;           /* %A: the physical line of the END of the statement, as in the peer */
    const char *id;          /* NULL: none */
    enum conf_action action;
    bool is_default;             /* `default` stands alone */
    struct conf_clause *clauses; /* all must match; none and not is_default: matches everything (a lone `not`) */
    size_t n_clauses;
    /* options; NULL or -1: not given */
    int64_t delay_sec, autowhite_sec;
    int64_t tarpit_scope; /* enum conf_scope */
    const char *code, *ecode;
    const char *msg, *report;                  /* formats */
    struct conf_where msg_where, report_where; /* of the first byte behind the quote */
    bool nolog;
    struct conf_header *headers;
    size_t n_headers;
};

/* ---- conditions and filters ---- */

enum conf_expr_op { CONF_EXPR_TERM, CONF_EXPR_NOT, CONF_EXPR_AND, CONF_EXPR_OR };

struct conf_expr {
    enum conf_expr_op op;
    struct conf_where where;
    struct conf_term term;                /* TERM */
    const struct conf_expr *left, *right; /* NOT uses left */
};

/* condition "name" { expression } */
struct conf_condition {
    const char *name;
    struct conf_where where;
    const struct conf_expr *expr;
    unsigned filters_above; /* how many filters stand before it in the file: it may name those */
};

/* dnsrbl "name" zone answer[/bits] … (greylist.conf's, with any number of answers; where none is named: 127.0.0.0/8) */
struct conf_dnsbl {
    const char *name, *zone;
    struct conf_where where;
    struct ip *answers;
    unsigned *bits;
    size_t n_answers;
};

/* provide …: macros that a child gets beside the MTA's. */
enum {
    CONF_PROVIDE_SENDMAIL_MACROS = 1u << 0, /* {if_addr} {if_name} {daemon_port}, {i} at MAIL */
    CONF_PROVIDE_STRESS = 1u << 1,          /* {stress}=yes */
    CONF_PROVIDE_TRUSTED = 1u << 2,         /* {trusted_domain}=yes */
};

/* Plain values of one filter: rows of a table of their own, as the global settings have (conf/filter_settings.c). */
struct conf_filter_settings {
    const char *description; /* NULL: none */
    bool enabled;            /* enabled yes|no; default yes */
    bool evaluation;         /* its verdict is logged, never applied; default no */
    int64_t fallback;        /* enum conf_fallback; default: the global one */
    int64_t timeout_connect_sec, timeout_command_sec, timeout_message_sec, timeout_eom_sec; /* timeout connect 5s … */
    int64_t progress_max_sec;                                                               /* progress max 10m */
    int64_t breaker_failures;  /* breaker failures 5; 0: never opens */
    int64_t breaker_pause_sec; /* breaker pause 1m: the longest */
};

enum { CONF_FILTERS_MAX = 32, CONF_DNSBLS_MAX = 32, CONF_FILTER_SETTINGS_MAX = 16 };

struct conf_filter {
    const char *name;
    struct conf_where where, builtin_where, when_where, connect_where, sees_where, provide_where;
    const char *builtin;          /* "greylist"; NULL: a child */
    const char *connect;          /* "unix:/path", "inet:port@host", "inet6:port@host"; NULL: builtin */
    const struct conf_expr *when; /* NULL: always */
    bool sees_original;           /* sees original */
    unsigned provide;             /* CONF_PROVIDE_* */
    struct conf_filter_settings set;
    struct conf_where origin[CONF_FILTER_SETTINGS_MAX]; /* by row; file NULL: default */
};

/* s25r whitelist { ".google.com" … } and blacklist { "name" … }: suffixes (leading dot), whole names, or regexes. */
struct conf_s25r_entry {
    struct conf_where where;
    bool is_regex;
    struct slice text;
    struct conf_regex regex;
};

/* generic_rdns words CLASS { "dyn" "dhcp*" … }: letters, in small ones, with a `*` at either end or none. */
struct conf_generic_word {
    struct conf_where where;
    struct slice text;
};

/* What generic_rdns counts. The defaults of conf/generic.h, as far as no statement has changed them. */
struct conf_generic {
    struct conf_generic_word *words[CONF_GENERIC_CLASSES];
    size_t n_words[CONF_GENERIC_CLASSES];
    struct conf_where words_where[CONF_GENERIC_CLASSES];
    int64_t weight[CONF_GENERIC_WEIGHTS], threshold;
    struct conf_where weight_where[CONF_GENERIC_WEIGHTS], threshold_where;
};

struct conf_listen {
    struct conf_where where;
    const char *address; /* "unix:/path", "inet:port@host", "inet6:port@host", normalised from socket too */
    int64_t mode;        /* unix: permission bits; -1: 0660 */
    const char *group;   /* unix: NULL none */
};

struct conf {
    struct arena arena;
    struct conf_settings set;
    struct conf_where origin[CONF_SETTINGS_MAX]; /* by row of settings.c; file NULL: default */
    struct conf_listen *listens;
    size_t n_listens;         /* at least one: the default when no statement names any */
    struct conf_list **lists; /* in the order of the file */
    size_t n_lists;
    struct conf_acl *acls;
    size_t n_acls;
    struct conf_filter *filters;
    size_t n_filters;                                /* 0: the greylist filter is asked about every session */
    struct conf_s25r_entry *s25r_white, *s25r_black; /* defaults until a statement replaces them */
    size_t n_s25r_white, n_s25r_black;
    struct conf_where s25r_white_where, s25r_black_where;
    struct conf_generic generic;
    struct conf_condition **conditions; /* in the order of the file */
    size_t n_conditions;
    struct conf_dnsbl *dnsbls;
    size_t n_dnsbls;
    struct conf_item *net_local,
        *net_remote; /* network local { … } beside the built-in ones, remote { … } wins; addr items */
    size_t n_net_local, n_net_remote;
    struct conf_where net_local_where, net_remote_where;
    struct conf_item *trust; /* trust { … }, trust file "path": domain items; defaults until a statement replaces them */
    size_t n_trust;
    struct conf_where trust_where;
    struct conf_file *statement_files;
    struct conf_item *helo_except; /* helo_confirmed except { … }: domain items; defaults until a statement replaces them */
    size_t n_helo_except;
    struct conf_where helo_except_where;
    const char **files; /* read, includes too, and those of `trust`: the first is the one that was named */
    size_t n_files;
};

/*
 * How conf_load gets at text: the layer itself opens nothing. For `include` it asks for a pattern and gets the files in order.
 * read returns ERR_NONE and the text (borrowed until conf_load returns; conf_load copies what it keeps).
 */
struct conf_source {
    void *ctx;
    enum err (*read)(void *ctx, const char *path, struct slice *text);
    /* Expand a glob; paths borrowed until the next call. No match is ERR_NONE with *n 0. */
    enum err (*expand)(void *ctx, const char *pattern, const char *const **paths, size_t *n);
};

/* One text, whatever the path; an include finds nothing. Owner: text and what it points to are borrowed while it is in use. */
struct conf_source conf_source_text(const struct slice *text);

/*
 * Read the file at path and everything it includes. All errors of all files go to diags; the result is usable only when
 * diags has no error, but is always returned (for --check) and to be freed with conf_free. Never NULL.
 */
struct conf *conf_load(const struct conf_source *source, const char *path, struct diags *diags);
void conf_free(struct conf *c);

/* Whether a domain is compared by whole labels; else it is the end of a name. */
static inline bool conf_item_is_exact(const struct conf_item *item)
{
    return item->file && item->file->domainexact && !item->is_end;
}

#endif
