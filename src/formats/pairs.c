/* pairs.c - keys and values in four forms. */
#include "formats/pairs.h"

#include "base/buf.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = slice_from(s, 1);
    return s;
}

static struct slice bounded(struct slice s)
{
    return slice_upto(s, PAIRS_VALUE_MAX_BYTES);
}

/* Up to the first byte of the set, or a blank. */
static struct slice take_until(struct slice *rest, const char *set)
{
    size_t n = 0;
    while (n < rest->len && !is_blank(rest->ptr[n]) && slice_find(slice_cstr(set), rest->ptr[n]) == slice_cstr(set).len)
        n++;
    struct slice word = slice_upto(*rest, n);
    *rest = slice_from(*rest, n);
    return word;
}

/* A text in quotes, or up to a byte of the set. Quotes that are never closed hold the rest. */
static struct slice take_value(struct slice *rest, const char *set)
{
    *rest = skip_blanks(*rest);
    if (rest->len == 0 || (rest->ptr[0] != '"' && rest->ptr[0] != '\''))
        return bounded(take_until(rest, set));
    char quote = rest->ptr[0];
    struct slice inner = slice_from(*rest, 1);
    size_t n = slice_find(inner, quote);
    *rest = slice_from(inner, n + 1);
    return bounded(slice_upto(inner, n));
}

/* The next line, blanks at both ends taken off. */
static bool take_line(struct pairs *p, struct slice *line)
{
    if (p->text.len == 0)
        return false;
    *line = slice_trim(slice_cut(&p->text, '\n'), " \t\r");
    p->line++;
    return true;
}

static bool is_comment(struct slice line)
{
    return line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';';
}

/* ---- WORDS, SHELL ---- */

static bool next_words(struct pairs *p, struct pair *out)
{
    struct slice line;
    while (take_line(p, &line)) {
        if (is_comment(line))
            continue;
        struct slice key = take_until(&line, "=:\"");
        line = skip_blanks(line);
        if (line.len > 0 && (line.ptr[0] == '=' || line.ptr[0] == ':'))
            line = slice_from(line, 1);
        *out = (struct pair){.key = bounded(key), .value = take_value(&line, "#"), .line = p->line - 1};
        return true;
    }
    return false;
}

static bool is_var_name(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}

static size_t var_name_length(struct slice s)
{
    size_t n = 0;
    while (n < s.len && is_var_name(s.ptr[n]))
        n++;
    return n;
}

static bool next_shell(struct pairs *p, struct pair *out)
{
    struct slice line;
    while (take_line(p, &line)) {
        if (slice_has_prefix(line, "export "))
            line = skip_blanks(slice_from(line, 7));
        size_t n = var_name_length(line);
        if (is_comment(line) || n == 0 || n == line.len || line.ptr[n] != '=')
            continue;
        struct slice rest = slice_from(line, n + 1);
        bool empty = rest.len == 0 || is_blank(rest.ptr[0]);
        *out = (struct pair){.key = bounded(slice_upto(line, n)), .line = p->line - 1};
        out->value = empty ? SLICE_LIT("") : take_value(&rest, "#;");
        return true;
    }
    return false;
}

/* ---- UNIT ---- */

/* A line whose end says that it goes on, and what it goes on with. */
static struct slice join_lines(struct pairs *p, struct arena *arena, struct slice line)
{
    if (line.len == 0 || line.ptr[line.len - 1] != '\\')
        return line;
    struct buf all = {0};
    for (;;) {
        bool more = line.len > 0 && line.ptr[line.len - 1] == '\\';
        if (all.len + line.len <= PAIRS_VALUE_MAX_BYTES)
            buf_put_slice(&all, more ? slice_upto(line, line.len - 1) : line);
        buf_put_byte(&all, ' ');
        if (!more)
            break;
        do {
            if (!take_line(p, &line))
                line = SLICE_NONE;
        } while (line.len > 0 && (line.ptr[0] == '#' || line.ptr[0] == ';'));
    }
    struct slice kept = arena_slice(arena, slice_trim(buf_slice(&all), " "));
    buf_fini(&all);
    return kept;
}

static bool next_unit(struct pairs *p, struct arena *arena, struct pair *out)
{
    struct slice line;
    while (take_line(p, &line)) {
        unsigned number = p->line - 1;
        if (is_comment(line))
            continue;
        if (line.ptr[0] == '[') {
            p->section = slice_upto(slice_from(line, 1), slice_find(slice_from(line, 1), ']'));
            continue;
        }
        line = join_lines(p, arena, line);
        struct slice key = slice_cut(&line, '=');
        if (!line.ptr)
            continue;
        *out = (struct pair){p->section, bounded(slice_trim(key, " \t")), bounded(slice_trim(line, " \t")), number};
        return true;
    }
    return false;
}

/* ---- UCL ---- */

static void drop(struct pairs *p, size_t n)
{
    for (size_t i = 0; i < n && i < p->text.len; i++)
        p->line += p->text.ptr[i] == '\n';
    p->text = slice_from(p->text, n);
}

static size_t comment_end(struct slice text)
{
    for (size_t i = 2; i + 1 < text.len; i++)
        if (text.ptr[i] == '*' && text.ptr[i + 1] == '/')
            return i + 2;
    return text.len;
}

/* Blanks, separators, comments, directives and braces before a key. */
static void ucl_skip(struct pairs *p)
{
    while (p->text.len > 0) {
        char c = p->text.ptr[0];
        size_t n = 1;
        if (c == '#' || c == '.')
            n = slice_find(p->text, '\n');
        else if (slice_has_prefix(p->text, "/*"))
            n = comment_end(p->text);
        else if (c == '{')
            p->depth++;
        else if (c == '}')
            p->depth -= p->depth > 0;
        else if (!is_blank(c) && c != '\n' && c != ';' && c != ',' && c != '[' && c != ']')
            return;
        drop(p, n);
    }
}

/* A word or a text in quotes; at least one byte goes. */
static struct slice ucl_take(struct pairs *p)
{
    struct slice rest = p->text, word = take_value(&rest, "=:;,{}[]\n");
    size_t n = p->text.len - rest.len;
    drop(p, n > 0 ? n : 1);
    return word;
}

static bool next_ucl(struct pairs *p, struct pair *out)
{
    for (;;) {
        ucl_skip(p);
        if (p->text.len == 0)
            return false;
        *out = (struct pair){.line = p->line};
        out->key = ucl_take(p);
        while (p->text.len > 0 &&
               (is_blank(p->text.ptr[0]) || p->text.ptr[0] == '=' || p->text.ptr[0] == ':' || p->text.ptr[0] == '['))
            drop(p, 1);
        if (p->text.len == 0 || slice_find(SLICE_LIT("{}];,\n"), p->text.ptr[0]) < 6)
            continue; /* an inner block, or no value */
        out->value = ucl_take(p);
        if (p->text.len > 0 && p->depth == 0 && skip_blanks(p->text).len > 0 && skip_blanks(p->text).ptr[0] == '{')
            continue; /* worker "normal" { */
        if (p->depth == 0)
            return true;
    }
}

bool pairs_next(struct pairs *p, struct arena *arena, struct pair *out)
{
    switch (p->form) {
    case PAIRS_WORDS:
        return next_words(p, out);
    case PAIRS_SHELL:
        return next_shell(p, out);
    case PAIRS_UNIT:
        return next_unit(p, arena, out);
    case PAIRS_UCL:
        return next_ucl(p, out);
    }
    return false;
}

/* ---- variables ---- */

static struct var *find_var(const struct vars *v, struct slice name)
{
    for (struct var *var = v->first; var; var = var->next)
        if (slice_eq(var->name, name))
            return var;
    return NULL;
}

void vars_set(struct vars *v, struct arena *arena, struct slice name, struct slice value)
{
    struct var *var = find_var(v, name);
    if (!var) {
        if (v->n >= PAIRS_VARS_MAX)
            return;
        var = arena_zalloc(arena, sizeof(*var));
        *var = (struct var){.name = name, .next = v->first};
        v->first = var;
        v->n++;
    }
    var->value = value;
}

/* What stands behind a `$`: moves *rest behind it. */
static struct slice value_of(const struct vars *v, struct slice *rest)
{
    bool braced = slice_has_prefix(*rest, "{");
    struct slice name = slice_from(*rest, braced), otherwise = SLICE_LIT("");
    size_t n = var_name_length(name), end = n + braced;
    if (braced) {
        size_t close = slice_find(*rest, '}');
        struct slice behind = slice_upto(slice_from(*rest, end), close > end ? close - end : 0);
        if (slice_has_prefix(behind, ":-") || slice_has_prefix(behind, ":="))
            otherwise = slice_from(behind, 2);
        end = close + 1;
    }
    const struct var *var = find_var(v, slice_upto(name, n));
    *rest = slice_from(*rest, end);
    return var && var->value.len > 0 ? var->value : otherwise;
}

struct slice vars_expand(const struct vars *v, struct arena *arena, struct slice text)
{
    if (slice_find(text, '$') == text.len)
        return text;
    struct buf out = {0};
    while (text.len > 0 && out.len < PAIRS_VALUE_MAX_BYTES) {
        size_t n = slice_find(text, '$');
        buf_put_slice(&out, slice_upto(text, n));
        text = slice_from(text, n);
        if (text.len == 0)
            break;
        text = slice_from(text, 1);
        buf_put_slice(&out, value_of(v, &text));
    }
    struct slice kept = arena_slice(
        arena, slice_of(out.len ? out.ptr : "", out.len < PAIRS_VALUE_MAX_BYTES ? out.len : PAIRS_VALUE_MAX_BYTES));
    buf_fini(&out);
    return kept;
}

void vars_read(struct vars *v, struct arena *arena, struct slice text)
{
    struct pairs p = {.form = PAIRS_SHELL, .text = text, .line = 1};
    struct pair pair;
    while (pairs_next(&p, arena, &pair))
        vars_set(v, arena, pair.key, vars_expand(v, arena, pair.value));
}

void vars_read_words(struct vars *v, struct arena *arena, struct slice text)
{
    struct slice word;
    while (command_word(&text, arena, &word)) {
        struct slice rest = word, name = slice_cut(&rest, '=');
        if (rest.ptr)
            vars_set(v, arena, name, rest);
    }
}

/* ---- command lines ---- */

bool command_word(struct slice *rest, struct arena *arena, struct slice *word)
{
    struct buf out = {0};
    char quote = '\0';
    struct slice s = skip_blanks(*rest);
    size_t i = 0;
    for (; i < s.len && (quote || !is_blank(s.ptr[i])); i++) {
        char c = s.ptr[i];
        if (quote ? c == quote : c == '"' || c == '\'')
            quote = quote ? '\0' : c;
        else if (out.len < PAIRS_VALUE_MAX_BYTES)
            buf_put_byte(&out, c);
    }
    *rest = slice_from(s, i);
    *word = arena_slice(arena, slice_of(out.len ? out.ptr : "", out.len));
    buf_fini(&out);
    return i > 0;
}

static struct slice find_option(struct slice command, struct arena *arena, char letter, bool inner)
{
    struct slice word, within;
    while (command_word(&command, arena, &word)) {
        if (inner && slice_find(word, ' ') < word.len && (within = find_option(word, arena, letter, false)).ptr)
            return within;
        if (word.len < 2 || word.ptr[0] != '-' || word.ptr[1] != letter)
            continue;
        if (word.len > 2)
            return slice_from(word, 2);
        return command_word(&command, arena, &word) ? word : SLICE_NONE;
    }
    return SLICE_NONE;
}

struct slice command_option(struct slice command, struct arena *arena, char letter)
{
    return find_option(command, arena, letter, true);
}
