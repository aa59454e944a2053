/*
 * test.h - the least that a unit test needs: named cases, checks that say what they saw, TAP on stdout.
 *
 *     static void adds(void) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { TEST(adds); return TEST_END(); }
 */
#ifndef TARSIER_TESTS_TEST_H
#define TARSIER_TESTS_TEST_H

#include "base/slice.h"

#include <inttypes.h>
#include <stdio.h>

static int test_count, test_failed;
static bool test_case_ok;

#define CHECK(cond)            test_check((cond), #cond, __FILE__, __LINE__)
#define CHECK_INT(got, want)   test_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want)   test_str(slice_cstr(got), slice_cstr(want), #got, __FILE__, __LINE__)
#define CHECK_SLICE(got, want) test_str((got), slice_cstr(want), #got, __FILE__, __LINE__)
#define TEST(function)         test_run(#function, function)
#define TEST_END()             test_end()

static inline bool test_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        printf("# %s:%d: not so: %s\n", file, line, what);
        test_case_ok = false;
    }
    return ok;
}

static inline bool test_int(int64_t got, int64_t want, const char *what, const char *file, int line)
{
    if (got != want) {
        printf("# %s:%d: %s is %" PRId64 ", want %" PRId64 "\n", file, line, what, got, want);
        test_case_ok = false;
    }
    return got == want;
}

static inline bool test_str(struct slice got, struct slice want, const char *what, const char *file, int line)
{
    bool ok = slice_eq(got, want) && (!got.ptr) == (!want.ptr);
    if (!ok) {
        printf("# %s:%d: %s is %s\"%.*s\"\n# want %s\"%.*s\"\n", file, line, what, got.ptr ? "" : "NONE ", SLICE_ARG(got),
               want.ptr ? "" : "NONE ", SLICE_ARG(want));
        test_case_ok = false;
    }
    return ok;
}

static inline void test_run(const char *name, void (*function)(void))
{
    test_case_ok = true;
    function();
    test_count++;
    test_failed += !test_case_ok;
    printf("%s %d - %s\n", test_case_ok ? "ok" : "not ok", test_count, name);
    fflush(stdout);
}

static inline int test_end(void)
{
    printf("1..%d\n", test_count);
    return test_failed != 0;
}

#endif
