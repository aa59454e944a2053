/* capability_probe.c - asking a child what it wants, without a session. */
#include "filter/capability_probe.h"
#include "filter/filter.h"
#include "base/mem.h"
#include "child/address.h"
#include "child/link.h"

#include <stdlib.h>

struct capability_probe {
    struct capability_probe *next;
    struct registry_record *record;
    struct link_limits limits;
    struct link link;
    struct child_address address; /* into record->connect */
    child_id id;                  /* 0: no connection yet */
    uint32_t dns_request;         /* its host's name is being looked up */
};

static void arm(struct registry *r)
{
    int64_t first = 0;
    for (const struct capability_probe *q = r->probes; q; q = q->next)
        if (q->link.deadline.ms && (first == 0 || q->link.deadline.ms < first))
            first = q->link.deadline.ms;
    if (first)
        timer_arm(r->wheel, &r->probe_timer, (struct mono){first});
    else
        timer_stop(r->wheel, &r->probe_timer);
}

static void end(struct registry *r, struct capability_probe *q)
{
    struct capability_probe **at = &r->probes;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (q->id) {
        effects_add(r->out, EFFECT_CHILD_CLOSE, 0)->u.child.id = q->id;
        registry_connection_forget(r, q->id);
    }
    link_fini(&q->link);
    free(q);
    arm(r);
}

static void fail(struct registry *r, struct capability_probe *q, const char *why)
{
    effects_log(r->out, 0, LOG_LEVEL_WARNING, "filter \"%s\": %s: %s", q->record->name, q->record->connect, why);
    end(r, q);
}

static void connect_to(struct registry *r, struct capability_probe *q, const struct ip *ip)
{
    struct effect *e = effects_add(r->out, EFFECT_CHILD_OPEN, 0);
    q->id = registry_connection_name(r, q->record, q, OWNER_NOBODY, 0);
    e->u.child.id = q->id;
    if (q->address.path)
        e->u.child.path = arena_cstr(&r->out->arena, slice_cstr(q->address.path));
    else
        e->u.child.address = *ip;
    e->u.child.port = q->address.port;
}

static void begin(struct registry *r, const struct conf_filter *f, struct registry_record *record)
{
    struct capability_probe *q = mem_zalloc(sizeof(*q));
    q->record = record;
    q->limits = (struct link_limits){.connect_ms = f->set.timeout_connect_sec * 1000,
                                     .command_ms = f->set.timeout_command_sec * 1000,
                                     .progress_max_ms = f->set.progress_max_sec * 1000};
    link_init(&q->link, &q->limits);
    q->address = child_address_cut(record->connect);
    q->next = r->probes;
    r->probes = q;
    link_connecting(&q->link, r->now.mono); /* its clock runs from here on, also while its host's name is looked up */
    arm(r);
    if (q->address.path || q->address.ip.family != IP_NONE) {
        connect_to(r, q, &q->address.ip);
        return;
    }
    if (++r->last_probe == 0)
        r->last_probe = 1;
    struct effect *e = effects_add(r->out, EFFECT_DNS, 0);
    e->u.dns.type = q->address.is_v6 ? DNS_AAAA : DNS_A;
    e->u.dns.name = arena_slice(&r->out->arena, q->address.host);
    e->request = q->dns_request = r->last_probe;
}

void capability_probes_begin(struct registry *r, const struct plan *plan)
{
    const struct conf *conf = plan->conf;
    for (size_t i = 0; i < conf->n_filters; i++) {
        const struct conf_filter *f = &conf->filters[i];
        const struct filter_kind *kind = registry_kind(r, f);
        if (!kind || kind->required || !f->set.enabled)
            continue;
        struct registry_record *record = registry_record(r, f->name, f->connect);
        const struct capability_probe *q = r->probes;
        while (q && q->record != record)
            q = q->next;
        if (!q && !record->required.known)
            begin(r, f, record);
    }
}

static void say_options(struct registry *r, struct capability_probe *q)
{
    /* as Postfix offers it; what a session's MTA offers less is not granted then */
    const struct milter_options offer = {.version = MILTER_VERSION, .actions = SMFIF_ALL, .steps = MILTER_STEPS_ALL};
    struct buf out = {0};
    link_connected(&q->link, &offer, r->now.mono, &out);
    effects_child_send(r->out, q->id, buf_slice(&out));
    buf_fini(&out);
    arm(r);
}

static void negotiated(struct registry *r, struct capability_probe *q)
{
    struct buf out = {0};
    registry_learn(q->record, &q->link.got);
    effects_log(r->out, 0, LOG_LEVEL_NOTICE, "filter \"%s\": answers at %s, version %u", q->record->name, q->record->connect,
                q->link.got.version);
    link_ask(&q->link, &(struct milter_command){.cmd = SMFIC_QUIT}, SLICE_NONE, r->now.mono, &out);
    effects_child_send(r->out, q->id, buf_slice(&out));
    buf_fini(&out);
    end(r, q);
}

void capability_probe_news(struct registry *r, struct capability_probe *q, const struct event *event)
{
    struct slice bytes = event->u.child.bytes;
    struct link_answer nothing;
    switch (event->u.child.news) {
    case CHILD_CONNECTED:
        say_options(r, q);
        return;
    case CHILD_LOST:
        link_lost(&q->link, event->u.child.error);
        fail(r, q, q->link.why);
        return;
    case CHILD_DRAINED:
        return;
    case CHILD_BYTES:
        break;
    }
    for (;;) {
        switch (link_take(&q->link, &bytes, r->now.mono, &nothing)) {
        case LINK_NEGOTIATED:
            negotiated(r, q);
            return;
        case LINK_PROGRESS:
            break;
        case LINK_BROKEN:
            fail(r, q, q->link.why);
            return;
        default:
            arm(r);
            return;
        }
    }
}

void capability_probe_resolved(struct registry *r, const struct event *event)
{
    struct capability_probe *q = r->probes;
    while (q && (q->dns_request == 0 || q->dns_request != event->request))
        q = q->next;
    if (!q)
        return;
    q->dns_request = 0;
    if (event->u.dns.status != DNS_FOUND || event->u.dns.n_addresses == 0)
        fail(r, q, event->u.dns.status == DNS_FAILED ? "its host's address cannot be found now" : "its host has no address");
    else
        connect_to(r, q, &event->u.dns.addresses[0]);
}

void capability_probes_check(struct registry *r)
{
    for (struct capability_probe *q = r->probes, *next; q; q = next) {
        next = q->next;
        if (link_check_deadline(&q->link, r->now.mono))
            fail(r, q, q->link.why);
    }
    arm(r);
}

void capability_probes_stop(struct registry *r)
{
    while (r->probes)
        end(r, r->probes);
}
