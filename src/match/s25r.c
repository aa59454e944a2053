/*
 * s25r.c - rules 1 to 6 in one pass. Knows labels and digits; no regexes, no lists, nothing of verified or forged names.
 *
 * The rules as regular expressions (milter-manager 2.3.2), all ignoring case:
 *
 *     1  ^[^.]*[0-9][^0-9.]+[0-9].*\.
 *     2  ^[^.]*[0-9]{5}
 *     3  ^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]
 *     4  ^[^.]*[0-9]\.[^.]*[0-9]-[0-9]
 *     5  ^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.
 *     6  ^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]
 *
 * They only ever look closely at the first three labels; of the rest they want to know where the last dot is, and the last dot
 * before a letter. A run of more than one byte between two dots, `.+\.`, is then a comparison of two positions.
 */
#include "match/s25r.h"

#include "base/mem.h"

#include <string.h>

enum { LOOKED_AT = 3 };

struct label {
    size_t start, end; /* end: position of its dot, or the name's length */
    bool dotted;       /* a dot ends it */
    unsigned runs;     /* of digits */
    unsigned longest;  /* longest of them */
    bool digit_hyphen_digit;
};

struct shape {
    struct label labels[LOOKED_AT]; /* those that the name does not have are empty and not dotted */
    size_t last_dot, last_dot_letter;
    bool has_dot, has_dot_letter;
};

static bool digit_at(struct slice name, size_t i)
{
    return i < name.len && ascii_is_digit(name.ptr[i]);
}

static void note_digit(struct label *l, struct slice name, size_t i, unsigned *run)
{
    if ((*run)++ == 0)
        l->runs++;
    if (*run > l->longest)
        l->longest = *run;
    if (i >= l->start + 2 && name.ptr[i - 1] == '-' && digit_at(name, i - 2))
        l->digit_hyphen_digit = true;
}

static void look(struct slice name, struct shape *s)
{
    *s = (struct shape){0};
    unsigned n = 0, run = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '.') {
            if (n < LOOKED_AT && ascii_is_digit(name.ptr[i]))
                note_digit(&s->labels[n], name, i, &run);
            else
                run = 0;
            continue;
        }
        s->has_dot = true;
        s->last_dot = i;
        if (i + 1 < name.len && ascii_is_alpha(name.ptr[i + 1])) {
            s->has_dot_letter = true;
            s->last_dot_letter = i;
        }
        if (n < LOOKED_AT) {
            s->labels[n].end = i;
            s->labels[n].dotted = true;
            if (n + 1 < LOOKED_AT)
                s->labels[n + 1].start = i + 1;
        }
        n++;
        run = 0;
    }
    if (n < LOOKED_AT)
        s->labels[n].end = name.len;
}

static bool ends_in_digit(struct slice name, const struct label *l)
{
    return l->dotted && l->end > l->start && digit_at(name, l->end - 1);
}

static bool is_filled(const struct label *l)
{
    return l->dotted && l->end > l->start;
}

/* The label begins with a digit and the one behind it is followed by `.+\.[a-z]`. */
static bool digit_first_above_three(struct slice name, const struct shape *s, unsigned n)
{
    const struct label *l = &s->labels[n], *next = &s->labels[n + 1];
    return l->dotted && digit_at(name, l->start) && is_filled(next) && s->has_dot_letter &&
           s->last_dot_letter >= next->end + 2;
}

static bool rule_3(struct slice name, const struct shape *s)
{
    return digit_first_above_three(name, s, 0) || (is_filled(&s->labels[0]) && digit_first_above_three(name, s, 1));
}

static bool rule_5(struct slice name, const struct shape *s)
{
    return ends_in_digit(name, &s->labels[0]) && ends_in_digit(name, &s->labels[1]) && is_filled(&s->labels[2]) &&
           s->last_dot >= s->labels[2].end + 2;
}

/* Length of the line-like word that the name begins with, 0: none. */
static size_t line_word(struct slice name)
{
    static const char *const words[] = {"dhcp", "dialup", "ppp", "dsl"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq_nocase(slice_upto(name, strlen(words[i])), slice_cstr(words[i])))
            return strlen(words[i]);
    if (name.len >= 4 && strchr("achrsvx", ascii_lower(name.ptr[0])) && name.ptr[0] != '\0' &&
        slice_eq_nocase(slice_of(name.ptr + 1, 3), SLICE_LIT("dsl")))
        return 4;
    return 0;
}

/* The words hold no digit, so any digit of the lowest label stands behind the word. */
static bool rule_6(struct slice name, const struct shape *s)
{
    return s->labels[0].runs > 0 && line_word(name) > 0;
}

int s25r_match(struct slice name)
{
    struct shape s;
    look(name, &s);
    const struct label *lowest = &s.labels[0];
    if (lowest->runs >= 2 && s.has_dot)
        return 1;
    if (lowest->longest >= 5)
        return 2;
    if (rule_3(name, &s))
        return 3;
    if (ends_in_digit(name, lowest) && s.labels[1].digit_hyphen_digit)
        return 4;
    if (rule_5(name, &s))
        return 5;
    return rule_6(name, &s) ? 6 : 0;
}

const char *s25r_rule_text(int rule)
{
    static const char *const texts[] = {
        "rule 0: no verified name",
        "rule 1: lowest label holds two runs of digits",
        "rule 2: lowest label holds five digits in a row",
        "rule 3: lowest or next label begins with a digit, above three levels",
        "rule 4: lowest label ends in a digit, the next has digit-hyphen-digit",
        "rule 5: both lowest labels end in a digit, five levels or more",
        "rule 6: lowest label begins dhcp, dialup, ppp or xDSL and has a digit",
    };
    if (rule < 0 || (size_t)rule >= COUNT_OF(texts))
        PANIC("no such S25R rule");
    return texts[rule];
}
