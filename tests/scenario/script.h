/*
 * script.h - a scenario file cut into scenarios, and these into lines of words. Knows quotes, blocks and repetition; not what
 * any word means.
 *
 *     # comment
 *     conf "greylist 30m; racl greylist default"     default of the file: stands before its first scenario
 *     scenario "a title"
 *     conf <<                                        lines up to a single dot, taken as they are
 *     racl greylist default msg "come; back"
 *     .
 *     repeat 3                                       up to `end`; $n becomes 1, 2, 3
 *     mta c$n connect 192.0.2.$n unknown
 *     end
 */
#ifndef TARSIER_SCENARIO_SCRIPT_H
#define TARSIER_SCENARIO_SCRIPT_H

#include "base/arena.h"
#include "base/buf.h"

struct script_line {
    unsigned number; /* in the file, from 1 */
    char **words;    /* words[0] is the verb; `|` is a word of its own */
    unsigned n_words;
};

struct script_scenario {
    const char *title;
    unsigned number; /* of its line */
    struct script_line *lines;
    size_t n_lines, cap;
};

struct script {
    struct arena arena;
    const char *path;
    struct script_scenario *scenarios;
    size_t n_scenarios, cap;
};

/* Errors go to stderr; false then. Owner: script_fini in any case. */
MUST_CHECK bool script_read(struct script *s, const char *path);
void script_fini(struct script *s);

/* `*` any text, `?` one byte. */
bool script_glob(const char *pattern, const char *text);
/* The words from..to-1 with blanks between. */
const char *script_join(struct arena *arena, char *const *words, unsigned from, unsigned to);
/* Bytes that a word stands for: hex digits, 'text, or *N: N times the letter x. */
void script_bytes(const char *word, struct buf *out);
/* "ab{3}c" is "abbbc"; other braces stay. */
const char *script_repeat(struct arena *arena, const char *text);

#endif
