/*
 * services.c - DNS, the spool and the MTA's drain. Answers come later, never within the step that asked; those about one file
 * come in the order of its questions.
 */
#include "services.h"

#include "base/mem.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_DEADLINE_MS = 8000, SOON_MS = 100 };

/* ---- DNS ---- */

static const char *const types[] = {"A", "AAAA", "PTR"};

static const char *asked_name(struct world *w, const struct effect *e)
{
    if (e->u.dns.type != DNS_PTR)
        return arena_cstr(&w->arena, e->u.dns.name);
    char text[IP_TEXT_MAX];
    return arena_printf(&w->arena, "%s", ip_format(&e->u.dns.address, text));
}

static const struct dns_entry *find_entry(const struct services *s, enum dns_type type, const char *name)
{
    for (const struct dns_entry *d = s->entries; d; d = d->next)
        if (d->type == type && script_glob(d->name, name))
            return d;
    return NULL;
}

static void ask_dns(struct world *w, const struct effect *e)
{
    struct services *s = &w->services;
    const char *name = asked_name(w, e);
    world_tell(w, "DNS %s %s?", types[e->u.dns.type], name);
    if (e->u.dns.type != DNS_PTR && (e->u.dns.name.len == 0 || name[strlen(name) - 1] == '.'))
        world_fail(w, "a question to DNS about \"%s\"", name);
    struct dns_question *q = arena_zalloc(&w->arena, sizeof(*q));
    *q = (struct dns_question){s->asked, name};
    s->asked = q;
    const struct dns_entry *entry = find_entry(s, e->u.dns.type, name);
    int64_t after = entry ? entry->after_ms : 0;
    struct delivery *d = outside_later(w, DELIVER_DNS, w->now_ms + 1 + world_random(w, 3) + after);
    d->session = e->owner;
    d->request = e->request;
    d->slow = after > SOON_MS;
    d->dns = entry;
}

static void tell_dns(struct world *w, const struct delivery *d)
{
    struct event event = {.kind = EVENT_DNS, .owner = d->session, .request = d->request};
    event.u.dns.status = d->dns ? d->dns->status : DNS_ABSENT;
    if (event.u.dns.status == DNS_FOUND) {
        event.u.dns.addresses = d->dns->addresses;
        event.u.dns.n_addresses = d->dns->n_addresses;
        event.u.dns.name = slice_cstr(d->dns->answer);
    }
    static const char *const statuses[] = {"found", "absent", "failed"};
    world_tell(w, "DNS answers: %s", statuses[event.u.dns.status]);
    world_step(w, &event);
}

/* dns TYPE NAME [after N] ANSWER… */
void services_dns_line(struct world *w, struct script_line *l)
{
    struct dns_entry *d = arena_zalloc(&w->arena, sizeof(*d));
    unsigned at = 3;
    while (d->type <= DNS_PTR && strcmp(types[d->type], l->words[1]) != 0)
        d->type++;
    if (d->type > DNS_PTR) {
        world_fail(w, "dns A|AAAA|PTR NAME ANSWER…");
        return;
    }
    d->name = l->words[2];
    if (at + 1 < l->n_words && strcmp(l->words[at], "after") == 0) {
        d->after_ms = world_duration_ms(w, l->words[at + 1]);
        at += 2;
    }
    const char *first = at < l->n_words ? l->words[at] : "absent";
    d->status = DNS_FOUND;
    if (strcmp(first, "silent") == 0)
        d->after_ms = DNS_DEADLINE_MS;
    if (strcmp(first, "silent") == 0 || strcmp(first, "fails") == 0)
        d->status = DNS_FAILED;
    else if (strcmp(first, "absent") == 0)
        d->status = DNS_ABSENT;
    else if (d->type == DNS_PTR)
        d->answer = first;
    else
        d->addresses = arena_zalloc(&w->arena, (l->n_words - at) * sizeof(*d->addresses));
    for (; d->addresses && at < l->n_words; at++)
        if (ip_parse(slice_cstr(l->words[at]), &d->addresses[d->n_addresses++]) != ERR_NONE)
            world_fail(w, "no address: %s", l->words[at]);
    d->next = w->services.entries;
    w->services.entries = d;
}

/* ---- the spool ---- */

static struct spool_file *find_file(const struct services *s, uint64_t id)
{
    for (struct spool_file *f = s->files; f; f = f->next)
        if (f->id == id && f->open)
            return f;
    return NULL;
}

static struct spool_file *file_for_write(struct world *w, const struct effect *e)
{
    struct spool_file *f = find_file(&w->services, e->u.spool.id);
    if (f)
        return f;
    f = mem_zalloc(sizeof(*f));
    *f = (struct spool_file){.next = w->services.files, .id = e->u.spool.id, .session = e->owner, .open = true};
    w->services.files = f;
    return f;
}

static void ask_spool(struct world *w, const struct effect *e)
{
    struct services *s = &w->services;
    bool write = e->kind == EFFECT_SPOOL_WRITE;
    if (e->u.spool.id == 0 || e->request == 0)
        world_fail(w, "a spool file without a name, or a request to it without a number");
    struct spool_file *f = write ? file_for_write(w, e) : find_file(s, e->u.spool.id);
    if (!f) {
        world_fail(w, "a spool file is read that is not there");
        return;
    }
    if (!write && (e->u.spool.length == 0 || e->u.spool.length > SPOOL_READ_MAX_BYTES))
        world_fail(w, "a read of %u bytes from the spool", e->u.spool.length);
    world_tell(w, "spool: %s #%u", write ? "write" : "read", e->request);
    int64_t due = w->now_ms + 1 + world_random(w, 3) + s->spool_after_ms;
    if (due < f->last_due_ms)
        due = f->last_due_ms;
    struct delivery *d = outside_later(w, DELIVER_SPOOL, due);
    if (due == f->last_due_ms && d->order <= f->last_order)
        d->order = f->last_order + 1;
    f->last_due_ms = due;
    f->last_order = d->order;
    d->slow = due - w->now_ms > SOON_MS;
    d->session = e->owner;
    d->request = e->request;
    d->spool_id = f->id;
    d->offset = e->u.spool.offset;
    d->length = e->u.spool.length;
    if (write) {
        d->bytes = arena_slice(&w->arena, e->u.spool.bytes);
        f->promised += d->bytes.len;
    } else if (d->offset + d->length > f->promised) {
        world_fail(w, "the spool is read beyond what was written");
    }
}

static void tell_spool(struct world *w, const struct delivery *d)
{
    struct spool_file *f = find_file(&w->services, d->spool_id);
    if (!f)
        return;
    struct event event = {.kind = EVENT_SPOOL, .owner = d->session, .request = d->request};
    bool write = d->bytes.ptr != NULL;
    if (write)
        event.u.spool.ok = !w->services.spool_full;
    else /* what could not be written is not there */
        event.u.spool.ok = !w->services.spool_broken && d->offset + d->length <= f->bytes.len;
    if (!event.u.spool.ok)
        event.u.spool.error = write ? ENOSPC : EIO;
    else if (write)
        buf_put_slice(&f->bytes, d->bytes);
    else
        event.u.spool.bytes = slice_of(f->bytes.ptr + d->offset, d->length);
    world_tell(w, "spool answers #%u: %s", d->request, event.u.spool.ok ? "done" : "failed");
    world_step(w, &event);
}

static void close_file(struct world *w, const struct effect *e)
{
    struct spool_file *f = find_file(&w->services, e->u.spool.id);
    if (!f) {
        world_fail(w, "a spool file is closed that is not there");
        return;
    }
    f->open = false;
    buf_fini(&f->bytes);
}

void services_spool_line(struct world *w, struct script_line *l)
{
    struct services *s = &w->services;
    const char *word = l->words[1];
    if (strcmp(word, "after") == 0 && l->n_words > 2) {
        s->spool_after_ms = world_duration_ms(w, l->words[2]);
        return;
    }
    s->spool_full = strcmp(word, "fails") == 0;
    s->spool_broken = strcmp(word, "broken") == 0;
    s->spool_after_ms = 0;
    if (!s->spool_full && !s->spool_broken && strcmp(word, "works") != 0)
        world_fail(w, "spool fails|broken|works|after N");
}

unsigned services_open_files(const struct services *s, owner_id session)
{
    unsigned n = 0;
    for (const struct spool_file *f = s->files; f; f = f->next)
        n += f->open && (!session || f->session == session);
    return n;
}

/* ---- all of them ---- */

void services_effect(struct world *w, const struct effect *e)
{
    if (e->kind == EFFECT_DNS) {
        ask_dns(w, e);
    } else if (e->kind == EFFECT_SPOOL_CLOSE) {
        close_file(w, e);
    } else if (e->kind == EFFECT_DRAIN) {
        struct delivery *d = outside_later(w, DELIVER_DRAINED, w->now_ms + world_random(w, 3));
        d->session = e->owner;
        d->request = e->request;
    } else {
        ask_spool(w, e);
    }
}

void services_deliver(struct world *w, struct delivery *d)
{
    if (d->kind == DELIVER_DNS) {
        tell_dns(w, d);
    } else if (d->kind == DELIVER_SPOOL) {
        tell_spool(w, d);
    } else {
        struct conn *c = world_conn_of(w, d->session);
        if (c)
            c->unread_bytes = 0;
        world_step(w, &(struct event){.kind = EVENT_DRAINED, .owner = d->session, .request = d->request});
    }
}

void services_forget(struct services *s)
{
    while (s->files) {
        struct spool_file *f = s->files;
        s->files = f->next;
        buf_fini(&f->bytes);
        free(f);
    }
}

void services_fini(struct services *s)
{
    services_forget(s);
}
