/* negotiate.c - what is asked of the MTA: no step and no macro beyond what the plan needs; and the macros that come. */
#include "session/internal.h"

#include <string.h>

/* Steps that no plan of ours needs. */
static const uint32_t steps_never = SMFIP_NOBODY | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN;

static uint32_t steps_for(unsigned needs)
{
    uint32_t steps = steps_never;
    if (!(needs & POLICY_NEEDS_HELO))
        steps |= SMFIP_NOHELO;
    if (!(needs & POLICY_NEEDS_DATA))
        steps |= SMFIP_NODATA;
    return steps;
}

/* SMFIP_NR_CONN, _HELO and _MAIL are never asked for: Postfix does not flush an event that needs no reply (3.7). */
static void put_symlists(const struct session *s, struct milter_options *o, struct buf lists[SMFIM_STAGES])
{
    unsigned needs = s->needs;
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
    for (const char *const *m = policy_macros(s->plan->policy); m && *m; m++)
        for (int stage = SMFIM_CONNECT; stage <= SMFIM_ENVRCPT; stage++)
            buf_printf(&lists[stage], "%s%s", lists[stage].len ? " " : "", *m);
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        if (lists[stage].len > 0)
            o->symlist[stage] = buf_slice(&lists[stage]);
}

enum err session_negotiate(struct session *s, struct slice body)
{
    struct milter_options offer;
    enum err e = milter_parse_options(body, &offer);
    if (e != ERR_NONE)
        return e;
    if (offer.version < MILTER_VERSION_MIN)
        return ERR_UNSUPPORTED;
    s->needs = policy_needs(s->plan->policy);
    uint32_t wanted = SMFIF_SETSYMLIST | (s->needs & POLICY_NEEDS_EOM ? SMFIF_ADDHDRS : 0);
    s->actions = offer.actions & wanted;
    struct milter_options answer = {.version = offer.version < MILTER_VERSION ? offer.version : MILTER_VERSION,
                                    .actions = s->actions,
                                    .steps = offer.steps & steps_for(s->needs)};
    struct buf lists[SMFIM_STAGES] = {0}, packet = {0};
    if (s->actions & SMFIF_SETSYMLIST)
        put_symlists(s, &answer, lists);
    milter_put_options(&packet, &answer);
    s->phase = PHASE_OPEN;
    session_reply(s, buf_slice(&packet));
    buf_fini(&packet);
    for (int stage = 0; stage < SMFIM_STAGES; stage++)
        buf_fini(&lists[stage]);
    return ERR_NONE;
}

bool session_can_take_plan(const struct session *s, const struct plan *p)
{
    if (policy_needs(p->policy) & ~s->needs)
        return false;
    /* macros are negotiated by name: a new one would never come */
    for (const char *const *m = policy_macros(p->policy); m && *m; m++) {
        bool known = false;
        for (const char *const *n = policy_macros(s->plan->policy); n && *n && !known; n++)
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
        if (ip_parse(value, &s->ends.local) != ERR_NONE)
            s->ends.local = (struct ip){0};
    } else if (slice_eq_cstr(name, "{daemon_port}")) {
        s->ends.local_port = port_of(value);
    } else if (slice_eq_cstr(name, "{client_resolve}")) {
        s->resolve = resolve_of(value);
    } else if (slice_eq_cstr(name, "v")) {
        if (slice_has_prefix(value, "Postfix"))
            s->flags |= FLAG_POSTFIX;
    } else if (slice_eq_cstr(name, "{stress}")) {
        if (slice_eq_cstr(value, "yes"))
            s->flags |= FLAG_MTA_STRESS;
    }
}

static const struct text_macro {
    const char *name;
    size_t scope, offset; /* of the scope and of the field in struct session */
} text_macros[] = {
    {"j", offsetof(struct session, conn), offsetof(struct session, mta_name)},
    {"{client_ptr}", offsetof(struct session, conn), offsetof(struct session, client_ptr)},
    {"{if_addr}", offsetof(struct session, conn), offsetof(struct session, if_addr)},
    {"{verify}", offsetof(struct session, helo_scope), offsetof(struct session, verify)},
    {"{cert_subject}", offsetof(struct session, helo_scope), offsetof(struct session, cert_subject)},
    {"i", offsetof(struct session, mail), offsetof(struct session, queue_id)},
    {"{auth_type}", offsetof(struct session, mail), offsetof(struct session, auth_type)},
    {"{auth_authen}", offsetof(struct session, mail), offsetof(struct session, auth_authen)},
};

/* Those whose text a session keeps whatever its plan; false: none of them. */
static bool take_text(struct session *s, struct slice name, struct slice value)
{
    for (size_t i = 0; i < sizeof(text_macros) / sizeof(text_macros[0]); i++) {
        const struct text_macro *m = &text_macros[i];
        if (!slice_eq_cstr(name, m->name))
            continue;
        struct slice *field = (struct slice *)(void *)((char *)s + m->offset);
        if (!field->ptr || !slice_eq(*field, value)) /* {i} comes with every header again */
            *field = session_keep(s, (struct scope *)(void *)((char *)s + m->scope), value);
        if (field == &s->if_addr)
            s->flags |= FLAG_IF_ADDR;
        return true;
    }
    return false;
}

/* Those that only a format of this plan wants. */
static void take_other(struct session *s, uint8_t for_cmd, struct slice name, struct slice value)
{
    const char *const *m = policy_macros(s->plan->policy);
    while (m && *m && !slice_eq_cstr(name, *m))
        m++;
    if (!m || !*m)
        return;
    struct macro **list = &s->mail_macros;
    struct scope *scope = &s->mail;
    if (for_cmd == SMFIC_CONNECT) {
        list = &s->conn_macros;
        scope = &s->conn;
    } else if (for_cmd == SMFIC_HELO) {
        list = &s->helo_macros;
        scope = &s->helo_scope;
    } else if (for_cmd == SMFIC_RCPT) {
        list = &s->rcpt_macros;
        scope = &s->rcpt;
    }
    for (const struct macro *have = *list; have; have = have->next)
        if (slice_eq(have->name, name) && slice_eq(have->value, value))
            return;
    struct slice kept_name = session_keep(s, scope, name), kept_value = session_keep(s, scope, value);
    if (s->phase == PHASE_OVER)
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
    if (s->flags & FLAG_PASSED)
        return;
    begin_scope(s, for_cmd);
    struct slice name, value;
    while (s->phase != PHASE_OVER && milter_next_macro(&pairs, &name, &value)) {
        if (take_text(s, name, value))
            continue;
        take_value(s, name, value);
        take_other(s, for_cmd, name, value);
    }
}
