/*
 * record.c - what is kept of a tuple, a pair, a client.
 *
 *     version  type  flags  family  first_seen  expires  [auto_since]  [patient_until]  [left_sec left_until]
 *     [served_since served_until]  address  [domain length, domain]  sender length, sender  recipient
 *
 * Version 2 is a record that has served a hold and is not confirmed yet (FLAG_SERVED), version 3 the pair of a network; all others are
 * of version 1, as ever, and what version 1 calls AUTO or patient counts as confirmed. A tarsierd that does not know a version passes
 * over its records.
 * A time is 5 bytes big-endian, left_sec 4; a length is base 128, low part first; the recipient is what remains.
 */
#include "grey/record.h"

#include <string.h>

enum { VERSION = 1, VERSION_SERVED = 2, VERSION_NETWORK = 3, /* and PROOF */ TIME_BYTES = 5, LEFT_BYTES = 4 };

enum flag {
    FLAG_AUTO = 1,
    FLAG_BY_HOLD = 2,
    FLAG_SINCE = 4,
    FLAG_PATIENT = 8,
    FLAG_LEFT = 16,
    FLAG_DOMAIN = 32,
    FLAG_ALL = 63, /* of version 1 */
    FLAG_SERVED = 64,
};

static unsigned flags_of(const struct grey_record *r)
{
    return (r->is_auto ? FLAG_AUTO : 0u) | (r->by_hold ? FLAG_BY_HOLD : 0u) | (r->auto_since.sec > 0 ? FLAG_SINCE : 0u) |
           (r->patient_until.sec > 0 ? FLAG_PATIENT : 0u) | (r->left_sec >= 0 ? FLAG_LEFT : 0u) |
           (r->domain.ptr ? FLAG_DOMAIN : 0u) | (r->served_since.sec > 0 ? FLAG_SERVED : 0u);
}

struct wall grey_record_end(const struct grey_record *r)
{
    bool served = r->served_since.sec > 0 && r->served_until.sec > r->expires.sec;
    return served ? r->served_until : r->expires;
}

bool grey_record_settle(struct grey_record *r, struct wall confirmed)
{
    if (r->served_since.sec <= 0 || confirmed.sec < r->served_since.sec)
        return false;
    if (!r->is_auto) {
        r->is_auto = r->by_hold = true;
        r->auto_since = r->served_since;
        r->expires = r->served_until;
        r->left_sec = -1;
        r->left_until.sec = 0;
    }
    r->served_since.sec = r->served_until.sec = 0;
    return true;
}

static size_t address_bytes(unsigned family)
{
    return family == IP_V4 ? 4 : family == IP_V6 ? 16 : 0;
}

static size_t length_bytes(size_t n)
{
    size_t bytes = 1;
    for (; n > 127; n >>= 7)
        bytes++;
    return bytes;
}

size_t grey_record_size(const struct grey_record *r)
{
    size_t n = 4 + 2 * TIME_BYTES + address_bytes(r->addr.family);
    n += r->auto_since.sec > 0 ? TIME_BYTES : 0;
    n += r->patient_until.sec > 0 ? TIME_BYTES : 0;
    n += r->left_sec >= 0 ? LEFT_BYTES + TIME_BYTES : 0;
    n += r->served_since.sec > 0 ? 2 * TIME_BYTES : 0;
    n += r->domain.ptr ? length_bytes(r->domain.len) + r->domain.len : 0;
    return n + length_bytes(r->sender.len) + r->sender.len + r->recipient.len;
}

static uint8_t *put_number(uint8_t *p, int64_t v, int64_t max, unsigned bytes)
{
    uint64_t n = v < 0 ? 0 : (uint64_t)(v > max ? max : v);
    for (unsigned i = bytes; i-- > 0; n >>= 8)
        p[i] = (uint8_t)n;
    return p + bytes;
}

static uint8_t *put_time(uint8_t *p, struct wall t)
{
    return put_number(p, t.sec, GREY_TIME_MAX, TIME_BYTES);
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *put_text(uint8_t *p, struct slice s)
{
    size_t n = s.len;
    for (; n > 127; n >>= 7)
        *p++ = (uint8_t)(n | 128);
    *p++ = (uint8_t)n;
    return put_bytes(p, s.ptr, s.len);
}

void grey_record_encode(const struct grey_record *r, uint8_t *out)
{
    uint8_t *p = out;
    *p++ = r->type >= GREY_RECORD_NETWORK ? VERSION_NETWORK : r->served_since.sec > 0 ? VERSION_SERVED : VERSION;
    *p++ = (uint8_t)r->type;
    *p++ = (uint8_t)flags_of(r);
    *p++ = r->addr.family;
    p = put_time(p, r->first_seen);
    p = put_time(p, r->expires);
    if (r->auto_since.sec > 0)
        p = put_time(p, r->auto_since);
    if (r->patient_until.sec > 0)
        p = put_time(p, r->patient_until);
    if (r->left_sec >= 0) {
        p = put_number(p, r->left_sec, UINT32_MAX, LEFT_BYTES);
        p = put_time(p, r->left_until);
    }
    if (r->served_since.sec > 0) {
        p = put_time(p, r->served_since);
        p = put_time(p, r->served_until);
    }
    p = put_bytes(p, r->addr.bytes, address_bytes(r->addr.family));
    if (r->domain.ptr)
        p = put_text(p, r->domain);
    p = put_text(p, r->sender);
    put_bytes(p, r->recipient.ptr, r->recipient.len);
}

/* A place in the bytes; once something is missing, bad stays set and every value is 0. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static const uint8_t *get_bytes(struct reader *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->at) < n) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

static int64_t get_number(struct reader *r, unsigned bytes)
{
    const uint8_t *p = get_bytes(r, bytes);
    uint64_t n = 0;
    for (unsigned i = 0; p && i < bytes; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

static struct wall get_time(struct reader *r)
{
    return (struct wall){get_number(r, TIME_BYTES)};
}

static struct slice get_text(struct reader *r)
{
    size_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        const uint8_t *p = shift <= 28 ? get_bytes(r, 1) : NULL;
        if (!p) {
            r->bad = true;
            return SLICE_NONE;
        }
        n |= (size_t)(*p & 127) << shift;
        if (!(*p & 128))
            break;
    }
    const uint8_t *text = get_bytes(r, n);
    return text ? slice_of(text, n) : SLICE_NONE;
}

enum err grey_record_decode(struct slice bytes, struct grey_record *out)
{
    *out = (struct grey_record){.left_sec = -1};
    if (bytes.len < 4)
        return ERR_CORRUPT;
    struct reader r = {.at = (const uint8_t *)bytes.ptr, .end = (const uint8_t *)bytes.ptr + bytes.len};
    unsigned version = r.at[0], all = FLAG_ALL | (version == VERSION_SERVED ? FLAG_SERVED : 0u);
    if (version < VERSION || version > VERSION_NETWORK)
        return ERR_UNSUPPORTED;
    unsigned type = r.at[1], flags = r.at[2], family = r.at[3];
    r.at += 4;
    if (type < GREY_RECORD_TUPLE || type > GREY_RECORD_TYPE_MAX ||
        (type >= GREY_RECORD_NETWORK) != (version == VERSION_NETWORK) || (flags & ~all) ||
        (family != IP_NONE && family != IP_V4 && family != IP_V6))
        return ERR_CORRUPT;
    out->type = (enum grey_record_type)type;
    out->is_auto = flags & FLAG_AUTO;
    out->by_hold = flags & FLAG_BY_HOLD;
    out->first_seen = get_time(&r);
    out->expires = get_time(&r);
    if (flags & FLAG_SINCE)
        out->auto_since = get_time(&r);
    if (flags & FLAG_PATIENT)
        out->patient_until = get_time(&r);
    if (flags & FLAG_LEFT) {
        out->left_sec = get_number(&r, LEFT_BYTES);
        out->left_until = get_time(&r);
    }
    if (flags & FLAG_SERVED) {
        out->served_since = get_time(&r);
        out->served_until = get_time(&r);
        r.bad |= out->served_since.sec == 0;
    }
    out->addr.family = (uint8_t)family;
    const uint8_t *addr = get_bytes(&r, address_bytes(family));
    if (addr)
        memcpy(out->addr.bytes, addr, address_bytes(family));
    if (flags & FLAG_DOMAIN)
        out->domain = get_text(&r);
    out->sender = get_text(&r);
    out->recipient = slice_of(r.at, (size_t)(r.end - r.at));
    return r.bad ? ERR_CORRUPT : ERR_NONE;
}

bool grey_record_is_unconfirmed(const struct grey_record *r)
{
    return r->type == GREY_RECORD_TUPLE && !r->is_auto && r->served_since.sec <= 0;
}

static bool raise_to(int64_t *value, int64_t to)
{
    bool changed = to > *value;
    *value = changed ? to : *value;
    return changed;
}

bool grey_record_merge(struct grey_record *into, const struct grey_record *from)
{
    bool changed = false;
    if (into->is_auto && !from->is_auto)
        return false;
    if (from->is_auto && !into->is_auto) {
        into->is_auto = true;
        into->by_hold = from->by_hold;
        into->auto_since = from->auto_since;
        into->expires = from->expires;
        into->left_sec = -1;
        into->served_since.sec = into->served_until.sec = 0;
        return true;
    }
    if (into->is_auto && into->by_hold && !from->by_hold) {
        into->by_hold = false;
        changed = true;
    }
    bool only_served = !into->is_auto && into->expires.sec == 0; /* nothing of it is pending so far */
    bool first_visit = only_served && from->expires.sec > 0;
    if (first_visit || (!into->is_auto && from->first_seen.sec < into->first_seen.sec)) {
        into->first_seen = from->first_seen;
        changed = true;
    }
    changed |= raise_to(&into->expires.sec, from->expires.sec);
    if (!into->is_auto && from->served_since.sec > 0) {
        changed |= raise_to(&into->served_since.sec, from->served_since.sec);
        changed |= raise_to(&into->served_until.sec, from->served_until.sec);
    }
    if (!into->is_auto && from->left_sec >= 0) {
        changed |= raise_to(&into->left_sec, from->left_sec);
        changed |= raise_to(&into->left_until.sec, from->left_until.sec);
    }
    if (into->type == GREY_RECORD_CLIENT) {
        changed |= raise_to(&into->auto_since.sec, from->auto_since.sec);
        changed |= raise_to(&into->patient_until.sec, from->patient_until.sec);
    }
    return changed;
}
