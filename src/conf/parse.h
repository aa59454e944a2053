/* parse.h - what the parser's files share. Nobody above conf/ includes it. */
#ifndef TARSIER_CONF_PARSE_H
#define TARSIER_CONF_PARSE_H

#include "conf/conf.h"
#include "conf/lex.h"
#include "conf/names.h"
#include "conf/settings.h"

enum {
    PARSE_FILE_MAX_BYTES = 16 << 20,
    PARSE_INCLUDE_DEPTH_MAX = 8,
    PARSE_FILES_MAX = 256, /* includes that include others multiply */
    PARSE_EXPR_DEPTH_MAX = 32,
    PARSE_EXPR_NAMES_MAX = 256, /* a chain of `and` is as deep a tree as it is long */
};

/* Things gathered while the file is read; moved into the configuration's arena at the end. */
struct parse_vec {
    void *items;
    size_t count, cap;
};

struct parser {
    struct conf *c;
    const struct conf_source *source;
    struct diags *diags;
    struct lexer lx; /* of the file being read; its place is before the token that was peeked */
    struct token token;
    unsigned token_mode;
    bool has_token;
    bool in_braces;             /* newlines are blanks */
    struct lex_place statement; /* where the current one begins */
    bool has_resume;            /* a broken statement is known to end at resume */
    struct lex_place resume;
    const char *including[PARSE_INCLUDE_DEPTH_MAX + 1]; /* the files being read, outermost first */
    unsigned depth;
    bool too_many_files;        /* said already */
    struct parse_vec listens;   /* struct conf_listen */
    size_t socket_index;        /* of the `socket` in listens, plus 1; 0: none yet. greylist.conf has one: the last counts */
    struct parse_vec lists;     /* struct conf_list * */
    struct parse_vec bad_lists; /* struct slice: names of lists that could not be read; their use is no error of its own */
    struct parse_vec acls,
        legacy;               /* struct conf_acl; legacy: one-clause lines, which go before all others, the last first */
    struct parse_vec filters; /* struct conf_filter */
    struct parse_vec white, black;            /* struct conf_s25r_entry */
    struct parse_vec files;                   /* const char * */
    struct parse_vec items, clauses, headers; /* of the statement being read */
    unsigned expr_names;
};

/* Room for one more item of size bytes, zeroed. The pointer lives until the next one. */
void *parse_push(struct parse_vec *v, size_t size);
/* A copy of all items in the configuration's arena; NULL when there are none. */
void *parse_keep(struct parser *p, const struct parse_vec *v, size_t size);

/* The next token as `mode` (enum lex_mode) sees it; taken by parse_next. In braces newlines are passed over. */
struct token parse_peek(struct parser *p, unsigned mode);
struct token parse_next(struct parser *p, unsigned mode);
/* Take the next token when it is this byte (this word, ignoring case). */
bool parse_take(struct parser *p, char punct);
bool parse_take_word(struct parser *p, const char *word);

/* Errors. All return false: the statement is given up. Texts go into the diags. */
bool parse_fail(struct parser *p, struct conf_where where, const char *hint, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* "expected WHAT, found …"; what the lexer has to say about the token goes first. */
bool parse_unexpected(struct parser *p, const struct token *t, const char *hint, const char *expected);
/* A word that is known but not supported, or not known at all, in this place. kind: "clause" … */
bool parse_unknown(struct parser *p, const struct token *t, unsigned places, const char *kind);
/* Text for a hint, living as long as the diags. */
const char *parse_text(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The newline that ends a statement; *line (may be NULL) is the line it stands on. */
bool parse_end(struct parser *p, uint32_t *line);
/* A string token, not empty. */
bool parse_string(struct parser *p, const char *expected, struct token *out);

/*
 * In braces, at what should be one of their items: whether the statement begun with word is left instead, because its brace was
 * never closed: here is the end of the file, or a line that begins a statement. Says so.
 */
bool parse_brace_is_missing(struct parser *p, const struct token *t, const struct token *word);

/* Values (parse_value.c). name is what messages call the thing; bounds count in the unit of *out. */
bool parse_time(struct parser *p, const char *name, const struct setting_word *words, int64_t min, int64_t max,
                bool needs_unit, int64_t *out);
bool parse_ms(struct parser *p, const char *name, int64_t min, int64_t max, int64_t *out);
bool parse_number(struct parser *p, const char *name, const struct setting_word *words, int64_t min, int64_t max,
                  int64_t *out);
bool parse_bits(struct parser *p, const char *name, int64_t max, int64_t *out);
bool parse_choice(struct parser *p, const char *name, const struct setting_word *words, int64_t *out);
bool parse_octal(struct parser *p, const char *name, int64_t *out);
/* The argument of a clause of this kind, or one item of a list of it. */
bool parse_item(struct parser *p, enum conf_clause_kind kind, struct conf_item *out);
struct conf_regex parse_regex(struct parser *p, const struct token *t);

/* Statements; the first word is taken already and handed over. */
bool parse_socket(struct parser *p, const struct token *word);
bool parse_listen(struct parser *p, const struct token *word);
bool parse_list(struct parser *p, const struct token *word);
bool parse_s25r(struct parser *p, const struct token *word);
bool parse_filter(struct parser *p, const struct token *word);
bool parse_acl(struct parser *p, const struct token *word);
bool parse_legacy(struct parser *p, const struct token *word);
bool parse_setting(struct parser *p, const struct token *word);

/* The kind of clause or list that this word names; CONF_CLAUSE_MAX_: none of those with items. */
enum conf_clause_kind parse_kind(struct slice word);
const char *conf_kind_word(enum conf_clause_kind kind);

/* check.c: what can be said only of the whole, and the defaults that depend on it. */
void conf_check(struct conf *c, struct diags *diags);

#endif
