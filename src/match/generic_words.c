/*
 * generic_words.c - which classes of words does a word belong to? All patterns are one automaton (Aho and Corasick, Comm. ACM
 * 18(6), 1975) over the letters and two marks, the word's start and its end: "dyn" is ^dyn$, "dhcp*" is ^dhcp, "*cable*" is
 * cable. So a word of any length costs one step a letter, however many patterns there are.
 */
#include "match/generic.h"

#include "base/mem.h"

#include <stdlib.h>

enum { LETTERS = 26, START = LETTERS, END, SYMBOLS };

struct state {
    uint16_t next[SYMBOLS]; /* 0 is the root */
    uint8_t classes;        /* of the patterns that end here */
};

struct generic_words {
    size_t n;
    struct state states[];
};

/* ---- compiling ---- */

/* The pattern as symbols: its letters, with the marks where it has no `*`. */
struct symbols {
    struct slice letters;
    bool from_start, to_end;
};

static bool pattern_read(struct slice text, struct symbols *out)
{
    *out = (struct symbols){.letters = text, .from_start = true, .to_end = true};
    if (out->letters.len && out->letters.ptr[0] == '*') {
        out->letters = slice_from(out->letters, 1);
        out->from_start = false;
    }
    if (out->letters.len && out->letters.ptr[out->letters.len - 1] == '*') {
        out->letters.len--;
        out->to_end = false;
    }
    for (size_t i = 0; i < out->letters.len; i++)
        if (!ascii_is_alpha(out->letters.ptr[i]))
            return false;
    return out->letters.len > 0;
}

static unsigned letter(char c)
{
    return (unsigned)(ascii_lower(c) - 'a');
}

static size_t step_new(struct generic_words *w, size_t at, unsigned symbol)
{
    if (!w->states[at].next[symbol])
        w->states[at].next[symbol] = (uint16_t)w->n++;
    return w->states[at].next[symbol];
}

static void pattern_add(struct generic_words *w, const struct symbols *s, enum generic_class class)
{
    size_t at = 0;
    if (s->from_start)
        at = step_new(w, at, START);
    for (size_t i = 0; i < s->letters.len; i++)
        at = step_new(w, at, letter(s->letters.ptr[i]));
    if (s->to_end)
        at = step_new(w, at, END);
    w->states[at].classes |= (uint8_t)(1U << class);
}

/*
 * From the tree to the automaton: where a state has no step for a symbol, that of the longest proper suffix which is a state
 * (`back`) is taken, and what ends there ends here too. By breadth, so that the suffix, which is shorter, is done already.
 */
static void close_steps(struct generic_words *w)
{
    uint16_t *queue = mem_zalloc(w->n * sizeof(*queue)), *back = mem_zalloc(w->n * sizeof(*back));
    size_t tail = 0;
    for (unsigned s = 0; s < SYMBOLS; s++)
        if (w->states[0].next[s])
            queue[tail++] = w->states[0].next[s];
    for (size_t head = 0; head < tail; head++) {
        struct state *state = &w->states[queue[head]];
        const struct state *suffix = &w->states[back[queue[head]]];
        state->classes |= suffix->classes;
        for (unsigned s = 0; s < SYMBOLS; s++) {
            if (state->next[s]) {
                back[state->next[s]] = suffix->next[s];
                queue[tail++] = state->next[s];
            } else {
                state->next[s] = suffix->next[s];
            }
        }
    }
    free(queue);
    free(back);
}

enum err generic_words_new(const struct generic_pattern *patterns, size_t n, struct generic_words **out, size_t *bad)
{
    size_t states = 1;
    struct symbols s;
    for (*bad = 0; *bad < n; ++*bad) {
        if (!pattern_read(patterns[*bad].text, &s))
            return ERR_SYNTAX;
        if (s.letters.len > GENERIC_WORDS_MAX_STATES)
            return ERR_RANGE;
        states += s.letters.len + 2;
        if (states > GENERIC_WORDS_MAX_STATES)
            return ERR_RANGE;
    }
    struct generic_words *w = mem_zalloc(sizeof(*w) + states * sizeof(w->states[0]));
    w->n = 1;
    for (size_t i = 0; i < n; i++) {
        bool is_pattern = pattern_read(patterns[i].text, &s);
        if (is_pattern)
            pattern_add(w, &s, patterns[i].class);
    }
    close_steps(w);
    *out = w;
    return ERR_NONE;
}

void generic_words_free(struct generic_words *words)
{
    free(words);
}

/* ---- asking ---- */

unsigned generic_words_find(const struct generic_words *words, struct slice word)
{
    const struct state *states = words->states;
    size_t at = states[0].next[START];
    unsigned classes = states[at].classes;
    for (size_t i = 0; i < word.len; i++) {
        at = states[at].next[letter(word.ptr[i])];
        classes |= states[at].classes;
    }
    return classes | states[states[at].next[END]].classes;
}
