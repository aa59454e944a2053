/* postfix.c - postconf's answers, and the files that mynetworks names. */
#include "setup/postfix.h"
#include "postfix/networks.h"
#include "setup/files.h"
#include "setup/program.h"

enum { PARAMETERS_MAX = 32, NETWORKS_FILE_MAX_BYTES = 4 << 20 };

enum err setup_postfix_values(const char *config_dir, const char *const *names, struct arena *arena,
                              struct postfix_values *out, struct buf *why)
{
    const char *arguments[PARAMETERS_MAX + 2] = {"-x"};
    struct buf text = {0};
    for (size_t n = 1; *names && n <= PARAMETERS_MAX; n++)
        arguments[n] = *names++;
    enum err e = program_postconf(config_dir, arguments, &text, why);
    *out = (struct postfix_values){0};
    if (e == ERR_NONE)
        postfix_values_read(arena, arena_slice(arena, slice_of(text.ptr ? text.ptr : "", text.len)), out);
    buf_fini(&text);
    return e;
}

static bool read_networks(void *ctx, const char *path, struct slice *text)
{
    struct buf content = {0};
    bool done = file_read(path, NETWORKS_FILE_MAX_BYTES, &content) == ERR_NONE;
    if (done)
        *text = arena_slice(ctx, slice_of(content.ptr ? content.ptr : "", content.len));
    buf_fini(&content);
    return done;
}

enum err setup_postfix_networks(const char *config_dir, const struct plan *plan, struct buf *out, size_t *n, struct buf *why)
{
    struct arena arena = {0};
    struct postfix_values values;
    struct postfix_files files = {.ctx = &arena, .read = read_networks};
    *n = 0;
    enum err e = setup_postfix_values(config_dir, postfix_networks_wanted, &arena, &values, why);
    if (e == ERR_NONE)
        *n = postfix_networks_compare(plan->policy, plan->conf, &values, &files, out);
    arena_fini(&arena);
    return e;
}

enum err setup_postfix_services(const char *config_dir, const char *const *more, struct arena *arena,
                                struct postfix_values *out, struct buf *why)
{
    static const char *const options[] = {"-xP", NULL}, *const columns[] = {"-F", NULL};
    const char *arguments[PARAMETERS_MAX + 2] = {"-x"};
    struct buf text = {0};
    size_t n = 1;
    for (const char *const *name = postfix_milters_wanted; *name; name++)
        arguments[n++] = *name;
    for (; more && *more && n <= PARAMETERS_MAX; more++)
        arguments[n++] = *more;
    enum err e = program_postconf(config_dir, arguments, &text, why);
    if (e == ERR_NONE)
        e = program_postconf(config_dir, options, &text, why);
    if (e == ERR_NONE)
        e = program_postconf(config_dir, columns, &text, why);
    *out = (struct postfix_values){0};
    if (e == ERR_NONE)
        postfix_values_read(arena, arena_slice(arena, slice_of(text.ptr ? text.ptr : "", text.len)), out);
    buf_fini(&text);
    return e;
}
