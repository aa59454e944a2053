/* log.c - the log on a pipe in stderr's place: order, form, bounds, a stalled reader, several writers. */
#include "log/log.h"
#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* stderr becomes a pipe; its reading end is returned. */
static int saved_stderr;

static int stderr_to_pipe(void)
{
    int fds[2];
    if (pipe(fds) < 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    return fds[0];
}

static void stderr_back(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

static void read_all(int fd, struct buf *into)
{
    for (;;) {
        ssize_t n = read(fd, buf_reserve(into, 65536), 65536);
        if (n <= 0)
            break;
        into->len += (size_t)n;
    }
}

/* "2026-01-31T23:59:59.123+01:00 " */
static bool stamp_cut(struct slice *line)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddsdd:dd ";
    if (line->len < sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i]; i++) {
        char c = line->ptr[i];
        bool ok = form[i] == 'd' ? ascii_is_digit(c) : form[i] == 's' ? c == '+' || c == '-' : c == form[i];
        if (!ok)
            return false;
    }
    *line = slice_from(*line, sizeof(form) - 1);
    return true;
}

static void writes_lines_in_order_with_their_level(void)
{
    int fd = stderr_to_pipe();
    struct log *l;
    CHECK_INT(log_open(&l, LOG_TARGET_STDERR, "test", LOG_BUFFER_BYTES, false), ERR_NONE);
    log_write(l, LOG_LEVEL_INFO, slice_cstr("first"));
    log_printf(l, LOG_LEVEL_WARNING, "second %d", 2);
    log_write(l, LOG_LEVEL_DEBUG, slice_cstr("not wanted"));
    log_write(l, LOG_LEVEL_ERROR, slice_cstr("third"));
    log_write(l, LOG_LEVEL_NOTICE, slice_cstr("a\nb\x1b[31m\x7f\xc3\xa4"));
    log_write(l, LOG_LEVEL_INFO, slice_cstr(""));
    CHECK(log_close(l, 5000));
    stderr_back();
    struct buf got = {0};
    read_all(fd, &got);
    close(fd);
    static const char *const want[] = {"first", "warning: second 2", "error: third", "a?b?[31m?\xc3\xa4", ""};
    struct slice rest = buf_slice(&got);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(stamp_cut(&line));
        CHECK(slice_eq_cstr(line, want[i]));
    }
    CHECK_INT(rest.len, 0);
    buf_fini(&got);
}

static void cuts_a_line_that_is_too_long(void)
{
    int fd = stderr_to_pipe();
    struct log *l;
    CHECK_INT(log_open(&l, LOG_TARGET_STDERR, "test", 0, false), ERR_NONE);
    struct buf b = {0};
    memset(buf_reserve(&b, 20000), 'x', 20000);
    b.len = 20000;
    log_write(l, LOG_LEVEL_INFO, buf_slice(&b));
    CHECK(log_close(l, 5000));
    stderr_back();
    struct buf got = {0};
    read_all(fd, &got);
    close(fd);
    struct slice rest = buf_slice(&got), line = slice_cut(&rest, '\n');
    CHECK(stamp_cut(&line));
    CHECK_INT(line.len, LOG_LINE_MAX_BYTES);
    CHECK(slice_has_suffix_nocase(line, SLICE_LIT("x...")));
    CHECK_INT(rest.len, 0);
    buf_fini(&got);
    buf_fini(&b);
}

struct reader {
    int fd;
    struct buf got;
};

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    read_all(r->fd, &r->got);
    return NULL;
}

/* Nobody reads until everything is written: far more than pipe and buffer hold. Each line is written or counted, in order. */
static void counts_what_it_drops(void)
{
    enum { LINES = 20000 };
    struct reader r = {.fd = stderr_to_pipe()};
    struct log *l;
    CHECK_INT(log_open(&l, LOG_TARGET_STDERR, "test", 64 * 1024, false), ERR_NONE);
    for (int i = 0; i < LINES; i++)
        log_printf(l, LOG_LEVEL_INFO, "line %d of a flood, made longer by this and that", i);
    pthread_t thread;
    pthread_create(&thread, NULL, reader_main, &r);
    CHECK(log_close(l, 20000));
    stderr_back();
    pthread_join(thread, NULL);
    close(r.fd);
    long written = 0, dropped = 0, last = -1;
    for (struct slice rest = buf_slice(&r.got); rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(stamp_cut(&line));
        if (slice_has_prefix(line, "line ")) {
            long n = strtol(line.ptr + 5, NULL, 10);
            CHECK(n > last);
            last = n;
            written++;
        } else {
            CHECK(slice_has_prefix(line, "warning: log: "));
            dropped += strtol(line.ptr + 14, NULL, 10);
        }
    }
    CHECK_INT(written + dropped, LINES);
    CHECK(dropped > 0);
    CHECK(written > 0);
    buf_fini(&r.got);
}

enum { WRITERS = 4, EACH = 3000 };

struct writer {
    struct log *l;
    int number;
};

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < EACH; i++)
        log_printf(w->l, LOG_LEVEL_INFO, "%d %d", w->number, i);
    return NULL;
}

/* Buffers that are swapped many times; no line is torn, lost or out of its writer's order. */
static void takes_lines_of_many_threads(void)
{
    struct reader r = {.fd = stderr_to_pipe()};
    struct log *l;
    CHECK_INT(log_open(&l, LOG_TARGET_STDERR, "test", 1 << 20, false), ERR_NONE);
    pthread_t reader, threads[WRITERS];
    struct writer writers[WRITERS];
    pthread_create(&reader, NULL, reader_main, &r);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){l, i};
        pthread_create(&threads[i], NULL, writer_main, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(log_close(l, 20000));
    stderr_back();
    pthread_join(reader, NULL);
    close(r.fd);
    int next[WRITERS] = {0};
    for (struct slice rest = buf_slice(&r.got); rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(stamp_cut(&line));
        int who = line.len ? line.ptr[0] - '0' : -1;
        if (!CHECK(who >= 0 && who < WRITERS))
            break;
        CHECK_INT(strtol(line.ptr + 1, NULL, 10), next[who]);
        next[who]++;
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_INT(next[i], EACH);
    buf_fini(&r.got);
}

/* The pipe is full and stays so: closing gives up after its time and says so. In a child, for the thread stays behind. */
static void gives_up_on_a_reader_that_never_reads(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        stderr_to_pipe();
        struct log *l;
        if (log_open(&l, LOG_TARGET_STDERR, "test", 1 << 20, false) != ERR_NONE)
            _exit(2);
        for (int i = 0; i < 4000; i++)
            log_printf(l, LOG_LEVEL_INFO, "%d: nobody reads this, and it is more than a pipe's 64 KiB", i);
        _exit(log_close(l, 100) ? 1 : 0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

/* What it writes to stderr between begin and end. */
static int begin(struct log **l)
{
    int fd = stderr_to_pipe();
    CHECK_INT(log_open(l, LOG_TARGET_STDERR, "test", LOG_BUFFER_BYTES, false), ERR_NONE);
    return fd;
}

static void end(struct log *l, int fd, struct buf *got)
{
    CHECK(log_close(l, 5000));
    stderr_back();
    read_all(fd, got);
    close(fd);
}

/* The line without its time, which must stand first. */
static bool object_cut(struct slice *line)
{
    static const char before[] = "{\"time\":\"";
    if (!slice_has_prefix(*line, before))
        return false;
    struct slice rest = slice_from(*line, sizeof(before) - 1), stamp = slice_upto(rest, slice_find(rest, '"'));
    struct buf padded = {0};
    buf_printf(&padded, "%.*s ", SLICE_ARG(stamp));
    struct slice check = buf_slice(&padded);
    bool good = stamp_cut(&check) && check.len == 0;
    buf_fini(&padded);
    *line = slice_from(rest, stamp.len + 1);
    return good;
}

static void check_objects(const struct buf *got, const char *const *want, size_t n)
{
    struct slice rest = buf_slice(got);
    for (size_t i = 0; i < n; i++) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(object_cut(&line));
        CHECK_SLICE(line, want[i]);
    }
    CHECK_INT(rest.len, 0);
}

static void writes_objects(void)
{
    static const char *const want[] = {
        ",\"level\":\"info\",\"message\":\"first\"}",
        ",\"level\":\"warning\",\"message\":\"a \\\"b\\\" \\\\ ?c\"}",
        ",\"level\":\"info\",\"message\":\"with\",\"what\":\"held\",\"seconds\":125}",
        ",\"level\":\"error\",\"message\":\"\xc3\xa4 \\ufffd\"}",
    };
    struct log *l;
    struct buf got = {0};
    int fd = begin(&l);
    CHECK(!log_is_json(l));
    log_set_json(l, true);
    CHECK(log_is_json(l));
    log_write(l, LOG_LEVEL_INFO, slice_cstr("first"));
    log_write(l, LOG_LEVEL_WARNING, slice_cstr("a \"b\" \\ \nc"));
    log_event(l, LOG_LEVEL_INFO, slice_cstr("with"), slice_cstr("\"what\":\"held\",\"seconds\":125"));
    log_write(l, LOG_LEVEL_ERROR, slice_cstr("\xc3\xa4 \xff"));
    end(l, fd, &got);
    check_objects(&got, want, COUNT_OF(want));
    buf_fini(&got);
}

/* Warnings and errors about what happens by itself; nothing else is ever left out. */
static void says_equal_lines_once(void)
{
    static const char *const want[] = {"warning: disk",
                                       "note",
                                       "note",
                                       "warning: other",
                                       "warning: other",
                                       "warning: once",
                                       "warning: disk (3 times more)",
                                       "warning: once (1 time more)"};
    struct log *l;
    struct buf got = {0};
    int fd = begin(&l);
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("disk"), SLICE_NONE);
    log_event(l, LOG_LEVEL_NOTICE, slice_cstr("note"), SLICE_NONE);
    log_event(l, LOG_LEVEL_NOTICE, slice_cstr("note"), SLICE_NONE);
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("disk"), SLICE_NONE);
    log_write(l, LOG_LEVEL_WARNING, slice_cstr("other"));
    log_write(l, LOG_LEVEL_WARNING, slice_cstr("other"));
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("disk"), SLICE_NONE);
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("disk"), SLICE_NONE);
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("once"), SLICE_NONE);
    log_event(l, LOG_LEVEL_WARNING, slice_cstr("once"), SLICE_NONE);
    end(l, fd, &got);
    struct slice rest = buf_slice(&got);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct slice line = slice_cut(&rest, '\n');
        CHECK(stamp_cut(&line));
        CHECK_SLICE(line, want[i]);
    }
    CHECK_INT(rest.len, 0);
    buf_fini(&got);
}

static void says_equal_objects_once(void)
{
    static const char *const want[] = {
        ",\"level\":\"error\",\"message\":\"disk\"}",
        ",\"level\":\"error\",\"message\":\"disk\",\"repeated\":2}",
    };
    struct log *l;
    struct buf got = {0};
    int fd = begin(&l);
    log_set_json(l, true);
    for (int i = 0; i < 3; i++)
        log_event(l, LOG_LEVEL_ERROR, slice_cstr("disk"), SLICE_NONE);
    end(l, fd, &got);
    check_objects(&got, want, COUNT_OF(want));
    buf_fini(&got);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    TEST(writes_lines_in_order_with_their_level);
    TEST(cuts_a_line_that_is_too_long);
    TEST(counts_what_it_drops);
    TEST(takes_lines_of_many_threads);
    TEST(gives_up_on_a_reader_that_never_reads);
    TEST(writes_objects);
    TEST(says_equal_lines_once);
    TEST(says_equal_objects_once);
    return TEST_END();
}
