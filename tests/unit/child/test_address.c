/* address.c - where a child listens. */
#include "child/address.h"
#include "base/mem.h"
#include "../test.h"

#include <string.h>

static const struct {
    const char *text, *path, *host;
    enum ip_family family;
    bool is_v6;
    uint16_t port;
} cases[] = {
    {"unix:/run/a.sock", "/run/a.sock", NULL, IP_NONE, false, 0},
    {"unix:/run/a:b@c", "/run/a:b@c", NULL, IP_NONE, false, 0},
    {"inet:8891@127.0.0.1", NULL, "127.0.0.1", IP_V4, false, 8891},
    {"inet:8891@mail.example.net", NULL, "mail.example.net", IP_NONE, false, 8891},
    {"inet:8891", NULL, "127.0.0.1", IP_V4, false, 8891},
    {"inet6:65535", NULL, "::1", IP_V6, true, 65535},
    {"inet6:1@2001:db8::1", NULL, "2001:db8::1", IP_V6, true, 1},
    {"inet6:1@[2001:db8::1]", NULL, "2001:db8::1", IP_V6, true, 1},
    {"inet6:1@mail.example.net", NULL, "mail.example.net", IP_NONE, true, 1},
};

static void cuts_addresses(void)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct child_address a = child_address_cut(cases[i].text);
        CHECK(cases[i].path ? a.path && strcmp(a.path, cases[i].path) == 0 : !a.path);
        CHECK(!cases[i].host || slice_eq_cstr(a.host, cases[i].host));
        CHECK_INT(a.ip.family, cases[i].family);
        CHECK_INT(a.is_v6, cases[i].is_v6);
        CHECK_INT(a.port, cases[i].port);
    }
}

int main(void)
{
    TEST(cuts_addresses);
    return TEST_END();
}
