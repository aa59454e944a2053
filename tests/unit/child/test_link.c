/* The dialogue with one child: negotiation, what goes out, bytes in any pieces, clocks, ABORT and QUIT, ends. */
#include "../random.h"
#include "rig.h"

#include <errno.h>

/* ---- negotiation ---- */

static void negotiate(struct rig *r, const struct milter_options *offer)
{
    rig_new(r);
    link_connecting(&r->link, r->now);
    CHECK_INT(r->link.state, LINK_CONNECTING);
    link_connected(&r->link, offer, r->now, &r->out);
    CHECK_INT(r->link.state, LINK_NEGOTIATING);
}

static const struct milter_options small_offer = {
    .version = 6, .actions = SMFIF_ADDHDRS | SMFIF_SETSYMLIST, .steps = SMFIP_NOHELO | SMFIP_SKIP};

static void an_offer_and_its_answer(void)
{
    struct rig r;
    struct milter_options offer = small_offer;
    offer.symlist[0] = SLICE_LIT("not for the child");
    negotiate(&r, &offer);
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\15O\0\0\0\6\0\0\1\1\0\0\4\2");
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\42O\0\0\0\4\0\0\0\1\0\0\0\2\0\0\0\0j v\0\0\0\0\3i {rcpt}\0")), LINK_NEGOTIATED);
    CHECK_INT(r.link.state, LINK_IDLE);
    CHECK_INT(r.link.deadline.ms, 0);
    free(r.said); /* the lists are the link's own */
    r.said = NULL;
    CHECK_INT(r.link.got.version, 4);
    CHECK_INT(r.link.got.actions, SMFIF_ADDHDRS);
    CHECK_INT(r.link.got.steps, SMFIP_NOHELO);
    CHECK_SLICE(r.link.got.symlist[SMFIM_CONNECT], "j v");
    CHECK_SLICE(r.link.got.symlist[SMFIM_ENVRCPT], "i {rcpt}");
    CHECK(!r.link.got.symlist[SMFIM_HELO].ptr);
    rig_end(&r);
}

static void check_refused(const struct milter_options *offer, struct slice said, const char *what)
{
    struct rig r;
    negotiate(&r, offer);
    if (!CHECK_INT(rig_say(&r, said), LINK_BROKEN))
        printf("# %s\n", what);
    CHECK_INT(r.link.state, LINK_FAILED);
    rig_end(&r);
}

static void lies_in_the_negotiation(void)
{
    struct milter_options no_lists = small_offer;
    no_lists.actions = SMFIF_ADDHDRS;
    check_refused(&small_offer, BYTES("\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0"), "a newer version");
    check_refused(&small_offer, BYTES("\0\0\0\15O\0\0\0\1\0\0\0\0\0\0\0\0"), "too old a version");
    check_refused(&small_offer, BYTES("\0\0\0\15O\0\0\0\6\0\0\0\3\0\0\0\0"), "another action");
    check_refused(&small_offer, BYTES("\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0\4"), "another step");
    check_refused(&small_offer, BYTES("\0\0\0\11O\0\0\0\6\0\0\0\0"), "too short");
    check_refused(&small_offer, BYTES("\0\0\0\23O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\0jv"), "a list without its end");
    check_refused(&no_lists, BYTES("\0\0\0\23O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\0j\0"), "a list that was not offered");
    check_refused(&small_offer, BYTES("\0\0\0\1c"), "continue");
    check_refused(&small_offer, BYTES("\0\0\0\1t"), "tempfail");
    check_refused(&small_offer, BYTES("HTTP/1.1 400 Bad Request\r\n"), "another protocol");
    check_refused(&small_offer, BYTES("\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\1c"), "an answer too many");
    struct buf many = {0}, names = {0};
    for (int i = 0; i < 1000; i++)
        buf_put_cstr(&names, "{name} ");
    struct milter_options chosen = {.version = 6};
    chosen.symlist[0] = buf_slice(&names);
    milter_put_options(&many, &chosen);
    check_refused(&small_offer, buf_slice(&many), "a list without measure");
    buf_fini(&many);
    buf_fini(&names);
}

/* ---- what goes out ---- */

static void wanted_and_answered(void)
{
    static const struct {
        uint8_t cmd;
        uint32_t no, nr;
    } steps[] = {
        {SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN}, {SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO},
        {SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL},       {SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT},
        {SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA},       {SMFIC_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR},
        {SMFIC_EOH, SMFIP_NOEOH, SMFIP_NR_EOH},          {SMFIC_BODY, SMFIP_NOBODY, SMFIP_NR_BODY},
        {SMFIC_UNKNOWN, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN}, {SMFIC_BODYEOB, 0, 0},
    };
    for (uint32_t bit = 1; bit & rig_steps; bit <<= 1) {
        struct rig r;
        rig_open(&r, 6, 0, bit);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            CHECK_INT(link_wants(&r.link, steps[i].cmd), bit != steps[i].no);
            CHECK_INT(link_answers(&r.link, steps[i].cmd), bit != steps[i].nr);
        }
        CHECK(link_wants(&r.link, SMFIC_ABORT) && link_wants(&r.link, SMFIC_QUIT));
        CHECK(!link_answers(&r.link, SMFIC_ABORT) && !link_answers(&r.link, SMFIC_QUIT));
        rig_end(&r);
    }
    for (uint32_t version = 2; version <= 6; version++) {
        struct rig r;
        rig_open(&r, version, 0, 0);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            uint32_t since = steps[i].cmd == SMFIC_DATA ? 4 : steps[i].cmd == SMFIC_UNKNOWN ? 3 : 2;
            CHECK_INT(link_wants(&r.link, steps[i].cmd), version >= since);
        }
        rig_end(&r);
    }
}

static void ask_helo(struct rig *r, struct slice macros)
{
    buf_clear(&r->out);
    link_ask(&r->link, &(struct milter_command){.cmd = SMFIC_HELO, .u.helo = SLICE_LIT("x")}, macros, r->now, &r->out);
}

static void macros_go_before_their_command(void)
{
    struct rig r;
    rig_open(&r, 6, 0, 0);
    ask_helo(&r, BYTES("i\0a\0"));
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\6DHi\0a\0\0\0\0\3Hx\0");
    CHECK_INT(rig_code(&r, 'c'), LINK_ANSWERED);
    ask_helo(&r, SLICE_NONE);
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\3Hx\0");
    rig_end(&r);
}

static void what_it_does_not_want_is_not_sent(void)
{
    struct rig r;
    rig_open(&r, 3, 0, SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_NOBODY | SMFIP_NOUNKNOWN);
    ask_helo(&r, BYTES("i\0a\0")); /* only its macros, as from Postfix */
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\6DHi\0a\0");
    CHECK_INT(r.link.state, LINK_IDLE);
    ask_helo(&r, SLICE_NONE);
    CHECK_INT(r.out.len, 0);
    static const uint8_t silent[] = {SMFIC_HEADER, SMFIC_BODY, SMFIC_UNKNOWN, SMFIC_DATA};
    for (size_t i = 0; i < sizeof(silent); i++) {
        link_ask(&r.link, &(struct milter_command){.cmd = silent[i]}, BYTES("i\0a\0"), r.now, &r.out);
        CHECK_INT(r.out.len, 0);
        CHECK_INT(r.link.state, LINK_IDLE);
    }
    CHECK_INT(rig_say(&r, SLICE_NONE), LINK_NOTHING);
    rig_end(&r);
}

static void without_reply_nothing_is_awaited(void)
{
    struct rig r;
    rig_open(&r, 6, 0, SMFIP_NR_HELO);
    ask_helo(&r, SLICE_NONE);
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\3Hx\0");
    CHECK_INT(r.link.state, LINK_IDLE);
    CHECK_INT(r.link.deadline.ms, 0);
    CHECK_INT(rig_code(&r, 'p'), LINK_NOTHING); /* at work on it */
    rig_ask(&r, SMFIC_MAIL);
    CHECK_INT(rig_code(&r, 'c'), LINK_ANSWERED);
    ask_helo(&r, SLICE_NONE);
    CHECK_INT(rig_code(&r, 'c'), LINK_BROKEN); /* it said that it would not */
    rig_end(&r);
}

static void check_header(uint32_t steps, const char *value, const char *want)
{
    struct rig r;
    rig_open(&r, 6, 0, steps);
    struct milter_command c = {.cmd = SMFIC_HEADER};
    c.u.header.name = SLICE_LIT("A");
    c.u.header.value = slice_cstr(value);
    link_ask(&r.link, &c, SLICE_NONE, r.now, &r.out);
    struct wire_packet p = only_packet(buf_slice(&r.out));
    struct milter_command got;
    CHECK_INT(milter_parse_command(&p, &got), ERR_NONE);
    CHECK_SLICE(got.u.header.value, want);
    rig_end(&r);
}

static void one_space_of_a_value(void)
{
    check_header(0, " b", "b");
    check_header(0, "  b", " b");
    check_header(0, "\tb", "\tb");
    check_header(0, "b", "b");
    check_header(0, "", "");
    check_header(0, " ", "");
    check_header(SMFIP_HDR_LEADSPC, " b", " b");
    check_header(SMFIP_HDR_LEADSPC, "", "");
}

/* ---- bytes ---- */

static void any_pieces(void)
{
    static const char said[] = "\0\0\0\1p\0\0\0\6+<a@>\0\0\0\0\4bone\0\0\0\23y451 4.7.1 not now\0";
    const size_t length = sizeof(said) - 1;
    for (size_t piece = 1; piece <= length; piece++) {
        struct rig r;
        rig_open(&r, 6, SMFIF_ALL, 0);
        rig_ask(&r, SMFIC_BODYEOB);
        char got[8] = {0};
        size_t n = 0;
        for (size_t at = 0; at < length; at += piece) {
            struct slice rest = slice_upto(slice_from(slice_of(said, length), at), piece);
            char *exact = exact_copy(rest);
            rest.ptr = exact;
            for (enum link_news news; (news = link_take(&r.link, &rest, r.now, &r.answer)) != LINK_NOTHING;) {
                if (n == sizeof(got) - 1 || news == LINK_BROKEN)
                    break;
                got[n++] = news == LINK_PROGRESS ? 'p' : news == LINK_BODY ? 'b' : news == LINK_ANSWERED ? 'y' : '?';
                if (news == LINK_BODY)
                    CHECK_SLICE(r.answer.text, "one");
                if (news == LINK_ANSWERED)
                    CHECK_SLICE(r.answer.text, "451 4.7.1 not now");
            }
            CHECK_INT(rest.len, 0);
            free(exact);
        }
        CHECK_STR(got, "pby");
        CHECK_INT(r.link.edits.count, 1);
        CHECK_INT(rig_code(&r, 'p'), LINK_NOTHING);
        CHECK_INT(r.link.in.cap, 0); /* what was put together is not kept */
        rig_end(&r);
    }
}

static void impossible_lengths(void)
{
    static const struct slice bad[] = {
        {"\0\0\0\0", 4}, {"\0\1\0\1c", 5}, {"\377\377\377\377", 4}, {"\0\0\0\1", 4} /* this one may become something */};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rig r;
        rig_open(&r, 6, 0, 0);
        rig_ask(&r, SMFIC_RCPT);
        CHECK_INT(rig_say(&r, bad[i]), i < 3 ? LINK_BROKEN : LINK_NOTHING);
        rig_end(&r);
    }
    /* the greatest that may be */
    struct rig r;
    rig_open(&r, 6, SMFIF_CHGBODY, 0);
    rig_ask(&r, SMFIC_BODYEOB);
    struct buf packet = {0}, body = {0};
    for (int i = 0; i < WIRE_PACKET_MAX_BYTES - 1; i++)
        buf_put_byte(&body, (char)i);
    wire_put(&packet, SMFIR_REPLBODY, buf_slice(&body));
    CHECK_INT(rig_say(&r, slice_upto(buf_slice(&packet), 40000)), LINK_NOTHING);
    CHECK(r.link.in.cap < 2 * 65536 + 64);
    CHECK_INT(rig_say(&r, slice_from(buf_slice(&packet), 40000)), LINK_BODY);
    CHECK(slice_eq(r.answer.text, buf_slice(&body)));
    buf_fini(&packet);
    buf_fini(&body);
    rig_end(&r);
}

static void nothing_was_asked(void)
{
    static const struct {
        struct slice said;
        enum link_news news;
    } cases[] = {
        {{"\0\0\0\1c", 5}, LINK_BROKEN},           {{"\0\0\0\1a", 5}, LINK_BROKEN},
        {{"\0\0\0\1p", 5}, LINK_NOTHING},          {{"\0\0\0\2pp", 6}, LINK_BROKEN},
        {{"\0\0\0\14", 4}, LINK_NOTHING}, /* nobody knows yet what it will be */
        {{"\0\0\0\30y", 5}, LINK_BROKEN},          {{"\0\0\0\1p\0\0\0\1p\0\0", 12}, LINK_NOTHING},
        {{"\0\0\0\1p\0\0\0\1t", 10}, LINK_BROKEN}, {{"\0\0\0\0", 4}, LINK_BROKEN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        rig_open(&r, 6, SMFIF_ALL, 0);
        if (!CHECK_INT(rig_say(&r, cases[i].said), cases[i].news))
            print_bytes("said", cases[i].said);
        rig_end(&r);
        /* the same behind an answer, together with it */
        rig_open(&r, 6, SMFIF_ALL, 0);
        rig_ask(&r, SMFIC_RCPT);
        struct buf both = {0};
        buf_put(&both, "\0\0\0\1c", 5);
        buf_put_slice(&both, cases[i].said);
        struct slice rest;
        enum link_news news = rig_say_rest(&r, buf_slice(&both), &rest);
        CHECK_INT(news, cases[i].news == LINK_BROKEN ? LINK_BROKEN : LINK_ANSWERED);
        if (news == LINK_ANSWERED)
            CHECK_INT(link_take(&r.link, &rest, r.now, &r.answer), LINK_NOTHING);
        else
            CHECK_INT(r.answer.code, 0);
        buf_fini(&both);
        rig_end(&r);
    }
    struct rig r;
    rig_open(&r, 6, 0, 0);
    CHECK_INT(rig_code(&r, '4'), LINK_BROKEN);
    CHECK_STR(r.link.why, "it shuts down");
    rig_end(&r);
}

/* ---- clocks ---- */

static void each_command_has_its_time(void)
{
    static const struct {
        uint8_t cmd;
        int64_t limit_ms;
    } times[] = {{SMFIC_CONNECT, 30000}, {SMFIC_HELO, 30000},    {SMFIC_MAIL, 30000},   {SMFIC_RCPT, 30000},
                 {SMFIC_DATA, 30000},    {SMFIC_UNKNOWN, 30000}, {SMFIC_HEADER, 40000}, {SMFIC_EOH, 40000},
                 {SMFIC_BODY, 40000},    {SMFIC_BODYEOB, 300000}};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct rig r;
        rig_open(&r, 6, 0, 0);
        rig_ask(&r, times[i].cmd);
        CHECK_INT(r.link.deadline.ms, r.now.ms + times[i].limit_ms);
        CHECK(!link_check_deadline(&r.link, (struct mono){r.link.deadline.ms - 1}));
        CHECK(link_check_deadline(&r.link, r.link.deadline));
        CHECK_INT(r.link.state, LINK_FAILED);
        CHECK(!link_check_deadline(&r.link, (struct mono){INT64_MAX})); /* only once */
        CHECK_INT(rig_code(&r, 'c'), LINK_BROKEN);                      /* and what comes then is nobody's */
        rig_end(&r);
    }
}

static void time_to_connect_and_to_negotiate(void)
{
    struct rig r;
    rig_new(&r);
    link_connecting(&r.link, r.now);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 5000);
    CHECK(link_check_deadline(&r.link, r.link.deadline));
    rig_end(&r);

    /* one time for both: it began with connecting */
    negotiate(&r, &small_offer);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 5000);
    r.now.ms += 4000;
    CHECK_INT(rig_code(&r, 'p'), LINK_PROGRESS);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 5000);
    CHECK(link_check_deadline(&r.link, r.link.deadline));
    rig_end(&r);
}

static void progress_restarts_the_clock_but_not_for_ever(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_RCPT);
    int64_t began = r.now.ms;
    for (int i = 0; i < 100; i++) {
        r.now.ms += 20000;
        if (link_check_deadline(&r.link, r.now))
            break;
        CHECK_INT(rig_code(&r, 'p'), LINK_PROGRESS);
        int64_t left = began + 600000 - r.now.ms;
        CHECK_INT(r.link.deadline.ms, r.now.ms + (left < 30000 ? left : 30000));
    }
    CHECK_INT(r.link.state, LINK_FAILED);
    CHECK_INT(r.now.ms, began + 600000);
    rig_end(&r);

    /* the next command has all its time again; a limit above that of PROGRESS is not shortened by one */
    static const struct link_limits tight = {
        .connect_ms = 1, .command_ms = 1000, .message_ms = 1, .eom_ms = 5000, .progress_max_ms = 2000};
    rig_open(&r, 6, SMFIF_ALL, 0);
    r.link.limits = &tight;
    rig_ask(&r, SMFIC_BODYEOB);
    int64_t deadline = r.link.deadline.ms;
    r.now.ms += 100;
    CHECK_INT(rig_code(&r, 'p'), LINK_PROGRESS);
    CHECK_INT(r.link.deadline.ms, deadline);
    CHECK_INT(rig_code(&r, 'c'), LINK_ANSWERED);
    CHECK_INT(r.link.deadline.ms, 0);
    rig_ask(&r, SMFIC_MAIL);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 1000);
    rig_end(&r);
}

static void edits_and_pieces_restart_it_too(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_BODYEOB);
    r.now.ms += 200000;
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\6+<a@>\0")), LINK_NOTHING);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 300000);
    r.now.ms += 200000;
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\2bx")), LINK_BODY);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 200000); /* 600 s in all */
    rig_end(&r);
}

/* ---- ABORT, QUIT, ends ---- */

static void a_late_reply_is_passed_over_once(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_RCPT);
    buf_clear(&r.out);
    rig_ask(&r, SMFIC_ABORT);
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\1A");
    CHECK_INT(r.link.state, LINK_IDLE);
    CHECK_INT(r.link.deadline.ms, 0);
    CHECK_INT(rig_code(&r, 'a'), LINK_NOTHING);
    CHECK_INT(r.link.late, 0);
    CHECK_INT(rig_code(&r, 'a'), LINK_BROKEN);
    rig_end(&r);
}

static void a_late_reply_does_not_answer_the_next_command(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_BODYEOB);
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\6+<a@>\0")), LINK_NOTHING);
    rig_ask(&r, SMFIC_ABORT);
    CHECK_INT(r.link.edits.count, 0);
    rig_ask(&r, SMFIC_MAIL);
    rig_ask(&r, SMFIC_ABORT);
    rig_ask(&r, SMFIC_ABORT); /* Postfix says it twice */
    CHECK_INT(r.link.late, 2);
    rig_ask(&r, SMFIC_MAIL);
    r.now.ms += 1000;
    CHECK_INT(rig_code(&r, 'p'), LINK_PROGRESS);
    CHECK_INT(r.link.deadline.ms, r.now.ms + 30000);
    /* the rest of EOM's, then the first MAIL's, then ours */
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\6-<a@>\0\0\0\0\3bxy\0\0\0\3q!\0\0\0\0\1a\0\0\0\1r")), LINK_NOTHING);
    CHECK_INT(r.link.edits.count, 0);
    CHECK_INT(rig_code(&r, 't'), LINK_ANSWERED);
    CHECK_INT(r.answer.code, SMFIR_TEMPFAIL);
    CHECK_INT(r.link.late, 0);
    rig_end(&r);
}

static void a_late_lie_is_a_lie(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_RCPT);
    rig_ask(&r, SMFIC_ABORT);
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\10y250 ok\0")), LINK_BROKEN);
    rig_end(&r);
}

static void after_quit_nothing_counts(void)
{
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_RCPT);
    buf_clear(&r.out);
    rig_ask(&r, SMFIC_QUIT);
    rig_ask(&r, SMFIC_QUIT);
    rig_ask(&r, SMFIC_ABORT);
    CHECK_BYTES(buf_slice(&r.out), "\0\0\0\1Q");
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\1a\0\0\0\1Zno protocol at all")), LINK_NOTHING);
    CHECK(!link_check_deadline(&r.link, (struct mono){INT64_MAX}));
    link_lost(&r.link, ECONNRESET);
    CHECK_INT(r.link.state, LINK_IDLE);
    rig_end(&r);
}

static void abort_and_quit_outside_of_a_dialogue(void)
{
    struct rig r;
    negotiate(&r, &small_offer);
    buf_clear(&r.out);
    rig_ask(&r, SMFIC_ABORT);
    rig_ask(&r, SMFIC_QUIT);
    CHECK_INT(r.out.len, 0);
    CHECK_INT(r.link.state, LINK_NEGOTIATING);
    link_lost(&r.link, 0);
    rig_ask(&r, SMFIC_ABORT);
    rig_ask(&r, SMFIC_QUIT);
    CHECK_INT(r.out.len, 0);
    CHECK_INT(r.link.state, LINK_FAILED);
    rig_end(&r);
}

static void a_lost_connection(void)
{
    static const int errors[] = {0,         ENOENT,     ECONNREFUSED, EACCES, EPERM, ENETUNREACH, EHOSTUNREACH,
                                 ETIMEDOUT, ECONNRESET, EPIPE,        EIO,    99999};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct rig r;
        rig_new(&r);
        link_connecting(&r.link, r.now);
        link_lost(&r.link, errors[i]);
        CHECK_INT(r.link.state, LINK_FAILED);
        const char *why = r.link.why;
        CHECK(why && why[0]);
        link_lost(&r.link, i == 0 ? EIO : 0);
        CHECK(r.link.why == why);
        rig_end(&r);
    }
    struct rig r;
    rig_open(&r, 6, SMFIF_ALL, 0);
    rig_ask(&r, SMFIC_BODYEOB);
    CHECK_INT(rig_say(&r, BYTES("\0\0\0\6+<a@>\0\0\0")), LINK_NOTHING);
    link_lost(&r.link, 0);
    CHECK_INT(r.link.edits.count, 0);
    CHECK_INT(r.link.deadline.ms, 0);
    rig_end(&r);
}

/* ---- drawn ---- */

static const char *const drawn_packets[] = {"c", "c", "c", "a", "t", "p", "p", "s", "d", "4", "f", "Z", "b", "bxyz"};

/* A child that says anything, told to one link as a whole and to another one in pieces: both hear the same. */
static void pieces_and_wholes_agree(void)
{
    static const uint8_t commands[] = {SMFIC_HELO, SMFIC_MAIL, SMFIC_RCPT, SMFIC_BODY, SMFIC_BODYEOB, SMFIC_ABORT};
    unsigned answered = 0, broken = 0;
    for (int round = 0; round < 3000; round++) {
        struct rig whole, parts;
        rig_open(&whole, 6, SMFIF_ALL, SMFIP_SKIP);
        rig_open(&parts, 6, SMFIF_ALL, SMFIP_SKIP);
        for (int step = 0; step < 12 && whole.link.state != LINK_FAILED; step++) {
            if (whole.link.state == LINK_IDLE || random_below(6) == 0) {
                uint8_t cmd =
                    commands[whole.link.state == LINK_IDLE ? random_below(sizeof(commands)) : sizeof(commands) - 1];
                rig_ask(&whole, cmd);
                rig_ask(&parts, cmd);
            }
            if (whole.link.state == LINK_IDLE && whole.link.late == 0)
                continue;
            const char *packet = drawn_packets[random_below(sizeof(drawn_packets) / sizeof(drawn_packets[0]))];
            struct buf said = {0};
            wire_put(&said, (uint8_t)packet[0], slice_cstr(packet + 1));
            enum link_news one = rig_say(&whole, buf_slice(&said)), other = LINK_NOTHING;
            for (size_t at = 0; at < said.len && other == LINK_NOTHING;) {
                size_t n = 1 + random_below((unsigned)(said.len - at));
                other = rig_say(&parts, slice_upto(slice_from(buf_slice(&said), at), n));
                at += n;
            }
            CHECK_INT(one, other);
            CHECK_INT(whole.link.state, parts.link.state);
            CHECK_INT(whole.link.late, parts.link.late);
            CHECK(slice_eq(whole.answer.text, parts.answer.text));
            answered += one == LINK_ANSWERED;
            broken += one == LINK_BROKEN;
            buf_fini(&said);
        }
        rig_end(&whole);
        rig_end(&parts);
    }
    CHECK(answered > 1000 && broken > 100);
}

int main(void)
{
    random_begin();
    TEST(an_offer_and_its_answer);
    TEST(lies_in_the_negotiation);
    TEST(wanted_and_answered);
    TEST(macros_go_before_their_command);
    TEST(what_it_does_not_want_is_not_sent);
    TEST(without_reply_nothing_is_awaited);
    TEST(one_space_of_a_value);
    TEST(any_pieces);
    TEST(impossible_lengths);
    TEST(nothing_was_asked);
    TEST(each_command_has_its_time);
    TEST(time_to_connect_and_to_negotiate);
    TEST(progress_restarts_the_clock_but_not_for_ever);
    TEST(edits_and_pieces_restart_it_too);
    TEST(a_late_reply_is_passed_over_once);
    TEST(a_late_reply_does_not_answer_the_next_command);
    TEST(a_late_lie_is_a_lie);
    TEST(after_quit_nothing_counts);
    TEST(abort_and_quit_outside_of_a_dialogue);
    TEST(a_lost_connection);
    TEST(pieces_and_wholes_agree);
    return TEST_END();
}
