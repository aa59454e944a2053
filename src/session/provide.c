/*
 * provide.c - the macros that a child gets with a command: of those that the MTA has sent the ones that it would have been sent
 * if it spoke to the MTA alone, and those that its filter's `provide` adds.
 */
#include "session/children.h"

#include <stdio.h>
#include <string.h>

/* What Postfix sends a filter that names none (milter_*_macros, 3.7; the same in 3.12). */
static const char *const postfix_macros[SMFIM_STAGES] = {
    [SMFIM_CONNECT] = "j {daemon_name} {daemon_addr} v _",
    [SMFIM_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    [SMFIM_ENVRCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    [SMFIM_DATA] = "i",
    [SMFIM_EOM] = "i",
    [SMFIM_EOH] = "i",
};

const char *children_default_macros(const struct plan *plan, enum milter_stage stage)
{
    return plan->mta_macros[stage] ? plan->mta_macros[stage] : postfix_macros[stage];
}

static bool has(struct slice pairs, const char *wanted)
{
    struct slice name, value;
    while (milter_next_macro(&pairs, &name, &value))
        if (slice_eq_cstr(name, wanted))
            return true;
    return false;
}

static void put(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0 || has(buf_slice(out), name))
        return;
    buf_put(out, name, strlen(name) + 1);
    buf_put_slice(out, value);
    buf_put_byte(out, '\0');
}

/* Where the mail came in: as the MTA says it itself, if it does. */
static struct ip local_address(const struct session *s)
{
    struct ip ip;
    return s->d.if_addr.len > 0 && ip_parse(s->d.if_addr, &ip) == ERR_NONE ? ip : s->d.client.ends.local;
}

/* As Sendmail would: where the mail came in, and a queue id at MAIL, which Postfix has only when a recipient is accepted. */
static void put_sendmail(struct milter *c, uint8_t cmd, struct buf *out)
{
    const struct session *s = c->session;
    char text[IP_TEXT_MAX + 8];
    struct ip local = local_address(s);
    if (cmd == SMFIC_CONNECT && local.family != IP_NONE) {
        char address[IP_TEXT_MAX];
        snprintf(text, sizeof(text), "%s%s", local.family == IP_V6 ? "IPv6:" : "", ip_format(&local, address));
        put(out, "{if_addr}", slice_cstr(text));
        put(out, "{if_name}", s->children->if_name);
        snprintf(text, sizeof(text), "%u", s->d.client.ends.local_port);
        if (s->d.client.ends.local_port)
            put(out, "{daemon_port}", slice_cstr(text));
    }
    if (cmd == SMFIC_MAIL) {
        snprintf(text, sizeof(text), "T%08X%04X", owner_serial(s->d.client.owner) ^ owner_slot(s->d.client.owner) << 16,
                 s->d.transcript->messages & 0xffff);
        put(out, "i", slice_cstr(text));
    }
}

bool child_macros_ready(struct milter *c)
{
    struct session *s = c->session;
    struct children *ch = s->children;
    if (!(c->conf->provide & CONF_PROVIDE_SENDMAIL_MACROS) || ch->if_name_known || local_address(s).family == IP_NONE)
        return true;
    if (ch->if_name_request == 0) {
        struct effect *e = effects_add(s->d.sh->out, EFFECT_DNS, s->d.client.owner);
        e->u.dns.type = DNS_PTR;
        e->u.dns.address = local_address(s);
        e->request = ch->if_name_request = session_next_request(s);
    }
    return false;
}

void child_macros(struct milter *c, uint8_t cmd, struct slice pairs, struct buf *out)
{
    const struct session *s = c->session;
    enum milter_stage stage = milter_stage_of_command(cmd);
    unsigned provide = c->conf->provide;
    if (stage == SMFIM_STAGES || cmd == SMFIC_ABORT || cmd == SMFIC_QUIT)
        return;
    struct slice names = c->link->got.symlist[stage];
    if (!names.ptr)
        names = slice_cstr(children_default_macros(s->d.plan, stage));
    merge_filter_macros(pairs, names, out);
    if (provide & CONF_PROVIDE_SENDMAIL_MACROS)
        put_sendmail(c, cmd, out);
    if ((provide & CONF_PROVIDE_STRESS) && cmd == SMFIC_CONNECT && children_facts(s).stressed)
        put(out, "{stress}", SLICE_LIT("yes"));
    if ((provide & CONF_PROVIDE_TRUSTED) && cmd == SMFIC_MAIL && policy_is_trusted(s->d.plan->policy, s->d.sender))
        put(out, "{trusted_domain}", SLICE_LIT("yes"));
}
