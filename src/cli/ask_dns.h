/* ask_dns.h - the daemon's DNS adapter for a command, which has no loop of its own and waits for each answer. */
#ifndef TARSIER_CLI_ASK_DNS_H
#define TARSIER_CLI_ASK_DNS_H

#include "base/buf.h"
#include "base/err.h"
#include "port/effect.h"
#include "port/event.h"

/* The answer is borrowed for the call. */
typedef void ask_dns_answered(void *ctx, const struct event *answer);

/*
 * Ask, wait a few seconds at most, and give the answer: silence is DNS_FAILED. server: "192.0.2.1:53", or NULL for those of
 * resolv.conf. Errors: ERR_IO, nobody can be asked; why gets a few words.
 */
MUST_CHECK enum err ask_dns(const struct effect *question, const char *server, ask_dns_answered *answered, void *ctx,
                            struct buf *why);

#endif
