/*
 * Verdicts: every way in which up to three filters can stand, held against a second writing of the rule, word by word as the
 * issue says it ("discard > reject > tempfail > continue > accept, fallback included").
 */
#include "../test.h"
#include "child/merge.h"

/* ---- the rule again, with words for verdicts and no loop over strengths shared with the code ---- */

enum { VERDICTS = 5 };
static const enum verdict strongest_first[VERDICTS] = {VERDICT_DISCARD, VERDICT_REJECT, VERDICT_TEMPFAIL, VERDICT_CONTINUE,
                                                       VERDICT_ACCEPT};

/* A filter that counts and says this, whatever makes it say so. */
static bool says(const struct child_vote *v, enum verdict verdict)
{
    return (v->standing == STANDING_ANSWERED && v->verdict == verdict) ||
           (v->standing == STANDING_FAILED && v->fallback == verdict);
}

static bool is_silent(const struct child_vote *v)
{
    return v->standing == STANDING_FAILED && v->fallback == VERDICT_ACCEPT;
}

static bool wants_to_see_more(const struct child_vote *v)
{
    return v->standing == STANDING_UNDECIDED;
}

static int first_saying(const struct child_vote *votes, size_t n, enum verdict verdict, bool silent_too)
{
    for (size_t i = 0; i < n; i++)
        if (says(&votes[i], verdict) && (silent_too || !is_silent(&votes[i])))
            return (int)i;
    return -1;
}

static struct merged oracle(const struct child_vote *votes, size_t n)
{
    bool more = false;
    for (size_t i = 0; i < n; i++)
        more = more || wants_to_see_more(&votes[i]);
    for (int s = 0; s < VERDICTS; s++) {
        int by = first_saying(votes, n, strongest_first[s], false);
        if (by >= 0 && strongest_first[s] == VERDICT_ACCEPT && more)
            return (struct merged){VERDICT_CONTINUE, -1};
        if (by >= 0)
            return (struct merged){strongest_first[s], by};
    }
    if (more)
        return (struct merged){VERDICT_CONTINUE, -1};
    return (struct merged){VERDICT_ACCEPT, first_saying(votes, n, VERDICT_ACCEPT, true)};
}

/* ---- all of them ---- */

enum { STANDINGS = 4, KINDS = STANDINGS * VERDICTS * VERDICTS };

static struct child_vote vote_number(unsigned k)
{
    struct child_vote v;
    v.standing = (enum child_standing)(k % STANDINGS);
    v.verdict = (enum verdict)(k / STANDINGS % VERDICTS);
    v.fallback = (enum verdict)(k / STANDINGS / VERDICTS);
    return v;
}

/* Which of its fields count is a part of the rule too: one of each group that must be alike is enough for triples. */
static bool is_plain(const struct child_vote *v)
{
    bool verdict_counts = v->standing == STANDING_ANSWERED, fallback_counts = v->standing == STANDING_FAILED;
    return (verdict_counts || v->verdict == VERDICT_REJECT) && (fallback_counts || v->fallback == VERDICT_REJECT);
}

static bool check_one(const struct child_vote *votes, size_t n)
{
    struct merged got = merge_verdicts(votes, n), want = oracle(votes, n);
    if (got.verdict == want.verdict && got.by == want.by)
        return true;
    printf("# got %d by %d, want %d by %d of:", got.verdict, got.by, want.verdict, want.by);
    for (size_t i = 0; i < n; i++)
        printf(" (standing %d verdict %d fallback %d)", votes[i].standing, votes[i].verdict, votes[i].fallback);
    printf("\n");
    return false;
}

static void all_pairs(void)
{
    struct child_vote v[2];
    unsigned wrong = 0;
    for (unsigned a = 0; a < KINDS; a++) {
        v[0] = vote_number(a);
        wrong += !check_one(v, 1);
        for (unsigned b = 0; b < KINDS && wrong < 5; b++) {
            v[1] = vote_number(b);
            wrong += !check_one(v, 2);
        }
    }
    CHECK_INT(wrong, 0);
}

static void all_triples(void)
{
    struct child_vote plain[KINDS], v[3];
    unsigned n = 0, wrong = 0;
    for (unsigned k = 0; k < KINDS; k++) {
        plain[n] = vote_number(k);
        n += is_plain(&plain[n]);
    }
    CHECK_INT(n, 1 + 1 + VERDICTS + VERDICTS);
    for (unsigned i = 0; i < n * n * n && wrong < 5; i++) {
        v[0] = plain[i / n / n];
        v[1] = plain[i / n % n];
        v[2] = plain[i % n];
        wrong += !check_one(v, 3);
    }
    CHECK_INT(wrong, 0);
}

/* What must be true of any number of them. */
static void a_failure_without_a_word_changes_nothing(void)
{
    struct child_vote v[3], without[2];
    for (unsigned a = 0; a < KINDS; a++)
        for (unsigned b = 0; b < KINDS; b++) {
            v[0] = without[0] = vote_number(a);
            v[1] = (struct child_vote){.standing = STANDING_FAILED, .fallback = VERDICT_ACCEPT};
            v[2] = without[1] = vote_number(b);
            if (merge_verdicts(v, 3).verdict != merge_verdicts(without, 2).verdict) {
                CHECK(!"a dead child's accept changed a verdict");
                return;
            }
        }
}

/* ---- in words ---- */

#define SAYS(x)                                                                                                             \
    {                                                                                                                       \
        .standing = STANDING_ANSWERED, .verdict = VERDICT_##x                                                               \
    }
#define DEAD(x)                                                                                                             \
    {                                                                                                                       \
        .standing = STANDING_FAILED, .fallback = VERDICT_##x                                                                \
    }
#define LATER                                                                                                               \
    {                                                                                                                       \
        .standing = STANDING_UNDECIDED                                                                                      \
    }
#define ABSENT                                                                                                              \
    {                                                                                                                       \
        .standing = STANDING_NOT_ASKED, .verdict = VERDICT_REJECT, .fallback = VERDICT_REJECT                               \
    }

static const struct {
    const char *what;
    enum verdict verdict;
    int by;
    size_t n;
    struct child_vote votes[3];
} cases[] = {
    {"nobody at all", VERDICT_ACCEPT, -1, 0, {{0}}},
    {"nobody who is asked", VERDICT_ACCEPT, -1, 2, {ABSENT, ABSENT}},
    {"somebody later", VERDICT_CONTINUE, -1, 2, {ABSENT, LATER}},
    {"accept alone", VERDICT_ACCEPT, 1, 2, {ABSENT, SAYS(ACCEPT)}},
    {"accept and continue", VERDICT_CONTINUE, 1, 2, {SAYS(ACCEPT), SAYS(CONTINUE)}},
    {"both accept", VERDICT_ACCEPT, 0, 2, {SAYS(ACCEPT), SAYS(ACCEPT)}},
    {"accept and later", VERDICT_CONTINUE, -1, 2, {SAYS(ACCEPT), LATER}},
    {"refused before the other is asked", VERDICT_REJECT, 1, 2, {LATER, SAYS(REJECT)}},
    {"the strongest, whatever its place", VERDICT_DISCARD, 2, 3, {SAYS(REJECT), SAYS(TEMPFAIL), SAYS(DISCARD)}},
    {"the first of equals", VERDICT_TEMPFAIL, 1, 3, {SAYS(CONTINUE), SAYS(TEMPFAIL), SAYS(TEMPFAIL)}},
    {"a fallback is a verdict", VERDICT_TEMPFAIL, 0, 2, {DEAD(TEMPFAIL), SAYS(ACCEPT)}},
    {"a fallback accept leaves continue", VERDICT_CONTINUE, 1, 2, {DEAD(ACCEPT), SAYS(CONTINUE)}},
    {"a fallback accept leaves accept", VERDICT_ACCEPT, 1, 2, {DEAD(ACCEPT), SAYS(ACCEPT)}},
    {"only dead ones", VERDICT_ACCEPT, 0, 2, {DEAD(ACCEPT), DEAD(ACCEPT)}},
    {"a dead one and one later", VERDICT_CONTINUE, -1, 2, {DEAD(ACCEPT), LATER}},
};

static void in_words(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct merged m = merge_verdicts(cases[i].votes, cases[i].n);
        bool ok = CHECK_INT(m.verdict, cases[i].verdict);
        ok = CHECK_INT(m.by, cases[i].by) && ok;
        if (!ok)
            printf("# %s\n", cases[i].what);
    }
}

static void of_a_reply(void)
{
    CHECK_INT(verdict_of_code(SMFIR_ACCEPT, 0), VERDICT_ACCEPT);
    CHECK_INT(verdict_of_code(SMFIR_CONTINUE, 0), VERDICT_CONTINUE);
    CHECK_INT(verdict_of_code(SMFIR_SKIP, 0), VERDICT_CONTINUE);
    CHECK_INT(verdict_of_code(SMFIR_TEMPFAIL, 0), VERDICT_TEMPFAIL);
    CHECK_INT(verdict_of_code(SMFIR_REJECT, 0), VERDICT_REJECT);
    CHECK_INT(verdict_of_code(SMFIR_DISCARD, 0), VERDICT_DISCARD);
    CHECK_INT(verdict_of_code(SMFIR_REPLYCODE, 421), VERDICT_TEMPFAIL);
    CHECK_INT(verdict_of_code(SMFIR_REPLYCODE, 499), VERDICT_TEMPFAIL);
    CHECK_INT(verdict_of_code(SMFIR_REPLYCODE, 500), VERDICT_REJECT);
    CHECK_INT(verdict_of_code(SMFIR_REPLYCODE, 599), VERDICT_REJECT);
}

int main(void)
{
    TEST(all_pairs);
    TEST(all_triples);
    TEST(a_failure_without_a_word_changes_nothing);
    TEST(in_words);
    TEST(of_a_reply);
    return TEST_END();
}
