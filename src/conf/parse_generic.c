/*
 * parse_generic.c - what generic_rdns counts:
 *
 *     generic_rdns threshold 3
 *     generic_rdns weight server -5
 *     generic_rdns words dynamic { "dyn" "dhcp*" }        these instead of what there was; `replace` may stand before the brace
 *     generic_rdns words dynamic add { "dynvpn" }         these too
 *     generic_rdns words line remove { "home" }           not these
 */
#include "conf/parse.h"

#include "base/mem.h"

#include <string.h>

/* ---- defaults ---- */

static struct conf_generic_word *push_word(struct parser *p, size_t class, struct slice text, struct conf_where where)
{
    struct conf_generic_word *w = parse_push(&p->generic[class], sizeof(*w));
    *w = (struct conf_generic_word){.where = where, .text = text};
    return w;
}

void parse_generic_defaults(struct parser *p)
{
    for (size_t class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        struct slice rest = slice_cstr(conf_generic_classes[class].words);
        for (struct slice word; (word = conf_generic_next_word(&rest)).ptr;)
            push_word(p, class, word, (struct conf_where){0});
    }
    for (size_t i = 0; i < CONF_GENERIC_WEIGHTS; i++)
        p->c->generic.weight[i] = conf_generic_weights[i].points;
    p->c->generic.threshold = CONF_GENERIC_THRESHOLD;
}

void parse_generic_keep(struct parser *p)
{
    struct conf_generic *g = &p->c->generic;
    for (size_t class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        g->words[class] = parse_keep(p, &p->generic[class], sizeof(*g->words[class]));
        g->n_words[class] = p->generic[class].count;
    }
}

/* ---- words ---- */

/* Letters with at most one `*` on either side; in small letters, kept. */
static bool read_pattern(struct parser *p, struct slice text, struct slice *out)
{
    struct slice letters = text;
    if (letters.len && letters.ptr[0] == '*')
        letters = slice_from(letters, 1);
    if (letters.len && letters.ptr[letters.len - 1] == '*')
        letters.len--;
    bool ok = letters.len > 0 && letters.len <= CONF_GENERIC_WORD_MAX;
    for (size_t i = 0; i < letters.len; i++)
        ok = ok && ascii_is_alpha(letters.ptr[i]);
    if (!ok)
        return false;
    char *kept = arena_alloc(&p->c->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        kept[i] = ascii_lower(text.ptr[i]);
    kept[text.len] = '\0';
    *out = slice_of(kept, text.len);
    return true;
}

/* Its place in the class, or the class's count: not there. */
static size_t find_word(const struct parser *p, size_t class, struct slice text)
{
    const struct conf_generic_word *words = p->generic[class].items;
    size_t i = 0;
    while (i < p->generic[class].count && !slice_eq(words[i].text, text))
        i++;
    return i;
}

static void add_word(struct parser *p, const struct token *t, size_t class, struct slice text)
{
    if (find_word(p, class, text) < p->generic[class].count)
        return; /* once is enough */
    if (p->generic[class].count >= CONF_GENERIC_WORDS_MAX)
        (void)parse_fail(p, t->where, NULL, "a class has at most %d words", CONF_GENERIC_WORDS_MAX);
    else
        push_word(p, class, text, t->where);
}

static void remove_word(struct parser *p, const struct token *t, size_t class, struct slice text)
{
    struct parse_vec *v = &p->generic[class];
    struct conf_generic_word *words = v->items;
    size_t i = find_word(p, class, text);
    if (i == v->count) {
        diags_add(p->diags, DIAG_WARNING, t->where, "`tarsierd --show-config` prints those there are",
                  "\"%.*s\" is no word of %s, so there is nothing to remove", SLICE_ARG(text),
                  conf_generic_classes[class].name);
        return;
    }
    memmove(words + i, words + i + 1, (v->count - i - 1) * sizeof(*words));
    v->count--;
}

enum change { CHANGE_REPLACE, CHANGE_ADD, CHANGE_REMOVE };

static bool take_words(struct parser *p, const struct token *word, size_t class, enum change change)
{
    for (;;) {
        struct token t = parse_peek(p, 0);
        struct slice text;
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '}')
            break;
        if (parse_brace_is_missing(p, &t, word))
            return false;
        if (t.kind != TOKEN_STRING || !read_pattern(p, t.text, &text)) {
            (void)parse_unexpected(p, &t,
                                   "letters alone, with a * before or behind them for any letters: \"dsl\", \"dhcp*\"",
                                   "a word in quotes");
            parse_skip_item(p, 0);
            continue;
        }
        (void)parse_next(p, 0);
        if (change == CHANGE_REMOVE)
            remove_word(p, &t, class, text);
        else
            add_word(p, &t, class, text);
    }
    (void)parse_next(p, 0);
    p->c->generic.words_where[class] = word->where;
    return parse_close_statement(p);
}

static bool parse_words(struct parser *p, const struct token *word)
{
    int64_t class = 0;
    struct setting_word names[CONF_GENERIC_CLASSES + 1] = {{NULL, 0}};
    for (size_t i = 0; i < CONF_GENERIC_CLASSES; i++)
        names[i] = (struct setting_word){conf_generic_classes[i].name, (int64_t)i};
    if (!parse_choice(p, "the class of words", names, &class))
        return false;
    enum change change = parse_take_word(p, "add")      ? CHANGE_ADD
                         : parse_take_word(p, "remove") ? CHANGE_REMOVE
                                                        : CHANGE_REPLACE;
    if (change == CHANGE_REPLACE)
        (void)parse_take_word(p, "replace");
    if (!parse_open_brace(p))
        return false;
    if (change == CHANGE_REPLACE)
        p->generic[class].count = 0;
    return take_words(p, word, (size_t) class, change);
}

/* ---- numbers ---- */

static bool parse_weight(struct parser *p, const struct token *word)
{
    int64_t which = 0;
    struct setting_word names[CONF_GENERIC_WEIGHTS + 1] = {{NULL, 0}};
    for (size_t i = 0; i < CONF_GENERIC_WEIGHTS; i++)
        names[i] = (struct setting_word){conf_generic_weights[i].name, (int64_t)i};
    if (!parse_choice(p, "what the weight is of", names, &which) ||
        !parse_number(p, "generic_rdns weight", NULL, -CONF_GENERIC_MAX_POINTS, CONF_GENERIC_MAX_POINTS,
                      &p->c->generic.weight[which]) ||
        !parse_end(p, NULL))
        return false;
    p->c->generic.weight_where[which] = word->where;
    return true;
}

static bool parse_threshold(struct parser *p, const struct token *word)
{
    if (!parse_number(p, "generic_rdns threshold", NULL, 1, CONF_GENERIC_MAX_POINTS, &p->c->generic.threshold) ||
        !parse_end(p, NULL))
        return false;
    p->c->generic.threshold_where = word->where;
    return true;
}

bool parse_generic(struct parser *p, const struct token *word)
{
    static const char *const which[] = {"words", "weight", "threshold"};
    struct token t = parse_peek(p, 0);
    if (parse_take_word(p, which[0]))
        return parse_words(p, word);
    if (parse_take_word(p, which[1]))
        return parse_weight(p, word);
    if (parse_take_word(p, which[2]))
        return parse_threshold(p, word);
    const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, which, COUNT_OF(which)) : NULL;
    return parse_unexpected(p, &t, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL, "words, weight or threshold");
}
