/*
 * watch.h - look at clients' TCP connections through NETLINK_SOCK_DIAG. Knows the kernel's question and answer; what a result
 * means for a hold is the engine's affair. Never blocks: the kernel answers each request inside send(), so what is not there
 * to be read afterwards was lost.
 */
#ifndef TARSIER_WATCH_WATCH_H
#define TARSIER_WATCH_WATCH_H

#include "port/effect.h"

struct watch;

/*
 * Open the socket; needs no rights, but an address family that a sandbox may forbid, so it is done before rights are dropped.
 * Errors: ERR_IO (errno tells); *out is NULL then. Owner: free with watch_close.
 */
MUST_CHECK enum err watch_open(struct watch **out);
void watch_close(struct watch *w); /* NULL is harmless */

/* Keep an EFFECT_LOOK for the next flush; it is copied. */
void watch_add(struct watch *w, const struct effect *look);

/*
 * Answer to one look. cookie names the socket that was found and is to be put into later looks at it; 0 when none was found.
 * The callback must not call watch_add or watch_flush.
 */
typedef void watch_found(void *ctx, owner_id owner, uint32_t request, enum look_result result, uint64_t cookie);

/* Ask the kernel for all that was added, 64 looks to a datagram, and call found exactly once for each of them. */
void watch_flush(struct watch *w, watch_found *found, void *ctx);

#endif
