/* The peer's words: durations, reasons in their order, the header's three forms. */
#include "policy/xgreylist.h"

#include "../test.h"
#include "base/mem.h"

#include <string.h>

static const struct wall then = {1795485530};

static void writes_durations(void)
{
    static const struct {
        int64_t sec;
        const char *want;
    } rows[] = {
        {0, "00:00:00"},
        {1, "00:00:01"},
        {59, "00:00:59"},
        {60, "00:01:00"},
        {1800, "00:30:00"},
        {3599, "00:59:59"},
        {3600, "01:00:00"},
        {86400, "24:00:00"},
        {432000, "120:00:00"},
        {3024000, "840:00:00"},
        {-1, "00:00:00"},
        {INT64_MIN, "00:00:00"},
        {INT64_MAX, "2562047788015215:30:07"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = {0};
        xgreylist_put_duration(&out, rows[i].sec);
        CHECK_STR(buf_cstr(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void says_who_it_is(void)
{
    static const struct {
        struct wall now;
        const char *date;
    } rows[] = {
        {{1795485530}, "Tue, 24 Nov 2026 01:58:50 +0000 (UTC)"},
        {{0}, "Thu, 01 Jan 1970 00:00:00 +0000 (UTC)"},
        {{1709251199}, "Thu, 29 Feb 2024 23:59:59 +0000 (UTC)"},
        {{1735689600}, "Wed, 01 Jan 2025 00:00:00 +0000 (UTC)"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = {0};
        xgreylist_put_version(&out, SLICE_LIT("mx.example.org"), SLICE_LIT("192.0.2.25"), rows[i].now);
        CHECK(slice_has_prefix(buf_slice(&out), "tarsier-"));
        struct slice rest = slice_from(buf_slice(&out), slice_find(buf_slice(&out), ' '));
        struct buf want = {0};
        buf_printf(&want, " (mx.example.org [192.0.2.25]); %s", rows[i].date);
        CHECK_SLICE(rest, buf_cstr(&want));
        buf_fini(&want);
        buf_fini(&out);
    }
}

static void gives_reasons_in_their_order(void)
{
    static const struct {
        unsigned reasons;
        const char *acl; /* NULL: no line */
        bool with_acl;
        const char *want;
    } rows[] = {
        {REASON_DOMAIN, NULL, false, "Sender DNS name whitelisted"},
        {REASON_ADDR, NULL, false, "Sender IP whitelisted"},
        {REASON_FROM, NULL, false, "Sender e-mail whitelisted"},
        {REASON_AUTH, NULL, false, "Sender succeeded SMTP AUTH"},
        {REASON_NONIP, NULL, false, "Message not sent from an IPv4 neither IPv6 address"},
        {REASON_STARTTLS, NULL, false, "Sender succeeded STARTTLS authentication"},
        {REASON_RCPT, NULL, false, "Recipient e-mail whitelisted"},
        {REASON_AUTOWHITE, NULL, false, "IP, sender and recipient auto-whitelisted"},
        {REASON_DEFAULT, NULL, false, "Default is to whitelist mail"},
        {REASON_AUTOPAIR, NULL, false, "Client and sender domain auto-whitelisted"},
        {REASON_AUTOCLIENT, NULL, false, "Client auto-whitelisted"},
        {REASON_PATIENT, NULL, false, "Client has waited in a tarpit before"},
        {REASON_TARPIT, NULL, false, "Message whitelisted by tarpit 125s"},
        {REASON_RELEASED, NULL, false, "Released by an administrator"},
        {REASON_ALLOWED, NULL, false, "Allowed by an administrator"},
        {REASON_UNSTORED, NULL, false, "Greylisting could not be stored"},
        {REASON_ACL, "9", false, "ACL 9 matched"},
        /* named for nothing else, whatever the reason */
        {0, "9", false, "ACL 9 matched"},
        {0, NULL, false, ""},
        {0, NULL, true, ""},
        {REASON_ACL, NULL, false, ""},
        /* a line whose reasons are known is named only when it is asked for */
        {REASON_ADDR, "9", false, "Sender IP whitelisted"},
        {REASON_ADDR, "net", true, "Sender IP whitelisted, ACL net matched"},
        {REASON_TARPIT | REASON_AUTOWHITE, NULL, false,
         "IP, sender and recipient auto-whitelisted, Message whitelisted by tarpit 125s"},
        {REASON_ACL | REASON_RCPT | REASON_FROM, "3", false,
         "Sender e-mail whitelisted, Recipient e-mail whitelisted, ACL 3 matched"},
        {~0u, "1", true,
         "Sender DNS name whitelisted, Sender IP whitelisted, Sender e-mail whitelisted, "
         "Sender succeeded SMTP AUTH, Message not sent from an IPv4 neither IPv6 address, "
         "Sender succeeded STARTTLS authentication, Recipient e-mail whitelisted, "
         "IP, sender and recipient auto-whitelisted, Client and sender domain auto-whitelisted, "
         "Client auto-whitelisted, Default is to whitelist mail, Message whitelisted by tarpit 125s, "
         "Client has waited in a tarpit before, Released by an administrator, Allowed by an administrator, Greylisting "
         "could not be stored, ACL 1 "
         "matched"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = {0};
        buf_put_cstr(&out, "because ");
        xgreylist_put_reasons(&out, rows[i].reasons, 125, slice_cstr(rows[i].acl), rows[i].with_acl);
        CHECK_SLICE(slice_from(buf_slice(&out), 8), rows[i].want);
        buf_fini(&out);
    }
}

/* The header without the version's number, which is the build's. */
static void check_header(const struct xgreylist *x, const char *before, const char *behind)
{
    struct buf out = {0};
    xgreylist_put_header(&out, x);
    struct slice text = buf_slice(&out);
    CHECK(slice_has_prefix(text, before));
    struct slice rest = slice_from(text, strlen(before));
    CHECK(slice_has_prefix(rest, "tarsier-"));
    CHECK_SLICE(slice_from(rest, slice_find(rest, ' ')), behind);
    CHECK_INT(slice_find(text, '\n'), text.len);
    buf_fini(&out);
}

static void writes_the_header(void)
{
    struct xgreylist x = {.hostname = SLICE_LIT("mx.example.org"), .address = SLICE_LIT("2001:db8::25"), .now = then};
    const char *who = " (mx.example.org [2001:db8::25]); Tue, 24 Nov 2026 01:58:50 +0000 (UTC)";
    check_header(&x, "Not delayed by ", who);
    x.reasons = REASON_ADDR;
    check_header(&x, "Sender IP whitelisted, not delayed by ", who);
    x.reasons = REASON_TARPIT;
    x.tarpit_sec = 125;
    check_header(&x, "Message whitelisted by tarpit 125s, not delayed by ", who);
    x.acl = SLICE_LIT("12");
    x.with_acl = true;
    check_header(&x, "Message whitelisted by tarpit 125s, ACL 12 matched, not delayed by ", who);
    x.elapsed_sec = 1872;
    check_header(&x, "Delayed for 00:31:12 by ", who);
    x.address = SLICE_NONE;
    x.hostname = SLICE_LIT("mx\r\nX-Evil: yes");
    check_header(&x, "Delayed for 00:31:12 by ", " (mx??X-Evil: yes [0.0.0.0]); Tue, 24 Nov 2026 01:58:50 +0000 (UTC)");
}

int main(void)
{
    TEST(writes_durations);
    TEST(says_who_it_is);
    TEST(gives_reasons_in_their_order);
    TEST(writes_the_header);
    return TEST_END();
}
