/* mta.c - process limits out of Postfix's files. */
#include "postfix/mta.h"
#include "base/mem.h"
#include "test.h"

#include <string.h>

static const struct {
    const char *what, *main_cf, *master_cf;
    uint32_t want;
} cases[] = {
    {"as Debian ships it", "", "smtp      inet  n       -       y       -       -       smtpd\n", 100},
    {"its own limit", "", "smtp inet n - y - 25 smtpd -o x=y\n", 25},
    {"the default from main.cf", "default_process_limit = 300\n", "smtp inet n - y - - smtpd\n", 300},
    {"the last one counts", "default_process_limit=7\n#default_process_limit = 8\ndefault_process_limit =  9  \n",
     "smtp inet n - y - - smtpd\n", 9},
    {"a continuation is not a line of its own", "x = y\n default_process_limit = 7\n", "smtp inet n - n - - smtpd\n", 100},
    {"a name is not followed", "default_process_limit = $other\n", "smtp inet n - y - - smtpd\n", 0},
    {"but does not matter where it is not used", "default_process_limit = $other\n", "smtp inet n - y - 5 smtpd\n", 5},
    {"unlimited", "", "smtp inet n - y - 0 smtpd\n", 0},
    {"commented out", "", "#smtp inet n - y - 30 smtpd\n", 0},
    {"options below", "", "smtp inet n - y - 30 smtpd\n  -o smtp inet n - y - 50 smtpd\nsmtp unix - - y - 9 smtp\n", 30},
    {"by number and address", "", "192.0.2.1:25 inet n - y - 30 smtpd\n[2001:db8::1]:smtp inet n - y - 12 smtpd\n", 42},
    {"other ports do not count", "", "submission inet n - y - 30 smtpd\nsmtps inet n - y - 30 smtpd\n", 0},
    {"behind postscreen", "",
     "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - 80 smtpd\ntlsproxy unix - - y - 0 tlsproxy\n", 80},
    {"pass without postscreen", "", "smtp inet n - y - 20 smtpd\nsmtpd pass - - y - 80 smtpd\n", 20},
    {"tabs, no newline at the end", "", "smtp\tinet\tn\t-\ty\t-\t33\tsmtpd", 33},
    {"nonsense", "= = =\n", "smtp inet\nsmtp inet n - y - many smtpd\n", 0},
    {"too large", "", "smtp inet n - y - 99999999999 smtpd\n", 0},
    {"nothing", "", "", 0},
};

static void reads_the_limit(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t got = mta_sessions(slice_cstr(cases[i].main_cf), slice_cstr(cases[i].master_cf));
        if (got != cases[i].want)
            printf("# %s\n", cases[i].what);
        CHECK_INT(got, cases[i].want);
    }
    CHECK_INT(mta_sessions(SLICE_NONE, SLICE_NONE), 0);
}

static const struct {
    const char *what, *main_cf, *want; /* NULL: not set */
} macros[] = {
    {"not set", "x = y\n", NULL},
    {"set", "milter_connect_macros = j {daemon_name}  v\n", "j {daemon_name} v"},
    {"empty is set", "milter_connect_macros =\n", ""},
    {"over several lines", "milter_connect_macros = j,\n# why\n\n\t{daemon_name}\n    v\nx = y\n z\n", "j, {daemon_name} v"},
    {"the last one counts", "milter_connect_macros = a\nmilter_connect_macros = b\n c\n", "b c"},
    {"another one's continuation", "x = y\n milter_connect_macros = a\n", NULL},
    {"a name is not followed", "milter_connect_macros = j $other\n", NULL},
    {"no newline at the end", "milter_connect_macros=j", "j"},
};

static void reads_a_parameter(void)
{
    for (size_t i = 0; i < COUNT_OF(macros); i++) {
        struct buf out = {0};
        bool found = mta_parameter(slice_cstr(macros[i].main_cf), "milter_connect_macros", &out);
        if (found != (macros[i].want != NULL) || (found && strcmp(buf_cstr(&out), macros[i].want) != 0))
            printf("# %s: %s\n", macros[i].what, buf_cstr(&out));
        CHECK(found == (macros[i].want != NULL));
        CHECK(!found || strcmp(buf_cstr(&out), macros[i].want) == 0);
        buf_fini(&out);
    }
}

int main(void)
{
    TEST(reads_a_parameter);
    TEST(reads_the_limit);
    return TEST_END();
}
