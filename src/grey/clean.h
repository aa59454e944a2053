/*
 * clean.h - sender and recipient as records know them: milter-greylist's clean-up, then folded to lower case (ASCII).
 *
 * The peer cuts at 324 bytes; here an address keeps its whole length. Knows nothing of RFC 5321's grammar: what comes is text.
 */
#ifndef TARSIER_GREY_CLEAN_H
#define TARSIER_GREY_CLEAN_H

#include "base/arena.h"

/*
 * "<prvs=1=X@y>" gives "<x@y>": bytes that do not print, blanks and non-ASCII become '_'; everything up to the last '=' goes
 * (what senders put there changes with every message: BATV, SRS, VERP); missing brackets are added; nothing at all is "<>".
 * Owner: the result lies in the arena.
 */
struct slice grey_clean_sender(struct arena *arena, struct slice raw);
/* The same without the rule of the '='. */
struct slice grey_clean_recipient(struct arena *arena, struct slice raw);

/* What stands behind the last '@' of a cleaned address, without the bracket; empty (not NONE) for "<>". Borrowed. */
struct slice grey_address_domain(struct slice cleaned);

#endif
