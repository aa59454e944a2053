/*
 * message.h - a mail as one side has it: headers, body, sender, recipients; and what the edits of the milter protocol make of
 * it, as Postfix applies them. The MTA keeps the one that it delivers, a scripted child the one that it was shown.
 */
#ifndef TARSIER_SCENARIO_MESSAGE_H
#define TARSIER_SCENARIO_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"

struct message_header {
    struct slice name, value; /* value: all that stands behind the colon */
};

struct message {
    struct message *next; /* the world's list of all */
    struct arena *arena;
    struct message_header *headers;
    size_t n_headers, cap_headers;
    size_t n_above; /* headers that stand above the Received line of the MTA's own, which no filter sees */
    const char *sender;
    const char **recipients;
    size_t n_recipients, cap_recipients;
    struct buf body;
    const char *quarantine; /* the reason; NULL: none */
    bool body_is_new;       /* replaced by an edit */
    bool body_ended;        /* … and the MTA takes no more of the new one */
    unsigned changes;       /* edits applied; all pieces of a new body are one */
};

/* Texts are copied to the arena, which must outlive the message. Owner: message_fini. */
void message_init(struct message *m, struct arena *arena);
void message_fini(struct message *m);

void message_add_header(struct message *m, struct slice name, struct slice value);
/*
 * index: in the MTA's list, where number 0 is its own Received line, until something is inserted above that; beyond the last
 * one: at the end (Sendmail since 8.13, Postfix).
 */
void message_insert_header(struct message *m, size_t index, struct slice name, struct slice value);
/* The index-th of this name, from 1; an empty value deletes it; where there is none it is added. */
void message_change_header(struct message *m, size_t index, struct slice name, struct slice value);
void message_add_recipient(struct message *m, struct slice address);
/* False: there is no such recipient. */
bool message_delete_recipient(struct message *m, struct slice address);
/* A piece of a new body; the first one takes the place of the old body. */
void message_replace_body(struct message *m, struct slice piece);

/* "Name:value" */
const char *message_header_line(struct arena *arena, const struct message_header *h);
/*
 * What a script calls a body: words, which become one line, or `*N`: N bytes, no two lines of which are alike. from: where in
 * these N bytes; max: how many of them at most.
 */
void message_body_text(const char *text, size_t from, size_t max, struct buf *out);
/* Bytes of `*N`, or of the line. */
size_t message_body_length(const char *text);

#endif
