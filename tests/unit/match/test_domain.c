/* Suffixes, base domains, names that carry their address: tables. */
#include "../test.h"
#include "base/mem.h"
#include "match/domain.h"

#include <string.h>

static void finds_base_domains(void)
{
    static const struct {
        const char *name, *base; /* NULL: none */
    } rows[] = {
        {"mail.example.org", "example.org"},
        {"example.org", "example.org"},
        {"a.b.c.d.example.org", "example.org"},
        {"MAIL.Example.ORG", "Example.ORG"},
        {"mail.example.org.", "example.org"},
        {"mail.example.co.uk", "example.co.uk"},
        {"example.co.uk", "example.co.uk"},
        {"my_host.example.org", "example.org"},
        {"a.example.kyoto.jp", "example.kyoto.jp"},
        {"xn--bcher-kva.example.com", "example.com"},
        /* wildcard and its exception in the list */
        {"a.b.example.ck", "b.example.ck"},
        {"mail.www.ck", "www.ck"},
        /* private section */
        {"a.b.github.io", "b.github.io"},
        {"b.github.io", "b.github.io"},
        {"github.io", NULL},
        /* suffixes themselves, unknown ones */
        {"org", NULL},
        {"co.uk", NULL},
        {"kyoto.jp", NULL},
        {"mail.isp.example", NULL},
        {"localhost", NULL},
        {"host.invalid", NULL},
        /* no host names */
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {".example.org", NULL},
        {"mail..example.org", NULL},
        {"mail.example.org..", NULL},
        {"unknown", NULL},
        {"[192.0.2.1]", NULL},
        {"192.0.2.1", NULL},
        {"2001:db8::1", NULL},
        {"mail example.org", NULL},
        {"a@example.org", NULL},
        {"b\xc3\xbc"
         "cher.example.org",
         NULL},
    };
    struct domain_list *list = domain_list_open();
    if (!CHECK(list != NULL))
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice name = slice_cstr(rows[i].name), base = domain_base(list, name);
        if (!test_str(base, slice_cstr(rows[i].base), "base domain", __FILE__, __LINE__))
            printf("# on \"%s\"\n", rows[i].name);
    }
    CHECK(!domain_base(list, SLICE_NONE).ptr);
    CHECK(!domain_base(list, SLICE_LIT("a\0b.example.org")).ptr);
    domain_list_free(list);
    domain_list_free(NULL);
}

static void bounds_names_and_labels(void)
{
    struct domain_list *list = domain_list_open();
    char name[300];
    memset(name, 'a', sizeof(name));
    /* a label of 63 is the longest */
    memcpy(name + 63, ".example.org", 12);
    CHECK_SLICE(domain_base(list, slice_of(name, 75)), "example.org");
    memset(name, 'a', sizeof(name));
    memcpy(name + 64, ".example.org", 12);
    CHECK(!domain_base(list, slice_of(name, 76)).ptr);
    /* a name of 253 is the longest; then there is no base, not a cut one */
    for (size_t len = 253; len <= 254; len++) {
        for (size_t i = 0; i < len; i++)
            name[i] = i % 2 ? '.' : 'a';
        memcpy(name + len - 12, ".example.org", 12);
        name[len - 13] = 'a';
        struct slice base = domain_base(list, slice_of(name, len));
        if (len == 253)
            CHECK_SLICE(base, "example.org");
        else
            CHECK(!base.ptr);
    }
    domain_list_free(list);
}

int main(void)
{
    TEST(finds_base_domains);
    TEST(bounds_names_and_labels);
    return TEST_END();
}
