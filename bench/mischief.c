/* mischief.c - a bad child's answers. */
#include "mischief.h"
#include "base/mem.h"
#include "milter/command.h"
#include "milter/reply.h"

/* OPTNEG, CONNECT, HELO, MAIL, RCPT, DATA, ten headers, EOH, BODY, EOM: all can be met. */
enum { ANSWERS = 19, BODY_CHUNK_BYTES = 65535, NEW_BODY_MAX_BYTES = 100000 };

unsigned mischief_random(uint64_t *state, unsigned below)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (unsigned)((z ^ (z >> 31)) >> 33) % below;
}

const char *mischief_name(enum mischief_kind kind)
{
    static const char *const names[MISCHIEF_KINDS] = {"behaved", "edited", "died",  "stalled",
                                                      "deaf",    "noisy",  "lying", "refused"};
    return names[kind];
}

void mischief_draw(struct mischief *m, const struct mischief_settings *s, uint64_t *random)
{
    /* how often, beside the stalls: most connections go well, or the breaker would be all that is seen */
    static const enum mischief_kind usual[] = {
        MISCHIEF_NONE, MISCHIEF_NONE, MISCHIEF_NONE, MISCHIEF_NONE, MISCHIEF_EDIT,  MISCHIEF_EDIT,
        MISCHIEF_EDIT, MISCHIEF_DIE,  MISCHIEF_DIE,  MISCHIEF_LIE,  MISCHIEF_NOISE, MISCHIEF_REFUSE,
    };
    *m = (struct mischief){.kind = usual[mischief_random(random, COUNT_OF(usual) - !s->refuse)],
                           .at = mischief_random(random, ANSWERS)};
    if (mischief_random(random, 1000) < s->stall_permille)
        m->kind = mischief_random(random, 2) ? MISCHIEF_STALL : MISCHIEF_DEAF;
}

/* What a libmilter filter that may change everything says. */
static void put_options(struct buf *out)
{
    const struct milter_options options = {.version = MILTER_VERSION, .actions = SMFIF_ALL & ~(uint32_t)SMFIF_SETSYMLIST};
    milter_put_options(out, &options);
}

static void put_new_body(uint64_t *random, struct buf *out)
{
    size_t bytes = mischief_random(random, NEW_BODY_MAX_BYTES);
    do {
        size_t n = bytes < BODY_CHUNK_BYTES ? bytes : BODY_CHUNK_BYTES;
        size_t mark = wire_begin(out, SMFIR_REPLBODY);
        for (size_t i = 0; i < n; i++)
            buf_put_byte(out, i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : 'x');
        wire_end(out, mark);
        bytes -= n;
    } while (bytes > 0);
}

static void put_edit(uint64_t *random, struct buf *out)
{
    struct milter_reply r = {0};
    switch (mischief_random(random, 8)) {
    case 0:
        milter_put_header(out, SMFIR_ADDHEADER, 0, SLICE_LIT("X-Added"), SLICE_LIT("by a child"));
        return;
    case 1:
        milter_put_header(out, SMFIR_INSHEADER, mischief_random(random, 4), SLICE_LIT("X-Put"), SLICE_LIT("a\n\tb"));
        return;
    case 2:
        milter_put_header(out, SMFIR_CHGHEADER, 1, SLICE_LIT("Subject"),
                          mischief_random(random, 2) ? SLICE_LIT("changed") : SLICE_NONE);
        return;
    case 3:
        put_new_body(random, out);
        return;
    case 4:
        r = (struct milter_reply){.code = SMFIR_QUARANTINE, .u.reason = SLICE_LIT("to be looked at")};
        break;
    case 5:
        r = (struct milter_reply){.code = SMFIR_CHGFROM, .u.address.address = SLICE_LIT("<other@example.org>")};
        break;
    default:
        r.code = mischief_random(random, 2) ? SMFIR_ADDRCPT : SMFIR_DELRCPT;
        r.u.address.address = SLICE_LIT("<more@example.net>");
        break;
    }
    milter_put_reply(out, &r);
}

static void put_edits(uint64_t *random, struct buf *out)
{
    for (unsigned n = 1 + mischief_random(random, 4); n > 0; n--)
        put_edit(random, out);
}

/* Not even packets, or packets without an end. */
static void put_noise(uint64_t *random, struct buf *out)
{
    static const char zero[] = {0, 0, 0, 0}, huge[] = {'\x7f', '\xff', '\xff', '\xff', 'c'};
    switch (mischief_random(random, 3)) {
    case 0:
        buf_put(out, zero, sizeof(zero));
        break;
    case 1:
        buf_put(out, huge, sizeof(huge));
        break;
    default:
        for (unsigned n = 5 + mischief_random(random, 200); n > 0; n--)
            buf_put_byte(out, (char)mischief_random(random, 256));
        break;
    }
}

/* Packets that no filter sends there. None of them is a verdict. */
static void put_lie(uint64_t *random, bool at_eom, struct buf *out)
{
    switch (mischief_random(random, 5)) {
    case 0: /* unknown */
        milter_put_code(out, 'Z');
        break;
    case 1: /* no such status */
        wire_put(out, SMFIR_REPLYCODE, SLICE_LIT("250 all is well\0"));
        break;
    case 2: /* two lines in one: a smuggled reply */
        wire_put(out, SMFIR_REPLYCODE, SLICE_LIT("451 4.7.1 a\r\n250 b\0"));
        break;
    case 3: /* without its NUL */
        wire_put(out, SMFIR_QUARANTINE, SLICE_LIT("why"));
        break;
    default: /* out of place, or without its form */
        wire_put(out, SMFIR_ADDHEADER, at_eom ? SLICE_LIT("X-Half") : SLICE_LIT("X-Early\0too early\0"));
        break;
    }
}

static void put_refusal(uint64_t *random, struct buf *out)
{
    static const uint8_t codes[] = {SMFIR_REJECT, SMFIR_TEMPFAIL, SMFIR_DISCARD, SMFIR_ACCEPT};
    unsigned which = mischief_random(random, COUNT_OF(codes) + 1);
    if (which < COUNT_OF(codes))
        milter_put_code(out, codes[which]);
    else
        milter_put_replycode(out, SLICE_LIT("550"), SLICE_LIT("5.7.1"), SLICE_LIT("not this one"));
}

static enum mischief_next misbehave(const struct mischief *m, const struct wire_packet *p, uint64_t *random, struct buf *out)
{
    switch (m->kind) {
    case MISCHIEF_DIE:
        if (p->cmd == SMFIC_BODYEOB)
            put_edits(random, out);
        else if (mischief_random(random, 2))
            buf_put(out, "\0\0", 2);
        return MISCHIEF_CLOSE;
    case MISCHIEF_STALL:
        return MISCHIEF_SILENT;
    case MISCHIEF_DEAF:
        return MISCHIEF_BLOCK;
    case MISCHIEF_NOISE:
        put_noise(random, out);
        return MISCHIEF_SILENT;
    case MISCHIEF_LIE:
        put_lie(random, p->cmd == SMFIC_BODYEOB, out);
        milter_put_code(out, SMFIR_CONTINUE); /* as if nothing had been */
        return MISCHIEF_GO_ON;
    default:
        put_refusal(random, out);
        return MISCHIEF_GO_ON;
    }
}

static bool is_answered(uint8_t cmd)
{
    return cmd != SMFIC_MACRO && cmd != SMFIC_ABORT && cmd != SMFIC_QUIT && cmd != SMFIC_QUIT_NC;
}

enum mischief_next mischief_take(struct mischief *m, const struct wire_packet *p, uint64_t *random, struct buf *out)
{
    if (!is_answered(p->cmd))
        return p->cmd == SMFIC_QUIT ? MISCHIEF_CLOSE : MISCHIEF_GO_ON;
    bool now = m->kind == MISCHIEF_EDIT ? p->cmd == SMFIC_BODYEOB : m->kind != MISCHIEF_NONE && m->answered == m->at;
    m->answered++;
    /* a verdict has no place in the negotiation */
    if (now && !(m->kind == MISCHIEF_REFUSE && p->cmd == SMFIC_OPTNEG)) {
        m->done = true;
        if (m->kind != MISCHIEF_EDIT)
            return misbehave(m, p, random, out);
        put_edits(random, out);
    }
    if (p->cmd == SMFIC_OPTNEG)
        put_options(out);
    else
        milter_put_code(out, SMFIR_CONTINUE);
    return MISCHIEF_GO_ON;
}
