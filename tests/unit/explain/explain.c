/* explain.c - what is told about one mail: the line that decides and what happens must be of one mind. */
#include "explain/explain.h"
#include "base/mem.h"
#include "test.h"

#include <string.h>

/* An end user's line writes. helo, state, authenticated: NULL for none. */
struct row {
    const char *what, *conf, *helo, *state, *authenticated;
    bool unwatched;
    enum explain_proof proof;
    const char *want[3]; /* all of them are told; NULL: no more */
    const char *never;   /* and this is not; NULL: nothing */
};

static const struct row rows[] = {
    {.what = "a HELO that a line names",
     .conf = "racl blacklist helo \"bad.example.org\"\nracl greylist default\n",
     .helo = "bad.example.org",
     .want = {"racl blacklist helo", "551 5.7.1 Go away! at RCPT"}},
    {.what = "no HELO given: the client's name",
     .conf = "racl blacklist helo /^dhcp/\nracl greylist default\n",
     .want = {"racl blacklist helo", "551 5.7.1 Go away! at RCPT"}},
    {.what = "a hold, both ways",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\n",
     .want = {"the client waits:    held for 00:02:0", "the client hangs up: ",
              "and comes back 5 minutes later: 451 4.7.1 Greylisting in action, please come back in 00:25:"}},
    {.what = "held and left",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\n",
     .state = "held 40 s and left 5 min ago",
     .want = {"this client hung up after 40 s", "451 4.7.1"},
     .never = "held for"},
    {.what = "first seen long ago",
     .conf = "racl greylist default\n",
     .state = "first seen 31 min ago",
     .want = {"250 at RCPT", "Delayed for 00:31:00"}},
    {.what = "waited: the client is known as patient behind the tuple's life",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\nautowhite 1d\ntarpit_memory 7d\n",
     .state = "waited 3 d ago",
     .want = {"250 at RCPT"},
     .never = "held for"},
    {.what = "waited, and gone before DATA: held again",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\n",
     .state = "waited without data 31 min ago",
     .want = {"held for"}},
    {.what = "let in: nothing is known of its patience",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\nautowhite 1d\ntarpit_memory 7d\n",
     .state = "let in 3 d ago",
     .want = {"held for"}},
    {.what = "let in within autowhite",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\nautowhite 7d\n",
     .state = "let in 3 d ago",
     .want = {"250 at RCPT", "auto-whitelisted"},
     .never = "held for"},
    {.what = "hostkey domain: by what a line is known",
     .conf = "racl greylist default\nhostkey domain\n",
     .want = {"known by    192.0.2.7/32 for any sender, 192.0.2.0/24 for example.org   (once it has come back)\n"}},
    {.what = "a client that cannot be watched",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\n",
     .unwatched = true,
     .want = {"did not match: the client's connection cannot be watched", "451 4.7.1"}},
    {.what = "the sum of generic_rdns, asked for by the filter",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when generic_rdns\n}\nracl greylist default\n",
     .want = {"generic_rdns     yes   +4 word of a changing address: dhcp: 4 points; from 3 on it holds\n",
              "unknown_client   no   name verified\n"}},
    {.what = "and where nobody asks for it; its words are the configuration's",
     .conf = "generic_rdns words dynamic remove { \"dhcp*\" }\nracl greylist default\n",
     .want = {"generic_rdns     no   0 points; from 3 on it holds\n"}},
    {.what = "a HELO name that DNS was not asked about",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when not helo_confirmed\n}\nracl greylist default\n",
     .helo = "mail.selfhoster.net",
     .want = {"helo_confirmed   not known yet   mail.selfhoster.net: DNS is to be asked (--resolve does)\n", "as DNS tells",
              "451 4.7.1"},
     .never = "held for"},
    {.what = "a HELO name that proves itself",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when not helo_confirmed\n}\nracl greylist default\n",
     .helo = "mail.selfhoster.net",
     .proof = EXPLAIN_HELO_LEADS,
     .want = {"helo_confirmed   yes   mail.selfhoster.net: it leads to the client's address\n", "is not asked",
              "verdict     passes untouched\n"}},
    {.what = "a HELO name that can prove nothing",
     .conf = "racl whitelist helo_confirmed\nracl greylist default\n",
     .helo = "192-0-2-7.selfhoster.net",
     .proof = EXPLAIN_HELO_LEADS,
     .want = {"helo_confirmed   no   192-0-2-7.selfhoster.net: it spells the client's address\n", "451 4.7.1"}},
    {.what = "the line that asks for it is named",
     .conf = "racl whitelist helo_confirmed\nracl greylist default\n",
     .helo = "mail.selfhoster.net",
     .proof = EXPLAIN_HELO_LEADS,
     .want = {"racl whitelist helo_confirmed", "250 at RCPT"}},
    {.what = "a HELO name that leads elsewhere",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when not helo_confirmed\n}\nracl greylist default\n",
     .helo = "mail.selfhoster.net",
     .proof = EXPLAIN_HELO_ELSEWHERE,
     .want = {"helo_confirmed   no   mail.selfhoster.net: it leads to other addresses than the client's\n", "451 4.7.1"}},
    {.what = "a HELO name that DNS says nothing of",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when not helo_confirmed\n}\nracl greylist default\n",
     .helo = "mail.selfhoster.net",
     .proof = EXPLAIN_HELO_FAILED,
     .want = {"helo_confirmed   no   mail.selfhoster.net: DNS gave no answer\n", "451 4.7.1"}},
    {.what = "each test of a condition, as it was seen; those of a named condition below it",
     .conf =
         "condition \"ours\" { rcpt b@example.net and not remote }\n"
         "filter \"greylist\" {\n  builtin greylist\n  when remote and (from a@example.com or ours) and unauthenticated\n}\n"
         "racl greylist default\n",
     .want = {"filter \"greylist\" is not asked: when ",
              "    remote           yes   192.0.2.7 is outside of our networks\n"
              "    from a@example.com no   <a@example.org>\n"
              "    ours             no\n"
              "      rcpt b@example.net yes   <b@example.net>\n"
              "      remote           yes   192.0.2.7 is outside of our networks\n"
              "    unauthenticated  yes   nobody has logged in\n"
              "other conditions\n"
              "    s25r             yes   "},
     .never = "    authenticated    no   nobody has logged in\n    ours"},
    {.what = "the verdict stands at the head: held",
     .conf = "racl whitelist tarpit 125s\nracl greylist default\n",
     .want = {"verdict     held for 00:02:05, then 250\nclient "}},
    {.what = "deferred",
     .conf = "racl greylist default\n",
     .want = {"verdict     deferred: 451 4.7.1 Greylisting in action"}},
    {.what = "passed",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when not remote\n}\nracl greylist default\n",
     .want = {"verdict     passes untouched\n"}},
    {.what = "an authenticated client passes",
     .conf = "filter \"greylist\" {\n  builtin greylist\n  when s25r and unauthenticated\n}\nracl greylist default\n",
     .authenticated = "joe",
     .want = {"is not asked", "250 at MAIL"}},
};

static struct plan *plan_of(const char *text)
{
    struct slice conf = slice_cstr(text);
    struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "test.conf", "mx.example.net", &diags);
    diags_fini(&diags);
    return plan;
}

static void check_row(const struct row *row)
{
    struct buf text = {0};
    const char *error;
    struct plan *plan = plan_of(row->conf);
    if (!CHECK(plan != NULL))
        return;
    struct explain_facts facts = {.name = SLICE_LIT("dhcp-12-34.isp.example"),
                                  .helo = slice_cstr(row->helo),
                                  .sender = SLICE_LIT("a@example.org"),
                                  .recipient = SLICE_LIT("b@example.net"),
                                  .authenticated = slice_cstr(row->authenticated),
                                  .unwatched = row->unwatched,
                                  .proof = row->proof,
                                  .state = slice_cstr(row->state),
                                  .now = {1795485418}};
    bool ok = CHECK_INT(ip_parse(SLICE_LIT("192.0.2.7"), &facts.client), ERR_NONE);
    ok &= CHECK_INT(explain(plan, &facts, &text, &error), ERR_NONE);
    for (size_t i = 0; i < 3 && row->want[i]; i++)
        ok &= CHECK(strstr(buf_cstr(&text), row->want[i]) != NULL);
    if (row->never)
        ok &= CHECK(strstr(buf_cstr(&text), row->never) == NULL);
    if (!ok)
        printf("# %s:\n%s\n", row->what, buf_cstr(&text));
    buf_fini(&text);
    plan_unref(plan);
}

static void tells(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

static void as_json(void)
{
    struct plan *plan = plan_of("filter \"greylist\" {\n  builtin greylist\n  when remote and generic_rdns\n}\n"
                                "racl whitelist tarpit 125s\nracl greylist default\n");
    struct buf text = {0};
    const char *error;
    struct explain_facts facts = {.name = SLICE_LIT("dhcp-12-34.isp.example"),
                                  .sender = SLICE_LIT("a\"@example.org"),
                                  .recipient = SLICE_LIT("b@example.net"),
                                  .client = {.family = IP_V4, .bytes = {192, 0, 2, 7}},
                                  .looked_up = SLICE_LIT("192.0.2.7 PTR: x\nx A: y\n"),
                                  .now = {1795485418}};
    CHECK_INT(explain_json(plan, &facts, &text, &error), ERR_NONE);
    static const char *const want[] = {
        "{\"verdict\": \"held\", \"reply\": \"250\", \"stage\": \"",
        "\"held_sec\": 125, ",
        "\"sender\": \"<a\\\"@example.org>\"",
        "\"line\": \"racl whitelist tarpit 125s\", \"file\": \"test.conf\", \"file_line\": 5",
        "\"looked_up\": [\"192.0.2.7 PTR: x\", \"x A: y\"]",
        "{\"name\": \"greylist\", \"asked\": \"is asked\", \"tests\": [",
        "{\"depth\": 0, \"test\": \"remote\", \"is\": \"yes\", \"why\": \"192.0.2.7 is outside of our networks\"}",
        "{\"depth\": 0, \"test\": \"generic_rdns\", \"is\": \"yes\", \"why\": \"+4 word of a changing address: dhcp",
    };
    for (size_t i = 0; i < COUNT_OF(want); i++)
        if (!CHECK(strstr(buf_cstr(&text), want[i]) != NULL))
            printf("# %s\n# is not in\n%s\n", want[i], buf_cstr(&text));
    buf_fini(&text);
    plan_unref(plan);
}

static void states_that_cannot_be_read(void)
{
    static const char *const states[] = {
        "held", "held 40 s", "first seen", "first seen 31 parsecs ago", "let in 3 d ago x", "held 99999999999 d and left"};
    struct slice conf = SLICE_LIT("racl greylist default\n");
    struct conf_source source = conf_source_text(&conf);
    struct diags diags;
    diags_init(&diags);
    struct plan *plan = plan_build(&source, "test.conf", "mx.example.net", &diags);
    diags_fini(&diags);
    for (size_t i = 0; plan && i < sizeof(states) / sizeof(states[0]); i++) {
        struct explain_facts facts = {.sender = SLICE_LIT("<>"),
                                      .recipient = SLICE_LIT("b@example.net"),
                                      .client = {.family = IP_V4, .bytes = {192, 0, 2, 7}},
                                      .state = slice_cstr(states[i]),
                                      .now = {1795485418}};
        struct buf text = {0};
        const char *error = NULL;
        CHECK(explain(plan, &facts, &text, &error) != ERR_NONE);
        CHECK(error != NULL);
        buf_fini(&text);
    }
    plan_unref(plan);
}

int main(void)
{
    TEST(tells);
    TEST(as_json);
    TEST(states_that_cannot_be_read);
    return TEST_END();
}
