/* registry.c - what is known of filters' milters beyond a session. */
#include "filter/registry.h"
#include "base/mem.h"
#include "filter/filter.h"

#include <stdlib.h>
#include <string.h>

const struct histogram_bounds registry_seconds_bounds = {{5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000}};

const char *registry_result_word(enum registry_result result)
{
    static const char *const words[REGISTRY_RESULTS] = {
        [REGISTRY_PASS] = "pass",     [REGISTRY_ACCEPT] = "accept",   [REGISTRY_TEMPFAIL] = "tempfail",
        [REGISTRY_REJECT] = "reject", [REGISTRY_DISCARD] = "discard", [REGISTRY_QUARANTINE] = "quarantine",
        [REGISTRY_FAILED] = "failed", [REGISTRY_STOP] = "stop",
    };
    return words[result];
}

void registry_init(struct registry *r, struct timer_wheel *wheel)
{
    *r = (struct registry){.wheel = wheel};
    timer_init(&r->probe_timer);
}

void registry_fini(struct registry *all)
{
    for (struct registry_record *r = all->records, *next; r; r = next) {
        next = r->next;
        arena_fini(&r->required_arena);
        free(r->name);
        free(r->connect);
        free(r);
    }
    free(all->slots);
}

/* ---- kinds ---- */

void registry_add_kind(struct registry *r, const struct filter_kind *kind)
{
    if (r->n_kinds == FILTER_KINDS_MAX)
        PANIC("there are more kinds of filters than the table has rows");
    r->kinds[r->n_kinds++] = kind;
}

const struct filter_kind *registry_kind(const struct registry *r, const struct conf_filter *conf)
{
    for (unsigned i = r->n_kinds; i > 0; i--)
        if (r->kinds[i - 1]->is(conf))
            return r->kinds[i - 1]->make ? r->kinds[i - 1] : NULL;
    return NULL;
}

const struct filter_kind *registry_gate_kind(const struct registry *r, const struct conf_filter *conf)
{
    for (unsigned i = r->n_kinds; i > 0; i--)
        if ((conf || r->kinds[i - 1]->make_gate) && r->kinds[i - 1]->is(conf))
            return r->kinds[i - 1]->make_gate ? r->kinds[i - 1] : NULL;
    return NULL;
}

/* ---- records ---- */

struct registry_record *registry_record(struct registry *all, const char *name, const char *connect)
{
    struct registry_record *r = all->records;
    while (r && (strcmp(r->name, name) != 0 || strcmp(r->connect, connect) != 0))
        r = r->next;
    if (r)
        return r;
    /* Under another address it is another milter, of which nothing is known; sessions may still speak with the old one. */
    r = mem_zalloc(sizeof(*r));
    r->name = mem_strdup(name);
    r->connect = mem_strdup(connect);
    r->next = all->records;
    all->records = r;
    return r;
}

static bool options_eq(const struct milter_options *a, const struct milter_options *b)
{
    bool same = a->version == b->version && a->actions == b->actions && a->steps == b->steps;
    for (int i = 0; i < SMFIM_STAGES && same; i++)
        same = slice_eq(a->symlist[i], b->symlist[i]) && !a->symlist[i].ptr == !b->symlist[i].ptr;
    return same;
}

void registry_note_unnegotiated(struct registry_record *r, uint32_t actions)
{
    r->unnegotiated |= actions;
    r->required.options.actions |= actions;
    r->learned++;
}

void registry_learn(struct registry_record *r, const struct milter_options *options)
{
    struct milter_options wanted = *options;
    wanted.actions |= r->unnegotiated;
    if (r->required.known && options_eq(&r->required.options, &wanted))
        return;
    arena_clear(&r->required_arena);
    r->learned++;
    r->required.known = true;
    r->required.options = wanted;
    for (int i = 0; i < SMFIM_STAGES; i++)
        r->required.options.symlist[i] = arena_slice(&r->required_arena, options->symlist[i]);
}

/* ---- connections ---- */

child_id registry_connection_name(struct registry *r, const struct registry_record *record, struct capability_probe *probe,
                                  owner_id session, unsigned filter)
{
    uint32_t slot = r->free_slot;
    if (slot == 0) {
        r->slots = mem_grow(r->slots, &r->cap_slots, r->n_slots + 1, sizeof(*r->slots));
        r->slots[r->n_slots] = (struct registry_slot){0};
        slot = (uint32_t)++r->n_slots;
    } else {
        r->free_slot = r->slots[slot - 1].next_free;
    }
    struct registry_slot *c = &r->slots[slot - 1];
    c->is_open = true;
    c->record = record;
    c->probe = probe;
    c->session = session;
    c->filter = (uint8_t)filter;
    if (++c->serial == 0)
        c->serial = 1; /* so that no name is 0 */
    return owner_make(OWNER_CHILD, slot - 1, c->serial);
}

const struct registry_slot *registry_connection_find(const struct registry *r, child_id id)
{
    uint32_t slot = owner_slot(id);
    if (slot >= r->n_slots || r->slots[slot].serial != owner_serial(id))
        return NULL;
    const struct registry_slot *c = &r->slots[slot];
    return c->is_open ? c : NULL;
}

void registry_connection_forget(struct registry *r, child_id id)
{
    struct registry_slot *c = &r->slots[owner_slot(id)];
    c->is_open = false;
    c->next_free = r->free_slot;
    r->free_slot = owner_slot(id) + 1;
}
