/*
 * trace.h - every step of some clients' dialogues in the log, for an administrator who looks for a fault: commands, facts,
 * questions, answers, replies. Values of headers and bodies are never among them. Others pay for one test of a flag.
 */
#ifndef TARSIER_DIALOGUE_TRACE_H
#define TARSIER_DIALOGUE_TRACE_H

#include "base/clock.h"
#include "base/ip.h"

struct dialogue;
struct event;
struct milter_command;

enum { TRACE_CLIENTS_MAX = 16, TRACE_USUAL_SEC = 3600, TRACE_MAX_SEC = 86400 };

/* Whose dialogues are traced; each entry ends by itself. */
struct traces {
    struct trace_client {
        struct ip network;
        uint8_t bits;
        struct mono until;
    } clients[TRACE_CLIENTS_MAX];
    unsigned count;
};

/* Entries whose time is over leave. Call it before the entries are counted or shown. */
void traces_trim(struct traces *t, struct mono now);
/* A network that is there already gets the new end. False: there is no room. */
MUST_CHECK bool traces_add(struct traces *t, const struct trace_client *client);
/* network: IP_NONE for all. Returns how many were removed. */
unsigned traces_remove(struct traces *t, const struct ip *network, unsigned bits);

/* The client's address is known: is it traced? */
void trace_begin(struct dialogue *d);
/* Each is harmless for a dialogue that is not traced, or not any more. */
void trace_line(struct dialogue *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
void trace_command(struct dialogue *d, const struct milter_command *c);
/* What is said to the MTA: one packet or several. */
void trace_replies(struct dialogue *d, struct slice packets);
/* A request to the store, and its number; 0: no answer is waited for. Returns the number. */
uint32_t trace_question(struct dialogue *d, int grey_request_kind, uint32_t request);
/* STORE and DNS. */
void trace_answer(struct dialogue *d, const struct event *event);

#endif
