/*
 * lex.c - cut the text of one file into tokens.
 *
 * milter-greylist's lexer takes the longest match of all its patterns, and recognises a regex from the first keyword that may
 * take one to the end of the line. Here the parser says what may come, which means the same for every file that is valid there,
 * and makes `from a@b addr 10.0.0.0/8 domain /x/` valid too.
 */
#include "conf/lex.h"
#include "base/mem.h"

#include <string.h>

void lex_init(struct lexer *lx, const char *file, struct slice text)
{
    *lx = (struct lexer){.text = text, .file = file, .place = {.line = 1}};
    if (slice_has_prefix(text, "\xef\xbb\xbf"))
        lx->place.at = lx->place.line_at = 3;
}

/* ---- bytes ---- */

static bool is_word(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '_' || c == '-';
}

static bool is_local_part(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("!#$%&'*+/=?^_`{|}~.-", c));
}

static bool is_control(char c)
{
    return ((uint8_t)c < 0x20 && c != '\t') || (uint8_t)c == 0x7f;
}

/* The byte at i, or '\n' behind the end: every token ends there. */
static char byte_at(const struct lexer *lx, size_t i)
{
    return i < lx->text.len ? lx->text.ptr[i] : '\n';
}

static void take_newline(struct lexer *lx)
{
    lx->place.at++;
    lx->place.line++;
    lx->place.line_at = lx->place.at;
}

/* Blanks, comments, continued lines, in braces newlines. Returns whether a newline was passed. */
static bool skip_blanks(struct lexer *lx, bool newlines_too)
{
    bool crossed = false;
    while (lx->place.at < lx->text.len) {
        char c = lx->text.ptr[lx->place.at];
        if (c == ' ' || c == '\t') {
            lx->place.at++;
        } else if (c == '\r' && byte_at(lx, lx->place.at + 1) == '\n') {
            lx->saw_crlf = true;
            lx->place.at++;
        } else if (c == '#' || c == '\\') {
            while (byte_at(lx, lx->place.at) != '\n')
                lx->place.at++;
            if (c == '\\' && lx->place.at < lx->text.len) {
                take_newline(lx);
                crossed = true;
            }
        } else if (c == '\n' && newlines_too) {
            take_newline(lx);
            crossed = true;
        } else {
            break;
        }
    }
    return crossed;
}

/* ---- patterns: each returns how many bytes it takes from `at`, 0 for none ---- */

/*
 * Text between two `quote` bytes on one line. A quote behind a backslash does not end it unless no other follows on the line:
 * that is what the longest match of the pattern "([^"\n]|\\")*" comes to.
 */
static size_t quoted_length(const struct lexer *lx, size_t at, char quote)
{
    size_t last = 0;
    for (size_t i = at + 1; byte_at(lx, i) != '\n'; i++) {
        if (lx->text.ptr[i] != quote)
            continue;
        last = i + 1 - at;
        if (lx->text.ptr[i - 1] != '\\')
            break;
    }
    return last;
}

static size_t email_length(const struct lexer *lx, size_t at)
{
    size_t i = at;
    if (byte_at(lx, at) == '"') {
        size_t n = quoted_length(lx, at, '"');
        i = n > 2 ? at + n : at;
    } else {
        while (is_local_part(byte_at(lx, i)))
            i++;
    }
    if (i == at || byte_at(lx, i) != '@' || !is_word(byte_at(lx, i + 1)))
        return 0;
    for (i++; is_word(byte_at(lx, i)); i++)
        ;
    return i - at;
}

/* Hexadecimal digits, dots and at least two colons: an IPv6 address or what was meant as one. */
static size_t ip6_length(const struct lexer *lx, size_t at)
{
    size_t i = at, colons = 0;
    bool doubled = byte_at(lx, at + 1) == ':' && byte_at(lx, at + 2) != ':';
    if (byte_at(lx, at) == ':' && !doubled) /* a keyword's colon stands before the address: addr:2001:db8::1 */
        return 0;
    for (;; i++) {
        char c = ascii_lower(byte_at(lx, i));
        if (c == ':')
            colons++;
        else if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f') && c != '.')
            break;
    }
    return colons >= 2 && !is_word(byte_at(lx, i)) ? i - at : 0;
}

static size_t word_length(const struct lexer *lx, size_t at)
{
    size_t n = ip6_length(lx, at);
    if (n == 0)
        while (is_word(byte_at(lx, at + n)))
            n++;
    return n;
}

static size_t cidr_length(const struct lexer *lx, size_t at)
{
    size_t n = 1;
    while (ascii_is_digit(byte_at(lx, at + n)))
        n++;
    return n > 1 ? n : 0;
}

/* ---- tokens ---- */

static struct token finish(struct lexer *lx, struct token t, enum token_kind kind, size_t len, size_t quotes)
{
    t.kind = kind;
    t.raw = (struct slice){lx->text.ptr + t.start.at, len};
    t.text = (struct slice){t.raw.ptr + (quotes ? 1 : 0), len - quotes};
    t.where.width = len ? (uint32_t)len : 1;
    lx->place.at += len;
    t.end = lx->place;
    return t;
}

static struct token finish_bad(struct lexer *lx, struct token t, size_t len, const char *message, const char *hint)
{
    t.message = message;
    t.hint = hint;
    return finish(lx, t, TOKEN_BAD, len, 0);
}

static size_t to_line_end(const struct lexer *lx)
{
    size_t n = 0;
    while (byte_at(lx, lx->place.at + n) != '\n')
        n++;
    return n;
}

static struct token finish_quoted(struct lexer *lx, struct token t, enum token_kind kind, size_t len)
{
    size_t max = kind == TOKEN_STRING ? LEX_STRING_MAX_BYTES : LEX_REGEX_MAX_BYTES;
    if (len == 0 && kind == TOKEN_STRING)
        return finish_bad(lx, t, to_line_end(lx), "this string has no closing quote",
                          "a string ends on the line it begins on; `\\` does not continue it");
    if (len == 0)
        return finish_bad(lx, t, to_line_end(lx), "this regular expression has no closing slash",
                          "it ends on the line it begins on; write a slash in it as `\\/`");
    for (size_t i = 0; i < len; i++)
        if (is_control(lx->text.ptr[t.start.at + i]))
            return finish_bad(lx, t, len, "there is a control character in it", NULL);
    if (len - 2 > max)
        return finish_bad(lx, t, len,
                          kind == TOKEN_STRING ? "this string is longer than 4096 bytes"
                                               : "this regular expression is longer than 1024 bytes",
                          NULL);
    if (len == 2 && kind == TOKEN_REGEX)
        return finish_bad(lx, t, len, "an empty regular expression", "to match everything, write `/.*/`");
    return finish(lx, t, kind, len, 2);
}

/* What editors and web pages make of quotes and blanks, and other bytes that have no meaning outside of quotes. */
static struct token finish_strange(struct lexer *lx, struct token t)
{
    static const struct {
        const char *bytes, *message, *hint;
    } known[] = {
        {"\xe2\x80\x9c", "a typographic quote", "strings stand in plain quotes: \"text\""},
        {"\xe2\x80\x9d", "a typographic quote", "strings stand in plain quotes: \"text\""},
        {"\xe2\x80\x9e", "a typographic quote", "strings stand in plain quotes: \"text\""},
        {"\xc2\xa0", "a no-break space", "write a plain blank"},
        {"\xe2\x80\x93", "a dash that is no plain hyphen", "write `-`"},
        {"\xef\xbb\xbf", "a byte order mark in the middle of the file", NULL},
    };
    struct slice rest = slice_from(lx->text, t.start.at);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_has_prefix(rest, known[i].bytes))
            return finish_bad(lx, t, strlen(known[i].bytes), known[i].message, known[i].hint);
    size_t n = 1;
    if ((uint8_t)rest.ptr[0] < 0x80)
        return finish_bad(lx, t, n, rest.ptr[0] == '\r' ? "a carriage return that ends no line" : "a control character",
                          NULL);
    while (n < rest.len && ((uint8_t)rest.ptr[n] & 0xc0) == 0x80)
        n++;
    return finish_bad(lx, t, n, "a character outside of ASCII may stand in quotes and comments only", NULL);
}

struct token lex_next(struct lexer *lx, unsigned mode)
{
    bool first = lx->place.at == lx->place.line_at;
    first |= skip_blanks(lx, mode & LEX_FREE);
    size_t at = lx->place.at;
    struct token t = {.start = lx->place, .is_first = first || at == lx->place.line_at};
    t.where = (struct conf_where){lx->file, lx->place.line, (uint32_t)(at - lx->place.line_at) + 1, 1};
    if (at >= lx->text.len)
        return finish(lx, t, TOKEN_END, 0, 0);
    char c = lx->text.ptr[at];
    if (c == '\n') {
        t = finish(lx, t, TOKEN_NEWLINE, 1, 0);
        lx->place.at--;
        take_newline(lx);
        t.end = lx->place;
        return t;
    }
    size_t email = mode & LEX_EMAIL ? email_length(lx, at) : 0;
    if (c == '/' && (mode & LEX_REGEX)) {
        size_t n = quoted_length(lx, at, '/');
        if (n >= email) /* the longest match, as in milter-greylist: `/a/b@c` is an address */
            return finish_quoted(lx, t, TOKEN_REGEX, n);
    }
    if (email)
        return finish(lx, t, TOKEN_EMAIL, email, 0);
    if (c == '"')
        return finish_quoted(lx, t, TOKEN_STRING, quoted_length(lx, at, '"'));
    size_t n = word_length(lx, at);
    if (n)
        return finish(lx, t, TOKEN_WORD, n, 0);
    if (c == '/' && (n = cidr_length(lx, at)) != 0) {
        t = finish(lx, t, TOKEN_CIDR, n, 0);
        t.text = slice_from(t.raw, 1);
        return t;
    }
    if (is_control(c) || (uint8_t)c >= 0x80)
        return finish_strange(lx, t);
    return finish(lx, t, TOKEN_PUNCT, 1, 0);
}

struct slice lex_chunk(const struct lexer *lx, const struct token *t)
{
    size_t n = t->raw.len;
    if (t->kind == TOKEN_WORD || t->kind == TOKEN_PUNCT || t->kind == TOKEN_CIDR || t->kind == TOKEN_EMAIL)
        while (byte_at(lx, t->start.at + n) != '\n' && !strchr(" \t\r\"{}()#\\", byte_at(lx, t->start.at + n)))
            n++;
    return slice_of(lx->text.ptr + t->start.at, n);
}

/* ---- leaving a statement ---- */

static bool is_one_of(struct slice word, const char *const *words)
{
    for (; *words; words++)
        if (slice_eq_nocase(word, slice_cstr(*words)))
            return true;
    return false;
}

static bool is_punct(const struct token *t, char c)
{
    return t->kind == TOKEN_PUNCT && t->raw.ptr[0] == c;
}

/*
 * Whether the line at the lexer's place begins with what can only be a statement, never a part of one in braces. In an
 * expression `filter "name" reject` and `list "name"` may begin a line too.
 */
static bool at_sure_statement(const struct lexer *lx)
{
    static const char *const sure[] = {"racl", "acl", "dacl", "include", "listen", "socket", "trust", "network", NULL};
    static const char *const types[] = {"addr", "domain", "from", "rawfrom", "rcpt",     "helo",  "header",   "body",
                                        "auth", "tls",    "p0f",  "dnsrbl",  "urlcheck", "geoip", "sm_macro", NULL};
    static const char *const joining[] = {"and", "or", NULL};
    static const char *const blocks[] = {"filter", "condition", NULL};
    struct lexer ahead = *lx;
    struct token word = lex_next(&ahead, 0), next = lex_next(&ahead, 0), third = lex_next(&ahead, 0);
    if (word.kind != TOKEN_WORD || next.start.at == word.end.at)
        return false;
    if (is_one_of(word.text, blocks))
        return is_punct(&next, '{') || (next.kind == TOKEN_STRING && is_punct(&third, '{'));
    if (slice_eq_nocase(word.text, SLICE_LIT("list")))
        return next.kind == TOKEN_STRING && third.kind == TOKEN_WORD && is_one_of(third.text, types);
    if (slice_eq_nocase(word.text,
                        SLICE_LIT("dnsrbl"))) /* behind the name a zone; in an expression at most a word that joins */
        return next.kind == TOKEN_STRING &&
               (third.kind == TOKEN_STRING || (third.kind == TOKEN_WORD && !is_one_of(third.text, joining)));
    return is_one_of(word.text, sure);
}

void lex_skip_statement(struct lexer *lx, struct lex_place from, size_t beyond)
{
    static const char *const takes_regex[] = {"from",           "rawfrom", "rcpt", "domain",   "helo",  "header", "body",
                                              "auth",           "tls",     "p0f",  "sm_macro", "macro", "trust",  "s25r",
                                              "helo_confirmed", NULL};
    static const char *const takes_email[] = {"from", "rawfrom", "rcpt", NULL};
    unsigned mode = 0;
    size_t depth = 0;
    bool email_next = false, cidr_next = false;
    lx->place = from;
    for (;;) {
        unsigned now = (cidr_next ? 0 : mode) | (email_next ? (unsigned)LEX_EMAIL : 0);
        struct token t = lex_next(lx, now);
        if (t.kind == TOKEN_REGEX || (t.kind == TOKEN_BAD && t.raw.ptr && t.raw.ptr[0] == '/')) {
            /* a slash in the middle of a word, or one without a second, is no regex */
            bool glued = t.start.at > 0 && !strchr(" \t{:", lx->text.ptr[t.start.at - 1]);
            if (glued || t.kind == TOKEN_BAD) {
                lx->place = t.start;
                lx->place.at++;
            }
        } else if (t.kind == TOKEN_EMAIL && t.raw.ptr[0] == '{') {
            lx->place = t.start; /* rather a list's brace than an address that begins with one */
            lx->place.at++;
            depth++;
        }
        email_next = cidr_next = false;
        if (t.kind == TOKEN_END)
            return;
        if (t.kind == TOKEN_NEWLINE) {
            mode = depth ? mode : 0;
            if ((depth == 0 && lx->place.at >= beyond) || (depth && at_sure_statement(lx)))
                return;
        } else if (t.kind == TOKEN_WORD) {
            if (is_one_of(t.text, takes_regex))
                mode = LEX_REGEX;
            email_next = is_one_of(t.text, takes_email);
            cidr_next = slice_eq_nocase(t.text, SLICE_LIT("mx"));
        } else if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '$') {
            mode = LEX_REGEX;
        } else if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '{') {
            depth++;
        } else if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '}' && depth) {
            depth--;
        }
    }
}
