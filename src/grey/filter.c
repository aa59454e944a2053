/* filter.c - which records somebody means. */
#include "grey/filter.h"

#include "base/mem.h"
#include "grey/clean.h"
#include "grey/proof.h"

#include <string.h>

static const char *const words[GREY_WORDS] = {"pending", "left", "served", "passed", "pair",
                                              "patient", "any",  "shared", "proof"};

const char *grey_word_text(enum grey_word word)
{
    return words[word];
}

enum grey_word grey_record_word(const struct grey_record *r)
{
    switch (r->type) {
    case GREY_RECORD_NETWORK:
    case GREY_RECORD_PAIR:
        return r->is_auto ? GREY_WORD_PAIR : GREY_WORD_SERVED;
    case GREY_RECORD_LAZY:
        return r->is_auto ? GREY_WORD_ANY : GREY_WORD_SERVED;
    case GREY_RECORD_CLIENT:
        return r->auto_since.sec > 0 || r->patient_until.sec > 0 ? GREY_WORD_PATIENT : GREY_WORD_LEFT;
    case GREY_RECORD_SHARED:
        return GREY_WORD_SHARED;
    case GREY_RECORD_PROOF:
        return GREY_WORD_PROOF;
    default:
        break;
    }
    return r->is_auto            ? GREY_WORD_PASSED
           : r->served_since.sec ? GREY_WORD_SERVED
           : r->left_sec >= 0    ? GREY_WORD_LEFT
                                 : GREY_WORD_PENDING;
}

/* ---- match ---- */

/* `*` is any bytes, also none; letters of either case are the same. No recursion: the last star alone is tried again. */
static bool matches(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_t = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_t = t;
        } else if (p < pattern.len && ascii_lower(pattern.ptr[p]) == ascii_lower(text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static struct slice inner(struct slice address)
{
    return slice_trim(address, "<>");
}

static bool matches_sender(const struct grey_filter *f, const struct grey_record *r)
{
    if (!f->sender.ptr)
        return true;
    if (r->type == GREY_RECORD_TUPLE)
        return matches(f->sender, inner(r->sender));
    /* of a sender a pair knows the domain alone, so that only a pattern of a domain can mean it */
    bool pair = r->type == GREY_RECORD_PAIR || r->type == GREY_RECORD_NETWORK;
    return pair && slice_has_prefix(f->sender, "*@") && matches(slice_from(f->sender, 2), r->sender);
}

static bool matches_recipient(const struct grey_filter *f, const struct grey_record *r)
{
    return !f->recipient.ptr || (r->type == GREY_RECORD_TUPLE && matches(f->recipient, inner(r->recipient)));
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The last time that something is known to have changed it. How old a left mark is cannot be told: it counts as new. */
static int64_t touched(const struct grey_filter *f, const struct grey_record *r)
{
    int64_t at = max64(max64(r->first_seen.sec, r->auto_since.sec), r->served_since.sec);
    if (r->is_auto)
        at = max64(at, r->expires.sec - f->autowhite_sec);
    if (r->patient_until.sec > 0)
        at = max64(at, r->patient_until.sec - f->autowhite_sec);
    if (r->type == GREY_RECORD_PROOF)
        at = max64(at, r->expires.sec - GREY_PROOF_LIFE_SEC);
    return r->left_sec >= 0 ? max64(at, f->now.sec) : at;
}

bool grey_filter_match(const struct grey_filter *f, const struct grey_record *r)
{
    int64_t age = f->now.sec - r->first_seen.sec;
    return grey_record_end(r).sec >= f->now.sec && (f->net.family == IP_NONE || ip_in(&r->addr, &f->net, f->bits)) &&
           (f->words == 0 || (f->words & 1u << grey_record_word(r))) && (f->older_sec < 0 || age > f->older_sec) &&
           (f->newer_sec < 0 || age <= f->newer_sec) && (f->since_sec < 0 || touched(f, r) >= f->now.sec - f->since_sec) &&
           matches_sender(f, r) && matches_recipient(f, r);
}

/*
 * By address the keys of a network lie together. A key has the address under the mask that counted when it was made, which may be
 * coarser than the network that is asked for; nobody masks more than this. Keys of domains can be anybody's.
 */
enum { COARSE_V4 = 16, COARSE_V6 = 32 };

bool grey_filter_range(const struct grey_filter *f, unsigned number, struct grey_key *from, struct grey_key *to)
{
    memset(from, 0, sizeof(*from));
    memset(to, 0xff, sizeof(*to));
    if (f->net.family == IP_NONE)
        return number == 0;
    if (number > 1)
        return false;
    if (number == 1) {
        from->client[0] = 0xff;
        return true;
    }
    unsigned coarse = f->net.family == IP_V4 ? COARSE_V4 : COARSE_V6, lead = f->net.family == IP_V4 ? 96 : 0;
    unsigned bits = f->bits < coarse ? f->bits : coarse;
    grey_client_address(&f->net, bits, from->client);
    memcpy(to->client, from->client, sizeof(to->client));
    for (unsigned bit = lead + bits; bit < 128; bit++)
        to->client[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return true;
}

/* ---- from words ---- */

enum err grey_parse_age(struct slice text, int64_t *sec)
{
    static const struct {
        char letter;
        int64_t sec;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t n;
    int64_t unit = 1;
    char last = text.len ? text.ptr[text.len - 1] : '\0';
    if (!ascii_is_digit(last)) {
        size_t i = 0;
        while (i < COUNT_OF(units) && units[i].letter != last)
            i++;
        if (i == COUNT_OF(units))
            return ERR_SYNTAX;
        unit = units[i].sec;
        text.len--;
    }
    enum err e = slice_to_u64(text, &n);
    if (e != ERR_NONE)
        return e;
    if (n > (uint64_t)(GREY_TIME_MAX / unit))
        return ERR_RANGE;
    *sec = (int64_t)n * unit;
    return ERR_NONE;
}

static enum err add_network(struct grey_filter *f, struct slice value, const char **why)
{
    struct slice bits = value, addr = slice_cut(&bits, '/');
    uint64_t n;
    *why = "no address, nor a network like 192.0.2.0/24";
    if (ip_parse(addr, &f->net) != ERR_NONE)
        return ERR_SYNTAX;
    f->bits = ip_width_bits(&f->net);
    if (bits.ptr) {
        if (slice_to_u64(bits, &n) != ERR_NONE || n > f->bits)
            return ERR_SYNTAX;
        f->bits = (unsigned)n;
    }
    return ERR_NONE;
}

static enum err add_words(struct grey_filter *f, struct slice value, const char **why)
{
    while (value.ptr) {
        struct slice word = slice_cut(&value, ',');
        unsigned i = 0;
        while (i < GREY_WORDS && !slice_eq_cstr(word, words[i]))
            i++;
        if (i == GREY_WORDS) {
            *why = "a state is pending, left, served, passed, pair, patient, any, shared or proof";
            return ERR_SYNTAX;
        }
        f->words |= 1u << i;
    }
    return ERR_NONE;
}

static enum err add_age(int64_t *sec, struct slice value, const char **why)
{
    *why = "a time is a number and s, m, h, d or w: 30m";
    return grey_parse_age(value, sec) == ERR_NONE ? ERR_NONE : ERR_SYNTAX;
}

/* "<a@b>", "a@b", "*@b". */
static enum err add_pattern(struct slice *pattern, struct slice value, const char **why)
{
    *pattern = inner(value);
    if (pattern->len == 0)
        *pattern = SLICE_LIT(""); /* <>: the null sender */
    if (pattern->len > 0 && pattern->ptr[0] == '@') {
        *why = "for a domain write *@example.org";
        return ERR_SYNTAX;
    }
    return ERR_NONE;
}

static enum err add(struct grey_filter *f, const char *name, struct slice value, const char **why)
{
    *why = "there is no filter of this name";
    if (strcmp(name, "client") == 0 || strcmp(name, "network") == 0)
        return add_network(f, value, why);
    if (strcmp(name, "sender") == 0)
        return add_pattern(&f->sender, value, why);
    if (strcmp(name, "recipient") == 0)
        return add_pattern(&f->recipient, value, why);
    if (strcmp(name, "state") == 0)
        return add_words(f, value, why);
    if (strcmp(name, "older") == 0)
        return add_age(&f->older_sec, value, why);
    if (strcmp(name, "newer") == 0)
        return add_age(&f->newer_sec, value, why);
    if (strcmp(name, "since") == 0)
        return add_age(&f->since_sec, value, why);
    return ERR_NOT_FOUND;
}

enum err grey_filter_add(struct grey_filter *f, const char *name, struct slice value, const char **why)
{
    struct grey_filter changed = *f;
    enum err e = add(&changed, name, value, why);
    if (e == ERR_NONE)
        *f = changed;
    return e;
}

void grey_filter_init(struct grey_filter *f, struct wall now)
{
    *f = (struct grey_filter){.older_sec = -1, .newer_sec = -1, .since_sec = -1, .now = now};
}

bool grey_filter_is_empty(const struct grey_filter *f)
{
    return f->net.family == IP_NONE && !f->sender.ptr && !f->recipient.ptr && f->words == 0 && f->older_sec < 0 &&
           f->newer_sec < 0 && f->since_sec < 0;
}
