/* advice.c - what is decided about a Postfix, and what it is warned of. */
#include "postfix/advice.h"
#include "../policy/fixture.h"
#include "base/mem.h"

#define TARPIT  "racl whitelist tarpit 125s\n"
#define SHIPPED "listen \"unix:/q/tarsier/tarsier.sock\" mode 660 group postfix\n" TARPIT
#define DEBIAN                                                                                                              \
    "queue_directory = /q\nsmtp/inet/chroot = y\nsmtp/inet/command = smtpd -o x=y\nmilter_default_action = tempfail\n"      \
    "milter_command_timeout = 30s\nsmtpd_forbid_unauth_pipelining = no\nsmtpd_milter_maps =\n"
#define NONE "smtpd_milters =\n"

static const struct {
    const char *what, *conf, *postconf, *main_cf;
    const char *milter, *blocked, *foreign, *extras[2]; /* blocked, foreign: NULL none, else a part of it */
    bool is_asked;
} rows[] = {
    {"Debian",
     SHIPPED,
     NONE DEBIAN,
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"what is set stays",
     SHIPPED,
     NONE DEBIAN,
     "milter_default_action = tempfail\nsmtpd_forbid_unauth_pipelining = no\n",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {NULL},
     false},
    {"other milters keep their default action",
     SHIPPED,
     "smtpd_milters = inet:localhost:1\n" DEBIAN,
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"non_smtpd_milters too",
     SHIPPED,
     NONE "non_smtpd_milters = inet:localhost:1\n" DEBIAN,
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"a Postfix that does not know it",
     SHIPPED,
     NONE "queue_directory = /q\nsmtp/inet/chroot = y\nsmtp/inet/command = smtpd\n",
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"milter_default_action = accept"},
     false},
    {"asked already",
     SHIPPED,
     "smtpd_milters = inet:localhost:1 unix:tarsier/tarsier.sock\n" DEBIAN,
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"smtpd_forbid_unauth_pipelining = yes"},
     true},
    {"out of sight of a chroot",
     "listen \"unix:/run/t.sock\"\n",
     NONE DEBIAN,
     "",
     NULL,
     "does not see unix:/run/t.sock",
     NULL,
     {NULL},
     false},
    {"the second one is in sight",
     "listen \"unix:/run/t.sock\"\nlisten \"inet:10025@127.0.0.1\"\n",
     NONE DEBIAN,
     "",
     "inet:127.0.0.1:10025",
     NULL,
     NULL,
     {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"no chroot: any path",
     "listen \"unix:/run/t.sock\"\n",
     NONE "queue_directory = /q\nsmtp/inet/chroot = n\nsmtp/inet/command = smtpd\n",
     "",
     "unix:/run/t.sock",
     NULL,
     NULL,
     {"milter_default_action = accept"},
     false},
    {"IPv6",
     "listen \"inet6:10025@::\"\n",
     NONE DEBIAN,
     "",
     "inet:[::1]:10025",
     NULL,
     NULL,
     {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"port 25 with a list of its own",
     SHIPPED,
     NONE DEBIAN "smtp/inet/smtpd_milters = unix:a\n",
     "",
     "unix:tarsier/tarsier.sock",
     "postconf -P 'smtp/inet/smtpd_milters=unix:tarsier/tarsier.sock,unix:a'",
     NULL,
     {"smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"which asks us",
     SHIPPED,
     NONE DEBIAN "smtp/inet/smtpd_milters = unix:tarsier/tarsier.sock\n",
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     NULL,
     {"smtpd_forbid_unauth_pipelining = yes"},
     true},
    {"submission with a list of its own, which is empty",
     SHIPPED,
     NONE DEBIAN "submission/inet/smtpd_milters =\nsubmission/inet/command = smtpd\n",
     "",
     "unix:tarsier/tarsier.sock",
     NULL,
     "postconf -P 'submission/inet/smtpd_milters=unix:tarsier/tarsier.sock'",
     {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"},
     false},
    {"behind postscreen",
     SHIPPED,
     NONE "queue_directory = /q\nsmtp/inet/command = postscreen\nsmtpd/pass/command = smtpd\nsmtpd/pass/chroot = y\n"
          "smtpd/pass/smtpd_milters = unix:a\n",
     "",
     "unix:tarsier/tarsier.sock",
     "postconf -P 'smtpd/pass/",
     NULL,
     {NULL},
     false},
    {"nobody takes mail from outside",
     SHIPPED,
     NONE "queue_directory = /q\nsubmission/inet/command = smtpd\n",
     "",
     "unix:tarsier/tarsier.sock",
     "no smtpd at port smtp",
     NULL,
     {"milter_default_action = accept"},
     false},
};

static bool is_or_has(const char *got, const char *part)
{
    return part ? got && strstr(got, part) : !got;
}

static void decides(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = fixture_new(rows[i].conf);
        struct arena arena = {0};
        struct postfix_values values;
        struct postfix_setup s;
        postfix_values_read(&arena, slice_cstr(rows[i].postconf), &values);
        postfix_setup_decide(&arena, f.conf, &values, slice_cstr(rows[i].main_cf), &s);
        bool ok = CHECK_STR(s.milter, rows[i].milter);
        ok &= CHECK(is_or_has(s.blocked, rows[i].blocked)) && CHECK(is_or_has(s.foreign, rows[i].foreign));
        ok &= CHECK_STR(s.change.extras[0], rows[i].extras[0]) && CHECK_STR(s.change.extras[1], rows[i].extras[1]);
        ok &= CHECK(s.is_asked == rows[i].is_asked);
        if (!ok)
            printf("# %s\n# blocked %s\n# foreign %s\n", rows[i].what, s.blocked ? s.blocked : "-",
                   s.foreign ? s.foreign : "-");
        arena_fini(&arena);
        fixture_free(&f);
    }
}

#define FINE                                                                                                                \
    "smtpd_milters = unix:tarsier/tarsier.sock\nqueue_directory = /q\nsmtp/inet/chroot = y\nsmtp/inet/command = smtpd\n"    \
    "smtpd_forbid_unauth_pipelining = yes\nmilter_command_timeout = 30s\nmilter_default_action = accept\n"

static const struct {
    const char *what, *conf, *postconf;
    uint32_t sessions;
    const char *says; /* NULL: nothing */
} warnings[] = {
    {"nothing", SHIPPED, FINE, 100, NULL},
    {"pipelining", SHIPPED, "smtpd_forbid_unauth_pipelining = no\n" FINE, 100, "smtpd_forbid_unauth_pipelining is off"},
    {"an old Postfix", SHIPPED, "milter_command_timeout = 30s\n", 100, "has no smtpd_forbid_unauth_pipelining"},
    {"an old Postfix that is told otherwise", SHIPPED,
     "milter_command_timeout = 30s\nsmtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining\n", 100, NULL},
    {"a short time-out, accept", SHIPPED, "milter_command_timeout = 10s\n" FINE, 100, "let in unchecked"},
    {"a short time-out, tempfail", SHIPPED, "milter_default_action = tempfail\nmilter_command_timeout = 5\n" FINE, 100,
     "not let in then (milter_default_action = tempfail)"},
    {"in minutes", SHIPPED, "milter_command_timeout = 1m\n" FINE, 100, NULL},
    {"our own time-out counts", SHIPPED,
     "smtpd_milters = { unix:tarsier/tarsier.sock, command_timeout = 3s, default_action=quarantine }\n" FINE, 100,
     "waits 3s"},
    {"our own action counts", SHIPPED,
     "smtpd_milters = { unix:tarsier/tarsier.sock, command_timeout=3s, default_action=shutdown }\n" FINE, 100,
     "(milter_default_action = shutdown)"},
    {"no word during the hold", "progress never\n" SHIPPED, FINE, 100, "say nothing for 125 s"},
    {"no word, and patience", "progress never\n" SHIPPED, "milter_command_timeout = 200s\n" FINE, 100, NULL},
    {"nothing is held", "listen \"unix:/q/tarsier/tarsier.sock\"\nracl greylist default\n",
     "milter_command_timeout = 1s\n" FINE, 100, NULL},
    {"a limit below the holds", "holds max 100\n" SHIPPED, FINE, 100, "itself 100 smtpd at its port, and `holds max 100`"},
    {"holds below the limit", "holds max 99\n" SHIPPED, FINE, 100, NULL},
    {"auto", "holds max auto\n" SHIPPED, FINE, 2, NULL},
    {"a limit that is not known", "holds max 1000\n" SHIPPED, FINE, 0, NULL},
    {"milters by client", SHIPPED, "smtpd_milter_maps = cidr:/etc/postfix/m\n" FINE, 100,
     "smtpd_milter_maps (cidr:/etc/postfix/m)"},
    {"a list of its own", SHIPPED, FINE "submission/inet/smtpd_milters =\n", 100, "submission/inet has a list of its own"},
};

static void warns(void)
{
    for (size_t i = 0; i < COUNT_OF(warnings); i++) {
        struct fixture f = fixture_new(warnings[i].conf);
        struct arena arena = {0};
        struct postfix_values values;
        struct postfix_setup s;
        struct buf out = {0};
        postfix_values_read(&arena, slice_cstr(warnings[i].postconf), &values);
        postfix_setup_decide(&arena, f.conf, &values, SLICE_LIT(""), &s);
        size_t n = postfix_advise(&arena, f.conf, &values, &s, warnings[i].sessions, &out);
        if (!CHECK_INT(n, warnings[i].says != NULL) || !CHECK(!warnings[i].says || strstr(buf_cstr(&out), warnings[i].says)))
            printf("# %s: %s\n", warnings[i].what, buf_cstr(&out));
        buf_fini(&out);
        arena_fini(&arena);
        fixture_free(&f);
    }
}

static void finds_the_door(void)
{
    static const struct {
        const char *postconf, *host, *port;
    } doors[] = {
        {"inet_interfaces = all\nsmtp/inet/command = smtpd\n", "127.0.0.1", "smtp"},
        {"inet_interfaces = loopback-only\ninet_protocols = ipv6\n25/inet/command = postscreen\n", "::1", "25"},
        {"inet_interfaces = 192.0.2.25, 127.0.0.1\nsmtp/inet/command = smtpd\n", "192.0.2.25", "smtp"},
        {"inet_interfaces = [2001:db8::25]\nsmtp/inet/command = smtpd\n", "2001:db8::25", "smtp"},
        {"submission/inet/command = smtpd\n192.0.2.1:25/inet/command = smtpd\n192.0.2.2:25/inet/command = smtpd\n",
         "192.0.2.1", "25"},
        {"[2001:db8::1]:smtp/inet/command = smtpd\n", "2001:db8::1", "smtp"},
    };
    for (size_t i = 0; i < COUNT_OF(doors); i++) {
        struct arena arena = {0};
        struct postfix_values values;
        const char *host, *port;
        postfix_values_read(&arena, slice_cstr(doors[i].postconf), &values);
        postfix_door_address(&arena, &values, &host, &port);
        CHECK_STR(host, doors[i].host);
        CHECK_STR(port, doors[i].port);
        arena_fini(&arena);
    }
}

static void knows_apparmor(void)
{
    CHECK(!postfix_apparmor_confines(SLICE_LIT("")));
    CHECK(!postfix_apparmor_confines(SLICE_LIT("/usr/sbin/cupsd (enforce)\n/usr/lib/postfix/sbin/smtpd (complain)\n")));
    CHECK(postfix_apparmor_confines(SLICE_LIT("a (enforce)\n/usr/lib/postfix/sbin/smtpd (enforce)\nb (kill)\n")));
    CHECK(postfix_apparmor_confines(SLICE_LIT("postfix-smtpd (enforce)")));
    CHECK(!postfix_apparmor_confines(SLICE_LIT("smtpd")));
}

int main(void)
{
    TEST(decides);
    TEST(warns);
    TEST(finds_the_door);
    TEST(knows_apparmor);
    return TEST_END();
}
