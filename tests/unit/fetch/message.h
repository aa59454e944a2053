/*
 * message.h - DNS messages for tests, made by hand: names are written without compression, unless a test writes a pointer.
 */
#ifndef TARSIER_TESTS_MESSAGE_H
#define TARSIER_TESTS_MESSAGE_H

#include "base/buf.h"
#include "base/ip.h"

#include <string.h>

enum {
    T_A = 1,
    T_NS = 2,
    T_CNAME = 5,
    T_SOA = 6,
    T_PTR = 12,
    T_AAAA = 28,
    R_NOERROR = 0,
    R_SERVFAIL = 2,
    R_NXDOMAIN = 3,
    R_REFUSED = 5,
    SECTION_ANSWER = 6, /* where the header counts it */
    SECTION_AUTHORITY = 8,
};

static inline void put_name(struct buf *b, const char *name)
{
    struct slice rest = slice_cstr(name);
    while (rest.ptr && rest.len > 0) {
        struct slice label = slice_cut(&rest, '.');
        buf_put_byte(b, (char)label.len);
        buf_put_slice(b, label);
    }
    buf_put_byte(b, 0);
}

/* A response with its question and nothing else yet. */
static inline void message_begin(struct buf *b, unsigned id, unsigned rcode, const char *name, unsigned type)
{
    buf_clear(b);
    buf_put_u16be(b, (uint16_t)id);
    buf_put_u16be(b, (uint16_t)(0x8180 | rcode));
    buf_put_u16be(b, 1);
    buf_put(b, "\0\0\0\0\0", 6);
    put_name(b, name);
    buf_put_u16be(b, (uint16_t)type);
    buf_put_u16be(b, 1);
}

static inline void message_record(struct buf *b, unsigned section, const char *owner, unsigned type, uint32_t ttl_sec,
                                  struct slice data)
{
    uint8_t *count = (uint8_t *)b->ptr + section;
    unsigned n = (count[0] << 8 | count[1]) + 1U;
    count[0] = (uint8_t)(n >> 8);
    count[1] = (uint8_t)n;
    put_name(b, owner);
    buf_put_u16be(b, (uint16_t)type);
    buf_put_u16be(b, 1);
    buf_put_u32be(b, ttl_sec);
    buf_put_u16be(b, (uint16_t)data.len);
    buf_put_slice(b, data);
}

static inline void message_name(struct buf *b, unsigned section, const char *owner, unsigned type, uint32_t ttl_sec,
                                const char *name)
{
    struct buf data = {0};
    put_name(&data, name);
    message_record(b, section, owner, type, ttl_sec, buf_slice(&data));
    buf_fini(&data);
}

static inline void message_address(struct buf *b, const char *owner, uint32_t ttl_sec, const char *address)
{
    struct ip ip;
    if (ip_parse(slice_cstr(address), &ip) != ERR_NONE)
        ip = (struct ip){0};
    message_record(b, SECTION_ANSWER, owner, ip.family == IP_V4 ? T_A : T_AAAA, ttl_sec,
                   slice_of(ip.bytes, ip.family == IP_V4 ? 4 : 16));
}

static inline void message_soa(struct buf *b, const char *zone, uint32_t ttl_sec, uint32_t minimum_sec)
{
    struct buf data = {0};
    put_name(&data, "ns.example");
    put_name(&data, "root.example");
    for (unsigned i = 0; i < 4; i++)
        buf_put_u32be(&data, 77);
    buf_put_u32be(&data, minimum_sec);
    message_record(b, SECTION_AUTHORITY, zone, T_SOA, ttl_sec, buf_slice(&data));
    buf_fini(&data);
}

#endif
