/* Names and messages of DNS: what is read, and that nothing else is. */
#include "../random.h"
#include "../test.h"
#include "fetch/dns/answer.h"
#include "message.h"

#include <ares.h>
#include <netinet/in.h>

static struct dns_key key_of(enum dns_type type, const char *name)
{
    struct dns_key key;
    CHECK_INT(dns_key_name(type, slice_cstr(name), &key), ERR_NONE);
    return key;
}

static enum err name_err(const char *name)
{
    struct dns_key key;
    return dns_key_name(DNS_A, slice_cstr(name), &key);
}

static void names(void)
{
    struct dns_key key = key_of(DNS_A, "Mail.Example.ORG.");
    char text[DNS_TEXT_MAX];
    size_t len;
    CHECK_INT(key.len, 18);
    CHECK(memcmp(key.wire, "\004mail\007example\003org", 18) == 0);
    CHECK_INT(dns_wire_text(key.wire, text, &len), ERR_NONE);
    CHECK_STR(text, "mail.example.org");
    CHECK_INT(len, 16);
    CHECK_INT(name_err("_dmarc.a-b.example"), ERR_NONE);
    static const char *const bad[] = {"",      ".",         "a..b",        ".a",  "a..", "a b",
                                      "a\\.b", "*.example", "[192.0.2.1]", "a@b", "a/b", "m\303\274ller.example",
                                      "a\nb"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(name_err(bad[i]), ERR_SYNTAX);
    CHECK_INT(dns_key_name(DNS_A, SLICE_NONE, &key), ERR_SYNTAX);
    CHECK_INT(dns_key_name(DNS_A, SLICE_LIT("a\0b"), &key), ERR_SYNTAX);
}

static void names_of_full_length(void)
{
    char name[300];
    struct dns_key key;
    memset(name, 'a', sizeof(name));
    CHECK_INT(dns_key_name(DNS_A, slice_of(name, 63), &key), ERR_NONE);
    CHECK_INT(dns_key_name(DNS_A, slice_of(name, 64), &key), ERR_LIMIT);
    for (size_t i = 63; i < sizeof(name); i += 64)
        name[i] = '.';
    CHECK_INT(dns_key_name(DNS_A, slice_of(name, 253), &key), ERR_NONE);
    CHECK_INT(key.len, DNS_WIRE_MAX);
    char text[DNS_TEXT_MAX];
    size_t len;
    CHECK_INT(dns_wire_text(key.wire, text, &len), ERR_NONE);
    CHECK_INT(len, 253);
    CHECK_INT(dns_key_name(DNS_A, slice_of(name, 254), &key), ERR_LIMIT);
}

static const char *reverse(const char *address)
{
    static char text[DNS_TEXT_MAX];
    struct ip ip;
    struct dns_key key;
    size_t len;
    CHECK_INT(ip_parse(slice_cstr(address), &ip), ERR_NONE);
    CHECK_INT(dns_key_reverse(&ip, &key), ERR_NONE);
    CHECK_INT(key.type, DNS_PTR);
    CHECK_INT(dns_wire_text(key.wire, text, &len), ERR_NONE);
    return text;
}

static void reverse_names(void)
{
    CHECK_STR(reverse("192.0.2.255"), "255.2.0.192.in-addr.arpa");
    CHECK_STR(reverse("2001:db8::1f"), "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    struct dns_key key;
    CHECK_INT(dns_key_reverse(&(struct ip){0}, &key), ERR_SYNTAX);
}

static void localhost(void)
{
    struct dns_key key = key_of(DNS_A, "LOCALHOST");
    CHECK(dns_key_is_localhost(&key));
    key = key_of(DNS_A, "x.localhost");
    CHECK(dns_key_is_localhost(&key));
    key = key_of(DNS_A, "localhost.example");
    CHECK(!dns_key_is_localhost(&key));
    key = key_of(DNS_A, "localhosts");
    CHECK(!dns_key_is_localhost(&key));
}

/* ---- messages ---- */

static struct buf m;
static struct dns_answer a;

static enum dns_status status_of(enum dns_type type, const char *name)
{
    struct dns_key key = key_of(type, name);
    dns_answer_read(&key, buf_slice(&m), &a);
    return a.status;
}

static const char *address(size_t i)
{
    static char text[IP_TEXT_MAX];
    return i < a.n_addresses ? ip_format(&a.addresses[i], text) : "none";
}

static void addresses(void)
{
    message_begin(&m, 7, R_NOERROR, "mail.example.org", T_A);
    message_address(&m, "MAIL.example.org", 300, "192.0.2.1");
    message_address(&m, "mail.example.org", 60, "192.0.2.2");
    message_address(&m, "other.example.org", 1, "192.0.2.3");
    message_address(&m, "mail.example.org", 1, "2001:db8::1");
    CHECK_INT(status_of(DNS_A, "mail.example.org"), DNS_FOUND);
    CHECK_INT(a.n_addresses, 2);
    CHECK_STR(address(0), "192.0.2.1");
    CHECK_STR(address(1), "192.0.2.2");
    CHECK_INT(a.ttl_sec, 60);

    message_begin(&m, 7, R_NOERROR, "mail.example.org", T_AAAA);
    message_address(&m, "mail.example.org", 0x80000000U, "2001:db8::1");
    message_record(&m, SECTION_ANSWER, "mail.example.org", T_AAAA, 9,
                   SLICE_LIT("\0\0\0\0\0\0\0\0\0\0\377\377\300\0\002\011"));
    CHECK_INT(status_of(DNS_AAAA, "mail.example.org"), DNS_FOUND);
    CHECK_STR(address(0), "2001:db8::1");
    CHECK_STR(address(1), "192.0.2.9");
    CHECK_INT(a.ttl_sec, 0);
}

static void more_addresses_than_are_kept(void)
{
    message_begin(&m, 7, R_NOERROR, "many.example", T_A);
    for (unsigned i = 0; i < 1000; i++)
        message_address(&m, "many.example", 300, "192.0.2.1");
    CHECK_INT(status_of(DNS_A, "many.example"), DNS_FOUND);
    CHECK_INT(a.n_addresses, DNS_ADDRESSES_MAX);
}

static void aliases(void)
{
    message_begin(&m, 7, R_NOERROR, "www.example", T_A);
    message_name(&m, SECTION_ANSWER, "www.example", T_CNAME, 50, "b.example");
    message_name(&m, SECTION_ANSWER, "b.example", T_CNAME, 20, "c.example");
    message_address(&m, "c.example", 30, "192.0.2.5");
    CHECK_INT(status_of(DNS_A, "www.example"), DNS_FOUND);
    CHECK_INT(a.n_addresses, 1);
    CHECK_INT(a.ttl_sec, 20);

    /* In the wrong order, which some servers do. */
    message_begin(&m, 7, R_NOERROR, "www.example", T_A);
    message_address(&m, "c.example", 30, "192.0.2.5");
    message_name(&m, SECTION_ANSWER, "b.example", T_CNAME, 60, "c.example");
    message_name(&m, SECTION_ANSWER, "www.example", T_CNAME, 50, "b.example");
    CHECK_INT(status_of(DNS_A, "www.example"), DNS_FOUND);
    CHECK_INT(a.n_addresses, 1);
    CHECK_INT(a.ttl_sec, 30);

    message_begin(&m, 7, R_NOERROR, "a.example", T_A);
    message_name(&m, SECTION_ANSWER, "a.example", T_CNAME, 50, "b.example");
    message_name(&m, SECTION_ANSWER, "b.example", T_CNAME, 50, "a.example");
    message_address(&m, "c.example", 30, "192.0.2.5");
    CHECK_INT(status_of(DNS_A, "a.example"), DNS_FAILED);

    message_begin(&m, 7, R_NOERROR, "a.example", T_A);
    message_name(&m, SECTION_ANSWER, "a.example", T_CNAME, 50, "b.example");
    message_soa(&m, "example", 900, 600);
    CHECK_INT(status_of(DNS_A, "a.example"), DNS_ABSENT);
    CHECK_INT(a.ttl_sec, 50);
}

static void reverse_answers(void)
{
    const char *name = "7.2.0.192.in-addr.arpa";
    message_begin(&m, 7, R_NOERROR, name, T_PTR);
    message_name(&m, SECTION_ANSWER, name, T_PTR, 40, "no host!.example");
    message_name(&m, SECTION_ANSWER, name, T_PTR, 30, "Mail_7.Example");
    message_name(&m, SECTION_ANSWER, name, T_PTR, 30, "second.example");
    CHECK_INT(status_of(DNS_PTR, name), DNS_FOUND);
    CHECK_STR(a.name, "mail_7.example");
    CHECK_INT(a.name_len, 14);
    CHECK_INT(a.ttl_sec, 30);

    /* RFC 2317: the name of a part of a /24 has a slash in it. */
    message_begin(&m, 7, R_NOERROR, name, T_PTR);
    message_name(&m, SECTION_ANSWER, name, T_CNAME, 40, "7.0/25.2.0.192.in-addr.arpa");
    message_name(&m, SECTION_ANSWER, "7.0/25.2.0.192.in-addr.arpa", T_PTR, 70, "a.example");
    CHECK_INT(status_of(DNS_PTR, name), DNS_FOUND);
    CHECK_STR(a.name, "a.example");
    CHECK_INT(a.ttl_sec, 40);

    message_begin(&m, 7, R_NOERROR, name, T_PTR);
    message_name(&m, SECTION_ANSWER, name, T_PTR, 40, "no host.example");
    message_name(&m, SECTION_ANSWER, name, T_PTR, 40, "");
    message_name(&m, SECTION_AUTHORITY, "192.in-addr.arpa", T_NS, 40, "ns.example");
    CHECK_INT(status_of(DNS_PTR, name), DNS_ABSENT);
    CHECK_INT(a.ttl_sec, 40);
    CHECK_INT(a.name_len, 0);
}

static void absences(void)
{
    message_begin(&m, 7, R_NXDOMAIN, "no.example", T_A);
    message_soa(&m, "example", 900, 600);
    CHECK_INT(status_of(DNS_A, "no.example"), DNS_ABSENT);
    CHECK(a.has_ttl);
    CHECK_INT(a.ttl_sec, 600);
    message_begin(&m, 7, R_NOERROR, "no.example", T_A);
    message_name(&m, SECTION_AUTHORITY, "example", T_NS, 40, "ns.example");
    message_soa(&m, "example", 100, 600);
    CHECK_INT(status_of(DNS_A, "no.example"), DNS_ABSENT);
    CHECK_INT(a.ttl_sec, 100);
    message_begin(&m, 7, R_NXDOMAIN, "no.example", T_A);
    CHECK_INT(status_of(DNS_A, "no.example"), DNS_ABSENT);
    CHECK(!a.has_ttl);
    message_begin(&m, 7, R_NOERROR, "no.example", T_A);
    CHECK_INT(status_of(DNS_A, "no.example"), DNS_ABSENT);
    CHECK(!a.has_ttl);
    /* The last name's response code stands over what is in the message. */
    message_begin(&m, 7, R_NXDOMAIN, "no.example", T_A);
    message_address(&m, "no.example", 30, "192.0.2.5");
    CHECK_INT(status_of(DNS_A, "no.example"), DNS_ABSENT);
    CHECK_INT(a.n_addresses, 0);
}

static void failures(void)
{
    message_begin(&m, 7, R_SERVFAIL, "x.example", T_A);
    message_address(&m, "x.example", 30, "192.0.2.5");
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    CHECK_INT(a.n_addresses, 0);
    message_begin(&m, 7, R_NOERROR, "x.example", T_A);
    message_name(&m, SECTION_AUTHORITY, "example", T_NS, 40, "ns.example");
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED); /* a referral */
    message_begin(&m, 7, R_NOERROR, "x.example", T_A);
    message_address(&m, "x.example", 30, "192.0.2.5");
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FOUND);
    CHECK_INT(status_of(DNS_A, "y.example"), DNS_FAILED); /* another's answer */
    CHECK_INT(status_of(DNS_AAAA, "x.example"), DNS_FAILED);
    m.ptr[2] = 1; /* a question */
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    message_begin(&m, 7, R_NOERROR, "x.example", T_A);
    message_record(&m, SECTION_ANSWER, "x.example", T_A, 30, SLICE_LIT("\300\0\2"));
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    buf_clear(&m);
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
}

/* "x.example" A, whose answer's owner is the given bytes. */
static void owner_of(struct slice bytes)
{
    message_begin(&m, 7, R_NOERROR, "x.example", T_A);
    m.ptr[7] = 1;
    buf_put_slice(&m, bytes);
    buf_put(&m, "\0\1\0\1\0\0\0\11\0\4\300\0\2\5", 14);
}

static void pointers(void)
{
    owner_of(SLICE_LIT("\300\014"));
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FOUND);
    CHECK_INT(a.ttl_sec, 9);
    owner_of(SLICE_LIT("\1x\300\016"));
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FOUND);
    owner_of(SLICE_LIT("\300\033")); /* to itself */
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    owner_of(SLICE_LIT("\1x\300\033")); /* to its own beginning */
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    owner_of(SLICE_LIT("\377\377"));
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
    owner_of(SLICE_LIT("\100x"));
    CHECK_INT(status_of(DNS_A, "x.example"), DNS_FAILED);
}

/* A good message cut anywhere, or with a byte changed anywhere, is never read outside of it (the sanitizers look on). */
static void broken_messages(void)
{
    struct dns_key key = key_of(DNS_A, "www.example");
    unsigned failed = 0;
    for (unsigned i = 0; i < 20000; i++) {
        message_begin(&m, 7, random_below(2) ? R_NOERROR : R_NXDOMAIN, "www.example", T_A);
        message_name(&m, SECTION_ANSWER, "www.example", T_CNAME, 50, "b.example");
        message_address(&m, "b.example", 30, "192.0.2.5");
        message_soa(&m, "example", 900, 600);
        for (unsigned n = random_below(4); n > 0; n--)
            m.ptr[random_below((unsigned)m.len)] = (char)random_below(256);
        size_t len = random_below(2) ? m.len : random_below((unsigned)m.len);
        char *exact = malloc(len + 1); /* so that one byte too many is seen */
        memcpy(exact + 1, m.ptr, len);
        dns_answer_read(&key, slice_of(exact + 1, len), &a);
        failed += a.status == DNS_FAILED;
        CHECK(a.status != DNS_FOUND || (a.n_addresses > 0 && a.n_addresses <= DNS_ADDRESSES_MAX));
        free(exact);
    }
    CHECK(failed > 1000);
}

/* c-ares reads good messages as we do. */
static void as_cares_reads(void)
{
    static const char *const owners[] = {"www.example", "b.example", "c.example"};
    for (unsigned round = 0; round < 2000; round++) {
        unsigned hops = random_below(3), n = random_below(6), least = 1000000;
        message_begin(&m, 7, R_NOERROR, "www.example", T_A);
        for (unsigned i = 0; i < hops; i++) {
            unsigned ttl = random_below(1000);
            least = ttl < least ? ttl : least;
            message_name(&m, SECTION_ANSWER, owners[i], T_CNAME, ttl, owners[i + 1]);
        }
        for (unsigned i = 0; i < n; i++) {
            char text[32];
            unsigned ttl = random_below(1000);
            least = ttl < least ? ttl : least;
            snprintf(text, sizeof(text), "192.0.2.%u", random_below(256));
            message_address(&m, owners[hops], ttl, text);
        }
        struct ares_addrttl ttls[8];
        int count = 8;
        int status = ares_parse_a_reply((unsigned char *)m.ptr, (int)m.len, NULL, ttls, &count);
        bool found = status_of(DNS_A, "www.example") == DNS_FOUND;
        CHECK_INT(found, status == ARES_SUCCESS && count > 0);
        CHECK_INT(found, n > 0);
        if (!found)
            continue;
        CHECK_INT(a.n_addresses, count);
        CHECK_INT(a.ttl_sec, least);
        for (int i = 0; i < count; i++)
            CHECK(memcmp(a.addresses[i].bytes, &ttls[i].ipaddr, 4) == 0);
    }
}

int main(void)
{
    random_begin();
    TEST(names);
    TEST(names_of_full_length);
    TEST(reverse_names);
    TEST(localhost);
    TEST(addresses);
    TEST(more_addresses_than_are_kept);
    TEST(aliases);
    TEST(reverse_answers);
    TEST(absences);
    TEST(failures);
    TEST(pointers);
    TEST(broken_messages);
    TEST(as_cares_reads);
    buf_fini(&m);
    return TEST_END();
}
