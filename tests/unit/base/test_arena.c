/* Arenas and arrays that grow. */
#include "../test.h"
#include "base/arena.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % _Alignof(max_align_t) == 0;
}

static void gives_memory_of_any_size(void)
{
    struct arena a = {0};
    static const size_t sizes[] = {0, 1, 7, 16, 255, 256, 257, 5000, 65536, 200000, 3};
    char *got[sizeof(sizes) / sizeof(sizes[0])];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        got[i] = arena_alloc(&a, sizes[i]);
        CHECK(is_aligned(got[i]));
        memset(got[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            if (got[i][k] != (char)(i + 1)) {
                CHECK(!"two pieces overlap");
                break;
            }
    arena_fini(&a);
    CHECK(a.chunks == NULL);
}

static void zeroes_what_it_should(void)
{
    struct arena a = {0};
    memset(arena_alloc(&a, 200), 0xff, 200);
    arena_clear(&a);
    const char *p = arena_zalloc(&a, 200);
    bool zero = true;
    for (int i = 0; i < 200; i++)
        zero = zero && p[i] == 0;
    CHECK(zero);
    arena_fini(&a);
}

static void starts_on_its_owners_memory(void)
{
    max_align_t room[8];
    struct arena a;
    char *inside = (char *)room, *end = inside + sizeof(room);
    arena_init_inline(&a, room, sizeof(room));
    char *p = arena_alloc(&a, 16);
    CHECK(p == inside);
    CHECK(a.chunks == NULL);
    char *rest = arena_alloc(&a, sizeof(room) - 16);
    CHECK(rest == inside + 16);
    char *more = arena_alloc(&a, 1);
    CHECK(more < inside || more >= end);
    CHECK(a.chunks != NULL);
    arena_clear(&a);
    CHECK(a.chunks == NULL);
    CHECK(arena_alloc(&a, 1) == inside);
    arena_fini(&a);
    CHECK(arena_alloc(&a, 1) != inside);
    arena_fini(&a);
}

static void starts_on_memory_that_is_not_aligned(void)
{
    max_align_t room[4];
    struct arena a;
    arena_init_inline(&a, (char *)room + 1, sizeof(room) - 1);
    CHECK(is_aligned(arena_alloc(&a, 8)));
    CHECK(a.chunks == NULL);
    arena_init_inline(&a, (char *)room + 1, 2);
    CHECK(is_aligned(arena_alloc(&a, 1)));
    CHECK(a.chunks != NULL);
    arena_fini(&a);
}

static void copies_text(void)
{
    struct arena a = {0};
    char source[] = "hello";
    struct slice copy = arena_slice(&a, slice_cstr(source));
    source[0] = 'j';
    CHECK_SLICE(copy, "hello");
    CHECK(copy.ptr[5] == '\0');
    CHECK(arena_slice(&a, SLICE_NONE).ptr == NULL);
    struct slice empty = arena_slice(&a, SLICE_LIT(""));
    CHECK(empty.ptr != NULL);
    CHECK_INT(empty.len, 0);
    CHECK_STR(arena_cstr(&a, SLICE_NONE), "");
    CHECK_STR(arena_printf(&a, "%s-%d", "x", 7), "x-7");
    CHECK_INT(strlen(arena_printf(&a, "%5000d", 1)), 5000);
    arena_fini(&a);
}

static void grows_arrays(void)
{
    int *items = NULL;
    size_t cap = 0;
    for (int i = 0; i < 1000; i++) {
        items = mem_grow(items, &cap, (size_t)i + 1, sizeof(*items));
        CHECK(cap > (size_t)i);
        items[i] = i;
    }
    CHECK_INT(items[999], 999);
    CHECK_INT(items[0], 0);
    CHECK(cap < 4000);
    size_t before = cap;
    items = mem_grow(items, &cap, 1, sizeof(*items));
    CHECK_INT(cap, before);
    free(items);
}

int main(void)
{
    TEST(gives_memory_of_any_size);
    TEST(zeroes_what_it_should);
    TEST(starts_on_its_owners_memory);
    TEST(starts_on_memory_that_is_not_aligned);
    TEST(copies_text);
    TEST(grows_arrays);
    return TEST_END();
}
