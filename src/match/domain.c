/*
 * domain.c - what host names tell. Knows labels and the Public Suffix List (libpsl); asks no DNS, so whether a name is true is
 * the caller's affair.
 */
#include "match/domain.h"

#include "base/mem.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

/* ---- base domains ---- */

struct domain_list {
    psl_ctx_t *psl;
};

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 }; /* RFC 1035 2.3.4, as text without the final dot */

struct domain_list *domain_list_open(void)
{
    /* The newer of the system's file and the one inside the library. */
    psl_ctx_t *psl = psl_latest(NULL);
    if (!psl)
        return NULL;
    struct domain_list *list = mem_zalloc(sizeof(*list));
    list->psl = psl;
    return list;
}

void domain_list_free(struct domain_list *list)
{
    if (!list)
        return;
    psl_free(list->psl);
    free(list);
}

static bool is_host_label(struct slice label)
{
    if (label.len == 0 || label.len > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        /* `_` is no host name's by RFC 952, but real reverse names have it. */
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* Labels of letters, digits and hyphens, and no number last: 192.0.2.1 is an address, not a name. */
static bool is_host_name(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return false;
    struct slice last = SLICE_NONE;
    for (struct slice rest = name; rest.ptr;) {
        last = slice_cut(&rest, '.');
        if (!is_host_label(last))
            return false;
    }
    for (size_t i = 0; i < last.len; i++)
        if (!ascii_is_digit(last.ptr[i]))
            return true;
    return false;
}

struct slice domain_base(const struct domain_list *list, struct slice name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!is_host_name(name))
        return SLICE_NONE;
    char text[NAME_MAX_BYTES + 1];
    for (size_t i = 0; i < name.len; i++)
        text[i] = ascii_lower(name.ptr[i]);
    text[name.len] = '\0';
    const char *base = psl_registrable_domain(list->psl, text);
    if (!base || !*base)
        return SLICE_NONE;
    /* libpsl takes an unknown top level for a suffix (the list's default rule `*`); we want to know nothing of it. */
    const char *suffix = psl_unregistrable_domain(list->psl, text);
    if (!suffix || !psl_is_public_suffix2(list->psl, suffix, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE))
        return SLICE_NONE;
    return slice_from(name, (size_t)(base - text));
}

/* No rule of the list has more labels, wildcards included. */
enum { SUFFIX_MAX_LABELS = 6 };

struct slice domain_base_icann(const struct domain_list *list, struct slice name)
{
    /* The last labels as libpsl wants them: small letters, ASCII (for other bytes it would convert, and allocate). */
    char text[NAME_MAX_BYTES + 1];
    size_t skipped = name.len > NAME_MAX_BYTES ? name.len - NAME_MAX_BYTES : 0;
    for (size_t i = skipped; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);
        text[i - skipped] = c != '\0' && (unsigned char)c < 128 ? c : '?';
    }
    text[name.len - skipped] = '\0';

    /* From the right: each label more, as long as there are rules so long. `at` is where the labels begin. */
    size_t base = name.len, at = name.len;
    bool is_suffix = true; /* of what stands behind `at`: nothing yet */
    for (unsigned labels = 0; labels <= SUFFIX_MAX_LABELS && at > skipped; labels++) {
        at -= labels > 0; /* the dot */
        while (at > skipped && text[at - skipped - 1] != '.')
            at--;
        if (at == skipped && skipped > 0)
            break; /* a label that would be cut in two */
        if (is_suffix)
            base = at;
        is_suffix = psl_is_public_suffix2(list->psl, text + (at - skipped), PSL_TYPE_ICANN);
    }
    return base == name.len || (at == 0 && is_suffix) ? SLICE_NONE : slice_from(name, base);
}
