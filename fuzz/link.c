/*
 * link.c - bytes as an event script against one link to a child: what the session asks, what the child says (well-formed or
 * not, whole or in part), time, ABORT, QUIT, a lost connection.
 *
 * Input: the offer's actions and steps (4 bytes each), then operations of one byte and the bytes that each of them takes;
 * whatever is missing at the end is 0.
 *
 * Promises: a failed link stays failed and says why; never an answer when nothing was asked, and one for each question; no
 * edit that was not offered, none outside of an EOM; every slice inside the bytes that came; what is sent is well-formed
 * and wanted; something is awaited exactly as long as a reply is owed, and never longer than the limits allow.
 */
#include "base/mem.h"
#include "child/link.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct link_limits limits = {
    .connect_ms = 500, .command_ms = 3000, .message_ms = 4000, .eom_ms = 30000, .progress_max_ms = 60000};

static const uint8_t commands[] = {SMFIC_CONNECT, SMFIC_HELO, SMFIC_MAIL, SMFIC_RCPT,    SMFIC_DATA,
                                   SMFIC_HEADER,  SMFIC_EOH,  SMFIC_BODY, SMFIC_BODYEOB, SMFIC_UNKNOWN};

struct world {
    struct slice script;
    struct link link;
    struct mono now;
    struct milter_options offer;
    struct buf out;
    /* what the link must know too */
    bool connecting, negotiating, negotiated, failed, quit;
    uint8_t owed; /* the command whose answer we await; 0: none */
    unsigned late;
};

static uint8_t next_byte(struct world *w)
{
    if (w->script.len == 0)
        return 0;
    uint8_t b = (uint8_t)w->script.ptr[0];
    w->script = slice_from(w->script, 1);
    return b;
}

static uint32_t next_u32(struct world *w)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | next_byte(w);
    return v;
}

static struct slice next_bytes(struct world *w, size_t n)
{
    struct slice s = slice_upto(w->script, n);
    w->script = slice_from(w->script, s.len);
    return s;
}

/* ---- promises ---- */

static void check(bool ok, const char *what)
{
    if (!ok)
        PANIC(what);
}

static int64_t longest_ms(const struct world *w)
{
    if (w->connecting)
        return limits.connect_ms;
    return limits.progress_max_ms; /* above every other one */
}

static void check_state(const struct world *w)
{
    const struct link *l = &w->link;
    check((l->state == LINK_FAILED) == w->failed, "a link failed without a word, or came back");
    check(!w->failed || (l->why && l->why[0]), "a failure without a reason");
    bool awaits = w->connecting || w->negotiating || w->owed;
    check((l->deadline.ms != 0) == awaits, "a deadline without anything owed, or none where something is");
    check(!awaits || l->deadline.ms <= l->asked_at.ms + longest_ms(w), "a deadline beyond the limits");
    check(l->in.len <= 4 + WIRE_PACKET_MAX_BYTES, "more is kept than a packet");
    check(l->late == w->late || w->failed || w->quit, "the late replies are counted wrongly");
    if (w->negotiated) {
        check((l->got.actions & ~w->offer.actions) == 0 && (l->got.steps & ~w->offer.steps) == 0, "more than was offered");
        check(l->got.version >= MILTER_VERSION_MIN && l->got.version <= w->offer.version, "a version beyond the offer");
    }
    check(!w->owed || link_wants(l, w->owed), "asked what it does not want");
}

/* Every byte must be there to be read; the sanitizer looks on. */
static void touch(struct slice s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum += (uint8_t)s.ptr[i];
    volatile unsigned keep = sum;
    (void)keep;
}

static void check_edits(const struct world *w)
{
    static const uint32_t actions[] = {
        [MAIL_ADD_HEADER] = SMFIF_ADDHDRS,       [MAIL_INSERT_HEADER] = SMFIF_ADDHDRS,
        [MAIL_CHANGE_HEADER] = SMFIF_CHGHDRS,    [MAIL_ADD_RECIPIENT] = SMFIF_ADDRCPT | SMFIF_ADDRCPT_PAR,
        [MAIL_DELETE_RECIPIENT] = SMFIF_DELRCPT, [MAIL_CHANGE_SENDER] = SMFIF_CHGFROM,
        [MAIL_QUARANTINE] = SMFIF_QUARANTINE,
    };
    unsigned count = 0;
    for (const struct mail_edit *e = w->link.edits.first; e; e = e->next, count++) {
        check(w->offer.actions & actions[e->kind], "an edit that was not offered");
        check((w->link.got.actions | w->link.unnegotiated) & actions[e->kind], "an edit that was not negotiated, unnoted");
        touch(e->name);
        touch(e->value);
    }
    check(count == w->link.edits.count, "edits counted wrongly");
    check(count == 0 || w->link.asked == SMFIC_BODYEOB, "edits outside of an EOM");
    check(count == 0 || !w->failed, "edits of a child that has failed");
}

static void check_answer(struct world *w, const struct link_answer *a)
{
    check(w->owed && w->late == 0, "an answer to nothing");
    check(a->code && strchr("cartdys", a->code), "a code that is no answer");
    check((a->code == SMFIR_REPLYCODE) == (a->status >= 400 && a->status <= 599), "a status that does not fit");
    check((a->code == SMFIR_REPLYCODE) == (a->text.len > 4), "a text that does not fit");
    check(a->code != SMFIR_DISCARD || (w->owed != SMFIC_CONNECT && w->owed != SMFIC_HELO), "DISCARD of no message");
    w->owed = 0;
}

static void check_news(struct world *w, enum link_news news, const struct link_answer *a)
{
    touch(a->text);
    switch (news) {
    case LINK_NOTHING:
        break;
    case LINK_NEGOTIATED:
        check(w->negotiating, "negotiated without an offer");
        w->negotiating = false;
        w->negotiated = true;
        break;
    case LINK_ANSWERED:
        check_answer(w, a);
        break;
    case LINK_BODY:
        check(w->owed == SMFIC_BODYEOB && w->late == 0 && (w->offer.actions & SMFIF_CHGBODY), "a body out of place");
        break;
    case LINK_PROGRESS:
        check(w->owed || w->negotiating, "progress of nothing");
        break;
    case LINK_BROKEN:
        w->failed = true;
        w->connecting = w->negotiating = false;
        w->owed = 0;
        break;
    }
    check(!w->quit || news == LINK_NOTHING, "news after QUIT");
}

/* ---- events ---- */

static void hear(struct world *w, struct slice bytes)
{
    char *exact = malloc(bytes.len ? bytes.len : 1);
    if (bytes.len > 0)
        memcpy(exact, bytes.ptr, bytes.len);
    struct slice rest = slice_of(exact, bytes.len);
    enum link_news news;
    do {
        struct link_answer a;
        size_t before = rest.len;
        news = link_take(&w->link, &rest, w->now, &a);
        check(rest.len <= before && (rest.len == 0 || rest.ptr + rest.len == exact + bytes.len), "bytes from nowhere");
        check(news == LINK_NOTHING || news == LINK_BROKEN || rest.len < before, "news without bytes");
        check(w->link.late <= w->late, "a late reply more");
        w->late = w->link.late;
        check_news(w, news, &a);
        check_state(w);
        check_edits(w);
    } while (news != LINK_NOTHING && news != LINK_BROKEN);
    check(rest.len == 0, "bytes are left over");
    free(exact);
}

static void connect_or_offer(struct world *w)
{
    if (w->link.state == LINK_NEW) {
        link_connecting(&w->link, w->now);
        w->connecting = true;
    } else if (w->link.state == LINK_CONNECTING) {
        link_connected(&w->link, &w->offer, w->now, &w->out);
        w->connecting = false;
        w->negotiating = true;
    }
}

static void ask(struct world *w)
{
    struct milter_command c = {.cmd = commands[next_byte(w) % sizeof(commands)]};
    struct slice text = next_bytes(w, next_byte(w) % 32);
    if (c.cmd == SMFIC_HEADER) {
        c.u.header.name = SLICE_LIT("A");
        c.u.header.value = text;
    } else if (c.cmd == SMFIC_CONNECT) {
        c.u.connect.host = text;
        c.u.connect.family = MILTER_FAMILY_UNKNOWN;
    } else if (c.cmd == SMFIC_BODY) {
        c.u.body = text;
    }
    if (w->link.state != LINK_IDLE || w->quit)
        return;
    link_ask(&w->link, &c, text.len % 2 ? SLICE_LIT("i\0004ABC\0") : SLICE_NONE, w->now, &w->out);
    if (w->link.state == LINK_ASKED) {
        check(link_answers(&w->link, c.cmd), "an answer is awaited that does not come");
        w->owed = c.cmd;
    } else {
        check(!link_wants(&w->link, c.cmd) || !link_answers(&w->link, c.cmd), "an answer is not awaited");
    }
}

static void tell(struct world *w, uint8_t cmd)
{
    bool told = w->negotiated && !w->failed && !w->quit;
    size_t before = w->out.len;
    link_ask(&w->link, &(struct milter_command){.cmd = cmd}, SLICE_NONE, w->now, &w->out);
    check((w->out.len > before) == told, "ABORT or QUIT at the wrong time");
    if (!told)
        return;
    w->late += w->owed != 0;
    w->owed = 0;
    w->quit = cmd == SMFIC_QUIT;
}

static void pass_time(struct world *w)
{
    w->now.ms += (int64_t)next_byte(w) * 50;
    bool due = w->link.deadline.ms != 0 && w->now.ms >= w->link.deadline.ms;
    check(link_check_deadline(&w->link, w->now) == due, "a deadline that is none, or is not seen");
    if (due)
        check_news(w, LINK_BROKEN, &(struct link_answer){0});
}

static void lose(struct world *w)
{
    link_lost(&w->link, next_byte(w));
    if (!w->quit)
        check_news(w, LINK_BROKEN, &(struct link_answer){0});
}

static void say_packet(struct world *w)
{
    struct buf b = {0};
    uint8_t code = next_byte(w);
    wire_put(&b, code, next_bytes(w, next_byte(w)));
    hear(w, buf_slice(&b));
    buf_fini(&b);
}

/* Mostly what can be taken. */
static void say_options(struct world *w)
{
    struct buf b = {0};
    struct milter_options o = {.version = next_byte(w) % 8, .actions = next_u32(w), .steps = next_u32(w)};
    if (next_byte(w) % 4) {
        o.actions &= w->offer.actions;
        o.steps &= w->offer.steps;
    }
    o.symlist[next_byte(w) % SMFIM_STAGES] = next_bytes(w, next_byte(w) % 16);
    milter_put_options(&b, &o);
    hear(w, buf_slice(&b));
    buf_fini(&b);
}

static void step(struct world *w)
{
    switch (next_byte(w) % 9) {
    case 0:
        connect_or_offer(w);
        break;
    case 1:
        ask(w);
        break;
    case 2:
        tell(w, SMFIC_ABORT);
        break;
    case 3:
        hear(w, next_bytes(w, next_byte(w)));
        break;
    case 4:
        say_packet(w);
        break;
    case 5:
        pass_time(w);
        break;
    case 6:
        lose(w);
        break;
    case 7:
        tell(w, SMFIC_QUIT);
        break;
    case 8:
        say_options(w);
        break;
    }
    check_state(w);
    check_edits(w);
}

/* What went to the child. */
static void check_sent(const struct world *w)
{
    struct slice sent = buf_slice(&w->out);
    struct wire_packet p;
    bool first = true;
    while (wire_next(&sent, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct milter_command c;
        struct milter_options o;
        if (first)
            check(p.cmd == SMFIC_OPTNEG && milter_parse_options(p.body, &o) == ERR_NONE, "no offer");
        else
            check(milter_parse_command(&p, &c) == ERR_NONE, "a malformed command");
        check(first || c.cmd == SMFIC_MACRO || link_wants(&w->link, c.cmd), "a command that it does not want");
        first = false;
    }
    check(sent.len == 0, "half a packet");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.script = slice_of(data, size), .now = {1000}};
    w.offer = (struct milter_options){.version = MILTER_VERSION, .actions = next_u32(&w), .steps = next_u32(&w)};
    link_init(&w.link, &limits);
    while (w.script.len > 0)
        step(&w);
    check_sent(&w);
    link_fini(&w.link);
    buf_fini(&w.out);
    return 0;
}
