/*
 * compiled.h - what policy_compile makes of a configuration; for the files of policy/ only. Nothing here changes after it is
 * built but the regexes' scratch memory, so one policy belongs to one thread at a time.
 */
#ifndef TARSIER_POLICY_COMPILED_H
#define TARSIER_POLICY_COMPILED_H

#include "match/generic.h"
#include "policy/ipset.h"
#include "policy/policy.h"
#include "policy/textset.h"

struct policy_regex {
    struct regex *re;
    const char *text; /* "/…/", as written */
};

/* What a clause or a list compares with; any of it may match. */
struct policy_items {
    enum conf_item_kind kind; /* ADDR, DOMAIN, FROM, RCPT, HELO */
    struct ipset nets;        /* ADDR */
    struct textset texts;     /* the others; HELO: those without a %; DOMAIN: ends of names */
    struct textset labels;    /* DOMAIN: those that are compared by whole labels */
    struct policy_regex *regexes;
    size_t n_regexes, regexes_cap;
    const struct format **formats; /* HELO: those with a % */
    size_t n_formats, formats_cap;
    bool formats_name_rcpt;
};

struct policy_condition;

enum { RECIPIENT_MEMOS_MAX = 32 }; /* two bits each; who has more such terms has the rest judged again */

/* One test: of an ACL line or of a condition. */
struct term {
    enum conf_term_kind kind;
    const char *name;                         /* its word, or the condition's name: for policy_why */
    uint32_t memo;                            /* its number in a message's memo, plus one; 0: judged anew each time */
    uint8_t recipient_memo;                   /* in a recipient's, likewise */
    bool per_recipient;                       /* it speaks of the present recipient */
    const struct policy_items *items;         /* ITEMS, EVERY */
    const struct policy_condition *condition; /* CONDITION; NULL: one that could not be read */
    struct regex *re;                         /* HEADER, BODY, MACRO: a regex */
    struct slice text;                        /* MACRO: … or a text; NONE: neither */
    struct slice about;                       /* HEADER; MACRO: as the MTA writes it, "{name}" or "j" */
    int64_t number;               /* STRESS, MSGSIZE, TARPIT: as in conf_term; DNSBL, FILTER: which; DNSBL -1: any */
    enum conf_compare compare;    /* MSGSIZE */
    enum conf_result result;      /* FILTER */
    const struct conf_time *time; /* TIME */
};

struct policy_clause {
    bool negated;
    struct term term;
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

struct cond {
    enum conf_expr_op op;
    struct term term;                /* TERM */
    const struct cond *left, *right; /* NOT: left */
    bool per_recipient;
};

struct policy_condition {
    const char *name;
    const struct cond *root;
    bool noted; /* compile_note_filters was here */
};

struct policy_filter {
    bool enabled;
    const struct cond *when; /* NULL: always */
};

/* Host or domain names: s25r's lists, `trust`. */
struct name_list {
    struct textset suffixes, names; /* entries with and without a leading dot; NUL-terminated */
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
    struct policy_condition *conditions; /* as conf's */
    size_t n_conditions;
    struct policy_filter *filters; /* as conf's */
    size_t n_filters;
    size_t greylist;              /* number of ours; n_filters: none */
    struct policy_regex *regexes; /* of conditions */
    size_t n_regexes, regexes_cap;
    uint32_t n_memos, n_recipient_memos;
    struct ipset net_local, net_remote;
    struct name_list s25r_white, s25r_black, trust, helo_except;
    struct generic_rules generic;
    struct generic_words *generic_words; /* ours; NULL: they could not be compiled */
    struct domain_list *domains;         /* NULL: no condition asks for one, or there is none */
    unsigned needs;
    bool conditions_ask; /* some filter's: others, for facts */
    const char **macros; /* NULL-terminated */
    size_t n_macros, macros_cap;
};

#endif
