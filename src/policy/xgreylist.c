/* xgreylist.c - the peer's words for what was decided. */
#include "policy/xgreylist.h"

#include <time.h>

#ifndef TARSIER_VERSION
#error "TARSIER_VERSION comes from the build"
#endif

/* At least two. */
static void put_two_digits(struct buf *out, uint64_t n)
{
    if (n < 10)
        buf_put_byte(out, '0');
    buf_put_u64(out, n);
}

void xgreylist_put_duration(struct buf *out, int64_t sec)
{
    if (sec < 0)
        sec = 0;
    put_two_digits(out, (uint64_t)sec / 3600);
    buf_put_byte(out, ':');
    put_two_digits(out, (uint64_t)sec / 60 % 60);
    buf_put_byte(out, ':');
    put_two_digits(out, (uint64_t)sec % 60);
}

/* RFC 5322 date in UTC, without the locale. */
static void put_date(struct buf *out, struct wall now)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)now.sec;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return;
    buf_printf(out, "%s, %02d %s %d %02d:%02d:%02d +0000 (UTC)", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void xgreylist_put_version(struct buf *out, struct slice hostname, struct slice address, struct wall now)
{
    buf_printf(out, "tarsier-%s (", TARSIER_VERSION);
    buf_put_visible(out, hostname);
    buf_put_cstr(out, " [");
    buf_put_visible(out, address.len ? address : SLICE_LIT("0.0.0.0"));
    buf_put_cstr(out, "]); ");
    put_date(out, now);
}

static const struct {
    unsigned reason;
    const char *text; /* NULL: made below */
} reasons_in_order[] = {
    {REASON_DOMAIN, "Sender DNS name whitelisted"},
    {REASON_ADDR, "Sender IP whitelisted"},
    {REASON_FROM, "Sender e-mail whitelisted"},
    {REASON_AUTH, "Sender succeeded SMTP AUTH"},
    {REASON_NONIP, "Message not sent from an IPv4 neither IPv6 address"},
    {REASON_STARTTLS, "Sender succeeded STARTTLS authentication"},
    {REASON_RCPT, "Recipient e-mail whitelisted"},
    {REASON_AUTOWHITE, "IP, sender and recipient auto-whitelisted"},
    {REASON_AUTOPAIR, "Client and sender domain auto-whitelisted"},
    {REASON_AUTOCLIENT, "Client auto-whitelisted"},
    {REASON_DEFAULT, "Default is to whitelist mail"},
    {REASON_TARPIT, NULL},
    {REASON_PATIENT, "Client has waited in a tarpit before"},
    {REASON_RELEASED, "Released by an administrator"},
    {REASON_ALLOWED, "Allowed by an administrator"},
    {REASON_UNSTORED, "Greylisting could not be stored"},
};

void xgreylist_put_reasons(struct buf *out, unsigned reasons, int64_t tarpit_sec, struct slice acl, bool with_acl)
{
    size_t before = out->len;
    for (size_t i = 0; i < sizeof(reasons_in_order) / sizeof(reasons_in_order[0]); i++) {
        if (!(reasons & reasons_in_order[i].reason))
            continue;
        if (out->len > before)
            buf_put_cstr(out, ", ");
        if (reasons_in_order[i].text)
            buf_put_cstr(out, reasons_in_order[i].text);
        else
            buf_printf(out, "Message whitelisted by tarpit %llds", (long long)tarpit_sec);
    }
    if ((with_acl || (reasons & REASON_ACL) || out->len == before) && acl.len)
        buf_printf(out, "%sACL %.*s matched", out->len > before ? ", " : "", SLICE_ARG(acl));
}

void xgreylist_put_header(struct buf *out, const struct xgreylist *x)
{
    if (x->elapsed_sec > 0) {
        buf_put_cstr(out, "Delayed for ");
        xgreylist_put_duration(out, x->elapsed_sec);
        buf_put_cstr(out, " by ");
    } else {
        size_t before = out->len;
        xgreylist_put_reasons(out, x->reasons, x->tarpit_sec, x->acl, x->with_acl);
        buf_put_cstr(out, out->len > before ? ", not delayed by " : "Not delayed by ");
    }
    xgreylist_put_version(out, x->hostname, x->address, x->now);
}
