/*
 * domain.c - what host names tell. Knows labels, the Public Suffix List (libpsl) and how providers write addresses into names;
 * asks no DNS, so whether a name is true is the caller's affair.
 */
#include "match/domain.h"

#include "base/buf.h"
#include "base/mem.h"

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- base domains ---- */

struct domain_list {
    psl_ctx_t *psl;
};

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 }; /* RFC 1035 2.3.4, as text without the final dot */

struct domain_list *domain_list_open(void)
{
    /* The newer of the system's file and the one inside the library. */
    psl_ctx_t *psl = psl_latest(NULL);
    if (!psl)
        return NULL;
    struct domain_list *list = mem_zalloc(sizeof(*list));
    list->psl = psl;
    return list;
}

void domain_list_free(struct domain_list *list)
{
    if (!list)
        return;
    psl_free(list->psl);
    free(list);
}

static bool is_host_label(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        /* `_` is no host name's by RFC 952, but real reverse names have it. */
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* Labels of letters, digits and hyphens, and no number last: 192.0.2.1 is an address, not a name. */
static bool is_host_name(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return false;
    struct slice last = SLICE_NONE;
    for (struct slice rest = name; rest.ptr;) {
        last = slice_cut(&rest, '.');
        if (!is_host_label(last))
            return false;
    }
    for (size_t i = 0; i < last.len; i++)
        if (!ascii_is_digit(last.ptr[i]))
            return true;
    return false;
}

struct slice domain_base(const struct domain_list *list, struct slice name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!is_host_name(name))
        return SLICE_NONE;
    char text[NAME_MAX_BYTES + 1];
    for (size_t i = 0; i < name.len; i++)
        text[i] = ascii_lower(name.ptr[i]);
    text[name.len] = '\0';
    const char *base = psl_registrable_domain(list->psl, text);
    if (!base || !*base)
        return SLICE_NONE;
    /* libpsl takes an unknown top level for a suffix (the list's default rule `*`); we want to know nothing of it. */
    const char *suffix = psl_unregistrable_domain(list->psl, text);
    if (!suffix || !psl_is_public_suffix2(list->psl, suffix, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE))
        return SLICE_NONE;
    return slice_from(name, (size_t)(base - text));
}

/* No rule of the list has more labels, wildcards included. */
enum { SUFFIX_MAX_LABELS = 6 };

struct slice domain_base_icann(const struct domain_list *list, struct slice name)
{
    /* The last labels as libpsl wants them: small letters, ASCII (for other bytes it would convert, and allocate). */
    char text[NAME_MAX_BYTES + 1];
    size_t skipped = name.len > NAME_MAX_BYTES ? name.len - NAME_MAX_BYTES : 0;
    for (size_t i = skipped; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);
        text[i - skipped] = c != '\0' && (unsigned char)c < 128 ? c : '?';
    }
    text[name.len - skipped] = '\0';

    /* From the right: each label more, as long as there are rules so long. `at` is where the labels begin. */
    size_t base = name.len, at = name.len;
    bool is_suffix = true; /* of what stands behind `at`: nothing yet */
    for (unsigned labels = 0; labels <= SUFFIX_MAX_LABELS && at > skipped; labels++) {
        at -= labels > 0; /* the dot */
        while (at > skipped && text[at - skipped - 1] != '.')
            at--;
        if (at == skipped && skipped > 0)
            break; /* a label that would be cut in two */
        if (is_suffix)
            base = at;
        is_suffix = psl_is_public_suffix2(list->psl, text + (at - skipped), PSL_TYPE_ICANN);
    }
    return base == name.len || (at == 0 && is_suffix) ? SLICE_NONE : slice_from(name, base);
}

bool domain_matches(struct slice name, struct slice suffix, bool exact)
{
    if (!slice_has_suffix_nocase(name, suffix))
        return false;
    if (!exact || name.len == suffix.len)
        return true;
    size_t at = name.len - suffix.len;
    return suffix.len > 0 && (suffix.ptr[0] == '.' || name.ptr[at - 1] == '.');
}

/* ---- names that carry their address ---- */

static bool contains_nocase(struct slice hay, const char *needle)
{
    struct slice want = slice_cstr(needle);
    for (size_t i = 0; i + want.len <= hay.len; i++)
        if (slice_eq_nocase(slice_of(hay.ptr + i, want.len), want))
            return true;
    return false;
}

/* The next maximal run of digits; SLICE_NONE when there is none. */
static struct slice next_number(struct slice *rest)
{
    size_t from = 0;
    while (from < rest->len && !ascii_is_digit(rest->ptr[from]))
        from++;
    size_t to = from;
    while (to < rest->len && ascii_is_digit(rest->ptr[to]))
        to++;
    struct slice number = slice_of(rest->ptr + from, to - from);
    *rest = slice_from(*rest, to);
    return number.len ? number : SLICE_NONE;
}

/* An octet as providers write it: up to three digits, zeros in front or not. -1: no octet. */
static int octet_value(struct slice number)
{
    uint64_t v;
    if (number.len > 3 || slice_to_u64(number, &v) != ERR_NONE || v > 255)
        return -1;
    return (int)v;
}

/* One run of digits that is octets written without anything between them, padded to three digits or not. */
static bool is_joined_octets(struct slice run, const uint8_t octets[4], unsigned count, bool reversed)
{
    char plain[4 * 3 + 1] = "", padded[4 * 3 + 1] = "";
    for (unsigned i = 0; i < count; i++) {
        unsigned octet = octets[reversed ? 3 - i : 4 - count + i];
        snprintf(plain + strlen(plain), 4, "%u", octet);
        snprintf(padded + strlen(padded), 4, "%03u", octet);
    }
    /* The full address counts wherever it stands; less of it, or without padding, must be the whole run. */
    if (count == 4)
        return slice_eq_cstr(run, plain) || contains_nocase(run, padded);
    return slice_eq_cstr(run, padded);
}

static bool number_joins_octets(struct slice run, const uint8_t octets[4])
{
    for (int reversed = 0; reversed < 2; reversed++)
        for (unsigned count = 2; count <= 4; count++)
            if (is_joined_octets(run, octets, count, reversed))
                return true;
    return false;
}

static bool carries_ipv4(struct slice name, const uint8_t o[4])
{
    int before = -1;
    for (struct slice rest = name, run; (run = next_number(&rest)).ptr;) {
        int v = octet_value(run);
        if (v >= 0 && before >= 0 && ((before == o[2] && v == o[3]) || (before == o[3] && v == o[2])))
            return true;
        if (run.len > 3 && number_joins_octets(run, o))
            return true;
        before = v;
    }
    char hex[9];
    static const char digits[] = "0123456789abcdef";
    for (int reversed = 0; reversed < 2; reversed++) {
        for (unsigned i = 0; i < 4; i++) {
            uint8_t b = o[reversed ? 3 - i : i];
            hex[2 * i] = digits[b >> 4];
            hex[2 * i + 1] = digits[b & 15];
        }
        hex[8] = '\0';
        if (contains_nocase(name, hex))
            return true;
    }
    return false;
}

/* 32 nibbles in order or reversed, however they are cut: "20010db8…", "2001-0db8-…", "7.0.0.0.…". */
static bool carries_nibbles(struct slice name, const uint8_t bytes[16])
{
    static const char digits[] = "0123456789abcdef";
    char forward[33], backward[33];
    for (unsigned i = 0; i < 32; i++) {
        unsigned nibble = i % 2 ? bytes[i / 2] & 15U : bytes[i / 2] >> 4;
        forward[i] = digits[nibble];
        backward[31 - i] = digits[nibble];
    }
    forward[32] = backward[32] = '\0';
    struct buf bare = {0};
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] != '.' && name.ptr[i] != '-' && name.ptr[i] != '_')
            buf_put_byte(&bare, name.ptr[i]);
    bool found = contains_nocase(buf_slice(&bare), forward) || contains_nocase(buf_slice(&bare), backward);
    buf_fini(&bare);
    return found;
}

static bool is_hex_digit(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

/* text in name, no hex digit right behind it: "2001-db8--7" is not carried by "2001-db8--75". */
static bool contains_whole(struct slice name, const char *text)
{
    struct slice want = slice_cstr(text);
    for (size_t i = 0; i + want.len <= name.len; i++)
        if (slice_eq_nocase(slice_of(name.ptr + i, want.len), want) &&
            (i + want.len == name.len || !is_hex_digit(name.ptr[i + want.len])))
            return true;
    return false;
}

/* The address's text with its colons replaced: "2001-db8--7", "2001-db8-0-0-0-0-0-7". */
static bool carries_ipv6_text(struct slice name, const struct ip *ip)
{
    char compressed[IP_TEXT_MAX], full[8 * 5 + 1] = "";
    ip_format(ip, compressed);
    for (char *p = compressed; *p; p++)
        if (*p == ':')
            *p = '-';
    for (unsigned i = 0; i < 16; i += 2)
        snprintf(full + strlen(full), 6, "%s%x", i ? "-" : "", ip->bytes[i] << 8 | ip->bytes[i + 1]);
    return contains_whole(name, compressed) || contains_whole(name, full);
}

bool domain_carries_address(struct slice name, const struct ip *ip)
{
    if (ip->family == IP_V4)
        return carries_ipv4(name, ip->bytes);
    if (ip->family == IP_V6)
        return carries_nibbles(name, ip->bytes) || carries_ipv6_text(name, ip);
    return false;
}
