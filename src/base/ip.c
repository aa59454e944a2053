/* ip.c - an IPv4 or IPv6 address as a value. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

enum err ip_parse(struct slice text, struct ip *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char s[IP_TEXT_MAX];
    *out = (struct ip){0};
    if (text.len > 5 && slice_eq_nocase(slice_upto(text, 5), SLICE_LIT("IPv6:")))
        text = slice_from(text, 5);
    if (text.len == 0 || text.len >= sizeof(s) || memchr(text.ptr, '\0', text.len))
        return ERR_SYNTAX;
    memcpy(s, text.ptr, text.len);
    s[text.len] = '\0';
    if (inet_pton(AF_INET, s, out->bytes) == 1) {
        out->family = IP_V4;
        return ERR_NONE;
    }
    uint8_t six[16];
    if (inet_pton(AF_INET6, s, six) != 1) {
        *out = (struct ip){0};
        return ERR_SYNTAX;
    }
    if (memcmp(six, mapped, sizeof(mapped)) == 0) {
        out->family = IP_V4;
        memcpy(out->bytes, six + 12, 4);
    } else {
        out->family = IP_V6;
        memcpy(out->bytes, six, sizeof(six));
    }
    return ERR_NONE;
}

/* Each line of the log and each row of the journal has one: inet_ntop() takes ten times as long, by way of sprintf(). */
static void put_v4(const uint8_t bytes[4], char *out)
{
    for (int i = 0; i < 4; i++) {
        unsigned n = bytes[i];
        if (n >= 100)
            *out++ = (char)('0' + n / 100);
        if (n >= 10)
            *out++ = (char)('0' + n / 10 % 10);
        *out++ = (char)('0' + n % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

const char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX])
{
    if (ip->family == IP_V4)
        put_v4(ip->bytes, out);
    else if (ip->family == IP_NONE || !inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT_MAX))
        strcpy(out, "unknown");
    return out;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return ip_cmp(a, b) == 0;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

unsigned ip_width_bits(const struct ip *ip)
{
    return ip->family == IP_V4 ? 32 : ip->family == IP_V6 ? 128 : 0;
}

/* Of the byte in which a mask of so many bits ends. */
static uint8_t byte_mask(unsigned bits)
{
    return (uint8_t)(0xff00u >> bits % 8);
}

struct ip ip_mask(const struct ip *ip, unsigned bits)
{
    struct ip r = *ip;
    unsigned whole = bits / 8;
    if (whole >= sizeof(r.bytes))
        return r;
    r.bytes[whole] &= byte_mask(bits);
    memset(r.bytes + whole + 1, 0, sizeof(r.bytes) - whole - 1);
    return r;
}

bool ip_in(const struct ip *ip, const struct ip *net, unsigned bits)
{
    if (ip->family != net->family || ip->family == IP_NONE)
        return false;
    unsigned whole = bits / 8;
    if (whole >= sizeof(ip->bytes))
        return ip_eq(ip, net);
    return memcmp(ip->bytes, net->bytes, whole) == 0 && ((ip->bytes[whole] ^ net->bytes[whole]) & byte_mask(bits)) == 0;
}

struct ip ip_client(const struct ip *ip)
{
    return ip->family == IP_V6 ? ip_mask(ip, 64) : *ip;
}
