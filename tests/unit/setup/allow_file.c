/* allow_file.c - the list of those who are let in by hand, on a real directory: changes, lines of others, rights, trouble. */
#include "setup/allow_file.h"
#include "setup/files.h"
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64], path[80];

static void directory_make(void)
{
    strcpy(directory, "/tmp/tarsier-allow-XXXXXX");
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof(path), "%s/allows", directory);
}

static void directory_remove(void)
{
    char lock[96];
    snprintf(lock, sizeof(lock), "%s.lock", path);
    unlink(path);
    unlink(lock);
    rmdir(directory);
}

static struct allow_entry client(const char *word)
{
    struct allow_entry e = {.added_sec = 5};
    CHECK(!allow_take(&e, NULL, slice_cstr(word)));
    return e;
}

/* The number of entries then; -1 after an error, which is in *why. */
static int change(const struct allow_entry *add, const char *remove, struct buf *why)
{
    struct allows *list;
    struct allow_change c = {.add = add, .remove = remove};
    if (allow_file_change(directory, &c, (struct wall){1000}, &list, why) != ERR_NONE)
        return -1;
    int count = (int)allows_count(list);
    allows_unref(list);
    return count;
}

static void check_file(const char *want)
{
    struct buf text = {0};
    CHECK_INT(file_read(path, 1 << 20, &text), ERR_NONE);
    CHECK_SLICE(buf_slice(&text), want);
    buf_fini(&text);
}

static void changes_are_in_the_file(void)
{
    directory_make();
    struct buf why = {0};
    struct allows *list;
    struct stat st;
    CHECK_INT(allow_file_read(directory, &list, &why), ERR_NONE); /* no file: nobody */
    CHECK_INT(allows_count(list), 0);
    allows_unref(list);
    struct allow_entry a = client("192.0.2.7"), b = client("werk.example"), over = client("192.0.2.9");
    char id[ALLOW_ID_SIZE];
    over.until_sec = 999;
    CHECK_INT(change(&a, NULL, &why), 1);
    CHECK_INT(change(&over, NULL, &why), 2);
    CHECK_INT(change(&b, NULL, &why), 2); /* what has ended is not in the file any more */
    check_file("allow\tclient=192.0.2.7\tadded=5\nallow\tname=werk.example\tadded=5\n");
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    allow_id(&a, id);
    CHECK_INT(change(NULL, id, &why), 1);
    check_file("allow\tname=werk.example\tadded=5\n");
    CHECK_INT(why.len, 0);
    buf_fini(&why);
    directory_remove();
}

static void what_cannot_be_done_changes_nothing(void)
{
    directory_make();
    struct buf why = {0};
    struct allow_entry a = client("192.0.2.7"), nothing = {0};
    CHECK_INT(change(&a, NULL, &why), 1);
    CHECK_INT(change(NULL, "0123456789ab", &why), -1);
    CHECK(strstr(buf_cstr(&why), "no entry has the id 0123456789ab") != NULL);
    buf_clear(&why);
    CHECK_INT(change(&nothing, NULL, &why), -1);
    CHECK(why.len > 0);
    check_file("allow\tclient=192.0.2.7\tadded=5\n");
    buf_clear(&why);
    unlink(path);
    mkdir(path, 0700);
    CHECK_INT(change(&a, NULL, &why), -1);
    CHECK(strstr(buf_cstr(&why), "no regular file") != NULL);
    rmdir(path);
    buf_fini(&why);
    directory_remove();
}

static void lines_of_others_are_told_and_kept(void)
{
    directory_make();
    struct buf why = {0};
    struct allows *list;
    struct allow_entry a = client("192.0.2.7");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(write(fd, "# mine\nallow\tcolour=green\n", 26) == 26);
    close(fd);
    CHECK_INT(allow_file_read(directory, &list, &why), ERR_NONE);
    CHECK(strstr(buf_cstr(&why), "1 line is not understood, and kept") != NULL);
    allows_unref(list);
    CHECK_INT(change(&a, NULL, &why), 1);
    check_file("# mine\nallow\tcolour=green\nallow\tclient=192.0.2.7\tadded=5\n");
    buf_fini(&why);
    directory_remove();
}

/* Two at once: neither loses what the other has written. */
/* Else nobody could be added, and none of them removed: the list does not show them. */
static void what_has_ended_takes_no_place(void)
{
    directory_make();
    struct buf text = {0}, why = {0};
    for (unsigned i = 0; i < ALLOWS_MAX; i++)
        buf_printf(&text, "allow\tclient=10.%u.%u.%u\tuntil=999\n", i >> 16, i >> 8 & 255, i & 255);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(text.ptr, 1, text.len, f) != text.len || fclose(f) != 0)
        abort();
    struct allow_entry a = client("192.0.2.7");
    CHECK_INT(change(&a, NULL, &why), 1);
    CHECK_INT(why.len, 0);
    buf_fini(&text);
    buf_fini(&why);
    directory_remove();
}

static void changes_at_once_are_all_kept(void)
{
    enum { EACH = 20 };
    directory_make();
    struct buf why = {0};
    pid_t child = fork();
    for (int i = 0; i < EACH; i++) {
        char word[32];
        snprintf(word, sizeof(word), "192.0.%d.%d", child ? 2 : 3, i);
        struct allow_entry e = client(word);
        if (change(&e, NULL, &why) < 0)
            abort();
    }
    if (child == 0)
        _exit(0);
    int status = 1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    struct allows *list;
    CHECK_INT(allow_file_read(directory, &list, &why), ERR_NONE);
    CHECK_INT(allows_count(list), 2 * EACH);
    allows_unref(list);
    buf_fini(&why);
    directory_remove();
}

int main(void)
{
    TEST(changes_are_in_the_file);
    TEST(what_cannot_be_done_changes_nothing);
    TEST(lines_of_others_are_told_and_kept);
    TEST(what_has_ended_takes_no_place);
    TEST(changes_at_once_are_all_kept);
    return TEST_END();
}
