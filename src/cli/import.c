/* import.c - `tarsier import`: records from elsewhere into the store. */
#include "cli/access.h"
#include "setup/import.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum err into_store(void *ctx, struct store_import *import)
{
    return store_import(ctx, import);
}

/* Every line of the file into the sink. Errors: importer_take's; ERR_IO with errno when the file cannot be read. */
static enum err read_lines(FILE *f, struct importer *im)
{
    char *line = NULL;
    size_t size = 0;
    enum err e = ERR_NONE;
    for (ssize_t n; e == ERR_NONE && (n = getline(&line, &size, f)) >= 0;)
        e = importer_take(im, slice_of(line, (size_t)n));
    free(line);
    return e == ERR_NONE && ferror(f) ? ERR_IO : e;
}

static int import_file(struct access *a, const char *path, FILE *f)
{
    struct import_result result;
    struct buf words = {0};
    struct importer *im = importer_new(a->plan->set, (struct wall){time(NULL)}, into_store, a->store);
    enum err e = read_lines(f, im), last = importer_finish(im, &result);
    importer_free(im);
    e = e ? e : last;
    import_put_result(&words, &result);
    printf("%s: %s\n", path, buf_cstr(&words));
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: stopped: %s\n", err_text(e));
    buf_fini(&words);
    return e == ERR_NONE && !result.is_cut ? CLI_OK : CLI_FAILED;
}

static FILE *open_input(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    int c = f ? getc(f) : EOF; /* a directory opens, and cannot be read */
    if (c != EOF)
        (void)ungetc(c, f);
    if (f && !ferror(f))
        return f;
    fprintf(stderr, "tarsier import: %s: %s\n", path, strerror(errno));
    if (f && f != stdin)
        (void)fclose(f);
    return NULL;
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
        return cli_usage(
            c, "it takes one file (or - for standard input): an export, milter-greylist's dumpfile, or db_dump's text");
    struct access a;
    const char *path = argv[optind];
    int status = CLI_FAILED;
    FILE *f = NULL;
    if (access_begin(&a, "import", file) && (f = open_input(path)) != NULL && access_drop_rights(&a)) {
        enum err e = access_open_for_writing(&a);
        if (e == ERR_BUSY)
            fprintf(stderr, "tarsier import: %s is in use: stop tarsierd first (systemctl stop tarsierd)\n",
                    a.plan->set->store);
        if (e == ERR_NONE)
            status = import_file(&a, path, f);
    }
    if (f && f != stdin)
        (void)fclose(f);
    access_end(&a);
    return status;
}
