/*
 * lex.h - cut the text of one file into tokens. What a `/` or a mail address is depends on where it stands, so the parser says
 * with every call what may come. Knows bytes and places; keywords only where it looks for the end of a broken statement.
 */
#ifndef TARSIER_CONF_LEX_H
#define TARSIER_CONF_LEX_H

#include "conf/diag.h"

enum { LEX_STRING_MAX_BYTES = 4096, LEX_REGEX_MAX_BYTES = 1024 }; /* milter-greylist's limits */

enum lex_mode {
    LEX_REGEX = 1u << 0, /* a `/` begins a regex; without it, it is a CIDR's */
    LEX_EMAIL = 1u << 1, /* an unquoted mail address may come: its local part holds almost every byte */
    LEX_FREE = 1u << 2,  /* inside braces: newlines are blanks */
};

enum token_kind {
    TOKEN_END,     /* of the file */
    TOKEN_NEWLINE, /* of the statement */
    TOKEN_WORD,    /* keyword, name, number, time, address: [A-Za-z0-9._-]+ and what looks like an IPv6 address */
    TOKEN_STRING,  /* text is what stands between the quotes, as it stands */
    TOKEN_REGEX,   /* text is what stands between the slashes, `\/` still in it */
    TOKEN_CIDR,    /* text is the digits behind the slash */
    TOKEN_EMAIL,
    TOKEN_PUNCT, /* one byte */
    TOKEN_BAD,   /* message says why */
};

struct lex_place {
    size_t at;
    size_t line_at; /* where its line begins */
    uint32_t line;
};

struct token {
    enum token_kind kind;
    struct slice text;
    struct slice raw; /* as it stands */
    struct conf_where where;
    struct lex_place start, end;
    bool is_first;              /* of its physical line */
    const char *message, *hint; /* BAD; static */
};

struct lexer {
    struct slice text;
    const char *file;
    struct lex_place place;
    bool saw_crlf;
};

/* Borrows both; the text holds no NUL byte. A byte order mark is passed over. */
void lex_init(struct lexer *lx, const char *file, struct slice text);

/* The next token; nothing is ever refused: what fits nowhere is a BAD or PUNCT token of at least one byte. */
struct token lex_next(struct lexer *lx, unsigned mode);

/* The whole run of bytes from the token on to the next blank, for messages about what stands there. */
struct slice lex_chunk(const struct lexer *lx, const struct token *t);

/*
 * Leave a broken or unknown statement: go behind the newline that ends the statement begun at `from`, at least behind
 * `beyond`. Strings, regexes, comments, continued lines and braces are seen for what they are. When a brace is never closed, the
 * next line that can only begin a statement ends it.
 */
void lex_skip_statement(struct lexer *lx, struct lex_place from, size_t beyond);

#endif
