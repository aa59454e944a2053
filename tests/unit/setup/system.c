/*
 * system.c - what is said about users, groups and directories that a configuration names. In a directory of its own, %D below;
 * as root or not. `daemon` stands for the MTA's user, `bin` for ours: every system has them.
 */
#include "setup/system.h"
#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test-system-XXXXXX";

/* "%D" is the directory. */
static void fill_in(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 'D') {
            buf_put_cstr(out, dir);
            text++;
        } else {
            buf_put_byte(out, *text);
        }
    }
}

/* What is said of the text; said is emptied first. */
static void ask(const char *text, const char *mta_user, bool starting, struct diags *diags, struct buf *said)
{
    struct buf filled = {0};
    fill_in(text, &filled);
    struct slice all = buf_slice(&filled);
    struct conf_source source = conf_source_text(&all);
    struct conf *c = conf_load(&source, "t.conf", diags);
    CHECK_INT(diags->errors, 0);
    system_check(c, &(struct system_question){.mta_user = mta_user, .starting = starting}, diags);
    buf_clear(said);
    diags_print(diags, said);
    conf_free(c);
    buf_fini(&filled);
}

struct expected {
    const char *text;
    const char *mta_user;
    size_t errors, warnings;
    const char *says[2];
};

static void check_all(const struct expected *rows, size_t n, bool starting)
{
    for (size_t i = 0; i < n; i++) {
        struct diags diags;
        struct buf said = {0}, wanted = {0};
        diags_init(&diags);
        ask(rows[i].text, rows[i].mta_user, starting, &diags, &said);
        bool as_expected = diags.errors == rows[i].errors && diags.warnings == rows[i].warnings;
        for (int k = 0; k < 2 && rows[i].says[k]; k++) {
            buf_clear(&wanted);
            fill_in(rows[i].says[k], &wanted);
            as_expected &= strstr(buf_cstr(&said), buf_cstr(&wanted)) != NULL;
        }
        if (!as_expected)
            printf("# %s: it says:\n# %s\n", rows[i].text, buf_cstr(&said));
        CHECK(as_expected);
        diags_fini(&diags);
        buf_fini(&said);
        buf_fini(&wanted);
    }
}

#define LISTEN_FINE "listen \"inet:10025@127.0.0.1\"\npidfile none\n"

static void looks_at_directories(void)
{
    static const struct expected rows[] = {
        {"user \"bin\"\n" LISTEN_FINE, "-", 0, 0, {0}},
        /* the last directory is made, none above it */
        {"user \"bin\"\nlisten \"unix:%D/new/s\"", "-", 0, 0, {0}},
        {"user \"bin\"\nlisten \"unix:%D/new/er/s\"",
         "-",
         1,
         0,
         {"t.conf:2:1: error: there is no directory %D/new/er, and none above"}},
        {"user \"bin\"\nlisten \"unix:%D/file/s\"", "-", 1, 0, {"%D/file is no directory"}},
        {"user \"bin\"\nlisten \"unix:%D/file/er/s\"",
         "-",
         1,
         0,
         {"the directory %D/file/er cannot be used: Not a directory"}},
        {"user \"bin\"\nlisten \"unix:%D/file\"", "-", 1, 0, {"%D/file is there and is no socket"}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" group no_such_group",
         "-",
         1,
         0,
         {"t.conf:2:1: error: no such group: no_such_group"}},
        {"user \"bin\"\n" LISTEN_FINE "pidfile \"%D/own/p\"", "-", 0, 0, {0}},
        /* that of a pid file is never made */
        {"user \"bin\"\n" LISTEN_FINE "pidfile \"%D/new/p\"",
         "-",
         1,
         0,
         {"t.conf:4:1: error: there is no directory %D/new\n"}},
        {"user \"bin\"\n" LISTEN_FINE "pidfile \"%D/file/p\"", "-", 1, 0, {"%D/file is no directory"}},
        {"user \"bin\"\n" LISTEN_FINE "pidfile \"%D/own\"", "-", 1, 0, {"%D/own is there and is no regular file"}},
        {"user \"bin\"\n" LISTEN_FINE "pidfile \"%D/link\"", "-", 1, 0, {"%D/link is there and is no regular file"}},
    };
    check_all(rows, COUNT_OF(rows), false);
    struct stat st;
    char path[sizeof(dir) + 8];
    snprintf(path, sizeof(path), "%s/new", dir);
    CHECK(stat(path, &st) < 0); /* nothing is made */
}

/* Its place is not looked at: a bad one stops no mail. A kind that does not exist would. */
static void knows_the_kinds_of_store(void)
{
    static const struct expected rows[] = {
        {"user \"bin\"\n" LISTEN_FINE "store \"%D/missing/store\"", "-", 0, 0, {0}},
        {"user \"bin\"\n" LISTEN_FINE "store \"memory:\"", "-", 0, 0, {0}},
        {"user \"bin\"\n" LISTEN_FINE "store \"oracle:x\"",
         "-",
         1,
         0,
         {"there is no such kind of store", "\"/directory\" or \"memory:\""}},
    };
    check_all(rows, COUNT_OF(rows), true);
}

/* Without a spool mail flows, so it is no error. */
static void looks_at_the_spool(void)
{
    static const struct expected rows[] = {
        {"user \"bin\"\n" LISTEN_FINE "spool \"%D/own\"", "-", 0, 0, {0}},
        {"user \"bin\"\n" LISTEN_FINE "spool \"%D/new\"", "-", 0, 0, {0}},
        {"user \"bin\"\n" LISTEN_FINE "spool \"%D/new/er\"",
         "-",
         0,
         1,
         {"t.conf:4:1: warning: there is no directory %D/new/er, and"}},
        {"user \"bin\"\n" LISTEN_FINE "spool \"%D/file\"", "-", 0, 1, {"%D/file is no directory"}},
        {"user \"bin\"\n" LISTEN_FINE "spool \"%D/theirs\"", "-", 0, 1, {"%D/theirs is not writable for bin"}},
    };
    check_all(rows, COUNT_OF(rows), false);
}

static void looks_for_the_user(void)
{
    bool root = geteuid() == 0;
    const struct expected rows[] = {
        {"user \"no_such_user\"\n" LISTEN_FINE, "-", root, !root, {"t.conf:1:1: ", "no such user: no_such_user"}},
        {"user \"bin:no_such_group\"\n" LISTEN_FINE, "-", root, !root, {"t.conf:1:1: ", "no such group: no_such_group"}},
    };
    check_all(rows, COUNT_OF(rows), false);
    /* Who is not root stays who he is: then `user` counts for nothing. */
    static const struct expected start[] = {{"user \"no_such_user\"\n" LISTEN_FINE, "-", 0, 0, {0}}};
    if (!root)
        check_all(start, COUNT_OF(start), true);
}

static void says_when_the_mta_cannot_reach_the_socket(void)
{
    static const char unreachable[] = "which gets no connection to this socket";
    static const struct expected rows[] = {
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 600",
         "daemon",
         0,
         1,
         {"t.conf:2:1: warning: Postfix's smtpd runs as daemon", unreachable}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 600 group daemon", "daemon", 0, 1, {unreachable}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 660", "daemon", 0, 1, {unreachable, "mode 660 group daemon"}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 640 group daemon", "daemon", 0, 1, {unreachable}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 660 group daemon", "daemon", 0, 0, {0}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 666", "daemon", 0, 0, {0}},
        {"user \"daemon\"\nlisten \"unix:%D/own/s\" mode 600", "daemon", 0, 0, {0}},
        {"user \"bin\"\nsocket \"%D/own/s\" 600", "daemon", 0, 1, {unreachable}},
        /* who the MTA is cannot be told here */
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 600", "no_such_mta", 0, 1, {unreachable}},
        {"user \"bin\"\nlisten \"unix:%D/own/s\" mode 660", "no_such_mta", 0, 0, {0}},
        /* the directory counts too, also one that is yet to be made */
        {"user \"bin\"\nlisten \"unix:%D/shut/s\" mode 666", "daemon", 0, 2, {unreachable, "is not writable for bin"}},
        {"user \"bin\"\nlisten \"unix:%D/new/s\" mode 666", "daemon", 0, 1, {unreachable}},
        {"user \"bin\"\nlisten \"unix:%D/new/s\" mode 660 group daemon", "daemon", 0, 0, {0}},
    };
    check_all(rows, COUNT_OF(rows), false);
}

static void says_when_a_socket_cannot_be_made_again(void)
{
    static const struct expected rows[] = {
        {"user \"bin\"\nlisten \"unix:%D/theirs/s\" mode 666",
         "daemon",
         0,
         1,
         {"t.conf:2:1: warning: ", "is not writable for bin"}},
    };
    check_all(rows, COUNT_OF(rows), false);
}

static void make_directory(const char *name, mode_t mode)
{
    char path[sizeof(dir) + 16];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    CHECK(mkdir(path, 0700) == 0);
    CHECK(chmod(path, mode) == 0);
}

int main(void)
{
    if (!mkdtemp(dir) || chmod(dir, 0777) < 0 || chdir(dir) < 0)
        return 1;
    make_directory("own", 0777);
    make_directory("theirs", 0755);
    make_directory("shut", 0700);
    int fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || symlink("file", "link") < 0)
        return 1;
    close(fd);
    TEST(looks_at_directories);
    TEST(looks_for_the_user);
    if (getpwnam("daemon") && getpwnam("bin")) {
        TEST(says_when_the_mta_cannot_reach_the_socket);
        TEST(knows_the_kinds_of_store);
        TEST(looks_at_the_spool);
        TEST(says_when_a_socket_cannot_be_made_again);
    }
    int status = TEST_END();
    (void)!(unlink("file") | unlink("link") | rmdir("own") | rmdir("theirs") | rmdir("shut") | chdir("/") | rmdir(dir));
    return status;
}
