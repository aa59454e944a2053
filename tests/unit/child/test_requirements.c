/* What is asked of the MTA for all filters together, and what of it each one gets. */
#include "../test.h"
#include "child/merge.h"

static const uint32_t all_steps = 0x1fffff | SMFIP_MDS_256K | SMFIP_MDS_1M;
static const uint32_t no_steps = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOMAIL | SMFIP_NORCPT | SMFIP_NOBODY | SMFIP_NOHDRS |
                                 SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NODATA;
/* what we always ask for, and for any child */
static const uint32_t always = SMFIP_SKIP | SMFIP_NR_HDR;

static const char *const defaults[SMFIM_STAGES] = {[SMFIM_CONNECT] = "j {daemon_name} v", [SMFIM_ENVRCPT] = "i {rcpt_addr}"};

static struct arena arena;

static struct milter_options offer(void)
{
    return (struct milter_options){.version = 6, .actions = SMFIF_ALL, .steps = all_steps};
}

static struct child_requirements requires(uint32_t actions, uint32_t steps)
{
    return (struct child_requirements){.known = true, .options = {.version = 6, .actions = actions, .steps = steps}};
}

static struct milter_options merge(const struct milter_options *mta, const struct milter_options *own,
                                   const struct child_requirements *required, size_t n)
{
    return merge_requirements(mta, own, required, n, defaults, &arena);
}

static void without_children(void)
{
    struct milter_options mta = offer(), own = {.version = 6, .actions = SMFIF_ADDHDRS, .steps = SMFIP_NOBODY | SMFIP_NOEOH};
    own.symlist[SMFIM_CONNECT] = SLICE_LIT("j {client_addr} j");
    struct milter_options o = merge(&mta, &own, NULL, 0);
    CHECK_INT(o.version, 6);
    CHECK_INT(o.actions, SMFIF_ADDHDRS | SMFIF_SETSYMLIST);
    CHECK_INT(o.steps, SMFIP_NOBODY | SMFIP_NOEOH | always);
    CHECK_SLICE(o.symlist[SMFIM_CONNECT], "j {client_addr}");
    for (int stage = SMFIM_HELO; stage < SMFIM_STAGES; stage++)
        CHECK(!o.symlist[stage].ptr);
    arena_clear(&arena);
}

static void the_union(void)
{
    struct milter_options mta = offer(), own = {.version = 6, .actions = SMFIF_ADDHDRS, .steps = no_steps};
    struct child_requirements w[2] = {
        requires(SMFIF_CHGBODY, SMFIP_NOBODY | SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_NR_CONN | SMFIP_NR_BODY),
        requires(SMFIF_CHGFROM, SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NR_CONN | SMFIP_MDS_1M),
    };
    struct milter_options o = merge(&mta, &own, w, 2);
    CHECK_INT(o.actions & ~(uint32_t)SMFIF_SETSYMLIST, SMFIF_ADDHDRS | SMFIF_CHGBODY | SMFIF_CHGFROM);
    CHECK_INT(o.steps, SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_HDR_LEADSPC | always);

    w[1].options.steps |= SMFIP_RCPT_REJ;
    o = merge(&mta, &own, w, 2);
    CHECK_INT(o.steps, SMFIP_NOHELO | SMFIP_NOHDRS | SMFIP_HDR_LEADSPC | SMFIP_RCPT_REJ | always);

    /* what we ourselves want to see is sent */
    own.steps &= ~(uint32_t)SMFIP_NOHELO;
    CHECK_INT(merge(&mta, &own, w, 2).steps & no_steps, SMFIP_NOHDRS);
    arena_clear(&arena);
}

static void who_never_spoke_wants_everything(void)
{
    struct milter_options mta = offer(), own = {.version = 6, .steps = no_steps};
    struct child_requirements w[2] = {requires(0, no_steps), {.known = false}};
    struct milter_options o = merge(&mta, &own, w, 2);
    CHECK_INT(o.actions, SMFIF_ALL);
    CHECK_INT(o.steps, SMFIP_HDR_LEADSPC | SMFIP_RCPT_REJ | always);
    CHECK_SLICE(o.symlist[SMFIM_ENVRCPT], "i {rcpt_addr}");
    arena_clear(&arena);
}

static void never_beyond_the_offer(void)
{
    struct milter_options mta = {.version = 2, .actions = SMFIF_ADDHDRS, .steps = SMFIP_NOHELO | SMFIP_NOBODY};
    struct milter_options own = {.version = 6, .actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS, .steps = no_steps};
    own.symlist[SMFIM_CONNECT] = SLICE_LIT("j");
    struct child_requirements w[1] = {requires(SMFIF_ALL, SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_RCPT_REJ)};
    struct milter_options o = merge(&mta, &own, w, 1);
    CHECK_INT(o.version, 2);
    CHECK_INT(o.actions, SMFIF_ADDHDRS);
    CHECK_INT(o.steps, SMFIP_NOHELO);
    CHECK(!o.symlist[SMFIM_CONNECT].ptr);
    mta = offer();
    mta.version = 7;
    CHECK_INT(merge(&mta, &own, w, 1).version, MILTER_VERSION);
    arena_clear(&arena);
}

/* What a child's version does not know it does not want. */
static void old_children(void)
{
    struct milter_options mta = offer(), own = {.version = 6, .steps = no_steps};
    struct child_requirements w[1] = {requires(0, 0)};
    w[0].options.version = 2;
    CHECK_INT(merge(&mta, &own, w, 1).steps & no_steps, SMFIP_NODATA | SMFIP_NOUNKNOWN);
    w[0].options.version = 3;
    CHECK_INT(merge(&mta, &own, w, 1).steps & no_steps, SMFIP_NODATA);
    w[0].options.version = 4;
    CHECK_INT(merge(&mta, &own, w, 1).steps & no_steps, 0);
    arena_clear(&arena);
}

static void lists_of_macros(void)
{
    struct milter_options mta = offer(), own = {.version = 6};
    own.symlist[SMFIM_CONNECT] = SLICE_LIT("{client_port}");
    struct child_requirements w[3] = {requires(0, 0), requires(0, 0), {.known = false}};
    w[0].options.symlist[SMFIM_CONNECT] = SLICE_LIT("  {j},_ \t{client_port} ");
    w[0].options.symlist[SMFIM_HELO] = SLICE_LIT(""); /* it wants none, which is not "no list" */
    w[1].options.symlist[SMFIM_ENVRCPT] = SLICE_LIT("{rcpt_addr} {rcpt_host}");
    struct milter_options o = merge(&mta, &own, w, 2);
    /* 0 has its list, 1 the defaults; "{j}" and "j" are one */
    CHECK_SLICE(o.symlist[SMFIM_CONNECT], "{client_port} {j} _ {daemon_name} v");
    CHECK(!o.symlist[SMFIM_HELO].ptr);
    CHECK_SLICE(o.symlist[SMFIM_ENVRCPT], "i {rcpt_addr} {rcpt_host}");
    o = merge(&mta, &own, w + 1, 2);
    CHECK_SLICE(o.symlist[SMFIM_ENVRCPT], "{rcpt_addr} {rcpt_host} i");
    CHECK(!o.symlist[SMFIM_EOM].ptr);
    arena_clear(&arena);
}

/* Whatever children name, what we answer is one packet that the MTA takes. */
static void lists_are_bounded(void)
{
    struct milter_options mta = offer(), own = {.version = 6};
    struct buf names = {0};
    for (int i = 0; i < 2000; i++)
        buf_printf(&names, "{macro_number_%d} ", i);
    struct child_requirements w[1] = {requires(0, 0)};
    for (int stage = 0; stage < SMFIM_STAGES; stage++) {
        own.symlist[stage] = SLICE_LIT("{ours}");
        w[0].options.symlist[stage] = buf_slice(&names);
    }
    struct milter_options o = merge(&mta, &own, w, 1);
    struct buf packet = {0};
    milter_put_options(&packet, &o);
    CHECK(packet.len <= WIRE_PACKET_MAX_BYTES);
    CHECK(packet.len > 7 * 4096);
    for (int stage = 0; stage < SMFIM_STAGES; stage++) {
        CHECK(merge_names_have(o.symlist[stage], SLICE_LIT("ours")));
        CHECK(merge_names_have(o.symlist[stage], SLICE_LIT("macro_number_7")));
    }
    buf_fini(&packet);
    buf_fini(&names);
    arena_clear(&arena);
}

static void names(void)
{
    struct slice list = SLICE_LIT(" i {rcpt_addr}\t{x},y ");
    CHECK(merge_names_have(list, SLICE_LIT("i")));
    CHECK(merge_names_have(list, SLICE_LIT("{i}")));
    CHECK(merge_names_have(list, SLICE_LIT("rcpt_addr")));
    CHECK(merge_names_have(list, SLICE_LIT("{rcpt_addr}")));
    CHECK(merge_names_have(list, SLICE_LIT("x")) && merge_names_have(list, SLICE_LIT("{y}")));
    CHECK(!merge_names_have(list, SLICE_LIT("rcpt")));
    CHECK(!merge_names_have(list, SLICE_LIT("{rcpt_addr")));
    CHECK(!merge_names_have(list, SLICE_LIT("I")));
    CHECK(!merge_names_have(list, SLICE_LIT("")));
    CHECK(!merge_names_have(SLICE_LIT("  "), SLICE_LIT("")));
    CHECK(!merge_names_have(SLICE_NONE, SLICE_LIT("i")));
}

static void macros_are_filtered(void)
{
    struct buf b = {0};
    struct slice pairs = SLICE_LIT("i\0"
                                   "4ABC\0{rcpt_addr}\0b@example.net\0{rcpt_host}\0\0j\0mx\0");
    merge_filter_macros(pairs, SLICE_LIT("{i} rcpt_host"), &b);
    CHECK(slice_eq(buf_slice(&b), SLICE_LIT("i\0"
                                            "4ABC\0{rcpt_host}\0\0")));
    buf_clear(&b);
    merge_filter_macros(pairs, SLICE_LIT(""), &b);
    merge_filter_macros(pairs, SLICE_NONE, &b);
    merge_filter_macros(SLICE_NONE, SLICE_LIT("i"), &b);
    CHECK_INT(b.len, 0);
    merge_filter_macros(SLICE_LIT("i\0cut off"), SLICE_LIT("i"), &b);
    CHECK_INT(b.len, 0);
    buf_fini(&b);
}

static void more_than_was_granted(void)
{
    struct milter_options granted = {
        .version = 6, .actions = SMFIF_ADDHDRS | SMFIF_SETSYMLIST, .steps = SMFIP_NOBODY | SMFIP_NODATA | SMFIP_SKIP};
    struct milter_options chosen = granted;
    CHECK(!merge_wants_more(&granted, &chosen));
    chosen.steps |= no_steps | SMFIP_NR_MAIL | SMFIP_NR_HDR | SMFIP_SKIP; /* what we do ourselves */
    CHECK(!merge_wants_more(&granted, &chosen));
    chosen.steps &= ~(uint32_t)SMFIP_NOBODY;
    CHECK_STR(merge_wants_more(&granted, &chosen), "the body");
    chosen = granted;
    chosen.steps &= ~(uint32_t)SMFIP_NODATA;
    CHECK_STR(merge_wants_more(&granted, &chosen), "DATA");
    chosen.version = 3; /* it cannot be told anyway */
    CHECK(!merge_wants_more(&granted, &chosen));
    for (uint32_t bit = 1; bit < SMFIF_SETSYMLIST; bit <<= 1) {
        chosen = granted;
        chosen.actions |= bit;
        CHECK_INT(merge_wants_more(&granted, &chosen) != NULL, bit != SMFIF_ADDHDRS);
    }
    granted.actions = 0;
    chosen.actions = SMFIF_SETSYMLIST; /* lists are ours to serve */
    CHECK(!merge_wants_more(&granted, &chosen));
    chosen.steps |= SMFIP_RCPT_REJ;
    CHECK(merge_wants_more(&granted, &chosen) != NULL);
    chosen.steps = granted.steps | SMFIP_HDR_LEADSPC;
    CHECK(merge_wants_more(&granted, &chosen) != NULL);
    granted.steps |= SMFIP_HDR_LEADSPC;
    CHECK(!merge_wants_more(&granted, &chosen));
}

int main(void)
{
    TEST(without_children);
    TEST(the_union);
    TEST(who_never_spoke_wants_everything);
    TEST(never_beyond_the_offer);
    TEST(old_children);
    TEST(lists_of_macros);
    TEST(lists_are_bounded);
    TEST(names);
    TEST(macros_are_filtered);
    TEST(more_than_was_granted);
    arena_fini(&arena);
    return TEST_END();
}
