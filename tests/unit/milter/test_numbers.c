/* The numbers of protocol.h against libmilter's headers, where they are installed (libmilter-dev). */
#include "../test.h"
#include "milter/protocol.h"
#include "numbers.h"

#include <string.h>

#define ROW(name) {#name, (long)(name)},
static const struct number ours[] = {NUMBERS_ALL(ROW)};

static void agree_with_libmilter(void)
{
    if (libmilter_numbers_count == 0) {
        printf("# libmilter's headers are not installed\n");
        return;
    }
    CHECK_INT(libmilter_numbers_count, sizeof(ours) / sizeof(ours[0]));
    for (size_t i = 0; i < libmilter_numbers_count; i++) {
        CHECK_STR(ours[i].name, libmilter_numbers[i].name);
        if (!CHECK_INT(ours[i].value, libmilter_numbers[i].value))
            printf("# %s\n", ours[i].name);
    }
}

int main(void)
{
    TEST(agree_with_libmilter);
    return TEST_END();
}
