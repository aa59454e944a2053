/* access.c - the store that the configuration names, opened by a tool. */
#include "cli/access.h"

#include "setup/rights.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void say(void *ctx, enum log_level level, const char *line)
{
    const struct access *a = ctx;
    (void)level;
    fprintf(stderr, "tarsier %s: %s\n", a->command, line);
}

bool access_begin(struct access *a, const char *command, const char *conf_file)
{
    *a = (struct access){.command = command, .plan = cli_plan(conf_file)};
    if (!a->plan)
        return false;
    a->kind = stores_find(a->plan->set->store);
    if (!a->kind)
        fprintf(stderr, "tarsier %s: there is no such kind of store: %s\n", command, a->plan->set->store);
    return a->kind != NULL;
}

bool access_is_kept(const struct access *a)
{
    return a->kind->is_kept;
}

bool access_may_read(const struct access *a)
{
    if (!a->kind->is_kept)
        return false;
    return !a->kind->is_directory || geteuid() == 0 || access(a->plan->set->store, R_OK | X_OK) == 0;
}

bool access_must_be_kept(const struct access *a)
{
    if (!a->kind->is_kept)
        fprintf(stderr, "tarsier %s: nobody but tarsierd sees what is in the store \"%s\"\n", a->command,
                a->plan->set->store);
    else if (!access_may_read(a) && errno == EACCES)
        fprintf(stderr, "tarsier %s: %s is root's and tarsierd's alone: run this as root\n", a->command,
                a->plan->set->store);
    else
        return true;
    return false;
}

void access_end(struct access *a)
{
    store_close(a->store);
    plan_unref(a->plan);
}

bool access_drop_rights(struct access *a)
{
    struct identity id;
    struct buf why = {0};
    const struct conf_settings *set = a->plan->set;
    enum err e = identity_find(set->user, &id, &why);
    if (e == ERR_NONE) {
        if (a->kind->is_directory)
            e = rights_make_directory(set->store, &id, &why);
        if (e == ERR_NONE)
            e = rights_drop(&id, &why);
        identity_fini(&id);
    }
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier %s: %s\n", a->command, buf_cstr(&why));
    buf_fini(&why);
    return e == ERR_NONE;
}

static struct store_config config_of(struct access *a)
{
    const struct conf_settings *set = a->plan->set;
    return (struct store_config){.place = set->store, .max_records = set->store_max, .bulk = true, .log = say, .ctx = a};
}

enum err access_open_for_reading(struct access *a)
{
    struct store_config config = config_of(a);
    return a->kind->open_reader(&config, &a->store);
}

enum err access_open_for_writing(struct access *a)
{
    struct store_config config = config_of(a);
    return a->kind->open(&config, &a->store);
}
