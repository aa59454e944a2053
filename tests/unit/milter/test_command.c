/* Commands: literal bytes as Postfix and Sendmail send them, cut, built back, and broken at every byte. */
#include "bytes.h"
#include "milter/command.h"

/* Parse one literal packet; it must be taken. */
static struct milter_command parse(struct slice packet)
{
    struct wire_packet p = only_packet(packet);
    struct milter_command c;
    if (!CHECK_INT(milter_parse_command(&p, &c), ERR_NONE))
        print_bytes("packet", packet);
    return c;
}

/* What is built from the parsed command is the same packet. */
static void check_builds(const struct milter_command *c, struct slice packet, int line)
{
    struct buf b = {0};
    milter_put_command(&b, c);
    test_bytes(buf_slice(&b), packet, "built packet", __FILE__, line);
    buf_fini(&b);
}
#define CHECK_BUILDS(c, packet) check_builds(&(c), (packet), __LINE__)

static void connect_inet(void)
{
    struct slice in = BYTES("\0\0\0\35Cmail.example.org\0004\304\0321.2.3.4\0");
    struct milter_command c = parse(in);
    CHECK_INT(c.cmd, SMFIC_CONNECT);
    CHECK_SLICE(c.u.connect.host, "mail.example.org");
    CHECK_INT(c.u.connect.family, MILTER_FAMILY_INET);
    CHECK_INT(c.u.connect.port, 50202);
    CHECK_SLICE(c.u.connect.address, "1.2.3.4");
    CHECK_BUILDS(c, in);
}

static void connect_inet6(void)
{
    struct slice in = BYTES("\0\0\0\36C[2001:db8::1]\0006\0\0312001:db8::1\0");
    struct milter_command c = parse(in);
    CHECK_SLICE(c.u.connect.host, "[2001:db8::1]");
    CHECK_INT(c.u.connect.family, MILTER_FAMILY_INET6);
    CHECK_INT(c.u.connect.port, 25);
    CHECK_SLICE(c.u.connect.address, "2001:db8::1");
    CHECK_BUILDS(c, in);
}

static void connect_unix(void)
{
    struct slice in = BYTES("\0\0\0\32Clocalhost\0L\0\0/run/socket\0");
    struct milter_command c = parse(in);
    CHECK_INT(c.u.connect.family, MILTER_FAMILY_UNIX);
    CHECK_INT(c.u.connect.port, 0);
    CHECK_SLICE(c.u.connect.address, "/run/socket");
    CHECK_BUILDS(c, in);
}

/* Postfix sends "unknown" and U and no more when the client was gone before it looked; others add a port and a NUL. */
static void connect_unknown(void)
{
    struct slice in = BYTES("\0\0\0\12Cunknown\0U");
    struct milter_command c = parse(in);
    CHECK_SLICE(c.u.connect.host, "unknown");
    CHECK_INT(c.u.connect.family, MILTER_FAMILY_UNKNOWN);
    CHECK(c.u.connect.address.ptr == NULL);
    CHECK_BUILDS(c, in);

    c = parse(BYTES("\0\0\0\15Cunknown\0U\0\0\0"));
    CHECK_INT(c.u.connect.family, MILTER_FAMILY_UNKNOWN);
    CHECK_INT(c.u.connect.port, 0);
    CHECK(c.u.connect.address.ptr == NULL);
    CHECK_BUILDS(c, in);
}

static void envelope(void)
{
    struct slice in = BYTES("\0\0\0\42M<a@example.org>\0SIZE=1\0BODY=7BIT\0");
    struct milter_command c = parse(in);
    CHECK_INT(c.cmd, SMFIC_MAIL);
    CHECK_SLICE(c.u.envelope.address, "<a@example.org>");
    struct slice rest = c.u.envelope.esmtp, word;
    CHECK(milter_next_string(&rest, &word));
    CHECK_SLICE(word, "SIZE=1");
    CHECK(milter_next_string(&rest, &word));
    CHECK_SLICE(word, "BODY=7BIT");
    CHECK(!milter_next_string(&rest, &word));
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\4M<>\0");
    c = parse(in);
    CHECK_SLICE(c.u.envelope.address, "<>");
    CHECK_INT(c.u.envelope.esmtp.len, 0);
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\31R<b@example.net>\0NOTIFY=\0");
    c = parse(in);
    CHECK_INT(c.cmd, SMFIC_RCPT);
    CHECK_SLICE(c.u.envelope.address, "<b@example.net>");
    CHECK_BUILDS(c, in);
}

static void macros(void)
{
    struct slice in = BYTES("\0\0\0\73DCj\0mx.example.net\0{client_addr}\0IPv6:2001:db8::1\0{empty}\0\0");
    struct milter_command c = parse(in);
    CHECK_INT(c.u.macro.for_cmd, SMFIC_CONNECT);
    struct slice rest = c.u.macro.pairs, name, value;
    CHECK(milter_next_macro(&rest, &name, &value));
    CHECK_SLICE(name, "j");
    CHECK_SLICE(value, "mx.example.net");
    CHECK(milter_next_macro(&rest, &name, &value));
    CHECK_SLICE(name, "{client_addr}");
    CHECK_SLICE(value, "IPv6:2001:db8::1");
    CHECK(milter_next_macro(&rest, &name, &value));
    CHECK_SLICE(name, "{empty}");
    CHECK_SLICE(value, "");
    CHECK(!milter_next_macro(&rest, &name, &value));
    CHECK_INT(rest.len, 0);
    CHECK_BUILDS(c, in);

    /* HELO without TLS under Postfix: no pair at all */
    in = BYTES("\0\0\0\2DH");
    c = parse(in);
    CHECK_INT(c.u.macro.for_cmd, SMFIC_HELO);
    CHECK_INT(c.u.macro.pairs.len, 0);
    CHECK_BUILDS(c, in);
}

static void a_broken_pair_is_left_alone(void)
{
    struct slice rest = BYTES("i\0without its end"), name, value;
    const char *start = rest.ptr;
    CHECK(!milter_next_macro(&rest, &name, &value));
    CHECK(rest.ptr == start);
    rest = SLICE_NONE;
    CHECK(!milter_next_macro(&rest, &name, &value));
    CHECK(!milter_next_string(&rest, &name));
}

static void message(void)
{
    struct slice in = BYTES("\0\0\0\25LSubject\0 two\n\tlines\0");
    struct milter_command c = parse(in);
    CHECK_SLICE(c.u.header.name, "Subject");
    CHECK_SLICE(c.u.header.value, " two\n\tlines");
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\5LTo\0\0");
    c = parse(in);
    CHECK_SLICE(c.u.header.value, "");
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\10Ba\0b\r\n\377\0");
    c = parse(in);
    CHECK_BYTES(c.u.body, "a\0b\r\n\377\0");
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\5Elast");
    c = parse(in);
    CHECK_INT(c.cmd, SMFIC_BODYEOB);
    CHECK_BYTES(c.u.body, "last");
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\1E");
    c = parse(in);
    CHECK_INT(c.u.body.len, 0);
    CHECK_BUILDS(c, in);
}

static void helo_and_unknown(void)
{
    struct slice in = BYTES("\0\0\0\15Hexample.org\0");
    struct milter_command c = parse(in);
    CHECK_SLICE(c.u.helo, "example.org");
    CHECK_BUILDS(c, in);

    in = BYTES("\0\0\0\12UXYZZY 42\0");
    c = parse(in);
    CHECK_INT(c.cmd, SMFIC_UNKNOWN);
    CHECK_SLICE(c.u.unknown, "XYZZY 42");
    CHECK_BUILDS(c, in);
}

static void commands_without_arguments(void)
{
    static const char codes[] = {'A', 'K', 'N', 'Q', 'T'};
    for (size_t i = 0; i < sizeof(codes); i++) {
        char packet[] = {0, 0, 0, 1, codes[i]};
        struct milter_command c = parse(slice_of(packet, sizeof(packet)));
        CHECK_INT(c.cmd, codes[i]);
        CHECK_BUILDS(c, slice_of(packet, sizeof(packet)));
    }
}

/* Bytes behind a complete form are passed over, as libmilter does. */
static void surplus_is_passed_over(void)
{
    struct milter_command c = parse(BYTES("\0\0\0\6Ha\0b\0c"));
    CHECK_SLICE(c.u.helo, "a");
    c = parse(BYTES("\0\0\0\10LA\0b\0c\0d"));
    CHECK_SLICE(c.u.header.value, "b");
    c = parse(BYTES("\0\0\0\3Txx"));
    CHECK_INT(c.cmd, SMFIC_DATA);
    c = parse(BYTES("\0\0\0\13Ch\0004\0\0311.2\0x"));
    CHECK_SLICE(c.u.connect.address, "1.2");
}

static void broken_forms(void)
{
    const struct {
        uint8_t cmd;
        enum err want;
        struct slice body;
    } rows[] = {
        {'C', ERR_SYNTAX, BYTES("")},
        {'C', ERR_SYNTAX, BYTES("host")},
        {'C', ERR_SYNTAX, BYTES("host\0")},
        {'C', ERR_SYNTAX, BYTES("host\0004")},
        {'C', ERR_SYNTAX, BYTES("host\0004\0")},
        {'C', ERR_SYNTAX, BYTES("host\0004\0\031")},
        {'C', ERR_SYNTAX, BYTES("host\0004\0\0311.2.3.4")},
        {'C', ERR_SYNTAX, BYTES("host\0L\0\0/path")},
        {'C', ERR_SYNTAX, BYTES("host\0X\0\0a\0")},
        {'C', ERR_SYNTAX, BYTES("host\0\0")},
        {'C', ERR_NONE, BYTES("\0U")},
        {'C', ERR_NONE, BYTES("\0004\0\0\0")},
        {'H', ERR_SYNTAX, BYTES("")},
        {'H', ERR_SYNTAX, BYTES("name")},
        {'H', ERR_NONE, BYTES("\0")},
        {'M', ERR_SYNTAX, BYTES("")},
        {'M', ERR_SYNTAX, BYTES("<a>")},
        {'M', ERR_SYNTAX, BYTES("<a>\0SIZE=1")},
        {'M', ERR_NONE, BYTES("\0")},
        {'M', ERR_NONE, BYTES("<a>\0\0\0")},
        {'R', ERR_SYNTAX, BYTES("<b>")},
        {'D', ERR_SYNTAX, BYTES("")},
        {'D', ERR_SYNTAX, BYTES("Ci")},
        {'D', ERR_SYNTAX, BYTES("Ci\0")},
        {'D', ERR_SYNTAX, BYTES("Ci\0v")},
        {'D', ERR_SYNTAX, BYTES("Ci\0v\0j\0")},
        {'D', ERR_NONE, BYTES("Ci\0v\0")},
        {'D', ERR_NONE, BYTES("C\0\0")},
        {'D', ERR_NONE, BYTES("\0")},
        {'L', ERR_SYNTAX, BYTES("")},
        {'L', ERR_SYNTAX, BYTES("To")},
        {'L', ERR_SYNTAX, BYTES("To\0")},
        {'L', ERR_SYNTAX, BYTES("To\0v")},
        {'L', ERR_NONE, BYTES("\0\0")},
        {'U', ERR_SYNTAX, BYTES("XYZZY")},
        {'O', ERR_UNSUPPORTED, BYTES("\0\0\0\6\0\0\1\377\0\37\377\377")},
        {'c', ERR_UNSUPPORTED, BYTES("")},
        {0, ERR_UNSUPPORTED, BYTES("")},
        {255, ERR_UNSUPPORTED, BYTES("\0")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *copy = exact_copy(rows[i].body);
        struct wire_packet p = {rows[i].cmd, slice_of(copy, rows[i].body.len)};
        struct milter_command c;
        if (!CHECK_INT(milter_parse_command(&p, &c), rows[i].want))
            printf("# row %zu, command %c\n", i, rows[i].cmd);
        free(copy);
    }
}

/* Every packet shortened by every number of bytes: never read beyond, and only the forms that allow it are taken. */
static void truncated_at_every_byte(void)
{
    const struct {
        uint8_t cmd;
        struct slice body;
        const char *taken; /* '1' where a body of that many bytes still has the form */
    } rows[] = {
        {'C', BYTES("h\0004\0\0311.2\0"), "000000000"},
        {'C', BYTES("h\0U\0\0\0"), "000111"},
        {'H', BYTES("abc\0"), "0000"},
        {'M', BYTES("<>\0A\0"), "00010"},
        {'R', BYTES("b\0"), "00"},
        {'D', BYTES("Ci\0v\0j\0w\0"), "010001000"},
        {'L', BYTES("A\0b\0"), "0000"},
        {'U', BYTES("X\0"), "00"},
        {'B', BYTES("abc"), "111"},
        {'E', BYTES("abc"), "111"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_INT(strlen(rows[i].taken), rows[i].body.len);
        for (size_t n = 0; n < rows[i].body.len; n++) {
            char *copy = exact_copy(slice_upto(rows[i].body, n));
            struct wire_packet p = {rows[i].cmd, slice_of(copy, n)};
            struct milter_command c;
            bool taken = milter_parse_command(&p, &c) == ERR_NONE;
            if (!CHECK_INT(taken, rows[i].taken[n] == '1'))
                printf("# row %zu, command %c, %zu bytes\n", i, rows[i].cmd, n);
            free(copy);
        }
    }
}

static void builds_nothing_that_shifts(void)
{
    struct milter_command c = {.cmd = SMFIC_HEADER, .u.header = {BYTES("A\0evil\0"), BYTES("v\0w")}};
    struct buf b = {0};
    milter_put_command(&b, &c);
    CHECK_BYTES(buf_slice(&b), "\0\0\0\5LA\0v\0");
    buf_fini(&b);
}

static void names(void)
{
    CHECK_STR(milter_command_name('C'), "CONNECT");
    CHECK_STR(milter_command_name('R'), "RCPT");
    CHECK_STR(milter_command_name('E'), "EOM");
    CHECK_STR(milter_command_name('O'), "OPTNEG");
    CHECK_STR(milter_command_name('U'), "UNKNOWN");
    CHECK_STR(milter_command_name('K'), "QUIT_NC");
    CHECK_STR(milter_command_name(0), "unknown command");
    CHECK_STR(milter_command_name('c'), "unknown command");
    CHECK_INT(milter_stage_of_command('C'), SMFIM_CONNECT);
    CHECK_INT(milter_stage_of_command('H'), SMFIM_HELO);
    CHECK_INT(milter_stage_of_command('M'), SMFIM_ENVFROM);
    CHECK_INT(milter_stage_of_command('R'), SMFIM_ENVRCPT);
    CHECK_INT(milter_stage_of_command('T'), SMFIM_DATA);
    CHECK_INT(milter_stage_of_command('L'), SMFIM_EOH);
    CHECK_INT(milter_stage_of_command('N'), SMFIM_EOH);
    CHECK_INT(milter_stage_of_command('B'), SMFIM_EOM);
    CHECK_INT(milter_stage_of_command('E'), SMFIM_EOM);
    CHECK_INT(milter_stage_of_command('U'), SMFIM_STAGES);
    CHECK_INT(milter_stage_of_command('A'), SMFIM_STAGES);
    CHECK_INT(milter_stage_of_command(0), SMFIM_STAGES);
}

int main(void)
{
    TEST(connect_inet);
    TEST(connect_inet6);
    TEST(connect_unix);
    TEST(connect_unknown);
    TEST(envelope);
    TEST(macros);
    TEST(a_broken_pair_is_left_alone);
    TEST(message);
    TEST(helo_and_unknown);
    TEST(commands_without_arguments);
    TEST(surplus_is_passed_over);
    TEST(broken_forms);
    TEST(truncated_at_every_byte);
    TEST(builds_nothing_that_shifts);
    TEST(names);
    return TEST_END();
}
