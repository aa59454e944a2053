/*
 * generic_address.c - how does a text spell the client's address? One pass for each way, each a rolling window or a handful of
 * counters: linear in the text's length. Only the ways of the address's own family are tried.
 */
#include "match/generic.h"

#include <stdio.h>
#include <string.h>

/* 0 to 15, or -1: no hexadecimal digit. */
static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    char low = ascii_lower(c);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* ---- IPv4 ---- */

static uint32_t octets_value(const uint8_t o[4])
{
    return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

/* "cb00712d", or "2d7100cb" with the octets reversed, anywhere. */
static bool spells_hex(struct slice text, const uint8_t o[4])
{
    const uint8_t reversed[4] = {o[3], o[2], o[1], o[0]};
    uint32_t forward = octets_value(o), backward = octets_value(reversed), window = 0;
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = hex_value(text.ptr[i]);
        run = v < 0 ? 0 : run + 1;
        window = window << 4 | (v < 0 ? 0 : (uint32_t)v);
        if (run >= 8 && (window == forward || window == backward))
            return true;
    }
    return false;
}

enum { JOINED_MIN = 8, JOINED_MAX = 12 }; /* digits of a run that can be a whole address */

struct joined {
    char text[3][JOINED_MAX + 1];
};

static void joined_make(const uint8_t o[4], struct joined *j)
{
    snprintf(j->text[0], sizeof(j->text[0]), "%u%u%u%u", o[0], o[1], o[2], o[3]);
    snprintf(j->text[1], sizeof(j->text[1]), "%u%u%u%u", o[3], o[2], o[1], o[0]);
    snprintf(j->text[2], sizeof(j->text[2]), "%lu", (unsigned long)octets_value(o));
}

/* The next whole run of digits from *at on; absent when there is none. */
static struct slice next_run(struct slice text, size_t *at)
{
    size_t from = *at;
    while (from < text.len && !ascii_is_digit(text.ptr[from]))
        from++;
    size_t to = from;
    while (to < text.len && ascii_is_digit(text.ptr[to]))
        to++;
    *at = to;
    return from < to ? slice_of(text.ptr + from, to - from) : SLICE_NONE;
}

static bool spells_one_number(struct slice text, const uint8_t o[4])
{
    struct joined j;
    bool made = false; /* few names have such a run */
    size_t at = 0;
    for (struct slice run; (run = next_run(text, &at)).ptr;) {
        if (run.len < JOINED_MIN || run.len > JOINED_MAX)
            continue;
        if (!made)
            joined_make(o, &j);
        made = true;
        if (slice_eq_cstr(run, j.text[0]) || slice_eq_cstr(run, j.text[1]) || slice_eq_cstr(run, j.text[2]))
            return true;
    }
    return false;
}

/* Numbers: runs of one to three digits; runs of six, nine or twelve are cut in threes. */
struct numbers {
    struct slice text, run; /* run: what is left of the one that is being cut */
    size_t at;
};

static struct slice next_number(struct numbers *n)
{
    while (!n->run.len) {
        struct slice run = next_run(n->text, &n->at);
        if (!run.ptr)
            return SLICE_NONE;
        if (run.len <= 3 || (run.len <= 12 && run.len % 3 == 0))
            n->run = run;
    }
    struct slice number = slice_upto(n->run, 3);
    n->run = slice_from(n->run, number.len);
    return number;
}

static unsigned number_value(struct slice number)
{
    unsigned v = 0;
    for (size_t i = 0; i < number.len; i++)
        v = v * 10 + (unsigned)(number.ptr[i] - '0');
    return v;
}

/* Which octets the text's numbers have used up; equal octets need as many equal numbers. */
static void use_up(const uint8_t o[4], unsigned value, bool used[4])
{
    for (int i = 3; i >= 0; i--)
        if (o[i] == value && !used[i]) {
            used[i] = true;
            return;
        }
}

static bool is_pair(const uint8_t o[4], unsigned a, unsigned b)
{
    for (int i = 0; i < 4; i += 2)
        if ((a == o[i] && b == o[i + 1]) || (a == o[i + 1] && b == o[i]))
            return true;
    return false;
}

enum { PAIR_MAX_BETWEEN = 2 };

static enum generic_spelling spells_numbers(struct slice text, const uint8_t o[4])
{
    struct numbers numbers = {.text = text};
    struct slice before = SLICE_NONE;
    bool used[4] = {false}, pair = false;
    for (struct slice n; (n = next_number(&numbers)).ptr; before = n) {
        use_up(o, number_value(n), used);
        if (before.ptr && n.ptr - (before.ptr + before.len) <= PAIR_MAX_BETWEEN &&
            is_pair(o, number_value(before), number_value(n)))
            pair = true;
    }
    unsigned found = 0, large = 0;
    for (unsigned i = 0; i < 4; i++) {
        found += used[i];
        large += used[i] && o[i] > 9;
    }
    if (found == 4)
        return GENERIC_SPELLS_FOUR;
    if (found == 3 && large >= 2)
        return GENERIC_SPELLS_THREE;
    return pair ? GENERIC_SPELLS_TWO : GENERIC_SPELLS_NOTHING;
}

static enum generic_spelling spelling_ipv4(struct slice text, const uint8_t o[4])
{
    if (spells_hex(text, o))
        return GENERIC_SPELLS_HEX;
    if (spells_one_number(text, o))
        return GENERIC_SPELLS_ONE_NUMBER;
    return spells_numbers(text, o);
}

/* ---- IPv6 ---- */

enum { HALF_NIBBLES = 16, GROUPS = 8, GROUPS_EQUAL = 4, FORM_GROUPS = 6, FORM_NIBBLES = 32 };

static uint64_t nibbles_reversed(uint64_t v)
{
    uint64_t out = 0;
    for (unsigned i = 0; i < HALF_NIBBLES; i++, v >>= 4)
        out = out << 4 | (v & 15);
    return out;
}

/* The upper or lower half, in order or reversed, in a run of hexadecimal digits that may be cut by `-` and `.` anywhere. */
static bool spells_half(struct slice text, const uint8_t bytes[16])
{
    uint64_t wanted[4] = {0}, window = 0;
    for (unsigned i = 0; i < 16; i++)
        wanted[i / 8] = wanted[i / 8] << 8 | bytes[i];
    wanted[2] = nibbles_reversed(wanted[0]);
    wanted[3] = nibbles_reversed(wanted[1]);
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-' || text.ptr[i] == '.')
            continue;
        int v = hex_value(text.ptr[i]);
        run = v < 0 ? 0 : run + 1;
        window = window << 4 | (v < 0 ? 0 : (uint64_t)v);
        if (run >= HALF_NIBBLES)
            for (unsigned w = 0; w < 4; w++)
                if (window == wanted[w])
                    return true;
    }
    return false;
}

/* A group's value, for which leading zeros count nothing; one of five digits and more is 65536: no group of an address. */
static uint32_t group_add(uint32_t value, int digit)
{
    return value > 0xffff >> 4 ? 0x10000 : value << 4 | (uint32_t)digit;
}

static bool equals_groups(const uint32_t last[GROUPS_EQUAL], size_t newest, const uint16_t address[GROUPS])
{
    unsigned zeros = 0;
    for (unsigned i = 0; i < GROUPS_EQUAL; i++)
        zeros += last[i] == 0;
    if (zeros > 1)
        return false;
    for (unsigned from = 0; from + GROUPS_EQUAL <= GROUPS; from++) {
        unsigned equal = 0;
        while (equal < GROUPS_EQUAL && last[(newest + 1 + equal) % GROUPS_EQUAL] == address[from + equal])
            equal++;
        if (equal == GROUPS_EQUAL)
            return true;
    }
    return false;
}

/* Four groups in a row, whatever stands between them. */
static bool spells_groups(struct slice text, const uint8_t bytes[16])
{
    uint16_t address[GROUPS];
    for (unsigned i = 0; i < GROUPS; i++)
        address[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    uint32_t last[GROUPS_EQUAL] = {0}; /* a ring */
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t value = 0;
        size_t from = i;
        for (int v; i < text.len && (v = hex_value(text.ptr[i])) >= 0; i++)
            value = group_add(value, v);
        if (i == from) {
            i++;
            continue;
        }
        last[n % GROUPS_EQUAL] = value;
        if (++n >= GROUPS_EQUAL && equals_groups(last, n - 1, address))
            return true;
    }
    return false;
}

static bool is_alphanumeric(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* A run of letters and digits, seen as a group. */
struct group {
    size_t from, to;
    bool good, has_digit; /* good: one to four hexadecimal digits and nothing else */
};

static bool next_group(struct slice text, struct group *g)
{
    size_t i = g->to;
    while (i < text.len && !is_alphanumeric(text.ptr[i]))
        i++;
    *g = (struct group){.from = i, .to = i, .good = true};
    for (; g->to < text.len && is_alphanumeric(text.ptr[g->to]); g->to++) {
        g->good &= hex_value(text.ptr[g->to]) >= 0;
        g->has_digit |= ascii_is_digit(text.ptr[g->to]);
    }
    g->good &= g->to - g->from <= 4;
    return g->to > g->from;
}

/* "2001-db8-1-2-3-4": six groups or more, all joined by `-` or all by `.`, a decimal digit in one of them. */
static bool has_joined_groups(struct slice text)
{
    struct group g = {0}, before = {0};
    unsigned n = 0;
    char joint = '\0';
    bool digit = false;
    for (; next_group(text, &g); before = g) {
        char c = g.from > 0 ? text.ptr[g.from - 1] : '\0';
        bool joined = n > 0 && g.from == before.to + 1 && (c == '-' || c == '.');
        if (!g.good) {
            n = 0;
            continue;
        }
        if (!joined) {
            n = 1;
            digit = g.has_digit;
        } else if (n == 1 || c == joint) {
            n++;
            digit |= g.has_digit;
        } else {
            n = 2; /* the one before is joined to this one as it was not to its own predecessor */
            digit = before.has_digit || g.has_digit;
        }
        joint = c;
        if (n >= FORM_GROUPS && digit)
            return true;
    }
    return false;
}

static bool has_all_nibbles(struct slice text)
{
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = hex_value(text.ptr[i]) < 0 ? 0 : run + 1;
        if (run == FORM_NIBBLES && (i + 1 == text.len || hex_value(text.ptr[i + 1]) < 0))
            return true;
    }
    return false;
}

static bool has_form(struct slice text)
{
    return has_joined_groups(text) || has_all_nibbles(text);
}

static enum generic_spelling spelling_ipv6(struct slice text, const uint8_t bytes[16])
{
    if (spells_half(text, bytes))
        return GENERIC_SPELLS_HALF;
    if (spells_groups(text, bytes))
        return GENERIC_SPELLS_GROUPS;
    return has_form(text) ? GENERIC_SPELLS_FORM : GENERIC_SPELLS_NOTHING;
}

enum generic_spelling generic_spelling(struct slice text, const struct ip *ip)
{
    if (ip->family == IP_V4)
        return spelling_ipv4(text, ip->bytes);
    if (ip->family == IP_V6)
        return spelling_ipv6(text, ip->bytes);
    return has_form(text) ? GENERIC_SPELLS_FORM : GENERIC_SPELLS_NOTHING;
}
