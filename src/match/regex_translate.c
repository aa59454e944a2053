/*
 * regex_translate.c - a POSIX regular expression, as glibc 2.36's regcomp reads it, rewritten for PCRE2.
 *
 * Knows the grammar only; compiles and matches nothing. It follows regcomp with REG_ICASE | REG_NEWLINE in the C locale
 * (RE_SYNTAX_POSIX_BASIC or _EXTENDED with the GNU operators), odd corners included, because a greylist.conf that runs today
 * was written against just that. What regcomp refuses is refused here, at the byte where it goes wrong.
 *
 * Bytes are bytes (no UTF-8), as in the C locale. The pattern must be compiled with PCRE2_CASELESS, PCRE2_MULTILINE,
 * PCRE2_ALT_CIRCUMFLEX and newline LF.
 *
 * POSIX takes the longest of the leftmost matches, PCRE2 the first that its alternatives lead to. Whether and where a match
 * begins is the same; where it ends, and what a group holds, may differ ("a|ab" on "ab"). Only %g{\1} can see that, and a
 * back-reference to a repeated group whose last turn was empty. Where regexec of glibc 2.36 is plainly wrong (it loses anchors
 * in repeated groups: "\(\`b\)\{2\}" matches "bb"), we are not.
 */
#include "match/regex.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    DEPTH_MAX = 200,         /* open groups; PCRE2's own limit is 250 */
    DUP_MAX = 0x7fff,        /* RE_DUP_MAX */
    SYMBOL_NAME_MAX = 32,    /* regcomp's BRACKET_NAME_BUF_SIZE */
    BACK_REFERENCES_MAX = 9, /* \1 to \9 */
};

enum token_type {
    TOKEN_END,
    TOKEN_CHAR,
    TOKEN_DEAD_CHAR, /* a backslash before a lower-case letter: see peek_escape */
    TOKEN_PERIOD,
    TOKEN_BRACKET,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_ALT,
    TOKEN_STAR,
    TOKEN_PLUS,
    TOKEN_QUESTION,
    TOKEN_OPEN_DUP,
    TOKEN_CLOSE_DUP,
    TOKEN_BACK_REF,
    TOKEN_CLASS,          /* \w \W \s \S: c is the letter */
    TOKEN_ANCHOR,         /* ^ $ \< \> \b \B \` \': c is the last byte, `^` and `$` by themselves */
    TOKEN_LONE_BACKSLASH, /* at the end of the source */
};

struct token {
    enum token_type type;
    unsigned char c;
    size_t at, len;
};

struct translator {
    struct slice src;
    size_t pos; /* behind the current token */
    struct token token;
    bool extended;
    unsigned depth;
    unsigned groups;
    unsigned completed; /* bit n: group n+1 may be referred to */
    struct buf *out;
    struct regex_error *error;
};

static enum err fail(struct translator *t, enum err e, size_t at, const char *message)
{
    t->error->offset = at;
    t->error->message = message;
    return e;
}

static enum err syntax_error(struct translator *t, const char *message)
{
    return fail(t, ERR_SYNTAX, t->token.at, message);
}

static unsigned char upper(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c - ('a' - 'A')) : c;
}

/* ---- tokens ---- */

/* Operators that BRE spells with a backslash and ERE without. */
static enum token_type operator_type(unsigned char c)
{
    switch (c) {
    case '|':
        return TOKEN_ALT;
    case '+':
        return TOKEN_PLUS;
    case '?':
        return TOKEN_QUESTION;
    case '(':
        return TOKEN_OPEN;
    case ')':
        return TOKEN_CLOSE;
    case '{':
        return TOKEN_OPEN_DUP;
    case '}':
        return TOKEN_CLOSE_DUP;
    default:
        return TOKEN_CHAR;
    }
}

static enum token_type peek_escape(const struct translator *t, unsigned char c)
{
    if (c >= '1' && c <= '9')
        return TOKEN_BACK_REF;
    if (c != '\0' && strchr("<>bB`'", c))
        return TOKEN_ANCHOR;
    if (c != '\0' && strchr("wWsS", c))
        return TOKEN_CLASS;
    /*
     * Ignoring case, regcomp folds pattern and subject to upper case, but not the letter behind a backslash: `\d` is a
     * lower-case d there, which no folded subject holds. It matches nothing; the caller hears of it.
     */
    if (c >= 'a' && c <= 'z')
        return TOKEN_DEAD_CHAR;
    return t->extended ? TOKEN_CHAR : operator_type(c);
}

/* In BRE `$` is an anchor only at the end of the source or of a group or alternative. */
static bool dollar_is_anchor(const struct translator *t, size_t at)
{
    struct slice rest = slice_from(t->src, at + 1);
    return t->extended || rest.len == 0 || slice_has_prefix(rest, "\\|") || slice_has_prefix(rest, "\\)");
}

static struct token peek_at(const struct translator *t, size_t at, bool caret_anchors_here)
{
    struct token token = {.type = TOKEN_END, .at = at};
    if (at >= t->src.len)
        return token;
    token.c = (unsigned char)t->src.ptr[at];
    token.len = 1;
    token.type = TOKEN_CHAR;
    switch (token.c) {
    case '\\':
        if (at + 1 == t->src.len) {
            token.type = TOKEN_LONE_BACKSLASH;
            return token;
        }
        token.c = (unsigned char)t->src.ptr[at + 1];
        token.len = 2;
        token.type = peek_escape(t, token.c);
        return token;
    case '*':
        token.type = TOKEN_STAR;
        return token;
    case '[':
        token.type = TOKEN_BRACKET;
        return token;
    case '.':
        token.type = TOKEN_PERIOD;
        return token;
    case '^':
        if (t->extended || caret_anchors_here || at == 0)
            token.type = TOKEN_ANCHOR;
        return token;
    case '$':
        if (dollar_is_anchor(t, at))
            token.type = TOKEN_ANCHOR;
        return token;
    default:
        if (t->extended)
            token.type = operator_type(token.c);
        return token;
    }
}

static void fetch(struct translator *t, bool caret_anchors_here)
{
    t->token = peek_at(t, t->pos, caret_anchors_here);
    t->pos += t->token.len;
}

/* ---- output ---- */

/* A byte that stands for itself, also within brackets. */
static void put_literal(struct buf *out, unsigned char c)
{
    if (ascii_is_digit((char)c) || ascii_is_alpha((char)c) || c == '_')
        buf_put_byte(out, (char)c);
    else if (c > ' ' && c < 0x7f)
        buf_printf(out, "\\%c", c);
    else
        buf_printf(out, "\\x%02x", c);
}

/* The bytes c with set[c], as one PCRE2 class. */
static void put_set(struct buf *out, const bool set[256])
{
    bool any = false;
    for (unsigned c = 0; c < 256; c++)
        any |= set[c];
    if (!any) {
        buf_put_cstr(out, "(?!)");
        return;
    }
    buf_put_byte(out, '[');
    for (unsigned c = 0; c < 256; c++) {
        if (!set[c])
            continue;
        unsigned last = c;
        while (last < 255 && set[last + 1])
            last++;
        put_literal(out, (unsigned char)c);
        if (last > c) {
            buf_put_byte(out, '-');
            put_literal(out, (unsigned char)last);
        }
        c = last;
    }
    buf_put_byte(out, ']');
}

/* ---- bracket expressions ---- */

enum element_type { ELEMENT_CHAR, ELEMENT_SYMBOL, ELEMENT_EQUIV, ELEMENT_CLASS };

struct element {
    enum element_type type;
    unsigned char c;
    size_t at;
    char name[SYMBOL_NAME_MAX + 1];
};

enum bracket_token_type { IN_END, IN_CHAR, IN_CLOSE, IN_RANGE, IN_NOT, IN_SYMBOL };

struct bracket_token {
    enum bracket_token_type type;
    unsigned char c; /* IN_SYMBOL: `.`, `=` or `:` */
    size_t len;
};

static struct bracket_token peek_in_bracket(const struct translator *t)
{
    if (t->pos >= t->src.len)
        return (struct bracket_token){.type = IN_END};
    unsigned char c = (unsigned char)t->src.ptr[t->pos];
    struct bracket_token token = {.type = IN_CHAR, .c = c, .len = 1};
    switch (c) {
    case '[':
        if (t->pos + 1 < t->src.len && strchr(".=:", t->src.ptr[t->pos + 1])) {
            token.type = IN_SYMBOL;
            token.c = (unsigned char)t->src.ptr[t->pos + 1];
            token.len = 2;
        }
        break;
    case ']':
        token.type = IN_CLOSE;
        break;
    case '-':
        token.type = IN_RANGE;
        break;
    case '^':
        token.type = IN_NOT;
        break;
    default:
        break;
    }
    return token;
}

static enum err unclosed_bracket(struct translator *t)
{
    return syntax_error(t, "`[` without its `]`");
}

/* `[.x.]`, `[=x=]`, `[:alpha:]`, behind its opening. */
static enum err parse_symbol(struct translator *t, char kind, struct element *out)
{
    out->type = kind == '.' ? ELEMENT_SYMBOL : kind == '=' ? ELEMENT_EQUIV : ELEMENT_CLASS;
    for (size_t n = 0; n < SYMBOL_NAME_MAX; n++) {
        if (t->pos + 1 >= t->src.len)
            return unclosed_bracket(t);
        char c = t->src.ptr[t->pos++];
        if (c == kind && t->src.ptr[t->pos] == ']') {
            t->pos++;
            out->name[n] = '\0';
            out->c = upper((unsigned char)out->name[0]);
            return ERR_NONE;
        }
        out->name[n] = c;
    }
    return fail(t, ERR_SYNTAX, out->at, "name in brackets is too long");
}

static enum err parse_element(struct translator *t, struct bracket_token token, bool accept_hyphen, struct element *out)
{
    *out = (struct element){.type = ELEMENT_CHAR, .c = upper(token.c), .at = t->pos};
    t->pos += token.len;
    if (token.type == IN_SYMBOL)
        return parse_symbol(t, (char)token.c, out);
    /* A hyphen stands for itself only first, last, or as the end of a range. */
    if (token.type == IN_RANGE && !accept_hyphen && peek_in_bracket(t).type != IN_CLOSE)
        return fail(t, ERR_SYNTAX, out->at, "`-` is neither first nor last nor a range here");
    return ERR_NONE;
}

static bool is_class_member(const char *class, unsigned char c)
{
    bool lower = c >= 'a' && c <= 'z', is_upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
    bool alpha = lower || is_upper, graph = c > ' ' && c < 0x7f;
    switch (class[0]) {
    case 'a': /* alpha, alnum */
        return alpha || (class[2] == 'n' && digit);
    case 'b': /* blank */
        return c == ' ' || c == '\t';
    case 'c': /* cntrl */
        return c < ' ' || c == 0x7f;
    case 'd': /* digit */
        return digit;
    case 'g': /* graph */
        return graph;
    case 'l': /* lower, upper: ignoring case both are alpha */
    case 'u':
        return alpha;
    case 'p': /* print, punct */
        return class[1] == 'r' ? graph || c == ' ' : graph && !alpha && !digit;
    case 's': /* space */
        return c == ' ' || (c >= '\t' && c <= '\r');
    default: /* xdigit */
        return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
}

static enum err add_class(struct translator *t, const struct element *e, bool set[256])
{
    static const char *const names[] = {"alpha", "alnum", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "xdigit"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], e->name) != 0)
            continue;
        for (unsigned c = 0; c < 256; c++)
            set[c] |= is_class_member(e->name, (unsigned char)c);
        return ERR_NONE;
    }
    snprintf(t->error->text, sizeof(t->error->text), "unknown character class `[:%s:]`", e->name);
    return fail(t, ERR_SYNTAX, e->at, t->error->text);
}

/* In the C locale every collating element and every equivalence class is one byte. */
static enum err check_collating(struct translator *t, const struct element *e)
{
    if (e->type == ELEMENT_CHAR || strlen(e->name) == 1)
        return ERR_NONE;
    snprintf(t->error->text, sizeof(t->error->text), "unknown collating element `%s`", e->name);
    return fail(t, ERR_SYNTAX, e->at, t->error->text);
}

static enum err add_range(struct translator *t, const struct element *from, const struct element *to, bool set[256])
{
    if (from->type == ELEMENT_EQUIV || to->type == ELEMENT_EQUIV || to->type == ELEMENT_CLASS)
        return fail(t, ERR_SYNTAX, to->at, "a class cannot end a range");
    enum err e = check_collating(t, from);
    if (e == ERR_NONE)
        e = check_collating(t, to);
    if (e != ERR_NONE)
        return e;
    /* Folded to upper case first, as regcomp does: `[_-z]` runs from _ to Z and is empty. */
    if (from->c > to->c)
        return fail(t, ERR_SYNTAX, from->at, "range runs backwards (letters count as upper case, since case is ignored)");
    for (unsigned c = from->c; c <= to->c; c++)
        set[c] = true;
    return ERR_NONE;
}

static enum err add_element(struct translator *t, const struct element *e, bool set[256])
{
    if (e->type == ELEMENT_CLASS)
        return add_class(t, e, set);
    enum err err = check_collating(t, e);
    if (err == ERR_NONE)
        set[e->c] = true;
    return err;
}

/* One element or range of a bracket expression; *token is the one it begins with and becomes the one behind it. */
static enum err parse_in_bracket(struct translator *t, struct bracket_token *token, bool first, bool set[256])
{
    struct element from, to;
    enum err e = parse_element(t, *token, first, &from);
    if (e != ERR_NONE)
        return e;
    *token = peek_in_bracket(t);
    if (token->type != IN_RANGE || from.type == ELEMENT_CLASS || from.type == ELEMENT_EQUIV)
        return add_element(t, &from, set);
    size_t hyphen = t->pos;
    t->pos += token->len;
    struct bracket_token end = peek_in_bracket(t);
    if (end.type == IN_END)
        return unclosed_bracket(t);
    if (end.type == IN_CLOSE) { /* the last `-` stands for itself */
        t->pos = hyphen;
        token->type = IN_CHAR;
        return add_element(t, &from, set);
    }
    e = parse_element(t, end, true, &to);
    if (e != ERR_NONE)
        return e;
    *token = peek_in_bracket(t);
    return add_range(t, &from, &to, set);
}

/* Behind the `[`. */
static enum err parse_bracket(struct translator *t)
{
    bool set[256] = {false}, folded[256];
    struct bracket_token token = peek_in_bracket(t);
    bool negated = token.type == IN_NOT;
    if (negated) {
        set['\n'] = true; /* REG_NEWLINE: [^x] does not match a newline */
        t->pos += token.len;
        token = peek_in_bracket(t);
    }
    if (token.type == IN_CLOSE)
        token.type = IN_CHAR; /* the first `]` stands for itself */
    for (bool first = true; first || token.type != IN_CLOSE; first = false) {
        if (token.type == IN_END)
            return unclosed_bracket(t);
        enum err e = parse_in_bracket(t, &token, first, set);
        if (e != ERR_NONE)
            return e;
    }
    t->pos += token.len;
    for (unsigned c = 0; c < 256; c++)
        folded[c] = set[upper((unsigned char)c)] != negated;
    put_set(t->out, folded);
    return ERR_NONE;
}

/* ---- repetition ---- */

struct repeat {
    int min, max; /* max -1: no end */
};

enum { NUMBER_NONE = -1, NUMBER_BAD = -2 };

/* regcomp's fetch_number: up to a comma or the closing brace, which is then the current token. */
static int fetch_number(struct translator *t)
{
    int number = NUMBER_NONE;
    for (;;) {
        fetch(t, false);
        if (t->token.type == TOKEN_END)
            return NUMBER_BAD;
        unsigned char c = t->token.c;
        if (t->token.type == TOKEN_CLOSE_DUP || c == ',')
            return number;
        if (t->token.type != TOKEN_CHAR || !ascii_is_digit((char)c) || number == NUMBER_BAD)
            number = NUMBER_BAD;
        else {
            number = (number == NUMBER_NONE ? 0 : number * 10) + (c - '0');
            if (number > DUP_MAX)
                number = DUP_MAX + 1;
        }
    }
}

/* `{2}`, `{2,}`, `{,5}`, `{2,5}`; the current token is the opening brace. */
static enum err parse_interval(struct translator *t, struct repeat *out)
{
    size_t at = t->token.at;
    out->min = fetch_number(t);
    out->max = out->min;
    bool comma = t->token.type == TOKEN_CHAR && t->token.c == ',';
    if (out->min == NUMBER_NONE) {
        if (!comma)
            return fail(t, ERR_SYNTAX, at, "repetition without a number");
        out->min = 0;
    }
    if (out->min != NUMBER_BAD && t->token.type != TOKEN_CLOSE_DUP)
        out->max = comma ? fetch_number(t) : NUMBER_BAD;
    if (out->min == NUMBER_BAD || out->max == NUMBER_BAD)
        return fail(t, ERR_SYNTAX, at, t->token.type == TOKEN_END ? "`{` without its `}`" : "not a number in a repetition");
    if (t->token.type != TOKEN_CLOSE_DUP)
        return fail(t, ERR_SYNTAX, at, "more than two numbers in a repetition");
    if (out->max != NUMBER_NONE && out->min > out->max)
        return fail(t, ERR_SYNTAX, at, "repetition with its larger number first");
    if (out->min > DUP_MAX || out->max > DUP_MAX)
        return fail(t, ERR_SYNTAX, at, "repetition of more than 32767");
    return ERR_NONE;
}

static bool is_repeat(enum token_type type)
{
    return type == TOKEN_STAR || type == TOKEN_PLUS || type == TOKEN_QUESTION || type == TOKEN_OPEN_DUP;
}

static void buf_insert_cstr(struct buf *b, size_t at, const char *s)
{
    size_t n = strlen(s);
    buf_reserve(b, n);
    memmove(b->ptr + at + n, b->ptr + at, b->len - at);
    memcpy(b->ptr + at, s, n);
    b->len += n;
}

static void put_repeat(struct buf *out, struct repeat r)
{
    if (r.min == 0 && r.max == -1)
        buf_put_byte(out, '*');
    else if (r.min == 1 && r.max == -1)
        buf_put_byte(out, '+');
    else if (r.min == 0 && r.max == 1)
        buf_put_byte(out, '?');
    else if (r.max == -1)
        buf_printf(out, "{%d,}", r.min);
    else
        buf_printf(out, "{%d,%d}", r.min, r.max);
}

/* A place where PCRE2 calls regex.c, which counts there what has been done since the last one. */
static void put_count(struct translator *t)
{
    buf_put_cstr(t->out, "(?C)");
}

/* All repetitions behind the atom that stands in the output from `atom` on; the current token is the one behind it. */
static enum err parse_repeats(struct translator *t, size_t atom)
{
    bool any = false, star = false;
    while (is_repeat(t->token.type)) {
        struct repeat r = {t->token.type == TOKEN_PLUS, t->token.type == TOKEN_QUESTION ? 1 : -1};
        bool interval = t->token.type == TOKEN_OPEN_DUP;
        if (interval) {
            enum err e = parse_interval(t, &r);
            if (e != ERR_NONE)
                return e;
        }
        /* `a**` is `a*`; else a second operator would make the first lazy or possessive to PCRE2. */
        if (!star || interval) {
            if (any) {
                buf_insert_cstr(t->out, atom, "(?:");
                buf_put_byte(t->out, ')');
            }
            put_repeat(t->out, r);
            star = r.min == 0 && r.max == -1;
        }
        any = true;
        fetch(t, false);
        if (!t->extended && (t->token.type == TOKEN_STAR || t->token.type == TOKEN_OPEN_DUP))
            return syntax_error(t, "repetition of a repetition");
    }
    if (any)
        put_count(t);
    return ERR_NONE;
}

/* ---- expressions ---- */

static enum err parse_alternatives(struct translator *t);

/* Behind the opening parenthesis; leaves the closing one as the current token. */
static enum err parse_group(struct translator *t)
{
    size_t at = t->token.at;
    if (t->depth == DEPTH_MAX)
        return fail(t, ERR_LIMIT, at, "groups are nested too deeply");
    unsigned number = t->groups++;
    t->depth++;
    /* What nobody can refer to is not captured: PCRE2 copies all that is with each point that it may return to. */
    buf_put_cstr(t->out, number < BACK_REFERENCES_MAX ? "(" : "(?:");
    fetch(t, true);
    if (t->token.type != TOKEN_CLOSE) {
        enum err e = parse_alternatives(t);
        if (e != ERR_NONE)
            return e;
        if (t->token.type != TOKEN_CLOSE)
            return fail(t, ERR_SYNTAX, at, "group without its closing parenthesis");
    }
    buf_put_byte(t->out, ')');
    t->depth--;
    if (number < BACK_REFERENCES_MAX)
        t->completed |= 1U << number;
    return ERR_NONE;
}

static void put_anchor(struct buf *out, unsigned char c)
{
    switch (c) {
    case '<':
        buf_put_cstr(out, "\\b(?=\\w)");
        break;
    case '>':
        buf_put_cstr(out, "\\b(?<=\\w)");
        break;
    case 'b':
    case 'B':
        buf_printf(out, "\\%c", c);
        break;
    case '`':
        buf_put_cstr(out, "\\A");
        break;
    case '\'':
        buf_put_cstr(out, "\\z");
        break;
    default:
        buf_put_byte(out, (char)c);
    }
}

static enum err parse_back_reference(struct translator *t)
{
    unsigned number = (unsigned)(t->token.c - '1');
    if (!(t->completed & 1U << number))
        return syntax_error(t, "back-reference to a group that is not there yet");
    buf_printf(t->out, "\\g{%u}", number + 1);
    return ERR_NONE;
}

/* A repetition where there is nothing to repeat: an error, but for BRE's `*`, `\+` and `\?`, which stand for themselves. */
static enum err parse_stray_repeat(struct translator *t)
{
    if (t->extended || t->token.type == TOKEN_OPEN_DUP)
        return syntax_error(t, "nothing to repeat here");
    put_literal(t->out, t->token.c);
    return ERR_NONE;
}

static enum err parse_atom(struct translator *t)
{
    switch (t->token.type) {
    case TOKEN_OPEN:
        return parse_group(t);
    case TOKEN_BRACKET:
        return parse_bracket(t);
    case TOKEN_BACK_REF:
        return parse_back_reference(t);
    case TOKEN_STAR:
    case TOKEN_PLUS:
    case TOKEN_QUESTION:
    case TOKEN_OPEN_DUP:
        return parse_stray_repeat(t);
    case TOKEN_CLOSE:
        if (!t->extended)
            return syntax_error(t, "closing parenthesis without a group");
        put_literal(t->out, t->token.c); /* POSIX leaves it open; regcomp takes it literally */
        return ERR_NONE;
    case TOKEN_PERIOD:
        /* REG_NEWLINE. That it matches no NUL either in regcomp shows nowhere: regexec's subject ends at one. */
        buf_put_byte(t->out, '.');
        return ERR_NONE;
    case TOKEN_CLASS:
        buf_printf(t->out, "\\%c", t->token.c);
        return ERR_NONE;
    case TOKEN_DEAD_CHAR:
        if (!t->error->message) {
            snprintf(t->error->text, sizeof(t->error->text),
                     "`\\%c` matches nothing in a POSIX regular expression that ignores case", t->token.c);
            (void)fail(t, ERR_NONE, t->token.at, t->error->text);
        }
        buf_put_cstr(t->out, "(?!)");
        return ERR_NONE;
    case TOKEN_LONE_BACKSLASH:
        return syntax_error(t, "backslash at the end");
    default: /* TOKEN_CHAR, TOKEN_CLOSE_DUP */
        put_literal(t->out, t->token.c);
        return ERR_NONE;
    }
}

/* An atom with its repetitions. An anchor takes none: what follows it begins anew, so that `^*` is a literal star in BRE. */
static enum err parse_expression(struct translator *t)
{
    if (t->token.type == TOKEN_ANCHOR) {
        put_anchor(t->out, t->token.c);
        fetch(t, false);
        return ERR_NONE;
    }
    size_t atom = t->out->len;
    enum err e = parse_atom(t);
    if (e != ERR_NONE)
        return e;
    fetch(t, false);
    return parse_repeats(t, atom);
}

static bool ends_branch(const struct translator *t)
{
    return t->token.type == TOKEN_ALT || t->token.type == TOKEN_END || (t->depth > 0 && t->token.type == TOKEN_CLOSE);
}

static enum err parse_branch(struct translator *t)
{
    while (!ends_branch(t)) {
        enum err e = parse_expression(t);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

/* Each alternative may refer back only to groups that were complete before the first one. */
static enum err parse_alternatives(struct translator *t)
{
    unsigned before = t->completed, all = before;
    for (;;) {
        put_count(t);
        enum err e = parse_branch(t);
        if (e != ERR_NONE)
            return e;
        all |= t->completed;
        if (t->token.type != TOKEN_ALT) {
            t->completed = all;
            return ERR_NONE;
        }
        buf_put_byte(t->out, '|');
        t->completed = before;
        fetch(t, true);
    }
}

enum err regex_translate(struct slice source, bool extended, struct buf *out, struct regex_error *error)
{
    *error = (struct regex_error){0};
    struct translator t = {.src = source, .extended = extended, .out = out, .error = error};
    if (source.len > REGEX_SOURCE_MAX_BYTES)
        return fail(&t, ERR_LIMIT, REGEX_SOURCE_MAX_BYTES, "regular expression is too long");
    size_t nul = slice_find(source, '\0');
    if (nul < source.len)
        return fail(&t, ERR_SYNTAX, nul, "NUL byte in a regular expression");
    fetch(&t, true);
    enum err e = parse_alternatives(&t);
    /* At depth 0 a closing parenthesis is a literal or an error, so nothing but the end ends the last alternative. */
    if (e == ERR_NONE && t.token.type != TOKEN_END)
        PANIC("regular expression not read to its end");
    return e;
}
