/*
 * generic.c - fuzz: any bytes as a host name with an address, judged twice: by match/generic.h, and plainly. Below that, any
 * bytes as patterns of words.
 */
#include "../tests/unit/match/plain_generic.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once and kept: the list is read from a file. */
struct tools {
    struct domain_list *list;
    struct generic_rules rules;
};

static const struct tools *tools(void)
{
    static struct tools t;
    if (!t.list) {
        t.list = domain_list_open();
        t.rules = plain_default_rules();
    }
    return &t;
}

enum { PLAIN_MAX_BYTES = 2000 }; /* the plain one is quadratic */

static void judge(const struct ip *ip, struct slice name)
{
    const struct tools *t = tools();
    if (!t->list)
        return;
    struct generic_verdict v;
    struct buf got = {0}, want = {0};
    generic_judge(&t->rules, t->list, name, ip, &v);
    generic_put_reasons(&v, &got);
    if (name.len <= PLAIN_MAX_BYTES) {
        int points = plain_judge(t->list, name, ip, &want);
        if (points != v.points || !slice_eq(buf_slice(&got), buf_slice(&want)) || v.selected != (points >= 3))
            abort();
    }
    buf_fini(&got);
    buf_fini(&want);
}

static void compile(struct slice text)
{
    struct generic_pattern patterns[64] = {0};
    struct generic_words *words;
    size_t n = 0, bad;
    for (struct slice rest = text; rest.ptr && n < COUNT_OF(patterns); n++)
        patterns[n] = (struct generic_pattern){(enum generic_class)(n % GENERIC_CLASSES), slice_cut(&rest, ' ')};
    enum err err = generic_words_new(patterns, n, &words, &bad);
    if (err != ERR_NONE) {
        if (bad >= n)
            abort();
        return;
    }
    /* A pattern that is a word finds itself. */
    for (size_t i = 0; i < n; i++)
        if (!memchr(patterns[i].text.ptr, '*', patterns[i].text.len) &&
            !(generic_words_find(words, patterns[i].text) & 1U << patterns[i].class))
            abort();
    generic_words_free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 17)
        return 0;
    struct ip ip = {.family = data[0] & 1 ? IP_V4 : data[0] & 2 ? IP_NONE : IP_V6};
    memcpy(ip.bytes, data + 1, ip.family == IP_V4 ? 4 : ip.family == IP_V6 ? 16 : 0);
    struct slice rest = slice_of(data + 17, size - 17);
    judge(&ip, rest);
    compile(rest);
    return 0;
}
