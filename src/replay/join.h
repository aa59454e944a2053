/*
 * join.h - lines of Postfix's log made into deliveries. A connection is known by host, program and process number until it ends, a
 * message by host, instance and queue id until that is removed or used again. Pure, and bounded whatever the lines say.
 *
 *     connect, client=        who brings it        process  ─┐
 *     reject, permit          HELO, refused mail   process  ─┼─► message ─► in the order of its first recipient ─► delivery
 *     from=, to=, removed     sender, recipients   queue id ─┘
 *
 * A log is never assumed to be complete. What it may lack: a connection's beginning, a message's end, who the client said it is.
 */
#ifndef TARSIER_REPLAY_JOIN_H
#define TARSIER_REPLAY_JOIN_H

#include "formats/maillog.h"
#include "replay/delivery.h"

/* What is known at one time. Beyond that the oldest is given out as it stands. A text is kept up to JOIN_TEXT_MAX bytes. */
enum { JOIN_PROCESSES_MAX = 1 << 15, JOIN_MESSAGES_MAX = 1 << 17, JOIN_TEXT_MAX = 512 };

/* A message that has not come to its end by then is given out as it stands. */
enum { JOIN_WAIT_SEC = 600 };

struct join_sink {
    /* In the order of time, but for lines that were not. Borrowed for the call. */
    void (*delivery)(void *ctx, const struct delivery *d);
    /* A user who had authenticated has written to this address. */
    void (*correspondent)(void *ctx, struct slice address);
    void *ctx;
};

struct join_counts {
    uint64_t users;      /* messages of authenticated clients: no deliveries */
    uint64_t local;      /* … that were made on this machine, or came over its loopback */
    uint64_t again;      /* … that have been in one of these Postfixes before (content filters) */
    uint64_t unfinished; /* … that began and were never seen in the queue: the client broke off, or the log does */
    uint64_t forced;     /* given out early, because there was no room */
};

struct join;

/* Owner: join_free. */
struct join *join_new(const struct join_sink *sink);
void join_free(struct join *j);

/* Lines of all files, merged by time. Nothing of the line is kept but copies. */
void join_line(struct join *j, const struct maillog_line *line);
/* After the last one: all that is known is given out. */
void join_finish(struct join *j);

const struct join_counts *join_counts(const struct join *j);

#endif
