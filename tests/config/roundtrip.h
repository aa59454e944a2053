/*
 * roundtrip.h - whether a configuration that was printed reads back as the same: shared by the golden files' runner and the fuzz
 * target.
 */
#ifndef TARSIER_TESTS_ROUNDTRIP_H
#define TARSIER_TESTS_ROUNDTRIP_H

#include "conf/print.h"

static inline void roundtrip_forget_items(struct conf_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i].where.file = NULL;
}

static inline void roundtrip_forget_filter(struct conf_filter *f)
{
    f->where.file = f->builtin_where.file = f->connect_where.file = f->when_where.file = NULL;
    f->sees_where.file = f->provide_where.file = NULL;
    for (size_t i = 0; i < CONF_FILTER_SETTINGS_MAX; i++)
        f->origin[i].file = NULL;
}

/* Origins differ between the two by nature: everything becomes a default. */
static inline void roundtrip_forget_origins(struct conf *c)
{
    for (size_t i = 0; i < CONF_SETTINGS_MAX; i++)
        c->origin[i].file = NULL;
    for (size_t i = 0; i < c->n_listens; i++)
        c->listens[i].where.file = NULL;
    for (size_t i = 0; i < c->n_lists; i++)
        c->lists[i]->where.file = NULL;
    for (size_t i = 0; i < c->n_acls; i++)
        c->acls[i].where.file = NULL;
    for (size_t i = 0; i < c->n_filters; i++)
        roundtrip_forget_filter(&c->filters[i]);
    for (size_t i = 0; i < c->n_conditions; i++)
        c->conditions[i]->where.file = NULL;
    for (size_t i = 0; i < c->n_dnsbls; i++)
        c->dnsbls[i].where.file = NULL;
    for (size_t i = 0; i < c->n_s25r_white; i++)
        c->s25r_white[i].where.file = NULL;
    for (size_t i = 0; i < c->n_s25r_black; i++)
        c->s25r_black[i].where.file = NULL;
    roundtrip_forget_items(c->net_local, c->n_net_local);
    roundtrip_forget_items(c->net_remote, c->n_net_remote);
    roundtrip_forget_items(c->trust, c->n_trust);
    roundtrip_forget_items(c->helo_except, c->n_helo_except);
    for (size_t class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        c->generic.words_where[class].file = NULL;
        for (size_t i = 0; i < c->generic.n_words[class]; i++)
            c->generic.words[class][i].where.file = NULL;
    }
    for (size_t i = 0; i < CONF_GENERIC_WEIGHTS; i++)
        c->generic.weight_where[i].file = NULL;
    c->generic.threshold_where.file = NULL;
    c->s25r_white_where.file = c->s25r_black_where.file = NULL;
    c->net_local_where.file = c->net_remote_where.file = c->trust_where.file = c->helo_except_where.file = NULL;
}

/*
 * Print c, read that, print again. c was read without errors; its origins are gone afterwards. first is what was printed with
 * origins, second what came of it, third what went in, without. The same when second and third are equal and no error came.
 */
static inline bool roundtrip(struct conf *c, struct buf *first, struct buf *second, struct buf *third, struct buf *errors)
{
    conf_print(c, first);
    struct slice text = buf_slice(first);
    struct conf_source source = conf_source_text(&text);
    struct diags diags;
    diags_init(&diags);
    struct conf *again = conf_load(&source, "printed.conf", &diags);
    roundtrip_forget_origins(again);
    conf_print(again, second);
    roundtrip_forget_origins(c);
    conf_print(c, third);
    bool same = diags.errors == 0 && slice_eq(buf_slice(second), buf_slice(third));
    diags_print(&diags, errors);
    conf_free(again);
    diags_fini(&diags);
    return same;
}

#endif
