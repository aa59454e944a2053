/* script.c - read a scenario file. */
#include "script.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct script *script;
    struct slice rest;
    unsigned number;             /* of the line that was read last */
    struct script_scenario head; /* what stands before the first scenario: goes in front of each */
    bool failed;
};

static void complain(struct reader *r, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", r->script->path, r->number, what);
    r->failed = true;
}

static struct script_line *add_line(struct script_scenario *sc)
{
    sc->lines = mem_grow(sc->lines, &sc->cap, sc->n_lines + 1, sizeof(*sc->lines));
    return &sc->lines[sc->n_lines++];
}

static bool next_line(struct reader *r, struct slice *line)
{
    if (!r->rest.ptr || r->rest.len == 0)
        return false;
    *line = slice_cut(&r->rest, '\n');
    r->number++;
    return true;
}

/* One word off *rest; quotes keep blanks together and are dropped, \" stays a quote inside them. */
static char *take_word(struct reader *r, struct slice *rest)
{
    struct buf w = {0};
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || !strchr(" \t", rest->ptr[i])); i++) {
        char c = rest->ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted && i + 1 < rest->len && rest->ptr[i + 1] == '"')
            buf_put_byte(&w, rest->ptr[++i]);
        else
            buf_put_byte(&w, c);
    }
    if (quoted)
        complain(r, "a quote without its end");
    *rest = slice_from(*rest, i);
    char *word = arena_cstr(&r->script->arena, buf_slice(&w));
    buf_fini(&w);
    return word;
}

static char *take_block(struct reader *r)
{
    struct buf text = {0};
    struct slice line;
    while (next_line(r, &line)) {
        if (slice_eq_cstr(line, ".")) {
            char *block = arena_cstr(&r->script->arena, buf_slice(&text));
            buf_fini(&text);
            return block;
        }
        buf_put_slice(&text, line);
        buf_put_byte(&text, '\n');
    }
    complain(r, "a block without its dot");
    buf_fini(&text);
    return arena_cstr(&r->script->arena, SLICE_NONE);
}

/* False for a line without words. */
static bool cut_line(struct reader *r, struct slice line, struct script_line *out)
{
    char *words[256];
    unsigned n = 0;
    unsigned number = r->number;
    for (;;) {
        line = slice_trim(line, " \t\r");
        if (line.len == 0 || line.ptr[0] == '#')
            break;
        if (n == COUNT_OF(words)) {
            complain(r, "too many words");
            break;
        }
        words[n++] = take_word(r, &line);
    }
    if (n == 0)
        return false;
    if (strcmp(words[n - 1], "<<") == 0)
        words[n - 1] = take_block(r);
    char **kept = arena_alloc(&r->script->arena, n * sizeof(*kept));
    memcpy(kept, words, n * sizeof(*kept));
    *out = (struct script_line){number, kept, n};
    return true;
}

/* The word with every $n replaced. */
static char *put_number(struct script *s, const char *word, unsigned value)
{
    struct buf b = {0};
    for (const char *p = word; *p; p++) {
        if (p[0] == '$' && p[1] == 'n') {
            buf_printf(&b, "%u", value);
            p++;
        } else {
            buf_put_byte(&b, *p);
        }
    }
    char *out = arena_cstr(&s->arena, buf_slice(&b));
    buf_fini(&b);
    return out;
}

static void repeat(struct reader *r, struct script_scenario *sc, unsigned times)
{
    struct script_scenario block = {0};
    struct slice line;
    struct script_line l;
    for (;;) {
        if (!next_line(r, &line)) {
            complain(r, "repeat without end");
            break;
        }
        if (!cut_line(r, line, &l))
            continue;
        if (strcmp(l.words[0], "end") == 0)
            break;
        *add_line(&block) = l;
    }
    for (unsigned value = 1; value <= times; value++)
        for (size_t i = 0; i < block.n_lines; i++) {
            struct script_line *out = add_line(sc);
            *out = block.lines[i];
            out->words = arena_alloc(&r->script->arena, out->n_words * sizeof(*out->words));
            for (unsigned w = 0; w < out->n_words; w++)
                out->words[w] = put_number(r->script, block.lines[i].words[w], value);
        }
    free(block.lines);
}

static struct script_scenario *begin_scenario(struct reader *r, const char *title)
{
    struct script *s = r->script;
    s->scenarios = mem_grow(s->scenarios, &s->cap, s->n_scenarios + 1, sizeof(*s->scenarios));
    struct script_scenario *sc = &s->scenarios[s->n_scenarios++];
    *sc = (struct script_scenario){.title = title, .number = r->number};
    for (size_t i = 0; i < r->head.n_lines; i++)
        *add_line(sc) = r->head.lines[i];
    return sc;
}

static void read_lines(struct reader *r)
{
    struct script_scenario *now = &r->head;
    struct slice line;
    struct script_line l;
    while (!r->failed && next_line(r, &line)) {
        if (!cut_line(r, line, &l))
            continue;
        const char *argument = l.n_words == 2 ? l.words[1] : NULL;
        if (strcmp(l.words[0], "scenario") == 0 && argument)
            now = begin_scenario(r, argument);
        else if (strcmp(l.words[0], "repeat") == 0 && argument)
            repeat(r, now, (unsigned)strtoul(argument, NULL, 10));
        else
            *add_line(now) = l;
    }
}

bool script_read(struct script *s, const char *path)
{
    *s = (struct script){.path = path};
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    struct buf text = {0};
    size_t n;
    while ((n = fread(buf_reserve(&text, 65536), 1, 65536, f)) > 0)
        text.len += n;
    fclose(f);
    struct reader r = {.script = s, .rest = buf_slice(&text)};
    read_lines(&r);
    if (!r.failed && s->n_scenarios == 0)
        complain(&r, "no scenario in it");
    free(r.head.lines);
    buf_fini(&text);
    return !r.failed;
}

void script_fini(struct script *s)
{
    for (size_t i = 0; i < s->n_scenarios; i++)
        free(s->scenarios[i].lines);
    free(s->scenarios);
    arena_fini(&s->arena);
}

bool script_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const char *script_join(struct arena *arena, char *const *words, unsigned from, unsigned to)
{
    struct buf b = {0};
    for (unsigned i = from; i < to; i++)
        buf_printf(&b, "%s%s", i > from ? " " : "", words[i]);
    const char *s = arena_cstr(arena, buf_slice(&b));
    buf_fini(&b);
    return s;
}

const char *script_repeat(struct arena *arena, const char *text)
{
    struct buf b = {0};
    while (*text) {
        char *end = NULL;
        unsigned long n = text[1] == '{' && ascii_is_digit(text[2]) ? strtoul(text + 2, &end, 10) : 1;
        bool counted = end && *end == '}';
        for (unsigned long i = 0; i < (counted ? n : 1); i++)
            buf_put_byte(&b, text[0]);
        text = counted ? end + 1 : text + 1;
    }
    const char *s = arena_cstr(arena, buf_slice(&b));
    buf_fini(&b);
    return s;
}

void script_bytes(const char *word, struct buf *out)
{
    if (word[0] == '*') {
        for (unsigned long n = strtoul(word + 1, NULL, 10); n > 0; n--)
            buf_put_byte(out, 'x');
    } else if (word[0] == '\'') {
        buf_put_cstr(out, word + 1);
    } else {
        for (const char *a = word; a[0] && a[1]; a += 2) {
            const char two[3] = {a[0], a[1], '\0'};
            buf_put_byte(out, (char)strtoul(two, NULL, 16));
        }
    }
}
