/* records.c - records of a store beside an explained mail. */
#include "explain/records.h"

#include "grey/filter.h"

#include <inttypes.h>

void explain_records_apply(const struct explain_facts *f, const struct grey_tuple *tuple, struct grey_memory *memory)
{
    for (size_t i = 0; i < f->n_records; i++)
        (void)grey_memory_take_in(memory, &f->records[i], tuple->addr_bits);
}

bool explain_record(const struct explain_facts *f, size_t i, struct grey_record *out)
{
    struct ip client = ip_client(&f->client);
    *out = f->records[i];
    for (size_t c = 0; c < f->n_records; c++) {
        const struct grey_record *r = &f->records[c];
        struct ip its = ip_client(&r->addr);
        if (r->type == GREY_RECORD_CLIENT && ip_eq(&its, &client) && r->expires.sec >= f->now.sec)
            (void)grey_record_settle(out, r->auto_since);
    }
    return grey_record_end(out).sec >= f->now.sec;
}

static void put_span(int64_t sec, struct buf *out)
{
    if (sec < 120)
        buf_printf(out, "%" PRId64 " s", sec < 0 ? 0 : sec);
    else if (sec < 2 * 3600)
        buf_printf(out, "%" PRId64 " min", sec / 60);
    else if (sec < 2 * 86400)
        buf_printf(out, "%" PRId64 " h", sec / 3600);
    else
        buf_printf(out, "%" PRId64 " d", sec / 86400);
}

static void put_ago(const char *what, struct wall then, struct wall now, struct buf *out)
{
    if (then.sec <= 0)
        return;
    buf_printf(out, ", %s ", what);
    put_span(now.sec - then.sec, out);
    buf_put_cstr(out, " ago");
}

static void put_until(const char *what, struct wall then, struct wall now, struct buf *out)
{
    if (then.sec < now.sec)
        return;
    buf_printf(out, ", %s ", what);
    put_span(then.sec - now.sec, out);
}

/* Whom it stands for. */
static void put_whom(const struct grey_record *r, const struct grey_tuple *tuple, struct buf *out)
{
    char address[IP_TEXT_MAX];
    bool own = r->type == GREY_RECORD_CLIENT || r->type == GREY_RECORD_SHARED;
    unsigned bits = r->type == GREY_RECORD_NETWORK ? (r->addr.family == IP_V6 ? 64 : 24) : tuple->addr_bits;
    struct ip masked = own ? ip_client(&r->addr) : ip_mask(&r->addr, bits);
    if (r->domain.ptr)
        buf_put_slice(out, r->domain);
    else
        buf_put_cstr(out, ip_format(&masked, address));
    if (!r->domain.ptr && !own && bits < ip_width_bits(&masked))
        buf_printf(out, "/%u", bits);
    if (r->type == GREY_RECORD_PAIR || r->type == GREY_RECORD_NETWORK)
        buf_printf(out, ", senders of %.*s", SLICE_ARG(r->sender.len ? r->sender : SLICE_LIT("<>")));
}

/* How many clients a domain has proved: its text has a blank between each two. */
static size_t proofs(const struct grey_record *r)
{
    size_t n = r->recipient.len > 0;
    for (size_t i = 0; i < r->recipient.len; i++)
        n += r->recipient.ptr[i] == ' ';
    return n;
}

static void put_record(const struct grey_record *r, const struct grey_tuple *tuple, struct wall now, struct buf *out)
{
    buf_printf(out, "record      %-9s ", grey_word_text(grey_record_word(r)));
    put_whom(r, tuple, out);
    if (r->type == GREY_RECORD_PROOF)
        buf_printf(out, ", has proved %zu of %d clients", proofs(r), GREY_PROOF_CLIENTS);
    if (r->type == GREY_RECORD_CLIENT) {
        put_ago("has waited", r->auto_since, now, out);
        if (r->patient_until.sec > 0)
            put_until("patient for", r->patient_until, now, out);
    } else if (r->is_auto) {
        put_ago("let in", r->auto_since, now, out);
    } else if (r->served_since.sec > 0) {
        put_ago("waited", r->served_since, now, out);
    } else if (r->type != GREY_RECORD_PROOF) {
        put_ago("first seen", r->first_seen, now, out);
    }
    if (r->left_sec >= 0 && r->left_until.sec >= now.sec) {
        buf_put_cstr(out, ", hung up after ");
        put_span(r->left_sec, out);
    }
    put_until("ends in", grey_record_end(r), now, out);
    buf_put_byte(out, '\n');
}

void explain_put_records(const struct explain_facts *f, const struct grey_tuple *tuple, struct buf *out)
{
    char address[IP_TEXT_MAX];
    struct grey_record r;
    size_t n = 0;
    for (size_t i = 0; i < f->n_records; i++) {
        if (!explain_record(f, i, &r))
            continue;
        put_record(&r, tuple, f->now, out);
        n++;
    }
    if (n == 0)
        buf_printf(out, "record      none for %s\n", ip_format(&f->client, address));
}
