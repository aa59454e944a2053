/* milters.c - Postfix's lists of milters: services, braces, chroot, addresses. */
#include "postfix/milters.h"
#include "base/mem.h"
#include "test.h"

static void put_all(const char *postconf, struct buf *out)
{
    struct arena arena = {0};
    struct postfix_values values;
    struct postfix_milters m;
    postfix_values_read(&arena, slice_cstr(postconf), &values);
    postfix_milters_read(&arena, &values, &m);
    buf_clear(out);
    for (size_t i = 0; i < m.n; i++)
        buf_printf(out, "%.*s%s%.*s [%.*s] %s (%.*s)\n", SLICE_ARG(m.items[i].service), m.items[i].service.len ? " " : "",
                   SLICE_ARG(m.items[i].parameter), SLICE_ARG(m.items[i].raw), m.items[i].address ? m.items[i].address : "-",
                   SLICE_ARG(m.items[i].options));
    arena_fini(&arena);
}

static const struct {
    const char *what, *postconf, *want;
} rows[] = {
    {"nothing", "", ""},
    {"no milters", "smtpd_milters =\nnon_smtpd_milters =\n", ""},
    {"in a chroot, relative and absolute",
     "smtpd_milters = unix:a/b.sock local:/run/c.sock\nqueue_directory = /var/spool/postfix\nsmtp/inet/chroot = y\n",
     "smtpd_milters [unix:a/b.sock] unix:/var/spool/postfix/a/b.sock ()\n"
     "smtpd_milters [local:/run/c.sock] unix:/var/spool/postfix/run/c.sock ()\n"},
    {"without one", "smtpd_milters = unix:a/b.sock,unix:/run/c.sock\nqueue_directory = /q\nsmtp/inet/chroot = -\n",
     "smtpd_milters [unix:a/b.sock] unix:/q/a/b.sock ()\nsmtpd_milters [unix:/run/c.sock] unix:/run/c.sock ()\n"},
    {"ports", "smtpd_milters = inet:localhost:8891, inet:[::1]:8893 inet:8892 inet:mx.example.org:99\n",
     "smtpd_milters [inet:localhost:8891] inet:8891@localhost ()\nsmtpd_milters [inet:[::1]:8893] inet6:8893@::1 ()\n"
     "smtpd_milters [inet:8892] inet:8892@localhost ()\nsmtpd_milters [inet:mx.example.org:99] inet:99@mx.example.org ()\n"},
    {"braces",
     "smtpd_milters = { inet:localhost:11332, connect_timeout=10s, default_action=accept }, {unix:/a}{ unix:/b , x={y} }\n",
     "smtpd_milters [inet:localhost:11332] inet:11332@localhost (connect_timeout=10s, default_action=accept)\n"
     "smtpd_milters [unix:/a] unix:/a ()\nsmtpd_milters [unix:/b] unix:/b (x={y})\n"},
    {"services of their own, with their own chroot; one that asks nobody",
     "submission/inet/smtpd_milters = unix:/a\nsmtps/inet/smtpd_milters =\nsubmission/inet/other = unix:/x\n"
     "smtpd_milters = unix:/m\nnon_smtpd_milters = unix:/n\nqueue_directory = /q\nsubmission/inet/chroot = "
     "y\nsmtp/inet/chroot = n\n",
     "smtpd_milters [unix:/m] unix:/m ()\nnon_smtpd_milters [unix:/n] unix:/n ()\n"
     "submission/inet smtpd_milters [unix:/a] unix:/q/a ()\nsmtps/inet smtpd_milters [] - ()\n"},
    {"nonsense", "smtpd_milters = x inet:a:b unix: { { { unix:/a\nqueue_directory = /q\n",
     "smtpd_milters [x] - ()\nsmtpd_milters [inet:a:b] - ()\nsmtpd_milters [unix:] unix:/q/ ()\nsmtpd_milters [{ { unix:/a] "
     "- ()\n"},
    {"a control character is no address", "smtpd_milters = unix:/a\033b\n", "smtpd_milters [unix:/a\033b] - ()\n"},
};

static void reads_the_lists(void)
{
    struct buf out = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        put_all(rows[i].postconf, &out);
        if (!CHECK_STR(buf_cstr(&out), rows[i].want))
            printf("# %s\n", rows[i].what);
    }
    buf_fini(&out);
}

static void compares_addresses(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"unix:/run/a", "unix:/run/a", true},
        {"unix:/var/run/a", "unix:/run/a", true},
        {"unix:/run/a", "unix:/run/b", false},
        {"unix:/run/a", "inet:25@localhost", false},
        {"inet:25@localhost", "inet:25@127.0.0.1", true},
        {"inet:25@localhost", "inet6:25@::1", true},
        {"inet:25@localhost", "inet:26@localhost", false},
        {"inet:25@mx.example.org", "inet:25@MX.example.org", true},
        {"inet:25@mx.example.org", "inet:25@localhost", false},
        {"inet:25@127.0.0.1", "inet:25@0.0.0.0", true},
        {"inet:25@192.0.2.1", "inet:25@192.0.2.2", false},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (!CHECK(postfix_same_address(pairs[i].a, pairs[i].b) == pairs[i].same))
            printf("# %s %s\n", pairs[i].a, pairs[i].b);
}

int main(void)
{
    TEST(reads_the_lists);
    TEST(compares_addresses);
    return TEST_END();
}
