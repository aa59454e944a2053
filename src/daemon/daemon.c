/*
 * daemon.c - the start, step by step, the hooks between the parts, and the end. Decides nothing about mail.
 */
#include "daemon/daemon.h"
#include "base/mem.h"
#include "setup/allow_file.h"
#include "setup/files.h"
#include "setup/import.h"
#include "setup/stores.h"
#include "daemon/inherit.h"
#include "daemon/control.h"
#include "daemon/notify.h"
#include "daemon/overload.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OVERLOAD_TELL_MS = 60000,    /* too many sessions: said once a minute */
    WANTED_FILES = 65536,        /* what root raises the limit of open files to, where it is lower */
    DRAIN_MS = 400,              /* for sessions that nobody holds to come to their end */
    STOP_LIMIT_MS = 400,         /* for replies to get out; with store and log the end comes within a second */
    JOURNAL_LIMIT_MS = 300,      /* for a stuck disk */
    LOG_LIMIT_MS = 200,          /* for a stalled reader of the log */
    DUMP_MAX_BYTES = 1024 << 20, /* a dump of ten million records */
};

void daemon_log_diags(struct daemon *d, const struct diags *diags, enum diag_level least)
{
    struct buf text = {0};
    diags_print_from(diags, least, &text);
    /* A line each; the level is in the words already ("file:1:2: error: …"). */
    for (struct slice rest = buf_slice(&text); rest.len > 0;)
        log_write(d->log, LOG_LEVEL_NOTICE, slice_cut(&rest, '\n'));
    buf_fini(&text);
}

/* ---- hooks ---- */

/* On a worker: it takes as long as there is memory to look through. */
static void trim_work(void *ctx)
{
    (void)ctx;
    malloc_trim(0);
}

static void trim_done(void *ctx)
{
    struct daemon *d = ctx;
    d->trimming = false;
}

static void hook_step(void *ctx, const struct event *event, struct effects *out)
{
    struct daemon *d = ctx;
    control_event(d, event, out);
    engine_step(d->engine, event, out);
    if (!d->trimming && trim_due(&d->trim, engine_memory_bytes(d->engine), event->now.mono)) {
        d->trimming = true;
        io_work(d->io, trim_work, trim_done, d);
    }
}

static void hook_overload(void *ctx, const struct event *event, struct effects *out)
{
    struct daemon *d = ctx;
    bool tell = !d->overload_told_ms || event->now.mono.ms - d->overload_told_ms >= OVERLOAD_TELL_MS;
    if (event->kind == EVENT_OPEN && tell) {
        d->overload_told_ms = event->now.mono.ms;
        log_printf(d->log, LOG_LEVEL_WARNING,
                   "more than %u sessions at once: those beyond are answered with the default (`fallback`)",
                   d->sessions_max);
    }
    overload_step(d->overload, event, (enum overload_answer)d->plan->set->fallback, out);
}

static bool hook_wants_ticks(void *ctx)
{
    struct daemon *d = ctx;
    return engine_wants_ticks(d->engine) || control_wants_ticks(d) || trim_wanted(&d->trim, engine_memory_bytes(d->engine));
}

static void hook_store(void *ctx, const struct effect *e)
{
    struct daemon *d = ctx;
    store_submit(d->store, e->owner, e->request, e->u.store);
}

static void look_found(void *ctx, owner_id session, uint32_t request, enum look_result result, uint64_t cookie)
{
    struct daemon *d = ctx;
    struct event e = {.kind = EVENT_LOOK, .owner = session, .request = request};
    e.u.look.result = result;
    e.u.look.cookie = cookie;
    io_feed(d->io, &e);
}

/* Where nothing can be watched every client is in another world, as it were: `holds unwatched` decides. */
static void hook_look(void *ctx, const struct effect *e)
{
    struct daemon *d = ctx;
    if (d->watch)
        watch_add(d->watch, e);
    else
        look_found(d, e->owner, e->request, LOOK_ABSENT, 0);
}

static void hook_look_flush(void *ctx)
{
    struct daemon *d = ctx;
    if (d->watch)
        watch_flush(d->watch, look_found, d);
}

static void hook_log(void *ctx, enum log_level level, struct slice line, const struct journal_entry *about)
{
    struct daemon *d = ctx;
    struct buf members = {0};
    if (about && log_is_json(d->log))
        journal_put_members(&members, about);
    log_event(d->log, level, line, slice_of(members.ptr, members.len));
    buf_fini(&members);
}

static void hook_journal(void *ctx, const struct effect *e)
{
    struct daemon *d = ctx;
    metrics_count(&d->control->metrics, e->u.journal);
    journal_add(d->journal, e->u.journal);
}

static void store_answered(void *ctx, owner_id session, uint32_t number, const struct grey_answer *answer)
{
    struct daemon *d = ctx;
    struct event e = {.kind = EVENT_STORE, .owner = session, .request = number};
    e.u.answer = answer;
    io_feed(d->io, &e);
}

/* The loop turns: that is what the watchdog asks. */
static void hook_beat(void *ctx)
{
    (void)ctx;
    notify_send("WATCHDOG=1");
}

static void hook_woken(void *ctx)
{
    struct daemon *d = ctx;
    store_take_answers(d->store, store_answered, d);
    control_woken(d);
}

static void put_store(struct daemon *d, const struct store_stats *s, struct buf *out)
{
    buf_printf(out, "store %s ", d->started->set->store);
    if (s->is_open)
        buf_printf(out, "with %llu records", (unsigned long long)s->records);
    else
        buf_put_cstr(out, "cannot be used at present");
}

static void tell_store(struct daemon *d)
{
    struct store_stats s;
    struct buf line = {0};
    store_get_stats(d->store, &s);
    buf_put_cstr(&line, "status: ");
    put_store(d, &s, &line);
    buf_printf(&line, "; %llu commits, p50 %llu us, p99 %llu us", (unsigned long long)s.commits,
               (unsigned long long)s.commit_p50_us, (unsigned long long)s.commit_p99_us);
    log_write(d->log, LOG_LEVEL_NOTICE, buf_slice(&line));
    buf_fini(&line);
}

static void hook_signalled(void *ctx, int signo)
{
    struct daemon *d = ctx;
    if (signo == SIGHUP) {
        if (!d->stopping)
            daemon_reload(d);
        return;
    }
    if (signo == SIGUSR1) {
        io_feed(d->io, &(struct event){.kind = EVENT_REPORT});
        tell_store(d);
        return;
    }
    if (d->stopping)
        return;
    d->stopping = true;
    notify_send("STOPPING=1");
    log_printf(d->log, LOG_LEVEL_NOTICE, "%s: stopping", signo == SIGINT ? "SIGINT" : "SIGTERM");
    io_stop(d->io, DRAIN_MS, STOP_LIMIT_MS);
}

/* Any thread. */
static void store_wakes(void *ctx)
{
    struct daemon *d = ctx;
    io_wake(d->io);
}

static void thread_logs(void *ctx, enum log_level level, const char *line)
{
    struct daemon *d = ctx;
    log_write(d->log, level, slice_cstr(line)); /* the store tells changes, and bounds its own repeats */
}

/* ---- the start: each step says in *why what failed ---- */

static enum err start_identity(struct daemon *d, struct buf *why)
{
    return identity_find(d->plan->set->user, &d->identity, why);
}

static const char *spool_directory(const struct conf_settings *set)
{
    return set->spool ? set->spool : stores_state_directory(set);
}

/* The MTA's connection, one for each child, and one for the message's spool file, which is there for children only. */
static uint32_t files_per_session(const struct conf *conf)
{
    uint32_t children = 0;
    for (size_t i = 0; i < conf->n_filters; i++)
        children += conf->filters[i].connect && conf->filters[i].set.enabled;
    return children ? 2 + children : 1;
}

uint32_t daemon_sessions_max(const struct daemon *d, const struct conf *conf)
{
    uint32_t max = d->descriptors / files_per_session(conf);
    int64_t wanted = d->started->set->sessions_max;
    return wanted > 0 && wanted < max ? (uint32_t)wanted : max;
}

static enum err start_loop(struct daemon *d, struct buf *why)
{
    struct io_hooks hooks = {.ctx = d,
                             .step = hook_step,
                             .kinds = {[IO_MTA] = {.owner = OWNER_SESSION, .overload = hook_overload}},
                             .wants_ticks = hook_wants_ticks,
                             .store = hook_store,
                             .look = hook_look,
                             .look_flush = hook_look_flush,
                             .log = hook_log,
                             .journal = hook_journal,
                             .woken = hook_woken,
                             .beat = hook_beat,
                             .signalled = hook_signalled};
    resolve_hooks(&hooks);
    control_hooks(&hooks);
    const struct conf_settings *set = d->plan->set;
    uint32_t files = io_raise_files(WANTED_FILES);
    /* below twice the reserve half of it is ours: a dozen is open before the first session */
    d->descriptors = files > 2 * IO_FILES_RESERVED ? files - IO_FILES_RESERVED : files / 2;
    d->sessions_max = daemon_sessions_max(d, d->plan->conf);
    struct io_limits limits = {.sessions_max = d->sessions_max,
                               .files_max = d->descriptors - d->sessions_max,
                               .spool_directory = spool_directory(set)};
    enum err e = io_new(&d->io, &hooks, &limits);
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (size_t i = 0; e == ERR_NONE && i < COUNT_OF(signals); i++)
        e = io_catch(d->io, signals[i]);
    if (e != ERR_NONE)
        buf_printf(why, "no event loop: %s", strerror(errno));
    return e;
}

/* What the service manager keeps for us; what is of no use is told, and made here instead. */
static void take_inherited(struct daemon *d)
{
    int n = inherit_count();
    for (int fd = INHERIT_FIRST; fd < INHERIT_FIRST + n; fd++) {
        struct buf why = {0};
        if (io_inherit(d->io, fd, &why) != ERR_NONE)
            log_printf(d->log, LOG_LEVEL_WARNING, "a socket that was handed over is not used: %s", buf_cstr(&why));
        buf_fini(&why);
    }
}

/* Its connections would wait for nobody: they are served like all others. */
static enum err listen_unnamed(struct daemon *d, struct buf *why)
{
    struct buf at = {0};
    enum err e = io_listen_inherited(d->io, &at, why);
    if (e == ERR_NONE && at.len > 0)
        log_printf(d->log, LOG_LEVEL_WARNING, "%s was handed over, and no `listen` line names it: it is served too",
                   buf_cstr(&at));
    buf_fini(&at);
    return e;
}

static enum err start_listeners(struct daemon *d, struct buf *why)
{
    take_inherited(d);
    const struct conf *conf = d->plan->conf;
    for (size_t i = 0; i < conf->n_listens; i++) {
        struct io_listen spec = {.address = conf->listens[i].address,
                                 .mode = (int)conf->listens[i].mode,
                                 .group = conf->listens[i].group,
                                 .owner = d->identity.uid};
        enum err e = io_listen(d->io, &spec, why);
        if (e != ERR_NONE)
            return e;
    }
    return listen_unnamed(d, why);
}

static enum err start_pidfile(struct daemon *d, struct buf *why)
{
    return pidfile_open(d->started->set->pidfile, &d->pidfile, why);
}

static enum err start_watch(struct daemon *d, struct buf *why)
{
    (void)why;
    if (watch_open(&d->watch) != ERR_NONE)
        log_printf(d->log, LOG_LEVEL_WARNING,
                   "clients' connections cannot be watched (NETLINK_SOCK_DIAG: %s); `holds unwatched` decides",
                   strerror(errno));
    return ERR_NONE;
}

/* With root's rights: milter-greylist's file is its own user's, mode 600. Whether it is wanted is known when the store is open. */
static enum err start_dump(struct daemon *d, struct buf *why)
{
    (void)why;
    if (d->plan->set->dumpfile)
        d->dump_error = file_open(d->plan->set->dumpfile, &d->dump_fd);
    d->dump_errno = d->dump_error == ERR_IO ? errno : 0;
    return ERR_NONE;
}

static void dump_close(struct daemon *d)
{
    if (d->dump_fd >= 0)
        close(d->dump_fd);
    d->dump_fd = -1;
}

/* Without it the store or a spool file fails when it is needed; that mail flows does not depend on either. */
static void make_directory(struct daemon *d, const char *path)
{
    struct buf why = {0};
    if (rights_make_directory(path, &d->identity, &why) != ERR_NONE)
        log_printf(d->log, LOG_LEVEL_ERROR, "%s; started all the same", buf_cstr(&why));
    buf_fini(&why);
}

static enum err start_rights(struct daemon *d, struct buf *why)
{
    const char *state = stores_state_directory(d->plan->set), *spool = spool_directory(d->plan->set);
    make_directory(d, state);
    if (strcmp(state, spool) != 0)
        make_directory(d, spool);
    return rights_drop(&d->identity, why);
}

/* Whatever the store is like: where it cannot be used, mail flows without it, and it says so itself. */
static enum err start_store(struct daemon *d, struct buf *why)
{
    const struct conf_settings *set = d->plan->set;
    const struct store_kind *kind = stores_find(set->store);
    struct store_config config = {.place = set->store,
                                  .max_records = set->store_max,
                                  .commit_pause_ms = set->store_commit_pause_ms,
                                  .always = true,
                                  .wake = store_wakes,
                                  .log = thread_logs,
                                  .ctx = d};
    if (kind->guard)
        kind->guard();
    enum err e = kind->open(&config, &d->store);
    if (e != ERR_NONE)
        buf_printf(why, "the store's threads: %s", strerror(errno));
    return e;
}

/* Beside the store's files; for what somebody else writes there a failure to write is told, and nothing more. */
static enum err start_journal(struct daemon *d, struct buf *why)
{
    struct buf directory = {0};
    buf_printf(&directory, "%s/journal", stores_state_directory(d->plan->set));
    struct journal_config config = {.directory = buf_cstr(&directory),
                                    .keep_sec = d->plan->set->journal_sec,
                                    .max_bytes = (uint64_t)d->plan->set->journal_max_bytes,
                                    .log = thread_logs,
                                    .ctx = d};
    enum err e = journal_open(&d->journal, &config);
    if (e != ERR_NONE)
        buf_printf(why, "the journal's thread: %s", strerror(errno));
    buf_fini(&directory);
    return e;
}

/* Once, when the store is new: what milter-greylist knew. A failure is told and nothing more: mail flows. */
static enum err start_import(struct daemon *d, struct buf *why)
{
    (void)why;
    const char *path = d->plan->set->dumpfile;
    struct store_stats stats;
    store_get_stats(d->store, &stats);
    if (path && d->dump_fd >= 0 && !stats.is_open)
        log_printf(d->log, LOG_LEVEL_WARNING, "%s is not imported: there is no store yet (`tarsier import` does it later)",
                   path);
    if (!path || !store_is_new(d->store)) {
        dump_close(d);
        return ERR_NONE;
    }
    struct buf text = {0}, told = {0};
    struct import_result result;
    enum err e = d->dump_error;
    if (e == ERR_NONE) {
        e = file_finish(d->dump_fd, DUMP_MAX_BYTES, &text);
        d->dump_errno = e == ERR_IO ? errno : 0;
        d->dump_fd = -1;
    }
    if (e == ERR_NONE) {
        e = import_text(d->store, d->plan->set, buf_slice(&text), io_now().wall, &result);
        import_put_result(&told, &result);
        log_printf(d->log, LOG_LEVEL_NOTICE, "the store is new: %s is imported: %s", path, buf_cstr(&told));
    }
    if (e != ERR_NONE && e != ERR_NOT_FOUND)
        log_printf(d->log, LOG_LEVEL_ERROR, "cannot import %s: %s (`tarsier import` does it later)", path,
                   d->dump_errno ? strerror(d->dump_errno) : err_text(e));
    buf_fini(&text);
    buf_fini(&told);
    return ERR_NONE;
}

void daemon_take_allows(struct daemon *d, struct allows *allows)
{
    d->allow_changes++;
    allows_unref(d->allows);
    d->allows = allows_ref(allows);
    io_feed(d->io, &(struct event){.kind = EVENT_ALLOWS, .u.allows = allows});
}

/* A file that cannot be read lets nobody in, and stops nobody. */
static void read_allows(struct daemon *d)
{
    struct allows *allows;
    struct buf why = {0};
    enum err e = allow_file_read(stores_state_directory(d->started->set), &allows, &why);
    if (why.len)
        log_printf(d->log, e == ERR_NONE ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "allow: %s", buf_cstr(&why));
    if (e == ERR_NONE)
        daemon_take_allows(d, allows);
    buf_fini(&why);
}

static enum err start_engine(struct daemon *d, struct buf *why)
{
    struct siphash_key key;
    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        buf_printf(why, "no random numbers: %s", strerror(errno));
        return ERR_IO;
    }
    d->engine = engine_new(plan_ref(d->plan), key, io_now());
    read_allows(d);
    io_feed(d->io, &(struct event){.kind = EVENT_LIMITS, .u.limits.mta_sessions = d->mta_sessions});
    io_feed(d->io, &(struct event){.kind = EVENT_PROBE});
    control_restore_pause(d);
    return ERR_NONE;
}

/* In this order: what needs root's rights, then giving them up, then the store (DESIGN 6, "Privileges"). */
static enum err (*const start_steps[])(struct daemon *d, struct buf *why) = {
    start_identity, start_loop,  start_listeners, control_start, start_pidfile, start_watch,  start_dump,
    start_rights,   start_store, start_import,    start_journal, resolve_open,  start_engine,
};

static void tell_start(struct daemon *d)
{
    struct store_stats stats;
    struct buf line = {0};
    store_get_stats(d->store, &stats);
    buf_printf(&line, "tarsierd %s: %s, generation %u, listening at ", TARSIER_VERSION, d->conf_file, d->plan->generation);
    io_describe_listeners(d->io, IO_MTA, &line);
    buf_put_cstr(&line, "; ");
    put_store(d, &stats, &line);
    buf_printf(&line, "; up to %u sessions", d->sessions_max);
    if (d->mta_sessions)
        buf_printf(&line, "; the MTA allows itself %u", d->mta_sessions);
    else
        buf_put_cstr(&line, "; the MTA's own limit is not known");
    log_write(d->log, LOG_LEVEL_NOTICE, buf_slice(&line));
    buf_fini(&line);
}

static bool start(struct daemon *d)
{
    struct loaded l;
    struct buf why = {0};
    loaded_read(d->conf_file, d->options->postfix_dir, &l);
    loaded_check_system(&l, true);
    if (l.plan)
        log_set_json(d->log, l.plan->set->log_format == CONF_LOG_JSON);
    daemon_log_diags(d, &l.diags, DIAG_NOTE);
    if (!l.plan) {
        log_printf(d->log, LOG_LEVEL_ERROR, "not started: %s has %zu error%s", d->conf_file, l.diags.errors,
                   l.diags.errors == 1 ? "" : "s");
        loaded_fini(&l);
        return false;
    }
    d->plan = l.plan;
    d->plan->generation = ++d->generation;
    d->generation_at = d->reload_at = io_now().wall;
    d->started = plan_ref(d->plan);
    d->mta_sessions = l.mta_sessions;
    l.plan = NULL;
    loaded_fini(&l);
    for (size_t i = 0; i < COUNT_OF(start_steps); i++) {
        if (start_steps[i](d, &why) != ERR_NONE) {
            log_printf(d->log, LOG_LEVEL_ERROR, "not started: %s", buf_cstr(&why));
            buf_fini(&why);
            return false;
        }
    }
    tell_start(d);
    return true;
}

/* ---- the end ---- */

static void tell_end(struct daemon *d)
{
    struct engine_stats s = engine_stats(d->engine);
    struct store_stats store;
    store_get_stats(d->store, &store);
    log_printf(d->log, LOG_LEVEL_NOTICE,
               "stopped after %llu sessions: %llu recipients accepted, %llu deferred, %llu rejected; %llu holds, "
               "%llu served, %llu left, %llu cut; %llu commits, commit p50 %llu us, p99 %llu us",
               (unsigned long long)s.sessions, (unsigned long long)s.accepted, (unsigned long long)s.deferred,
               (unsigned long long)s.rejected, (unsigned long long)s.held_all, (unsigned long long)s.served,
               (unsigned long long)s.left, (unsigned long long)s.cut, (unsigned long long)store.commits,
               (unsigned long long)store.commit_p50_us, (unsigned long long)store.commit_p99_us);
}

/* The store first: its threads wake the loop and write to the log. */
static void finish(struct daemon *d)
{
    if (d->engine)
        tell_end(d);
    store_close(d->store);
    resolve_close(d);
    io_free(d->io);
    control_free(d);
    buf_fini(&d->reload_text);
    overload_free(d->overload);
    engine_free(d->engine);
    watch_close(d->watch);
    plan_unref(d->plan);
    plan_unref(d->started);
    allows_unref(d->allows);
    pidfile_close(&d->pidfile);
    dump_close(d);
    identity_fini(&d->identity);
    if (!journal_close(d->journal, JOURNAL_LIMIT_MS))
        log_printf(d->log, LOG_LEVEL_ERROR, "journal: its disk is stuck; the last seconds are not written");
    log_close(d->log, LOG_LIMIT_MS);
}

int daemon_run(const struct options *options, const char *conf_file, enum log_target target)
{
    struct daemon d = {
        .options = options, .conf_file = conf_file, .pidfile = {.fd = -1}, .dump_fd = -1, .overload = overload_new()};
    if (log_open(&d.log, target, "tarsierd", LOG_BUFFER_BYTES, true) != ERR_NONE)
        return 1;
    umask(077);
    bool started = start(&d);
    if (started) {
        notify_send("READY=1");
        io_beat(d.io, notify_watchdog_ms() / 2);
        io_run(d.io);
    } else {
        inherit_turn_away();
    }
    finish(&d);
    return started ? 0 : 1;
}
