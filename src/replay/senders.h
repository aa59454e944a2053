/* senders.h - which good clients a configuration would trouble most. Bounded: past SENDERS_MAX clients new ones are only counted. */
#ifndef TARSIER_REPLAY_SENDERS_H
#define TARSIER_REPLAY_SENDERS_H

#include "replay/delivery.h"

enum { SENDERS_MAX = 16384 };

struct sender {
    struct ip client;
    struct slice name; /* verified; NONE: it has none */
    uint64_t mails;
    const char *rule; /* static text */
    int points;       /* of generic_rdns; 0: not its matter */
    bool is_written_to;
    struct slice from; /* the sender of the first mail */
};

struct senders;

struct senders *senders_new(void);
void senders_free(struct senders *s);

/* One mail. is_written_to: its sender is somebody to whom the users here have written. */
void senders_note(struct senders *s, const struct delivery *d, const char *rule, int points, bool is_written_to);

/* In the end: whom they have written to since then, as far as the first mail's sender tells. */
void senders_mark(struct senders *s, bool (*is_known)(const void *ctx, struct slice address), const void *ctx);

/*
 * The n first: those that users write to before the others, then by mails. Owner: the array is the caller's to free(), its text the
 * senders'. Returns how many there are.
 */
size_t senders_top(const struct senders *s, size_t n, struct sender **out);

uint64_t senders_count(const struct senders *s);  /* clients */
uint64_t senders_beyond(const struct senders *s); /* mails of clients beyond the bound */

#endif
