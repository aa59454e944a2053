/*
 * regex.h - POSIX regular expressions as glibc's regcomp understands them (GNU extensions included), matched by PCRE2 under
 * limits. Always ignores case and is newline-aware (REG_ICASE | REG_NEWLINE), as greylist.conf has it.
 */
#ifndef TARSIER_MATCH_REGEX_H
#define TARSIER_MATCH_REGEX_H

#include "base/buf.h"

struct regex;

struct regex_error {
    size_t offset;       /* bytes into the source */
    const char *message; /* static, or in text */
    char text[160];
};

enum { REGEX_SOURCE_MAX_BYTES = 1024, REGEX_SUBJECT_MAX_BYTES = 65536, REGEX_GROUPS_MAX = 10 };

/*
 * Compile source. extended: REG_EXTENDED, else basic. Errors: ERR_SYNTAX (not a regex), ERR_UNSUPPORTED (cannot be
 * translated), ERR_LIMIT (too long, or too large compiled); *error says where and why. On ERR_NONE error->message is NULL, or a
 * warning about what is valid but surely not meant. Owner: regex_free.
 */
MUST_CHECK enum err regex_compile(struct slice source, bool extended, struct regex **out, struct regex_error *error);
void regex_free(struct regex *re);

/* Translate only: the PCRE2 pattern, for tests and fuzzing. Same errors but those of PCRE2's compiler. */
MUST_CHECK enum err regex_translate(struct slice source, bool extended, struct buf *out, struct regex_error *error);

/*
 * What matching may cost, counted in units: nobody here has a clock. One unit is at most some 25 ns of the machine in
 * docs/performance.md, so that a message's effort is at most 40 ms of it. No single step of the engine may use more than a
 * quarter: the loop has other clients, and what is matched at RCPT leaves something for the headers.
 */
enum { REGEX_MESSAGE_EFFORT = 1200000, REGEX_STEP_EFFORT = REGEX_MESSAGE_EFFORT / 4 };

struct regex_effort {
    uint32_t step_left; /* units */
    uint32_t *spent;    /* of REGEX_MESSAGE_EFFORT, from step to step; NULL: nobody carries it */
    uint32_t runs;      /* matches that were begun */
    uint32_t unknown;   /* … and matches that came to no end, or were not begun as nothing was left */
};

/*
 * Whether re matches somewhere in subject. What it costs is taken from effort (NULL: a step's, for this match alone). groups (may be NULL) gets REGEX_GROUPS_MAX slices of subject, SLICE_NONE where a
 * group took no part. Errors: ERR_LIMIT when the effort ran out, or subject is too long: it is not known whether it matches, and
 * *matched is false. Not thread-safe per regex.
 */
MUST_CHECK enum err regex_match(struct regex *re, struct slice subject, struct regex_effort *effort, bool *matched,
                                struct slice *groups);

/* How many groups the expression has, at most REGEX_GROUPS_MAX - 1: those that can be had beside the whole match. */
unsigned regex_groups(const struct regex *re);

#endif
