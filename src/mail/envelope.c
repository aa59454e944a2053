/* envelope.c - sender and recipients of a message, as each filter sees them. Knows when two addresses are the same. */
#include "mail/internal.h"
#include "base/mem.h"

#include <string.h>

/* "<user@Example.org>": local part and domain, each borrowed. Everything without an `@` is local part. */
static void split_address(struct slice address, struct slice *local, struct slice *domain)
{
    struct slice s = slice_trim(address, " \t");
    if (s.len >= 2 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
        s = slice_of(s.ptr + 1, s.len - 2);
    size_t at = slice_rfind(s, '@');
    *local = slice_upto(s, at);
    *domain = slice_from(s, at);
}

static bool address_eq(struct slice a, struct slice b)
{
    struct slice local_a, local_b, domain_a, domain_b;
    split_address(a, &local_a, &domain_a);
    split_address(b, &local_b, &domain_b);
    return slice_eq(local_a, local_b) && slice_eq_nocase(domain_a, domain_b);
}

/* FNV-1a. Only to pass quickly over others: who makes them collide gains nothing but comparisons. */
static uint32_t address_hash(struct slice address)
{
    struct slice local, domain;
    split_address(address, &local, &domain);
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < local.len; i++)
        hash = (hash ^ (uint8_t)local.ptr[i]) * 16777619U;
    for (size_t i = 0; i < domain.len; i++)
        hash = (hash ^ (uint8_t)ascii_lower(domain.ptr[i])) * 16777619U;
    return hash;
}

static struct slice next_argument(struct slice *rest)
{
    size_t from = 0;
    while (from < rest->len && (rest->ptr[from] == ' ' || rest->ptr[from] == '\0'))
        from++;
    size_t end = from;
    while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\0')
        end++;
    struct slice argument = slice_upto(slice_from(*rest, from), end - from);
    *rest = slice_from(*rest, end);
    return argument;
}

/* As they stand in MAIL and RCPT: each with its NUL. A filter says them in one string, parted by blanks. */
static struct slice wire_arguments(struct mail *m, struct slice said)
{
    struct buf b = {0};
    for (struct slice argument; (argument = next_argument(&said)).len > 0;) {
        buf_put_slice(&b, argument);
        buf_put_byte(&b, '\0');
    }
    struct slice kept = b.len > 0 ? arena_slice(&m->arena, buf_slice(&b)) : SLICE_NONE;
    buf_fini(&b);
    return kept;
}

bool mail_esmtp_eq(struct slice a, struct slice b)
{
    for (;;) {
        struct slice x = next_argument(&a), y = next_argument(&b);
        if (!slice_eq(x, y))
            return false;
        if (x.len == 0)
            return true;
    }
}

/* ---- recipients ---- */

bool mail_recipient_is_in(const struct mail_recipient *r, mail_view v)
{
    return r->born <= v && v < r->died;
}

static struct mail_recipient *append(struct mail *m, mail_view born, uint32_t hash, struct slice address, struct slice esmtp)
{
    struct mail_recipient *r = arena_alloc(&m->arena, sizeof(*r));
    *r = (struct mail_recipient){
        .born = born,
        .died = MAIL_NEVER,
        .number = m->n_recipients++,
        .hash = hash,
        .address = address,
        .esmtp = esmtp,
    };
    if (m->last_recipient)
        m->last_recipient->next = r;
    else
        m->recipients = r;
    m->last_recipient = r;
    return r;
}

enum err mail_add_recipient(struct mail *m, struct slice address, struct slice esmtp)
{
    size_t room = MAIL_RECIPIENTS_MAX_BYTES - m->recipient_bytes, node = sizeof(struct mail_recipient);
    if (node > room || address.len > room - node || esmtp.len > room - node - address.len)
        return ERR_LIMIT;
    m->recipient_bytes += node + address.len + esmtp.len;
    append(m, 0, address_hash(address), arena_slice(&m->arena, address), arena_slice(&m->arena, esmtp));
    return ERR_NONE;
}

void mail_lose_recipient(struct mail *m, unsigned number)
{
    struct mail_recipient *r = m->last_recipient;
    if (!r || r->number != number)
        PANIC("not the last recipient");
    r->died = 0; /* before it was born */
}

bool mail_next_recipient(const struct mail *m, mail_view v, struct mail_cursor *c, struct slice *address,
                         struct slice *esmtp, unsigned *number)
{
    const struct mail_recipient *last = c->at;
    for (const struct mail_recipient *r = last ? last->next : m->recipients; r; r = r->next) {
        if (!mail_recipient_is_in(r, v))
            continue;
        c->at = r;
        *address = r->address;
        *esmtp = r->esmtp;
        *number = r->number;
        return true;
    }
    return false;
}

const struct mail_recipient *mail_recipient_like(const struct mail *m, mail_view v, const struct mail_recipient *r)
{
    for (const struct mail_recipient *o = m->recipients; o; o = o->next)
        if (o != r && o->hash == r->hash && mail_recipient_is_in(o, v) && address_eq(o->address, r->address))
            return o;
    return NULL;
}

bool mail_has_recipient(const struct mail *m, mail_view v, struct slice address)
{
    uint32_t hash = address_hash(address);
    for (const struct mail_recipient *r = m->recipients; r; r = r->next)
        if (r->hash == hash && mail_recipient_is_in(r, v) && address_eq(r->address, address))
            return true;
    return false;
}

static void add_recipient(struct mail *m, unsigned f, const struct mail_edit *e)
{
    uint32_t hash = address_hash(e->name);
    if (mail_has_recipient(m, f + 1, e->name))
        return;
    struct mail_change *c = mail_note(m, f, e);
    c->recipient = append(m, f + 1, hash, c->name, wire_arguments(m, c->value));
}

/*
 * All of them: the MTA may have taken one address twice, and its DELRCPT means both. One that was never named here, or that was
 * refused here, the MTA may have all the same (always_bcc, an alias that it has expanded): the change has no recipient then.
 */
static void delete_recipient(struct mail *m, unsigned f, const struct mail_edit *e)
{
    uint32_t hash = address_hash(e->name);
    struct mail_change *c = NULL;
    bool known = false;
    for (struct mail_recipient *r = m->recipients; r; r = r->next) {
        if (r->hash != hash || !address_eq(r->address, e->name))
            continue;
        known |= r->died > 0; /* also one that an earlier filter has deleted */
        if (!mail_recipient_is_in(r, f + 1))
            continue;
        bool news = r->died == MAIL_NEVER; /* else a filter behind, which came before its turn, has deleted it too */
        r->died = f + 1;
        if (news && !c) {
            c = mail_note(m, f, e);
            c->recipient = r;
        }
    }
    for (const struct mail_change *o = m->changes; o && !known; o = o->next)
        known = o->kind == MAIL_DELETE_RECIPIENT && !o->recipient && address_eq(o->name, e->name); /* said already */
    if (!known)
        (void)mail_note(m, f, e);
}

/* ---- sender ---- */

static void set_sender(struct mail *m, mail_view since, struct slice address, struct slice esmtp)
{
    struct mail_sender **at = &m->sender, *s = arena_alloc(&m->arena, sizeof(*s));
    while (*at && (*at)->since > since) /* of a filter that came before its turn */
        at = &(*at)->older;
    *s = (struct mail_sender){*at, since, address, esmtp};
    *at = s;
}

void mail_set_sender(struct mail *m, struct slice address, struct slice esmtp)
{
    set_sender(m, 0, arena_slice(&m->arena, address), arena_slice(&m->arena, esmtp));
}

void mail_sender(const struct mail *m, mail_view v, struct slice *address, struct slice *esmtp)
{
    const struct mail_sender *s = m->sender;
    while (s && s->since > v)
        s = s->older;
    *address = s ? s->address : SLICE_NONE;
    *esmtp = s ? s->esmtp : SLICE_NONE;
}

/* ---- both ---- */

void mail_apply_envelope(struct mail *m, unsigned f, const struct mail_edit *e)
{
    switch (e->kind) {
    case MAIL_ADD_RECIPIENT:
        add_recipient(m, f, e);
        break;
    case MAIL_DELETE_RECIPIENT:
        delete_recipient(m, f, e);
        break;
    case MAIL_CHANGE_SENDER: {
        const struct mail_change *c = mail_note(m, f, e);
        set_sender(m, f + 1, c->name, wire_arguments(m, c->value));
        break;
    }
    case MAIL_QUARANTINE:
        mail_note(m, f, e);
        break;
    default:
        break;
    }
}

bool mail_envelope_differs(const struct mail *m, mail_view a, mail_view b)
{
    struct slice address_a, address_b, esmtp_a, esmtp_b;
    mail_sender(m, a, &address_a, &esmtp_a);
    mail_sender(m, b, &address_b, &esmtp_b);
    if (!slice_eq(address_a, address_b) || !mail_esmtp_eq(esmtp_a, esmtp_b))
        return true;
    for (const struct mail_recipient *r = m->recipients; r; r = r->next) {
        bool in_a = mail_recipient_is_in(r, a);
        if (in_a == mail_recipient_is_in(r, b))
            continue;
        const struct mail_recipient *other = mail_recipient_like(m, in_a ? b : a, r);
        if (!other || !mail_esmtp_eq(other->esmtp, r->esmtp))
            return true;
    }
    return false;
}
