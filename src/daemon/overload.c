/* overload.c - the least possible milter. */
#include "daemon/overload.h"
#include "base/list.h"
#include "base/mem.h"
#include "milter/command.h"

#include <stdlib.h>

enum {
    OVERLOAD_STEPS =
        SMFIP_NOHELO | SMFIP_NORCPT | SMFIP_NOBODY | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA,
};

/* The beginning of a frame: less than one frame of the largest size. The loop bounds how many connections there are. */
struct piece {
    struct list node;
    owner_id session;
    struct buf bytes;
};

struct overload {
    struct list pieces; /* few connections have one at any time */
};

enum answer { ANSWERED, SILENT, HOPELESS };

static enum answer answer_options(const struct wire_packet *packet, enum overload_answer answer, struct buf *out)
{
    uint32_t steps = OVERLOAD_STEPS | (answer == OVERLOAD_DISCARD ? 0 : SMFIP_NOMAIL);
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
static uint8_t code_for(uint8_t cmd, enum overload_answer answer)
{
    static const uint8_t codes[] = {[OVERLOAD_ACCEPT] = SMFIR_ACCEPT,
                                    [OVERLOAD_TEMPFAIL] = SMFIR_TEMPFAIL,
                                    [OVERLOAD_REJECT] = SMFIR_REJECT,
                                    [OVERLOAD_DISCARD] = SMFIR_DISCARD};
    bool early = cmd == SMFIC_CONNECT || cmd == SMFIC_HELO || cmd == SMFIC_UNKNOWN;
    return answer == OVERLOAD_DISCARD && early ? SMFIR_CONTINUE : codes[answer];
}

static enum answer answer_packet(const struct wire_packet *packet, enum overload_answer answer, struct buf *out)
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

struct overload *overload_new(void)
{
    struct overload *all = mem_alloc(sizeof(*all));
    list_init(&all->pieces);
    return all;
}

static void piece_free(struct piece *p)
{
    if (!p)
        return;
    list_remove(&p->node);
    buf_fini(&p->bytes);
    free(p);
}

void overload_free(struct overload *all)
{
    while (all && !list_is_empty(&all->pieces))
        piece_free(CONTAINER_OF(all->pieces.next, struct piece, node));
    free(all);
}

static struct piece *piece_find(struct overload *all, owner_id session)
{
    for (struct list *at = all->pieces.next; at != &all->pieces; at = at->next) {
        struct piece *p = CONTAINER_OF(at, struct piece, node);
        if (p->session == session)
            return p;
    }
    return NULL;
}

static void piece_keep(struct overload *all, owner_id session, struct slice bytes)
{
    struct piece *p = mem_zalloc(sizeof(*p));
    p->session = session;
    buf_put_slice(&p->bytes, bytes);
    list_push_back(&all->pieces, &p->node);
}

/* Answer the whole frames at the front of *in. False: the connection is over. */
static bool answer_frames(struct slice *in, enum overload_answer answer, struct buf *reply)
{
    struct wire_packet packet;
    enum wire_result r;
    while ((r = wire_next(in, WIRE_PACKET_MAX_BYTES, &packet)) == WIRE_OK)
        if (answer_packet(&packet, answer, reply) == HOPELESS)
            return false;
    return r == WIRE_MORE;
}

void overload_step(struct overload *all, const struct event *event, enum overload_answer answer, struct effects *out)
{
    struct piece *before = piece_find(all, event->owner);
    bool goes_on = true;
    struct buf reply = {0};
    if (event->kind == EVENT_BYTES) {
        struct slice in = event->u.bytes;
        if (before) {
            buf_put_slice(&before->bytes, in);
            in = buf_slice(&before->bytes);
        }
        goes_on = answer_frames(&in, answer, &reply);
        if (goes_on && in.len > 0)
            piece_keep(all, event->owner, in);
        piece_free(before);
    } else if (event->kind == EVENT_EOF) {
        goes_on = false;
        piece_free(before);
    }
    if (reply.len > 0)
        effects_send(out, event->owner, buf_slice(&reply));
    if (!goes_on)
        effects_add(out, EFFECT_CLOSE, event->owner);
    buf_fini(&reply);
}
