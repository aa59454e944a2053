/*
 * replace.c - files written anew, in a real folder: modes, owners, links, and what a disk or a folder that does not do leaves behind.
 * The file systems that fail are made in a mount namespace of a child; where the machine allows none, those cases say so.
 */
#include "file/replace.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], file[80], other[80];

static void folder_make(void)
{
    strcpy(folder, "/tmp/tarsier-file-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(file, sizeof(file), "%s/file", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
}

static void folder_remove(void)
{
    unlink(file);
    unlink(other);
    CHECK_INT(rmdir(folder), 0); /* nothing is left in it */
}

static int entries(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void put(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, (mode_t)mode) == 0);
    close(fd);
}

static void check_file(const char *path, const char *want, unsigned mode)
{
    char text[64] = "";
    struct stat st = {0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    CHECK(fd >= 0 && n >= 0 && fstat(fd, &st) == 0);
    CHECK_SLICE(slice_of(text, n > 0 ? (size_t)n : 0), want);
    CHECK_INT(st.st_mode & 07777, mode);
    close(fd);
}

static void a_file_that_was_not_there(void)
{
    folder_make();
    mode_t before = umask(0777);
    CHECK_INT(file_replace(file, SLICE_LIT("new"), 0644, FILE_OF_WRITER), ERR_NONE);
    CHECK_INT(file_replace(other, SLICE_LIT(""), 0600, FILE_OF_FOLDER), ERR_NONE);
    umask(before);
    check_file(file, "new", 0644);
    check_file(other, "", 0600);
    CHECK_INT(entries(), 2);
    folder_remove();
}

/* Whoever has the old one open reads the old one. */
static void a_file_that_was_there(void)
{
    char text[8] = "";
    folder_make();
    put(file, "old", 0444);
    int fd = open(file, O_RDONLY);
    CHECK_INT(file_replace(file, SLICE_LIT("new"), 0600, FILE_OF_WRITER), ERR_NONE);
    check_file(file, "new", 0600);
    CHECK_INT(read(fd, text, sizeof(text)), 3);
    CHECK_STR(text, "old");
    close(fd);
    folder_remove();
}

static void a_name_without_a_folder(void)
{
    folder_make();
    int here = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_INT(chdir(folder), 0);
    CHECK_INT(file_replace("file", SLICE_LIT("new"), 0600, FILE_OF_FOLDER), ERR_NONE);
    CHECK_INT(file_exchange("file", SLICE_LIT("newer")), ERR_NONE);
    CHECK_INT(fchdir(here), 0);
    close(here);
    check_file(file, "newer", 0600);
    folder_remove();
}

static void a_link_is_replaced(void)
{
    folder_make();
    put(other, "old", 0600);
    CHECK_INT(symlink(other, file), 0);
    CHECK_INT(file_replace(file, SLICE_LIT("new"), 0600, FILE_OF_WRITER), ERR_NONE);
    check_file(file, "new", 0600);
    check_file(other, "old", 0600);
    folder_remove();
}

static void exchanged_it_keeps_its_mode(void)
{
    folder_make();
    put(file, "a longer old one", 0640);
    CHECK_INT(file_exchange(file, SLICE_LIT("new")), ERR_NONE);
    check_file(file, "new", 0640);
    folder_remove();
}

static void exchanged_a_link_stays_one(void)
{
    char to[80] = "";
    folder_make();
    put(other, "old", 0640);
    CHECK_INT(symlink("other", file), 0);
    CHECK_INT(file_exchange(file, SLICE_LIT("new")), ERR_NONE);
    check_file(other, "new", 0640);
    CHECK_INT(readlink(file, to, sizeof(to)), 5);
    CHECK_STR(to, "other");
    folder_remove();
}

static void exchanged_it_must_be_there(void)
{
    folder_make();
    errno = 0;
    CHECK_INT(file_exchange(file, SLICE_LIT("new")), ERR_IO);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(symlink("nowhere", file), 0);
    CHECK_INT(file_exchange(file, SLICE_LIT("new")), ERR_IO);
    CHECK_INT(entries(), 1);
    folder_remove();
}

static void owners(void)
{
    struct stat st;
    if (geteuid() != 0) {
        printf("# only root can try that\n");
        return;
    }
    folder_make();
    put(file, "old", 04755);
    CHECK(chown(file, 12, 34) == 0 && chmod(file, 04755) == 0 && chown(folder, 56, 78) == 0);
    CHECK(file_exchange(file, SLICE_LIT("new")) == ERR_NONE && stat(file, &st) == 0);
    CHECK(st.st_uid == 12 && st.st_gid == 34);
    check_file(file, "new", 04755);
    CHECK(file_replace(file, SLICE_LIT("new"), 0600, FILE_OF_FOLDER) == ERR_NONE && stat(file, &st) == 0);
    CHECK(st.st_uid == 56 && st.st_gid == 78);
    CHECK(file_replace(file, SLICE_LIT("new"), 0600, FILE_OF_WRITER) == ERR_NONE && stat(file, &st) == 0);
    CHECK(st.st_uid == 0 && st.st_gid == 0);
    folder_remove();
}

static void no_folder(void)
{
    folder_make();
    snprintf(other, sizeof(other), "%s/none/file", folder);
    errno = 0;
    CHECK_INT(file_replace(other, SLICE_LIT("new"), 0600, FILE_OF_WRITER), ERR_IO);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(file_replace(folder, SLICE_LIT("new"), 0600, FILE_OF_WRITER), ERR_IO); /* a folder in the file's place */
    CHECK_INT(errno, EISDIR);
    snprintf(other, sizeof(other), "%s/other", folder);
    folder_remove();
}

/* ---- trouble ---- */

static char much[1 << 17];

/* Both functions fail with `error`, and nothing has changed. */
static void check_refused(int error)
{
    errno = 0;
    CHECK_INT(file_replace(file, slice_of(much, sizeof(much)), 0600, FILE_OF_WRITER), ERR_IO);
    CHECK_INT(errno, error);
    errno = 0;
    CHECK_INT(file_exchange(file, slice_of(much, sizeof(much))), ERR_IO);
    CHECK_INT(errno, error);
    check_file(file, "old", 0640);
    CHECK_INT(entries(), 1);
}

/* A write that stops in the middle. */
static void a_limit_of_size(void)
{
    struct rlimit old, small;
    folder_make();
    put(file, "old", 0640);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    check_refused(EFBIG);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, before);
    folder_remove();
}

static void disk_is_full(void)
{
    check_refused(ENOSPC);
}

static void folder_is_read_only(void)
{
    CHECK_INT(mount("none", folder, "", MS_REMOUNT | MS_RDONLY, ""), 0);
    check_refused(EROFS);
}

/* A user namespace knows its user by this. */
static void map_self(const char *path, unsigned id)
{
    char text[40];
    int n = snprintf(text, sizeof(text), "%u %u 1", id, id), fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && write(fd, text, (size_t)n) == n);
    close(fd);
}

/* A mount namespace, with a file system of 64 KiB at the folder; without root's rights in a user namespace. */
static bool small_world_make(void)
{
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
        return false;
    if (uid != 0) {
        map_self("/proc/self/uid_map", uid);
        int fd = open("/proc/self/setgroups", O_WRONLY); /* or the kernel takes no map of groups (user_namespaces(7)) */
        CHECK_INT(write(fd, "deny", 4), 4);
        close(fd);
        map_self("/proc/self/gid_map", gid);
    }
    return mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 && mount("none", folder, "tmpfs", 0, "size=64k") == 0;
}

/* In a child, for its mounts. */
static void in_small_world(void (*what)(void))
{
    folder_make();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (!small_world_make()) {
            printf("# this machine makes no mount namespace: not tried\n");
        } else {
            put(file, "old", 0640);
            what();
        }
        fflush(stdout);
        _exit(!test_case_ok);
    }
    int status = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    folder_remove();
}

static void a_full_disk(void)
{
    in_small_world(disk_is_full);
}

static void a_read_only_folder(void)
{
    in_small_world(folder_is_read_only);
}

int main(void)
{
    TEST(a_file_that_was_not_there);
    TEST(a_file_that_was_there);
    TEST(a_name_without_a_folder);
    TEST(a_link_is_replaced);
    TEST(exchanged_it_keeps_its_mode);
    TEST(exchanged_a_link_stays_one);
    TEST(exchanged_it_must_be_there);
    TEST(owners);
    TEST(no_folder);
    TEST(a_limit_of_size);
    TEST(a_full_disk);
    TEST(a_read_only_folder);
    return TEST_END();
}
