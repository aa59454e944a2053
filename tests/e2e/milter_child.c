/*
 * milter_child.c - a milter made with libmilter that notes all it is told and does what its command line says.
 *
 * The other end of tarsierd's talk with children in the end-to-end tests: the protocol is Sendmail's own library's, not ours.
 * It knows libmilter and nothing of tarsier.
 *
 *     milter_child SOCKET LOG [WORD ...]
 *
 *     without=STAGE,...        callbacks that it does not have
 *     steps=NAME,...           nr_conn nr_helo nr_mail nr_rcpt nr_data nr_unkn nr_hdr nr_eoh nr_body skip rcpt_rej leadspc
 *     actions=HEX              beside those that its edits need
 *     symlist=STAGE:NAMES      the macros it asks for at a stage, by blanks
 *     at=STAGE[@TEXT]:DEED     what to do there, in the order given; with TEXT only where the argument contains it (from DATA
 *                              on: where the value of Subject does)
 *
 * Deeds that answer: accept, reject, tempfail, discard, skip, reply:CODE:ECODE:TEXT.
 * Deeds on the way: wait:MS, progress:N:MS (N times, after each MS), silent (for ever), exit (the whole process).
 * Edits, at eom: add:NAME:VALUE, ins:N:NAME:VALUE, chg:N:NAME:VALUE, del:N:NAME, body:TEXT, bodybytes:N, from:ADDRESS[:ARGS],
 * addrcpt:ADDRESS[:ARGS], delrcpt:ADDRESS, quarantine:TEXT.
 *
 * A line of the log is "#CONNECTION STAGE ARGUMENTS… MACROS…"; before the first event of a connection its number is 0. Each is one write, so lines of several threads do not mix.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum stage { CONNECT, HELO, MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM, UNKNOWN, STAGES };

static const struct {
    const char *name;
    uint32_t without; /* the step that switches it off */
    uint32_t silent;  /* … its answer */
    int symlist;      /* number of the stage for smfi_setsymlist; -1: none */
} stages[STAGES] = {
    [CONNECT] = {"connect", SMFIP_NOCONNECT, SMFIP_NR_CONN, SMFIM_CONNECT},
    [HELO] = {"helo", SMFIP_NOHELO, SMFIP_NR_HELO, SMFIM_HELO},
    [MAIL] = {"mail", SMFIP_NOMAIL, SMFIP_NR_MAIL, SMFIM_ENVFROM},
    [RCPT] = {"rcpt", SMFIP_NORCPT, SMFIP_NR_RCPT, SMFIM_ENVRCPT},
    [DATA] = {"data", SMFIP_NODATA, SMFIP_NR_DATA, SMFIM_DATA},
    [HEADER] = {"header", SMFIP_NOHDRS, SMFIP_NR_HDR, -1},
    [EOH] = {"eoh", SMFIP_NOEOH, SMFIP_NR_EOH, SMFIM_EOH},
    [BODY] = {"body", SMFIP_NOBODY, SMFIP_NR_BODY, -1},
    [EOM] = {"eom", 0, 0, SMFIM_EOM},
    [UNKNOWN] = {"unknown", SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, -1},
};

static const struct {
    const char *name;
    uint32_t step;
} steps[] = {
    {"nr_conn", SMFIP_NR_CONN}, {"nr_helo", SMFIP_NR_HELO}, {"nr_mail", SMFIP_NR_MAIL},   {"nr_rcpt", SMFIP_NR_RCPT},
    {"nr_data", SMFIP_NR_DATA}, {"nr_unkn", SMFIP_NR_UNKN}, {"nr_hdr", SMFIP_NR_HDR},     {"nr_eoh", SMFIP_NR_EOH},
    {"nr_body", SMFIP_NR_BODY}, {"skip", SMFIP_SKIP},       {"rcpt_rej", SMFIP_RCPT_REJ}, {"leadspc", SMFIP_HDR_LEADSPC},
};

/* libmilter cannot list what it was sent: all that Postfix knows, and what Sendmail or a manager might add. */
static const char *const macros[] = {"j",
                                     "v",
                                     "_",
                                     "i",
                                     "{daemon_name}",
                                     "{daemon_addr}",
                                     "{daemon_port}",
                                     "{client_addr}",
                                     "{client_port}",
                                     "{client_name}",
                                     "{client_ptr}",
                                     "{client_resolve}",
                                     "{client_connections}",
                                     "{tls_version}",
                                     "{cipher}",
                                     "{cipher_bits}",
                                     "{cert_subject}",
                                     "{cert_issuer}",
                                     "{verify}",
                                     "{auth_type}",
                                     "{auth_authen}",
                                     "{auth_author}",
                                     "{auth_ssf}",
                                     "{mail_addr}",
                                     "{mail_host}",
                                     "{mail_mailer}",
                                     "{rcpt_addr}",
                                     "{rcpt_host}",
                                     "{rcpt_mailer}",
                                     "{if_addr}",
                                     "{if_name}",
                                     "{nrcpts}",
                                     "{stress}",
                                     "{trusted_domain}"};

struct deed {
    enum stage stage;
    char *text;                          /* NULL: always */
    char *verb, *first, *second, *third; /* NULL: not given */
};

/* What one connection has. */
struct talk {
    unsigned number;
    char subject[200];
    uint64_t hash; /* FNV-1a of the body */
    size_t body_bytes;
    bool body_seen;
};

/*
 * The command line and the log. libmilter's callbacks are given no more than the connection, so this cannot be on the stack.
 * Nothing of it is written to once smfi_main runs, but the counter.
 */
static struct {
    int log;
    uint32_t steps, actions;
    char *symlists[STAGES];
    struct deed deeds[128];
    size_t n_deeds;
    atomic_uint connections;
} the;

/* ---- the log ---- */

struct line {
    char *text;
    size_t bytes;
    FILE *out;
};

static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c == '\\' || *c == '"')
            fprintf(out, "\\%c", *c);
        else if (*c < ' ' || *c > '~')
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    fputc('"', out);
}

static void line_begin(struct line *l, SMFICTX *ctx, const char *what)
{
    const struct talk *t = smfi_getpriv(ctx);
    *l = (struct line){0};
    l->out = open_memstream(&l->text, &l->bytes);
    if (!l->out)
        abort();
    fprintf(l->out, "#%u %s", t ? t->number : 0, what);
}

static void line_word(struct line *l, const char *word)
{
    fputc(' ', l->out);
    put_quoted(l->out, word ? word : "(null)");
}

static void line_macros(struct line *l, SMFICTX *ctx)
{
    for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
        const char *value = smfi_getsymval(ctx, (char *)(uintptr_t)macros[i]);
        if (!value)
            continue;
        fprintf(l->out, " %s=", macros[i]);
        put_quoted(l->out, value);
    }
}

static void line_end(struct line *l)
{
    fputc('\n', l->out);
    fclose(l->out);
    if (write(the.log, l->text, l->bytes) != (ssize_t)l->bytes)
        abort();
    free(l->text);
}

static void note(const char *text)
{
    if (write(the.log, text, strlen(text)) < 0)
        abort();
}

/* ---- deeds ---- */

static void sleep_ms(const char *ms)
{
    long n = ms ? strtol(ms, NULL, 10) : 0;
    struct timespec t = {.tv_sec = n / 1000, .tv_nsec = n % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Whole rows, each with its number: a lost or a doubled one is seen. */
static int replace_body(SMFICTX *ctx, size_t bytes)
{
    enum { ROW_BYTES = 67, ROWS_AT_ONCE = 900 };
    char rows[ROW_BYTES * ROWS_AT_ONCE + 1];
    for (size_t number = 0; number * ROW_BYTES < bytes;) {
        int length = 0;
        for (; length < ROW_BYTES * ROWS_AT_ONCE && number * ROW_BYTES < bytes; number++)
            length += snprintf(rows + length, sizeof(rows) - (size_t)length,
                               "%010zu abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.\r\n", number);
        if (smfi_replacebody(ctx, (unsigned char *)rows, length) != MI_SUCCESS)
            return MI_FAILURE;
    }
    return MI_SUCCESS;
}

/* MI_SUCCESS, MI_FAILURE, or -2: it is no edit. */
static int edit(SMFICTX *ctx, const struct deed *d)
{
    int n = d->first ? atoi(d->first) : 0;
    if (strcmp(d->verb, "add") == 0)
        return smfi_addheader(ctx, d->first, d->second);
    if (strcmp(d->verb, "ins") == 0)
        return smfi_insheader(ctx, n, d->second, d->third);
    if (strcmp(d->verb, "chg") == 0)
        return smfi_chgheader(ctx, d->second, n, d->third);
    if (strcmp(d->verb, "del") == 0)
        return smfi_chgheader(ctx, d->second, n, NULL);
    if (strcmp(d->verb, "body") == 0)
        return smfi_replacebody(ctx, (unsigned char *)d->first, (int)strlen(d->first));
    if (strcmp(d->verb, "bodybytes") == 0)
        return replace_body(ctx, (size_t)n);
    if (strcmp(d->verb, "from") == 0)
        return smfi_chgfrom(ctx, d->first, d->second);
    if (strcmp(d->verb, "addrcpt") == 0)
        return d->second ? smfi_addrcpt_par(ctx, d->first, d->second) : smfi_addrcpt(ctx, d->first);
    if (strcmp(d->verb, "delrcpt") == 0)
        return smfi_delrcpt(ctx, d->first);
    if (strcmp(d->verb, "quarantine") == 0)
        return smfi_quarantine(ctx, d->first);
    return -2;
}

/* Whether it was one of those that only take time. */
static bool spend(SMFICTX *ctx, const struct deed *d)
{
    if (strcmp(d->verb, "wait") == 0) {
        sleep_ms(d->first);
    } else if (strcmp(d->verb, "progress") == 0) {
        for (int n = atoi(d->first); n > 0; n--) {
            sleep_ms(d->second);
            smfi_progress(ctx);
        }
    } else if (strcmp(d->verb, "silent") == 0) {
        sleep_ms("3600000");
    } else if (strcmp(d->verb, "exit") == 0) {
        _exit(1);
    } else {
        return false;
    }
    return true;
}

static const struct {
    const char *verb;
    sfsistat status;
} answers[] = {{"accept", SMFIS_ACCEPT},   {"reject", SMFIS_REJECT}, {"tempfail", SMFIS_TEMPFAIL},
               {"discard", SMFIS_DISCARD}, {"skip", SMFIS_SKIP},     {"continue", SMFIS_CONTINUE}};

/* What is to be answered at this stage, once all is done that is to be done before. */
static sfsistat act(SMFICTX *ctx, enum stage stage, const char *argument)
{
    for (size_t i = 0; i < the.n_deeds; i++) {
        const struct deed *d = &the.deeds[i];
        if (d->stage != stage || (d->text && !(argument && strstr(argument, d->text))) || spend(ctx, d))
            continue;
        for (size_t a = 0; a < sizeof(answers) / sizeof(answers[0]); a++)
            if (strcmp(d->verb, answers[a].verb) == 0)
                return answers[a].status;
        if (strcmp(d->verb, "reply") == 0) {
            if (smfi_setreply(ctx, d->first, d->second, d->third) != MI_SUCCESS)
                note("setreply failed\n");
            return d->first[0] == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
        }
        if (edit(ctx, d) != MI_SUCCESS) {
            struct line l;
            line_begin(&l, ctx, "failed");
            line_word(&l, d->verb);
            line_end(&l);
        }
    }
    return the.steps & stages[stage].silent ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* ---- callbacks ---- */

static struct talk *talk_of(SMFICTX *ctx)
{
    struct talk *t = smfi_getpriv(ctx);
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t)
            abort();
        smfi_setpriv(ctx, t);
    }
    return t;
}

/* A connection has a number from its first event on: one that is only negotiated is none of a client. */
static void number(SMFICTX *ctx)
{
    struct talk *t = talk_of(ctx);
    if (t->number == 0)
        t->number = atomic_fetch_add(&the.connections, 1) + 1;
}

static sfsistat tell(SMFICTX *ctx, enum stage stage, const char *const *words, const char *argument)
{
    struct line l;
    number(ctx);
    line_begin(&l, ctx, stages[stage].name);
    for (; words && *words; words++)
        line_word(&l, *words);
    line_macros(&l, ctx);
    line_end(&l);
    return act(ctx, stage, argument);
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long offered, unsigned long f2, unsigned long f3,
                             unsigned long *want_actions, unsigned long *want_steps, unsigned long *pf2, unsigned long *pf3)
{
    struct line l;
    talk_of(ctx);
    line_begin(&l, ctx, "negotiate");
    fprintf(l.out, " actions=%lx steps=%lx %lx %lx", actions, offered, f2, f3);
    line_end(&l);
    *want_actions = the.actions;
    *want_steps = the.steps;
    *pf2 = *pf3 = 0;
    for (int stage = 0; stage < STAGES; stage++)
        if (the.symlists[stage] && smfi_setsymlist(ctx, stages[stage].symlist, the.symlists[stage]) != MI_SUCCESS)
            note("setsymlist failed\n");
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
    char text[INET6_ADDRSTRLEN] = "none", whole[INET6_ADDRSTRLEN + 20];
    unsigned port = 0;
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        port = ntohs(in->sin_port);
    } else if (address && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text));
        port = ntohs(in->sin6_port);
    }
    snprintf(whole, sizeof(whole), "%s port %u", text, port);
    return tell(ctx, CONNECT, (const char *const[]){host, whole, NULL}, host);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    return tell(ctx, HELO, (const char *const[]){name, NULL}, name);
}

static sfsistat on_mail(SMFICTX *ctx, char **words)
{
    struct talk *t = talk_of(ctx);
    t->subject[0] = '\0';
    t->body_bytes = 0;
    t->body_seen = false;
    t->hash = 0xcbf29ce484222325u;
    return tell(ctx, MAIL, (const char *const *)words, words[0]);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **words)
{
    return tell(ctx, RCPT, (const char *const *)words, words[0]);
}

static sfsistat on_data(SMFICTX *ctx)
{
    return tell(ctx, DATA, NULL, NULL);
}

static sfsistat on_unknown(SMFICTX *ctx, const char *command)
{
    return tell(ctx, UNKNOWN, (const char *const[]){command, NULL}, command);
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct talk *t = talk_of(ctx);
    if (strcasecmp(name, "Subject") == 0)
        snprintf(t->subject, sizeof(t->subject), "%s", value);
    return tell(ctx, HEADER, (const char *const[]){name, value, NULL}, name);
}

static sfsistat on_eoh(SMFICTX *ctx)
{
    return tell(ctx, EOH, NULL, talk_of(ctx)->subject);
}

/* Where a body is cut into pieces is the MTA's own affair: only the first one is noted. */
static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t bytes)
{
    struct talk *t = talk_of(ctx);
    bool first = !t->body_seen;
    t->body_seen = true;
    t->body_bytes += bytes;
    for (size_t i = 0; i < bytes; i++)
        t->hash = (t->hash ^ chunk[i]) * 0x100000001b3u;
    return first ? tell(ctx, BODY, NULL, t->subject) : act(ctx, BODY, t->subject);
}

static sfsistat on_eom(SMFICTX *ctx)
{
    struct talk *t = talk_of(ctx);
    char bytes[30], hash[30];
    snprintf(bytes, sizeof(bytes), "%zu", t->body_bytes);
    snprintf(hash, sizeof(hash), "%016" PRIx64, t->hash);
    return tell(ctx, EOM, (const char *const[]){bytes, hash, NULL}, t->subject);
}

static sfsistat on_abort(SMFICTX *ctx)
{
    struct line l;
    line_begin(&l, ctx, "abort");
    line_end(&l);
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
    struct line l;
    line_begin(&l, ctx, "close");
    line_end(&l);
    free(smfi_getpriv(ctx));
    smfi_setpriv(ctx, NULL);
    return SMFIS_CONTINUE;
}

/* ---- the command line ---- */

static void wrong(const char *word)
{
    fprintf(stderr, "milter_child: what is \"%s\"?\n", word);
    exit(2);
}

static int stage_of(const char *name)
{
    for (int stage = 0; stage < STAGES; stage++)
        if (strcmp(stages[stage].name, name) == 0)
            return stage;
    wrong(name);
    return -1;
}

/* STAGE[@TEXT]:VERB[:FIRST[:SECOND[:THIRD]]]; the last one may hold colons. */
static void take_deed(char *words)
{
    static const struct {
        const char *verb;
        int fields;
        uint32_t action;
    } verbs[] = {{"add", 2, SMFIF_ADDHDRS},
                 {"ins", 3, SMFIF_ADDHDRS},
                 {"chg", 3, SMFIF_CHGHDRS},
                 {"del", 2, SMFIF_CHGHDRS},
                 {"body", 1, SMFIF_CHGBODY},
                 {"bodybytes", 1, SMFIF_CHGBODY},
                 {"from", 2, SMFIF_CHGFROM},
                 {"addrcpt", 2, SMFIF_ADDRCPT},
                 {"delrcpt", 1, SMFIF_DELRCPT},
                 {"quarantine", 1, SMFIF_QUARANTINE},
                 {"reply", 3, 0},
                 {"wait", 1, 0},
                 {"progress", 2, 0},
                 {"silent", 0, 0},
                 {"exit", 0, 0}};
    struct deed *d = &the.deeds[the.n_deeds++];
    if (the.n_deeds >= sizeof(the.deeds) / sizeof(the.deeds[0]))
        wrong("so many");
    char *stage = strsep(&words, ":");
    if (!words)
        wrong(stage);
    d->text = strchr(stage, '@');
    if (d->text)
        *d->text++ = '\0';
    d->stage = (enum stage)stage_of(stage);
    d->verb = strsep(&words, ":");
    char **fields[] = {&d->first, &d->second, &d->third};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].verb, d->verb) != 0)
            continue;
        the.actions |= verbs[i].action;
        for (int f = 0; f < verbs[i].fields && words; f++)
            *fields[f] = f == verbs[i].fields - 1 ? words : strsep(&words, ":");
        if (strcmp(d->verb, "addrcpt") == 0 && d->second)
            the.actions |= SMFIF_ADDRCPT_PAR;
        return;
    }
    for (size_t a = 0; a < sizeof(answers) / sizeof(answers[0]); a++)
        if (strcmp(d->verb, answers[a].verb) == 0)
            return;
    wrong(d->verb);
}

static void take_step(const char *name)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strcmp(steps[i].name, name) == 0) {
            the.steps |= steps[i].step;
            return;
        }
    wrong(name);
}

static void take_word(char *word)
{
    char *key = strsep(&word, "="), *name;
    if (!word) {
        wrong(key);
    } else if (strcmp(key, "without") == 0) {
        while ((name = strsep(&word, ",")))
            the.steps |= stages[stage_of(name)].without;
    } else if (strcmp(key, "steps") == 0) {
        while ((name = strsep(&word, ",")))
            take_step(name);
    } else if (strcmp(key, "symlist") == 0) {
        name = strsep(&word, ":");
        the.symlists[stage_of(name)] = word;
        the.actions |= SMFIF_SETSYMLIST;
    } else if (strcmp(key, "actions") == 0) {
        the.actions |= (uint32_t)strtoul(word, NULL, 16);
    } else if (strcmp(key, "at") == 0) {
        take_deed(word);
    } else {
        wrong(key);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        wrong("this without a socket and a log");
    the.log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (the.log < 0) {
        fprintf(stderr, "milter_child: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    for (int i = 3; i < argc; i++)
        take_word(argv[i]);
    const struct smfiDesc desc = {
        .xxfi_name = (char *)(uintptr_t) "milter_child",
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = the.actions,
        .xxfi_connect = the.steps & SMFIP_NOCONNECT ? NULL : on_connect,
        .xxfi_helo = the.steps & SMFIP_NOHELO ? NULL : on_helo,
        .xxfi_envfrom = the.steps & SMFIP_NOMAIL ? NULL : on_mail,
        .xxfi_envrcpt = the.steps & SMFIP_NORCPT ? NULL : on_rcpt,
        .xxfi_header = the.steps & SMFIP_NOHDRS ? NULL : on_header,
        .xxfi_eoh = the.steps & SMFIP_NOEOH ? NULL : on_eoh,
        .xxfi_body = the.steps & SMFIP_NOBODY ? NULL : on_body,
        .xxfi_eom = on_eom,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_unknown = the.steps & SMFIP_NOUNKNOWN ? NULL : on_unknown,
        .xxfi_data = the.steps & SMFIP_NODATA ? NULL : on_data,
        .xxfi_negotiate = on_negotiate,
    };
    umask(0); /* a unix socket is for everybody */
    if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(desc) != MI_SUCCESS || smfi_opensocket(true) != MI_SUCCESS) {
        fprintf(stderr, "milter_child: %s: cannot listen\n", argv[1]);
        return 1;
    }
    note("ready\n");
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
