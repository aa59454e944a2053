/* surplus.c - the least possible milter. */
#include "daemon/surplus.h"
#include "milter/command.h"

enum {
    SURPLUS_STEPS = SMFIP_NOHELO | SMFIP_NORCPT | SMFIP_NOBODY | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA,
};

enum answer { ANSWERED, SILENT, HOPELESS };

static enum answer answer_options(const struct wire_packet *packet, enum surplus_answer answer, struct buf *out)
{
    uint32_t steps = SURPLUS_STEPS | (answer == SURPLUS_DISCARD ? 0 : SMFIP_NOMAIL);
    struct milter_options theirs;
    if (milter_parse_options(packet->body, &theirs) != ERR_NONE || theirs.version < MILTER_VERSION_MIN)
        return HOPELESS;
    struct milter_options ours = {
        .version = theirs.version < MILTER_VERSION ? theirs.version : MILTER_VERSION,
        .steps = theirs.steps & steps,
    };
    milter_put_options(out, &ours);
    return ANSWERED;
}

/* Only a message can be discarded. */
static uint8_t code_for(uint8_t cmd, enum surplus_answer answer)
{
    static const uint8_t codes[] = {[SURPLUS_ACCEPT] = SMFIR_ACCEPT,
                                    [SURPLUS_TEMPFAIL] = SMFIR_TEMPFAIL,
                                    [SURPLUS_REJECT] = SMFIR_REJECT,
                                    [SURPLUS_DISCARD] = SMFIR_DISCARD};
    bool early = cmd == SMFIC_CONNECT || cmd == SMFIC_HELO || cmd == SMFIC_UNKNOWN;
    return answer == SURPLUS_DISCARD && early ? SMFIR_CONTINUE : codes[answer];
}

static enum answer answer_packet(const struct wire_packet *packet, enum surplus_answer answer, struct buf *out)
{
    switch (packet->cmd) {
    case SMFIC_OPTNEG:
        return answer_options(packet, answer, out);
    case SMFIC_MACRO:
    case SMFIC_ABORT:
    case SMFIC_QUIT_NC:
        return SILENT;
    case SMFIC_QUIT:
        return HOPELESS;
    default:
        wire_put(out, code_for(packet->cmd, answer), SLICE_NONE);
        return ANSWERED;
    }
}

void surplus_step(const struct event *event, enum surplus_answer answer, struct effects *out)
{
    if (event->kind == EVENT_EOF)
        effects_add(out, EFFECT_CLOSE, event->session);
    if (event->kind != EVENT_BYTES)
        return;
    struct slice in = event->u.bytes;
    struct buf reply = {0};
    bool hopeless = false;
    while (in.len > 0 && !hopeless) {
        struct wire_packet packet;
        hopeless =
            wire_next(&in, WIRE_PACKET_MAX_BYTES, &packet) != WIRE_OK || answer_packet(&packet, answer, &reply) == HOPELESS;
    }
    if (reply.len > 0)
        effects_send(out, event->session, buf_slice(&reply));
    if (hopeless)
        effects_add(out, EFFECT_CLOSE, event->session);
    buf_fini(&reply);
}
