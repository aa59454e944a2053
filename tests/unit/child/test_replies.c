/*
 * Which reply may answer which command: all replies at all commands, offered, negotiated and not, against a table of pictures
 * that is written for people; and that what is refused leaves nothing behind.
 */
#include "rig.h"

static const char commands[] = {SMFIC_CONNECT, SMFIC_HELO, SMFIC_MAIL, SMFIC_RCPT,    SMFIC_DATA,
                                SMFIC_HEADER,  SMFIC_EOH,  SMFIC_BODY, SMFIC_BODYEOB, SMFIC_UNKNOWN};
enum { COMMANDS = sizeof(commands) };

#define PACKET(lit)                                                                                                         \
    {                                                                                                                       \
        lit, sizeof(lit) - 1                                                                                                \
    }

/* y: the answer; e: an edit, and the answer is still owed; b: a piece of a body; p: progress; blank: a lie */
static const struct {
    char picture[COMMANDS + 1];
    uint32_t action; /* what the MTA has to offer for it */
    const char *what;
    struct slice packet; /* command and body */
} replies[] = {
    /* CHMRDLNBEU */
    {"yyyyyyyyyy", 0, "continue", PACKET("c")},
    {"yyyyyyyyyy", 0, "accept", PACKET("a")},
    {"yyyyyyyyyy", 0, "reject", PACKET("r")},
    {"yyyyyyyyyy", 0, "tempfail", PACKET("t")},
    {"yyyyyyyyyy", 0, "replycode", PACKET("y451 4.7.1 later\0")},
    {"yyyyyyyyyy", 0, "shutdown", PACKET("4")},
    {"  yyyyyyy ", 0, "discard", PACKET("d")},
    {"y         ", 0, "connfail", PACKET("f")},
    {"yyyyyyyyyy", 0, "skip", PACKET("s")},
    {"pppppppppp", 0, "progress", PACKET("p")},
    {"        e ", SMFIF_ADDHDRS, "addheader", PACKET("hX-A\0b\0")},
    {"        e ", SMFIF_ADDHDRS, "insheader", PACKET("i\0\0\0\1X-A\0b\0")},
    {"        e ", SMFIF_CHGHDRS, "chgheader", PACKET("m\0\0\0\1X-A\0b\0")},
    {"        e ", SMFIF_ADDRCPT, "addrcpt", PACKET("+<a@example.net>\0")},
    {"        e ", SMFIF_ADDRCPT_PAR, "addrcpt_par", PACKET("2<a@example.net>\0NOTIFY=NEVER\0")},
    {"        e ", SMFIF_DELRCPT, "delrcpt", PACKET("-<a@example.net>\0")},
    {"        e ", SMFIF_CHGFROM, "chgfrom", PACKET("e<a@example.net>\0")},
    {"        e ", SMFIF_QUARANTINE, "quarantine", PACKET("qwhy\0")},
    {"        b ", SMFIF_CHGBODY, "replbody", PACKET("bnew")},
    {"          ", 0, "setsymlist", PACKET("l\0\0\0\0i\0")},
    {"          ", 0, "no reply", PACKET("Z")},
    {"          ", 0, "options", PACKET("O\0\0\0\6\0\0\0\0\0\0\0\0")},
    {"          ", 0, "an accept with a tail", PACKET("a\0")},
    {"          ", 0, "a progress with a tail", PACKET("p\0")},
    {"          ", 0, "a reply code of another kind", PACKET("y250 ok\0")},
    {"          ", 0, "a reply code with a NUL in it", PACKET("y451 4.7.1 a\0b\0")},
    {"          ", 0, "a reply code with a line of its own", PACKET("y451 4.7.1 a\r\nQUIT\0")},
    {"          ", SMFIF_ADDHDRS, "a header without a name", PACKET("h\0b\0")},
    {"          ", SMFIF_ADDHDRS, "a header with another one in its name", PACKET("hA: b\nC\0b\0")},
};

static void open_and_ask(struct rig *r, uint8_t cmd, uint32_t actions, uint32_t steps)
{
    rig_open(r, MILTER_VERSION, actions, steps);
    rig_ask(r, cmd);
    CHECK_INT(r->link.state, LINK_ASKED);
}

static char heard(struct rig *r, struct slice bytes)
{
    switch (rig_say(r, bytes)) {
    case LINK_ANSWERED:
        return 'y';
    case LINK_BODY:
        return 'b';
    case LINK_PROGRESS:
        return 'p';
    case LINK_NOTHING:
        return r->link.edits.count == 1 ? 'e' : '?';
    case LINK_BROKEN:
        return ' ';
    case LINK_NEGOTIATED:
        break;
    }
    return '?';
}

static void check_cell(size_t i, size_t at, uint32_t offered, uint32_t actions, char want)
{
    struct rig r;
    struct buf packet = {0};
    wire_put(&packet, (uint8_t)replies[i].packet.ptr[0], slice_from(replies[i].packet, 1));
    rig_open_offered(&r, MILTER_VERSION, offered, actions, 0);
    rig_ask(&r, (uint8_t)commands[at]);
    char got = heard(&r, buf_slice(&packet));
    if (!CHECK_INT(got, want))
        printf("# %s at %s\n", replies[i].what, milter_command_name((uint8_t)commands[at]));
    CHECK_INT(r.link.state, got == ' ' ? LINK_FAILED : got == 'y' ? LINK_IDLE : LINK_ASKED);
    if (got == ' ') {
        CHECK(r.link.why && r.link.why[0]);
        CHECK_INT(r.link.edits.count, 0);
        CHECK_INT(r.answer.code, 0);
        CHECK_INT(r.link.deadline.ms, 0);
        CHECK_INT(rig_code(&r, 'c'), LINK_BROKEN); /* and stays so */
    }
    rig_end(&r);
    buf_fini(&packet);
}

static void every_reply_at_every_command(void)
{
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        for (size_t at = 0; at < COMMANDS; at++) {
            uint32_t action = replies[i].action, others = SMFIF_ALL & ~action;
            check_cell(i, at, SMFIF_ALL, action, replies[i].picture[at]);
            check_cell(i, at, SMFIF_ALL, others, replies[i].picture[at]); /* what the MTA would take, too */
            if (action)
                check_cell(i, at, others, others, ' ');
        }
}

static void shutdown_is_421(void)
{
    static const char codes[] = {'4', 'f'};
    for (size_t i = 0; i < sizeof(codes); i++) {
        struct rig r;
        open_and_ask(&r, SMFIC_CONNECT, 0, 0);
        CHECK_INT(rig_code(&r, codes[i]), LINK_ANSWERED);
        CHECK_INT(r.answer.code, SMFIR_REPLYCODE);
        CHECK_INT(r.answer.status, 421);
        /* and is a reply that we would take ourselves */
        struct buf b = {0};
        struct milter_reply built = {.code = SMFIR_REPLYCODE}, again;
        built.u.replycode.text = r.answer.text;
        milter_put_reply(&b, &built);
        struct wire_packet p = only_packet(buf_slice(&b));
        CHECK_INT(milter_parse_reply(&p, &again), ERR_NONE);
        CHECK_INT(again.u.replycode.status, 421);
        buf_fini(&b);
        rig_end(&r);
    }
}

static void a_code_with_its_text(void)
{
    struct rig r;
    open_and_ask(&r, SMFIC_RCPT, 0, 0);
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\44y550-5.7.1 no\r\n550 5.7.1 not at all\0")), LINK_ANSWERED);
    CHECK_INT(r.answer.code, SMFIR_REPLYCODE);
    CHECK_INT(r.answer.status, 550);
    CHECK_SLICE(r.answer.text, "550-5.7.1 no\r\n550 5.7.1 not at all");
    rig_end(&r);
}

static void check_edit(const struct mail_edit **e, enum mail_edit_kind kind, uint32_t index, const char *name,
                       const char *value)
{
    if (!CHECK(*e != NULL))
        return;
    CHECK_INT((*e)->kind, kind);
    CHECK_INT((*e)->index, index);
    CHECK_SLICE((*e)->name, name);
    CHECK_SLICE((*e)->value, value);
    *e = (*e)->next;
}

static const char all_edits[] = "\0\0\0\10hX-A\0 b\0"        /* its own blank */
                                "\0\0\0\13i\0\0\0\7X-B\0b\0" /* index 7 */
                                "\0\0\0\13m\0\0\0\2X-C\0c\0"
                                "\0\0\0\12m\0\0\0\1X-D\0\0" /* deleted */
                                "\0\0\0\6+<a@>\0"
                                "\0\0\0\12"
                                "2<b@>\0X=Y\0"
                                "\0\0\0\6-<c@>\0"
                                "\0\0\0\6e<d@>\0"
                                "\0\0\0\5qwhy\0";

static void edits_in_order(void)
{
    for (int leadspc = 0; leadspc < 2; leadspc++) {
        struct rig r;
        open_and_ask(&r, SMFIC_BODYEOB, SMFIF_ALL, leadspc ? SMFIP_HDR_LEADSPC : 0);
        CHECK_INT(rig_say(&r, slice_of(all_edits, sizeof(all_edits) - 1)), LINK_NOTHING);
        CHECK_INT(rig_code(&r, 'a'), LINK_ANSWERED);
        CHECK_INT(r.answer.code, SMFIR_ACCEPT);
        CHECK_INT(r.link.edits.count, 9);
        const struct mail_edit *e = r.link.edits.first;
        check_edit(&e, MAIL_ADD_HEADER, 0, "X-A", leadspc ? " b" : "  b");
        check_edit(&e, MAIL_INSERT_HEADER, 7, "X-B", leadspc ? "b" : " b");
        check_edit(&e, MAIL_CHANGE_HEADER, 2, "X-C", leadspc ? "c" : " c");
        check_edit(&e, MAIL_CHANGE_HEADER, 1, "X-D", "");
        check_edit(&e, MAIL_ADD_RECIPIENT, 0, "<a@>", NULL);
        check_edit(&e, MAIL_ADD_RECIPIENT, 0, "<b@>", "X=Y");
        check_edit(&e, MAIL_DELETE_RECIPIENT, 0, "<c@>", NULL);
        check_edit(&e, MAIL_CHANGE_SENDER, 0, "<d@>", NULL);
        check_edit(&e, MAIL_QUARANTINE, 0, "why", NULL);
        CHECK(e == NULL);
        /* the next message begins without them */
        rig_ask(&r, SMFIC_MAIL);
        CHECK_INT(r.link.edits.count, 0);
        rig_end(&r);
    }
}

static void edits_of_a_liar_are_gone(void)
{
    struct rig r;
    open_and_ask(&r, SMFIC_BODYEOB, SMFIF_ALL, 0);
    CHECK_INT(rig_say(&r, slice_of(all_edits, sizeof(all_edits) - 1)), LINK_NOTHING);
    CHECK_INT(rig_code(&r, 'f'), LINK_BROKEN);
    CHECK_INT(r.link.edits.count, 0);
    CHECK(r.link.edits.first == NULL);
    rig_end(&r);
}

static void too_many_edits(void)
{
    struct rig r;
    open_and_ask(&r, SMFIC_BODYEOB, SMFIF_ALL, 0);
    for (int i = 0; i < MAIL_ENVELOPE_EDITS_MAX; i++)
        if (!CHECK_INT(rig_say(&r, BYTES("\0\0\0\6+<a@>\0")), LINK_NOTHING))
            break;
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\6+<a@>\0")), LINK_BROKEN);
    rig_end(&r);
    /* a sender's headers may be many, and a filter may delete them all */
    open_and_ask(&r, SMFIC_BODYEOB, SMFIF_ALL, 0);
    for (int i = 0; i < MAIL_EDITS_MAX; i++)
        if (!CHECK_INT(rig_say(&r, BYTES("\0\0\0\10m\0\0\0\1X\0\0")), LINK_NOTHING))
            break;
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\10m\0\0\0\1X\0\0")), LINK_BROKEN);
    rig_end(&r);
}

static void a_body_in_pieces(void)
{
    struct rig r;
    open_and_ask(&r, SMFIC_BODYEOB, SMFIF_CHGBODY, 0);
    struct slice rest;
    CHECK_INT(rig_say_rest(&r, BYTES("\0\0\0\4bone\0\0\0\1b\0\0\0\4btwo\0\0\0\1c"), &rest), LINK_BODY);
    CHECK_SLICE(r.answer.text, "one");
    CHECK_INT(link_take(&r.link, &rest, r.now, &r.answer), LINK_BODY);
    CHECK_SLICE(r.answer.text, "");
    CHECK_INT(link_take(&r.link, &rest, r.now, &r.answer), LINK_BODY);
    CHECK_SLICE(r.answer.text, "two");
    CHECK_INT(link_take(&r.link, &rest, r.now, &r.answer), LINK_ANSWERED);
    CHECK_INT(r.answer.code, SMFIR_CONTINUE);
    CHECK_INT(link_take(&r.link, &rest, r.now, &r.answer), LINK_NOTHING);
    rig_end(&r);
}

int main(void)
{
    TEST(every_reply_at_every_command);
    TEST(shutdown_is_421);
    TEST(a_code_with_its_text);
    TEST(edits_in_order);
    TEST(edits_of_a_liar_are_gone);
    TEST(too_many_edits);
    TEST(a_body_in_pieces);
    return TEST_END();
}
