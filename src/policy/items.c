/*
 * items.c - does what a clause or a list holds match what a session has said? For ACL lines and for conditions alike. Knows
 * nothing of stages: a fact that is not there does not match.
 */
#include "policy/items.h"
#include "base/mem.h"

#include <string.h>

/* ---- regexes ---- */

static bool match_one(struct items_question *q, const struct policy_regex *regex, struct slice subject)
{
    bool matched = false;
    if (regex_match(regex->re, subject, q->f->effort, &matched, q->groups) != ERR_NONE) {
        q->undecided = true;
        return false;
    }
    q->n_groups = regex_groups(regex->re);
    return matched;
}

static bool match_regexes(struct items_question *q, const struct policy_items *items, struct slice subject)
{
    for (size_t i = 0; i < items->n_regexes; i++)
        if (match_one(q, &items->regexes[i], subject))
            return true;
    return false;
}

/* Move the groups from a bracketed copy into the text without brackets that was copied. */
static void rebase_groups(struct slice *groups, const char *copy, struct slice text)
{
    for (size_t i = 0; i < REGEX_GROUPS_MAX; i++) {
        if (!groups[i].ptr)
            continue;
        size_t from = (size_t)(groups[i].ptr - copy), to = from + groups[i].len;
        from = from > 0 ? from - 1 : 0;
        to = to > 0 ? to - 1 : 0;
        groups[i] = slice_upto(slice_from(text, from), (to < text.len ? to : text.len) - from);
    }
}

/* greylist.conf's regexes see "<joe@example.org>". So do MTAs send it; a bare address (explain) gets its brackets here. */
static bool match_bracketed(struct items_question *q, const struct policy_items *items, struct slice address)
{
    if (items->n_regexes == 0)
        return false;
    if (slice_has_prefix(address, "<"))
        return match_regexes(q, items, address);
    struct buf b = {0};
    buf_put_byte(&b, '<');
    buf_put_slice(&b, address);
    buf_put_byte(&b, '>');
    bool matched = match_regexes(q, items, buf_slice(&b));
    if (matched)
        rebase_groups(q->groups, b.ptr, address);
    buf_fini(&b);
    return matched;
}

/* ---- kinds of items ---- */

static bool match_address(struct items_question *q, const struct policy_items *items, struct slice address)
{
    if (textset_find(&items->texts, slice_trim(address, "<> \t")).ptr)
        return true;
    return match_bracketed(q, items, address);
}

/* helo "s" with a % in it: equal to what the format gives for this recipient. */
static bool match_helo_formats(const struct policy_facts *f, const struct policy_items *items)
{
    struct format_facts facts = {.sender = f->sender,
                                 .recipient = f->recipient,
                                 .client = f->client,
                                 .host = f->host,
                                 .helo = f->helo,
                                 .now = f->now};
    struct buf text = {0};
    bool matched = false;
    for (size_t i = 0; i < items->n_formats && !matched; i++) {
        buf_clear(&text);
        format_expand(items->formats[i], &facts, &text);
        matched = slice_eq_nocase(buf_slice(&text), f->helo);
    }
    buf_fini(&text);
    return matched;
}

static bool match_helo(struct items_question *q, const struct policy_items *items)
{
    struct slice helo = q->f->helo;
    if (!helo.ptr)
        return false; /* none was given: nothing can be said of it */
    if (textset_find(&items->texts, helo).ptr)
        return true;
    if (items->n_formats > 0 && !q->without_formats && match_helo_formats(q->f, items))
        return true;
    return match_regexes(q, items, helo);
}

bool items_match(struct items_question *q, const struct policy_items *items)
{
    const struct policy_facts *f = q->f;
    switch (items->kind) {
    case CONF_ITEM_ADDR:
        return ipset_has(&items->nets, &f->client);
    case CONF_ITEM_DOMAIN:
        return textset_find_suffix(&items->texts, f->host, false).ptr ||
               textset_find_suffix(&items->labels, f->host, true).ptr || match_regexes(q, items, f->host);
    case CONF_ITEM_FROM:
        return match_address(q, items, f->sender_seen.ptr ? f->sender_seen : f->sender);
    case CONF_ITEM_RCPT:
        return match_address(q, items, f->recipient);
    case CONF_ITEM_HELO:
        return match_helo(q, items);
    case CONF_ITEM_MAX_:
        break;
    }
    PANIC("items of a kind that has none");
}

/* ---- lists of names ---- */

static const char *find_regex(const struct name_list *list, struct slice name, struct regex_effort *effort, bool *unknown)
{
    const struct policy_regex *regexes = list->regexes;
    bool open = false;
    for (size_t i = 0; i < list->n_regexes; i++) {
        bool matched;
        if (regex_match(regexes[i].re, name, effort, &matched, NULL) != ERR_NONE)
            open = true; /* unless the next one matches */
        else if (matched)
            return regexes[i].text;
    }
    *unknown |= open;
    return NULL;
}

const char *names_find(const struct name_list *list, struct slice name, struct regex_effort *effort, bool *unknown)
{
    struct slice found = textset_find(&list->names, name);
    if (!found.ptr)
        found = textset_find_suffix(&list->suffixes, name, false);
    return found.ptr ? found.ptr : find_regex(list, name, effort, unknown);
}
