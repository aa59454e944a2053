/* join_internal.h - what the join's files share: processes, messages, and what clients were told to come back. */
#ifndef TARSIER_REPLAY_JOIN_INTERNAL_H
#define TARSIER_REPLAY_JOIN_INTERNAL_H

#include "base/list.h"
#include "replay/join.h"

/* ---- tables by hash, chained through what they hold ---- */

struct join_node {
    struct join_node *next;
    uint64_t key;
    struct list age; /* of its owner: oldest first */
};

enum { JOIN_BUCKETS = 1 << 15 };

struct join_table {
    struct join_node *buckets[JOIN_BUCKETS];
    size_t count;
};

struct join_node *join_find(const struct join_table *t, uint64_t key);
void join_insert(struct join_table *t, struct join_node *node);
void join_remove(struct join_table *t, struct join_node *node); /* harmless where it is not in the table */

/* ---- a connection ---- */

struct join_process {
    struct join_node node;
    struct ip client;                 /* IP_NONE: none is known */
    struct slice name, unverified;    /* owned; NONE */
    bool is_temporary;                /* of `unverified` */
    struct ip unverified_client;      /* whose that is: the line comes before the connection's own */
    struct slice helo;                /* owned; NONE */
    bool is_user, is_local, is_again; /* of its present message, where that has no queue id (smtpd_proxy_filter) */
    uint64_t message;                 /* key of its newest message; 0: none */
};

/* ---- a message, or a refused attempt ---- */

enum join_state {
    JOIN_BEGUN,
    JOIN_TAKEN,   /* it was seen in the queue */
    JOIN_SETTLED, /* nothing more is to come */
};

struct join_message {
    struct join_node node; /* key 0: it is in no table; age: in the order of time */
    enum join_state state;
    bool is_user;          /* no delivery; its recipients are correspondents */
    uint64_t n_recipients; /* as the queue manager has counted; 0: not known */
    uint64_t n_seen;       /* of them */
    struct delivery d;     /* texts are owned */
};

struct slice join_text(struct slice text); /* a copy, cut to JOIN_TEXT_MAX. Owner: join_text_free */
void join_text_free(struct slice *text);
void join_text_set(struct slice *text, struct slice value);

/* ---- who was told to come back, and how long that took ---- */

enum { JOIN_RETRIES = 1 << 15 };

struct join_retries {
    struct {
        uint64_t key;
        int64_t at_sec;
    } deferred[JOIN_RETRIES]; /* client's network, sender, recipient: the last time; by hash, a newer one takes the place */
    struct {
        uint64_t key;
        int64_t after_sec;
    } clients[JOIN_RETRIES];
};

/* ---- who was here lately ---- */

enum { JOIN_RECENT = 1 << 15, JOIN_RECENT_SEC = 6 * 3600 };

/* Clients by hash, a newer one takes the place: when each was seen last. */
struct join_recent {
    struct {
        uint64_t key;
        int64_t at_sec;
    } clients[JOIN_RECENT];
};

void recent_note(struct join_recent *r, const struct ip *client, int64_t at_sec);
bool recent_has(const struct join_recent *r, const struct ip *client, int64_t at_sec);

void retries_note(struct join_retries *r, const struct ip *client, struct slice sender, struct slice recipient,
                  int64_t at_sec);
/* How long this client took to bring the delivery, or another one; 0: not known. */
int64_t retries_find(struct join_retries *r, const struct delivery *d);

#endif
