/* commands.c - any bytes as what an MTA says: what is taken is built and taken again, and means the same. */
#include "base/mem.h"
#include "milter/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct slice a, struct slice b)
{
    if (!slice_eq(a, b) || !a.ptr != !b.ptr)
        PANIC("a command changed on its way through the builder");
}

static struct wire_packet only_packet(const struct buf *b)
{
    struct slice in = buf_slice(b);
    struct wire_packet p = {0};
    if (wire_next(&in, UINT32_MAX, &p) != WIRE_OK || in.len != 0)
        PANIC("the builder made no single packet");
    return p;
}

static void check_options(struct slice body)
{
    struct milter_options o, back;
    if (milter_parse_options(body, &o) != ERR_NONE)
        return;
    struct buf b = {0};
    milter_put_options(&b, &o);
    struct wire_packet p = only_packet(&b);
    if (milter_parse_options(p.body, &back) != ERR_NONE || back.version != o.version || back.actions != o.actions ||
        back.steps != o.steps)
        PANIC("options changed");
    for (unsigned i = 0; i < SMFIM_STAGES; i++)
        same(o.symlist[i], back.symlist[i]);
    buf_fini(&b);
}

static void check_macros(const struct milter_command *c)
{
    struct slice rest = c->u.macro.pairs, name, value;
    while (milter_next_macro(&rest, &name, &value))
        if (slice_find(name, '\0') < name.len || slice_find(value, '\0') < value.len)
            PANIC("a NUL within a macro");
    if (rest.len != 0)
        PANIC("a macro packet was taken that breaks off");
}

static void check_same(const struct milter_command *a, const struct milter_command *b)
{
    switch (a->cmd) {
    case SMFIC_CONNECT:
        same(a->u.connect.host, b->u.connect.host);
        same(a->u.connect.address, b->u.connect.address);
        if (a->u.connect.port != b->u.connect.port || a->u.connect.family != b->u.connect.family)
            PANIC("the client changed");
        break;
    case SMFIC_HELO:
        same(a->u.helo, b->u.helo);
        break;
    case SMFIC_UNKNOWN:
        same(a->u.unknown, b->u.unknown);
        break;
    case SMFIC_MAIL:
    case SMFIC_RCPT:
        same(a->u.envelope.address, b->u.envelope.address);
        same(a->u.envelope.esmtp, b->u.envelope.esmtp);
        break;
    case SMFIC_MACRO:
        same(a->u.macro.pairs, b->u.macro.pairs);
        break;
    case SMFIC_HEADER:
        same(a->u.header.name, b->u.header.name);
        same(a->u.header.value, b->u.header.value);
        break;
    case SMFIC_BODY:
    case SMFIC_BODYEOB:
        same(a->u.body, b->u.body);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct wire_packet p;
    while (wire_next(&in, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        if (p.cmd == SMFIC_OPTNEG)
            check_options(p.body);
        struct milter_command c, back;
        (void)milter_stage_of_command(p.cmd);
        if (milter_parse_command(&p, &c) != ERR_NONE)
            continue;
        if (c.cmd == SMFIC_MACRO)
            check_macros(&c);
        struct buf b = {0};
        milter_put_command(&b, &c);
        struct wire_packet again = only_packet(&b);
        if (milter_parse_command(&again, &back) != ERR_NONE)
            PANIC("a built command is not taken");
        check_same(&c, &back);
        buf_fini(&b);
    }
    return 0;
}
