/*
 * regex.c - compile and match with PCRE2, under limits. Knows no POSIX (regex_translate.c does) and nothing of who asks.
 *
 * What a hostile subject can cost is bounded for a match as a whole. PCRE2 counts its efforts, but (as of 10.42) anew for
 * every position at which it begins, so that its limit alone leaves a factor of the subject's length: `.*[xy]` on 8,000 bytes
 * took 0.8 s under a limit of 50,000. So a match is first tried with the effort spread over all positions, which does for all
 * but odd cases; where that is too little, the positions are tried one by one, and each is charged what it may have used.
 * 100,000 units are some 3 ms on 300 bytes, 30 ms on 8,000, and 0.2 s there with back-references at their worst.
 *
 * No JIT: it needs memory that is writable and executable, which a hardened service does not have, and counts otherwise.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "match/regex.h"

#include "base/mem.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EFFORT_MAX = 100000, /* backtracking points a match, all positions together */
    EFFORT_FIRST = 8,    /* at one position, free of charge: most fail at once */
    EFFORT_FACTOR = 8,   /* from try to try */
    OPEN_MAX = 20000,    /* of them open at once: PCRE2's depth */
    HEAP_MAX_KIB = 1024, /* where they stand */
    COMPILED_MAX_BYTES = 65536,
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    bool at_line_start; /* can only match at the start of a line */
};

static void *allocate(PCRE2_SIZE bytes, void *ctx)
{
    (void)ctx;
    return mem_alloc(bytes);
}

static void release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

/* PCRE2's allocations do not fail, as ours; the general context is copied into whatever is made with it. */
static pcre2_general_context *general_context_new(void)
{
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    if (!general)
        PANIC("PCRE2 general context");
    return general;
}

static pcre2_code *compile(pcre2_general_context *general, struct slice pattern, int *code)
{
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    if (pcre2_set_newline(context, PCRE2_NEWLINE_LF) != 0)
        PANIC("PCRE2 newline");
    PCRE2_SIZE offset;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                      PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C,
                      code, &offset, context);
    pcre2_compile_context_free(context);
    return re;
}

static size_t compiled_bytes(const pcre2_code *code)
{
    size_t bytes = 0;
    if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &bytes) != 0)
        PANIC("PCRE2 pattern size");
    return bytes;
}

/* The translation is always well-formed, so what PCRE2 refuses is too large or too involved. */
static enum err refuse(int code, struct regex_error *error)
{
    error->offset = 0;
    error->message = error->text;
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)error->text, sizeof(error->text)) < 0)
        snprintf(error->text, sizeof(error->text), "PCRE2 error %d", code);
    return ERR_LIMIT;
}

static struct regex *regex_new(pcre2_general_context *general, pcre2_code *code)
{
    struct regex *re = mem_zalloc(sizeof(*re));
    re->code = code;
    re->limits = pcre2_match_context_create(general);
    (void)pcre2_set_depth_limit(re->limits, OPEN_MAX);
    (void)pcre2_set_heap_limit(re->limits, HEAP_MAX_KIB);
    uint32_t first = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &first);
    re->at_line_start = first == 2;
    re->data = pcre2_match_data_create(REGEX_GROUPS_MAX, general);
    return re;
}

enum err regex_compile(struct slice source, bool extended, struct regex **out, struct regex_error *error)
{
    *out = NULL;
    struct buf pattern = {0};
    enum err e = regex_translate(source, extended, &pattern, error);
    if (e == ERR_NONE) {
        pcre2_general_context *general = general_context_new();
        (void)buf_cstr(&pattern); /* a pointer even for the empty pattern */
        int code = 0;
        pcre2_code *re = compile(general, buf_slice(&pattern), &code);
        if (!re) {
            e = refuse(code, error);
        } else if (compiled_bytes(re) > COMPILED_MAX_BYTES) {
            pcre2_code_free(re);
            *error = (struct regex_error){.message = "regular expression is too large"};
            e = ERR_LIMIT;
        } else {
            *out = regex_new(general, re);
        }
        pcre2_general_context_free(general);
    }
    buf_fini(&pattern);
    return e;
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    pcre2_match_data_free(re->data);
    pcre2_match_context_free(re->limits);
    pcre2_code_free(re->code);
    free(re);
}

static void take_groups(const struct regex *re, struct slice subject, int count, struct slice *groups)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(re->data);
    /* 0: more groups than we have room for; the first ones are there */
    unsigned set = count > 0 ? (unsigned)count : REGEX_GROUPS_MAX;
    for (unsigned i = 0; i < REGEX_GROUPS_MAX; i++) {
        groups[i] = SLICE_NONE;
        if (i < set && offsets[2 * i] != PCRE2_UNSET)
            groups[i] = slice_of(subject.ptr + offsets[2 * i], offsets[2 * i + 1] - offsets[2 * i]);
    }
}

static int try_match(struct regex *re, struct slice subject, size_t at, uint32_t options, uint32_t effort)
{
    (void)pcre2_set_match_limit(re->limits, effort);
    return pcre2_match(re->code, (PCRE2_SPTR)subject.ptr, subject.len, at, options, re->data, re->limits);
}

/* At one position, with more and more effort until it suffices or *budget is used up. */
static int match_at(struct regex *re, struct slice subject, size_t at, uint32_t *budget)
{
    for (uint32_t effort = EFFORT_FIRST;; effort *= EFFORT_FACTOR) {
        int n = try_match(re, subject, at, PCRE2_ANCHORED, effort < *budget ? effort : *budget);
        uint32_t charge = effort - EFFORT_FIRST;
        if (charge >= *budget && n == PCRE2_ERROR_MATCHLIMIT)
            return n;
        *budget -= charge < *budget ? charge : *budget;
        if (n != PCRE2_ERROR_MATCHLIMIT || *budget == 0)
            return n;
    }
}

static int match_by_position(struct regex *re, struct slice subject)
{
    uint32_t budget = EFFORT_MAX;
    for (size_t at = 0; at <= subject.len; at++) {
        if (re->at_line_start && at > 0 && subject.ptr[at - 1] != '\n')
            continue;
        int n = match_at(re, subject, at, &budget);
        if (n != PCRE2_ERROR_NOMATCH)
            return n;
    }
    return PCRE2_ERROR_NOMATCH;
}

enum err regex_match(struct regex *re, struct slice subject, bool *matched, struct slice *groups)
{
    *matched = false;
    for (unsigned i = 0; groups && i < REGEX_GROUPS_MAX; i++)
        groups[i] = SLICE_NONE;
    if (!subject.ptr)
        subject = SLICE_LIT("");
    if (subject.len > REGEX_SUBJECT_MAX_BYTES)
        return ERR_LIMIT;
    int n = try_match(re, subject, 0, 0, (uint32_t)(EFFORT_MAX / (subject.len + 1)));
    if (n == PCRE2_ERROR_MATCHLIMIT)
        n = match_by_position(re, subject);
    if (n == PCRE2_ERROR_NOMATCH)
        return ERR_NONE;
    /* Effort, open points or heap; there is no other error, as options and pointers are ours. */
    if (n < 0)
        return ERR_LIMIT;
    *matched = true;
    if (groups)
        take_groups(re, subject, n, groups);
    return ERR_NONE;
}

unsigned regex_groups(const struct regex *re)
{
    uint32_t n = 0;
    if (pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &n) != 0)
        PANIC("PCRE2 groups");
    return n < REGEX_GROUPS_MAX ? n : REGEX_GROUPS_MAX - 1;
}
