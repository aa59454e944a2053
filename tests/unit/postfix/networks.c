/* networks.c - Postfix's own networks against ours: what is read of mynetworks, and which lines are proposed. */
#include "postfix/networks.h"
#include "../policy/fixture.h"
#include "base/mem.h"

struct file {
    const char *path, *text;
};

static const struct file files_there[] = {
    {"/etc/postfix/nets", "# ours\n198.51.100.0/24\n\n  203.0.113.7, /etc/postfix/more\n"},
    {"/etc/postfix/more", "[2001:db8:1::]/48\n"},
    {"/etc/postfix/circle", "/etc/postfix/circle 198.51.100.9\n"},
    {"/etc/postfix/nets.cidr", "# net result\n198.51.100.0/24 OK\n2001:db8:2::/48 permit\nif 192.0.2.0/24\n"},
};

static bool read_file(void *ctx, const char *path, struct slice *text)
{
    (void)ctx;
    for (size_t i = 0; i < COUNT_OF(files_there); i++)
        if (strcmp(files_there[i].path, path) == 0) {
            *text = slice_cstr(files_there[i].text);
            return true;
        }
    return false;
}

static const struct row {
    const char *what, *conf, *postconf, *want;
    size_t statements;
} rows[] = {
    {"Debian's own", "", "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\nrelayhost =\nrelay_domains =\n", "", 0},
    {"private networks are local unless said otherwise", "",
     "mynetworks = 10.0.0.0/8, 192.168.7.0/24 169.254.1.1 [fe80::]/64\n", "", 0},
    {"two that lack", "", "mynetworks = 127.0.0.0/8 192.0.2.0/24, [2001:db8::]/32\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 192.0.2.0/24 2001:db8::/32 }\n", 1},
    {"an address without bits; host bits", "", "mynetworks = 192.0.2.7 198.51.100.9/24 [2001:db8::5]\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 192.0.2.7/32 198.51.100.0/24 2001:db8::5/128 }\n",
     1},
    {"known already, by a wider one", "network local { 192.0.2.0/24 2001:db8::/32 }",
     "mynetworks = 192.0.2.0/24 192.0.2.128/25 [2001:db8::]/48\n", "", 0},
    {"a narrower one does not do", "network local { 192.0.2.0/25 }", "mynetworks = 192.0.2.0/24\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 192.0.2.0/24 }\n", 1},
    {"said to be remote: so it stays", "network remote { 192.0.2.0/24 10.9.0.0/16 }",
     "mynetworks = 192.0.2.0/24 10.9.1.0/24\n", "", 0},
    {"twice", "", "mynetworks = 192.0.2.0/24 192.0.2.0/24\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 192.0.2.0/24 }\n", 1},
    {"an exception before its network", "network local { 192.0.2.0/24 }",
     "mynetworks = !192.0.2.9, 192.0.2.0/24 !10.1.0.0/16 10.0.0.0/8\n",
     "# mynetworks takes these out with `!`.\nnetwork remote { 192.0.2.9/32 10.1.0.0/16 }\n", 1},
    {"an exception to what lacks", "", "mynetworks = !192.0.2.9 192.0.2.0/24 !203.0.113.9\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 192.0.2.0/24 }\n"
     "# mynetworks takes these out with `!`.\nnetwork remote { 192.0.2.9/32 }\n",
     2},
    {"an exception behind its network says nothing, in Postfix", "", "mynetworks = 10.0.0.0/8 !10.1.0.0/16\n", "", 0},
    {"everybody", "", "mynetworks = 0.0.0.0/0 [::]/0\n",
     "# mynetworks has 0.0.0.0/0, which is nearly everybody: Postfix relays for them all. It is not taken over.\n"
     "# mynetworks has ::/0, which is nearly everybody: Postfix relays for them all. It is not taken over.\n",
     0},
    {"files", "", "mynetworks = /etc/postfix/nets\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 198.51.100.0/24 203.0.113.7/32 2001:db8:1::/48 }\n",
     1},
    {"a file that names itself", "", "mynetworks = /etc/postfix/circle\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 198.51.100.9/32 }\n"
     "# mynetworks has /etc/postfix/circle, which is no address, or cannot be read here: look at it yourself.\n",
     1},
    {"tables", "",
     "mynetworks = cidr:/etc/postfix/nets.cidr hash:/etc/postfix/h /no/such mail.example.org !/etc/postfix/nets\n",
     "# mynetworks: Postfix lets them send to anybody.\nnetwork local { 198.51.100.0/24 2001:db8:2::/48 }\n"
     "# mynetworks has if, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has hash:/etc/postfix/h, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has /no/such, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has mail.example.org, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has !/etc/postfix/nets, which is no address, or cannot be read here: look at it yourself.\n",
     1},
    {"nonsense", "", "mynetworks = 192.0.2.0/33 [::ffff:192.0.2.0]/24 [2001:db8:: 1.2.3 \033[2J\n",
     "# mynetworks has 192.0.2.0/33, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has [::ffff:192.0.2.0]/24, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has [2001:db8::, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has 1.2.3, which is no address, or cannot be read here: look at it yourself.\n"
     "# mynetworks has ?[2J, which is no address, or cannot be read here: look at it yourself.\n",
     0},
    {"a smart host by name", "", "relayhost = [smtp.isp.example]:587\n",
     "domainexact\n# relayhost: bounces for your users come back from there.\nracl whitelist domain smtp.isp.example\n", 1},
    {"without brackets", "", "relayhost = isp.example\n",
     "domainexact\n# relayhost: bounces for your users come back from there.\nracl whitelist domain isp.example\n", 1},
    {"by address", "", "relayhost = [192.0.2.25]\n",
     "# relayhost: bounces for your users come back from there.\nnetwork local { 192.0.2.25/32 }\n", 1},
    {"by an address that is ours", "", "relayhost = [10.1.2.3]:25\n", "", 0},
    {"a name of this net alone", "", "relayhost = [smarthost]\n", "", 0},
    {"relay domains, but for our own and what is none", "",
     "relay_domains = example.net, example.org hash:/etc/postfix/relay\n sub.example.org\nmydestination = Example.NET, "
     "localhost\n",
     "domainexact\n# relay_domains: the servers of these domains send through this host.\nracl whitelist domain "
     "example.org\n",
     1},
    {"what a line lets in already",
     "domainexact\nlist \"r\" domain { example.com smtp.isp.example }\nracl whitelist domain .example.org\n"
     "racl whitelist list \"r\"\nracl whitelist not domain example.edu\nracl whitelist domain example.biz helo "
     "\"x.example\"\n",
     "relayhost = [smtp.isp.example]\nrelay_domains = EXAMPLE.com example.org example.edu example.biz\n",
     "domainexact\n# relay_domains: the servers of these domains send through this host.\n"
     "racl whitelist domain example.edu\nracl whitelist domain example.biz\n",
     2},
    {"nothing is known of Postfix", "", "", "", 0},
};

static void proposes_what_lacks(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = fixture_new(rows[i].conf);
        struct arena arena = {0};
        struct buf out = {0};
        struct postfix_values values;
        struct postfix_files files = {.read = read_file};
        postfix_values_read(&arena, slice_cstr(rows[i].postconf), &values);
        size_t n = postfix_networks_compare(f.policy, f.conf, &values, &files, &out);
        if (!CHECK_STR(buf_cstr(&out), rows[i].want) || !CHECK_INT(n, rows[i].statements))
            printf("# %s\n", rows[i].what);
        buf_fini(&out);
        arena_fini(&arena);
        fixture_free(&f);
    }
}

/* Whatever is proposed is understood, and with it nothing is lacking any more. */
static void is_content_with_its_own_lines(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {0};
        struct buf text = {0}, again = {0};
        struct postfix_values values;
        struct postfix_files files = {.read = read_file};
        buf_printf(&text, "%s\n%s", rows[i].conf, rows[i].want);
        struct fixture f = fixture_new(buf_cstr(&text));
        postfix_values_read(&arena, slice_cstr(rows[i].postconf), &values);
        if (!CHECK_INT(postfix_networks_compare(f.policy, f.conf, &values, &files, &again), 0))
            printf("# %s:\n%s\n", rows[i].what, buf_cstr(&again));
        buf_fini(&text);
        buf_fini(&again);
        arena_fini(&arena);
        fixture_free(&f);
    }
}

static void reads_what_postconf_prints(void)
{
    static const char text[] = "a = b = c\nempty =\nnonsense\n= x\nsubmission/inet/smtpd_milters = unix:q, unix:r\n"
                               "[::1]:25/inet/chroot = y\n";
    struct arena arena = {0};
    struct postfix_values v;
    postfix_values_read(&arena, slice_cstr(text), &v);
    CHECK_INT(v.n, 4);
    CHECK_SLICE(postfix_value(&v, NULL, "a"), "b = c");
    CHECK_SLICE(postfix_value(&v, NULL, "empty"), "");
    CHECK_SLICE(postfix_value(&v, NULL, "smtpd_milters"), NULL);
    CHECK_SLICE(postfix_value(&v, "submission/inet", "smtpd_milters"), "unix:q, unix:r");
    CHECK_SLICE(postfix_value(&v, "[::1]:25/inet", "chroot"), "y");
    arena_fini(&arena);
}

int main(void)
{
    TEST(reads_what_postconf_prints);
    TEST(proposes_what_lacks);
    TEST(is_content_with_its_own_lines);
    return TEST_END();
}
