/* storm_mail.c - a message and edits of it, as plain lists. */
#include "storm.h"

#include <string.h>
#include <strings.h>

void storm_text(char *to, struct slice from)
{
    size_t n = from.len < TEXT_BYTES - 1 ? from.len : TEXT_BYTES - 1;
    if (n > 0)
        memcpy(to, from.ptr, n);
    to[n] = '\0';
}

void storm_mail_copy(struct storm_mail *to, const struct storm_mail *from)
{
    struct buf body = to->body;
    *to = *from;
    to->body = body;
    buf_clear(&to->body);
    buf_put_slice(&to->body, buf_slice(&from->body));
}

void storm_mail_fini(struct storm_mail *m)
{
    buf_fini(&m->body);
}

static void put_at(struct storm_headers *h, int at, const struct storm_header *new)
{
    if (h->n == HEADERS_MAX)
        return;
    memmove(&h->at[at + 1], &h->at[at], (size_t)(h->n - at) * sizeof(h->at[0]));
    h->at[at] = *new;
    h->n++;
}

static int find_id(const struct storm_headers *h, int id)
{
    for (int i = 0; i < h->n; i++)
        if (h->at[i].id == id)
            return i;
    return h->n;
}

static int find_nth(const struct storm_headers *h, const char *name, uint32_t nth)
{
    for (int i = 0; i < h->n; i++)
        if (h->at[i].id != 0 && !h->at[i].dead && !strcasecmp(h->at[i].name, name) && --nth == 0)
            return i;
    return h->n;
}

/* seen has only what lives; all has the dead, too. One and the same list, with an MTA. */
static void apply_header(struct storm_headers *all, struct storm_headers *seen, const struct storm_edit *e, int id)
{
    struct storm_header new = {.id = id};
    strcpy(new.name, e->name);
    strcpy(new.value, e->value);
    if (e->code == SMFIR_CHGHEADER) {
        int at = find_nth(seen, e->name, e->index ? e->index : 1);
        if (at < seen->n) {
            struct storm_header *h = &all->at[find_id(all, seen->at[at].id)];
            if (e->value[0] == '\0') {
                h->dead = true;
                seen->n--;
                memmove(&seen->at[at], &seen->at[at + 1], (size_t)(seen->n - at) * sizeof(seen->at[0]));
            } else {
                strcpy(h->value, e->value);
            }
            return;
        }
        if (e->value[0] == '\0')
            return;
    }
    if (e->code == SMFIR_INSHEADER && e->index <= (uint32_t)seen->n) {
        put_at(all, e->index == 0 ? 0 : find_id(all, seen->at[e->index - 1].id) + 1, &new);
        put_at(seen, (int)e->index, &new);
    } else {
        put_at(all, all->n, &new);
        put_at(seen, seen->n, &new);
    }
}

int storm_find_recipient(const struct storm_recipients *r, const char *address)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->at[i], address))
            return i;
    return -1;
}

void storm_add_recipient(struct storm_recipients *r, const char *address)
{
    if (storm_find_recipient(r, address) < 0 && r->n < RECIPIENTS_MAX)
        strcpy(r->at[r->n++], address);
}

void storm_drop_recipient(struct storm_recipients *r, const char *address)
{
    int at = storm_find_recipient(r, address);
    if (at >= 0)
        memmove(r->at[at], r->at[at + 1], (size_t)(--r->n - at) * sizeof(r->at[0]));
}

bool storm_recipients_have(const struct storm_recipients *all, const struct storm_recipients *some)
{
    for (int i = 0; i < some->n; i++)
        if (storm_find_recipient(all, some->at[i]) < 0)
            return false;
    return true;
}

static void apply(struct storm_mail *m, struct storm_headers *seen, const struct storm_edit *e, int id)
{
    switch (e->code) {
    case SMFIR_ADDRCPT:
    case SMFIR_ADDRCPT_PAR:
        storm_add_recipient(&m->recipients, e->name);
        break;
    case SMFIR_DELRCPT:
        storm_drop_recipient(&m->recipients, e->name);
        break;
    case SMFIR_CHGFROM:
        strcpy(m->sender, e->name);
        break;
    case SMFIR_QUARANTINE:
        strcpy(m->quarantine, e->name);
        break;
    default:
        apply_header(&m->headers, seen, e, id);
        break;
    }
}

static void alive(struct storm_headers *to, const struct storm_headers *from)
{
    to->n = 0;
    for (int i = 0; i < from->n; i++)
        if (!from->at[i].dead)
            to->at[to->n++] = from->at[i];
}

void storm_apply(struct storm_mail *m, const struct storm_headers *seen_by_it, const struct storm_edits *edits, int *next_id)
{
    static struct storm_headers seen;
    alive(&seen, seen_by_it);
    for (int i = 0; i < edits->n; i++)
        apply(m, &seen, &edits->at[i], ++*next_id);
    if (edits->has_body) {
        buf_clear(&m->body);
        buf_put_slice(&m->body, buf_slice(&edits->body));
    }
}

void storm_mta_applies(struct storm_mail *m, const struct milter_reply *r, bool leadspc)
{
    static struct storm_headers seen;
    static int id = 1 << 20;
    struct storm_edit e = {.code = r->code};
    switch (r->code) {
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER: {
        struct buf value = {0};
        e.index = r->u.header.index;
        if (!leadspc && (r->u.header.value.len > 0 || r->code != SMFIR_CHGHEADER))
            buf_put_byte(&value, ' ');
        buf_put_slice(&value, r->u.header.value);
        storm_text(e.name, r->u.header.name);
        storm_text(e.value, buf_slice(&value));
        buf_fini(&value);
        break;
    }
    case SMFIR_QUARANTINE:
        storm_text(e.name, r->u.reason);
        break;
    default:
        storm_text(e.name, r->u.address.address);
        break;
    }
    alive(&seen, &m->headers);
    m->headers = seen;
    apply(m, &seen, &e, ++id);
}

const char *storm_headers_differ(const struct storm_headers *a, const struct storm_headers *b, bool own_too)
{
    int i = 0, k = 0;
    for (;;) {
        while (i < a->n && (a->at[i].dead || (a->at[i].id == 0 && !own_too)))
            i++;
        while (k < b->n && (b->at[k].dead || (b->at[k].id == 0 && !own_too)))
            k++;
        if (i == a->n && k == b->n)
            return NULL;
        if (i == a->n)
            return b->at[k].name;
        if (k == b->n || strcmp(a->at[i].name, b->at[k].name) != 0 || strcmp(a->at[i].value, b->at[k].value) != 0)
            return a->at[i].name;
        i++;
        k++;
    }
}
