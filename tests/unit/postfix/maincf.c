/* maincf.c - main.cf of different shape: set up, taken back to the byte, and taken back after somebody has edited it. */
#include "postfix/maincf.h"
#include "../random.h"
#include "base/mem.h"
#include "test.h"

#define US   "unix:tarsier/tarsier.sock"
#define MARK "# By tarsier setup postfix; tarsier setup postfix --undo takes this away.\n"
#define MARK_NO_END                                                                                                         \
    "# By tarsier setup postfix, behind a line without an end; tarsier setup postfix --undo takes this away.\n"
#define ACTION     "milter_default_action = accept\n"
#define PIPELINING "smtpd_forbid_unauth_pipelining = yes\n"

static const struct maincf_change both = {
    .milter = US, .extras = {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"}};
static const struct maincf_change alone = {.milter = US};

static const struct {
    const char *what;
    const struct maincf_change *change;
    const char *before, *after;
} shapes[] = {
    {"no milters", &both, "# Debian\nmyhostname = mx\n\nrelayhost =\n",
     "# Debian\nmyhostname = mx\n\nrelayhost =\n" MARK "smtpd_milters = " US "\n" ACTION PIPELINING},
    {"empty", &both, "", MARK "smtpd_milters = " US "\n" ACTION PIPELINING},
    {"no newline at the end", &both, "a = b\nmyhostname = mx",
     "a = b\nmyhostname = mx\n" MARK_NO_END "smtpd_milters = " US "\n" ACTION PIPELINING},
    {"one milter", &alone, "smtpd_milters = inet:localhost:8891\nx = y\n",
     "smtpd_milters = " US ", inet:localhost:8891\nx = y\n"},
    {"blanks as they were", &alone, "smtpd_milters=\t unix:a   ,unix:b \n", "smtpd_milters= " US ",\t unix:a   ,unix:b \n"},
    {"over several lines, with comments and $name", &alone,
     "smtpd_milters =\n    unix:opendkim/opendkim.sock,\n# why\n\n  $more\n# behind it\nmore = unix:b\n",
     "smtpd_milters = " US ",\n    unix:opendkim/opendkim.sock,\n# why\n\n  $more\n# behind it\nmore = unix:b\n"},
    {"in braces", &alone, "smtpd_milters = { inet:localhost:11332, default_action=tempfail }",
     "smtpd_milters = " US ", { inet:localhost:11332, default_action=tempfail }"},
    {"set and empty", &both, "smtpd_milters =\nx = y\n", "smtpd_milters = " US "\nx = y\n" MARK ACTION PIPELINING},
    {"empty but for a comment", &alone, "smtpd_milters = \n   # none\nx = y\n",
     "smtpd_milters = " US " \n   # none\nx = y\n"},
    {"twice: the last one counts", &alone, "smtpd_milters = unix:a\nsmtpd_milters = unix:b\n",
     "smtpd_milters = unix:a\nsmtpd_milters = " US ", unix:b\n"},
    {"others that look like it", &alone,
     "#smtpd_milters = unix:a\nnon_smtpd_milters = unix:b\nx =\n smtpd_milters = unix:c\n",
     "#smtpd_milters = unix:a\nnon_smtpd_milters = unix:b\nx =\n smtpd_milters = unix:c\n" MARK "smtpd_milters = " US "\n"},
    {"no end, and more to add", &both, "smtpd_milters = unix:a",
     "smtpd_milters = " US ", unix:a\n" MARK_NO_END ACTION PIPELINING},
    {"CR LF", &alone, "x = y\r\nsmtpd_milters = unix:a\r\n", "x = y\r\nsmtpd_milters = " US ", unix:a\r\n"},
};

static void sets_up_and_undoes(void)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct buf after = {0}, back = {0};
        maincf_set_up(slice_cstr(shapes[i].before), shapes[i].change, &after);
        bool ok = CHECK_STR(buf_cstr(&after), shapes[i].after);
        /* undo does not know which extras there were: it is asked for all */
        ok &= CHECK(maincf_undo(buf_slice(&after), &both, &back));
        ok &= CHECK_STR(buf_cstr(&back), shapes[i].before);
        if (!ok)
            printf("# %s\n", shapes[i].what);
        buf_fini(&after);
        buf_fini(&back);
    }
}

static const struct {
    const char *what, *before, *after;
    bool found;
} edited[] = {
    {"nothing of ours", "smtpd_milters = unix:a\n", "smtpd_milters = unix:a\n", false},
    {"written by hand", "smtpd_milters = " US "\nmilter_default_action = accept\n",
     "smtpd_milters =\nmilter_default_action = accept\n", true},
    {"behind another one", "smtpd_milters = unix:a, " US "\n", "smtpd_milters = unix:a\n", true},
    {"between two", "smtpd_milters = unix:a " US " unix:b\n", "smtpd_milters = unix:a unix:b\n", true},
    {"between two, with commas", "smtpd_milters = unix:a, " US ", unix:b\n", "smtpd_milters = unix:a, unix:b\n", true},
    {"in braces", "smtpd_milters = { " US ", default_action=accept }, unix:b\n", "smtpd_milters = unix:b\n", true},
    {"another one was put behind ours in the block", MARK "smtpd_milters = " US ", unix:b\n" ACTION,
     "smtpd_milters = unix:b\n" ACTION, true},
    {"lines behind the block stay", "a = b\n" MARK "smtpd_milters = " US "\n" ACTION "c = d\n", "a = b\nc = d\n", true},
    {"and the newline that was put there", "a = b\n" MARK_NO_END "smtpd_milters = " US "\nc = d\n", "a = b\nc = d\n", true},
    {"a block that goes on", MARK "smtpd_milters = " US "\n  unix:b\n", "smtpd_milters =\n  unix:b\n", true},
    {"a word that only begins so", "smtpd_milters = " US ".old\n", "smtpd_milters = " US ".old\n", false},
    {"in a comment", "smtpd_milters = unix:a\n# " US "\n  unix:b\n", "smtpd_milters = unix:a\n# " US "\n  unix:b\n", false},
    {"elsewhere", "non_smtpd_milters = " US "\n", "non_smtpd_milters = " US "\n", false},
};

static void undoes_what_was_edited(void)
{
    for (size_t i = 0; i < COUNT_OF(edited); i++) {
        struct buf back = {0};
        bool found = maincf_undo(slice_cstr(edited[i].before), &both, &back);
        if (!CHECK(found == edited[i].found) || !CHECK_STR(buf_cstr(&back), edited[i].after))
            printf("# %s\n", edited[i].what);
        buf_fini(&back);
    }
}

/* Any text of these parts comes back as it was. */
static void comes_back_whatever_it_was(void)
{
    static const char *const parts[] = {"smtpd_milters",
                                        "=",
                                        " ",
                                        "\n",
                                        "\n\n",
                                        "# x",
                                        ",",
                                        "unix:a",
                                        "{",
                                        "}",
                                        "\t",
                                        "\r",
                                        "milter_default_action = accept\n",
                                        "x = y\n",
                                        "\n  ",
                                        "smtpd_milters = ",
                                        "$name",
                                        "\n#"};
    random_begin();
    for (int round = 0; round < 20000; round++) {
        struct buf before = {0}, after = {0}, back = {0};
        for (unsigned n = random_below(12); n > 0; n--)
            buf_put_cstr(&before, parts[random_below(COUNT_OF(parts))]);
        const struct maincf_change *change = random_below(2) ? &both : &alone;
        maincf_set_up(slice_cstr(buf_cstr(&before)), change, &after);
        bool found = maincf_undo(buf_slice(&after), &both, &back);
        if (!CHECK(found) || !CHECK_STR(buf_cstr(&back), buf_cstr(&before)))
            round = 20000;
        buf_fini(&before);
        buf_fini(&after);
        buf_fini(&back);
    }
}

int main(void)
{
    TEST(sets_up_and_undoes);
    TEST(undoes_what_was_edited);
    TEST(comes_back_whatever_it_was);
    return TEST_END();
}
