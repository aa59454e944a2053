/* Messages and filters at random against a model of the MTA: play.h. */
#include "../random.h"
#include "../test.h"
#include "play.h"

static void many(const char *(*play)(play_draw *))
{
    for (int i = 0; i < 5000; i++) {
        uint64_t seed = random_state;
        const char *wrong = play(random_below);
        if (!CHECK(wrong == NULL)) {
            printf("# %s, with TARSIER_SEED=%" PRIu64 "\n", wrong, seed);
            return;
        }
    }
}

static void what_goes_to_the_mta_makes_the_end(void)
{
    many(play_to_mta);
}

static void filters_in_a_row_are_as_filters_at_the_mta(void)
{
    many(play_in_a_row);
}

static void one_filter_alone_keeps_its_words(void)
{
    many(play_own_words);
}

int main(void)
{
    random_begin();
    TEST(what_goes_to_the_mta_makes_the_end);
    TEST(filters_in_a_row_are_as_filters_at_the_mta);
    TEST(one_filter_alone_keeps_its_words);
    return TEST_END();
}
