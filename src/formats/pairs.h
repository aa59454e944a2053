/*
 * pairs.h - keys and values of other programs' configuration files, as far as one asks them where a milter listens; variables
 * in them, and the options of a command line. Lenient: what it does not understand it passes over. Knows forms, no program;
 * opens nothing.
 */
#ifndef TARSIER_FORMATS_PAIRS_H
#define TARSIER_FORMATS_PAIRS_H

#include "base/arena.h"

enum pairs_form {
    PAIRS_WORDS, /* `Socket inet:8891@localhost`, `Socket = ...`, `socket "/run/x" 660`: OpenDKIM, ClamAV, greylist.conf, ... */
    PAIRS_SHELL, /* `SOCKET="local:$RUNDIR/x.sock"`: /etc/default, environment files */
    PAIRS_UNIT,  /* `[Service]`, `ExecStart=...` with `\` at a line's end: systemd */
    PAIRS_UCL,   /* `bind_socket = "localhost:11332"; milter = yes;`, not what stands in inner braces: rspamd */
};

enum {
    PAIRS_VALUE_MAX_BYTES = 8192, /* what goes beyond is cut off */
    PAIRS_VARS_MAX = 256,         /* more are passed over */
};

struct pairs { /* set form, text and line 1, and zero the rest to begin */
    enum pairs_form form;
    struct slice text;
    unsigned line;
    struct slice section; /* UNIT */
    unsigned depth;       /* UCL: open braces */
};

struct pair {
    struct slice section; /* UNIT */
    struct slice key;
    struct slice value; /* without quotes; UNIT: with them */
    unsigned line;
};

/* The next pair; false at the end. Owner: borrowed from the text or in the arena. */
bool pairs_next(struct pairs *p, struct arena *arena, struct pair *out);

/* ---- variables ---- */

struct var {
    struct slice name, value;
    struct var *next;
};

struct vars {
    struct var *first;
    size_t n;
};

/* Set or replace one. Owner: name and value are borrowed. */
void vars_set(struct vars *v, struct arena *arena, struct slice name, struct slice value);

/* text with $NAME, ${NAME} and ${NAME:-otherwise} replaced; unknown ones are empty. Owner: arena. */
struct slice vars_expand(const struct vars *v, struct arena *arena, struct slice text);

/* Read assignments: a whole file of them, variables of earlier lines expanded; or the words of a unit's Environment=. */
void vars_read(struct vars *v, struct arena *arena, struct slice text);
void vars_read_words(struct vars *v, struct arena *arena, struct slice text);

/* ---- command lines ---- */

/* The next word, quotes taken off; false at the end. Owner: arena. */
bool command_word(struct slice *rest, struct arena *arena, struct slice *word);

/* The argument of option -letter, also within a `sh -c '...'`; SLICE_NONE: not given. Owner: arena. */
struct slice command_option(struct slice command, struct arena *arena, char letter);

#endif
