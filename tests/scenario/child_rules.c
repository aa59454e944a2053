/* child_rules.c - the lines `child …`: what a scripted child wants, where it lives, and what it answers when. */
#include "child.h"

#include "base/mem.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct word {
    const char *name;
    uint32_t value;
};

static bool find_word(const struct word *words, size_t n, const char *name, uint32_t *value)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i].name, name) == 0) {
            *value = words[i].value;
            return true;
        }
    return false;
}

/* ---- the protocol's words ---- */

static const struct word commands[] = {{"negotiate", SMFIC_OPTNEG}, {"connect", SMFIC_CONNECT}, {"helo", SMFIC_HELO},
                                       {"mail", SMFIC_MAIL},        {"rcpt", SMFIC_RCPT},       {"data", SMFIC_DATA},
                                       {"header", SMFIC_HEADER},    {"eoh", SMFIC_EOH},         {"body", SMFIC_BODY},
                                       {"eom", SMFIC_BODYEOB},      {"unknown", SMFIC_UNKNOWN}};

static const struct word actions[] = {{"none", 0},
                                      {"all", 0xff},
                                      {"addhdrs", SMFIF_ADDHDRS},
                                      {"chgbody", SMFIF_CHGBODY},
                                      {"addrcpt", SMFIF_ADDRCPT},
                                      {"delrcpt", SMFIF_DELRCPT},
                                      {"chghdrs", SMFIF_CHGHDRS},
                                      {"quarantine", SMFIF_QUARANTINE},
                                      {"chgfrom", SMFIF_CHGFROM},
                                      {"addrcpt_par", SMFIF_ADDRCPT_PAR},
                                      {"symlist", SMFIF_SETSYMLIST}};

static const struct word steps[] = {{"none", 0},
                                    {"noconnect", SMFIP_NOCONNECT},
                                    {"nohelo", SMFIP_NOHELO},
                                    {"nomail", SMFIP_NOMAIL},
                                    {"norcpt", SMFIP_NORCPT},
                                    {"nobody", SMFIP_NOBODY},
                                    {"noheader", SMFIP_NOHDRS},
                                    {"noeoh", SMFIP_NOEOH},
                                    {"nounknown", SMFIP_NOUNKNOWN},
                                    {"nodata", SMFIP_NODATA},
                                    {"skip", SMFIP_SKIP},
                                    {"rcpt_rej", SMFIP_RCPT_REJ},
                                    {"leadspc", SMFIP_HDR_LEADSPC},
                                    {"nr_connect", SMFIP_NR_CONN},
                                    {"nr_helo", SMFIP_NR_HELO},
                                    {"nr_mail", SMFIP_NR_MAIL},
                                    {"nr_rcpt", SMFIP_NR_RCPT},
                                    {"nr_data", SMFIP_NR_DATA},
                                    {"nr_header", SMFIP_NR_HDR},
                                    {"nr_eoh", SMFIP_NR_EOH},
                                    {"nr_body", SMFIP_NR_BODY},
                                    {"nr_unknown", SMFIP_NR_UNKN},
                                    {"mds_256k", SMFIP_MDS_256K},
                                    {"mds_1m", SMFIP_MDS_1M}};

const char *child_word_of(uint8_t cmd)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (commands[i].value == cmd)
            return commands[i].name;
    return "?";
}

uint8_t child_cmd_of(const char *word)
{
    uint32_t cmd = 0;
    (void)find_word(commands, COUNT_OF(commands), word, &cmd);
    return (uint8_t)cmd;
}

uint32_t child_action_of(const char *word)
{
    uint32_t bit = 0;
    (void)find_word(actions, COUNT_OF(actions), word, &bit);
    return bit;
}

uint32_t child_step_bit_of(const char *word)
{
    uint32_t bit = 0;
    (void)find_word(steps, COUNT_OF(steps), word, &bit);
    return bit;
}

/* ---- steps ---- */

/* Some words of a line: from one `|` to the next. */
struct part {
    char **words;
    unsigned n;
};

static const char *rest_of(struct world *w, const struct part *p, unsigned from)
{
    return script_join(&w->arena, p->words, from, p->n);
}

static void make_header_step(struct world *w, const struct part *p, struct child_step *s)
{
    static const struct word kinds[] = {{"addheader", SMFIR_ADDHEADER},
                                        {"insheader", SMFIR_INSHEADER},
                                        {"chgheader", SMFIR_CHGHEADER},
                                        {"delheader", SMFIR_CHGHEADER}};
    uint32_t code = 0;
    (void)find_word(kinds, COUNT_OF(kinds), p->words[0], &code);
    unsigned at = 1;
    s->kind = CHILD_STEP_HEADER;
    s->code = (uint8_t)code;
    if (code != SMFIR_ADDHEADER)
        s->number = (uint32_t)strtoul(p->words[at++], NULL, 10);
    if (at >= p->n) {
        world_fail(w, "%s: which header?", p->words[0]);
        return;
    }
    s->name = p->words[at];
    s->value = p->words[0][0] == 'd' ? "" : rest_of(w, p, at + 1);
}

static void make_address_step(struct world *w, const struct part *p, struct child_step *s)
{
    static const struct word kinds[] = {{"addrcpt", SMFIR_ADDRCPT}, {"delrcpt", SMFIR_DELRCPT}, {"chgfrom", SMFIR_CHGFROM}};
    uint32_t code = 0;
    (void)find_word(kinds, COUNT_OF(kinds), p->words[0], &code);
    struct buf body = {0}, packet = {0};
    wire_put_string(&body, slice_cstr(p->words[1]));
    if (p->n > 2) {
        wire_put_string(&body, slice_cstr(rest_of(w, p, 2)));
        if (code == SMFIR_ADDRCPT)
            code = SMFIR_ADDRCPT_PAR;
    }
    wire_put(&packet, (uint8_t)code, buf_slice(&body));
    s->kind = CHILD_STEP_SEND;
    s->code = (uint8_t)code;
    s->payload = arena_slice(&w->arena, buf_slice(&packet));
    buf_fini(&body);
    buf_fini(&packet);
}

static void make_body_step(struct world *w, const struct part *p, struct child_step *s)
{
    s->kind = CHILD_STEP_BODY;
    s->value = rest_of(w, p, 1);
}

static void make_quarantine_step(struct world *w, const struct part *p, struct child_step *s)
{
    struct buf body = {0}, packet = {0};
    wire_put_string(&body, slice_cstr(rest_of(w, p, 1)));
    wire_put(&packet, SMFIR_QUARANTINE, buf_slice(&body));
    s->kind = CHILD_STEP_SEND;
    s->code = SMFIR_QUARANTINE;
    s->payload = arena_slice(&w->arena, buf_slice(&packet));
    buf_fini(&body);
    buf_fini(&packet);
}

static void make_raw_step(struct world *w, const struct part *p, struct child_step *s)
{
    struct buf bytes = {0};
    for (unsigned i = 1; i < p->n; i++)
        script_bytes(p->words[i], &bytes);
    s->kind = CHILD_STEP_SEND;
    s->payload = arena_slice(&w->arena, buf_slice(&bytes));
    buf_fini(&bytes);
}

static void make_wait_step(struct world *w, const struct part *p, struct child_step *s)
{
    s->kind = CHILD_STEP_WAIT;
    s->ms = world_duration_ms(w, p->words[1]);
}

/* progress, or: progress every 5s for 20s */
static void make_progress_step(struct world *w, const struct part *p, struct child_step *s)
{
    s->kind = CHILD_STEP_PROGRESS;
    if (p->n == 1)
        return;
    if (p->n != 5 || strcmp(p->words[1], "every") != 0 || strcmp(p->words[3], "for") != 0) {
        world_fail(w, "progress every N for N");
        return;
    }
    s->every_ms = world_duration_ms(w, p->words[2]);
    s->ms = world_duration_ms(w, p->words[4]);
    if (s->every_ms <= 0)
        world_fail(w, "progress every nothing");
}

static void make_answer_step(struct world *w, const struct part *p, struct child_step *s)
{
    static const struct word codes[] = {
        {"continue", SMFIR_CONTINUE}, {"accept", SMFIR_ACCEPT},     {"reject", SMFIR_REJECT},
        {"tempfail", SMFIR_TEMPFAIL}, {"discard", SMFIR_DISCARD},   {"skip", SMFIR_SKIP},
        {"shutdown", SMFIR_SHUTDOWN}, {"connfail", SMFIR_CONNFAIL}, {"reply", SMFIR_REPLYCODE}};
    uint32_t code = 0;
    (void)find_word(codes, COUNT_OF(codes), p->words[0], &code);
    s->kind = CHILD_STEP_ANSWER;
    s->code = (uint8_t)code;
    if (code == SMFIR_REPLYCODE) {
        const char *text = rest_of(w, p, 1);
        s->payload = slice_of(text, strlen(text) + 1);
    }
}

static void make_silent_step(struct world *w, const struct part *p, struct child_step *s)
{
    (void)w;
    (void)p;
    s->kind = CHILD_STEP_SILENT;
}

static void make_die_step(struct world *w, const struct part *p, struct child_step *s)
{
    (void)w;
    s->kind = CHILD_STEP_DIE;
    s->error = strcmp(p->words[0], "reset") == 0 ? ECONNRESET : 0;
}

static void make_bad_step(struct world *w, const struct part *p, struct child_step *s)
{
    static const struct word kinds[] = {{"garbage", CHILD_STEP_GARBAGE}, {"lie", CHILD_STEP_LIE}, {"more", CHILD_STEP_MORE}};
    uint32_t kind = 0;
    (void)w;
    (void)find_word(kinds, COUNT_OF(kinds), p->words[0], &kind);
    s->kind = (enum child_step_kind)kind;
}

static void make_version_step(struct world *w, const struct part *p, struct child_step *s)
{
    (void)w;
    s->kind = CHILD_STEP_VERSION;
    s->number = (uint32_t)strtoul(p->words[1], NULL, 10);
}

static const struct {
    const char *word;
    void (*make)(struct world *w, const struct part *p, struct child_step *s);
    unsigned min_words;
} makers[] = {
    {"addheader", make_header_step, 2}, {"insheader", make_header_step, 3}, {"chgheader", make_header_step, 3},
    {"delheader", make_header_step, 3}, {"body", make_body_step, 2},        {"addrcpt", make_address_step, 2},
    {"delrcpt", make_address_step, 2},  {"chgfrom", make_address_step, 2},  {"quarantine", make_quarantine_step, 2},
    {"raw", make_raw_step, 2},          {"wait", make_wait_step, 2},        {"progress", make_progress_step, 1},
    {"continue", make_answer_step, 1},  {"accept", make_answer_step, 1},    {"reject", make_answer_step, 1},
    {"tempfail", make_answer_step, 1},  {"discard", make_answer_step, 1},   {"skip", make_answer_step, 1},
    {"shutdown", make_answer_step, 1},  {"connfail", make_answer_step, 1},  {"reply", make_answer_step, 2},
    {"silent", make_silent_step, 1},    {"die", make_die_step, 1},          {"reset", make_die_step, 1},
    {"garbage", make_bad_step, 1},      {"lie", make_bad_step, 1},          {"more", make_bad_step, 1},
    {"version", make_version_step, 2}};

static void make_step(struct world *w, const struct part *p, struct child_step *s)
{
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        if (p->n == 0 || strcmp(makers[i].word, p->words[0]) != 0)
            continue;
        if (p->n < makers[i].min_words)
            world_fail(w, "%s wants more words", p->words[0]);
        else
            makers[i].make(w, p, s);
        return;
    }
    world_fail(w, "a child does not know how to: %s", p->n ? p->words[0] : "(nothing)");
}

static struct part next_part(const struct script_line *l, unsigned *at)
{
    struct part p = {.words = l->words + *at};
    while (*at < l->n_words && strcmp(l->words[*at], "|") != 0) {
        p.n++;
        (*at)++;
    }
    (*at)++;
    return p;
}

static size_t read_steps(struct world *w, const struct script_line *l, unsigned at, struct child_step **out)
{
    struct child_step *made = arena_zalloc(&w->arena, (l->n_words + 1) * sizeof(*made));
    size_t n = 0;
    while (at < l->n_words && !w->failed) {
        struct part p = next_part(l, &at);
        make_step(w, &p, &made[n++]);
    }
    *out = made;
    return n;
}

/* ---- rules ---- */

/* The selectors of a rule; returns the place behind the word that ends with ':'. */
static unsigned read_selectors(struct world *w, const struct script_line *l, unsigned at, struct child_rule *r)
{
    bool ends = false;
    for (unsigned i = 0; at < l->n_words && !ends; i++) {
        const char *written = l->words[at++];
        size_t n = strlen(written);
        ends = n > 0 && written[n - 1] == ':';
        const char *word = arena_cstr(&w->arena, slice_of(written, n - ends));
        unsigned *number = strcmp(word, "message") == 0      ? &r->message
                           : strcmp(word, "connection") == 0 ? &r->connection
                                                             : NULL;
        if (i == 0) {
            r->cmd = child_cmd_of(word);
            if (!r->cmd && strcmp(word, "any") != 0)
                world_fail(w, "no such stage: %s", word);
        } else if (number && !ends && at < l->n_words) {
            *number = (unsigned)strtoul(l->words[at], NULL, 10);
            n = strlen(l->words[at]);
            ends = n > 0 && l->words[at++][n - 1] == ':';
        } else if (ascii_is_digit(word[0])) {
            r->number = (unsigned)strtoul(word, NULL, 10);
        } else if (word[0] == '<') {
            r->address = word;
        } else {
            r->header = word;
        }
    }
    if (!ends)
        world_fail(w, "child NAME at STAGE …: STEPS");
    return at;
}

const struct child_rule *child_rule_for(const struct child_conn *cc, const struct milter_command *m)
{
    bool of_message = m->cmd != SMFIC_OPTNEG && m->cmd != SMFIC_CONNECT && m->cmd != SMFIC_HELO;
    for (const struct child_rule *r = cc->child->rules; r; r = r->next) {
        if (r->cmd ? r->cmd != m->cmd : m->cmd == SMFIC_OPTNEG)
            continue;
        if ((r->connection && r->connection != cc->number) || (r->number && r->number != cc->counts[m->cmd]) ||
            (r->message && (!of_message || r->message != cc->messages)))
            continue;
        bool has_address = m->cmd == SMFIC_MAIL || m->cmd == SMFIC_RCPT;
        if (r->address && (!has_address || !slice_eq_cstr(m->u.envelope.address, r->address)))
            continue;
        if (r->header && (m->cmd != SMFIC_HEADER || !slice_eq_nocase(m->u.header.name, slice_cstr(r->header))))
            continue;
        return r;
    }
    return NULL;
}

/* ---- the line ---- */

static void do_wants(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    while (at < l->n_words && !w->failed) {
        struct part p = next_part(l, &at);
        const char *what = p.n ? p.words[0] : "(nothing)";
        if (strcmp(what, "version") == 0 && p.n == 2) {
            ch->version = (uint32_t)strtoul(p.words[1], NULL, 10);
        } else if (strcmp(what, "macros") == 0 && p.n == 3) {
            ch->symlist[milter_stage_of_command(child_cmd_of(p.words[1]))] = p.words[2];
        } else if (strcmp(what, "actions") == 0 || strcmp(what, "steps") == 0) {
            uint32_t all = 0;
            for (unsigned i = 1; i < p.n; i++) {
                uint32_t bit = 0;
                if (!(what[0] == 'a' ? find_word(actions, COUNT_OF(actions), p.words[i], &bit)
                                     : find_word(steps, COUNT_OF(steps), p.words[i], &bit)))
                    world_fail(w, "a child cannot want %s: %s", what, p.words[i]);
                all |= bit;
            }
            *(what[0] == 'a' ? &ch->actions : &ch->steps) = all;
        } else {
            world_fail(w, "child NAME wants actions … | steps … | macros STAGE \"…\" | version N");
        }
    }
}

static void do_at(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    struct child_rule *r = arena_zalloc(&w->arena, sizeof(*r));
    at = read_selectors(w, l, at, r);
    r->n_steps = read_steps(w, l, at, &r->steps);
    r->next = ch->rules;
    ch->rules = r;
}

static void do_now(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    struct child_step *made;
    size_t n = read_steps(w, l, at, &made), n_conns = w->children.n_conns;
    for (size_t i = 0; i < n_conns && !w->failed; i++)
        if (w->children.conns[i]->child == ch && w->children.conns[i]->state == CHILD_CONN_OPEN) {
            w->children.conns[i]->misbehaved = ch->failed_ever = true;
            child_run_steps(w, w->children.conns[i], 0, made, n);
        }
}

static void do_accepts(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    ch->door = CHILD_ACCEPTS;
    ch->accept_ms = 0;
    if (at >= l->n_words)
        return;
    if (strcmp(l->words[at], "never") == 0)
        ch->door = CHILD_DEAF;
    else if (strcmp(l->words[at], "after") == 0 && at + 1 < l->n_words)
        ch->accept_ms = world_duration_ms(w, l->words[at + 1]);
    else
        world_fail(w, "child NAME accepts [after N | never]");
}

static void do_missing(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    (void)w;
    ch->door = l->words[at - 1][0] == 'm' ? CHILD_MISSING : CHILD_REFUSES;
}

static void do_stops(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    (void)w;
    (void)l;
    (void)at;
    ch->stopped = true;
}

static void do_reads(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    (void)l;
    (void)at;
    child_reads(w, ch);
}

static void do_listens(struct world *w, struct child *ch, struct script_line *l, unsigned at)
{
    if (at + 1 >= l->n_words || ip_parse(slice_cstr(l->words[at]), &ch->address) != ERR_NONE)
        world_fail(w, "child NAME listens ADDRESS PORT");
    else
        ch->port = (uint16_t)strtoul(l->words[at + 1], NULL, 10);
}

static const struct {
    const char *word;
    void (*run)(struct world *w, struct child *ch, struct script_line *l, unsigned at);
} verbs[] = {{"wants", do_wants},     {"at", do_at},           {"now", do_now},
             {"accepts", do_accepts}, {"missing", do_missing}, {"refuses", do_missing},
             {"stops", do_stops},     {"reads", do_reads},     {"listens", do_listens}};

static struct child *child_named(struct world *w, const char *name)
{
    struct child *ch = child_find(w, slice_cstr(name));
    if (ch)
        return ch;
    ch = arena_zalloc(&w->arena, sizeof(*ch));
    *ch = (struct child){.name = name, .version = MILTER_VERSION, .actions = SMFIF_ALL & ~(uint32_t)SMFIF_SETSYMLIST};
    w->children.items = mem_grow(w->children.items, &w->children.cap, w->children.n + 1, sizeof(struct child *));
    w->children.items[w->children.n++] = ch;
    return ch;
}

void child_line(struct world *w, struct script_line *l)
{
    struct child *ch = child_named(w, l->words[1]);
    if (l->n_words == 2)
        return;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(verbs[i].word, l->words[2]) == 0) {
            verbs[i].run(w, ch, l, 3);
            world_settle(w);
            return;
        }
    world_fail(w, "a child does not: %s", l->words[2]);
}
