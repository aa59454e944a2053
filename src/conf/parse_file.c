/*
 * parse_file.c - what is remembered of each file of statements, because it counts for the lines of that file only. What follows
 * from all of them together is said in check.c.
 */
#include "conf/parse.h"

#include <string.h>

struct conf_file *parse_begin_file(struct parser *p, const char *path)
{
    struct conf_file **at = &p->c->statement_files;
    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = arena_zalloc(&p->c->arena, sizeof(**at));
        (*at)->path = path;
    }
    return *at;
}

void parse_note_domain(struct parser *p, const struct conf_item *item)
{
    struct conf_file *file = p->file;
    if (file->end.ptr || item->is_end || slice_has_prefix(item->text, "."))
        return;
    file->end = item->text;
    file->end_where = item->where;
}

void parse_set_domainexact(struct parser *p, const struct token *word)
{
    struct conf_file *file = p->file;
    if (file->domainexact_where.file)
        diags_add(p->diags, DIAG_NOTE, word->where, NULL, "domainexact was set in %s:%u already; this line counts",
                  file->domainexact_where.file, file->domainexact_where.line);
    file->domainexact = p->c->set.domainexact;
    file->domainexact_where = word->where;
}
