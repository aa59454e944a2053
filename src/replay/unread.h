/* unread.h - lines whose form is not known: counted by form, with the first of each as a sample. Bounded. */
#ifndef TARSIER_REPLAY_UNREAD_H
#define TARSIER_REPLAY_UNREAD_H

#include "base/buf.h"

enum { UNREAD_FORMS_MAX = 64 };

struct unread;

/* Owner: unread_free. */
struct unread *unread_new(void);
void unread_free(struct unread *u);

/* text: of the line, from the program's name on. Numbers, addresses and what stands in brackets make no new form. */
void unread_note(struct unread *u, struct slice text);

uint64_t unread_count(const struct unread *u);
/* A line for each form, the most frequent first: how often, and the sample. */
void unread_put(const struct unread *u, struct buf *out);

#endif
