/* import.c - `tarsier import`: records from elsewhere into the store. */
#include "cli/access.h"
#include "cli/ctl.h"
#include "formats/lines.h"
#include "setup/import.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct target {
    struct access access;
    struct cli_daemon at;
    struct cli_talk talk;
    bool by_daemon;
    struct store_import *counts; /* of the slice under way */
    uint64_t too_long;           /* records that fit into no request */
};

/* ---- into a store of our own, or into the daemon's ---- */

static enum err into_store(void *ctx, struct store_import *import)
{
    struct target *t = ctx;
    return store_import(t->access.store, import);
}

static void take_counts(void *ctx, const struct ctl_line *row)
{
    struct target *t = ctx;
    uint64_t n;
    if (slice_to_u64(ctl_field(row, 1), &n) != ERR_NONE)
        return;
    if (slice_eq_cstr(ctl_field(row, 0), "added"))
        t->counts->added += (size_t)n;
    else if (slice_eq_cstr(ctl_field(row, 0), "changed"))
        t->counts->changed += (size_t)n;
}

static enum err send_words(struct target *t, const struct slice *words, size_t n)
{
    if (n < 2)
        return ERR_NONE;
    if (cli_talk_ask(&t->talk, words, n, take_counts, t) == CLI_OK)
        return ERR_NONE;
    fprintf(stderr, "tarsier import: %s\n", buf_cstr(&t->talk.why));
    return ERR_IO;
}

/* Bytes of a word in a request: a backslash takes four. */
static size_t word_bytes(struct slice word)
{
    size_t n = word.len + 1;
    for (size_t i = 0; i < word.len; i++)
        n += word.ptr[i] == '\\' ? 3 : 0;
    return n;
}

/* As many records as a request holds, then the next: each is committed when it is answered. */
static enum err into_daemon(void *ctx, struct store_import *import)
{
    struct target *t = ctx;
    struct arena arena = {0};
    struct buf line = {0};
    struct slice words[CTL_WORDS_MAX] = {SLICE_LIT("import")};
    size_t n = 1, bytes = word_bytes(words[0]);
    enum err e = ERR_NONE;
    t->counts = import;
    for (size_t i = 0; e == ERR_NONE && i < import->count; i++) {
        buf_clear(&line);
        line_put_record(&line, &import->items[i].record);
        struct slice word = slice_upto(buf_slice(&line), line.len - 1);
        size_t more = word_bytes(word);
        if (more + word_bytes(words[0]) > CTL_REQUEST_MAX_BYTES) {
            t->too_long++;
            continue;
        }
        if (n == CTL_WORDS_MAX || bytes + more > CTL_REQUEST_MAX_BYTES) {
            e = send_words(t, words, n);
            n = 1;
            bytes = word_bytes(words[0]);
            arena_clear(&arena);
        }
        words[n++] = arena_slice(&arena, word);
        bytes += more;
    }
    if (e == ERR_NONE)
        e = send_words(t, words, n);
    buf_fini(&line);
    arena_fini(&arena);
    return e;
}

/* A daemon that runs has the store; else we open it. */
static bool open_target(struct target *t)
{
    t->by_daemon = cli_talk_open(&t->talk, &t->at) == CLI_OK;
    if (t->by_daemon)
        return true;
    if (t->at.socket || !t->access.kind->is_kept) {
        fprintf(stderr, "tarsier import: %s\n", buf_cstr(&t->talk.why));
        return false;
    }
    if (!access_drop_rights(&t->access))
        return false;
    enum err e = access_open_for_writing(&t->access);
    if (e == ERR_BUSY)
        fprintf(stderr, "tarsier import: a daemon has %s, and answers nothing: %s\n", t->access.plan->set->store,
                buf_cstr(&t->talk.why));
    return e == ERR_NONE;
}

/* ---- the file ---- */

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

static int import_file(struct target *t, const char *path, FILE *f)
{
    struct import_result result;
    struct buf words = {0};
    struct importer *im =
        importer_new(t->access.plan->set, (struct wall){time(NULL)}, t->by_daemon ? into_daemon : into_store, t);
    enum err e = read_lines(f, im), last = importer_finish(im, &result);
    importer_free(im);
    e = e ? e : last;
    import_put_result(&words, &result);
    if (t->too_long)
        buf_printf(&words, "; %llu are too long for the daemon: stop it and import them", (unsigned long long)t->too_long);
    printf("%s: %s\n", path, buf_cstr(&words));
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: stopped: %s\n", err_text(e));
    buf_fini(&words);
    return e == ERR_NONE && !result.is_cut && !t->too_long ? CLI_OK : CLI_FAILED;
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
    struct target t = {.talk = {.fd = -1}};
    if (argc > 1 && strcmp(argv[1], "milter-manager") == 0)
        return cli_import_manager(c, argc - 1, argv + 1);
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            t.at.file = optarg;
        else if (o == 'S')
            t.at.socket = optarg;
        else
            return cli_usage(c, NULL);
    }
    if (argc - optind != 1)
        return cli_usage(
            c, "it takes one file (or - for standard input): an export, milter-greylist's dumpfile, or db_dump's text");
    const char *path = argv[optind];
    int status = CLI_FAILED;
    FILE *f = NULL;
    if (access_begin(&t.access, "import", t.at.file) && (f = open_input(path)) != NULL && open_target(&t))
        status = import_file(&t, path, f);
    if (f && f != stdin)
        (void)fclose(f);
    cli_talk_close(&t.talk);
    access_end(&t.access);
    return status;
}
