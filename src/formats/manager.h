/*
 * manager.h - what `milter-manager --show-config` prints, read: settings, conditions and milters with their values. Knows the form
 * (assignments of Ruby literals, two kinds of blocks), not what a setting means; opens nothing.
 *
 *     # /etc/milter-manager/milter-manager.local.conf:4
 *     manager.connection_spec = "inet:10025@[127.0.0.1]"
 *
 *     # /etc/milter-manager/milter-manager.local.conf:7
 *     define_milter("clamav") do |milter|
 *       # default
 *       milter.enabled = true
 *     end
 */
#ifndef TARSIER_FORMATS_MANAGER_H
#define TARSIER_FORMATS_MANAGER_H

#include "base/arena.h"

enum manager_kind { MANAGER_NIL, MANAGER_FLAG, MANAGER_NUMBER, MANAGER_TEXT, MANAGER_LIST };

struct manager_value {
    enum manager_kind kind;
    bool flag;
    int64_t thousandths;         /* NUMBER, clamped; an octal one (0660) is read as such */
    struct slice text;           /* TEXT: without quotes and escapes */
    struct manager_value *first; /* LIST */
    struct manager_value *next;  /* in a LIST */
};

struct manager_item {
    struct slice key; /* "manager.connection_spec"; in a block without its first word: "enabled" */
    struct manager_value value;
    struct slice raw;    /* the value as it stands, lists over several lines */
    unsigned line;       /* of the key */
    struct slice origin; /* the comment before it: "default", "FILE:LINE"; SLICE_NONE: none */
    struct manager_item *next;
};

struct manager_block { /* a milter or a condition */
    struct slice name;
    unsigned line;
    struct manager_item *items;
    struct manager_block *next;
};

struct manager_config {
    struct manager_item *items;
    struct manager_block *conditions, *milters; /* in the order of the text */
    size_t n_milters, n_strays;                 /* strays: lines of a log that went to the same output, passed over */
};

struct manager_error {
    unsigned line, column; /* from 1 */
    const char *why;       /* a constant */
};

enum { MANAGER_TEXT_MAX_BYTES = 4 << 20, MANAGER_BLOCKS_MAX = 1000 };

/*
 * Read the whole text. Errors: ERR_SYNTAX with *error; ERR_LIMIT (longer than the maximum, too many blocks), too.
 * Owner: all lies in the arena or is borrowed from the text.
 */
MUST_CHECK enum err manager_parse(struct arena *arena, struct slice text, struct manager_config *out,
                                  struct manager_error *error);

/* The last item of this key; NULL: none. */
const struct manager_item *manager_find(const struct manager_item *items, const char *key);

#endif
