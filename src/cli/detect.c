/*
 * detect.c - `tarsier detect`: the milters of this machine as filter blocks for tarsier.conf, on standard output. Looks
 * only.
 */
#include "cli/detect.h"
#include "cli/cli.h"
#include "conf/settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct everything {
    struct detect_found *found; /* by row of the table */
    struct detect_user user;
    struct detect_use use;
};

/* Each line of the text as a comment. Paths and values of other programs' files stand in it. */
static void put_comment(struct buf *out, const char *text)
{
    struct slice rest = slice_cstr(text);
    while (rest.ptr) {
        struct slice line = slice_cut(&rest, '\n');
        buf_put_cstr(out, "# ");
        buf_put_visible(out, line);
        buf_put_byte(out, '\n');
    }
}

static const char *state_text(struct arena *arena, const struct detect_found *found)
{
    switch (found->state) {
    case DETECT_ENABLED:
        return "enabled";
    case DETECT_DISABLED:
        if (!found->unit)
            return "nothing starts it: there is neither a unit nor an init script";
        return arena_printf(arena, "not enabled: systemctl enable --now %s, then take out `enabled no`", found->unit);
    case DETECT_MASKED:
        return arena_printf(arena, "masked: systemctl unmask %s", found->unit);
    case DETECT_SWITCHED_OFF:
        return arena_printf(arena, "switched off in %s", found->state_from);
    }
    return "";
}

static void put_about(const struct detect_milter *milter, const struct detect_found *found, struct arena *arena,
                      struct buf *out)
{
    if (found->service)
        put_comment(out, arena_printf(arena, "%s: %s; %s", milter->name, found->service, state_text(arena, found)));
    else
        put_comment(out, arena_printf(arena, "%s: %s", milter->name, state_text(arena, found)));
    if (found->address)
        put_comment(out, arena_printf(arena, "address: %s", found->from));
    if (milter->about)
        put_comment(out, milter->about);
}

static void put_socket(const struct detect_found *found, const char *root, const struct detect_user *user,
                       struct arena *arena, struct buf *out)
{
    struct slice address = slice_cstr(found->address);
    if (!slice_has_prefix(address, "unix:"))
        return;
    const char *why = detect_socket(arena, root, user, address.ptr + strlen("unix:"));
    if (why)
        put_comment(out, arena_printf(arena, "ATTENTION: %s", why));
}

static void put_child(const struct detect_milter *milter, const struct detect_found *found, struct buf *out)
{
    const char *mark = found->address ? "" : "#"; /* without an address it is a form to fill in */
    if (!found->address && found->raw)
        put_comment(out, "ATTENTION: what it names as its address is none:");
    else if (!found->address)
        put_comment(out, "ATTENTION: where it listens was not found; fill it in:");
    if (!found->address && found->raw) {
        buf_printf(out, "#     %s: ", found->from);
        buf_put_visible(out, slice_cstr(found->raw));
        buf_put_byte(out, '\n');
    }
    buf_printf(out, "%sfilter \"%s\" {\n", mark, milter->name);
    buf_printf(out, "%s    connect \"%s\"\n", mark, found->address ? found->address : "unix:/...");
    if (milter->when)
        buf_printf(out, "%s    when %s\n", mark, milter->when);
    if (found->state != DETECT_ENABLED)
        buf_printf(out, "%s    enabled no\n", mark);
    buf_printf(out, "%s}\n", mark);
}

/* Our own filter takes its place, with its file. */
static void put_greylist(const struct detect_milter *milter, const struct detect_found *found, struct buf *out)
{
    put_comment(out, "its work is done here, with its own configuration. When it runs:");
    put_comment(out, "    systemctl disable --now milter-greylist");
    put_comment(out, "A tarsier.conf that has `builtin greylist` and racl lines already needs only one of both.");
    buf_printf(out, "filter \"greylist\" {\n    builtin greylist\n    when %s\n}\n", milter->when);
    if (found->conf)
        buf_printf(out, "include \"%s\"\nsocket none\npidfile none\nuser \"tarsier\"\n", found->conf);
}

/* Who asks it now. True: tarsierd leads it already, so that there is nothing to add. */
static bool put_use(const struct detect_use *use, const char *address, struct buf *out)
{
    const struct conf_filter *filter = detect_use_leads(use, address);
    const char *asked = detect_use_asks(use, address);
    if (filter)
        put_comment(out, arena_printf(use->arena, "led by tarsierd already: filter \"%s\" in %s:%u%s", filter->name,
                                      filter->where.file, filter->where.line,
                                      filter->set.enabled ? "" : ", but `enabled no` stands there"));
    if (filter && asked)
        put_comment(out, arena_printf(use->arena, "ATTENTION: Postfix asks it too (%s): take it out there", asked));
    else if (asked)
        put_comment(
            out, arena_printf(use->arena, "Postfix asks it now (%s): take it out there when the block is in force", asked));
    else if (!filter && use->postfix_dir && address)
        put_comment(out, "neither Postfix asks it now nor tarsierd");
    return filter != NULL;
}

static void put_milter(const struct detect_milter *milter, const struct detect_found *found, const char *root,
                       const struct detect_user *user, const struct detect_use *use, struct buf *out)
{
    buf_put_byte(out, '\n');
    put_about(milter, found, use->arena, out);
    bool is_led = put_use(use, found->address, out);
    if (milter->is_greylist) {
        put_greylist(milter, found, out);
        return;
    }
    if (found->address)
        put_socket(found, root, user, use->arena, out);
    if (!is_led)
        put_child(milter, found, out);
}

/* Its files are there, and nothing to run: it was removed, or is only to be installed. */
static void put_remains(const struct detect_milter *milter, const struct detect_found *found, struct arena *arena,
                        struct buf *out)
{
    buf_put_byte(out, '\n');
    put_comment(out, arena_printf(arena, "%s: %s is there, but no unit and no program: not installed", milter->name,
                                  found->conf ? found->conf : found->service));
}

static void put_head(bool greylist, const struct detect_user *user, struct buf *out)
{
    buf_put_cstr(
        out,
        "# Milters found on this machine, for /etc/tarsier/tarsier.conf, in the order in which mail should pass them.\n");
    if (!greylist)
        buf_put_cstr(out, "# The filter with `builtin greylist` stands before them: who is held or deferred there costs no "
                          "other milter.\n");
    buf_put_cstr(out, "# Take them out of smtpd_milters in main.cf: only tarsierd stays there. Then tarsierd --check.\n");
    if (!user->exists) {
        buf_put_cstr(out, "# There is no user ");
        buf_put_visible(out, slice_cstr(user->name));
        buf_put_cstr(out, " yet; whether it may open the sockets was not looked at.\n");
    }
}

/* ---- what Postfix asks ---- */

static const char *name_of(const struct everything *e, const char *address)
{
    size_t n;
    const struct detect_milter *table = detect_table(&n);
    for (size_t i = 0; address && i < n; i++)
        if (e->found[i].is_there && e->found[i].address && postfix_same_address(e->found[i].address, address))
            return table[i].name;
    return NULL;
}

static const char *who_is(const struct everything *e, const struct postfix_milter *m)
{
    const struct conf_filter *filter = detect_use_leads(&e->use, m->address);
    const char *name = name_of(e, m->address);
    if (m->raw.len == 0)
        return "nobody: its own list is empty";
    if (detect_use_is_self(&e->use, m->address))
        return "tarsierd";
    if (!m->address)
        return "no address that is understood here";
    if (filter && name)
        return arena_printf(e->use.arena, "%s, which tarsierd leads already (filter \"%s\")", name, filter->name);
    if (filter)
        return arena_printf(e->use.arena, "led by tarsierd already (filter \"%s\")", filter->name);
    return name ? name : "not known here";
}

/* Each milter that Postfix asks, service by service, and who it is. */
static void put_postfix(const struct everything *e, struct buf *out)
{
    bool self = false;
    if (e->use.trouble)
        put_comment(out, e->use.trouble);
    if (!e->use.postfix_dir)
        return;
    buf_printf(out, "# Postfix (%s) asks%s\n", e->use.postfix_dir, e->use.now.n ? ":" : " no milter.");
    for (size_t i = 0; i < e->use.now.n; i++) {
        const struct postfix_milter *m = &e->use.now.items[i];
        self |= slice_eq_cstr(m->parameter, "smtpd_milters") && detect_use_is_self(&e->use, m->address);
        put_comment(out,
                    arena_printf(e->use.arena, "    %.*s%s%.*s: %.*s%s%s", SLICE_ARG(m->service), m->service.len ? " " : "",
                                 SLICE_ARG(m->parameter), SLICE_ARG(m->raw), m->raw.len ? " is " : "", who_is(e, m)));
    }
    if (!self)
        put_comment(out, "tarsierd is not among them: tarsier setup postfix");
}

/* "x" of unix:/run/y/x.sock, "milter-99" of a port. */
static const char *name_for(struct arena *arena, const char *address)
{
    struct slice rest = slice_cstr(address), scheme = slice_cut(&rest, ':');
    if (!slice_eq_cstr(scheme, "unix"))
        return arena_printf(arena, "milter-%.*s", SLICE_ARG(slice_upto(rest, slice_find(rest, '@'))));
    struct slice base = slice_from(rest, slice_rfind(rest, '/') + 1);
    base = slice_upto(base, slice_find(base, '.'));
    return base.len > 0 ? arena_cstr(arena, base) : "milter";
}

static bool is_taken(const struct everything *e, size_t i, const char *name)
{
    size_t n;
    const struct detect_milter *table = detect_table(&n);
    for (size_t k = 0; k < n; k++)
        if (strcmp(table[k].name, name) == 0)
            return true;
    for (size_t k = 0; e->use.plan && k < e->use.plan->conf->n_filters; k++)
        if (strcmp(e->use.plan->conf->filters[k].name, name) == 0)
            return true;
    for (size_t k = 0; k < i; k++)
        if (e->use.now.items[k].address && strcmp(name_for(e->use.arena, e->use.now.items[k].address), name) == 0)
            return true;
    return false;
}

/* A name for the filter of a milter that is not in the table; no other filter may have it. */
static const char *own_name(const struct everything *e, size_t i)
{
    const char *name = name_for(e->use.arena, e->use.now.items[i].address);
    return is_taken(e, i, name) ? arena_printf(e->use.arena, "%s-%zu", name, i + 1) : name;
}

static bool is_repeated(const struct postfix_milters *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (m->items[k].address && postfix_same_address(m->items[k].address, m->items[i].address))
            return true;
    return false;
}

/*
 * Postfix asks it, and the table does not know it: where it belongs, and what it must see, only the administrator can tell.
 */
static size_t put_unknown(const struct everything *e, const char *root, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < e->use.now.n; i++) {
        const struct postfix_milter *m = &e->use.now.items[i];
        if (!m->address || detect_use_is_self(&e->use, m->address) || name_of(e, m->address) ||
            is_repeated(&e->use.now, i) || !detect_use_asks(&e->use, m->address))
            continue;
        struct detect_milter milter = {.name = own_name(e, i)};
        struct detect_found found = {.state = DETECT_ENABLED, .address = m->address};
        buf_put_byte(out, '\n');
        put_comment(out, arena_printf(e->use.arena, "%s: a milter that is not known here", milter.name));
        bool is_led = put_use(&e->use, m->address, out);
        put_socket(&found, root, &e->user, e->use.arena, out);
        if (!is_led)
            put_child(&milter, &found, out);
        n++;
    }
    return n;
}

/* Everything that was found. */
static void put_all(struct everything *e, const char *root, struct buf *out)
{
    struct conf_settings set;
    size_t n, n_found = 0;
    bool greylist = false;
    struct buf blocks = {0};
    const struct detect_milter *table = detect_table(&n);
    settings_defaults(settings_global(), &set);
    detect_user_find(root, e->use.plan ? e->use.plan->set->user : set.user, &e->user);
    for (size_t i = 0; i < n; i++)
        detect_find(e->use.arena, root, &table[i], &e->found[i]);
    for (size_t i = 0; i < n; i++) {
        if (e->found[i].is_there) {
            n_found++;
            greylist |= table[i].is_greylist;
            put_milter(&table[i], &e->found[i], root, &e->user, &e->use, &blocks);
        } else if (e->found[i].conf || e->found[i].service) {
            put_remains(&table[i], &e->found[i], e->use.arena, &blocks);
        }
    }
    n_found += put_unknown(e, root, &blocks);
    if (n_found > 0)
        put_head(greylist, &e->user, out);
    else
        buf_put_cstr(out, "# No milter was found on this machine.\n");
    put_postfix(e, out);
    buf_put_slice(out, buf_slice(&blocks));
    buf_fini(&blocks);
}

static const char *read_options(const struct command *c, int argc, char **argv, const char **root, const char **file,
                                const char **postfix_dir)
{
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'r')
            *root = strcmp(optarg, "/") == 0 ? "" : optarg;
        else if (o == 'f')
            *file = optarg;
        else if (o == 'c')
            *postfix_dir = optarg;
        else
            return "";
    }
    return optind == argc ? NULL : "it takes no arguments but its options";
}

int cli_detect(const struct command *c, int argc, char **argv)
{
    const char *root = "", *file = NULL, *postfix_dir = NULL;
    const char *wrong = read_options(c, argc, argv, &root, &file, &postfix_dir);
    if (wrong)
        return cli_usage(c, wrong);
    size_t n;
    (void)detect_table(&n);
    struct arena arena = {0};
    struct buf out = {0};
    struct everything e = {.found = arena_zalloc(&arena, n * sizeof(*e.found))};
    detect_use_read(root, file, postfix_dir, &arena, &e.use);
    put_all(&e, root, &out);
    bool done = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    if (!done)
        fprintf(stderr, "tarsier detect: cannot write: %s\n", strerror(errno));
    detect_use_fini(&e.use);
    buf_fini(&out);
    arena_fini(&arena);
    return done ? CLI_OK : CLI_FAILED;
}
