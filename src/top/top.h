/*
 * top.h - what `tarsier top` knows and shows: the daemon's rows come in, keys come in, lines of text go out. It reads no
 * clock, socket or terminal; cli/top.c does.
 */
#ifndef TARSIER_TOP_TOP_H
#define TARSIER_TOP_TOP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "ctl/protocol.h"

/* What is counted: sums since some time, and how they grow is shown. */
enum top_count { TOP_PASSED, TOP_HELD, TOP_LEFT, TOP_STAYED, TOP_DEFERRED, TOP_COUNTS };

/* One who is held, as tarsier-control(7) has it. */
struct top_hold {
    struct slice left, name, address, sender, recipient, why, line, helo;
    struct slice connection; /* its name in the log: no other one ever has it, so it is what is selected and released */
};

enum { TOP_SAMPLES = 64 };

struct top_sample {
    struct mono at;
    uint64_t count[TOP_COUNTS];
};

struct top {
    struct arena arena; /* of the last answer */
    struct top_hold *holds;
    size_t n_holds, cap_holds;
    struct slice mode;
    uint64_t held, held_max, sessions, sessions_max;
    uint64_t count[TOP_COUNTS];
    struct top_sample samples[TOP_SAMPLES]; /* a ring of the last minute: n_samples from first_sample on */
    size_t first_sample, n_samples;
    struct buf lost;   /* why there is no answer; "": there is one */
    struct buf only;   /* why there is no list in it; "": there is one */
    struct buf said;   /* what came of the last key */
    struct buf chosen; /* connection of the one selected; "": nobody */
    size_t at;         /* its place in the list */
    bool is_asking;    /* whether to release that one */
};

void top_init(struct top *t);
void top_fini(struct top *t);

/* A new answer: top_begin, its rows, then top_answered or top_lost. ctx of the rows: the top (cli_row). */
void top_begin(struct top *t);
void top_take_status(void *ctx, const struct ctl_line *row);
void top_take_count(void *ctx, const struct ctl_line *row);
void top_take_hold(void *ctx, const struct ctl_line *row);
/* why_no_list: "" or NULL, or what the daemon said when it was asked who is held. */
void top_answered(struct top *t, struct mono now, struct slice why_no_list);
/* Nobody is shown as held, and nothing is asked any more. */
void top_lost(struct top *t, struct slice why);

enum top_key { TOP_KEY_OTHER, TOP_KEY_UP, TOP_KEY_DOWN, TOP_KEY_FIRST, TOP_KEY_LAST, TOP_KEY_R, TOP_KEY_Y, TOP_KEY_Q };

/* What a key asks for. TOP_RELEASE: the one whose connection is t->chosen. */
enum top_act { TOP_NOTHING, TOP_RELEASE, TOP_QUIT };

enum top_act top_press(struct top *t, enum top_key key);
/* "released NAME" where why is empty; else why not. */
void top_released(struct top *t, struct slice why);

enum top_style { TOP_PLAIN, TOP_REVERSE, TOP_BOLD };

struct top_screen {
    size_t rows, columns;
    bool utf8;
    const char *host, *clock; /* "mx1", "13:43:01" */
    /* The line is borrowed, and never wider than the screen. Called for each row, from the top. */
    void (*put)(void *ctx, size_t row, enum top_style style, struct slice line);
    void *ctx;
};

void top_draw(const struct top *t, const struct top_screen *screen);

#endif
