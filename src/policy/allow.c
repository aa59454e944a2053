/*
 * allow.c - entries, their text, and an index.
 *
 * An entry is indexed by one of its criteria: the client's network, else the name, the sender, the recipient. A question is asked as
 * all texts that could stand there: networks of each width in use, and a name with each of its parents.
 */
#include "policy/allow.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_CLIENT = 'c', KIND_NAME = 'n', KIND_SENDER = 'f', KIND_RECIPIENT = 't' };

struct index_slot {
    uint64_t hash;
    uint32_t entry;
};

struct allows {
    unsigned references;
    struct arena arena; /* texts; what was removed stays until the end */
    struct allow_entry *entries;
    size_t count, cap;
    struct slice *unknown; /* lines that were not understood */
    size_t n_unknown, cap_unknown;
    struct index_slot *index; /* sorted; NULL: not made since the last change */
    bool widths[2][129];      /* by family (IPv4 first): networks of this width are there */
};

struct allows *allows_new(void)
{
    struct allows *a = mem_zalloc(sizeof(*a));
    a->references = 1;
    return a;
}

struct allows *allows_ref(struct allows *a)
{
    a->references++;
    return a;
}

void allows_unref(struct allows *a)
{
    if (!a || --a->references > 0)
        return;
    arena_fini(&a->arena);
    free(a->entries);
    free(a->unknown);
    free(a->index);
    free(a);
}

size_t allows_count(const struct allows *a)
{
    return a->count;
}

const struct allow_entry *allows_at(const struct allows *a, size_t i)
{
    return &a->entries[i];
}

/* ---- criteria ---- */

static void put_net(const struct allow_entry *e, struct buf *out)
{
    char text[IP_TEXT_MAX];
    buf_put_cstr(out, ip_format(&e->net, text));
    if (e->bits < ip_width_bits(&e->net))
        buf_printf(out, "/%u", e->bits);
}

/* As `key=value` words. Values have no blank (allow_take). */
void allow_put_words(const struct allow_entry *e, struct buf *out)
{
    const struct {
        const char *key;
        struct slice value;
    } texts[] = {{"name", e->name}, {"from", e->sender}, {"to", e->recipient}};
    bool any = e->net.family != IP_NONE;
    if (any) {
        buf_put_cstr(out, "client=");
        put_net(e, out);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!texts[i].value.len)
            continue;
        buf_printf(out, "%s%s=%.*s", any ? " " : "", texts[i].key, SLICE_ARG(texts[i].value));
        any = true;
    }
}

/* FNV-1a, 64 bits: the entries are an administrator's, nobody outside chooses them. Case counts for nothing. */
static uint64_t hash_of(char kind, struct slice text)
{
    uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ (uint8_t)kind) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)ascii_lower(text.ptr[i])) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

void allow_id(const struct allow_entry *e, char out[ALLOW_ID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    struct buf words = {0};
    allow_put_words(e, &words);
    uint64_t hash = hash_of('i', buf_slice(&words));
    for (int i = 0; i < ALLOW_ID_SIZE - 1; i++)
        out[i] = hex[hash >> (4 * i) & 15];
    out[ALLOW_ID_SIZE - 1] = '\0';
    buf_fini(&words);
}

/* Names and mailboxes: visible ASCII or UTF-8, no blanks. An `=` may stand in a mailbox: the text's form is cut at the first one. */
static bool is_word(struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        if (c <= 0x20 || c == 0x7f || c == '\\')
            return false;
    }
    return word.len > 0 && word.len <= ALLOW_TEXT_MAX_BYTES;
}

static const char *take_net(struct allow_entry *e, struct slice word)
{
    struct slice rest = word, address = slice_cut(&rest, '/');
    uint64_t bits;
    if (ip_parse(address, &e->net) != ERR_NONE)
        return "a client is an IP address, or a network such as 192.0.2.0/24";
    e->bits = (uint8_t)ip_width_bits(&e->net);
    if (!rest.ptr)
        return NULL;
    if (slice_to_u64(rest, &bits) != ERR_NONE || bits > e->bits)
        return "there are no such networks: an IPv4 network has /0 to /32, an IPv6 one /0 to /128";
    if (bits == 0)
        return "a network of everybody: to let everybody in use `tarsier pause`";
    struct ip masked = ip_mask(&e->net, (unsigned)bits);
    if (!ip_eq(&masked, &e->net))
        return "the address has bits beyond its network: write 192.0.2.0/24, not 192.0.2.7/24";
    e->bits = (uint8_t)bits;
    return NULL;
}

static const char *take_mailbox(struct slice *to, struct slice word)
{
    size_t at = slice_rfind(word, '@');
    if (slice_eq_cstr(word, "<>")) {
        *to = word;
        return NULL;
    }
    word = slice_trim(word, "<>");
    at = slice_rfind(word, '@');
    if (!is_word(word) || at + 1 >= word.len)
        return "a mailbox is a@example.org, or @example.org for all of a domain and those below it";
    *to = word;
    return NULL;
}

static const char *take_name(struct allow_entry *e, struct slice word)
{
    if (word.len > 1 && word.ptr[0] == '.')
        word = slice_from(word, 1); /* the names below it are meant in any case */
    if (!is_word(word) || slice_find(word, '.') == word.len || slice_find(word, '@') < word.len ||
        slice_find(word, '=') < word.len)
        return "a client's name has a dot: mail.example.org, or example.org for all below it";
    e->name = word;
    return NULL;
}

const char *allow_take(struct allow_entry *e, const char *key, struct slice word)
{
    static const char given_twice[] = "a key is given twice: make an entry for each value";
    struct ip ip;
    struct slice rest = word, first = slice_cut(&rest, '/');
    bool by_form = !key;
    if (by_form && ip_parse(first, &ip) == ERR_NONE)
        key = "client";
    else if (by_form)
        key = slice_find(word, '@') < word.len || slice_eq_cstr(word, "<>") ? "from" : "name";
    if (strcmp(key, "client") == 0)
        return e->net.family != IP_NONE ? given_twice : take_net(e, word);
    if (strcmp(key, "name") == 0)
        return e->name.len ? given_twice : take_name(e, word);
    if (strcmp(key, "from") == 0)
        return e->sender.len ? given_twice : take_mailbox(&e->sender, word);
    if (strcmp(key, "to") == 0)
        return e->recipient.len ? given_twice : take_mailbox(&e->recipient, word);
    return "it knows client, name, from and to";
}

/* ---- the list ---- */

static bool says_the_same(const struct allow_entry *a, const struct allow_entry *b)
{
    return ip_eq(&a->net, &b->net) && a->bits == b->bits && slice_eq_nocase(a->name, b->name) &&
           slice_eq_nocase(a->sender, b->sender) && slice_eq_nocase(a->recipient, b->recipient);
}

static void forget_index(struct allows *a)
{
    free(a->index);
    a->index = NULL;
}

static struct allow_entry copy_of(struct allows *a, const struct allow_entry *e)
{
    struct allow_entry copy = *e;
    struct slice *const texts[] = {&copy.name, &copy.sender, &copy.recipient, &copy.by, &copy.reason};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_slice(&a->arena, *texts[i]);
    return copy;
}

static enum err add(struct allows *a, const struct allow_entry *e)
{
    if (e->net.family == IP_NONE && !e->name.len && !e->sender.len && !e->recipient.len)
        return ERR_SYNTAX;
    if (a->count == ALLOWS_MAX)
        return ERR_LIMIT;
    a->entries = mem_grow(a->entries, &a->cap, a->count + 1, sizeof(*a->entries));
    a->entries[a->count++] = copy_of(a, e);
    forget_index(a);
    return ERR_NONE;
}

enum err allows_add(struct allows *a, const struct allow_entry *e)
{
    for (size_t i = 0; i < a->count; i++)
        if (says_the_same(&a->entries[i], e)) {
            a->entries[i] = copy_of(a, e);
            forget_index(a);
            return ERR_NONE;
        }
    return add(a, e);
}

enum err allows_remove(struct allows *a, const char *id)
{
    char of_entry[ALLOW_ID_SIZE];
    size_t before = a->count, kept = 0;
    for (size_t i = 0; i < before; i++) {
        allow_id(&a->entries[i], of_entry);
        if (strcmp(of_entry, id) != 0)
            a->entries[kept++] = a->entries[i];
    }
    a->count = kept;
    forget_index(a);
    return kept < before ? ERR_NONE : ERR_NOT_FOUND;
}

void allows_drop_ended(struct allows *a, struct wall now)
{
    size_t before = a->count, kept = 0;
    for (size_t i = 0; i < before; i++)
        if (!a->entries[i].until_sec || a->entries[i].until_sec > now.sec)
            a->entries[kept++] = a->entries[i];
    a->count = kept;
    if (kept < before)
        forget_index(a);
}

/* ---- text: `allow client=192.0.2.7 from=a@example.org until=1800000000 added=1795500000 by=root reason=…`, between tabs ---- */

static bool take_number(struct slice value, int64_t *out)
{
    uint64_t n;
    if (slice_to_u64(value, &n) != ERR_NONE || n > INT64_MAX)
        return false;
    *out = (int64_t)n;
    return true;
}

static bool take_field(struct allow_entry *e, struct slice field)
{
    static const char *const criteria[] = {"client", "name", "from", "to"};
    struct slice value = field, key = slice_cut(&value, '=');
    if (!value.ptr)
        return false;
    for (size_t i = 0; i < COUNT_OF(criteria); i++)
        if (slice_eq_cstr(key, criteria[i]))
            return allow_take(e, criteria[i], value) == NULL;
    if (slice_eq_cstr(key, "until"))
        return take_number(value, &e->until_sec);
    if (slice_eq_cstr(key, "added"))
        return take_number(value, &e->added_sec);
    if (slice_eq_cstr(key, "by"))
        e->by = value;
    else if (slice_eq_cstr(key, "reason"))
        e->reason = value;
    else
        return false; /* of a later version: what it would narrow down must not be let in without it */
    return true;
}

static bool take_line(struct allow_entry *e, struct slice line)
{
    struct slice rest = line;
    if (!slice_eq_cstr(slice_cut(&rest, '\t'), "allow"))
        return false;
    while (rest.ptr)
        if (!take_field(e, slice_cut(&rest, '\t')))
            return false;
    return true;
}

enum err allows_parse(struct allows *a, struct slice text, size_t *unknown)
{
    *unknown = 0;
    while (text.len > 0) {
        struct allow_entry e = {0};
        struct slice line = slice_cut(&text, '\n');
        if (line.len == 0)
            continue;
        enum err err = take_line(&e, line) ? add(a, &e) : ERR_SYNTAX;
        if (err == ERR_LIMIT)
            return err;
        if (err == ERR_NONE)
            continue;
        a->unknown = mem_grow(a->unknown, &a->cap_unknown, a->n_unknown + 1, sizeof(*a->unknown));
        a->unknown[a->n_unknown++] = arena_slice(&a->arena, line);
        *unknown += line.ptr[0] != '#';
    }
    return ERR_NONE;
}

static void put_entry(const struct allow_entry *e, struct buf *out)
{
    struct buf words = {0};
    allow_put_words(e, &words);
    buf_put_cstr(out, "allow");
    for (struct slice rest = buf_slice(&words); rest.len > 0;) {
        buf_put_byte(out, '\t');
        buf_put_slice(out, slice_cut(&rest, ' '));
    }
    buf_fini(&words);
    if (e->until_sec)
        buf_printf(out, "\tuntil=%" PRId64, e->until_sec);
    buf_printf(out, "\tadded=%" PRId64, e->added_sec);
    if (e->by.len) {
        buf_put_cstr(out, "\tby=");
        buf_put_visible(out, slice_upto(e->by, ALLOW_TEXT_MAX_BYTES));
    }
    if (e->reason.len) {
        buf_put_cstr(out, "\treason=");
        buf_put_visible(out, slice_upto(e->reason, ALLOW_TEXT_MAX_BYTES));
    }
    buf_put_byte(out, '\n');
}

void allows_put(const struct allows *a, struct wall now, struct buf *out)
{
    for (size_t i = 0; i < a->n_unknown; i++) {
        buf_put_slice(out, a->unknown[i]);
        buf_put_byte(out, '\n');
    }
    for (size_t i = 0; i < a->count; i++)
        if (!a->entries[i].until_sec || a->entries[i].until_sec > now.sec)
            put_entry(&a->entries[i], out);
}

/* ---- the index ---- */

static size_t family_index(const struct ip *ip)
{
    return ip->family == IP_V6;
}

static uint64_t hash_net(const struct ip *net, unsigned bits)
{
    uint8_t key[18] = {net->family, (uint8_t)bits};
    memcpy(key + 2, net->bytes, sizeof(net->bytes));
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(key); i++)
        hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static uint64_t hash_of_entry(const struct allow_entry *e)
{
    if (e->net.family != IP_NONE)
        return hash_net(&e->net, e->bits);
    if (e->name.len)
        return hash_of(KIND_NAME, e->name);
    return e->sender.len ? hash_of(KIND_SENDER, e->sender) : hash_of(KIND_RECIPIENT, e->recipient);
}

static int by_hash(const void *a, const void *b)
{
    const struct index_slot *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

void allows_index(struct allows *a)
{
    forget_index(a);
    memset(a->widths, 0, sizeof(a->widths));
    a->index = mem_alloc((a->count + 1) * sizeof(*a->index));
    for (size_t i = 0; i < a->count; i++) {
        const struct allow_entry *e = &a->entries[i];
        a->index[i] = (struct index_slot){hash_of_entry(e), (uint32_t)i};
        if (e->net.family != IP_NONE)
            a->widths[family_index(&e->net)][e->bits] = true;
    }
    qsort(a->index, a->count, sizeof(*a->index), by_hash);
}

/* ---- questions ---- */

/* The name itself, or one below it. */
static bool is_below(struct slice name, struct slice domain)
{
    return slice_has_suffix_nocase(name, domain) &&
           (name.len == domain.len || (name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.'));
}

static bool is_mailbox(struct slice address, struct slice wanted)
{
    if (!address.ptr)
        return false;
    if (slice_eq_cstr(wanted, "<>"))
        return slice_eq_cstr(address, "<>");
    struct slice mailbox = slice_trim(address, "<>");
    size_t at = slice_rfind(mailbox, '@');
    if (wanted.ptr[0] != '@')
        return slice_eq_nocase(mailbox, wanted);
    return at < mailbox.len && is_below(slice_from(mailbox, at + 1), slice_from(wanted, 1));
}

static bool is_true(const struct allow_entry *e, const struct allow_question *q)
{
    return (!e->until_sec || e->until_sec > q->now.sec) &&
           (e->net.family == IP_NONE || ip_in(&q->client, &e->net, e->bits)) &&
           (!e->name.len || (q->name.len && is_below(q->name, e->name))) &&
           (!e->sender.len || is_mailbox(q->sender, e->sender)) &&
           (!e->recipient.len || is_mailbox(q->recipient, e->recipient));
}

static const struct allow_entry *find_hash(const struct allows *a, uint64_t hash, const struct allow_question *q)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->index[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < a->count && a->index[low].hash == hash; low++)
        if (is_true(&a->entries[a->index[low].entry], q))
            return &a->entries[a->index[low].entry];
    return NULL;
}

/* The name and each of its parents. */
static const struct allow_entry *find_name(const struct allows *a, const struct allow_question *q)
{
    for (struct slice name = q->name; name.len > 0; (void)slice_cut(&name, '.')) {
        const struct allow_entry *e = find_hash(a, hash_of(KIND_NAME, name), q);
        if (e)
            return e;
    }
    return NULL;
}

/* The mailbox, then @domain for its domain and each parent. */
static const struct allow_entry *find_mailbox(const struct allows *a, char kind, struct slice address,
                                              const struct allow_question *q)
{
    struct slice mailbox = slice_eq_cstr(address, "<>") ? address : slice_trim(address, "<>");
    const struct allow_entry *e = find_hash(a, hash_of(kind, mailbox), q);
    size_t at = slice_rfind(mailbox, '@');
    struct buf key = {0};
    for (struct slice domain = slice_from(mailbox, at + 1); !e && domain.len > 0; (void)slice_cut(&domain, '.')) {
        buf_clear(&key);
        buf_put_byte(&key, '@');
        buf_put_slice(&key, domain);
        e = find_hash(a, hash_of(kind, buf_slice(&key)), q);
    }
    buf_fini(&key);
    return e;
}

const struct allow_entry *allows_find(const struct allows *a, const struct allow_question *q)
{
    const struct allow_entry *e = NULL;
    if (a->count == 0)
        return NULL;
    if (!a->index)
        PANIC("a list of allows that is asked before its index is made");
    for (unsigned bits = ip_width_bits(&q->client); !e && bits > 0; bits--) {
        if (!a->widths[family_index(&q->client)][bits])
            continue;
        struct ip net = ip_mask(&q->client, bits);
        e = find_hash(a, hash_net(&net, bits), q);
    }
    if (!e)
        e = find_name(a, q);
    if (!e && q->sender.ptr)
        e = find_mailbox(a, KIND_SENDER, q->sender, q);
    if (!e && q->recipient.ptr)
        e = find_mailbox(a, KIND_RECIPIENT, q->recipient, q);
    return e;
}

void allow_fields(const struct allow_entry *e, struct arena *arena, struct slice out[ALLOW_FIELDS])
{
    char id[ALLOW_ID_SIZE];
    struct buf words = {0};
    allow_id(e, id);
    allow_put_words(e, &words);
    out[0] = arena_slice(arena, slice_cstr(id));
    out[1] = arena_slice(arena, buf_slice(&words));
    out[2] = slice_cstr(arena_printf(arena, "%" PRId64, e->until_sec));
    out[3] = slice_cstr(arena_printf(arena, "%" PRId64, e->added_sec));
    out[4] = e->by;
    out[5] = e->reason;
    buf_fini(&words);
}
