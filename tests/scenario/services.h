/*
 * services.h - what else stands around the engine: DNS and the spool.
 *
 *     dns A 7.2.0.192.zen.example 127.0.0.2 127.0.0.4      also: absent, fails, silent (to its deadline), after 2s …; `*` in names
 *     dns PTR 192.0.2.7 mail.example.com                   a name nobody has told of is absent
 *     spool fails                                          the disk is full; also: works, broken (reads fail), after 2s
 */
#ifndef TARSIER_SCENARIO_SERVICES_H
#define TARSIER_SCENARIO_SERVICES_H

#include "port/effect.h"
#include "script.h"

struct world;
struct delivery;

struct dns_entry {
    struct dns_entry *next; /* older */
    enum dns_type type;
    const char *name; /* PTR: the address as written */
    enum dns_status status;
    int64_t after_ms;
    struct ip *addresses;
    size_t n_addresses;
    const char *answer; /* PTR */
};

struct dns_question {
    struct dns_question *next;
    const char *name;
};

struct spool_file {
    struct spool_file *next;
    uint64_t id;
    owner_id session;
    struct buf bytes;
    uint64_t promised; /* bytes of all writes so far, also of those that will fail */
    int64_t last_due_ms;
    unsigned last_order;
    bool open;
};

struct services {
    struct dns_entry *entries; /* newest first */
    struct dns_question *asked;
    struct spool_file *files;
    bool spool_full, spool_broken;
    int64_t spool_after_ms;
};

void services_fini(struct services *s);
/* The engine has died. */
void services_forget(struct services *s);
/* EFFECT_DNS, EFFECT_SPOOL_*, EFFECT_DRAIN */
void services_effect(struct world *w, const struct effect *e);
void services_deliver(struct world *w, struct delivery *d);
void services_dns_line(struct world *w, struct script_line *l);
void services_spool_line(struct world *w, struct script_line *l);
/* Files of this session that are open; 0: of all. */
unsigned services_open_files(const struct services *s, owner_id session);

#endif
