/*
 * generic.c - the sum and its sentences. Knows the base domain, runs of letters and digits; how an address is spelled is
 * generic_address.c's affair, which words mean what is generic_words.c's.
 */
#include "match/generic.h"

#include "base/mem.h"

enum { NUMBER_DIGITS = 4 }; /* a run of so many digits is a customer's number, a serial, a part of an address */

/* The name in two: the text, and the base domain behind it. */
struct parts {
    struct slice text, base;
};

static struct parts cut(const struct domain_list *list, struct slice name)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    struct slice base = domain_base_icann(list, name);
    if (!base.ptr)
        return (struct parts){.text = name, .base = SLICE_NONE}; /* a name above every suffix: all of it is text */
    size_t before = (size_t)(base.ptr - name.ptr);
    return (struct parts){.text = slice_upto(name, before ? before - 1 : 0), .base = base};
}

static bool has_digits(struct slice text, size_t wanted)
{
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = ascii_is_digit(text.ptr[i]) ? run + 1 : 0;
        if (run == wanted)
            return true;
    }
    return false;
}

static struct slice next_word(struct slice *rest)
{
    size_t from = 0;
    while (from < rest->len && !ascii_is_alpha(rest->ptr[from]))
        from++;
    size_t to = from;
    while (to < rest->len && ascii_is_alpha(rest->ptr[to]))
        to++;
    struct slice word = slice_of(rest->ptr + from, to - from);
    *rest = slice_from(*rest, to);
    return word.len ? word : SLICE_NONE;
}

/* ---- words ---- */

/* The first word of each class in the text; of weak ones the first two that differ. */
struct found {
    struct slice first[GENERIC_CLASSES], second_weak;
};

static void note_weak(struct found *f, struct slice word)
{
    if (!f->first[GENERIC_WEAK].ptr)
        f->first[GENERIC_WEAK] = word;
    else if (!f->second_weak.ptr && !slice_eq_nocase(f->first[GENERIC_WEAK], word))
        f->second_weak = word;
}

static void note_word(struct found *f, unsigned classes, struct slice word)
{
    const unsigned dynamic = 1U << GENERIC_DYNAMIC, line = 1U << GENERIC_LINE, weak = 1U << GENERIC_WEAK;
    if (classes & weak && !(classes & (dynamic | line)))
        note_weak(f, word);
    if (classes & 1U << GENERIC_SERVER)
        classes &= ~(1U << GENERIC_SITE);
    for (enum generic_class c = 0; c < GENERIC_CLASSES; c++)
        if (c != GENERIC_WEAK && classes & 1U << c && !f->first[c].ptr)
            f->first[c] = word;
}

static bool contains_nocase(struct slice hay, struct slice needle)
{
    for (size_t i = 0; i + needle.len <= hay.len; i++)
        if (slice_eq_nocase(slice_of(hay.ptr + i, needle.len), needle))
            return true;
    return false;
}

/* A domain that exists for mail ("mailer.example"): whoever sends from there is a mail server. */
static struct slice mail_word(struct slice base)
{
    for (struct slice word; (word = next_word(&base)).ptr;)
        if (contains_nocase(word, SLICE_LIT("mail")) || contains_nocase(word, SLICE_LIT("smtp")))
            return word;
    return SLICE_NONE;
}

static void find_words(const struct generic_words *words, const struct parts *parts, struct found *f)
{
    *f = (struct found){0};
    struct slice rest = parts->text;
    for (struct slice word; (word = next_word(&rest)).ptr;) {
        unsigned classes = generic_words_find(words, word);
        if (classes)
            note_word(f, classes, word);
    }
    if (!f->first[GENERIC_SERVER].ptr)
        f->first[GENERIC_SERVER] = mail_word(parts->base);
    if (f->first[GENERIC_DYNAMIC].ptr)
        f->first[GENERIC_LINE] = SLICE_NONE;
}

/* ---- the sum ---- */

struct sum {
    const struct generic_rules *rules;
    struct generic_verdict *v;
};

static struct generic_reason *add(struct sum *s, enum generic_feature feature, int points)
{
    if (points == 0)
        return NULL;
    if (s->v->n_reasons >= GENERIC_FEATURES)
        PANIC("more reasons than features");
    struct generic_reason *r = &s->v->reasons[s->v->n_reasons++];
    *r = (struct generic_reason){.feature = feature, .points = points};
    s->v->points += points;
    return r;
}

static void add_word(struct sum *s, enum generic_feature feature, struct slice word)
{
    struct generic_reason *r = word.ptr ? add(s, feature, s->rules->weight[feature]) : NULL;
    if (r)
        r->words[r->n_words++] = word;
}

static int compare_nocase(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return ascii_lower(a.ptr[i]) < ascii_lower(b.ptr[i]) ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

static void add_weak(struct sum *s, struct slice one, struct slice two)
{
    int weight = s->rules->weight[GENERIC_SAYS_WEAK];
    struct generic_reason *r = one.ptr ? add(s, GENERIC_SAYS_WEAK, two.ptr ? 2 * weight : weight) : NULL;
    if (!r)
        return;
    bool swapped = two.ptr && compare_nocase(two, one) < 0;
    r->words[r->n_words++] = swapped ? two : one;
    if (two.ptr)
        r->words[r->n_words++] = swapped ? one : two;
}

static void add_spelling(struct sum *s, enum generic_spelling spelling)
{
    if (spelling == GENERIC_SPELLS_NOTHING)
        return;
    enum generic_feature feature = spelling == GENERIC_SPELLS_TWO ? GENERIC_SAYS_PAIR : GENERIC_SAYS_ADDRESS;
    struct generic_reason *r = add(s, feature, s->rules->weight[feature]);
    if (r)
        r->spelling = spelling;
}

void generic_judge(const struct generic_rules *rules, const struct domain_list *list, struct slice name, const struct ip *ip,
                   struct generic_verdict *out)
{
    out->points = 0;
    out->n_reasons = 0;
    struct sum s = {.rules = rules, .v = out};
    struct parts parts = cut(list, name);
    if (has_digits(parts.text, 1)) {
        enum generic_spelling spelling = generic_spelling(parts.text, ip);
        struct found f;
        find_words(rules->words, &parts, &f);
        add_spelling(&s, spelling);
        add_word(&s, GENERIC_SAYS_DYNAMIC, f.first[GENERIC_DYNAMIC]);
        add_word(&s, GENERIC_SAYS_LINE, f.first[GENERIC_LINE]);
        add_weak(&s, f.first[GENERIC_WEAK], f.second_weak);
        if (spelling == GENERIC_SPELLS_NOTHING && has_digits(parts.text, NUMBER_DIGITS))
            add(&s, GENERIC_SAYS_NUMBER, rules->weight[GENERIC_SAYS_NUMBER]);
        add_word(&s, GENERIC_SAYS_SERVER, f.first[GENERIC_SERVER]);
        add_word(&s, GENERIC_SAYS_SITE, f.first[GENERIC_SITE]);
    }
    /* A threshold of 0 or less must not select names that say nothing. */
    out->selected = out->n_reasons > 0 && out->points >= rules->threshold;
}

enum generic_spelling generic_spells(const struct domain_list *list, struct slice name, const struct ip *ip)
{
    return generic_spelling(cut(list, name).text, ip);
}

/* ---- sentences ---- */

static const char *const spelling_texts[] = {
    [GENERIC_SPELLS_NOTHING] = "the name spells nothing of the address",
    [GENERIC_SPELLS_HEX] = "the name spells the address in hexadecimal",
    [GENERIC_SPELLS_ONE_NUMBER] = "the name spells the address in one number",
    [GENERIC_SPELLS_FOUR] = "the name spells the four numbers of the address",
    [GENERIC_SPELLS_THREE] = "the name spells three of the four numbers of the address",
    [GENERIC_SPELLS_TWO] = "the name spells two neighbouring numbers of the address",
    [GENERIC_SPELLS_HALF] = "the name spells half of the address or more in hexadecimal",
    [GENERIC_SPELLS_GROUPS] = "the name spells four groups of the address",
    [GENERIC_SPELLS_FORM] = "the name has the form of an IPv6 address",
};

static const char *const feature_texts[] = {
    [GENERIC_SAYS_ADDRESS] = NULL,
    [GENERIC_SAYS_PAIR] = NULL,
    [GENERIC_SAYS_DYNAMIC] = "word of a changing address: ",
    [GENERIC_SAYS_LINE] = "word of a line: ",
    [GENERIC_SAYS_WEAK] = "weak words of a line: ",
    [GENERIC_SAYS_NUMBER] = "a number of four digits or more",
    [GENERIC_SAYS_SERVER] = "word of a mail server: ",
    [GENERIC_SAYS_SITE] = "word of a server: ",
};

void generic_put_reason(const struct generic_reason *reason, struct buf *out)
{
    const char *text = feature_texts[reason->feature];
    buf_printf(out, "%+d %s", reason->points, text ? text : spelling_texts[reason->spelling]);
    for (unsigned w = 0; w < reason->n_words; w++) {
        if (w)
            buf_put_cstr(out, ", ");
        for (size_t i = 0; i < reason->words[w].len; i++)
            buf_put_byte(out, ascii_lower(reason->words[w].ptr[i]));
    }
}

void generic_put_reasons(const struct generic_verdict *verdict, struct buf *out)
{
    for (unsigned i = 0; i < verdict->n_reasons; i++) {
        if (i)
            buf_put_cstr(out, "; ");
        generic_put_reason(&verdict->reasons[i], out);
    }
}
