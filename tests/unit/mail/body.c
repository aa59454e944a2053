/* A body against a plain buffer, its file a buffer too. */
#include "mail/body.h"
#include "../random.h"
#include "../test.h"
#include "base/buf.h"

#include <string.h>

struct rig {
    struct body body;
    struct buf all, file;
};

static void rig_append(struct rig *r, struct slice chunk)
{
    uint64_t memory = r->body.memory_bytes;
    size_t kept = body_append(&r->body, chunk);
    CHECK(kept <= chunk.len);
    CHECK(kept == 0 || r->file.len == 0); /* never memory again behind the file's beginning */
    CHECK_INT(r->body.memory_bytes, memory + kept);
    buf_put_slice(&r->all, chunk);
    buf_put_slice(&r->file, slice_from(chunk, kept));
    CHECK_INT(r->body.bytes, r->all.len);
}

/* Up to max bytes from offset; how many. */
static size_t rig_read(const struct rig *r, uint64_t offset, size_t max)
{
    struct slice out;
    uint64_t at;
    uint32_t length;
    if (!body_read(&r->body, offset, max, &out, &at, &length)) {
        CHECK(length > 0 && at < r->file.len && length <= r->file.len - at);
        out = slice_upto(slice_from(buf_slice(&r->file), at), length);
    }
    CHECK(out.len > 0 && out.len <= max);
    CHECK(slice_eq(out, slice_upto(slice_from(buf_slice(&r->all), offset), out.len)));
    return out.len;
}

static void rig_end(struct rig *r)
{
    body_fini(&r->body);
    buf_fini(&r->all);
    buf_fini(&r->file);
}

static void an_empty_body(void)
{
    struct body_budget budget = {.max_bytes = BODY_BUDGET_MAX_BYTES};
    struct body b;
    body_init(&b, &budget);
    CHECK_INT(body_append(&b, SLICE_NONE), 0);
    CHECK_INT(b.bytes, 0);
    CHECK_INT(budget.used_bytes, 0);
    body_fini(&b);
    body_fini(&b);
}

static void memory_up_to_its_bound_then_the_file(void)
{
    static char big[BODY_MEMORY_MAX_BYTES + 100];
    struct body_budget budget = {.max_bytes = BODY_BUDGET_MAX_BYTES};
    struct rig r = {0};
    memset(big, 'x', sizeof(big));
    body_init(&r.body, &budget);
    rig_append(&r, slice_of(big, 10));
    CHECK_INT(r.body.memory_bytes, 10);
    CHECK(budget.used_bytes >= 10 && budget.used_bytes < 16384);
    rig_append(&r, slice_of(big, sizeof(big)));
    CHECK_INT(r.body.memory_bytes, BODY_MEMORY_MAX_BYTES);
    CHECK_INT(budget.used_bytes, BODY_MEMORY_MAX_BYTES);
    CHECK_INT(r.file.len, 110);
    struct slice out;
    uint64_t at;
    uint32_t length;
    CHECK(body_read(&r.body, BODY_MEMORY_MAX_BYTES - 1, 1000, &out, &at, &length));
    CHECK_INT(out.len, 1);
    CHECK(!body_read(&r.body, BODY_MEMORY_MAX_BYTES, 1000, &out, &at, &length));
    CHECK_INT(at, 0);
    CHECK_INT(length, 110);
    CHECK(!body_read(&r.body, BODY_MEMORY_MAX_BYTES + 9, 100, &out, &at, &length));
    CHECK_INT(at, 9);
    CHECK_INT(length, 100);
    rig_end(&r);
    CHECK_INT(budget.used_bytes, 0);
}

/* The budget is given back by one body: another that has gone to its file stays there. */
static void what_the_budget_does_not_give_goes_to_the_file(void)
{
    static const char text[6000];
    struct body_budget budget = {.max_bytes = 5000};
    struct rig a = {0}, b = {0};
    body_init(&a.body, &budget);
    body_init(&b.body, &budget);
    rig_append(&a, slice_of(text, 4096));
    CHECK_INT(a.file.len, 0);
    rig_append(&b, slice_of(text, 1000));
    CHECK_INT(b.body.memory_bytes, 904);
    CHECK_INT(b.file.len, 96);
    CHECK_INT(budget.used_bytes, 5000);
    rig_append(&a, slice_of(text, 1));
    CHECK_INT(a.file.len, 1);
    rig_end(&a);
    CHECK_INT(budget.used_bytes, 904);
    rig_append(&b, slice_of(text, 6000));
    CHECK_INT(b.file.len, 6096);
    CHECK_INT(budget.used_bytes, 904);
    budget.max_bytes = 0; /* as after a reload */
    struct rig c = {0};
    body_init(&c.body, &budget);
    rig_append(&c, slice_of(text, 1));
    CHECK_INT(c.file.len, 1);
    rig_end(&c);
    rig_end(&b);
    CHECK_INT(budget.used_bytes, 0);
}

enum { RIGS = 4 };

static void read_some(const struct rig *r)
{
    for (int i = 0; i < 20 && r->all.len > 0; i++)
        rig_read(r, random_below((unsigned)r->all.len), 1 + random_below(70000));
    for (uint64_t at = 0; at < r->all.len;)
        at += rig_read(r, at, 1 + random_below(70000));
}

static void at_random(void)
{
    static char text[100000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)random_below(256);
    for (int round = 0; round < 60; round++) {
        struct body_budget budget = {.max_bytes = random_below(3 * BODY_MEMORY_MAX_BYTES)};
        struct rig rigs[RIGS] = {0};
        for (int i = 0; i < RIGS; i++)
            body_init(&rigs[i].body, &budget);
        unsigned largest = 1 + random_below(2) * random_below(99999) + random_below(3000);
        for (int i = 0; i < 40; i++) {
            struct rig *r = &rigs[random_below(RIGS)];
            unsigned n = random_below(largest > sizeof(text) ? sizeof(text) : largest);
            rig_append(r, slice_of(text + random_below((unsigned)sizeof(text) - n), n));
            CHECK(budget.used_bytes <= budget.max_bytes);
            CHECK(r->body.memory_bytes <= BODY_MEMORY_MAX_BYTES);
        }
        for (int i = 0; i < RIGS; i++) {
            read_some(&rigs[i]);
            rig_end(&rigs[i]);
        }
        CHECK_INT(budget.used_bytes, 0);
    }
}

int main(void)
{
    random_begin();
    TEST(an_empty_body);
    TEST(memory_up_to_its_bound_then_the_file);
    TEST(what_the_budget_does_not_give_goes_to_the_file);
    TEST(at_random);
    return TEST_END();
}
