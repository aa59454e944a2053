/*
 * regex.c - any bytes as a regular expression and a subject: never a crash, no match outside of the subject, and whatever the
 * translator lets through is well-formed to PCRE2. Input: 'B' (basic) or another byte, the expression, LF, the subject.
 */
#include "match/regex.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void match(struct regex *re, struct slice subject)
{
    bool matched;
    struct slice groups[REGEX_GROUPS_MAX];
    enum err e = regex_match(re, subject, NULL, &matched, groups);
    check(e == ERR_NONE || (e == ERR_LIMIT && !matched));
    check(matched == (groups[0].ptr != NULL));
    for (int i = 0; i < REGEX_GROUPS_MAX; i++)
        check(!groups[i].ptr || !subject.ptr ||
              (groups[i].ptr >= subject.ptr && groups[i].ptr + groups[i].len <= subject.ptr + subject.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    if (size == 0)
        return 0;
    bool extended = rest.ptr[0] != 'B';
    rest = slice_from(rest, 1);
    struct slice source = slice_cut(&rest, '\n');

    struct regex_error error;
    struct buf pattern = {0};
    enum err translated = regex_translate(source, extended, &pattern, &error);
    check(translated == ERR_NONE || (error.message && error.message[0]));
    check(error.offset <= source.len);
    buf_fini(&pattern);

    struct regex *re;
    enum err compiled = regex_compile(source, extended, &re, &error);
    check(compiled == translated || (translated == ERR_NONE && compiled == ERR_LIMIT));
    check((compiled == ERR_NONE) == (re != NULL));
    if (re)
        match(re, rest);
    regex_free(re);
    return 0;
}
