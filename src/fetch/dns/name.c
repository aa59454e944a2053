/* name.c - names from text to the wire's form and back. */
#include "fetch/dns/name.h"

#include <stdio.h>
#include <string.h>

static bool is_host_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

enum err dns_key_name(enum dns_type type, struct slice name, struct dns_key *out)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0)
        return ERR_SYNTAX;
    if (name.len >= DNS_TEXT_MAX)
        return ERR_LIMIT;
    size_t at = 0;
    while (name.ptr) {
        struct slice label = slice_cut(&name, '.');
        if (label.len == 0)
            return ERR_SYNTAX;
        if (label.len > DNS_LABEL_MAX)
            return ERR_LIMIT;
        out->wire[at++] = (uint8_t)label.len;
        for (size_t i = 0; i < label.len; i++) {
            if (!is_host_char(label.ptr[i]))
                return ERR_SYNTAX;
            out->wire[at++] = (uint8_t)ascii_lower(label.ptr[i]);
        }
    }
    out->wire[at++] = 0;
    out->type = type;
    out->len = (uint8_t)at;
    return ERR_NONE;
}

enum err dns_key_reverse(const struct ip *ip, struct dns_key *out)
{
    char text[DNS_TEXT_MAX];
    if (ip->family == IP_V4) {
        snprintf(text, sizeof(text), "%u.%u.%u.%u.in-addr.arpa", ip->bytes[3], ip->bytes[2], ip->bytes[1], ip->bytes[0]);
        return dns_key_name(DNS_PTR, slice_cstr(text), out);
    }
    if (ip->family != IP_V6)
        return ERR_SYNTAX;
    size_t at = 0;
    for (size_t i = 16; i-- > 0;) {
        static const char hex[] = "0123456789abcdef";
        text[at++] = hex[ip->bytes[i] & 15];
        text[at++] = '.';
        text[at++] = hex[ip->bytes[i] >> 4];
        text[at++] = '.';
    }
    snprintf(text + at, sizeof(text) - at, "ip6.arpa");
    return dns_key_name(DNS_PTR, slice_cstr(text), out);
}

enum err dns_wire_text(const uint8_t *wire, char out[DNS_TEXT_MAX], size_t *len)
{
    size_t n = 0;
    *len = 0;
    for (const uint8_t *at = wire; *at; at += *at + 1) {
        if (n > 0)
            out[n++] = '.';
        for (size_t i = 1; i <= *at; i++) {
            if (!is_host_char((char)at[i]))
                return ERR_SYNTAX;
            out[n++] = (char)at[i];
        }
    }
    out[n] = '\0';
    *len = n;
    return n > 0 ? ERR_NONE : ERR_SYNTAX;
}

bool dns_key_is_localhost(const struct dns_key *key)
{
    const uint8_t *at = key->wire;
    while (*at && at[*at + 1])
        at += *at + 1;
    return slice_eq(slice_of(at + 1, *at), SLICE_LIT("localhost"));
}
