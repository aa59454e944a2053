/* Single cases of a message under edit; the random ones are in plays.c. Packets are told as text: "ADD X: v|". */
#include "mail/mail.h"
#include "../test.h"
#include "milter/reply.h"

#include <string.h>

static struct mail *m;
static struct mail_edits said;
static struct buf text;

static void begin(const char *const *headers)
{
    m = mail_new();
    for (; *headers; headers += 2)
        CHECK_INT(mail_add_header(m, slice_cstr(headers[0]), slice_cstr(headers[1])), ERR_NONE);
}

static void end(void)
{
    mail_free(m);
    mail_edits_fini(&said);
    buf_fini(&text);
    buf_init(&text);
}

static void say(enum mail_edit_kind kind, unsigned index, const char *name, const char *value)
{
    CHECK_INT(mail_edits_add(&said, kind, index, slice_cstr(name), slice_cstr(value)), ERR_NONE);
}

/* Filter f, looking at v, wants what was said since the last one. */
static void apply(unsigned f, mail_view v)
{
    mail_apply(m, f, v, &said);
    mail_edits_fini(&said);
}

static void add_recipient(const char *address, struct slice esmtp)
{
    CHECK_INT(mail_add_recipient(m, slice_cstr(address), esmtp), ERR_NONE);
}

static const char *headers(mail_view v)
{
    struct slice name, value;
    buf_clear(&text);
    for (struct mail_cursor c = {0}; mail_next_header(m, v, &c, &name, &value);)
        buf_printf(&text, "%.*s:%.*s|", SLICE_ARG(name), SLICE_ARG(value));
    return buf_cstr(&text);
}

static const char *recipients(mail_view v)
{
    struct slice address, esmtp;
    unsigned number;
    buf_clear(&text);
    for (struct mail_cursor c = {0}; mail_next_recipient(m, v, &c, &address, &esmtp, &number);)
        buf_printf(&text, "%u %.*s%s%.*s|", number, SLICE_ARG(address), esmtp.ptr ? " " : "", SLICE_ARG(esmtp));
    return buf_cstr(&text);
}

static const char *sender(mail_view v)
{
    struct slice address, esmtp;
    mail_sender(m, v, &address, &esmtp);
    buf_clear(&text);
    buf_printf(&text, "%.*s%s%.*s", SLICE_ARG(address), esmtp.ptr ? " " : "", SLICE_ARG(esmtp));
    return buf_cstr(&text);
}

static void tell(const struct milter_reply *r)
{
    switch (r->code) {
    case SMFIR_ADDHEADER:
        buf_put_cstr(&text, "ADD ");
        break;
    case SMFIR_INSHEADER:
        buf_printf(&text, "INS %u ", r->u.header.index);
        break;
    case SMFIR_CHGHEADER:
        buf_printf(&text, "CHG %u ", r->u.header.index);
        break;
    case SMFIR_QUARANTINE:
        buf_printf(&text, "QUARANTINE %.*s|", SLICE_ARG(r->u.reason));
        return;
    default:
        buf_printf(&text, "%c %.*s%s%.*s|", r->code, SLICE_ARG(r->u.address.address), r->u.address.esmtp.ptr ? " " : "",
                   SLICE_ARG(r->u.address.esmtp));
        return;
    }
    buf_printf(&text, "%.*s:%.*s|", SLICE_ARG(r->u.header.name), SLICE_ARG(r->u.header.value));
}

static const char *changes_for(bool leadspc)
{
    struct buf packets = {0};
    mail_put_changes(m, leadspc, &packets);
    buf_clear(&text);
    struct slice rest = buf_slice(&packets);
    while (rest.len > 0) {
        struct wire_packet p;
        struct milter_reply r;
        if (!CHECK_INT(wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p), WIRE_OK) ||
            !CHECK_INT(milter_parse_reply(&p, &r), ERR_NONE))
            break;
        tell(&r);
    }
    buf_fini(&packets);
    return buf_cstr(&text);
}

static const char *changes(void)
{
    return changes_for(true);
}

/* ---- headers ---- */

static void what_was_not_edited_is_as_it_came(void)
{
    begin((const char *[]){"Subject", " hi", "To", "\tx", "Empty", "", NULL});
    mail_end_headers(m);
    CHECK_STR(headers(MAIL_ORIGINAL), "Subject: hi|To:\tx|Empty:|");
    CHECK_STR(headers(MAIL_FINAL), "Subject: hi|To:\tx|Empty:|");
    CHECK_STR(changes(), "");
    end();
}

static void each_view_has_the_edits_before_it(void)
{
    begin((const char *[]){"Subject", " hi", "X", " 1", NULL});
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 1, "subject", " [spam] hi");
    say(MAIL_ADD_HEADER, 0, "Y", " 2");
    apply(0, 0);
    say(MAIL_CHANGE_HEADER, 1, "X", "");
    apply(2, 2);
    CHECK_STR(headers(0), "Subject: hi|X: 1|");
    CHECK_STR(headers(1), "subject: [spam] hi|X: 1|Y: 2|");
    CHECK_STR(headers(2), "subject: [spam] hi|X: 1|Y: 2|");
    CHECK_STR(headers(3), "subject: [spam] hi|Y: 2|");
    CHECK_STR(headers(MAIL_FINAL), "subject: [spam] hi|Y: 2|");
    CHECK_STR(changes(), "CHG 1 X:|CHG 1 subject: [spam] hi|ADD Y: 2|");
    end();
}

static void the_nth_of_a_name_whatever_its_case(void)
{
    begin((const char *[]){"Received", " a", "RECEIVED", " b", "X", " x", "received", " c", NULL});
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 2, "Received", " B");
    say(MAIL_CHANGE_HEADER, 0, "Received", " A");
    say(MAIL_CHANGE_HEADER, 4, "Received", " D");
    say(MAIL_CHANGE_HEADER, 9, "Received", "");
    apply(0, 0);
    CHECK_STR(headers(1), "Received: A|Received: B|X: x|received: c|Received: D|");
    CHECK_STR(changes(), "CHG 2 Received: B|CHG 0 Received: A|CHG 4 Received: D|CHG 9 Received:|");
    end();
}

static void a_name_may_be_spelled_anew(void)
{
    begin((const char *[]){"subject", " a", NULL});
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 1, "Subject", " a");
    apply(0, 0);
    say(MAIL_ADD_HEADER, 0, "X", " x");
    apply(1, 1);
    CHECK_STR(headers(0), "subject: a|");
    CHECK_STR(changes(), "CHG 1 Subject: a|ADD X: x|");
    end();
}

/* In a filter's own eyes what it has deleted is gone, and what it has added is there. */
static void a_filter_sees_its_own_edits(void)
{
    begin((const char *[]){"X", " 1", "X", " 2", NULL});
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 1, "X", "");
    say(MAIL_CHANGE_HEADER, 1, "X", " two");
    say(MAIL_ADD_HEADER, 0, "X", " 3");
    say(MAIL_CHANGE_HEADER, 2, "X", " three");
    apply(0, 0);
    CHECK_STR(headers(1), "X: two|X: three|");
    end();
}

/* 0 is above the MTA's own Received, 1 below it: both above what filters see. */
static void places_count_the_mtas_own_received(void)
{
    begin((const char *[]){"A", " a", "B", " b", NULL});
    mail_end_headers(m);
    say(MAIL_INSERT_HEADER, 1, "One", " 1");
    say(MAIL_INSERT_HEADER, 0, "Zero", " 0");
    say(MAIL_INSERT_HEADER, 4, "Between", " 4");
    say(MAIL_INSERT_HEADER, 6, "End", " 6");
    say(MAIL_INSERT_HEADER, 99, "Beyond", " 99");
    apply(0, 0);
    CHECK_STR(headers(1), "Zero: 0|One: 1|A: a|Between: 4|B: b|End: 6|Beyond: 99|");
    CHECK_STR(changes(), "INS 1 One: 1|INS 0 Zero: 0|INS 4 Between: 4|INS 6 End: 6|INS 99 Beyond: 99|");
    say(MAIL_INSERT_HEADER, 1, "Later", " l"); /* between Zero and that Received */
    apply(1, 1);
    CHECK_STR(headers(2), "Zero: 0|Later: l|One: 1|A: a|Between: 4|B: b|End: 6|Beyond: 99|");
    CHECK_STR(changes(), "INS 1 One: 1|INS 0 Zero: 0|INS 4 Between: 4|INS 6 End: 6|INS 7 Beyond: 99|INS 1 Later: l|");
    end();
}

/* What Postfix 3.7.11 made of these packets, its own Received line between After and One. */
static void a_view_is_what_postfix_makes_of_it(void)
{
    begin((const char *[]){"Received", " from x", "Subject", " s", "B", " 1", "B", " 2", "B", " 3", NULL});
    mail_end_headers(m);
    say(MAIL_INSERT_HEADER, 1, "One", " 1");
    say(MAIL_CHANGE_HEADER, 1, "Received", " changed");
    say(MAIL_INSERT_HEADER, 0, "Zero", " 0");
    say(MAIL_INSERT_HEADER, 1, "After", " x");
    say(MAIL_CHANGE_HEADER, 1, "Zero", " changed");
    say(MAIL_CHANGE_HEADER, 2, "B", "");
    say(MAIL_CHANGE_HEADER, 2, "B", " was 3");
    say(MAIL_INSERT_HEADER, 99, "Beyond", " b");
    say(MAIL_CHANGE_HEADER, 2, "Received", " new");
    apply(0, 0);
    CHECK_STR(headers(1), "Zero: changed|After: x|One: 1|Received: changed|Subject: s|B: 1|B: was 3|Beyond: b|"
                          "Received: new|");
    end();
}

static void an_earlier_view_means_the_right_one(void)
{
    begin((const char *[]){"X", " 1", "X", " 2", "X", " 3", NULL});
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 1, "X", "");
    say(MAIL_INSERT_HEADER, 1, "X", " new");
    say(MAIL_CHANGE_HEADER, 3, "X", " three");
    apply(0, 0);
    CHECK_STR(headers(1), "X: new|X: 2|X: three|");
    /* two others saw what the MTA sent: the first is deleted already, the third changed */
    say(MAIL_CHANGE_HEADER, 1, "X", " first");
    say(MAIL_CHANGE_HEADER, 3, "X", " third");
    say(MAIL_INSERT_HEADER, 1, "Y", " y");
    say(MAIL_INSERT_HEADER, 0, "Z", " z");
    apply(1, 0);
    CHECK_STR(headers(2), "Z: z|Y: y|X: new|X: 2|X: third|");
    say(MAIL_CHANGE_HEADER, 1, "X", "");
    say(MAIL_CHANGE_HEADER, 1, "X", " second"); /* the deleted one no longer counts */
    apply(2, 0);
    CHECK_STR(headers(3), "Z: z|Y: y|X: new|X: second|X: third|");
    CHECK_STR(changes(), "CHG 3 X: third|CHG 2 X: second|CHG 1 X:|INS 1 X: new|INS 1 Y: y|INS 0 Z: z|");
    end();
}

static void what_came_and_went_is_nothing_to_the_mta(void)
{
    begin((const char *[]){"X", " 1", NULL});
    mail_end_headers(m);
    say(MAIL_ADD_HEADER, 0, "Y", " y");
    say(MAIL_CHANGE_HEADER, 1, "X", " 2");
    apply(0, 0);
    say(MAIL_CHANGE_HEADER, 1, "Y", "");
    say(MAIL_CHANGE_HEADER, 1, "X", " 1");
    apply(1, 1);
    CHECK_STR(headers(MAIL_FINAL), "X: 1|");
    CHECK_STR(changes(), "");
    end();
}

static void a_change_of_an_added_header_is_said_once(void)
{
    begin((const char *[]){"X", " 1", NULL});
    mail_end_headers(m);
    say(MAIL_ADD_HEADER, 0, "Y", " y");
    apply(0, 0);
    say(MAIL_CHANGE_HEADER, 1, "Y", " yy");
    apply(1, 1);
    CHECK_STR(changes(), "ADD Y: yy|");
    end();
}

static void early_edits_stand_around_what_comes(void)
{
    begin((const char *[]){"A", " a", NULL});
    struct mail_cursor live = {0};
    struct slice name, value;
    CHECK(mail_next_header(m, 3, &live, &name, &value));
    CHECK(!mail_next_header(m, 3, &live, &name, &value));
    say(MAIL_ADD_HEADER, 0, "X-Greylist", " x");
    say(MAIL_INSERT_HEADER, 1, "One", " 1");
    say(MAIL_INSERT_HEADER, 0, "Zero", " 0");
    say(MAIL_CHANGE_SENDER, 0, "<late@example.org>", NULL);
    apply(2, 0);
    CHECK(!mail_next_header(m, 3, &live, &name, &value)); /* not yet: others stand before it */
    CHECK_INT(mail_add_header(m, SLICE_LIT("B"), SLICE_LIT(" b")), ERR_NONE);
    CHECK(mail_next_header(m, 3, &live, &name, &value));
    CHECK_SLICE(name, "B");
    CHECK(!mail_next_header(m, 3, &live, &name, &value));
    mail_end_headers(m);
    CHECK(mail_next_header(m, 3, &live, &name, &value));
    CHECK_SLICE(name, "X-Greylist");
    /* a filter before it, later */
    say(MAIL_CHANGE_SENDER, 0, "<early@example.org>", NULL);
    apply(0, 0);
    CHECK_STR(headers(0), "A: a|B: b|");
    CHECK_STR(headers(2), "A: a|B: b|");
    CHECK_STR(headers(3), "Zero: 0|One: 1|A: a|B: b|X-Greylist: x|");
    CHECK_STR(sender(1), "<early@example.org>");
    CHECK_STR(sender(3), "<late@example.org>");
    CHECK_STR(changes(), "ADD X-Greylist: x|INS 1 One: 1|INS 0 Zero: 0|e <late@example.org>|");
    end();
}

/* A filter that was early stands where its number says, also before one that came to the same header later. */
static void an_early_change_is_over_an_earlier_filters(void)
{
    begin((const char *[]){"A", " a", NULL});
    say(MAIL_CHANGE_HEADER, 1, "A", " late");
    apply(1, 0);
    mail_end_headers(m);
    say(MAIL_CHANGE_HEADER, 1, "A", " early");
    apply(0, 0);
    CHECK_STR(headers(0), "A: a|");
    CHECK_STR(headers(1), "A: early|");
    CHECK_STR(headers(2), "A: late|");
    CHECK_STR(changes(), "CHG 1 A: late|");
    end();
}

static void early_insertions_before_any_header(void)
{
    begin((const char *[]){NULL});
    say(MAIL_INSERT_HEADER, 1, "One", " 1");
    say(MAIL_INSERT_HEADER, 0, "Zero", " 0");
    apply(0, 0);
    CHECK_INT(mail_add_header(m, SLICE_LIT("A"), SLICE_LIT(" a")), ERR_NONE);
    mail_end_headers(m);
    CHECK_STR(headers(1), "Zero: 0|One: 1|A: a|");
    end();
}

static void one_blank_is_left_out_for_an_mta_without_leadspc(void)
{
    begin((const char *[]){"X", " 1", NULL});
    mail_end_headers(m);
    say(MAIL_ADD_HEADER, 0, "A", "  two");
    say(MAIL_ADD_HEADER, 0, "B", "none");
    say(MAIL_ADD_HEADER, 0, "C", "\ttab");
    say(MAIL_ADD_HEADER, 0, "D", " ");
    say(MAIL_CHANGE_HEADER, 1, "X", " "); /* empty, it would delete */
    say(MAIL_CHANGE_HEADER, 1, "A", " a");
    apply(0, 0);
    CHECK_STR(changes_for(false), "ADD A: two|ADD B:none|ADD C:\ttab|ADD D:|CHG 1 X: |CHG 1 A:a|");
    CHECK_STR(changes_for(true), "ADD A:  two|ADD B:none|ADD C:\ttab|ADD D: |CHG 1 X: |CHG 1 A: a|");
    end();
}

static void headers_have_a_limit(void)
{
    static char big[MAIL_HEADERS_MAX_BYTES];
    memset(big, 'x', sizeof(big));
    begin((const char *[]){NULL});
    CHECK_INT(mail_add_header(m, SLICE_LIT("X"), slice_of(big, sizeof(big))), ERR_LIMIT);
    CHECK_INT(mail_add_header(m, SLICE_LIT("X"), slice_of(big, sizeof(big) / 2)), ERR_NONE);
    CHECK_INT(mail_add_header(m, SLICE_LIT("X"), slice_of(big, sizeof(big) / 2)), ERR_LIMIT);
    unsigned n = 0;
    while (n < MAIL_HEADERS_MAX_BYTES && mail_add_header(m, SLICE_LIT(""), SLICE_LIT("")) == ERR_NONE)
        n++;
    CHECK(n > 10000 && n < 40000);
    end();
}

/* ---- the envelope ---- */

static void addresses_are_the_same_but_for_brackets_and_the_domains_case(void)
{
    begin((const char *[]){NULL});
    mail_end_headers(m);
    add_recipient("<user@Example.org>", SLICE_NONE);
    say(MAIL_ADD_RECIPIENT, 0, "user@example.ORG", NULL);
    say(MAIL_ADD_RECIPIENT, 0, "<User@example.org>", NULL);
    say(MAIL_ADD_RECIPIENT, 0, "<other@example.org>", "NOTIFY=NEVER");
    say(MAIL_DELETE_RECIPIENT, 0, "<nobody@example.org>", NULL);
    apply(0, 0);
    CHECK_STR(recipients(0), "0 <user@Example.org>|");
    CHECK_STR(recipients(1), "0 <user@Example.org>|1 <User@example.org>|2 <other@example.org> NOTIFY=NEVER|");
    CHECK_STR(changes(), "+ <User@example.org>|2 <other@example.org> NOTIFY=NEVER|- <nobody@example.org>|");
    CHECK(mail_envelope_differs(m, 0, 1));
    CHECK(!mail_envelope_differs(m, 1, MAIL_FINAL));
    end();
}

static void a_recipient_deleted_by_one_and_added_by_another_stays(void)
{
    begin((const char *[]){NULL});
    mail_end_headers(m);
    add_recipient("<a@example.org>", slice_of("NOTIFY=NEVER\0ORCPT=x", 20));
    say(MAIL_DELETE_RECIPIENT, 0, "A@example.org", NULL);
    say(MAIL_DELETE_RECIPIENT, 0, "a@EXAMPLE.org", NULL);
    apply(0, 0);
    CHECK_STR(recipients(1), "");
    CHECK_STR(changes(), "- A@example.org|- a@EXAMPLE.org|");
    say(MAIL_ADD_RECIPIENT, 0, "<a@example.org>", NULL);
    apply(1, 1);
    CHECK_STR(recipients(2), "1 <a@example.org>|");
    CHECK_STR(changes(), "- A@example.org|");
    CHECK(mail_envelope_differs(m, 0, 1));
    CHECK(mail_envelope_differs(m, 0, 2)); /* its arguments */
    say(MAIL_DELETE_RECIPIENT, 0, "<a@example.org>", NULL);
    say(MAIL_ADD_RECIPIENT, 0, "<a@example.org>", "NOTIFY=NEVER ORCPT=x");
    apply(2, 2);
    CHECK_STR(changes(), "- A@example.org|");
    CHECK(!mail_envelope_differs(m, 0, 3));
    say(MAIL_DELETE_RECIPIENT, 0, "<a@example.org>", NULL);
    say(MAIL_ADD_RECIPIENT, 0, "<a@example.org>", "NOTIFY=DELAY");
    apply(3, 3);
    CHECK_STR(changes(), "- A@example.org|- a@EXAMPLE.org|2 <a@example.org> NOTIFY=DELAY|");
    end();
}

/* The MTA may have it all the same (always_bcc); said by two it goes out once. */
static void a_recipient_that_nobody_named_is_deleted(void)
{
    begin((const char *const[]){NULL});
    add_recipient("<a@example.org>", SLICE_NONE);
    say(MAIL_DELETE_RECIPIENT, 0, "<z@example.org>", "");
    apply(0, 0);
    say(MAIL_DELETE_RECIPIENT, 0, "<z@Example.org>", "");
    apply(1, 1);
    CHECK_STR(recipients(2), "0 <a@example.org>|");
    CHECK_STR(changes(), "- <z@example.org>|");
    say(MAIL_ADD_RECIPIENT, 0, "<z@example.org>", "");
    apply(2, 2);
    CHECK_STR(changes(), "+ <z@example.org>|");
    end();
}

static void an_added_recipient_deleted_again_is_nothing(void)
{
    begin((const char *[]){NULL});
    mail_end_headers(m);
    say(MAIL_ADD_RECIPIENT, 0, "<a@example.org>", NULL);
    apply(0, 0);
    say(MAIL_DELETE_RECIPIENT, 0, "a@example.org", NULL);
    apply(1, 1);
    CHECK_STR(recipients(1), "0 <a@example.org>|");
    CHECK_STR(recipients(2), "");
    CHECK_STR(changes(), "");
    CHECK(!mail_envelope_differs(m, 0, 2));
    end();
}

static void a_recipient_twice_is_deleted_twice(void)
{
    begin((const char *[]){NULL});
    mail_end_headers(m);
    add_recipient("<a@example.org>", SLICE_NONE);
    add_recipient("<b@example.org>", SLICE_NONE);
    add_recipient("<a@example.org>", SLICE_NONE);
    say(MAIL_DELETE_RECIPIENT, 0, "<a@example.org>", NULL);
    apply(0, 0);
    CHECK_STR(recipients(1), "1 <b@example.org>|");
    CHECK_STR(changes(), "- <a@example.org>|");
    end();
}

static void recipients_have_a_limit(void)
{
    begin((const char *[]){NULL});
    unsigned n = 0;
    while (n < MAIL_RECIPIENTS_MAX_BYTES && mail_add_recipient(m, SLICE_LIT("<a@example.org>"), SLICE_NONE) == ERR_NONE)
        n++;
    CHECK(n > 10000 && n < 100000);
    end();
}

static void the_last_sender_and_the_last_reason_win(void)
{
    begin((const char *[]){NULL});
    CHECK_STR(sender(0), "");
    mail_set_sender(m, SLICE_LIT("<a@example.org>"), slice_of("SIZE=1\0BODY=7BIT\0", 17));
    mail_end_headers(m);
    say(MAIL_CHANGE_SENDER, 0, "<b@example.org>", "SIZE=2");
    say(MAIL_QUARANTINE, 0, "first", NULL);
    apply(0, 0);
    CHECK_STR(sender(1), "<b@example.org> SIZE=2");
    CHECK_STR(changes(), "e <b@example.org> SIZE=2|QUARANTINE first|");
    say(MAIL_QUARANTINE, 0, "second", NULL);
    say(MAIL_CHANGE_SENDER, 0, "<>", NULL);
    apply(1, 0);
    CHECK_STR(sender(2), "<>");
    CHECK_STR(changes(), "QUARANTINE second|e <>|");
    CHECK(mail_envelope_differs(m, 1, 2));
    say(MAIL_CHANGE_SENDER, 0, "<a@example.org>", NULL);
    apply(2, 2);
    CHECK_STR(changes(), "QUARANTINE second|");
    end();
}

static void who_comes_late_has_no_later_word(void)
{
    begin((const char *[]){"X", " 1", NULL});
    mail_end_headers(m);
    say(MAIL_QUARANTINE, 0, "of the last", NULL);
    say(MAIL_CHANGE_SENDER, 0, "<last@example.org>", NULL);
    say(MAIL_CHANGE_HEADER, 1, "X", " last");
    apply(2, 1);
    say(MAIL_QUARANTINE, 0, "of the first", NULL);
    say(MAIL_CHANGE_SENDER, 0, "<first@example.org>", NULL);
    say(MAIL_CHANGE_HEADER, 1, "X", " first");
    apply(1, 1);
    CHECK_STR(headers(2), "X: first|");
    CHECK_STR(changes(), "CHG 1 X: last|QUARANTINE of the last|e <last@example.org>|");
    end();
}

static void deleted_by_two_is_said_once(void)
{
    begin((const char *[]){NULL});
    mail_end_headers(m);
    add_recipient("<a@example.org>", SLICE_NONE);
    say(MAIL_DELETE_RECIPIENT, 0, "<a@example.org>", NULL);
    say(MAIL_ADD_RECIPIENT, 0, "<a@example.org>", "NOTIFY=NEVER");
    apply(2, 0);
    say(MAIL_DELETE_RECIPIENT, 0, "a@example.org", NULL);
    apply(1, 0);
    CHECK_STR(recipients(1), "0 <a@example.org>|");
    CHECK_STR(recipients(2), "");
    CHECK_STR(recipients(3), "1 <a@example.org> NOTIFY=NEVER|");
    CHECK_STR(changes(), "- <a@example.org>|2 <a@example.org> NOTIFY=NEVER|");
    end();
}

static void edits_keep_their_order(void)
{
    begin((const char *[]){"X", " 1", NULL});
    mail_end_headers(m);
    add_recipient("<a@example.org>", SLICE_NONE);
    say(MAIL_ADD_HEADER, 0, "Y", " y");
    say(MAIL_DELETE_RECIPIENT, 0, "<a@example.org>", NULL);
    say(MAIL_CHANGE_HEADER, 1, "X", "");
    say(MAIL_ADD_RECIPIENT, 0, "<b@example.org>", NULL);
    apply(5, 2);
    CHECK_STR(changes(), "ADD Y: y|- <a@example.org>|CHG 1 X:|+ <b@example.org>|");
    end();
}

static void a_view_has_the_last_body_before_it(void)
{
    int one, two;
    struct body *first = (struct body *)(void *)&one, *second = (struct body *)(void *)&two;
    begin((const char *[]){NULL});
    CHECK(mail_body(m, MAIL_FINAL) == NULL);
    mail_replace_body(m, 1, first);
    mail_replace_body(m, 31, second);
    CHECK(mail_body(m, 0) == NULL);
    CHECK(mail_body(m, 1) == NULL);
    CHECK(mail_body(m, 2) == first);
    CHECK(mail_body(m, 31) == first);
    CHECK(mail_body(m, MAIL_FINAL) == second);
    end();
}

int main(void)
{
    TEST(what_was_not_edited_is_as_it_came);
    TEST(each_view_has_the_edits_before_it);
    TEST(the_nth_of_a_name_whatever_its_case);
    TEST(a_name_may_be_spelled_anew);
    TEST(a_filter_sees_its_own_edits);
    TEST(places_count_the_mtas_own_received);
    TEST(a_view_is_what_postfix_makes_of_it);
    TEST(an_earlier_view_means_the_right_one);
    TEST(what_came_and_went_is_nothing_to_the_mta);
    TEST(a_change_of_an_added_header_is_said_once);
    TEST(early_edits_stand_around_what_comes);
    TEST(an_early_change_is_over_an_earlier_filters);
    TEST(early_insertions_before_any_header);
    TEST(one_blank_is_left_out_for_an_mta_without_leadspc);
    TEST(headers_have_a_limit);
    TEST(addresses_are_the_same_but_for_brackets_and_the_domains_case);
    TEST(a_recipient_deleted_by_one_and_added_by_another_stays);
    TEST(a_recipient_that_nobody_named_is_deleted);
    TEST(an_added_recipient_deleted_again_is_nothing);
    TEST(a_recipient_twice_is_deleted_twice);
    TEST(recipients_have_a_limit);
    TEST(the_last_sender_and_the_last_reason_win);
    TEST(who_comes_late_has_no_later_word);
    TEST(deleted_by_two_is_said_once);
    TEST(edits_keep_their_order);
    TEST(a_view_has_the_last_body_before_it);
    return TEST_END();
}
