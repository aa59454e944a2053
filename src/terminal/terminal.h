/* terminal.h - a terminal as a full screen of lines, and its keys. The only one who knows ncurses. One at a time. */
#ifndef TARSIER_TERMINAL_TERMINAL_H
#define TARSIER_TERMINAL_TERMINAL_H

#include "base/slice.h"

struct terminal;

/*
 * Standard input and output become a full screen. NULL: they cannot; *why is why, a text that stays. Owner: terminal_close,
 * which gives the terminal back as it was.
 */
struct terminal *terminal_open(const char **why);
void terminal_close(struct terminal *t);

struct terminal_size {
    size_t rows, columns;
    bool utf8; /* its characters, by the locale */
};

struct terminal_size terminal_size(const struct terminal *t);

enum terminal_style { TERMINAL_PLAIN, TERMINAL_REVERSE, TERMINAL_BOLD };

/* The whole of a row. No control characters, and no more columns than there are. It is seen after terminal_show. */
void terminal_put(struct terminal *t, size_t row, enum terminal_style style, struct slice line);
void terminal_show(struct terminal *t);

/* A byte that was typed, or one of these. */
enum {
    TERMINAL_NO_KEY = -1, /* the time is over */
    TERMINAL_GONE = -2,   /* nobody will type again */
    TERMINAL_RESIZED = 256,
    TERMINAL_UP,
    TERMINAL_DOWN,
    TERMINAL_HOME,
    TERMINAL_END,
    TERMINAL_OTHER,
};

/* Waits for at most so long; a signal may make it shorter. */
int terminal_key(struct terminal *t, int timeout_ms);

#endif
