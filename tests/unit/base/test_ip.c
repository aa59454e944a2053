/* Addresses: text, masks, networks, and the client as holds know it. */
#include "../test.h"
#include "../random.h"
#include "base/ip.h"

#include <string.h>

static struct ip address(const char *text)
{
    struct ip ip;
    if (ip_parse(slice_cstr(text), &ip) != ERR_NONE)
        ip.family = IP_NONE;
    return ip;
}

static void reads_and_writes(void)
{
    static const struct {
        const char *in, *out; /* NULL: not an address */
        int family;
    } rows[] = {{"192.0.2.1", "192.0.2.1", IP_V4},
                {"0.0.0.0", "0.0.0.0", IP_V4},
                {"255.255.255.255", "255.255.255.255", IP_V4},
                {"2001:DB8::1", "2001:db8::1", IP_V6},
                {"IPv6:2001:db8::1", "2001:db8::1", IP_V6},
                {"ipv6:2001:db8:0:0:0:0:0:1", "2001:db8::1", IP_V6},
                {"::", "::", IP_V6},
                {"::1", "::1", IP_V6},
                {"::ffff:192.0.2.1", "192.0.2.1", IP_V4},
                {"IPv6:::ffff:c000:201", "192.0.2.1", IP_V4},
                {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", IP_V6},
                {"2001:db8::192.0.2.1", "2001:db8::c000:201", IP_V6},
                {"", NULL, 0},
                {"IPv6:", NULL, 0},
                {"unknown", NULL, 0},
                {"192.0.2", NULL, 0},
                {"192.0.2.256", NULL, 0},
                {"192.0.2.1.5", NULL, 0},
                {"192.0.2.1 ", NULL, 0},
                {" 192.0.2.1", NULL, 0},
                {"192.0.2.1/24", NULL, 0},
                {"[192.0.2.1]", NULL, 0},
                {"2001:db8::1::2", NULL, 0},
                {"2001:db8::1%eth0", NULL, 0},
                {"1:2:3:4:5:6:7:8:9", NULL, 0},
                {"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000", NULL, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip ip;
        char text[IP_TEXT_MAX];
        CHECK_INT(ip_parse(slice_cstr(rows[i].in), &ip), rows[i].out ? ERR_NONE : ERR_SYNTAX);
        CHECK_INT(ip.family, rows[i].family);
        CHECK_STR(ip_format(&ip, text), rows[i].out ? rows[i].out : "unknown");
    }
    struct ip ip;
    CHECK_INT(ip_parse(SLICE_LIT("192.0.2.1\0"), &ip), ERR_SYNTAX);
    CHECK_INT(ip_parse(SLICE_NONE, &ip), ERR_SYNTAX);
}

static void reads_what_it_wrote(void)
{
    for (int i = 0; i < 2000; i++) {
        struct ip ip = {.family = random_below(2) ? IP_V4 : IP_V6}, again;
        size_t n = ip.family == IP_V4 ? 4 : 16;
        for (size_t k = 0; k < n; k++)
            ip.bytes[k] = random_below(3) ? (uint8_t)random_below(256) : 0;
        char text[IP_TEXT_MAX];
        CHECK_INT(ip_parse(slice_cstr(ip_format(&ip, text)), &again), ERR_NONE);
        CHECK(ip_eq(&ip, &again) || again.family == IP_V4);
    }
}

static void masks(void)
{
    static const struct {
        const char *in;
        unsigned bits;
        const char *out;
    } rows[] = {{"192.0.2.255", 32, "192.0.2.255"},
                {"192.0.2.255", 24, "192.0.2.0"},
                {"192.0.2.255", 25, "192.0.2.128"},
                {"192.0.2.255", 31, "192.0.2.254"},
                {"192.0.2.255", 1, "128.0.0.0"},
                {"192.0.2.255", 0, "0.0.0.0"},
                {"192.0.2.255", 99, "192.0.2.255"},
                {"2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"},
                {"2001:db8:1:ffff::1", 50, "2001:db8:1:c000::"},
                {"2001:db8::ffff", 127, "2001:db8::fffe"},
                {"2001:db8::1", 0, "::"},
                {"2001:db8::1", 128, "2001:db8::1"},
                {"2001:db8::1", 1000, "2001:db8::1"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip ip = address(rows[i].in), masked = ip_mask(&ip, rows[i].bits);
        char text[IP_TEXT_MAX];
        CHECK_STR(ip_format(&masked, text), rows[i].out);
        CHECK(ip_in(&ip, &masked, rows[i].bits));
    }
}

static void knows_networks(void)
{
    struct ip a = address("192.0.2.7"), net = address("192.0.2.0"), other = address("192.0.3.0");
    struct ip six = address("2001:db8::7"), none = {0};
    CHECK(ip_in(&a, &net, 24));
    CHECK(!ip_in(&a, &other, 24));
    CHECK(ip_in(&a, &other, 23));
    CHECK(ip_in(&a, &other, 0));
    CHECK(!ip_in(&six, &net, 0));
    CHECK(!ip_in(&none, &none, 0));
    CHECK(!ip_in(&none, &net, 0));
    CHECK_INT(ip_width_bits(&a), 32);
    CHECK_INT(ip_width_bits(&six), 128);
    CHECK_INT(ip_width_bits(&none), 0);
}

/* ip_in() says what comparing the masked addresses says, for all lengths of a mask and beyond. */
static void is_in_as_masks_say(void)
{
    for (int i = 0; i < 4000; i++) {
        struct ip a = {.family = random_below(2) ? IP_V4 : IP_V6}, b;
        size_t n = a.family == IP_V4 ? 4 : 16;
        for (size_t k = 0; k < n; k++)
            a.bytes[k] = (uint8_t)random_below(256);
        b = a;
        unsigned differs = random_below((unsigned)n * 8), bits = random_below(140);
        b.bytes[differs / 8] ^= (uint8_t)(0x80u >> differs % 8);
        struct ip masked_a = ip_mask(&a, bits), masked_b = ip_mask(&b, bits);
        CHECK_INT(ip_in(&a, &b, bits), ip_eq(&masked_a, &masked_b));
        CHECK_INT(ip_in(&a, &b, bits), bits <= differs);
    }
}

static void orders(void)
{
    struct ip a = address("192.0.2.7"), b = address("192.0.2.8"), six = address("::1"), none = {0};
    CHECK(ip_cmp(&a, &b) < 0 && ip_cmp(&b, &a) > 0 && ip_cmp(&a, &a) == 0);
    CHECK(ip_cmp(&b, &six) < 0 && ip_cmp(&six, &b) > 0);
    CHECK(ip_cmp(&none, &a) < 0);
    CHECK(ip_eq(&a, &a) && !ip_eq(&a, &b) && !ip_eq(&a, &six));
}

static void knows_clients(void)
{
    struct ip a = address("192.0.2.7"), six = address("2001:db8:1:2:3:4:5:6"), c;
    char text[IP_TEXT_MAX];
    c = ip_client(&a);
    CHECK_STR(ip_format(&c, text), "192.0.2.7");
    c = ip_client(&six);
    CHECK_STR(ip_format(&c, text), "2001:db8:1:2::");
    struct ip none = {0};
    c = ip_client(&none);
    CHECK_INT(c.family, IP_NONE);
}

int main(void)
{
    random_begin();
    TEST(reads_and_writes);
    TEST(reads_what_it_wrote);
    TEST(masks);
    TEST(knows_networks);
    TEST(is_in_as_masks_say);
    TEST(orders);
    TEST(knows_clients);
    return TEST_END();
}
