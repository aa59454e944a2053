/*
 * session.h - one milter connection of an MTA: from its negotiation to its end, over all messages. No I/O: bytes and answers
 * come in, effects go to shared.out.
 */
#ifndef TARSIER_SESSION_SESSION_H
#define TARSIER_SESSION_SESSION_H

#include "dialogue/shared.h"
#include "filter/registry.h"

struct session;

/* Owner: session_free; also takes the session out of every table. */
struct session *session_new(struct shared *sh, owner_id id);
void session_free(struct session *s);

owner_id session_name(const struct session *s);
struct client *session_client(struct session *s);
/* What is known beside the client itself; it must be held. Texts borrow from the session. */
void session_describe_hold(const struct session *s, struct held_client *out);

/* Events; each may end the session: session_is_over() then, and its EFFECT_CLOSE is queued. */
void session_bytes(struct session *s, struct slice bytes);
void session_eof(struct session *s);
void session_store_answered(struct session *s, const struct event *event);
void session_looked(struct session *s, const struct event *event);
/* Its timer has fired, or its client has been woken. */
void session_run(struct session *s);
/* News of a child's connection, for the filter of this number. */
void session_child_event(struct session *s, unsigned filter, const struct event *event);
void session_dns_answered(struct session *s, const struct event *event);
void session_spooled(struct session *s, const struct event *event);
void session_drained(struct session *s, uint32_t request);
/* The daemon is about to end: who is held gets 421 and is closed; nothing happens to others. */
void session_cut(struct session *s);
/* The daemon ends: whoever waits gets 421, everybody is closed. */
void session_stop(struct session *s);

bool session_is_over(const struct session *s);

#endif
