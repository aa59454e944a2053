/*
 * daemon.h - the running daemon: engine, loop, store, watch and log wired together. One per process, but nothing relies on that.
 */
#ifndef TARSIER_DAEMON_DAEMON_H
#define TARSIER_DAEMON_DAEMON_H

#include "setup/load.h"
#include "daemon/options.h"
#include "setup/rights.h"
#include "engine/engine.h"
#include "daemon/trim.h"
#include "fetch/dns/dns.h"
#include "io/io.h"
#include "journal/journal.h"
#include "log/log.h"
#include "port/store.h"
#include "watch/watch.h"

struct daemon {
    const struct options *options;
    const char *conf_file;
    struct log *log;
    struct io *io;
    struct engine *engine;
    struct control *control;
    struct store *store;
    struct journal *journal;
    struct watch *watch; /* NULL: there is none to be had */
    struct dns *dns;
    struct plan *plan;      /* in force; a reference of our own beside the engine's */
    struct plan *started;   /* as at the start: what a reload does not change is compared with it */
    struct allows *allows;  /* who is let in by hand; a reference of our own beside the engine's; NULL: nobody */
    uint32_t allow_changes; /* how often the list of those let in by hand was changed while we run */
    uint32_t generation;    /* the last number given to a plan that came into force */
    struct wall generation_at, reload_at; /* when it came into force; when a reload has ended last */
    bool reload_failed;                   /* that one */
    struct buf reload_text;               /* what it said, in lines */
    uint64_t reloads_begun, reloads_ended;
    uint32_t mta_sessions; /* 0: not known */
    uint32_t descriptors;  /* for sessions, children and spool files */
    uint32_t sessions_max;
    struct overload *overload;
    int64_t overload_told_ms; /* when the log last said that there are too many sessions; 0: never */
    struct trim trim;
    bool trimming;
    struct identity identity;
    struct pidfile pidfile;
    int dump_fd; /* milter-greylist's dump, from before root's rights are given up until it is imported; -1: none */
    enum err dump_error;
    int dump_errno;
    bool reloading, reload_again, stopping;
};

/* Run until a signal ends it; the exit status. */
int daemon_run(const struct options *options, const char *conf_file, enum log_target target);

/* reload.c: read everything again on a worker thread and put it in force, or say why not. Asked while one runs: once more after it. */
void daemon_reload(struct daemon *d);

/* resolve.c: DNS. Errors: as dns_open, *why gets the reason. It is closed while the loop is still there. */
MUST_CHECK enum err resolve_open(struct daemon *d, struct buf *why);
void resolve_close(struct daemon *d);
void resolve_hooks(struct io_hooks *hooks);

/* Put a list of those who are let in by hand in force. Takes over the reference. After the start of the engine. */
void daemon_take_allows(struct daemon *d, struct allows *allows);

/* How many sessions there may be, so that each has the descriptors that it may need. */
uint32_t daemon_sessions_max(const struct daemon *d, const struct conf *conf);

/* Those that weigh no less than `least`, as lines of the log, with their carets. */
void daemon_log_diags(struct daemon *d, const struct diags *diags, enum diag_level least);

#endif
