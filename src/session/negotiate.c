/* negotiate.c - what is asked of the MTA: no step and no macro beyond what the plan needs; and the macros that come. */
#include "filter/macros.h"
#include "filter/registry.h"
#include "session/chain.h"
#include "base/mem.h"

#include <string.h>

/* What the plan itself, without its children, has no use for. */
static uint32_t steps_for(unsigned needs)
{
    uint32_t steps = SMFIP_NOUNKNOWN;
    if (!(needs & POLICY_NEEDS_BODY))
        steps |= SMFIP_NOBODY;
    if (!(needs & (POLICY_NEEDS_HEADERS | POLICY_NEEDS_BODY)))
        steps |= SMFIP_NOHDRS | SMFIP_NOEOH;
    if (!(needs & POLICY_NEEDS_HELO))
        steps |= SMFIP_NOHELO;
    if (!(needs & POLICY_NEEDS_DATA))
        steps |= SMFIP_NODATA;
    return steps;
}

/* What a filter needs of the MTA; NULL: there is none of this number, or its needs are the policy's. */
static const struct child_requirements *required_of(const struct session *s, const struct plan *p, size_t number)
{
    const struct conf_filter *f = &p->conf->filters[number];
    const struct filter_kind *kind = registry_kind(s->d.sh->registry, f);
    const struct filter_kind *gate = kind ? NULL : registry_gate_kind(s->d.sh->registry, f);
    if (!f->set.enabled || p->without_children)
        return NULL;
    if (!kind)
        return gate ? gate->required : NULL;
    return kind->required ? kind->required : &registry_record(s->d.sh->registry, f->name, f->connect)->required;
}

/* How often that has changed. */
static uint64_t learned_of(const struct session *s, const struct plan *p, size_t number)
{
    const struct conf_filter *f = &p->conf->filters[number];
    const struct child_requirements *required = required_of(s, p, number);
    return required && f->connect ? registry_record(s->d.sh->registry, f->name, f->connect)->learned : 0;
}

/* SMFIP_NR_CONN, _HELO and _MAIL are never asked for: Postfix does not flush an event that needs no reply (3.7). */
static void put_symlists(const struct plan *p, struct milter_options *o, struct buf lists[SMFIM_STAGES])
{
    unsigned needs = policy_needs(p->policy);
    buf_put_cstr(&lists[SMFIM_CONNECT], "j v {client_addr} {client_port} {client_ptr} {client_resolve} {daemon_addr} "
                                        "{daemon_port} {if_addr} {stress}");
    if (needs & POLICY_NEEDS_TLS)
        buf_put_cstr(&lists[SMFIM_HELO], "{verify} {cert_subject}");
    buf_put_cstr(&lists[SMFIM_ENVFROM], "i");
    if (needs & POLICY_NEEDS_AUTH)
        buf_put_cstr(&lists[SMFIM_ENVFROM], " {auth_type} {auth_authen}");
    buf_put_cstr(&lists[SMFIM_ENVRCPT], "i");
    buf_put_cstr(&lists[SMFIM_DATA], "i");
    buf_put_cstr(&lists[SMFIM_EOM], "i");
    /* a format may name any macro; the MTA leaves out what it does not know at a stage */
    for (const char *const *m = policy_macros(p->policy); m && *m; m++)
        for (int stage = SMFIM_CONNECT; stage <= SMFIM_ENVRCPT; stage++)
            buf_printf(&lists[stage], "%s%s", lists[stage].len ? " " : "", *m);
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        if (lists[stage].len > 0)
            o->symlist[stage] = buf_slice(&lists[stage]);
}

static struct milter_options requirements_make(struct session *s, const struct plan *p, const struct milter_options *offer,
                                               struct arena *arena)
{
    const struct conf *conf = p->conf;
    const char *defaults[SMFIM_STAGES];
    struct child_requirements required[CONF_FILTERS_MAX];
    struct buf lists[SMFIM_STAGES] = {0};
    unsigned needs = policy_needs(p->policy);
    size_t n = 0;
    struct milter_options own = {
        .version = offer->version < MILTER_VERSION ? offer->version : MILTER_VERSION,
        .actions = offer->actions & (SMFIF_SETSYMLIST | (needs & POLICY_NEEDS_EOM ? SMFIF_ADDHDRS : 0)),
        .steps = offer->steps & steps_for(needs),
    };
    if (own.actions & SMFIF_SETSYMLIST)
        put_symlists(p, &own, lists);
    for (size_t i = 0; i < conf->n_filters; i++) {
        const struct child_requirements *wants = required_of(s, p, i);
        if (wants)
            required[n++] = *wants;
    }
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        defaults[stage] = macros_default(p, (enum milter_stage)stage);
    struct milter_options all = own;
    if (n > 0)
        all = merge_requirements(offer, &own, required, n, defaults, arena);
    else
        for (int stage = 0; stage < SMFIM_STAGES; stage++)
            all.symlist[stage] = arena_slice(arena, own.symlist[stage]);
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        buf_fini(&lists[stage]);
    return all;
}

/* What a session with this plan asks of an MTA that offers so much. Lists are valid until the next call. */
static struct milter_options requirements_of(struct session *s, const struct plan *p, const struct milter_options *offer)
{
    struct requirements_memory *m = &s->d.sh->requirements;
    uint64_t learned = 0; /* counts that only grow: one more in their sum is a change of one */
    for (size_t i = 0; i < p->conf->n_filters; i++)
        learned += learned_of(s, p, i);
    if (m->plan == p && m->learned == learned && m->version == offer->version && m->actions == offer->actions &&
        m->steps == offer->steps)
        return m->required;
    arena_clear(&m->arena);
    m->plan = p;
    m->learned = learned;
    m->version = offer->version;
    m->actions = offer->actions;
    m->steps = offer->steps;
    m->required = requirements_make(s, p, offer, &m->arena);
    return m->required;
}

enum err session_negotiate(struct session *s, struct slice body)
{
    struct milter_options offer;
    struct buf packet = {0};
    enum err e = milter_parse_options(body, &offer);
    if (e != ERR_NONE)
        return e;
    if (offer.version < MILTER_VERSION_MIN)
        return ERR_UNSUPPORTED;
    s->needs = policy_needs(s->d.plan->policy);
    struct milter_options answer = requirements_of(s, s->d.plan, &offer);
    s->d.actions = answer.actions;
    milter_put_options(&packet, &answer);
    if (s->d.transcript)
        transcript_record_options(s->d.transcript, &offer, &answer);
    if (answer.steps & SMFIP_NR_HDR)
        s->flags |= FLAG_SILENT_HEADERS;
    s->phase = PHASE_OPEN;
    session_reply(s, buf_slice(&packet));
    buf_fini(&packet);
    return ERR_NONE;
}

/* Whether the plan asks for no step, action and macro beyond what was granted. */
static bool is_granted(struct session *s, const struct plan *p)
{
    const struct transcript *t = s->d.transcript;
    const struct milter_options offer = {
        .version = t->granted.version, .actions = t->offered_actions, .steps = t->offered_steps};
    struct milter_options required = requirements_of(s, p, &offer);
    bool fits = !(required.actions & ~t->granted.actions) && !(t->granted.steps & milter_no_steps() & ~required.steps) &&
                !(required.steps & SMFIP_RCPT_REJ & ~t->granted.steps);
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        for (struct slice rest = required.symlist[stage]; rest.ptr && fits;) {
            struct slice name = slice_cut(&rest, ' ');
            fits = name.len == 0 || merge_names_have(t->granted.symlist[stage], name);
        }
    return fits;
}

static bool has_filters(const struct session *s, const struct plan *p)
{
    for (size_t i = 0; i < p->conf->n_filters; i++)
        if (required_of(s, p, i))
            return true;
    return false;
}

bool session_can_take_plan(struct session *s, const struct plan *p)
{
    if (s->chain)
        return is_granted(s, p);
    if (has_filters(s, p) || (policy_needs(p->policy) & ~s->needs))
        return false;
    /* macros are negotiated by name: a new one would never come */
    for (const char *const *m = policy_macros(p->policy); m && *m; m++) {
        bool known = false;
        for (const char *const *n = policy_macros(s->d.plan->policy); n && *n && !known; n++)
            known = strcmp(*n, *m) == 0;
        if (!known)
            return false;
    }
    return true;
}

/* ---- macros ---- */

static uint16_t port_of(struct slice value)
{
    uint64_t v;
    return slice_to_u64(value, &v) == ERR_NONE && v <= UINT16_MAX ? (uint16_t)v : 0;
}

static uint8_t resolve_of(struct slice value)
{
    static const char *const names[] = {
        [RESOLVE_OK] = "OK", [RESOLVE_FORGED] = "FORGED", [RESOLVE_TEMP] = "TEMP", [RESOLVE_FAIL] = "FAIL"};
    for (uint8_t i = RESOLVE_OK; i <= RESOLVE_FAIL; i++)
        if (slice_eq_cstr(value, names[i]))
            return i;
    return RESOLVE_ABSENT;
}

/* Those that are read for their value. A format may name them too: then take_other keeps them as text beside it. */
static void take_value(struct session *s, struct slice name, struct slice value)
{
    if (slice_eq_cstr(name, "{daemon_addr}")) {
        if (ip_parse(value, &s->d.client.ends.local) != ERR_NONE)
            s->d.client.ends.local = (struct ip){0};
    } else if (slice_eq_cstr(name, "{daemon_port}")) {
        s->d.client.ends.local_port = port_of(value);
    } else if (slice_eq_cstr(name, "{client_resolve}")) {
        s->d.resolve = resolve_of(value);
    } else if (slice_eq_cstr(name, "v")) {
        if (slice_has_prefix(value, "Postfix"))
            s->d.flags |= DIALOGUE_POSTFIX;
    } else if (slice_eq_cstr(name, "{stress}")) {
        if (slice_eq_cstr(value, "yes"))
            s->d.flags |= DIALOGUE_MTA_STRESS;
    }
}

/* Those whose text a session keeps whatever its plan; false: none of them. */
static bool take_text(struct session *s, struct slice name, struct slice value)
{
    struct dialogue *d = &s->d;
    const struct {
        const char *name;
        struct scope *scope;
        struct slice *field;
    } texts[] = {
        {"j", &d->conn, &d->mta_name},
        {"{client_ptr}", &d->conn, &d->client_ptr},
        {"{if_addr}", &d->conn, &d->if_addr},
        {"{verify}", &d->helo_scope, &d->verify},
        {"{cert_subject}", &d->helo_scope, &d->cert_subject},
        {"i", &d->mail, &d->queue_id},
        {"{auth_type}", &d->mail, &d->auth_type},
        {"{auth_authen}", &d->mail, &d->auth_authen},
    };
    size_t i = 0;
    while (i < COUNT_OF(texts) && !slice_eq_cstr(name, texts[i].name))
        i++;
    if (i == COUNT_OF(texts))
        return false;
    if (!texts[i].field->ptr || !slice_eq(*texts[i].field, value)) /* {i} comes with every header again */
        *texts[i].field = session_keep(s, texts[i].scope, value);
    if (texts[i].field == &d->if_addr)
        d->flags |= DIALOGUE_IF_ADDR;
    return true;
}

/* Those that only a format of this plan wants. */
static void take_other(struct session *s, uint8_t for_cmd, struct slice name, struct slice value)
{
    const char *const *m = policy_macros(s->d.plan->policy);
    while (m && *m && !slice_eq_cstr(name, *m))
        m++;
    if (!m || !*m)
        return;
    struct macro **list = &s->d.mail_macros;
    struct scope *scope = &s->d.mail;
    if (for_cmd == SMFIC_CONNECT) {
        list = &s->d.conn_macros;
        scope = &s->d.conn;
    } else if (for_cmd == SMFIC_HELO) {
        list = &s->d.helo_macros;
        scope = &s->d.helo_scope;
    } else if (for_cmd == SMFIC_RCPT) {
        list = &s->d.rcpt_macros;
        scope = &s->d.rcpt;
    }
    for (const struct macro *have = *list; have; have = have->next)
        if (slice_eq(have->name, name) && slice_eq(have->value, value))
            return;
    struct slice kept_name = session_keep(s, scope, name), kept_value = session_keep(s, scope, value);
    if (session_is_refused(s) || !session_may_keep(s, scope, sizeof(struct macro)))
        return;
    struct macro *new = arena_zalloc(&scope->arena, sizeof(*new));
    *new = (struct macro){.next = *list, .name = kept_name, .value = kept_value};
    *list = new;
}

/* Macros come before their command, also for a step that was switched off, and with a new message before its MAIL. */
static void begin_scope(struct session *s, uint8_t for_cmd)
{
    if (for_cmd == SMFIC_MAIL) {
        session_clear_message(s);
        s->flags |= FLAG_MAIL_MACROS;
    }
    if (for_cmd == SMFIC_RCPT) {
        session_clear_recipient(s);
        s->flags |= FLAG_RCPT_MACROS;
    }
    if (for_cmd == SMFIC_HELO) {
        session_clear_helo(s); /* what STARTTLS told holds now */
        s->flags |= FLAG_HELO_MACROS;
    }
}

void session_macros(struct session *s, uint8_t for_cmd, struct slice pairs)
{
    if (session_is_accepted(s) || session_is_refused(s))
        return;
    begin_scope(s, for_cmd);
    if (s->chain)
        chain_macros(s, for_cmd, pairs);
    struct slice name, value, id = s->d.queue_id;
    while (!session_is_refused(s) && milter_next_macro(&pairs, &name, &value)) {
        if (take_text(s, name, value))
            continue;
        take_value(s, name, value);
        take_other(s, for_cmd, name, value);
    }
    if (!session_is_refused(s) && s->d.queue_id.len && s->d.queue_id.ptr != id.ptr)
        dialogue_log_queue_id(&s->d);
}
