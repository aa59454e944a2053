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

const char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX])
{
    int af = ip->family == IP_V4 ? AF_INET : AF_INET6;
    if (ip->family == IP_NONE || !inet_ntop(af, ip->bytes, out, IP_TEXT_MAX))
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

struct ip ip_mask(const struct ip *ip, unsigned bits)
{
    struct ip r = *ip;
    for (unsigned i = 0; i < sizeof(r.bytes); i++) {
        if (bits >= 8 * (i + 1))
            continue;
        unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
        r.bytes[i] &= (uint8_t)(0xff00u >> keep);
    }
    return r;
}

bool ip_in(const struct ip *ip, const struct ip *net, unsigned bits)
{
    if (ip->family != net->family || ip->family == IP_NONE)
        return false;
    struct ip a = ip_mask(ip, bits), b = ip_mask(net, bits);
    return ip_eq(&a, &b);
}

struct ip ip_client(const struct ip *ip)
{
    return ip->family == IP_V6 ? ip_mask(ip, 64) : *ip;
}
