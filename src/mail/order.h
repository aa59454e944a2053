/*
 * order.h - a sequence whose members know their places: insert at an index, remove, the n-th, which one is it. Each takes
 * log n steps. A treap; its nodes stand inside of its members. Knows nothing of mail.
 *
 * A node's priority is made of its address, so nobody outside can choose members so that the tree grows lopsided.
 */
#ifndef TARSIER_MAIL_ORDER_H
#define TARSIER_MAIL_ORDER_H

#include <stdint.h>

struct order_node {
    struct order_node *parent, *left, *right;
    uint32_t size; /* of the tree below, itself included */
};

/* An empty sequence has no root. It owns nothing. */
struct order {
    struct order_node *root;
    uint64_t *steps; /* counts the nodes that are looked at: what it costs. Several sequences may share one count */
};

uint32_t order_count(const struct order *o);
/* index <= order_count. The node may hold anything before. */
void order_insert(struct order *o, uint32_t index, struct order_node *node);
void order_remove(struct order *o, struct order_node *node);
/* index < order_count. */
struct order_node *order_at(struct order *o, uint32_t index);
uint32_t order_index(struct order *o, const struct order_node *node);

/*
 * Where key stands or would stand, in a sequence that is sorted. compare: below, at or above 0 as key is before, at or behind
 * the node. *node: one that compares as equal; NULL: there is none.
 */
uint32_t order_search(struct order *o, int (*compare)(const void *key, struct order_node *node), const void *key,
                      struct order_node **node);

#endif
