/*
 * plan.h - one immutable, counted generation of the configuration: the file as written, compiled, with what it needs around it.
 * Built anywhere (a reload builds on a worker thread); counted on the loop's thread only.
 */
#ifndef TARSIER_PLAN_PLAN_H
#define TARSIER_PLAN_PLAN_H

#include "conf/conf.h"
#include "match/domain.h"
#include "policy/policy.h"

enum { PLAN_MTA_STAGES = 7 };

struct plan {
    unsigned references;
    uint32_t generation; /* 0 as built; whoever puts it in force numbers it, for logs */
    struct conf *conf;
    const struct conf_settings *set; /* conf's */
    struct policy *policy;
    const struct domain_list *domains; /* NULL: not wanted (hostkey address), or there is none: then the address */
    struct domain_list *own_domains;   /* the same, where it is not the policy's */
    char *hostname;                    /* ours, for %V when {j} is absent */
    /* milter_*_macros of the MTA's own configuration, by stage (milter/protocol.h); NULL: not set there, or not to be read */
    char *mta_macros[PLAN_MTA_STAGES];
    bool without_children; /* nobody is asked but the greylist filter: for `tarsier explain` */
};

/*
 * Read, check and compile the file at path. NULL when diags has an error; warnings and notes stand there in any case.
 * hostname is copied. Owner: the caller has one reference.
 */
struct plan *plan_build(const struct conf_source *source, const char *path, const char *hostname, struct diags *diags);

struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* NULL is harmless */

/*
 * The tuple of a decision: cleaned text into arena, address bits and domain by the settings (DESIGN 4: the domain only when
 * hostkey is domain, the name verified, not itself a suffix and not a line's by generic_rdns).
 */
struct grey_tuple plan_tuple(const struct plan *p, const struct policy_facts *f, struct arena *arena);

/*
 * A request to the store with what the settings say of it: lives, delay, pairs, lazyaw. The line's own delay and autowhite, and
 * what the hold was, are the caller's to fill in. first_seen is now.
 */
struct grey_request plan_request(const struct plan *p, enum grey_request_kind kind, const struct grey_tuple *tuple,
                                 struct wall now);

#endif
