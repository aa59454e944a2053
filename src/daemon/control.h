/*
 * control.h - the control socket: the server (ctl/server.h) on the loop, whose rights are which, and the table of what the commands
 * do. A command's handler stands in a file of its own, control_NAME.c, and finds the daemon in request->ctx.
 */
#ifndef TARSIER_DAEMON_CONTROL_H
#define TARSIER_DAEMON_CONTROL_H

#include "base/list.h"
#include "ctl/server.h"
#include "daemon/control_rights.h"
#include "daemon/daemon.h"
#include "daemon/metrics.h"

struct control {
    struct ctl_server *server;
    struct control_rights rights;
    struct metrics metrics;
    struct list changes; /* of files, control_change_file: the first one is under way */
    bool turn_wanted;
    struct instant started;
    struct mono last_mta; /* when an MTA has connected last; ms 0: never */
};

/* Listen, with root's rights. What goes wrong is told, and mail flows without a control socket. */
MUST_CHECK enum err control_start(struct daemon *d, struct buf *why);
void control_free(struct daemon *d);
void control_hooks(struct io_hooks *hooks);

/* From the daemon's own hooks: an event that is no connection's; a wake; whether time is of interest. */
void control_event(struct daemon *d, const struct event *event, struct effects *out);
void control_woken(struct daemon *d);
bool control_wants_ticks(const struct daemon *d);
/* A reload has put other rights in force. Takes them over. */
void control_take_rights(struct daemon *d, struct control_rights *rights);

/* A reload has ended, as daemon.reload_failed and reload_text say. */
void control_reloaded(struct daemon *d);
/* At the start: a pause that was not over. */
void control_restore_pause(struct daemon *d);

/*
 * As io_work, one after another in the order they were asked for: a file that is beside the store ends as the last one to ask wants it,
 * and what is slow to write has one worker, not all.
 */
void control_change_file(struct daemon *d, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

/* ---- handlers ---- */

enum ctl_progress control_status(struct ctl_request *r);
enum ctl_progress control_metrics(struct ctl_request *r);
void control_metrics_end(struct ctl_request *r);
enum ctl_progress control_holds(struct ctl_request *r);
void control_holds_end(struct ctl_request *r);
enum ctl_progress control_release(struct ctl_request *r);
enum ctl_progress control_drop(struct ctl_request *r);
enum ctl_progress control_reload(struct ctl_request *r);
void control_reload_end(struct ctl_request *r);
enum ctl_progress control_pause(struct ctl_request *r);
enum ctl_progress control_resume(struct ctl_request *r);
void control_pause_end(struct ctl_request *r);
enum ctl_progress control_trace_on(struct ctl_request *r);
enum ctl_progress control_trace_off(struct ctl_request *r);
enum ctl_progress control_trace_list(struct ctl_request *r);
enum ctl_progress control_history(struct ctl_request *r);
void control_history_end(struct ctl_request *r);
enum ctl_progress control_stats(struct ctl_request *r);
enum ctl_progress control_allow_list(struct ctl_request *r);
void control_allow_list_end(struct ctl_request *r);
enum ctl_progress control_allow_add(struct ctl_request *r);
enum ctl_progress control_allow_remove(struct ctl_request *r);
void control_allow_end(struct ctl_request *r);

/* control_grey.c */
enum ctl_progress control_grey_list(struct ctl_request *r);
enum ctl_progress control_grey_delete(struct ctl_request *r);
enum ctl_progress control_grey_import(struct ctl_request *r);
enum ctl_progress control_explain(struct ctl_request *r);
void control_grey_end(struct ctl_request *r);

#endif
