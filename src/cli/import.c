/* import.c - `tarsier import`: a dump of milter-greylist's into the store, while no daemon has it open. */
#include "cli/cli.h"
#include "setup/files.h"
#include "setup/import.h"
#include "setup/rights.h"
#include "setup/stores.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DUMP_MAX_BYTES = 2000 * 1000 * 1000 };

static void say(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "tarsier import: %s\n", line);
}

/* Become who the daemon runs as, so that the files made here are the daemon's. */
static bool drop_rights(const struct conf_settings *set)
{
    struct identity id;
    struct buf why = {0};
    enum err e = identity_find(set->user, &id, &why);
    if (e == ERR_NONE) {
        e = rights_make_directory(set->store, &id, &why);
        if (e == ERR_NONE)
            e = rights_drop(&id, &why);
        identity_fini(&id);
    }
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: %s\n", buf_cstr(&why));
    buf_fini(&why);
    return e == ERR_NONE;
}

static const struct store_kind *find_kind(const struct conf_settings *set)
{
    const struct store_kind *kind = stores_find(set->store);
    if (kind && kind->is_kept)
        return kind;
    fprintf(stderr, "tarsier import: nothing can be put into the store \"%s\" from outside\n", set->store);
    return NULL;
}

static struct store *open_store(const struct store_kind *kind, const struct conf_settings *set)
{
    struct store *store = NULL;
    const struct store_config config = {.place = set->store, .max_records = set->store_max, .bulk = true, .log = say};
    enum err e = kind->open(&config, &store); /* what is wrong has been said, with what to do */
    if (e == ERR_BUSY)
        fprintf(stderr, "tarsier import: %s is in use: stop tarsierd first (systemctl stop tarsierd)\n", set->store);
    return e == ERR_NONE ? store : NULL;
}

static bool import_text(const struct store_kind *kind, const struct conf_settings *set, const char *path, struct slice text)
{
    struct import_result result;
    struct buf words = {0};
    struct store *store = open_store(kind, set);
    if (!store)
        return false;
    enum err e = import_dump(store, set, text, (struct wall){time(NULL)}, &result);
    import_put_result(&words, &result);
    printf("%s: %s\n", path, buf_cstr(&words));
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: stopped: %s\n", err_text(e));
    buf_fini(&words);
    store_close(store);
    return e == ERR_NONE;
}

int cli_import(const struct command *c, int argc, char **argv)
{
    const char *file = NULL;
    int option;
    if (argc > 1 && strcmp(argv[1], "milter-manager") == 0)
        return cli_import_manager(c, argc - 1, argv + 1);
    while ((option = getopt(argc, argv, "f:")) != -1) {
        if (option != 'f')
            return cli_usage(c, "an option that it does not know, or one without its argument");
        file = optarg;
    }
    if (argc - optind != 1)
        return cli_usage(c, "it takes one file: milter-greylist's dumpfile");
    struct plan *plan = cli_plan(file);
    const struct store_kind *kind = plan ? find_kind(plan->set) : NULL;
    if (!kind) {
        plan_unref(plan);
        return CLI_FAILED;
    }
    struct buf text = {0};
    const char *path = argv[optind];
    bool done = false;
    enum err e = file_read(path, DUMP_MAX_BYTES, &text); /* before the rights to read it are given up */
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: %s: %s\n", path, e == ERR_IO || e == ERR_NOT_FOUND ? strerror(errno) : err_text(e));
    else if (drop_rights(plan->set))
        done = import_text(kind, plan->set, path, buf_slice(&text));
    buf_fini(&text);
    plan_unref(plan);
    return done ? CLI_OK : CLI_FAILED;
}
