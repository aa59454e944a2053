/*
 * expect_child.c - what a script wants of children, of the mail that is delivered, of DNS and the spool.
 *
 *     want child a saw connect helo mail rcpt rcpt data header*3 eoh body eom quit     since the last such line that held;
 *                                                  `nothing`, `body*` (some), `...` (whatever), closed (without QUIT)
 *     want child a connections 2      all in all       want child a open 1      now
 *     want child a offered skip addhdrs                want child a not-offered leadspc
 *     want child a macro mail {auth_type} plain        want child a no-macro mail {auth_type}
 *     want child a macros rcpt "i {rcpt_addr}"         all that came with the last one
 *     want child a from <x@example.org>                also to, header, no-header, headers, body: of the last message it saw;
 *                                                  body *N *N TEXT: in several pieces
 *     want child a#2 saw …                             its second connection
 *     want delivered                                   also with from, to, header, no-header, headers, body, quarantined WHY
 *     want m delivered to <b@example.net>              by the connection m
 *     want not-delivered        want discarded         want changes 3
 *     want dns asked NAME [TIMES]      want spool files 0
 */
#include "world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- a message ---- */

static const char *all_headers(struct world *w, const struct message *m)
{
    struct buf b = {0};
    for (size_t i = 0; i < m->n_headers; i++)
        buf_printf(&b, "    \"%s\"\n", message_header_line(&w->arena, &m->headers[i]));
    const char *s = arena_cstr(&w->arena, buf_slice(&b));
    buf_fini(&b);
    return s;
}

static bool has_header(struct world *w, const struct message *m, const char *pattern)
{
    for (size_t i = 0; i < m->n_headers; i++)
        if (script_glob(pattern, message_header_line(&w->arena, &m->headers[i])))
            return true;
    return false;
}

static void want_headers(struct world *w, const char *who, const struct message *m, const struct script_line *l, unsigned at)
{
    bool same = l->n_words - at == m->n_headers;
    for (size_t i = 0; same && i < m->n_headers; i++)
        same = script_glob(l->words[at + i], message_header_line(&w->arena, &m->headers[i]));
    if (!same)
        world_fail(w, "%s: wanted other headers than\n%s", who, all_headers(w, m));
}

static void want_recipients(struct world *w, const char *who, const struct message *m, const struct script_line *l,
                            unsigned at)
{
    const char *wanted = script_join(&w->arena, l->words, at, l->n_words), *got = "nobody";
    struct buf b = {0};
    for (size_t i = 0; i < m->n_recipients; i++)
        buf_printf(&b, "%s%s", i ? " " : "", m->recipients[i]);
    if (m->n_recipients)
        got = buf_cstr(&b);
    if (strcmp(wanted, got) != 0)
        world_fail(w, "%s: wanted the recipients %s, got %s", who, wanted, got);
    buf_fini(&b);
}

static void want_body(struct world *w, const char *who, const struct message *m, const char *text)
{
    struct slice body = buf_slice(&m->body);
    if (text[0] == '*' && ascii_is_digit(text[1])) {
        struct buf wanted = {0};
        for (struct slice rest = slice_cstr(text); rest.len > 0;) /* in pieces, as a child gives it */
            message_body_text(arena_cstr(&w->arena, slice_cut(&rest, ' ')), 0, SIZE_MAX, &wanted);
        if (!slice_eq(buf_slice(&wanted), body))
            world_fail(w, "%s: wanted a body of %zu bytes, got another one of %zu", who, wanted.len, body.len);
        buf_fini(&wanted);
        return;
    }
    const char *got = arena_cstr(&w->arena, slice_trim(body, "\r\n"));
    if (!script_glob(text, got))
        world_fail(w, "%s: wanted the body \"%s\", got \"%.200s\"", who, text, got);
}

/* False: not a word about messages. */
static bool want_message(struct world *w, const char *who, const struct message *m, const struct script_line *l, unsigned at)
{
    const char *word = l->words[at++], *arg = script_join(&w->arena, l->words, at, l->n_words);
    if (strcmp(word, "header") == 0) {
        if (!has_header(w, m, arg))
            world_fail(w, "%s: wanted the header \"%s\", got\n%s", who, arg, all_headers(w, m));
    } else if (strcmp(word, "no-header") == 0) {
        if (has_header(w, m, arg))
            world_fail(w, "%s: wanted no header \"%s\", got\n%s", who, arg, all_headers(w, m));
    } else if (strcmp(word, "headers") == 0) {
        want_headers(w, who, m, l, at);
    } else if (strcmp(word, "from") == 0) {
        if (!m->sender || strcmp(m->sender, arg) != 0)
            world_fail(w, "%s: wanted the sender %s, got %s", who, arg, m->sender ? m->sender : "none");
    } else if (strcmp(word, "to") == 0) {
        want_recipients(w, who, m, l, at);
    } else if (strcmp(word, "body") == 0) {
        want_body(w, who, m, arg);
    } else {
        return false;
    }
    return true;
}

/* ---- children: what they saw ---- */

/* One word of a pattern: `rcpt`, `header*3`, `body*`, `...`. */
struct want_word {
    const char *word;
    unsigned min, max;
};

static struct want_word cut_word(struct world *w, const char *text)
{
    if (strcmp(text, "...") == 0)
        return (struct want_word){NULL, 0, UINT32_MAX};
    const char *star = strchr(text, '*');
    if (!star)
        return (struct want_word){text, 1, 1};
    unsigned n = (unsigned)strtoul(star + 1, NULL, 10);
    const char *word = arena_cstr(&w->arena, slice_of(text, (size_t)(star - text)));
    return (struct want_word){word, n ? n : 1, n ? n : UINT32_MAX};
}

static bool match(const struct want_word *p, size_t n_p, const char *const *seen, size_t n)
{
    if (n_p == 0)
        return n == 0;
    for (unsigned taken = 0;; taken++) {
        if (taken >= p->min && match(p + 1, n_p - 1, seen + taken, n - taken))
            return true;
        if (taken == n || taken == p->max || (p->word && strcmp(p->word, seen[taken]) != 0))
            return false;
    }
}

static void want_saw(struct world *w, struct child *ch, unsigned connection, const struct script_line *l, unsigned at)
{
    const char **seen = arena_alloc(&w->arena, (ch->n_seen + 1) * sizeof(*seen));
    size_t n = 0, n_words = 0;
    struct buf got = {0};
    for (size_t i = 0; i < ch->n_seen; i++)
        if (!ch->seen[i].used && (!connection || ch->seen[i].connection == connection)) {
            seen[n++] = ch->seen[i].word;
            buf_printf(&got, " %s", ch->seen[i].word);
        }
    struct want_word *words = arena_alloc(&w->arena, (l->n_words + 1) * sizeof(*words));
    for (unsigned i = at; i < l->n_words; i++)
        if (strcmp(l->words[i], "nothing") != 0)
            words[n_words++] = cut_word(w, l->words[i]);
    if (!match(words, n_words, seen, n))
        world_fail(w, "the child %s saw: %s", ch->name, n ? buf_cstr(&got) : "nothing");
    for (size_t i = 0; i < ch->n_seen; i++)
        ch->seen[i].used |= !connection || ch->seen[i].connection == connection;
    buf_fini(&got);
}

/* ---- children: one connection ---- */

static const struct child_conn *last_conn(struct world *w, const struct child *ch, unsigned number)
{
    for (size_t i = w->children.n_conns; i-- > 0;)
        if (w->children.conns[i]->child == ch && (!number || w->children.conns[i]->number == number))
            return w->children.conns[i];
    return NULL;
}

/* NULL: it did not come. */
static const char *macro_of(struct world *w, const struct child_conn *cc, uint8_t cmd, const char *name)
{
    struct slice rest = cc->macros[cmd], got, value;
    while (milter_next_macro(&rest, &got, &value))
        if (slice_eq_cstr(got, name))
            return arena_cstr(&w->arena, value);
    return NULL;
}

static const char *macro_names(struct world *w, const struct child_conn *cc, uint8_t cmd)
{
    struct slice rest = cc->macros[cmd], got, value;
    struct buf b = {0};
    while (milter_next_macro(&rest, &got, &value))
        buf_printf(&b, "%s%.*s", b.len ? " " : "", SLICE_ARG(got));
    const char *names = arena_cstr(&w->arena, buf_slice(&b));
    buf_fini(&b);
    return names;
}

/* macro, no-macro, macros */
static bool want_macro(struct world *w, const struct child_conn *cc, const struct script_line *l, unsigned at)
{
    const char *word = l->words[at++];
    bool all = strcmp(word, "macros") == 0, none = strcmp(word, "no-macro") == 0;
    if (!all && !none && strcmp(word, "macro") != 0)
        return false;
    uint8_t cmd = at < l->n_words ? child_cmd_of(l->words[at++]) : 0;
    if (!cmd || (at >= l->n_words && !all)) {
        world_fail(w, "%s STAGE NAME", word);
        return true;
    }
    const char *arg = script_join(&w->arena, l->words, at + !all, l->n_words);
    if (all) {
        if (!script_glob(arg, macro_names(w, cc, cmd)))
            world_fail(w, "wanted the macros \"%s\", got \"%s\"", arg, macro_names(w, cc, cmd));
        return true;
    }
    const char *value = macro_of(w, cc, cmd, l->words[at]);
    if (none && value)
        world_fail(w, "wanted no macro %s, got \"%s\"", l->words[at], value);
    if (!none && (!value || !script_glob(arg, value)))
        world_fail(w, "wanted the macro %s to be \"%s\", got \"%s\"", l->words[at], arg, value ? value : "(none)");
    return true;
}

static bool want_offered(struct world *w, const struct child_conn *cc, const struct script_line *l, unsigned at)
{
    const char *word = l->words[at++];
    bool no = strcmp(word, "not-offered") == 0;
    if (!no && strcmp(word, "offered") != 0)
        return false;
    for (; at < l->n_words; at++) {
        uint32_t action = child_action_of(l->words[at]), step = child_step_bit_of(l->words[at]);
        bool has = action ? (cc->offered.actions & action) == action : step && (cc->offered.steps & step) == step;
        if (has == no)
            world_fail(w, "wanted that it is %s: %s", word, l->words[at]);
    }
    return true;
}

static void want_of_conn(struct world *w, const struct child *ch, unsigned number, const struct script_line *l, unsigned at)
{
    const struct child_conn *cc = last_conn(w, ch, number);
    const char *word = l->words[at], *arg = script_join(&w->arena, l->words, at + 1, l->n_words);
    if (!cc)
        world_fail(w, "nobody has connected to the child %s", ch->name);
    else if (strcmp(word, "host") == 0 || strcmp(word, "helo") == 0) {
        const char *got = word[1] == 'o' ? cc->host : cc->helo;
        if (!got || strcmp(got, arg) != 0)
            world_fail(w, "wanted the %s %s, got %s", word, arg, got ? got : "none");
    } else if (strcmp(word, "version") == 0) {
        if (cc->chosen.version != strtoul(arg, NULL, 10))
            world_fail(w, "wanted version %s, got %u", arg, cc->chosen.version);
    } else if (!want_message(w, ch->name, &cc->shown, l, at) && !want_macro(w, cc, l, at) && !want_offered(w, cc, l, at))
        world_fail(w, "no such want of a child: %s", word);
}

static void want_child(struct world *w, const struct script_line *l)
{
    if (l->n_words < 4) {
        world_fail(w, "want child NAME WHAT");
        return;
    }
    struct slice number = slice_cstr(l->words[2]), name = slice_cut(&number, '#');
    unsigned connection = number.ptr ? (unsigned)strtoul(number.ptr, NULL, 10) : 0;
    struct child *ch = child_find(w, name);
    const char *word = l->words[3];
    unsigned long count = l->n_words > 4 ? strtoul(l->words[4], NULL, 10) : 0, open = 0;
    if (!ch) {
        world_fail(w, "no such child: %s", l->words[2]);
        return;
    }
    for (size_t i = 0; i < w->children.n_conns; i++)
        open += w->children.conns[i]->child == ch && w->children.conns[i]->state != CHILD_CONN_CLOSED;
    if (strcmp(word, "saw") == 0)
        want_saw(w, ch, connection, l, 4);
    else if (strcmp(word, "connections") != 0 && strcmp(word, "open") != 0)
        want_of_conn(w, ch, connection, l, 3);
    else if (count != (word[0] == 'o' ? open : ch->n_connections))
        world_fail(w, "wanted %lu connections (%s) to %s, got %lu", count, word, ch->name,
                   word[0] == 'o' ? open : (unsigned long)ch->n_connections);
}

/* ---- the mail of a connection ---- */

static void want_delivered(struct world *w, const struct conn *c, const struct script_line *l, unsigned at)
{
    const struct message *m = c->delivered;
    if (!m) {
        world_fail(w, "%s: wanted that the mail is delivered; the last reply was \"%s\"", c->name,
                   c->reply ? c->reply : "(none)");
        return;
    }
    if (at >= l->n_words || want_message(w, c->name, m, l, at))
        return;
    const char *why = script_join(&w->arena, l->words, at + 1, l->n_words);
    if (strcmp(l->words[at], "quarantined") != 0)
        world_fail(w, "no such want of a mail: %s", l->words[at]);
    else if (strcmp(why, "not") == 0 ? m->quarantine != NULL
                                     : !m->quarantine || !script_glob(*why ? why : "*", m->quarantine))
        world_fail(w, "%s: wanted a quarantine \"%s\", got \"%s\"", c->name, why, m->quarantine ? m->quarantine : "(none)");
}

static bool want_of_mail(struct world *w, const struct script_line *l, const char *name, unsigned at)
{
    static const char *const words[] = {"delivered", "not-delivered", "discarded", "changes"};
    size_t i = 0;
    while (i < COUNT_OF(words) && (at >= l->n_words || strcmp(words[i], l->words[at]) != 0))
        i++;
    if (i == COUNT_OF(words))
        return false;
    struct conn *c = world_conn(w, name);
    if (!c) {
        world_fail(w, "no connection \"%s\"", name);
        return true;
    }
    unsigned changes = c->delivered ? c->delivered->changes : 0;
    unsigned wanted = at + 1 < l->n_words ? (unsigned)strtoul(l->words[at + 1], NULL, 10) : 0;
    if (i == 0)
        want_delivered(w, c, l, at + 1);
    else if (i == 1 && c->delivered)
        world_fail(w, "%s: wanted that the mail is not delivered", name);
    else if (i == 2 && (!c->discarded || c->delivered))
        world_fail(w, "%s: wanted that the mail is discarded; the last reply was \"%s\"", name,
                   c->reply ? c->reply : "(none)");
    else if (i == 3 && changes != wanted)
        world_fail(w, "%s: wanted %u changes, got %u", name, wanted, changes);
    if (i == 2)
        c->unseen = false;
    return true;
}

/* ---- services ---- */

static void want_dns(struct world *w, const struct script_line *l)
{
    unsigned n = 0;
    if (l->n_words < 4 || strcmp(l->words[2], "asked") != 0) {
        world_fail(w, "want dns asked NAME [TIMES]");
        return;
    }
    for (const struct dns_question *q = w->services.asked; q; q = q->next)
        n += script_glob(l->words[3], q->name);
    if (l->n_words > 4 ? n != strtoul(l->words[4], NULL, 10) : n == 0)
        world_fail(w, "DNS was asked about %s %u times", l->words[3], n);
}

static void want_spool(struct world *w, const struct script_line *l)
{
    unsigned n = services_open_files(&w->services, 0);
    if (l->n_words != 4 || strcmp(l->words[2], "files") != 0)
        world_fail(w, "want spool files N");
    else if (n != strtoul(l->words[3], NULL, 10))
        world_fail(w, "wanted %s spool files, got %u", l->words[3], n);
}

bool expect_outside(struct world *w, const struct script_line *l)
{
    const char *first = l->words[1];
    if (strcmp(first, "child") == 0)
        want_child(w, l);
    else if (strcmp(first, "dns") == 0)
        want_dns(w, l);
    else if (strcmp(first, "spool") == 0)
        want_spool(w, l);
    else
        return want_of_mail(w, l, "mta", 1) || want_of_mail(w, l, first, 2);
    return true;
}
