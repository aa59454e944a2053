/* metrics.c - `tarsier metrics`: Prometheus's text form to standard output, or into a file as node_exporter wants it. */
#include "cli/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void take(void *ctx, const struct ctl_line *row)
{
    struct buf *out = ctx;
    buf_put_slice(out, ctl_field(row, 0));
    buf_put_byte(out, '\n');
}

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR)
            return false;
        text = slice_from(text, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* Beside it, then renamed: whoever reads the file never sees a part of it. */
static int write_file(const char *path, struct slice text)
{
    struct buf temporary = {0};
    buf_printf(&temporary, "%s.%d", path, (int)getpid());
    int fd = open(buf_cstr(&temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write_all(fd, text) && fchmod(fd, 0644) == 0;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    ok = ok && rename(buf_cstr(&temporary), path) == 0;
    if (!ok)
        fprintf(stderr, "tarsier metrics: %s: %s\n", path, strerror(errno));
    if (!ok && fd >= 0)
        unlink(buf_cstr(&temporary));
    buf_fini(&temporary);
    return ok ? CLI_OK : CLI_FAILED;
}

int cli_metrics(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    struct buf out = {0};
    const char *path = NULL;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'o')
            path = optarg;
        else if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else
            return cli_usage(c, NULL);
    }
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    int status = cli_ask(c, &at, (struct slice[]){SLICE_LIT("metrics")}, 1, take, &out);
    if (status == CLI_OK && path)
        status = write_file(path, buf_slice(&out));
    else if (status == CLI_OK && (!write_all(STDOUT_FILENO, buf_slice(&out))))
        status = CLI_FAILED;
    buf_fini(&out);
    return status;
}
