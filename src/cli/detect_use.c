/* detect_use.c - which milters Postfix asks now, by postconf, and which of them tarsier.conf leads. */
#include "cli/detect.h"
#include "setup/files.h"
#include "setup/postfix.h"

#include <string.h>
#include <unistd.h>

/* ---- tarsier.conf, below a root ---- */

/* Paths within the configuration are those of the tree: what it includes lies below the root as well. */
struct rooted {
    struct conf_source inner;
    const char *root;
    struct arena *arena;
};

static const char *below(const struct rooted *r, const char *path)
{
    size_t n = strlen(r->root);
    bool is_below = n == 0 || (strncmp(path, r->root, n) == 0 && path[n] == '/');
    return is_below || path[0] != '/' ? path : arena_printf(r->arena, "%s%s", r->root, path);
}

static enum err rooted_read(void *ctx, const char *path, struct slice *text)
{
    struct rooted *r = ctx;
    return r->inner.read(r->inner.ctx, below(r, path), text);
}

static enum err rooted_expand(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    struct rooted *r = ctx;
    return r->inner.expand(r->inner.ctx, below(r, pattern), paths, n);
}

static void add_trouble(struct detect_use *use, const char *text)
{
    use->trouble = use->trouble ? arena_printf(use->arena, "%s\n%s", use->trouble, text) : text;
}

static void read_conf(struct detect_use *use, const char *root, const char *path)
{
    struct files *files = files_open();
    struct rooted rooted = {.inner = files_source(files), .root = root, .arena = use->arena};
    struct conf_source source = {.ctx = &rooted, .read = rooted_read, .expand = rooted_expand};
    struct diags diags;
    diags_init(&diags);
    use->plan = plan_build(&source, path, "localhost", &diags);
    if (!use->plan)
        add_trouble(use,
                    arena_printf(use->arena,
                                 "%s has errors (tarsierd --check tells them): whether it leads a milter already is not "
                                 "known.",
                                 path));
    diags_fini(&diags);
    files_close(files);
}

static void read_postfix(struct detect_use *use, const char *dir)
{
    struct postfix_values values;
    struct buf why = {0};
    if (setup_postfix_services(dir, NULL, use->arena, &values, &why) == ERR_NONE) {
        postfix_milters_read(use->arena, &values, &use->now);
        use->postfix_dir = dir;
        if (postfix_value(&values, NULL, "smtpd_milter_maps").len > 0)
            add_trouble(use, "smtpd_milter_maps is set in main.cf: whom it names is not looked at.");
    } else {
        add_trouble(use, arena_printf(use->arena, "Whom Postfix asks is not known: %s.", buf_cstr(&why)));
    }
    buf_fini(&why);
}

void detect_use_read(const char *root, const char *conf_file, const char *postfix_dir, struct arena *arena,
                     struct detect_use *out)
{
    *out = (struct detect_use){.arena = arena};
    const char *conf = conf_file ? conf_file : arena_printf(arena, "%s/etc/tarsier/tarsier.conf", root);
    const char *dir = postfix_dir ? postfix_dir : arena_printf(arena, "%s/etc/postfix", root);
    if (conf_file || access(conf, F_OK) == 0)
        read_conf(out, conf_file ? "" : root, conf);
    if (postfix_dir || access(arena_printf(arena, "%s/main.cf", dir), F_OK) == 0)
        read_postfix(out, dir);
}

void detect_use_fini(struct detect_use *use)
{
    plan_unref(use->plan);
}

/* ---- questions ---- */

const struct conf_filter *detect_use_leads(const struct detect_use *use, const char *address)
{
    for (size_t i = 0; use->plan && address && i < use->plan->conf->n_filters; i++) {
        const struct conf_filter *filter = &use->plan->conf->filters[i];
        if (filter->connect && postfix_same_address(filter->connect, address))
            return filter;
    }
    return NULL;
}

const char *detect_use_asks(const struct detect_use *use, const char *address)
{
    const char *where = NULL;
    for (size_t i = 0; address && i < use->now.n; i++) {
        const struct postfix_milter *m = &use->now.items[i];
        if (!m->address || !slice_eq_cstr(m->parameter, "smtpd_milters") || !postfix_same_address(m->address, address))
            continue;
        const char *name = arena_cstr(use->arena, m->service.len ? m->service : SLICE_LIT("smtpd_milters"));
        where = where ? arena_printf(use->arena, "%s, %s", where, name) : name;
    }
    return where;
}

bool detect_use_is_self(const struct detect_use *use, const char *address)
{
    static const char usual[] = "unix:/var/spool/postfix/tarsier/tarsier.sock";
    if (!address)
        return false;
    if (!use->plan)
        return postfix_same_address(address, usual);
    for (size_t i = 0; i < use->plan->conf->n_listens; i++)
        if (postfix_same_address(address, use->plan->conf->listens[i].address))
            return true;
    return false;
}
