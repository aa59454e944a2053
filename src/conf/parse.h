/* parse.h - what the parser's files share. Nobody above conf/ includes it. */
#ifndef TARSIER_CONF_PARSE_H
#define TARSIER_CONF_PARSE_H

#include "conf/conf.h"
#include "conf/lex.h"
#include "conf/names.h"
#include "conf/settings.h"
#include "conf/terms.h"

enum {
    PARSE_FILE_MAX_BYTES = 16 << 20,
    PARSE_INCLUDE_DEPTH_MAX = 8,
    PARSE_FILES_MAX = 256, /* includes that include others multiply */
    PARSE_EXPR_DEPTH_MAX = 32,
    /*
     * Terms and `not`s of one expression, those of the conditions it names counted: a chain of `and` is as deep a tree as it is
     * long, and conditions that name others twice would double from one to the next.
     */
    PARSE_EXPR_TERMS_MAX = 256,
};

/* A thing that was given a name and could not be read. */
struct parse_bad {
    const char *statement; /* "list", "condition", "dnsrbl" */
    struct slice name;
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
    struct conf_file *file;     /* being read; NULL: in `trust`, whose domains it does not bear on */
    bool too_many_files;        /* said already */
    struct parse_vec listens;   /* struct conf_listen */
    size_t socket_index;        /* of the `socket` in listens, plus 1; 0: none yet. greylist.conf has one: the last counts */
    struct parse_vec lists;     /* struct conf_list * */
    struct parse_vec bad_names; /* struct parse_bad: what could not be read; its use is no error of its own */
    struct parse_vec acls,
        legacy;                  /* struct conf_acl; legacy: one-clause lines, which go before all others, the last first */
    struct parse_vec filters;    /* struct conf_filter */
    struct parse_vec conditions; /* struct conf_condition * */
    struct parse_vec dnsbls;     /* struct conf_dnsbl */
    struct parse_vec local, remote, trust, helo_except; /* struct conf_item */
    struct parse_vec white, black;                      /* struct conf_s25r_entry */
    struct parse_vec generic[CONF_GENERIC_CLASSES];     /* struct conf_generic_word */
    struct parse_vec files;                             /* const char * */
    struct parse_vec items, clauses, headers;           /* of the statement being read */
    unsigned expr_terms;
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

/* Braces of a list of things (parse_list.c): into them, and after the closing one to the statement's end. */
bool parse_open_brace(struct parser *p);
bool parse_close_statement(struct parser *p);
/* Go behind an item that could not be read, so that the others still are. */
void parse_skip_item(struct parser *p, unsigned mode);
/* Items up to the closing brace, into `to`; the ones that cannot be read are left out. *all_good: there was none such. */
bool parse_items(struct parser *p, const struct token *word, enum conf_item_kind kind, struct parse_vec *to, bool *all_good);

/* Names given by earlier statements. */
void parse_remember_bad(struct parser *p, const char *statement, struct slice name);
bool parse_is_bad(const struct parser *p, const char *statement, struct slice name);
/* `list "name"`: the name. NULL: an error, or a list whose own error was told already (*bad). */
const struct conf_list *parse_list_name(struct parser *p, bool *bad);

/* The record of a file of statements that is begun. path: plain, in the configuration's arena. */
struct conf_file *parse_begin_file(struct parser *p, const char *path);
/* One more domain of the file being read. */
void parse_note_domain(struct parser *p, const struct conf_item *item);
/* domainexact was set, in the file being read. */
void parse_set_domainexact(struct parser *p, const struct token *word);

/* The path as it is seen from the file that names it; in the configuration's arena. */
const char *parse_path(struct parser *p, struct slice path);
/* Get the text of one more file, named at `where`, and make it known to the diags. */
bool parse_open(struct parser *p, const char *path, struct conf_where where, struct slice *text);
/* The lexer is at the end of a file: what is to be said of the whole of it. */
void parse_close(struct parser *p);

/* The setting of this table whose first word was taken: its value into values. NULL: an error. */
const struct setting *parse_row(struct parser *p, const struct settings_table *table, void *values,
                                const struct token *word);

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
bool parse_item(struct parser *p, enum conf_item_kind kind, struct conf_item *out);
struct conf_regex parse_regex(struct parser *p, const struct token *t);

/* An address in quotes: of a listener, of greylist.conf's socket, which may be a bare path, of another milter. */
enum parse_address { PARSE_LISTEN, PARSE_SOCKET, PARSE_CONNECT };
bool parse_address(struct parser *p, const struct token *t, enum parse_address use, const char **out);

/* Expressions (parse_expr.c, parse_term.c). */
const struct conf_expr *parse_expr(struct parser *p);
/* What belongs to the test w, whose word is taken. False: an error. */
bool parse_term(struct parser *p, const struct token *w, const struct terms_row *row, struct conf_term *term);
/* The condition of the file that t, which stands untaken, names: bare or in quotes. NULL: none. */
const struct conf_condition *parse_find_condition(const struct parser *p, const struct token *t);
/* The term that stands for a condition. */
struct conf_term parse_term_of_condition(const struct conf_condition *condition);
/* Whether a term may begin with this token. */
bool parse_is_term(const struct parser *p, const struct token *t);
/* Five fields as crontab(5) has them; t is the string. */
bool parse_crontab(struct parser *p, const struct token *t, struct conf_time *out);
/* An error when the expression, or a term of a racl line, asks for what is not known yet when a recipient is judged. */
bool parse_known_at_rcpt(struct parser *p, const struct conf_expr *e);
bool parse_term_known_at_rcpt(struct parser *p, const struct conf_term *term, struct conf_where where);

/* Statements; the first word is taken already and handed over. */
bool parse_socket(struct parser *p, const struct token *word);
bool parse_listen(struct parser *p, const struct token *word);
bool parse_list(struct parser *p, const struct token *word);
bool parse_s25r(struct parser *p, const struct token *word);
bool parse_generic(struct parser *p, const struct token *word);
/* parse_generic.c: the built-in words and weights; what was gathered, into the configuration. */
void parse_generic_defaults(struct parser *p);
void parse_generic_keep(struct parser *p);
bool parse_filter(struct parser *p, const struct token *word);
bool parse_condition(struct parser *p, const struct token *word);
bool parse_dnsrbl(struct parser *p, const struct token *word);
bool parse_network(struct parser *p, const struct token *word);
bool parse_trust(struct parser *p, const struct token *word);
bool parse_helo_confirmed(struct parser *p, const struct token *word);
bool parse_acl(struct parser *p, const struct token *word);
bool parse_legacy(struct parser *p, const struct token *word);
bool parse_setting(struct parser *p, const struct token *word);

/* The kind of list that this word names; CONF_ITEM_MAX_: none. */
enum conf_item_kind parse_kind(struct slice word);
const char *conf_kind_word(enum conf_item_kind kind);

/* check.c: what can be said only of the whole, and the defaults that depend on it. */
void conf_check(struct conf *c, struct diags *diags);

#endif
