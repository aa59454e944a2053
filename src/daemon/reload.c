/*
 * reload.c - SIGHUP. The new generation is read and compiled on a worker thread; the loop only swaps a pointer. An error
 * leaves everything as it is. What was done with root's rights at the start (and the store) stays, and that is said.
 * resolv.conf is read again too.
 */
#include "base/mem.h"
#include "conf/settings.h"
#include "daemon/control.h"
#include "daemon/notify.h"
#include "setup/allow_file.h"
#include "setup/stores.h"

#include <stdlib.h>
#include <string.h>

struct reload {
    struct daemon *d;
    const char *conf_file, *postfix_dir; /* the worker reads these and nothing else of the daemon */
    uid_t owner;
    struct loaded loaded;
    struct control_rights rights;
    const char *state;     /* the directory */
    struct allows *allows; /* NULL: could not be read; allow_why tells */
    struct buf allow_why;
    uint32_t allow_changes;        /* when it was begun */
    struct dns_resolver *resolver; /* NULL: resolv.conf could not be read */
};

static void reload_work(void *ctx)
{
    struct reload *r = ctx;
    loaded_read(r->conf_file, r->postfix_dir, &r->loaded);
    if (r->loaded.plan)
        control_rights_find(r->loaded.plan->set, r->owner, &r->rights);
    if (allow_file_read(r->state, &r->allows, &r->allow_why) != ERR_NONE)
        r->allows = NULL;
    if (dns_resolver_new(&dns_limits_default, NULL, &r->resolver) != ERR_NONE)
        r->resolver = NULL;
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool listens_equal(const struct conf *a, const struct conf *b)
{
    if (a->n_listens != b->n_listens)
        return false;
    for (size_t i = 0; i < a->n_listens; i++) {
        const struct conf_listen *x = &a->listens[i], *y = &b->listens[i];
        if (!text_equal(x->address, y->address) || x->mode != y->mode || !text_equal(x->group, y->group))
            return false;
    }
    return true;
}

/* To the log, and to whoever waits for the end of the reload. */
static void say(struct daemon *d, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(struct daemon *d, enum log_level level, const char *fmt, ...)
{
    struct buf line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    log_printf(d->log, level, "reload: %s", buf_cstr(&line));
    buf_put_slice(&d->reload_text, buf_slice(&line));
    buf_put_byte(&d->reload_text, '\n');
    buf_fini(&line);
}

static void tell_restart(struct daemon *d, const struct plan *plan)
{
    for (size_t i = 0; i < settings_count(); i++) {
        const struct setting *row = settings_row(i);
        if (row->needs_restart && !settings_equal(d->started->set, plan->set, row))
            say(d, LOG_LEVEL_WARNING, "`%s` is not what it was: it needs a restart", row->name);
    }
    if (!listens_equal(d->started->conf, plan->conf))
        say(d, LOG_LEVEL_WARNING, "`listen` is not what it was: it needs a restart");
}

/* With more children a session needs more descriptors: fewer of them fit. */
static void share_descriptors(struct daemon *d)
{
    uint32_t max = daemon_sessions_max(d, d->plan->conf);
    if (max == d->sessions_max)
        return;
    say(d, LOG_LEVEL_NOTICE, "up to %u sessions now, it was %u", max, d->sessions_max);
    d->sessions_max = max;
    io_share(d->io, max, d->descriptors - max);
}

static void put_in_force(struct reload *r)
{
    struct daemon *d = r->d;
    struct loaded *l = &r->loaded;
    struct plan *plan = l->plan;
    l->plan = NULL;
    plan->generation = ++d->generation;
    d->generation_at = d->reload_at;
    log_set_json(d->log, plan->set->log_format == CONF_LOG_JSON);
    tell_restart(d, plan);
    plan_unref(d->plan);
    d->plan = plan_ref(plan);
    share_descriptors(d);
    control_take_rights(d, &r->rights);
    journal_keep(d->journal, plan->set->journal_sec, (uint64_t)plan->set->journal_max_bytes);
    io_feed(d->io, &(struct event){.kind = EVENT_PLAN, .u.plan = plan});
    if (l->mta_sessions != d->mta_sessions)
        log_printf(d->log, LOG_LEVEL_NOTICE, "the MTA's limit is now %u sessions (0: not known), it was %u", l->mta_sessions,
                   d->mta_sessions);
    d->mta_sessions = l->mta_sessions;
    io_feed(d->io, &(struct event){.kind = EVENT_LIMITS, .u.limits.mta_sessions = l->mta_sessions});
    io_feed(d->io, &(struct event){.kind = EVENT_PROBE});
    say(d, LOG_LEVEL_NOTICE, "%s is in force, generation %u", d->conf_file, plan->generation);
}

/* Edited by hand, perhaps. A change that was made while this was read has read the file later. */
static void take_allows(struct daemon *d, struct reload *r)
{
    if (r->allow_why.len)
        log_printf(d->log, r->allows ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "allow: %s%s", buf_cstr(&r->allow_why),
                   r->allows ? "" : "; the list of before stays in force");
    if (r->allows && r->allow_changes == d->allow_changes) {
        daemon_take_allows(d, r->allows);
        r->allows = NULL;
    }
}

static void reload_done(void *ctx)
{
    struct reload *r = ctx;
    struct daemon *d = r->d;
    d->reloading = false;
    if (!d->stopping) {
        d->reload_at = io_now().wall;
        d->reload_failed = !r->loaded.plan;
        buf_clear(&d->reload_text);
        diags_print_from(&r->loaded.diags, DIAG_WARNING, &d->reload_text);
        if (r->resolver)
            dns_switch(d->dns, r->resolver, io_now().mono);
        r->resolver = NULL;
        take_allows(d, r);
        /* A note asks nothing of anybody: the start has told it, and --check does. */
        daemon_log_diags(d, &r->loaded.diags, DIAG_WARNING);
        if (r->loaded.plan)
            put_in_force(r);
        else
            log_printf(d->log, LOG_LEVEL_ERROR,
                       "reload: %s has %zu error%s; generation %u stays in force, nothing is changed", d->conf_file,
                       r->loaded.diags.errors, r->loaded.diags.errors == 1 ? "" : "s", d->plan->generation);
        notify_send("READY=1");
    }
    loaded_fini(&r->loaded);
    control_rights_fini(&r->rights);
    allows_unref(r->allows);
    buf_fini(&r->allow_why);
    dns_resolver_free(r->resolver);
    free(r);
    d->reloads_ended = d->reloads_begun;
    bool again = d->reload_again && !d->stopping;
    if (again)
        daemon_reload(d);
    control_reloaded(d);
}

void daemon_reload(struct daemon *d)
{
    d->reload_again = d->reloading;
    if (d->reloading)
        return;
    d->reloading = true;
    d->reloads_begun++;
    notify_reloading();
    struct reload *r = mem_zalloc(sizeof(*r));
    r->d = d;
    r->conf_file = d->conf_file;
    r->owner = d->control->rights.owner;
    r->state = stores_state_directory(d->started->set);
    r->allow_changes = d->allow_changes;
    r->postfix_dir = d->options->postfix_dir;
    io_work(d->io, reload_work, reload_done, r);
}
