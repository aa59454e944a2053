/*
 * detect_table.c - the milters that `tarsier detect` knows, one row each, in the order in which mail should pass them: who turns
 * clients away before their message comes, then signatures, then what judges by signatures, then viruses, then spam.
 */
#include "cli/detect.h"

#define OUTSIDE    "remote and unauthenticated"
#define SPAM       "remote and unauthenticated and not stress"
#define SPAM_ABOUT "spam scanners cost most: for mail from outside only, and not while the MTA is under stress"

/* clang-format off */
static const struct detect_milter table[] = {
    {
        .name = "milter-greylist", .program = "milter-greylist", .units = {"milter-greylist"}, .option = 'p',
        .files = {
            {.path = "/etc/milter-greylist/greylist.conf", .form = PAIRS_WORDS, .key = "socket"},
            {.path = "/etc/mail/greylist.conf", .form = PAIRS_WORDS, .key = "socket"},
            {.path = "/etc/default/milter-greylist", .form = PAIRS_SHELL, .key = "SOCKET", .off = "ENABLED", .off_value = "0"},
        },
        .usual = "/run/milter-greylist/milter-greylist.sock",
        .when = OUTSIDE " and s25r", .is_greylist = true,
    },
    {
        .name = "pyspf-milter", .program = "pyspf-milter", .units = {"pyspf-milter"},
        .files = {
            {.path = "/etc/pyspf-milter/pyspf-milter.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/default/pyspf-milter", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .when = OUTSIDE, .about = "SPF concerns mail from outside",
    },
    {
        .name = "opendkim", .program = "opendkim", .units = {"opendkim"}, .option = 'p',
        .files = {
            {.path = "/etc/opendkim.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/opendkim/opendkim.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/default/opendkim", .form = PAIRS_SHELL, .key = "SOCKET"},
            {.path = "/etc/sysconfig/opendkim", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .about = "it signs your own mail and verifies that of others, so it sees all",
    },
    {
        .name = "dkimpy-milter", .program = "dkimpy-milter", .units = {"dkimpy-milter"},
        .files = {
            {.path = "/etc/dkimpy-milter/dkimpy-milter.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/default/dkimpy-milter", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .usual = "local:/run/dkimpy-milter/dkimpy-milter.sock",
        .about = "it signs your own mail and verifies that of others, so it sees all",
    },
    {
        .name = "opendmarc", .program = "opendmarc", .units = {"opendmarc"}, .option = 'p',
        .files = {
            {.path = "/etc/opendmarc.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/opendmarc/opendmarc.conf", .form = PAIRS_WORDS, .key = "Socket"},
            {.path = "/etc/default/opendmarc", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .when = OUTSIDE, .about = "behind SPF and DKIM: it reads the headers that they add",
    },
    {
        .name = "clamav-milter", .program = "clamav-milter", .units = {"clamav-milter"},
        .files = {
            {.path = "/etc/clamav/clamav-milter.conf", .form = PAIRS_WORDS, .key = "MilterSocket", .off = "Example"},
            {.path = "/etc/mail/clamav-milter.conf", .form = PAIRS_WORDS, .key = "MilterSocket", .off = "Example"},
            {.path = "/etc/clamav-milter.conf", .form = PAIRS_WORDS, .key = "MilterSocket", .off = "Example"},
        },
        .about = "viruses come from within, too",
    },
    {
        .name = "amavisd-milter", .program = "amavisd-milter", .units = {"amavisd-milter", "amavisd-new-milter"}, .option = 's',
        .files = { /* Debian's script gives EXTRAPARAMS last, so that it counts */
            {.path = "/etc/default/amavisd-milter", .form = PAIRS_SHELL, .key = "EXTRAPARAMS", .is_options = true},
            {.path = "/etc/default/amavisd-milter", .form = PAIRS_SHELL, .key = "MILTERSOCKET"},
            {.path = "/etc/default/amavisd-new-milter", .form = PAIRS_SHELL, .key = "MILTERSOCKET"},
            {.path = "/etc/sysconfig/amavisd-milter", .form = PAIRS_SHELL, .key = "MILTERSOCKET"},
        },
        .usual = "/var/lib/amavis/amavisd-milter.sock",
        .about = "viruses come from within, too",
    },
    {
        .name = "mimedefang", .program = "mimedefang", .units = {"mimedefang"}, .option = 'p',
        .files = {
            {.path = "/etc/default/mimedefang", .form = PAIRS_SHELL, .key = "SOCKET"},
            {.path = "/etc/sysconfig/mimedefang", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .usual = "/var/spool/MIMEDefang/mimedefang.sock",
        .about = "what it does stands in its filter: it may want to see all",
    },
    {
        .name = "spamass-milter", .program = "spamass-milter", .units = {"spamass-milter"}, .option = 'p',
        .files = { /* Debian's script gives OPTIONS last, so that it counts */
            {.path = "/etc/default/spamass-milter", .form = PAIRS_SHELL, .key = "OPTIONS", .is_options = true},
            {.path = "/etc/default/spamass-milter", .form = PAIRS_SHELL, .key = "SOCKET", .off = "ENABLED", .off_value = "0"},
            {.path = "/etc/sysconfig/spamass-milter", .form = PAIRS_SHELL, .key = "SOCKET"},
        },
        .usual = "/run/spamass/spamass.sock", .usual_postfix = "/var/spool/postfix/spamass/spamass.sock",
        .when = SPAM, .about = SPAM_ABOUT,
    },
    {
        .name = "rspamd", .program = "rspamd", .units = {"rspamd"}, .host_port = true,
        .files = {
            {.path = "/etc/rspamd/override.d/worker-proxy.inc", .form = PAIRS_UCL, .key = "bind_socket", .off = "milter", .off_value = "no"},
            {.path = "/etc/rspamd/override.d/worker-proxy.inc", .form = PAIRS_UCL, .key = "bind_socket", .off = "enabled", .off_value = "false"},
            {.path = "/etc/rspamd/local.d/worker-proxy.inc", .form = PAIRS_UCL, .key = "bind_socket", .off = "milter", .off_value = "no"},
            {.path = "/etc/rspamd/local.d/worker-proxy.inc", .form = PAIRS_UCL, .key = "bind_socket", .off = "enabled", .off_value = "false"},
            {.path = "/etc/rspamd/worker-proxy.inc", .form = PAIRS_UCL, .key = "bind_socket", .off = "milter", .off_value = "no"},
        },
        .usual = "localhost:11332",
        .when = SPAM, .about = SPAM_ABOUT ";\nwhere it signs outgoing mail (dkim_signing) it has to see that, too",
    },
};
/* clang-format on */

const struct detect_milter *detect_table(size_t *n)
{
    *n = sizeof(table) / sizeof(table[0]);
    return table;
}
