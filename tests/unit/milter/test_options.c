/* Negotiation: every flag, SETSYMLIST, and what a wrong peer may send. */
#include "bytes.h"
#include "milter/command.h"

static struct milter_options parse(struct slice packet)
{
    struct wire_packet p = only_packet(packet);
    CHECK_INT(p.cmd, SMFIC_OPTNEG);
    struct milter_options o;
    CHECK_INT(milter_parse_options(p.body, &o), ERR_NONE);
    return o;
}

/* What Postfix 3.7 and 3.12 offer. */
static void the_offer_of_postfix(void)
{
    struct milter_options o = parse(BYTES("\0\0\0\15O\0\0\0\6\0\0\1\377\0\37\377\377"));
    CHECK_INT(o.version, 6);
    CHECK_INT(o.actions, SMFIF_ALL);
    CHECK_INT(o.steps, 0x1fffff);
    for (unsigned i = 0; i < SMFIM_STAGES; i++)
        CHECK(o.symlist[i].ptr == NULL);
}

static void every_flag_has_its_bit(void)
{
    static const uint32_t steps[] = {
        SMFIP_NOCONNECT, SMFIP_NOHELO,    SMFIP_NOMAIL,  SMFIP_NORCPT,  SMFIP_NOBODY,   SMFIP_NOHDRS,  SMFIP_NOEOH,
        SMFIP_NR_HDR,    SMFIP_NOUNKNOWN, SMFIP_NODATA,  SMFIP_SKIP,    SMFIP_RCPT_REJ, SMFIP_NR_CONN, SMFIP_NR_HELO,
        SMFIP_NR_MAIL,   SMFIP_NR_RCPT,   SMFIP_NR_DATA, SMFIP_NR_UNKN, SMFIP_NR_EOH,   SMFIP_NR_BODY, SMFIP_HDR_LEADSPC,
    };
    static const uint32_t actions[] = {SMFIF_ADDHDRS,    SMFIF_CHGBODY, SMFIF_ADDRCPT,     SMFIF_DELRCPT,   SMFIF_CHGHDRS,
                                       SMFIF_QUARANTINE, SMFIF_CHGFROM, SMFIF_ADDRCPT_PAR, SMFIF_SETSYMLIST};
    uint32_t all = 0;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char packet[17] = "\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0";
        packet[16 - i / 8] = (char)(1 << i % 8);
        struct milter_options o = parse(slice_of(packet, sizeof(packet)));
        CHECK_INT(o.steps, steps[i]);
        CHECK_INT(o.actions, 0);
        all |= steps[i];
    }
    CHECK_INT(all, 0x1fffff);
    all = 0;
    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        char packet[17] = "\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0";
        packet[12 - i / 8] = (char)(1 << i % 8);
        struct milter_options o = parse(slice_of(packet, sizeof(packet)));
        CHECK_INT(o.actions, actions[i]);
        CHECK_INT(o.steps, 0);
        all |= actions[i];
    }
    CHECK_INT(all, SMFIF_ALL);
}

static void every_mask_survives_the_way_back(void)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        struct milter_options o = {.version = 6, .actions = ~(1u << bit), .steps = 1u << bit}, back;
        struct buf b = {0};
        milter_put_options(&b, &o);
        back = parse(buf_slice(&b));
        CHECK_INT(back.version, 6);
        CHECK_INT(back.actions, o.actions);
        CHECK_INT(back.steps, o.steps);
        buf_fini(&b);
    }
}

static void lists_of_macros(void)
{
    struct slice packet = BYTES("\0\0\0\64O\0\0\0\6\0\0\1\0\0\20\0\0"
                                "\0\0\0\0j {client_addr}\0"
                                "\0\0\0\1\0"
                                "\0\0\0\6i\0"
                                "\0\0\0\3{a}\0");
    struct milter_options o = parse(packet);
    CHECK_SLICE(o.symlist[SMFIM_CONNECT], "j {client_addr}");
    CHECK_SLICE(o.symlist[SMFIM_HELO], ""); /* named and empty: the MTA's own list again */
    CHECK(o.symlist[SMFIM_ENVFROM].ptr == NULL);
    CHECK_SLICE(o.symlist[SMFIM_ENVRCPT], "{a}");
    CHECK_SLICE(o.symlist[SMFIM_EOH], "i");

    struct buf b = {0};
    milter_put_options(&b, &o); /* in the order of the stages */
    CHECK_BYTES(buf_slice(&b), "\0\0\0\64O\0\0\0\6\0\0\1\0\0\20\0\0"
                               "\0\0\0\0j {client_addr}\0"
                               "\0\0\0\1\0"
                               "\0\0\0\3{a}\0"
                               "\0\0\0\6i\0");
    buf_fini(&b);
}

static void odd_stages(void)
{
    struct milter_options o = parse(BYTES("\0\0\0\46O\0\0\0\6\0\0\1\0\0\0\0\0"
                                          "\0\0\0\7x\0"
                                          "\377\377\377\377y\0"
                                          "\0\0\0\3old\0"
                                          "\0\0\0\3\0"));
    CHECK_SLICE(o.symlist[SMFIM_ENVRCPT], "");
    for (unsigned i = 0; i < SMFIM_STAGES; i++)
        CHECK(i == SMFIM_ENVRCPT || o.symlist[i].ptr == NULL);
}

static void truncated_at_every_byte(void)
{
    struct slice whole = BYTES("\0\0\0\6\0\0\1\377\0\37\377\377"
                               "\0\0\0\0j\0"
                               "\0\0\0\3\0");
    for (size_t n = 0; n < whole.len; n++) {
        char *copy = exact_copy(slice_upto(whole, n));
        struct milter_options o;
        enum err want = n == 12 || n == 18 ? ERR_NONE : ERR_SYNTAX;
        if (!CHECK_INT(milter_parse_options(slice_of(copy, n), &o), want))
            printf("# %zu bytes\n", n);
        free(copy);
    }
}

int main(void)
{
    TEST(the_offer_of_postfix);
    TEST(every_flag_has_its_bit);
    TEST(every_mask_survives_the_way_back);
    TEST(lists_of_macros);
    TEST(odd_stages);
    TEST(truncated_at_every_byte);
    return TEST_END();
}
