/* overload.c - the connection that is one too many, byte by byte. */
#include "daemon/overload.h"
#include "milter/command.h"
#include "test.h"

static struct effects out;
static struct overload *all;
static enum overload_answer answer = OVERLOAD_ACCEPT;

static void step(enum event_kind kind, struct slice bytes)
{
    effects_clear(&out);
    struct event e = {.kind = kind, .owner = 7};
    e.u.bytes = bytes;
    overload_step(all, &e, answer, &out);
    for (size_t i = 0; i < out.count; i++)
        CHECK(out.items[i].owner == 7);
}

static void negotiates_and_accepts(void)
{
    struct buf in = {0};
    milter_put_options(&in, &(struct milter_options){.version = 6, .actions = 0x1ff, .steps = 0x1fffff});
    step(EVENT_OPEN, SLICE_NONE);
    CHECK_INT(out.count, 0);
    step(EVENT_BYTES, buf_slice(&in));
    CHECK_INT(out.count, 1);
    CHECK_INT(out.items[0].kind, EFFECT_SEND);
    struct slice reply = out.items[0].u.bytes;
    struct wire_packet packet;
    struct milter_options ours;
    CHECK_INT(wire_next(&reply, WIRE_PACKET_MAX_BYTES, &packet), WIRE_OK);
    CHECK_INT(packet.cmd, SMFIC_OPTNEG);
    CHECK_INT(milter_parse_options(packet.body, &ours), ERR_NONE);
    CHECK_INT(ours.version, 6);
    CHECK_INT(ours.actions, 0);
    CHECK_INT(ours.steps & SMFIP_NOCONNECT, 0);
    CHECK(ours.steps & SMFIP_NORCPT);

    /* Macros go unanswered; CONNECT behind them in the same bytes is accepted. */
    buf_clear(&in);
    wire_put(&in, SMFIC_MACRO, SLICE_LIT("Cj\0mx.example.org\0"));
    wire_put(&in, SMFIC_CONNECT, SLICE_LIT("host.example.net\0004\0\031192.0.2.1\0"));
    step(EVENT_BYTES, buf_slice(&in));
    CHECK_INT(out.count, 1);
    CHECK(slice_eq(out.items[0].u.bytes, SLICE_LIT("\0\0\0\001a")));
    buf_fini(&in);
    step(EVENT_EOF, SLICE_NONE);
    CHECK_INT(out.count, 1);
    CHECK_INT(out.items[0].kind, EFFECT_CLOSE);
}

/* What the default says, at the first command that can have it. */
static void answers_with_the_default(void)
{
    static const struct {
        enum overload_answer answer;
        char at_connect, at_mail;
    } cases[] = {{OVERLOAD_TEMPFAIL, 't', 't'}, {OVERLOAD_REJECT, 'r', 'r'}, {OVERLOAD_DISCARD, 'c', 'd'}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf in = {0};
        char want[10] = {0, 0, 0, 1, cases[i].at_connect, 0, 0, 0, 1, cases[i].at_mail};
        answer = cases[i].answer;
        wire_put(&in, SMFIC_CONNECT, SLICE_LIT("host.example.net\0004\0\031192.0.2.1\0"));
        wire_put(&in, SMFIC_MAIL, SLICE_LIT("<a@example.org>\0"));
        step(EVENT_BYTES, buf_slice(&in));
        CHECK_INT(out.count, 1);
        CHECK(slice_eq(out.items[0].u.bytes, slice_of(want, sizeof(want))));
        buf_fini(&in);
    }
    answer = OVERLOAD_ACCEPT;
}

static void gives_what_was_offered_only(void)
{
    struct buf in = {0};
    milter_put_options(&in, &(struct milter_options){.version = 2, .actions = 0x3f, .steps = SMFIP_NOHELO});
    step(EVENT_BYTES, buf_slice(&in));
    struct slice reply = out.items[0].u.bytes;
    struct wire_packet packet;
    struct milter_options ours = {0};
    CHECK_INT(wire_next(&reply, WIRE_PACKET_MAX_BYTES, &packet), WIRE_OK);
    CHECK_INT(milter_parse_options(packet.body, &ours), ERR_NONE);
    CHECK_INT(ours.version, 2);
    CHECK_INT(ours.steps, SMFIP_NOHELO);
    buf_fini(&in);
}

/* As a busy MTA's socket gives them: every cut of the same bytes has the same answers. */
static void answers_however_frames_are_cut(void)
{
    struct buf in = {0};
    wire_put(&in, SMFIC_MACRO, SLICE_LIT("Cj\0mx.example.org\0"));
    wire_put(&in, SMFIC_CONNECT, SLICE_LIT("host.example.net\0004\0\031192.0.2.1\0"));
    for (size_t cut = 1; cut < in.len; cut++) {
        step(EVENT_BYTES, slice_of(in.ptr, cut));
        CHECK_INT(out.count, 0);
        step(EVENT_BYTES, slice_of(in.ptr + cut, in.len - cut));
        CHECK_INT(out.count, 1);
        CHECK_INT(out.items[0].kind, EFFECT_SEND);
        CHECK(slice_eq(out.items[0].u.bytes, SLICE_LIT("\0\0\0\001a")));
    }
    /* Another connection's bytes are no end of this one's frame; and what is left of a closed one is no beginning. */
    step(EVENT_BYTES, slice_of(in.ptr, 5));
    effects_clear(&out);
    struct event other = {.kind = EVENT_BYTES, .owner = 8};
    other.u.bytes = buf_slice(&in);
    overload_step(all, &other, answer, &out);
    CHECK_INT(out.count, 1);
    CHECK_INT(out.items[0].owner, 8);
    step(EVENT_EOF, SLICE_NONE);
    CHECK_INT(out.count, 1);
    CHECK_INT(out.items[0].kind, EFFECT_CLOSE);
    step(EVENT_BYTES, buf_slice(&in));
    CHECK_INT(out.count, 1);
    CHECK_INT(out.items[0].kind, EFFECT_SEND);
    other.u.bytes = slice_of(in.ptr, 5); /* left to overload_free */
    overload_step(all, &other, answer, &out);
    buf_fini(&in);
}

static void closes_what_it_cannot_read(void)
{
    static const struct {
        struct slice bytes;
        size_t effects;
    } cases[] = {
        {{"\0\0\0\0", 4}, 1},                               /* length zero */
        {{"\177\377\377\377O", 5}, 1},                      /* too long */
        {{"\0\0\0\015O\0\0\0\001\0\0\0\0\0\0\0\0", 17}, 1}, /* version 1 */
        {{"\0\0\0\001Q", 5}, 1},                            /* QUIT */
        {{"\0\0\0\001N\0\0\0\001Q\0\0\0\001N", 15}, 2},     /* an answer, then the end */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        step(EVENT_BYTES, cases[i].bytes);
        CHECK_INT(out.count, cases[i].effects);
        CHECK_INT(out.items[out.count - 1].kind, EFFECT_CLOSE);
    }
    step(EVENT_BYTES, SLICE_LIT("\0\0\0\001A"));
    CHECK_INT(out.count, 0);
}

int main(void)
{
    effects_init(&out);
    all = overload_new();
    TEST(negotiates_and_accepts);
    TEST(answers_with_the_default);
    TEST(gives_what_was_offered_only);
    TEST(answers_however_frames_are_cut);
    TEST(closes_what_it_cannot_read);
    overload_free(all);
    effects_fini(&out);
    return TEST_END();
}
