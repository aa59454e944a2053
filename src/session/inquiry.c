/* inquiry.c - asking a child what it wants, without a session. */
#include "session/inquiry.h"
#include "base/mem.h"
#include "child/address.h"
#include "child/link.h"

#include <stdlib.h>

struct inquiry {
    struct inquiry *next;
    struct child_record *record;
    struct link_limits limits;
    struct link link;
    struct child_address address; /* into record->connect */
    child_id id;                  /* 0: no connection yet */
    uint32_t dns_request;         /* its host's name is being looked up */
};

static void arm(struct shared *sh)
{
    int64_t first = 0;
    for (const struct inquiry *q = sh->inquiries; q; q = q->next)
        if (q->link.deadline.ms && (first == 0 || q->link.deadline.ms < first))
            first = q->link.deadline.ms;
    if (first)
        timer_arm(&sh->wheel, &sh->inquiry_timer, (struct mono){first});
    else
        timer_stop(&sh->wheel, &sh->inquiry_timer);
}

static void end(struct shared *sh, struct inquiry *q)
{
    struct inquiry **at = &sh->inquiries;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (q->id) {
        effects_add(sh->out, EFFECT_CHILD_CLOSE, 0)->u.child.id = q->id;
        shared_child_forget(sh, q->id);
    }
    link_fini(&q->link);
    free(q);
    arm(sh);
}

static void fail(struct shared *sh, struct inquiry *q, const char *why)
{
    effects_log(sh->out, 0, LOG_LEVEL_WARNING, "filter \"%s\": %s: %s", q->record->name, q->record->connect, why);
    end(sh, q);
}

static void connect_to(struct shared *sh, struct inquiry *q, const struct ip *ip)
{
    struct effect *e = effects_add(sh->out, EFFECT_CHILD_OPEN, 0);
    q->id = shared_child_name(sh, NULL, q);
    e->u.child.id = q->id;
    if (q->address.path)
        e->u.child.path = arena_cstr(&sh->out->arena, slice_cstr(q->address.path));
    else
        e->u.child.address = *ip;
    e->u.child.port = q->address.port;
}

static void begin(struct shared *sh, const struct conf_filter *f, struct child_record *record)
{
    struct inquiry *q = mem_zalloc(sizeof(*q));
    q->record = record;
    q->limits = (struct link_limits){.connect_ms = f->set.timeout_connect_sec * 1000,
                                     .command_ms = f->set.timeout_command_sec * 1000,
                                     .progress_max_ms = f->set.progress_max_sec * 1000};
    link_init(&q->link, &q->limits);
    q->address = child_address_cut(record->connect);
    q->next = sh->inquiries;
    sh->inquiries = q;
    link_connecting(&q->link, sh->now.mono); /* its clock runs from here on, also while its host's name is looked up */
    arm(sh);
    if (q->address.path || q->address.ip.family != IP_NONE) {
        connect_to(sh, q, &q->address.ip);
        return;
    }
    if (++sh->last_inquiry == 0)
        sh->last_inquiry = 1;
    struct effect *e = effects_add(sh->out, EFFECT_DNS, 0);
    e->u.dns.type = q->address.is_v6 ? DNS_AAAA : DNS_A;
    e->u.dns.name = arena_slice(&sh->out->arena, q->address.host);
    e->request = q->dns_request = sh->last_inquiry;
}

void inquiries_begin(struct shared *sh)
{
    const struct conf *conf = sh->plan->conf;
    for (size_t i = 0; i < conf->n_filters; i++) {
        const struct conf_filter *f = &conf->filters[i];
        if (f->builtin || !f->set.enabled)
            continue;
        struct child_record *record = shared_record(sh, f->name, f->connect);
        const struct inquiry *q = sh->inquiries;
        while (q && q->record != record)
            q = q->next;
        if (!q && !record->wish.known)
            begin(sh, f, record);
    }
}

static void say_options(struct shared *sh, struct inquiry *q)
{
    /* as Postfix offers it; what a session's MTA offers less is not granted then */
    const struct milter_options offer = {.version = MILTER_VERSION, .actions = SMFIF_ALL, .steps = MILTER_STEPS_ALL};
    struct buf out = {0};
    link_connected(&q->link, &offer, sh->now.mono, &out);
    effects_child_send(sh->out, q->id, buf_slice(&out));
    buf_fini(&out);
    arm(sh);
}

static void negotiated(struct shared *sh, struct inquiry *q)
{
    struct buf out = {0};
    record_learn(q->record, &q->link.got);
    effects_log(sh->out, 0, LOG_LEVEL_NOTICE, "filter \"%s\": answers at %s, version %u", q->record->name,
                q->record->connect, q->link.got.version);
    link_ask(&q->link, &(struct milter_command){.cmd = SMFIC_QUIT}, SLICE_NONE, sh->now.mono, &out);
    effects_child_send(sh->out, q->id, buf_slice(&out));
    buf_fini(&out);
    end(sh, q);
}

void inquiry_news(struct shared *sh, struct inquiry *q, const struct event *event)
{
    struct slice bytes = event->u.child.bytes;
    struct link_answer nothing;
    switch (event->u.child.news) {
    case CHILD_CONNECTED:
        say_options(sh, q);
        return;
    case CHILD_LOST:
        link_lost(&q->link, event->u.child.error);
        fail(sh, q, q->link.why);
        return;
    case CHILD_DRAINED:
        return;
    case CHILD_BYTES:
        break;
    }
    for (;;) {
        switch (link_take(&q->link, &bytes, sh->now.mono, &nothing)) {
        case LINK_NEGOTIATED:
            negotiated(sh, q);
            return;
        case LINK_PROGRESS:
            break;
        case LINK_BROKEN:
            fail(sh, q, q->link.why);
            return;
        default:
            arm(sh);
            return;
        }
    }
}

void inquiry_resolved(struct shared *sh, const struct event *event)
{
    struct inquiry *q = sh->inquiries;
    while (q && (q->dns_request == 0 || q->dns_request != event->request))
        q = q->next;
    if (!q)
        return;
    q->dns_request = 0;
    if (event->u.dns.status != DNS_FOUND || event->u.dns.n_addresses == 0)
        fail(sh, q,
             event->u.dns.status == DNS_FAILED ? "its host's address cannot be found now" : "its host has no address");
    else
        connect_to(sh, q, &event->u.dns.addresses[0]);
}

void inquiries_check(struct shared *sh)
{
    for (struct inquiry *q = sh->inquiries, *next; q; q = next) {
        next = q->next;
        if (link_check_deadline(&q->link, sh->now.mono))
            fail(sh, q, q->link.why);
    }
    arm(sh);
}

void inquiries_stop(struct shared *sh)
{
    while (sh->inquiries)
        end(sh, sh->inquiries);
}
