/* edit.c - the list of one filter's edits. Knows its bounds, not what an edit does. */
#include "mail/edit.h"

enum err mail_edits_add(struct mail_edits *edits, enum mail_edit_kind kind, uint32_t index, struct slice name,
                        struct slice value)
{
    size_t room = MAIL_EDITS_MAX_BYTES - edits->bytes;
    bool of_envelope = kind != MAIL_ADD_HEADER && kind != MAIL_INSERT_HEADER && kind != MAIL_CHANGE_HEADER;
    if (edits->count == MAIL_EDITS_MAX || (of_envelope && edits->n_envelope == MAIL_ENVELOPE_EDITS_MAX))
        return ERR_LIMIT;
    if (name.len > room || value.len > room - name.len)
        return ERR_LIMIT;
    struct mail_edit *e = arena_zalloc(&edits->arena, sizeof(*e));
    e->kind = kind;
    e->index = index;
    e->name = arena_slice(&edits->arena, name);
    e->value = arena_slice(&edits->arena, value);
    if (edits->last)
        edits->last->next = e;
    else
        edits->first = e;
    edits->last = e;
    edits->count++;
    edits->n_envelope += of_envelope;
    edits->bytes += name.len + value.len;
    return ERR_NONE;
}

void mail_edits_fini(struct mail_edits *edits)
{
    arena_fini(&edits->arena);
    *edits = (struct mail_edits){0};
}
