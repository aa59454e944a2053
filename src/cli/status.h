/* status.h - the pairs that `status` answers with, and what a monitor makes of them. No I/O. */
#ifndef TARSIER_CLI_STATUS_H
#define TARSIER_CLI_STATUS_H

#include "base/arena.h"
#include "ctl/protocol.h"

enum { STATUS_PAIRS_MAX = 128, STATUS_FILTERS_MAX = 64 };

struct status_filter {
    struct slice name, state; /* ok, probing, down, off */
    int64_t left_sec, failures, open;
    int64_t down_sec; /* how long it has not answered; 0: it does */
    int64_t mean_ms;  /* over a message; -1: it had none */
    bool evaluation;
    struct slice fallback;
};

struct status {
    struct {
        struct slice name, value;
    } pairs[STATUS_PAIRS_MAX];
    size_t n_pairs;
    struct status_filter filters[STATUS_FILTERS_MAX];
    size_t n_filters;
    struct arena arena;
};

/* Owner: status_fini. A zeroed one is empty. */
void status_init(struct status *s);
void status_fini(struct status *s);
/* Rows that are not known, and more than there is room for, are left out. ctx: the status (cli_row). */
void status_take(void *ctx, const struct ctl_line *row);

/* "" and 0 where it is not there. */
struct slice status_text(const struct status *s, const char *name);
int64_t status_number(const struct status *s, const char *name);

/* Nagios' exit statuses. */
enum status_level { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

/* The worst of what is wrong; *why gets all of it in words, or, where nothing is, what it is doing. */
enum status_level status_judge(const struct status *s, struct buf *why);

/* The screen; and JSON. */
void status_put_screen(const struct status *s, int64_t now_sec, struct buf *out);
void status_put_json(const struct status *s, struct buf *out);

#endif
