/*
 * detect.c - `tarsier detect`: the milters of this machine as filter blocks for tarsier.conf, on standard output. Looks only.
 */
#include "cli/detect.h"
#include "cli/cli.h"
#include "conf/settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

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

static void put_milter(const struct detect_milter *milter, const struct detect_found *found, const char *root,
                       const struct detect_user *user, struct arena *arena, struct buf *out)
{
    buf_put_byte(out, '\n');
    put_about(milter, found, arena, out);
    if (milter->is_greylist) {
        put_greylist(milter, found, out);
        return;
    }
    if (found->address)
        put_socket(found, root, user, arena, out);
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

/* Everything that was found; the number of milters that are there. */
static size_t put_all(const char *root, struct arena *arena, struct buf *out)
{
    struct conf_settings set;
    struct detect_user user;
    size_t n, n_found = 0;
    bool greylist = false;
    struct buf blocks = {0};
    const struct detect_milter *table = detect_table(&n);
    settings_defaults(settings_global(), &set);
    detect_user_find(root, set.user, &user);
    for (size_t i = 0; i < n; i++) {
        struct detect_found found;
        detect_find(arena, root, &table[i], &found);
        if (found.is_there) {
            n_found++;
            greylist |= table[i].is_greylist;
            put_milter(&table[i], &found, root, &user, arena, &blocks);
        } else if (found.conf || found.service) {
            put_remains(&table[i], &found, arena, &blocks);
        }
    }
    if (n_found > 0)
        put_head(greylist, &user, out);
    else
        buf_put_cstr(out, "# No milter was found on this machine.\n");
    buf_put_slice(out, buf_slice(&blocks));
    buf_fini(&blocks);
    return n_found;
}

int cli_detect(const struct command *c, int argc, char **argv)
{
    static const struct option options[] = {{"root", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    const char *root = "";
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'r')
            return cli_usage(c, "an option that it does not know, or one without its argument");
        root = strcmp(optarg, "/") == 0 ? "" : optarg;
    }
    if (optind != argc)
        return cli_usage(c, "it takes no arguments but --root DIR");
    struct arena arena = {0};
    struct buf out = {0};
    (void)put_all(root, &arena, &out);
    bool done = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    if (!done)
        fprintf(stderr, "tarsier detect: cannot write: %s\n", strerror(errno));
    buf_fini(&out);
    arena_fini(&arena);
    return done ? CLI_OK : CLI_FAILED;
}
