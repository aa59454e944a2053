/* backup.c - `tarsier backup`: records and the files of the state directory, into one file. */
#include "cli/export.h"
#include "setup/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool put_parts(struct access *a, FILE *out, uint64_t *lines)
{
    const char *directory = stores_state_directory(a->plan->set);
    bool ok = true;
    *lines = 0;
    for (size_t i = 0; ok && i < n_parts; i++) {
        struct buf text = {0};
        uint64_t n;
        ok = part_put(&parts[i], directory, &text, &n) == ERR_NONE;
        if (ok)
            ok = text.len == 0 || fwrite(text.ptr, 1, text.len, out) == text.len;
        else
            fprintf(stderr, "tarsier backup: %s/%s: %s\n", directory, parts[i].path, strerror(errno));
        *lines += n;
        buf_fini(&text);
    }
    return ok;
}

/* As the daemon's user; the file is open already. */
static int write_all(struct access *a, FILE *out)
{
    struct grey_filter filter;
    uint64_t records, lines;
    grey_filter_init(&filter, (struct wall){(int64_t)time(NULL)});
    if (!access_drop_rights(a) || access_open_for_reading(a) != ERR_NONE)
        return CLI_FAILED;
    export_put_head(out);
    if (!export_records(a, &filter, EXPORT_LINES, out, &records) || !put_parts(a, out, &lines))
        return CLI_FAILED;
    export_put_end(out, records, lines);
    if (fflush(out) != 0 || ferror(out) || (fsync(fileno(out)) != 0 && errno != EINVAL && errno != EROFS)) {
        fprintf(stderr, "tarsier backup: cannot write: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    fprintf(stderr, "%" PRIu64 " records, %" PRIu64 " lines of other files\n", records, lines);
    return CLI_OK;
}

/*
 * A process of its own gives up root's rights and reads the store, so that no file of the store's becomes root's; this one keeps them
 * for the directory of the backup.
 */
static int write_apart(struct access *a, FILE *out)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(write_all(a, out));
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        fprintf(stderr, "tarsier backup: no process: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

/* The old file stays until the new one is whole. */
static int write_file(struct access *a, const char *path)
{
    struct buf fresh = {0};
    buf_printf(&fresh, "%s.new", path);
    const char *name = buf_cstr(&fresh);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), status = CLI_FAILED;
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out)
        fprintf(stderr, "tarsier backup: %s: %s\n", name, strerror(errno));
    else
        status = write_apart(a, out);
    if (out)
        (void)fclose(out); /* nothing is in it: the other process has written */
    if (status == CLI_OK && rename(name, path) != 0) {
        fprintf(stderr, "tarsier backup: %s: %s\n", path, strerror(errno));
        status = CLI_FAILED;
    }
    if (out && status != CLI_OK)
        (void)unlink(name);
    buf_fini(&fresh);
    return status;
}

int cli_backup(const struct command *c, int argc, char **argv)
{
    struct access a;
    const char *file = NULL;
    int status = CLI_FAILED;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o != 'f')
            return cli_usage(c, NULL);
        file = optarg;
    }
    if (argc - optind != 1)
        return cli_usage(c, "it takes the file to write; - is standard output");
    if (access_begin(&a, "backup", file) && access_must_be_kept(&a))
        status = strcmp(argv[optind], "-") == 0 ? write_all(&a, stdout) : write_file(&a, argv[optind]);
    access_end(&a);
    return status;
}
