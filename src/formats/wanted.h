/*
 * wanted.h - which records count for a mail, as words of the control request `explain` (tarsier-control(7)), both ways:
 *
 *     client=192.0.2.7/24 domain=example.org sender=<a@example.org> recipient=<b@example.net> pairs lazy helo=example.org
 *
 * The client's address and how much of it counts; its domain where `hostkey domain` knows one; whether pairs and the client alone count;
 * the base domain of its HELO name. The keys follow from that, with the secret of the store that is asked.
 */
#ifndef TARSIER_FORMATS_WANTED_H
#define TARSIER_FORMATS_WANTED_H

#include "base/arena.h"
#include "grey/request.h"

enum { WANTED_WORDS_MAX = 7 };

struct wanted {
    struct grey_tuple tuple;
    bool pairs, lazy;         /* of struct grey_request */
    struct slice helo_domain; /* NONE: it has proved nothing for anybody */
};

/* Returns the number of words. Owner: their text is in arena. */
size_t wanted_put(const struct wanted *w, struct arena *arena, struct slice words[WANTED_WORDS_MAX]);
/* Errors: ERR_SYNTAX, with *why a few words. Owner: text is borrowed. */
MUST_CHECK enum err wanted_take(const struct slice *words, size_t n, struct wanted *out, const char **why);

/* The requests that are answered on these records, one or two. Returns their number. Owner: text is borrowed. */
enum { WANTED_REQUESTS_MAX = 2 };
size_t wanted_requests(const struct wanted *w, struct wall now, struct grey_request out[WANTED_REQUESTS_MAX]);

#endif
