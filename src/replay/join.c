/* join.c - each kind of line has a function; messages wait in a queue until they are settled or old. */
#include "replay/join_internal.h"

#include "base/mem.h"
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

struct join {
    struct join_sink sink;
    struct join_counts counts;
    struct join_table processes, messages;
    struct list process_ages, waiting; /* the oldest first */
    size_t n_waiting;
    struct join_retries retries;
    struct join_recent recent;
};

static struct join_message *message_of(struct list *age)
{
    return CONTAINER_OF(age, struct join_message, node.age);
}

static struct join_process *process_of(struct list *age)
{
    return CONTAINER_OF(age, struct join_process, node.age);
}

/* ---- names of processes and messages ---- */

/* "postfix" of "postfix/submission/smtpd": all programs of an instance share one queue. */
static struct slice instance_of(struct slice program)
{
    return slice_upto(program, slice_find(program, '/'));
}

/* Never 0. */
static uint64_t key_of(const struct maillog_line *line, struct slice what)
{
    const struct siphash_key key = {{8}};
    uint64_t parts[3] = {siphash64(&key, line->host), siphash64(&key, instance_of(line->program)), siphash64(&key, what)};
    return siphash64(&key, slice_of(parts, sizeof(parts))) | 1;
}

static bool is_loopback(const struct ip *ip)
{
    static const uint8_t v6[16] = {[15] = 1};
    return ip->family == IP_V4 ? ip->bytes[0] == 127 : ip->family == IP_V6 && memcmp(ip->bytes, v6, 16) == 0;
}

static bool is_postscreen(const struct maillog_line *line)
{
    return slice_has_suffix_nocase(line->program, SLICE_LIT("/postscreen"));
}

/* ---- processes ---- */

static void process_forget(struct join_process *p)
{
    join_text_free(&p->name);
    join_text_free(&p->helo);
    p->client = (struct ip){0};
    p->is_user = p->is_local = p->is_again = false;
    p->message = 0;
}

static void process_end(struct join *j, struct join_process *p)
{
    process_forget(p);
    join_text_free(&p->unverified);
    join_remove(&j->processes, &p->node);
    list_remove(&p->node.age);
    free(p);
}

static struct join_process *process_find(const struct join *j, const struct maillog_line *line)
{
    return line->pid.ptr ? (struct join_process *)join_find(&j->processes, key_of(line, line->pid)) : NULL;
}

static struct join_process *process_open(struct join *j, const struct maillog_line *line)
{
    struct join_process *p = process_find(j, line);
    if (p) {
        list_remove(&p->node.age);
    } else {
        if (j->processes.count >= JOIN_PROCESSES_MAX)
            process_end(j, process_of(j->process_ages.next));
        p = mem_zalloc(sizeof(*p));
        p->node.key = key_of(line, line->pid);
        join_insert(&j->processes, &p->node);
    }
    list_push_back(&j->process_ages, &p->node.age);
    return p;
}

/* The process serves this client now; what it knew of another one is over. */
static struct join_process *process_serve(struct join *j, const struct maillog_line *line, bool afresh)
{
    struct join_process *p = process_open(j, line);
    if (afresh || !ip_eq(&p->client, &line->client)) {
        process_forget(p);
        p->client = line->client;
        join_text_set(&p->name, line->name);
        if (!ip_eq(&p->unverified_client, &line->client))
            join_text_free(&p->unverified);
    }
    return p;
}

/* The process of a line that names the client on its own; NULL: none is known, or it serves many. */
static struct join_process *process_of_line(struct join *j, const struct maillog_line *line)
{
    if (!line->pid.ptr || !slice_has_suffix_nocase(line->program, SLICE_LIT("/smtpd")))
        return NULL;
    return line->client.family == IP_NONE ? process_find(j, line) : process_serve(j, line, false);
}

static void process_learn_helo(struct join *j, struct join_process *p, struct slice helo)
{
    if (!helo.len)
        return;
    join_text_set(&p->helo, helo);
    struct join_message *m = p->message ? (struct join_message *)join_find(&j->messages, p->message) : NULL;
    if (m)
        join_text_set(&m->d.helo, helo);
}

/* ---- messages ---- */

static void message_free(struct join *j, struct join_message *m)
{
    if (m->node.key)
        join_remove(&j->messages, &m->node);
    list_remove(&m->node.age);
    j->n_waiting--;
    join_text_free(&m->d.name);
    join_text_free(&m->d.helo);
    join_text_free(&m->d.sender);
    for (size_t i = 0; i < m->d.n_recipients; i++)
        join_text_free(&m->d.recipients[i]);
    free(m);
}

static void give_out(struct join *j, struct join_message *m)
{
    bool known = m->d.refused || m->state != JOIN_BEGUN;
    if (m->is_user)
        j->counts.users++;
    else if (!known)
        j->counts.unfinished++;
    else {
        if (!m->d.refused)
            m->d.retry_sec = retries_find(&j->retries, &m->d);
        j->sink.delivery(j->sink.ctx, &m->d);
    }
    message_free(j, m);
}

/* In the order of time: nothing overtakes a message that is not settled yet, but for a while only. */
static void give_out_settled(struct join *j, struct wall now)
{
    while (j->n_waiting > 0) {
        struct join_message *first = message_of(j->waiting.next);
        if (j->n_waiting > JOIN_MESSAGES_MAX)
            j->counts.forced++;
        else if (first->state != JOIN_SETTLED && now.sec - first->d.time.sec <= JOIN_WAIT_SEC)
            return;
        give_out(j, first);
    }
}

static struct join_message *message_new(struct join *j, const struct maillog_line *line, uint64_t key)
{
    struct join_message *m = mem_zalloc(sizeof(*m));
    m->node.key = key;
    m->d.time = line->time;
    m->d.times = 1;
    m->d.client = line->client;
    if (key)
        join_insert(&j->messages, &m->node);
    list_push_back(&j->waiting, &m->node.age);
    j->n_waiting++;
    return m;
}

/* What the connection tells of the client. p: NULL: nothing. */
static void message_identify(struct join_message *m, const struct maillog_line *line, const struct join_process *p)
{
    struct slice name = line->name.ptr ? line->name : p ? p->name : SLICE_NONE;
    bool has_unverified = p && p->unverified.ptr && ip_eq(&p->unverified_client, &m->d.client);
    if (name.ptr) {
        m->d.resolve = RESOLVE_OK;
    } else if (has_unverified) {
        name = p->unverified;
        m->d.resolve = p->is_temporary ? RESOLVE_TEMP : RESOLVE_FORGED;
    } else {
        m->d.resolve = RESOLVE_FAIL;
        m->d.perhaps_temp = true;
    }
    join_text_set(&m->d.name, name);
    if (p)
        join_text_set(&m->d.helo, p->helo);
}

static struct join_message *message_find(const struct join *j, const struct maillog_line *line)
{
    return line->id.ptr ? (struct join_message *)join_find(&j->messages, key_of(line, line->id)) : NULL;
}

/* The queue id stands for another message now. */
static void message_end(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    if (!m)
        return;
    join_remove(&j->messages, &m->node);
    m->node.key = 0;
    if (m->state == JOIN_TAKEN || m->d.refused)
        m->state = JOIN_SETTLED;
}

static void message_add_recipient(struct join *j, struct join_message *m, struct slice recipient)
{
    m->n_seen++;
    if (m->is_user && recipient.len)
        j->sink.correspondent(j->sink.ctx, recipient);
    for (size_t i = 0; i < m->d.n_recipients; i++)
        if (slice_eq(m->d.recipients[i], slice_upto(recipient, JOIN_TEXT_MAX))) {
            m->n_seen--; /* another attempt */
            return;
        }
    if (recipient.ptr && m->d.n_recipients < DELIVERY_RECIPIENTS_MAX)
        m->d.recipients[m->d.n_recipients++] = join_text(recipient);
}

static void message_note_progress(struct join_message *m)
{
    bool all = m->n_recipients > 0 && m->n_seen >= m->n_recipients;
    m->state = all || m->state == JOIN_SETTLED ? JOIN_SETTLED : JOIN_TAKEN;
}

/* ---- the lines ---- */

static void on_connect(struct join *j, const struct maillog_line *line)
{
    if (line->pid.ptr && line->client.family != IP_NONE)
        (void)process_serve(j, line, true);
}

static void on_disconnect(struct join *j, const struct maillog_line *line)
{
    struct join_process *p = process_find(j, line);
    if (p)
        process_end(j, p);
}

static void on_unverified(struct join *j, const struct maillog_line *line)
{
    if (!line->pid.ptr)
        return;
    struct join_process *p = process_open(j, line);
    p->unverified_client = line->client;
    p->is_temporary = line->temporary;
    join_text_set(&p->unverified, line->name);
}

/*
 * Whether a message with an original client was counted with its first pass. A front end that is not in these logs hands on what
 * nobody has counted: then the original client is the client.
 */
static bool was_here(const struct join *j, const struct maillog_line *line)
{
    return line->origin.family == IP_NONE || is_loopback(&line->origin) ||
           recent_has(&j->recent, &line->origin, line->time.sec);
}

static void on_client(struct join *j, const struct maillog_line *line)
{
    struct maillog_line mine = *line;
    bool is_again = line->has_origin && was_here(j, line);
    message_end(j, line);
    if (line->has_origin && !is_again) {
        mine.client = line->origin;
        mine.name = line->origin_name;
    }
    struct join_process *p = line->pid.ptr ? process_serve(j, &mine, false) : NULL;
    bool is_user = line->login.ptr != NULL, is_local = !is_again && !is_user && is_loopback(&mine.client);
    if (p) {
        p->message = 0;
        p->is_user = is_user;
        p->is_again = is_again;
        p->is_local = is_local;
    }
    j->counts.again += is_again;
    j->counts.local += is_local;
    if (mine.client.family != IP_NONE && !line->has_origin)
        recent_note(&j->recent, &mine.client, line->time.sec);
    if (!line->id.ptr || mine.client.family == IP_NONE || is_again || is_local)
        return;
    struct join_message *m = message_new(j, &mine, key_of(line, line->id));
    m->is_user = is_user;
    message_identify(m, &mine, p);
    if (p)
        p->message = m->node.key;
}

static void on_local(struct join *j, const struct maillog_line *line)
{
    message_end(j, line);
    j->counts.local++;
}

/* An attempt that has left nothing in the queue, or a message whose beginning was not seen. */
static void note_refused(struct join *j, const struct maillog_line *line, const struct join_process *p)
{
    struct join_message *m = message_new(j, line, 0);
    message_identify(m, line, p);
    if (is_postscreen(line))
        m->d.is_unnamed = true;
    if (line->helo.len)
        join_text_set(&m->d.helo, line->helo);
    join_text_set(&m->d.sender, line->sender);
    if (line->recipient.ptr)
        m->d.recipients[m->d.n_recipients++] = join_text(line->recipient);
    m->d.refused = true;
    m->d.times = line->repeated;
    m->state = JOIN_SETTLED;
}

/* Whether what is refused is the whole message: its content was there, or its end was near. */
static bool is_of_message(struct slice stage)
{
    static const char *const stages[] = {"END-OF-MESSAGE", "CONTENT", "DATA", "BDAT", "end of DATA"};
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        if (slice_eq_cstr(stage, stages[i]))
            return true;
    return slice_has_prefix(stage, "header ") || slice_has_prefix(stage, "body "); /* "header Subject: …" */
}

static void on_refused(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    struct join_process *p = process_of_line(j, line);
    if (p)
        process_learn_helo(j, p, line->helo);
    if (m && is_of_message(line->stage)) {
        m->d.refused = true;
        m->state = JOIN_SETTLED;
        if (!m->d.sender.ptr)
            join_text_set(&m->d.sender, line->sender);
        if (line->helo.len)
            join_text_set(&m->d.helo, line->helo);
        return;
    }
    if (line->login.ptr || line->client.family == IP_NONE || is_loopback(&line->client) || (m && m->is_user))
        return;
    if (line->verdict == MAILLOG_TEMPFAILS && line->recipient.ptr)
        retries_note(&j->retries, &line->client, line->sender, line->recipient, line->time.sec);
    note_refused(j, line, p);
}

static void on_seen(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    struct join_process *p = process_of_line(j, line);
    if (p)
        process_learn_helo(j, p, line->helo);
    if (!m)
        return;
    if (line->helo.len)
        join_text_set(&m->d.helo, line->helo);
    if (!is_of_message(line->stage))
        return;
    /* Its content has come. Where a check puts it on hold the queue manager never names this queue id. */
    if (m->state == JOIN_BEGUN)
        m->state = JOIN_TAKEN;
    if (!m->d.sender.ptr)
        join_text_set(&m->d.sender, line->sender);
    if (line->recipient.ptr && m->d.n_recipients == 0)
        m->d.recipients[m->d.n_recipients++] = join_text(line->recipient);
}

/* A proxy has taken or refused what the process has handed on; the message has no queue id here. */
static void on_proxy(struct join *j, const struct maillog_line *line)
{
    struct join_process *p = process_find(j, line);
    if (!p || p->client.family == IP_NONE || p->is_again || p->is_local)
        return;
    process_learn_helo(j, p, line->helo);
    struct maillog_line mine = *line;
    mine.client = p->client;
    struct join_message *m = message_new(j, &mine, 0);
    message_identify(m, &mine, p);
    m->is_user = p->is_user;
    m->state = JOIN_SETTLED;
    m->d.refused = line->verdict != MAILLOG_ACCEPTS;
    m->d.times = m->d.refused ? line->repeated : 1;
    join_text_set(&m->d.sender, line->sender);
    message_add_recipient(j, m, line->recipient);
}

static void on_queued(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    if (!m || m->d.refused)
        return;
    m->n_recipients = line->n_recipients;
    if (!m->d.sender.ptr)
        join_text_set(&m->d.sender, line->sender);
    message_note_progress(m);
}

static void on_recipient(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    if (!m || m->d.refused)
        return;
    message_add_recipient(j, m, line->recipient);
    message_note_progress(m);
}

static void on_removed(struct join *j, const struct maillog_line *line)
{
    struct join_message *m = message_find(j, line);
    if (m)
        m->state = JOIN_SETTLED;
}

void join_line(struct join *j, const struct maillog_line *line)
{
    static void (*const on[])(struct join *, const struct maillog_line *) = {
        [MAILLOG_OTHER] = NULL,
        [MAILLOG_UNREAD] = NULL,
        [MAILLOG_CONNECT] = on_connect,
        [MAILLOG_DISCONNECT] = on_disconnect,
        [MAILLOG_UNVERIFIED] = on_unverified,
        [MAILLOG_CLIENT] = on_client,
        [MAILLOG_LOCAL] = on_local,
        [MAILLOG_REFUSED] = on_refused,
        [MAILLOG_SEEN] = on_seen,
        [MAILLOG_PROXY] = on_proxy,
        [MAILLOG_QUEUED] = on_queued,
        [MAILLOG_RECIPIENT] = on_recipient,
        [MAILLOG_REMOVED] = on_removed,
    };
    if (!on[line->kind])
        return;
    on[line->kind](j, line);
    give_out_settled(j, line->time);
}

void join_finish(struct join *j)
{
    while (j->n_waiting > 0)
        give_out(j, message_of(j->waiting.next));
}

struct join *join_new(const struct join_sink *sink)
{
    struct join *j = mem_zalloc(sizeof(*j));
    j->sink = *sink;
    list_init(&j->process_ages);
    list_init(&j->waiting);
    return j;
}

void join_free(struct join *j)
{
    if (!j)
        return;
    while (j->n_waiting > 0)
        message_free(j, message_of(j->waiting.next));
    while (!list_is_empty(&j->process_ages))
        process_end(j, process_of(j->process_ages.next));
    free(j);
}

const struct join_counts *join_counts(const struct join *j)
{
    return &j->counts;
}
