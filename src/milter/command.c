/*
 * command.c - the MTA's packets, cut and built. Knows the form of each command; what a command means in a dialogue, and whether
 * it may come now, is the session's.
 */
#include "milter/command.h"
#include "base/mem.h"

enum form {
    FORM_NONE, /* nothing, or nothing that counts */
    FORM_CONNECT,
    FORM_STRING,
    FORM_ENVELOPE,
    FORM_MACRO,
    FORM_HEADER,
    FORM_BYTES,
};

/* clang-format off */
static const struct milter_command_kind kinds[] = {
    /*                                                      version  answered  macros anyway */
    {SMFIC_CONNECT, FORM_CONNECT,  STAGE_CONNECT, SMFIM_CONNECT, 2, true,  true,  SMFIP_NOCONNECT, SMFIP_NR_CONN, "CONNECT", "CONNECT"},
    {SMFIC_HELO,    FORM_STRING,   STAGE_HELO,    SMFIM_HELO,    2, true,  true,  SMFIP_NOHELO,    SMFIP_NR_HELO, "HELO",    "HELO"},
    {SMFIC_MAIL,    FORM_ENVELOPE, STAGE_MAIL,    SMFIM_ENVFROM, 2, true,  true,  SMFIP_NOMAIL,    SMFIP_NR_MAIL, "MAIL",    "MAIL"},
    {SMFIC_RCPT,    FORM_ENVELOPE, STAGE_RCPT,    SMFIM_ENVRCPT, 2, true,  true,  SMFIP_NORCPT,    SMFIP_NR_RCPT, "RCPT",    "RCPT"},
    {SMFIC_DATA,    FORM_NONE,     STAGE_DATA,    SMFIM_DATA,    4, true,  true,  SMFIP_NODATA,    SMFIP_NR_DATA, "DATA",    "DATA"},
    {SMFIC_HEADER,  FORM_HEADER,   STAGE_HEADER,  SMFIM_EOH,     2, true,  false, SMFIP_NOHDRS,    SMFIP_NR_HDR,  "HEADER",  "the headers"},
    {SMFIC_EOH,     FORM_NONE,     STAGE_EOH,     SMFIM_EOH,     2, true,  true,  SMFIP_NOEOH,     SMFIP_NR_EOH,  "EOH",     "EOH"},
    {SMFIC_BODY,    FORM_BYTES,    STAGE_BODY,    SMFIM_EOM,     2, true,  false, SMFIP_NOBODY,    SMFIP_NR_BODY, "BODY",    "the body"},
    {SMFIC_BODYEOB, FORM_BYTES,    STAGE_EOM,     SMFIM_EOM,     2, true,  false, 0,               0,             "EOM",     "EOM"},
    {SMFIC_UNKNOWN, FORM_STRING,   STAGE_END,     SMFIM_STAGES,  3, true,  false, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, "UNKNOWN", "unknown commands"},
    {SMFIC_MACRO,   FORM_MACRO,    STAGE_END,     SMFIM_STAGES,  2, false, false, 0,               0,             "MACRO",   "MACRO"},
    {SMFIC_ABORT,   FORM_NONE,     STAGE_END,     SMFIM_STAGES,  2, false, false, 0,               0,             "ABORT",   "ABORT"},
    {SMFIC_QUIT,    FORM_NONE,     STAGE_END,     SMFIM_STAGES,  2, false, false, 0,               0,             "QUIT",    "QUIT"},
    {SMFIC_QUIT_NC, FORM_NONE,     STAGE_END,     SMFIM_STAGES,  6, false, false, 0,               0,             "QUIT_NC", "QUIT_NC"},
};
/* clang-format on */

const struct milter_command_kind *milter_command_kinds(size_t *count)
{
    *count = COUNT_OF(kinds);
    return kinds;
}

const struct milter_command_kind *milter_command_kind(uint8_t cmd)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].cmd == cmd)
            return &kinds[i];
    return NULL;
}

uint32_t milter_no_steps(void)
{
    uint32_t steps = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        steps |= kinds[i].no_step;
    return steps;
}

const char *milter_command_name(uint8_t cmd)
{
    if (cmd == SMFIC_OPTNEG)
        return "OPTNEG";
    const struct milter_command_kind *k = milter_command_kind(cmd);
    return k ? k->name : "unknown command";
}

enum milter_stage milter_stage_of_command(uint8_t cmd)
{
    const struct milter_command_kind *k = milter_command_kind(cmd);
    return k ? (enum milter_stage)k->macro_stage : SMFIM_STAGES;
}

/* Strings and pairs. */

bool milter_next_string(struct slice *rest, struct slice *out)
{
    size_t end = slice_find(*rest, '\0');
    if (end == rest->len)
        return false;
    *out = slice_of(rest->ptr, end);
    *rest = slice_from(*rest, end + 1);
    return true;
}

bool milter_next_macro(struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice after = *rest;
    if (!milter_next_string(&after, name) || !milter_next_string(&after, value))
        return false;
    *rest = after;
    return true;
}

/* Negotiation. */

enum err milter_parse_options(struct slice body, struct milter_options *out)
{
    *out = (struct milter_options){0};
    if (!wire_take_u32(&body, &out->version) || !wire_take_u32(&body, &out->actions) || !wire_take_u32(&body, &out->steps))
        return ERR_SYNTAX;
    while (body.len > 0) {
        uint32_t stage;
        struct slice names;
        if (!wire_take_u32(&body, &stage) || !milter_next_string(&body, &names))
            return ERR_SYNTAX;
        if (stage < SMFIM_STAGES)
            out->symlist[stage] = names;
    }
    return ERR_NONE;
}

void milter_put_options(struct buf *out, const struct milter_options *o)
{
    size_t mark = wire_begin(out, SMFIC_OPTNEG);
    buf_put_u32be(out, o->version);
    buf_put_u32be(out, o->actions);
    buf_put_u32be(out, o->steps);
    for (uint32_t stage = 0; stage < SMFIM_STAGES; stage++) {
        if (!o->symlist[stage].ptr)
            continue;
        buf_put_u32be(out, stage);
        wire_put_string(out, o->symlist[stage]);
    }
    wire_end(out, mark);
}

/* Commands. */

static enum err parse_connect(struct slice body, struct milter_command *out)
{
    if (!milter_next_string(&body, &out->u.connect.host) || body.len == 0)
        return ERR_SYNTAX;
    out->u.connect.family = (uint8_t)body.ptr[0];
    switch (out->u.connect.family) {
    case MILTER_FAMILY_UNKNOWN:
        /* Postfix sends nothing more; a port and an address that others add mean nothing */
        return ERR_NONE;
    case MILTER_FAMILY_UNIX:
    case MILTER_FAMILY_INET:
    case MILTER_FAMILY_INET6:
        break;
    default:
        return ERR_SYNTAX;
    }
    if (body.len < 3)
        return ERR_SYNTAX;
    out->u.connect.port = (uint16_t)((uint8_t)body.ptr[1] << 8 | (uint8_t)body.ptr[2]);
    body = slice_from(body, 3);
    return milter_next_string(&body, &out->u.connect.address) ? ERR_NONE : ERR_SYNTAX;
}

/* Whether the bytes are strings, each with its NUL. */
static bool all_terminated(struct slice s)
{
    return s.len == 0 || s.ptr[s.len - 1] == '\0';
}

static enum err parse_envelope(struct slice body, struct milter_command *out)
{
    if (!milter_next_string(&body, &out->u.envelope.address) || !all_terminated(body))
        return ERR_SYNTAX;
    out->u.envelope.esmtp = body;
    return ERR_NONE;
}

static enum err parse_macro(struct slice body, struct milter_command *out)
{
    if (body.len == 0)
        return ERR_SYNTAX;
    out->u.macro.for_cmd = (uint8_t)body.ptr[0];
    /* no pair at all is normal: Postfix 3.7 sends that at HELO when there is no TLS */
    out->u.macro.pairs = slice_from(body, 1);
    struct slice rest = out->u.macro.pairs, name, value;
    while (milter_next_macro(&rest, &name, &value))
        continue;
    return rest.len == 0 ? ERR_NONE : ERR_SYNTAX;
}

static enum err parse_header(struct slice body, struct milter_command *out)
{
    return milter_next_string(&body, &out->u.header.name) && milter_next_string(&body, &out->u.header.value) ? ERR_NONE
                                                                                                             : ERR_SYNTAX;
}

enum err milter_parse_command(const struct wire_packet *p, struct milter_command *out)
{
    *out = (struct milter_command){.cmd = p->cmd};
    const struct milter_command_kind *k = milter_command_kind(p->cmd);
    if (!k)
        return ERR_UNSUPPORTED;
    struct slice body = p->body;
    switch ((enum form)k->form) {
    case FORM_NONE:
        return ERR_NONE;
    case FORM_CONNECT:
        return parse_connect(body, out);
    case FORM_STRING:
        return milter_next_string(&body, p->cmd == SMFIC_HELO ? &out->u.helo : &out->u.unknown) ? ERR_NONE : ERR_SYNTAX;
    case FORM_ENVELOPE:
        return parse_envelope(body, out);
    case FORM_MACRO:
        return parse_macro(body, out);
    case FORM_HEADER:
        return parse_header(body, out);
    case FORM_BYTES:
        out->u.body = body;
        return ERR_NONE;
    }
    return ERR_UNSUPPORTED;
}

static void put_connect(struct buf *out, const struct milter_command *c)
{
    wire_put_string(out, c->u.connect.host);
    buf_put_byte(out, (char)c->u.connect.family);
    if (c->u.connect.family == MILTER_FAMILY_UNKNOWN)
        return;
    buf_put_u16be(out, c->u.connect.port);
    wire_put_string(out, c->u.connect.address);
}

void milter_put_command(struct buf *out, const struct milter_command *c)
{
    const struct milter_command_kind *k = milter_command_kind(c->cmd);
    if (!k)
        PANIC("not a command of the MTA's");
    size_t mark = wire_begin(out, c->cmd);
    switch ((enum form)k->form) {
    case FORM_NONE:
        break;
    case FORM_CONNECT:
        put_connect(out, c);
        break;
    case FORM_STRING:
        wire_put_string(out, c->cmd == SMFIC_HELO ? c->u.helo : c->u.unknown);
        break;
    case FORM_ENVELOPE:
        wire_put_string(out, c->u.envelope.address);
        buf_put_slice(out, c->u.envelope.esmtp);
        break;
    case FORM_MACRO:
        buf_put_byte(out, (char)c->u.macro.for_cmd);
        buf_put_slice(out, c->u.macro.pairs);
        break;
    case FORM_HEADER:
        wire_put_string(out, c->u.header.name);
        wire_put_string(out, c->u.header.value);
        break;
    case FORM_BYTES:
        buf_put_slice(out, c->u.body);
        break;
    }
    wire_end(out, mark);
}
