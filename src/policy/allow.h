/*
 * allow.h - the list of those that an administrator lets past the greylist filter by hand: in memory, as text, and asked. Judged before
 * the first racl line. Knows no file.
 */
#ifndef TARSIER_POLICY_ALLOW_H
#define TARSIER_POLICY_ALLOW_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ip.h"

enum { ALLOWS_MAX = 100000, ALLOW_TEXT_MAX_BYTES = 1024 };

/* All that is set must be true of a recipient. At least one is. */
struct allow_entry {
    struct ip net; /* IP_NONE: any client */
    uint8_t bits;
    struct slice name;      /* the client's verified name, or one below it */
    struct slice sender;    /* "a@example.org", "@example.org" with those below it, "<>" */
    struct slice recipient; /* the same forms */
    int64_t until_sec;      /* wall clock; 0: for good */
    int64_t added_sec;
    struct slice by, reason; /* for people */
};

/* An entry, read. Owner: allows_unref; counted, unchanged once it is shared. */
struct allows;

struct allows *allows_new(void);
struct allows *allows_ref(struct allows *a);
void allows_unref(struct allows *a); /* NULL is harmless */

size_t allows_count(const struct allows *a);
/* In the order of the text. */
const struct allow_entry *allows_at(const struct allows *a, size_t i);

/* A short name made of what it says about clients and mail, the same in every list: 12 hexadecimal digits and NUL. */
enum { ALLOW_ID_SIZE = 13 };
void allow_id(const struct allow_entry *e, char out[ALLOW_ID_SIZE]);

/*
 * A word of the command line: a network, a name, a mailbox or a domain behind `@`. NULL, or what is wrong with it. key: "client",
 * "name", "from", "to", or NULL, then its form tells (a mailbox is a sender). A key that the entry has already is
 * wrong. Text is borrowed.
 */
const char *allow_take(struct allow_entry *e, const char *key, struct slice word);

/* Add a copy; one that says the same of clients and mail is replaced. Errors: ERR_LIMIT (ALLOWS_MAX), ERR_SYNTAX (it says nothing). */
MUST_CHECK enum err allows_add(struct allows *a, const struct allow_entry *e);
/* All that have this id: a text that people edit may say the same twice. Errors: ERR_NOT_FOUND. */
MUST_CHECK enum err allows_remove(struct allows *a, const char *id);
/* So that they take no place of ALLOWS_MAX. */
void allows_drop_ended(struct allows *a, struct wall now);

/*
 * Add what a text says. A line that is not understood is kept as it is, for allows_put, and counted. Errors: ERR_LIMIT; the rest of
 * the text is not read then.
 */
MUST_CHECK enum err allows_parse(struct allows *a, struct slice text, size_t *unknown);
/* All of it as text; what has ended before `now` is left out. */
void allows_put(const struct allows *a, struct wall now, struct buf *out);

struct allow_question {
    struct ip client;
    struct slice name; /* the verified one; NONE: there is none */
    struct slice sender, recipient;
    struct wall now;
};

/* After the last change, before allows_find. */
void allows_index(struct allows *a);
/* One that is true of it; NULL: none. In time that grows with the logarithm of their number. */
const struct allow_entry *allows_find(const struct allows *a, const struct allow_question *q);

/* "client=192.0.2.0/24 from=a@example.org": what it says, for people. */
void allow_put_words(const struct allow_entry *e, struct buf *out);

/* What is listed of an entry: id, criteria as words, until when (seconds since 1970; 0: for good), since when, by whom, reason. */
enum { ALLOW_FIELDS = 6 };
/* Owner: arena, and the entry for the last two. */
void allow_fields(const struct allow_entry *e, struct arena *arena, struct slice out[ALLOW_FIELDS]);

#endif
