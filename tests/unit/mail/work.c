/* How the cost of edits grows: counted in steps of loops and trees, not in time. */
#include "../test.h"
#include "base/mem.h"
#include "mail/internal.h"

#include <stdio.h>

enum { HEADERS = 8000, EDITS = 1000 };

/* A message whose headers bear so many names in turn. */
static struct mail *message(unsigned headers, unsigned names)
{
    struct mail *m = mail_new();
    char name[32];
    for (unsigned i = 0; i < headers; i++) {
        snprintf(name, sizeof(name), "X-Name-%u", i % names);
        CHECK_INT(mail_add_header(m, slice_cstr(name), SLICE_LIT(" value")), ERR_NONE);
    }
    mail_end_headers(m);
    return m;
}

/* Edits of all kinds, spread over the message. */
static void edit(struct mail *m, unsigned f, unsigned headers, unsigned edits, unsigned names)
{
    struct mail_edits list = {0};
    char name[32];
    for (unsigned i = 0; i < edits; i++) {
        unsigned at = (unsigned)((uint64_t)i * 7919 % headers);
        snprintf(name, sizeof(name), "x-name-%u", at % names);
        static const enum mail_edit_kind kinds[] = {MAIL_CHANGE_HEADER, MAIL_CHANGE_HEADER, MAIL_INSERT_HEADER,
                                                    MAIL_ADD_HEADER};
        bool deletes = i % 4 == 0, inserts = i % 4 == 2;
        CHECK_INT(mail_edits_add(&list, kinds[i % 4], inserts ? at : at / names + 1, slice_cstr(name),
                                 deletes ? SLICE_LIT("") : SLICE_LIT(" other")),
                  ERR_NONE);
    }
    mail_apply(m, f, f, &list);
    mail_edits_fini(&list);
}

static uint64_t steps_of(unsigned headers, unsigned edits, unsigned names)
{
    struct mail *m = message(headers, names);
    struct buf packets = {0};
    edit(m, 0, headers, edits, names);
    edit(m, 1, headers, edits, names);
    mail_put_changes(m, true, &packets);
    CHECK(packets.len > 2ul * edits * 10);
    uint64_t steps = m->steps;
    buf_fini(&packets);
    mail_free(m);
    return steps;
}

/* Each step of a loop over all headers for each edit would be 16 million. */
static void many_edits_of_many_headers_take_few_steps(void)
{
    static const unsigned names[] = {1, 7, HEADERS};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t steps = steps_of(HEADERS, EDITS, names[i]);
        printf("# %u names: %llu steps\n", names[i], (unsigned long long)steps);
        CHECK(steps > HEADERS && steps < 200 * (HEADERS + 2 * EDITS));
    }
}

static void twice_as_much_takes_about_twice_as_many(void)
{
    uint64_t half = steps_of(HEADERS / 2, EDITS / 2, 7), all = steps_of(HEADERS, EDITS, 7);
    CHECK(all < half * 3);
}

/* Who changes one header again and again leaves one text, not one for each change. */
static void one_header_changed_again_and_again(void)
{
    struct mail *m = message(1, 1);
    struct mail_edits list = {0};
    for (unsigned i = 0; i < EDITS; i++)
        CHECK_INT(mail_edits_add(&list, MAIL_CHANGE_HEADER, 1, SLICE_LIT("X-Name-0"), SLICE_LIT(" other")), ERR_NONE);
    mail_apply(m, 0, 0, &list);
    unsigned texts = 0;
    for (const struct mail_text *t = CONTAINER_OF(m->headers.next->next, struct mail_header, node)->text; t; t = t->older)
        texts++;
    CHECK_INT(texts, 2);
    mail_edits_fini(&list);
    mail_free(m);
}

int main(void)
{
    TEST(many_edits_of_many_headers_take_few_steps);
    TEST(twice_as_much_takes_about_twice_as_many);
    TEST(one_header_changed_again_and_again);
    return TEST_END();
}
