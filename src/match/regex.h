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
 * Whether re matches somewhere in subject. groups (may be NULL) gets REGEX_GROUPS_MAX slices of subject, SLICE_NONE where a
 * group took no part. Errors: ERR_LIMIT when the matching effort ran out or subject is too long: *matched is false then. Not
 * thread-safe per regex.
 */
MUST_CHECK enum err regex_match(struct regex *re, struct slice subject, bool *matched, struct slice *groups);

/* How many groups the expression has, at most REGEX_GROUPS_MAX - 1: those that can be had beside the whole match. */
unsigned regex_groups(const struct regex *re);

#endif
