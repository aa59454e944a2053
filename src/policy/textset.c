/*
 * textset.c - a set of texts: a hash table with open addressing.
 *
 * The hash runs over the bytes from the last to the first, so that one walk from the end of a name yields the hash of every
 * suffix of it. The members come from the configuration, not from outside: nobody can choose them so that they collide, and a
 * question can hit no longer chain than they form. A keyed hash is not needed.
 */
#include "policy/textset.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct textset_slot {
    uint64_t hash;
    struct slice text; /* ptr NULL: free */
};

/* FNV-1a, 64 bits. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_byte(uint64_t hash, char c)
{
    return (hash ^ (uint8_t)ascii_lower(c)) * HASH_PRIME;
}

static uint64_t hash_text(struct slice text)
{
    uint64_t hash = HASH_START;
    for (size_t i = text.len; i > 0; i--)
        hash = hash_byte(hash, text.ptr[i - 1]);
    return hash;
}

/* The low bits of FNV's product depend on the low bits of the bytes only; the high half mixes all of them in. */
static size_t first_slot(uint64_t hash, size_t cap)
{
    return (size_t)(hash ^ hash >> 32) & (cap - 1);
}

/* The slot that holds text, or the free one where it would go. */
static struct textset_slot *probe(const struct textset *s, uint64_t hash, struct slice text)
{
    for (size_t i = first_slot(hash, s->cap);; i = (i + 1) & (s->cap - 1)) {
        struct textset_slot *slot = &s->slots[i];
        if (!slot->text.ptr || (slot->hash == hash && slice_eq_nocase(slot->text, text)))
            return slot;
    }
}

static void grow_slots(struct textset *s)
{
    struct textset old = *s;
    s->cap = old.cap ? 2 * old.cap : 8;
    s->slots = mem_zalloc(s->cap * sizeof(*s->slots));
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].text.ptr)
            *probe(s, old.slots[i].hash, old.slots[i].text) = old.slots[i];
    free(old.slots);
}

static void note_length(struct textset *s, size_t len)
{
    if (!s->lengths || len > s->max_len) {
        size_t had = s->lengths ? s->max_len + 1 : 0;
        s->lengths = mem_realloc(s->lengths, len + 1);
        memset(s->lengths + had, 0, len + 1 - had);
        s->max_len = len;
    }
    s->lengths[len] = 1;
}

void textset_add(struct textset *s, struct slice text)
{
    if (!text.ptr)
        text = SLICE_LIT(""); /* a member is never NONE: that marks a free slot */
    if (2 * (s->count + 1) > s->cap)
        grow_slots(s);
    uint64_t hash = hash_text(text);
    struct textset_slot *slot = probe(s, hash, text);
    if (slot->text.ptr)
        return;
    *slot = (struct textset_slot){hash, text};
    s->count++;
    note_length(s, text.len);
}

struct slice textset_find(const struct textset *s, struct slice text)
{
    if (s->count == 0 || text.len > s->max_len || !s->lengths[text.len])
        return SLICE_NONE;
    return probe(s, hash_text(text), text)->text;
}

static bool is_at_label(struct slice text, size_t from)
{
    return from == 0 || text.ptr[from - 1] == '.' || (from < text.len && text.ptr[from] == '.');
}

struct slice textset_find_suffix(const struct textset *s, struct slice text, bool at_label)
{
    if (s->count == 0)
        return SLICE_NONE;
    uint64_t hash = HASH_START;
    for (size_t len = 0; len <= text.len && len <= s->max_len; len++) {
        size_t from = text.len - len;
        if (len > 0)
            hash = hash_byte(hash, text.ptr[from]);
        if (!s->lengths[len] || (at_label && !is_at_label(text, from)))
            continue;
        struct slice found = probe(s, hash, slice_from(text, from))->text;
        if (found.ptr)
            return found;
    }
    return SLICE_NONE;
}

void textset_fini(struct textset *s)
{
    free(s->slots);
    free(s->lengths);
    *s = (struct textset){0};
}
