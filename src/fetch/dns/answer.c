/*
 * answer.c - RFC 1035 4: header, question, answers, authority. Nothing is read behind the authority section. A name may
 * point only further to the front than where its last part began, so that every name ends.
 */
#include "fetch/dns/answer.h"

#include <string.h>

enum {
    HEADER_BYTES = 12,
    CLASS_IN = 1,
    RCODE_NONE = 0,
    RCODE_NXDOMAIN = 3,
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_AAAA = 28,
    SOA_NUMBERS_BYTES = 20,
};

struct name {
    size_t len;
    uint8_t wire[DNS_WIRE_MAX]; /* lower case */
};

struct record {
    struct name owner;
    uint16_t type, class;
    uint32_t ttl_sec;
    size_t data, data_len; /* in the message */
};

static uint16_t get_u16(struct slice m, size_t at)
{
    const uint8_t *p = (const uint8_t *)m.ptr + at;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(struct slice m, size_t at)
{
    return (uint32_t)get_u16(m, at) << 16 | get_u16(m, at + 2);
}

/* Moves *at behind the name as it stands there. */
static bool read_name(struct slice m, size_t *at, struct name *out)
{
    size_t from = *at, began = *at;
    bool jumped = false;
    out->len = 0;
    for (;;) {
        if (from >= m.len)
            return false;
        uint8_t n = (uint8_t)m.ptr[from];
        if (n >= 0xc0) {
            if (m.len - from < 2)
                return false;
            size_t target = get_u16(m, from) & 0x3fff;
            if (!jumped)
                *at = from + 2;
            jumped = true;
            if (target >= began)
                return false;
            from = began = target;
            continue;
        }
        if (n > DNS_LABEL_MAX || m.len - from <= n || out->len + n + 1 > DNS_WIRE_MAX)
            return false;
        out->wire[out->len++] = n;
        for (size_t i = 1; i <= n; i++)
            out->wire[out->len++] = (uint8_t)ascii_lower(m.ptr[from + i]);
        from += (size_t)n + 1;
        if (n == 0)
            break;
    }
    if (!jumped)
        *at = from;
    return true;
}

static bool read_record(struct slice m, size_t *at, struct record *out)
{
    if (!read_name(m, at, &out->owner) || m.len - *at < 10)
        return false;
    out->type = get_u16(m, *at);
    out->class = get_u16(m, *at + 2);
    out->ttl_sec = get_u32(m, *at + 4);
    if (out->ttl_sec > INT32_MAX)
        out->ttl_sec = 0; /* RFC 2181 8 */
    out->data_len = get_u16(m, *at + 8);
    out->data = *at + 10;
    if (m.len - out->data < out->data_len)
        return false;
    *at = out->data + out->data_len;
    return true;
}

static uint16_t type_number(enum dns_type type)
{
    return type == DNS_A ? TYPE_A : type == DNS_AAAA ? TYPE_AAAA : TYPE_PTR;
}

/* One question, and it is ours. */
static bool read_question(struct slice m, const struct dns_key *key, size_t *at)
{
    struct name name;
    enum { RESPONSE = 0x8000, OPCODE = 0x7800 };
    if (m.len < HEADER_BYTES || (get_u16(m, 2) & (RESPONSE | OPCODE)) != RESPONSE || get_u16(m, 4) != 1)
        return false;
    *at = HEADER_BYTES;
    if (!read_name(m, at, &name) || m.len - *at < 4)
        return false;
    bool same = name.len == key->len && memcmp(name.wire, key->wire, key->len) == 0 &&
                get_u16(m, *at) == type_number(key->type) && get_u16(m, *at + 2) == CLASS_IN;
    *at += 4;
    return same;
}

static bool is_of(const struct record *r, const struct name *owner, uint16_t type)
{
    return r->type == type && r->class == CLASS_IN && r->owner.len == owner->len &&
           memcmp(r->owner.wire, owner->wire, owner->len) == 0;
}

static void lower_ttl(struct dns_answer *out, uint32_t ttl_sec)
{
    if (!out->has_ttl || ttl_sec < out->ttl_sec)
        out->ttl_sec = ttl_sec;
    out->has_ttl = true;
}

static bool take_address(struct slice m, const struct record *r, struct dns_answer *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (r->data_len != (r->type == TYPE_A ? 4 : 16))
        return false;
    if (out->n_addresses == DNS_ADDRESSES_MAX)
        return true;
    struct ip *ip = &out->addresses[out->n_addresses++];
    const char *bytes = m.ptr + r->data;
    *ip = (struct ip){.family = r->type == TYPE_A ? IP_V4 : IP_V6};
    if (r->type == TYPE_AAAA && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        ip->family = IP_V4;
        memcpy(ip->bytes, bytes + sizeof(mapped), 4);
        return true;
    }
    memcpy(ip->bytes, bytes, r->data_len);
    return true;
}

static bool take_name(struct slice m, const struct record *r, struct dns_answer *out)
{
    struct name name;
    size_t at = r->data;
    if (!read_name(m, &at, &name) || at != r->data + r->data_len)
        return false;
    if (out->name_len == 0 && dns_wire_text(name.wire, out->name, &out->name_len) != ERR_NONE)
        out->name_len = 0;
    return true;
}

struct section {
    bool moved;
    unsigned matched; /* records of the type at the name */
};

/*
 * The answers, once from the first to the last: what is `name`'s own; or where its CNAME leads, which is the new name then,
 * and moved. False: the message is broken. *at ends behind the section, unless it is too long.
 */
static bool read_answers(struct slice m, size_t *at, uint16_t type, struct name *name, struct section *s,
                         struct dns_answer *out)
{
    unsigned count = get_u16(m, 6);
    struct record r;
    *s = (struct section){0};
    out->n_addresses = out->name_len = 0;
    for (unsigned i = 0; i < count && i < DNS_RECORDS_MAX; i++) {
        if (!read_record(m, at, &r))
            return false;
        bool is_alias = !s->moved && is_of(&r, name, TYPE_CNAME);
        bool is_wanted = !s->moved && is_of(&r, name, type);
        if (is_alias || is_wanted)
            lower_ttl(out, r.ttl_sec);
        if (is_alias) {
            size_t target = r.data;
            if (!read_name(m, &target, name) || target != r.data + r.data_len)
                return false;
            s->moved = true;
        } else if (is_wanted) {
            if (!(type == TYPE_PTR ? take_name(m, &r, out) : take_address(m, &r, out)))
                return false;
            s->matched++;
        }
    }
    return true;
}

/* How long the absence may be believed, and whether it is one: name servers without a SOA are a referral (RFC 2308 2.2). */
static bool read_authority(struct slice m, size_t at, unsigned rcode, struct dns_answer *out)
{
    unsigned count = get_u16(m, 8);
    bool referred = false;
    struct record r;
    for (unsigned i = 0; i < count && i < DNS_RECORDS_MAX; i++) {
        if (!read_record(m, &at, &r))
            return false;
        referred |= r.type == TYPE_NS;
        if (r.type != TYPE_SOA || r.class != CLASS_IN)
            continue;
        struct name skipped;
        size_t data = r.data;
        if (!read_name(m, &data, &skipped) || !read_name(m, &data, &skipped) ||
            data + SOA_NUMBERS_BYTES != r.data + r.data_len)
            return false;
        uint32_t minimum_sec = get_u32(m, data + SOA_NUMBERS_BYTES - 4);
        lower_ttl(out, minimum_sec < r.ttl_sec ? minimum_sec : r.ttl_sec);
        return true;
    }
    out->has_ttl = false; /* a CNAME's TTL says nothing of what is absent behind it */
    return !referred || rcode == RCODE_NXDOMAIN;
}

static enum dns_status read_status(const struct dns_key *key, struct slice m, struct dns_answer *out)
{
    size_t start, at = 0;
    if (!read_question(m, key, &start))
        return DNS_FAILED;
    unsigned rcode = get_u16(m, 2) & 15;
    if (rcode != RCODE_NONE && rcode != RCODE_NXDOMAIN)
        return DNS_FAILED;
    struct name name = {.len = key->len};
    memcpy(name.wire, key->wire, key->len);
    struct section s = {.moved = true};
    for (unsigned i = 0; s.moved; i++) {
        at = start;
        if (i > DNS_CHAIN_MAX || !read_answers(m, &at, type_number(key->type), &name, &s, out))
            return DNS_FAILED;
    }
    if (rcode == RCODE_NONE && s.matched > 0)
        return out->n_addresses > 0 || out->name_len > 0 ? DNS_FOUND : DNS_ABSENT;
    if (get_u16(m, 6) > DNS_RECORDS_MAX)
        return DNS_FAILED; /* it may stand behind those */
    return read_authority(m, at, rcode, out) ? DNS_ABSENT : DNS_FAILED;
}

void dns_answer_read(const struct dns_key *key, struct slice message, struct dns_answer *out)
{
    out->has_ttl = false;
    out->ttl_sec = 0;
    out->n_addresses = out->name_len = 0;
    out->status = read_status(key, message, out);
    if (out->status == DNS_FAILED)
        out->has_ttl = false;
    if (out->status != DNS_FOUND)
        out->n_addresses = out->name_len = 0;
}
