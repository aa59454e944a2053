/* control_reload.c - `reload`: waits until the configuration that is there now is in force, or is refused, and tells what was said. */
#include "daemon/control.h"
#include "base/mem.h"

#include <stdlib.h>

/* What the reload said, a line a row. */
static void put_text(const struct daemon *d, struct buf *out)
{
    for (struct slice rest = buf_slice(&d->reload_text); rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        ctl_put_row(out, &line, 1);
    }
}

struct waiting {
    uint64_t number; /* of the reload that counts: one that began after it was asked for */
};

enum ctl_progress control_reload(struct ctl_request *r)
{
    struct daemon *d = r->ctx;
    struct waiting *w = r->state;
    if (d->stopping)
        return ctl_refuse(r, "tarsierd is stopping");
    if (!w) {
        w = r->state = mem_zalloc(sizeof(*w));
        daemon_reload(d);
        w->number = d->reloads_begun + d->reload_again;
    }
    if (d->reloads_ended < w->number)
        return CTL_WAIT;
    put_text(d, r->out);
    return d->reload_failed ? ctl_refuse(r, "%s has errors; generation %u stays in force, nothing is changed", d->conf_file,
                                         d->plan->generation)
                            : CTL_DONE;
}

void control_reload_end(struct ctl_request *r)
{
    free(r->state);
}

void control_reloaded(struct daemon *d)
{
    ctl_server_wake_all(d->control->server, CTL_RELOAD);
}
