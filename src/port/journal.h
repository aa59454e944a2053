/*
 * journal.h - what was decided about a client or a recipient, as a value, and as a row of the decision journal. A row is one line
 * of fields between tabs. Knows no file.
 */
#ifndef TARSIER_PORT_JOURNAL_H
#define TARSIER_PORT_JOURNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ip.h"

/* What happened. The words of the rows are in journal.c; an old word never changes its meaning. */
enum journal_what {
    JOURNAL_PASSED,         /* the greylist filter was not asked about it */
    JOURNAL_HELD,           /* a hold has begun; sec: its length */
    JOURNAL_STAYED,         /* the hold was served; sec: waited */
    JOURNAL_SIBLING,        /* released with another connection of the same client; sec: waited */
    JOURNAL_LEFT,           /* the client hung up during the hold; sec: waited */
    JOURNAL_CUT,            /* the daemon or the MTA ended the hold; sec: waited */
    JOURNAL_NOT_HELD,       /* a line would have held it, but could not; why tells */
    JOURNAL_DEFERRED,       /* sec: what is left of the delay */
    JOURNAL_LET_IN,         /* it has come back after its delay; sec: since the first visit */
    JOURNAL_ACCEPTED,       /* let in at once; why tells */
    JOURNAL_REJECTED,       /* a blacklist line */
    JOURNAL_GONE,           /* the client was gone before it was answered */
    JOURNAL_REMEMBERED,     /* DATA has come after a served hold */
    JOURNAL_NOT_REMEMBERED, /* none has */
    JOURNAL_QUEUE_ID,       /* the MTA has named its queue id */
    JOURNAL_RELEASED,       /* an administrator has let it in; sec: waited */
    JOURNAL_DROPPED,        /* an administrator has sent it away; sec: waited */
    JOURNAL_MAX_
};

/* Why the client was a suspect. */
enum journal_suspicion {
    JOURNAL_NOT_SUSPECTED,
    JOURNAL_S25R,
    JOURNAL_UNKNOWN_CLIENT,
    JOURNAL_GENERIC_RDNS,
    JOURNAL_SUSPICION_MAX_
};

struct journal_entry {
    struct wall at;
    enum journal_what what;
    enum journal_suspicion suspicion;
    bool evaluation; /* the greylist filter is only tried out: nothing of this was done */
    int64_t sec;     /* see enum journal_what; -1: none */
    struct slice connection, queue_id;
    struct slice address, name; /* of the client */
    struct slice helo, sender, recipient;
    struct slice line; /* of the configuration: its id or number */
    struct slice why;  /* in words */
};

enum { JOURNAL_FIELDS = 14, JOURNAL_ROW_MAX_BYTES = 16 * 1024 };

/* The word of a row; never NULL. */
const char *journal_word(enum journal_what what);
const char *journal_suspicion_word(enum journal_suspicion suspicion);

/* One field: a backslash, control bytes (also those of C1) and DEL become \xHH, so that it holds no tab and no newline. */
void journal_put_field(struct buf *out, struct slice text);

/* The row with its newline. A field longer than 1,024 bytes is cut. */
void journal_put_row(struct buf *out, const struct journal_entry *e);

/*
 * The entry as members of a JSON object, without `time`: "what":"held","seconds":125,"connection":"s-…". Empty ones are left out; the
 * first has no comma before it. A field longer than 1,024 bytes is cut. The names are tarsier(1)'s and tarsierd(8)'s.
 */
void journal_put_members(struct buf *out, const struct journal_entry *e);

/* Everything but numbers is copied into the arena. Errors: ERR_SYNTAX. row: without its newline. */
MUST_CHECK enum err journal_parse_row(struct slice row, struct journal_entry *out, struct arena *arena);
/* The same of fields that are unescaped already; text is borrowed. */
MUST_CHECK enum err journal_take_fields(const struct slice fields[JOURNAL_FIELDS], struct journal_entry *out);

/* What somebody asks about. */
enum journal_subject {
    JOURNAL_BY_ADDRESS,    /* a client's address, or a network */
    JOURNAL_BY_MAILBOX,    /* a sender or a recipient */
    JOURNAL_BY_DOMAIN,     /* the domain of a sender or recipient ("@example.org"), with those below it */
    JOURNAL_BY_NAME,       /* a client's verified name, with those below it */
    JOURNAL_BY_CONNECTION, /* "s-…" */
    JOURNAL_BY_QUEUE_ID,
};

struct journal_query {
    enum journal_subject subject;
    struct ip net; /* BY_ADDRESS */
    unsigned bits;
    struct slice text; /* the others; borrowed */
    int64_t since_sec; /* older entries are left out; 0: none */
};

/* What a word of the command line means. Errors: ERR_SYNTAX (empty, or a network that is none). */
MUST_CHECK enum err journal_query_parse(struct slice text, struct journal_query *out);
bool journal_matches(const struct journal_query *q, const struct journal_entry *e);

#endif
