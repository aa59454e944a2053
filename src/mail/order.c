/* order.c - a treap with the size of each subtree: it is what makes places. */
#include "mail/order.h"

#include <stddef.h>

/* murmur3's last step: addresses in a row give numbers without one. */
static uint64_t priority(const struct order_node *node)
{
    uint64_t x = (uintptr_t)node;
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

static uint32_t size_of(const struct order_node *node)
{
    return node ? node->size : 0;
}

uint32_t order_count(const struct order *o)
{
    return size_of(o->root);
}

/* The pointer that points to a node. */
static struct order_node **link_to(struct order *o, const struct order_node *node)
{
    struct order_node *parent = node->parent;
    return !parent ? &o->root : parent->left == node ? &parent->left : &parent->right;
}

/* A node and its parent change places; the sequence stays. */
static void rotate_up(struct order *o, struct order_node *node)
{
    struct order_node *parent = node->parent, *inner;
    *link_to(o, parent) = node;
    node->parent = parent->parent;
    parent->parent = node;
    if (parent->left == node) {
        inner = parent->left = node->right;
        node->right = parent;
    } else {
        inner = parent->right = node->left;
        node->left = parent;
    }
    if (inner)
        inner->parent = parent;
    node->size = parent->size;
    parent->size = 1 + size_of(parent->left) + size_of(parent->right);
    ++*o->steps;
}

void order_insert(struct order *o, uint32_t index, struct order_node *node)
{
    struct order_node **at = &o->root, *parent = NULL;
    while (*at) {
        parent = *at;
        parent->size++;
        ++*o->steps;
        uint32_t before = size_of(parent->left);
        if (index <= before) {
            at = &parent->left;
        } else {
            index -= before + 1;
            at = &parent->right;
        }
    }
    *node = (struct order_node){.parent = parent, .size = 1};
    *at = node;
    while (node->parent && priority(node->parent) < priority(node))
        rotate_up(o, node);
}

void order_remove(struct order *o, struct order_node *node)
{
    while (node->left || node->right) {
        struct order_node *left = node->left, *right = node->right;
        rotate_up(o, !right || (left && priority(left) > priority(right)) ? left : right);
    }
    *link_to(o, node) = NULL;
    for (struct order_node *above = node->parent; above; above = above->parent) {
        above->size--;
        ++*o->steps;
    }
}

struct order_node *order_at(struct order *o, uint32_t index)
{
    struct order_node *node = o->root;
    for (;;) {
        uint32_t before = size_of(node->left);
        ++*o->steps;
        if (index == before)
            return node;
        if (index < before) {
            node = node->left;
        } else {
            index -= before + 1;
            node = node->right;
        }
    }
}

uint32_t order_index(struct order *o, const struct order_node *node)
{
    uint32_t index = size_of(node->left);
    for (; node->parent; node = node->parent) {
        ++*o->steps;
        if (node->parent->right == node)
            index += size_of(node->parent->left) + 1;
    }
    return index;
}

uint32_t order_search(struct order *o, int (*compare)(const void *key, struct order_node *node), const void *key,
                      struct order_node **node)
{
    uint32_t index = 0;
    for (struct order_node *at = o->root; at;) {
        int side = compare(key, at);
        ++*o->steps;
        if (side == 0) {
            *node = at;
            return index + size_of(at->left);
        }
        if (side > 0)
            index += size_of(at->left) + 1;
        at = side < 0 ? at->left : at->right;
    }
    *node = NULL;
    return index;
}
