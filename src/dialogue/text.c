/*
 * text.c - how a dialogue is named in lines of the log and in texts. What comes from outside is made harmless here: control bytes
 * become `?` in log lines, and the codec and the formats see to replies and headers.
 */
#include "dialogue/dialogue.h"

#include <stdarg.h>

struct slice dialogue_macro(const void *ctx, struct slice name)
{
    const struct dialogue *d = ctx;
    const struct {
        const char *name;
        struct slice value;
    } own[] = {
        {"j", d->mta_name},
        {"i", d->queue_id},
        {"{client_ptr}", d->client_ptr},
        {"{if_addr}", d->if_addr},
        {"{verify}", d->verify},
        {"{cert_subject}", d->cert_subject},
        {"{auth_type}", d->auth_type},
        {"{auth_authen}", d->auth_authen},
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (slice_eq_cstr(name, own[i].name))
            return own[i].value;
    const struct macro *const lists[] = {d->rcpt_macros, d->mail_macros, d->helo_macros, d->conn_macros};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (const struct macro *m = lists[i]; m; m = m->next)
            if (slice_eq(m->name, name))
                return m->value;
    return SLICE_NONE;
}

/* Where the mail came in, for %V: Postfix sets {daemon_addr}, never {if_addr}. */
struct slice dialogue_address(const struct dialogue *d, char room[IP_TEXT_MAX])
{
    if (d->if_addr.len || d->client.ends.local.family == IP_NONE)
        return d->if_addr;
    return slice_cstr(ip_format(&d->client.ends.local, room));
}

struct slice dialogue_hostname(const struct dialogue *d)
{
    return d->mta_name.len ? d->mta_name : slice_cstr(d->plan->hostname);
}

/* No queue id has a hyphen behind its first letter: Postfix's are hexadecimal, or letters and digits (enable_long_queue_ids). */
void dialogue_put_connection(const struct dialogue *d, struct buf *out)
{
    buf_put_cstr(out, "s-");
    buf_put_cstr(out, d->sh->boot);
    buf_put_byte(out, '-');
    buf_put_u64(out, d->connection);
}

/* What joins the lines of a connection: its own name, for Postfix has no queue id before the first accepted recipient. */
void dialogue_put_key(struct dialogue *d, struct buf *out)
{
    if (d->queue_id.len) {
        buf_put_visible(out, d->queue_id);
        return;
    }
    dialogue_put_connection(d, out);
    d->flags |= DIALOGUE_NAMED;
}

/* "host[192.0.2.1]" */
void dialogue_put_host(const struct dialogue *d, struct buf *out)
{
    char address[IP_TEXT_MAX];
    buf_put_visible(out, d->host);
    buf_put_byte(out, '[');
    buf_put_cstr(out, d->flags & DIALOGUE_LOCAL ? "local" : ip_format(&d->client.ends.remote, address));
    buf_put_byte(out, ']');
}

/* "4BxyZ: addr host[192.0.2.1]" */
void dialogue_put_client(struct dialogue *d, struct buf *out)
{
    dialogue_put_key(d, out);
    buf_put_cstr(out, ": addr ");
    dialogue_put_host(d, out);
}

void dialogue_write_line(const struct dialogue *d, enum log_level level, struct buf *line)
{
    effects_log_line(d->sh->out, d->client.owner, level, buf_slice(line));
    buf_fini(line);
}

void dialogue_log(struct dialogue *d, enum log_level level, const char *fmt, ...)
{
    struct buf line = {0}, text = {0};
    va_list ap;
    dialogue_put_key(d, &line);
    buf_put_cstr(&line, ": ");
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_put_visible(&line, buf_slice(&text)); /* a sender's address may be in it */
    buf_fini(&text);
    dialogue_write_line(d, level, &line);
}
