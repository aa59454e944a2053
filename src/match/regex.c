/*
 * regex.c - compile and match with PCRE2, under limits. Knows no POSIX (regex_translate.c does) and nothing of who asks.
 *
 * What a hostile subject can cost is counted while PCRE2 works. Its own match limit does not serve: it begins anew at every
 * position, says not what was used, and does not see that `a*b` reads on to the end of the subject from each position. So the
 * translation has callouts: at the beginning of each alternative and behind each repetition. What is done between two of them
 * is bounded: one run of atoms that are not repeated (no longer than the source), the least turns of a repetition, and the turns
 * beyond, which the callout behind it sees as a way forward in the subject. All that PCRE2 may return to lies just before a
 * callout. A back-reference compares up to a whole subject without one: expressions that have them are charged for that each time.
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
    OPEN_MAX = 20000,    /* places to return to, open at once: PCRE2's depth */
    HEAP_MAX_KIB = 1024, /* where they stand */
    COMPILED_MAX_BYTES = 65536,
    /* Bytes read, or atoms passed, for one unit. */
    BYTES_A_UNIT = 16,
    CALL_UNITS = 24, /* to begin with a subject */
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    uint32_t units; /* a callout's, for what lies between it and the last */
    bool refers;    /* has back-references */
};

/* One match under way. */
struct meter {
    uint32_t units, left;
    size_t at; /* in the subject, at the last callout */
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

static int count(pcre2_callout_block *block, void *ctx)
{
    struct meter *m = ctx;
    size_t forward = block->current_position > m->at ? block->current_position - m->at : 0;
    uint32_t units = m->units + (uint32_t)(forward / BYTES_A_UNIT);
    m->at = block->current_position;
    if (units >= m->left) {
        m->left = 0;
        return PCRE2_ERROR_CALLOUT; /* the match ends with that */
    }
    m->left -= units;
    return 0;
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

/* At most so many atoms between two callouts: all that is written, and each repetition's least turns. */
static size_t longest_run(struct slice source)
{
    size_t run = source.len;
    for (size_t i = 0; i + 1 < source.len; i++) {
        size_t turns = 0;
        for (size_t k = i + 1; source.ptr[i] == '{' && k < source.len && ascii_is_digit(source.ptr[k]) && turns < 100000;
             k++)
            turns = turns * 10 + (size_t)(source.ptr[k] - '0');
        run += turns;
    }
    return run;
}

static struct regex *regex_new(pcre2_general_context *general, pcre2_code *code, struct slice source)
{
    struct regex *re = mem_zalloc(sizeof(*re));
    re->code = code;
    re->limits = pcre2_match_context_create(general);
    /* callouts count instead: the default must not come first */
    (void)pcre2_set_match_limit(re->limits, UINT32_MAX);
    (void)pcre2_set_depth_limit(re->limits, OPEN_MAX);
    (void)pcre2_set_heap_limit(re->limits, HEAP_MAX_KIB);
    uint32_t back = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back);
    re->refers = back > 0;
    re->units = (uint32_t)(1 + longest_run(source) / BYTES_A_UNIT);
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
            *out = regex_new(general, re, source);
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

/* What has been used is taken from both. */
static void charge(struct regex_effort *effort, uint32_t units)
{
    effort->step_left -= units;
    if (effort->spent)
        *effort->spent += units;
}

static uint32_t effort_left(const struct regex_effort *effort)
{
    uint32_t left = effort->step_left;
    if (effort->spent && REGEX_MESSAGE_EFFORT - *effort->spent < left)
        left = REGEX_MESSAGE_EFFORT - *effort->spent;
    return left;
}

/* PCRE2's answer; subject is at most REGEX_SUBJECT_MAX_BYTES. */
static int match_metered(struct regex *re, struct slice subject, struct regex_effort *effort)
{
    uint32_t before = effort_left(effort), whole = (uint32_t)(subject.len / BYTES_A_UNIT);
    if (before <= CALL_UNITS + whole)
        return PCRE2_ERROR_CALLOUT;
    struct meter m = {.units = re->units + (re->refers ? whole : 0), .left = before - CALL_UNITS - whole};
    (void)pcre2_set_callout(re->limits, count, &m);
    effort->runs++;
    int n = pcre2_match(re->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, re->data, re->limits);
    charge(effort, before - m.left);
    return n;
}

enum err regex_match(struct regex *re, struct slice subject, struct regex_effort *effort, bool *matched,
                     struct slice *groups)
{
    struct regex_effort own = {.step_left = REGEX_STEP_EFFORT};
    *matched = false;
    for (unsigned i = 0; groups && i < REGEX_GROUPS_MAX; i++)
        groups[i] = SLICE_NONE;
    if (!subject.ptr)
        subject = SLICE_LIT("");
    if (!effort)
        effort = &own;
    int n = PCRE2_ERROR_CALLOUT;
    if (subject.len <= REGEX_SUBJECT_MAX_BYTES)
        n = match_metered(re, subject, effort);
    if (n == PCRE2_ERROR_NOMATCH)
        return ERR_NONE;
    /* Effort, open points or heap; there is no other error, as options and pointers are ours. */
    if (n < 0) {
        effort->unknown++;
        return ERR_LIMIT;
    }
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
