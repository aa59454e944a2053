/* spool.c - spool files, alone and behind the loop. */
#include "control.h"
#include "io/spool_file.h"
#include "random.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned files_open(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void run(control_script *script)
{
    struct control c = {0};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 10});
    control_run(&c, script);
    CHECK(!c.failed);
}

/* ---- the file alone ---- */

static void check_file(int (*make)(const char *directory, int *fd))
{
    char directory[] = "/tmp/tarsier-spool-XXXXXX", bytes[200000], back[200000];
    if (!mkdtemp(directory))
        abort();
    int fd = -1;
    struct stat st;
    CHECK_INT(make(directory, &fd), 0);
    CHECK_INT(fstat(fd, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(st.st_nlink, 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = control_pattern(1, i);
    CHECK_INT(spool_file_write(fd, 0, slice_of(bytes, 100)), 0);
    CHECK_INT(spool_file_write(fd, 100, slice_of(bytes + 100, sizeof(bytes) - 100)), 0);
    CHECK_INT(spool_file_write(fd, sizeof(bytes), SLICE_NONE), 0);
    CHECK_INT(spool_file_read(fd, 0, back, sizeof(back)), 0);
    CHECK(memcmp(bytes, back, sizeof(bytes)) == 0);
    CHECK_INT(spool_file_read(fd, 1, back, sizeof(back)), EIO);
    close(fd);
    CHECK_INT(rmdir(directory), 0); /* nothing is left in it */
    CHECK_INT(make(directory, &fd), ENOENT);
}

static void makes_files_without_a_name(void)
{
    check_file(spool_file_make);
    check_file(spool_file_make_named);
}

/* ---- behind the loop ---- */

static void keeps(struct control *c, int mta)
{
    EXPECT(c,
           control_ask(mta, "write 1 1 70000\nwrite 1 2 0\nwrite 2 3 10\nread 1 4 0 65536\nread 1 5 69999 1\necho asked"));
    /* Two files have nothing to do with each other; each is in order. */
    char got[256] = {0};
    const char *answers[] = {"1 ok\n", "2 ok\n", "4 same 65536\n", "5 same 1\n"};
    size_t want = strlen("asked\n3 ok\n"), have = 0;
    for (size_t i = 0; i < 4; i++)
        want += strlen(answers[i]);
    for (ssize_t n; have < want && (n = read(mta, got + have, want - have)) > 0;)
        have += (size_t)n;
    EXPECT(c, strncmp(got, "asked\n", 6) == 0 && strstr(got, "3 ok\n"));
    const char *at = got;
    for (size_t i = 0; i < 4; i++) {
        at = strstr(at, answers[i]);
        EXPECT(c, at != NULL);
        if (!at)
            break;
    }
    EXPECT(c, control_ask(mta, "read 1 6 69999 2") && control_hear(mta, "6 error %d\n", EIO));
    EXPECT(c, control_ask(mta, "write 1 0 5\nread 1 7 69995 10") && control_hear(mta, "7 same 10\n")); /* 0: no answer */
    /* A name again, for a new file. */
    EXPECT(c, control_ask(mta, "free 1\nwrite 1 8 4\nread 1 9 0 4") && control_hear(mta, "8 ok\n9 same 4\n"));
    EXPECT(c, control_ask(mta, "free 1\nfree 2\nfree 3") && control_nothing_more(mta));
}

static void keeps_what_is_written_in_order(void)
{
    run(keeps);
}

static void forgets(struct control *c, int mta)
{
    for (unsigned i = 0; i < 20; i++)
        EXPECT(c, control_ask(mta, "write 1 1 300000\nread 1 2 0 60000\nwrite 1 3 300000\nfree 1\necho %u", i) &&
                      control_hear(mta, "%u\n", i));
    EXPECT(c, control_nothing_more(mta));
    /* As many as may be open: the twenty are closed, or this would be refused. */
    for (unsigned i = 1; i <= 5; i++) {
        EXPECT(c, control_ask(mta, "write %u %u 10", i, i) && control_hear(mta, "%u ok\n", i));
    }
    for (unsigned i = 1; i <= 5; i++)
        EXPECT(c, control_ask(mta, "write %u %u 100000", i, i) && control_hear(mta, "%u ok\n", i));
    EXPECT(c, control_ask(mta, "write 1 1 100000\nwrite 2 2 100000\necho end") && control_hear(mta, "end\n"));
    /* The end comes with two of them at work and all of them open. */
}

static void answers_nobody_when_it_is_closed(void)
{
    unsigned before = files_open();
    struct control c = {0};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 30});
    control_run(&c, forgets);
    CHECK(!c.failed);
    CHECK_INT(files_open(), before);
}

/* A file may have 10,000 bytes: the second write is cut short and then fails, as with a full disk. */
static void fails(struct control *c, int mta)
{
    EXPECT(c, control_ask(mta, "write 1 1 6000") && control_hear(mta, "1 ok\n"));
    EXPECT(c, control_ask(mta, "write 1 2 6000") && control_hear(mta, "2 error %d\n", EFBIG));
    EXPECT(c,
           control_ask(mta, "write 1 3 1") && control_hear(mta, "3 error %d\n", EFBIG)); /* not where it does not belong */
    EXPECT(c, control_ask(mta, "read 1 4 0 6000") && control_hear(mta, "4 same 6000\n"));
    EXPECT(c, control_ask(mta, "read 1 7 6000 6000") && control_hear(mta, "7 error %d\n", EFBIG));
    EXPECT(c, control_ask(mta, "write 2 5 6000") && control_hear(mta, "5 ok\n")); /* only this one is ill */
    EXPECT(c, control_ask(mta, "free 1\nfree 2\nwrite 1 6 10000") && control_hear(mta, "6 ok\n"));
    EXPECT(c, control_ask(mta, "free 1"));
}

static void tells_that_a_file_cannot_be_written(void)
{
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 10000;
    setrlimit(RLIMIT_FSIZE, &small);
    run(fails);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void lacks_directory(struct control *c, int mta)
{
    EXPECT(c, control_ask(mta, "write 1 1 1\nwrite 1 2 1") && control_hear(mta, "1 error %d\n2 error %d\n", ENOENT, ENOENT));
    EXPECT(c, control_ask(mta, "read 1 3 0 1") && control_hear(mta, "3 error %d\n", ENOENT));
    EXPECT(c, control_ask(mta, "free 1"));
}

static void tells_that_a_file_cannot_be_made(void)
{
    struct control c = {0};
    control_start(&c, (struct io_limits){.sessions_max = 10, .files_max = 10, .spool_directory = "/nonexistent-for-sure"});
    control_run(&c, lacks_directory);
    CHECK(!c.failed);
}

static void mixed(struct control *c, int mta)
{
    unsigned written[CONTROL_SPOOLS] = {0};
    for (unsigned i = 1; i <= 2000; i++) {
        unsigned file = random_below(CONTROL_SPOOLS), bytes = random_below(random_below(20) ? 3000 : 200000);
        if (random_below(100) == 0) {
            EXPECT(c, control_ask(mta, "free %u", file + 1));
            written[file] = 0;
        } else if (!written[file] || random_below(2)) {
            bytes++;
            EXPECT(c, control_ask(mta, "write %u %u %u", file + 1, i, bytes) && control_hear(mta, "%u ok\n", i));
            written[file] += bytes;
        } else {
            unsigned offset = random_below(written[file]), left = written[file] - offset;
            bytes = 1 + random_below(left < SPOOL_READ_MAX_BYTES ? left : SPOOL_READ_MAX_BYTES);
            EXPECT(c, control_ask(mta, "read %u %u %u %u", file + 1, i, offset, bytes) &&
                          control_hear(mta, "%u same %u\n", i, bytes));
        }
        if (c->failed)
            return;
    }
}

static void reads_back_whatever_was_written(void)
{
    run(mixed);
}

int main(void)
{
    alarm(100);
    random_begin();
    TEST(makes_files_without_a_name);
    TEST(keeps_what_is_written_in_order);
    TEST(answers_nobody_when_it_is_closed);
    TEST(tells_that_a_file_cannot_be_written);
    TEST(tells_that_a_file_cannot_be_made);
    TEST(reads_back_whatever_was_written);
    return TEST_END();
}
