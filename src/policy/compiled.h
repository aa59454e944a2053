/*
 * compiled.h - what policy_compile makes of a configuration; for the files of policy/ only. Nothing here changes after it is
 * built but the regexes' scratch memory, so one policy belongs to one thread at a time.
 */
#ifndef TARSIER_POLICY_COMPILED_H
#define TARSIER_POLICY_COMPILED_H

#include "policy/ipset.h"
#include "policy/policy.h"
#include "policy/textset.h"

struct policy_regex {
    struct regex *re;
    const char *text; /* "/…/", as written */
};

/* What a clause or a list compares with; any of it may match. */
struct policy_items {
    enum conf_clause_kind kind; /* ADDR, DOMAIN, FROM, RCPT, HELO */
    struct ipset nets;          /* ADDR */
    struct textset texts;       /* the others; HELO: those without a % */
    struct policy_regex *regexes;
    size_t n_regexes, regexes_cap;
    const struct format **formats; /* HELO: those with a % */
    size_t n_formats, formats_cap;
};

struct policy_clause {
    enum conf_clause_kind kind; /* never LIST: a list's clause has the kind of its list */
    bool negated;
    const struct policy_items *items; /* all but TARPIT */
    int64_t tarpit_sec;               /* TARPIT */
};

struct policy_acl {
    const struct conf_acl *conf;
    struct policy_clause *clauses;
    size_t n_clauses;
    int64_t delay_sec, autowhite_sec; /* the line's, else the global ones */
    enum conf_scope scope;            /* of its tarpit */
    const struct format *msg, *report;
    const struct format **headers; /* conf->n_headers of them */
};

enum cond_kind {
    COND_S25R,
    COND_REMOTE,
    COND_AUTHENTICATED,
    COND_UNAUTHENTICATED,
    COND_NAMED_, /* up to here: those with a name, in the order of condition_names */
    COND_NOT = COND_NAMED_,
    COND_AND,
    COND_OR,
};

extern const char *const condition_names[COND_NAMED_];
/* Ignoring case; false: no condition of that name. */
bool condition_find(const char *name, enum cond_kind *kind);

struct cond {
    enum cond_kind kind;
    const struct cond *left, *right; /* NOT: left */
};

/* One of s25r's lists. */
struct s25r_list {
    struct textset suffixes, names; /* entries with and without a leading dot */
    struct policy_regex *regexes;
    size_t n_regexes, regexes_cap;
};

struct policy {
    const struct conf *conf;
    struct arena arena;         /* lines, clauses, formats, texts */
    struct policy_items *lists; /* as conf's */
    size_t n_lists;
    struct policy_items **own; /* of the clauses that are no lists */
    size_t n_own, own_cap;
    struct policy_acl *acls; /* up to the first default line: those behind it can never match */
    size_t n_acls;
    bool filtered;            /* the file has filters */
    bool has_greylist_filter; /* one of them is ours */
    const struct cond *when;  /* NULL: always */
    struct s25r_list s25r_white, s25r_black;
    unsigned needs;
    const char **macros; /* NULL-terminated */
    size_t n_macros, macros_cap;
};

#endif
