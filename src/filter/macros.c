/*
 * macros.c - the macros that a child gets with a command: of those that the MTA has sent the ones that it would have been sent
 * if it spoke to the MTA alone, and those that its filter's `provide` adds.
 */
#include "filter/macros.h"

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

const char *macros_default(const struct plan *plan, enum milter_stage stage)
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
static struct ip local_address(const struct dialogue *d)
{
    struct ip ip;
    return d->if_addr.len > 0 && ip_parse(d->if_addr, &ip) == ERR_NONE ? ip : d->client.ends.local;
}

/* As Sendmail would: where the mail came in, and a queue id at MAIL, which Postfix has only when a recipient is accepted. */
static void put_sendmail(const struct filter *f, const struct filter_common *common, uint8_t cmd, struct buf *out)
{
    const struct dialogue *d = f->d;
    char text[IP_TEXT_MAX + 8];
    struct ip local = local_address(d);
    if (cmd == SMFIC_CONNECT && local.family != IP_NONE) {
        char address[IP_TEXT_MAX];
        snprintf(text, sizeof(text), "%s%s", local.family == IP_V6 ? "IPv6:" : "", ip_format(&local, address));
        put(out, "{if_addr}", slice_cstr(text));
        put(out, "{if_name}", common->if_name);
        snprintf(text, sizeof(text), "%u", d->client.ends.local_port);
        if (d->client.ends.local_port)
            put(out, "{daemon_port}", slice_cstr(text));
    }
    if (cmd == SMFIC_MAIL) {
        snprintf(text, sizeof(text), "T%08X%04X", owner_serial(d->client.owner) ^ owner_slot(d->client.owner) << 16,
                 d->transcript->messages & 0xffff);
        put(out, "i", slice_cstr(text));
    }
}

bool macros_ready(struct filter *f, struct filter_common *common)
{
    struct dialogue *d = f->d;
    if (!(f->conf->provide & CONF_PROVIDE_SENDMAIL_MACROS) || common->if_name_known || local_address(d).family == IP_NONE)
        return true;
    if (common->if_name_request == 0) {
        struct effect *e = effects_add(d->sh->out, EFFECT_DNS, d->client.owner);
        e->u.dns.type = DNS_PTR;
        e->u.dns.address = local_address(d);
        e->request = common->if_name_request = dialogue_next_request(d);
        trace_line(d, "question %u to DNS: PTR of our own address", common->if_name_request);
    }
    return false;
}

void macros_put(const struct filter *f, const struct filter_common *common, uint8_t cmd, struct slice names,
                struct slice pairs, struct buf *out)
{
    const struct dialogue *d = f->d;
    enum milter_stage stage = milter_stage_of_command(cmd);
    unsigned provide = f->conf->provide;
    if (stage == SMFIM_STAGES || cmd == SMFIC_ABORT || cmd == SMFIC_QUIT)
        return;
    if (!names.ptr)
        names = slice_cstr(macros_default(d->plan, stage));
    merge_filter_macros(pairs, names, out);
    if (provide & CONF_PROVIDE_SENDMAIL_MACROS)
        put_sendmail(f, common, cmd, out);
    if ((provide & CONF_PROVIDE_STRESS) && cmd == SMFIC_CONNECT && dialogue_is_stressed(d))
        put(out, "{stress}", SLICE_LIT("yes"));
    if ((provide & CONF_PROVIDE_TRUSTED) && cmd == SMFIC_MAIL && policy_is_trusted(d->plan->policy, d->sender))
        put(out, "{trusted_domain}", SLICE_LIT("yes"));
}

bool macros_resolved(struct filter_common *common, const struct event *event)
{
    if (common->if_name_request == 0 || common->if_name_request != event->request)
        return false;
    common->if_name_request = 0;
    common->if_name_known = true;
    if (event->u.dns.status == DNS_FOUND)
        common->if_name = arena_slice(&common->connection_texts, slice_upto(event->u.dns.name, 255));
    return true;
}
