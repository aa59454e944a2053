/* journal.c - the journal on a real directory: what is written is found again; bounds, damage, a disk that refuses. */
#include "journal/journal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[64];
static char complaint[512];

static void on_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx, (void)level;
    snprintf(complaint, sizeof(complaint), "%s", line);
}

static void directory_make(void)
{
    strcpy(directory, "/tmp/tarsier-journal-XXXXXX");
    if (!mkdtemp(directory))
        abort();
    complaint[0] = '\0';
}

static void directory_remove(void)
{
    DIR *d = opendir(directory);
    for (const struct dirent *e; d && (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(directory);
}

static struct journal *open_journal(int64_t keep_sec, uint64_t max_bytes)
{
    struct journal *j;
    struct journal_config config = {
        .directory = directory, .keep_sec = keep_sec, .max_bytes = max_bytes, .gather_ms = 1, .log = on_log};
    if (journal_open(&j, &config) != ERR_NONE)
        abort();
    return j;
}

static void add(struct journal *j, enum journal_what what, const char *connection, const char *queue_id, const char *address)
{
    struct journal_entry e = {.at = {(int64_t)time(NULL)},
                              .what = what,
                              .sec = 125,
                              .connection = slice_cstr(connection),
                              .queue_id = slice_cstr(queue_id),
                              .address = slice_cstr(address),
                              .sender = SLICE_LIT("<a@example.org>")};
    journal_add(j, &e);
}

/* The words of the rows that a question finds, joined by blanks; in pieces, to try the seams. Owner: the caller frees. */
static char *found(const char *question)
{
    struct journal_query q;
    struct buf rows = {0}, words = {0};
    enum err e;
    if (journal_query_parse(slice_cstr(question), &q) != ERR_NONE)
        abort();
    struct journal_scan *s = journal_scan_new(directory, &q);
    bool more;
    do {
        buf_clear(&rows);
        more = journal_scan_step(s, 1, &rows, &e);
        for (struct slice rest = buf_slice(&rows); rest.len > 0;) {
            struct slice row = slice_cut(&rest, '\n');
            (void)slice_cut(&row, '\t');
            struct slice word = slice_cut(&row, '\t');
            buf_printf(&words, "%s%.*s", words.len ? " " : "", SLICE_ARG(word));
        }
    } while (more);
    CHECK_INT(e, ERR_NONE);
    journal_scan_free(s);
    buf_fini(&rows);
    (void)buf_cstr(&words);
    return words.ptr;
}

static void check_found(const char *question, const char *want)
{
    char *got = found(question);
    CHECK_STR(got, want);
    free(got);
}

static void what_was_decided_is_found(void)
{
    directory_make();
    struct journal *j = open_journal(3600, 1 << 20);
    add(j, JOURNAL_HELD, "s-x-1", "", "192.0.2.7");
    add(j, JOURNAL_STAYED, "s-x-1", "", "192.0.2.7");
    add(j, JOURNAL_HELD, "s-x-2", "", "192.0.2.8");
    add(j, JOURNAL_QUEUE_ID, "s-x-1", "4BxyZ", "192.0.2.7");
    CHECK(journal_close(j, 5000));
    check_found("192.0.2.7", "held stayed queue-id");
    check_found("192.0.2.0/24", "held stayed held queue-id");
    check_found("4BxyZ", "held stayed queue-id"); /* all of its connection, also before Postfix had named it */
    check_found("s-x-2", "held");
    check_found("a@example.org", "held stayed held queue-id");
    check_found("203.0.113.1", "");
    CHECK_STR(complaint, "");
    directory_remove();
}

static void files_are_for_their_owner_only(void)
{
    directory_make();
    rmdir(directory); /* it is made with its first row */
    struct journal *j = open_journal(3600, 1 << 20);
    add(j, JOURNAL_HELD, "s-x-1", "", "192.0.2.7");
    CHECK(journal_close(j, 5000));
    struct stat st;
    CHECK_INT(stat(directory, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    DIR *d = opendir(directory);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            CHECK_INT(st.st_mode & 0777, 0600);
    if (d)
        closedir(d);
    directory_remove();
}

static void a_restart_goes_on_where_it_was(void)
{
    directory_make();
    for (int i = 0; i < 3; i++) {
        struct journal *j = open_journal(3600, 1 << 20);
        add(j, JOURNAL_DEFERRED, "s-x-1", "", "192.0.2.7");
        CHECK(journal_close(j, 5000));
    }
    check_found("192.0.2.7", "deferred deferred deferred");
    struct tally *t = tally_new();
    struct tally_row row;
    CHECK_INT(journal_read_tally(directory, t), ERR_NONE);
    tally_sum(t, (struct wall){0}, (struct wall){INT64_MAX}, &row);
    CHECK_INT(row.what[0][JOURNAL_DEFERRED], 3);
    tally_free(t);
    directory_remove();
}

static void the_oldest_goes_when_there_is_too_much(void)
{
    enum { MAX_BYTES = 64 * 1024, ROWS = 4000 };
    directory_make();
    struct journal *j = open_journal(3600, MAX_BYTES);
    char name[32];
    for (int i = 0; i < ROWS; i++) {
        snprintf(name, sizeof(name), "s-x-%d", i);
        add(j, JOURNAL_HELD, name, "", "192.0.2.7");
        if (i % 100 == 99) { /* else all of it is one write */
            CHECK(journal_close(j, 5000));
            j = open_journal(3600, MAX_BYTES);
        }
    }
    CHECK(journal_close(j, 5000));
    uint64_t bytes = 0;
    struct stat st;
    DIR *d = opendir(directory);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "rows.", 5) == 0 && fstatat(dirfd(d), e->d_name, &st, 0) == 0)
            bytes += (uint64_t)st.st_size;
    if (d)
        closedir(d);
    CHECK(bytes <= MAX_BYTES);
    CHECK(bytes > MAX_BYTES / 2);
    check_found("s-x-0", "");
    check_found("s-x-3999", "held");
    directory_remove();
}

static void nothing_is_kept_where_it_is_switched_off(void)
{
    directory_make();
    struct journal *j = open_journal(0, 1 << 20);
    add(j, JOURNAL_HELD, "s-x-1", "", "192.0.2.7");
    struct tally_row row;
    journal_sum(j, (struct wall){0}, (struct wall){INT64_MAX}, &row);
    CHECK_INT(row.what[0][JOURNAL_HELD], 1);
    CHECK(journal_close(j, 5000));
    check_found("192.0.2.7", "");
    directory_remove();
}

static void damage_costs_its_row_only(void)
{
    directory_make();
    char path[128];
    snprintf(path, sizeof(path), "%s/rows.1", directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    static const char bytes[] = "rubbish\n\0\xff\n12\theld\t-\t-\t\ts-x-9\t\t192.0.2.7\t\t\t\t\t\t\n13\theld\t-\t-\t\ts-x-";
    CHECK(write(fd, bytes, sizeof(bytes) - 1) == (ssize_t)sizeof(bytes) - 1);
    close(fd);
    struct journal *j = open_journal(INT64_C(1) << 40, 1 << 20);
    add(j, JOURNAL_STAYED, "s-x-10", "", "192.0.2.7");
    CHECK(journal_close(j, 5000));
    check_found("192.0.2.7", "held stayed");
    directory_remove();
}

static void a_disk_that_refuses_is_told_and_stops_nobody(void)
{
    directory_make();
    rmdir(directory);
    int fd = open(directory, O_WRONLY | O_CREAT, 0600); /* a file in the directory's place */
    close(fd);
    struct journal *j = open_journal(3600, 1 << 20);
    add(j, JOURNAL_HELD, "s-x-1", "", "192.0.2.7");
    CHECK(journal_close(j, 5000));
    CHECK(strncmp(complaint, "journal: cannot ", 16) == 0);
    unlink(directory);
}

int main(void)
{
    TEST(what_was_decided_is_found);
    TEST(files_are_for_their_owner_only);
    TEST(a_restart_goes_on_where_it_was);
    TEST(the_oldest_goes_when_there_is_too_much);
    TEST(nothing_is_kept_where_it_is_switched_off);
    TEST(damage_costs_its_row_only);
    TEST(a_disk_that_refuses_is_told_and_stops_nobody);
    return TEST_END();
}
