/* control.c - an engine that does what it is told. */
#include "control.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

char control_pattern(uint64_t spool, uint64_t offset)
{
    return (char)(spool * 31 + offset * 7 + offset / 251 + offset / 65536);
}

/* ---- events ---- */

static void tell(struct control *c, struct effects *out, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void tell(struct control *c, struct effects *out, const char *fmt, ...)
{
    struct buf line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    buf_put_byte(&line, '\n');
    effects_send(out, c->first, buf_slice(&line));
    buf_fini(&line);
}

static child_id child_of(unsigned n)
{
    return owner_make(OWNER_CHILD, n % 100, n / 100 + 1);
}

static void on_child(struct control *c, const struct event *e, struct effects *out)
{
    unsigned n = owner_slot(e->u.child.id) + 100 * (owner_serial(e->u.child.id) - 1);
    switch (e->u.child.news) {
    case CHILD_CONNECTED:
        tell(c, out, "%u connected", n);
        break;
    case CHILD_BYTES:
        tell(c, out, "%u bytes %.*s", n, SLICE_ARG(e->u.child.bytes));
        break;
    case CHILD_DRAINED:
        tell(c, out, "%u drained", n);
        break;
    case CHILD_LOST:
        tell(c, out, "%u lost %d", n, e->u.child.error);
        break;
    }
}

/* request = number * 100 + file; the offset of a read in the session, which nothing looks at. */
static void on_spool(struct control *c, const struct event *e, struct effects *out)
{
    unsigned number = e->request / 100, file = e->request % 100;
    if (!e->u.spool.ok) {
        tell(c, out, "%u error %d", number, e->u.spool.error);
    } else if (e->owner == 0) {
        tell(c, out, "%u ok", number);
    } else {
        uint64_t offset = e->owner - 1;
        bool same = true;
        for (size_t i = 0; i < e->u.spool.bytes.len; i++)
            same = same && e->u.spool.bytes.ptr[i] == control_pattern(file, offset + i);
        tell(c, out, "%u %s %zu", number, same ? "same" : "differs", e->u.spool.bytes.len);
    }
}

/* ---- commands ---- */

static void blob(struct effect *e, struct effects *out, unsigned bytes)
{
    char *at = arena_alloc(&out->arena, bytes);
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)('a' + i % 23);
    if (e->kind == EFFECT_CHILD_SEND)
        e->u.child.bytes = slice_of(at, bytes);
    else
        e->u.bytes = slice_of(at, bytes);
}

static bool child_command(struct effects *out, const char *line)
{
    char word[16], rest[512];
    unsigned n, bytes;
    struct effect *e;
    if (sscanf(line, "open %u %511s", &n, rest) == 2) {
        char *path = arena_alloc(&out->arena, strlen(rest) + 1);
        memcpy(path, rest, strlen(rest) + 1);
        e = effects_add(out, EFFECT_CHILD_OPEN, 0);
        e->u.child.path = path;
    } else if (sscanf(line, "tcp %u %u", &n, &bytes) == 2) {
        e = effects_add(out, EFFECT_CHILD_OPEN, 0);
        enum err error = ip_parse(slice_cstr("127.0.0.1"), &e->u.child.address);
        e->u.child.port = (uint16_t)bytes;
        if (error != ERR_NONE)
            abort();
    } else if (sscanf(line, "send %u %511[^\n]", &n, rest) == 2) {
        effects_child_send(out, child_of(n), slice_cstr(rest));
        return true;
    } else if (sscanf(line, "blob %u %u", &n, &bytes) == 2) {
        e = effects_add(out, EFFECT_CHILD_SEND, 0);
        blob(e, out, bytes);
    } else if (sscanf(line, "%15s %u", word, &n) == 2) {
        static const char *const words[] = {"drain", "pause", "resume", "close"};
        static const enum effect_kind kinds[] = {EFFECT_CHILD_DRAIN, EFFECT_CHILD_PAUSE, EFFECT_CHILD_RESUME,
                                                 EFFECT_CHILD_CLOSE};
        size_t i = 0;
        while (i < COUNT_OF(words) && strcmp(word, words[i]) != 0)
            i++;
        if (i == COUNT_OF(words))
            return false;
        e = effects_add(out, kinds[i], 0);
    } else {
        return false;
    }
    e->u.child.id = child_of(n);
    return true;
}

static bool spool_command(struct control *c, struct effects *out, const char *line)
{
    unsigned file, number, offset, bytes;
    if (sscanf(line, "write %u %u %u", &file, &number, &bytes) == 3) {
        char *at = arena_alloc(&out->arena, bytes);
        for (size_t i = 0; i < bytes; i++)
            at[i] = control_pattern(file, c->written[file] + i);
        c->written[file] += bytes;
        struct effect *e = effects_add(out, EFFECT_SPOOL_WRITE, 0);
        e->request = number ? number * 100 + file : 0;
        e->u.spool.id = file;
        e->u.spool.bytes = slice_of(at, bytes);
    } else if (sscanf(line, "read %u %u %u %u", &file, &number, &offset, &bytes) == 4) {
        struct effect *e = effects_add(out, EFFECT_SPOOL_READ, offset + 1);
        e->request = number ? number * 100 + file : 0;
        e->u.spool.id = file;
        e->u.spool.offset = offset;
        e->u.spool.length = bytes;
    } else if (sscanf(line, "free %u", &file) == 1) {
        c->written[file] = 0;
        effects_add(out, EFFECT_SPOOL_CLOSE, 0)->u.spool.id = file;
    } else {
        return false;
    }
    return true;
}

static void command(struct control *c, owner_id session, const char *line, struct effects *out)
{
    char word[512];
    unsigned n;
    if (sscanf(line, "echo %511s", word) == 1) {
        tell(c, out, "%s", word);
    } else if (sscanf(line, "selfblob %u", &n) == 1) {
        blob(effects_add(out, EFFECT_SEND, session), out, n);
    } else if (sscanf(line, "selfdrain %u", &n) == 1) {
        effects_add(out, EFFECT_DRAIN, session)->request = n;
    } else if (sscanf(line, "dns %u", &n) == 1) {
        effects_add(out, EFFECT_DNS, session)->request = n;
    } else if (!spool_command(c, out, line) && !child_command(out, line)) {
        tell(c, out, "what? %s", line);
    }
}

static void step(void *ctx, const struct event *e, struct effects *out)
{
    struct control *c = ctx;
    EXPECT(c, !c->stepping);
    c->stepping = true;
    if (e->kind == EVENT_OPEN && !c->first)
        c->first = e->owner;
    if (e->kind == EVENT_CHILD)
        on_child(c, e, out);
    if (e->kind == EVENT_SPOOL)
        on_spool(c, e, out);
    if (e->kind == EVENT_DRAINED)
        tell(c, out, "drained %u", e->request);
    if (e->kind == EVENT_DNS)
        tell(c, out, "dns %u %s", e->request, e->u.dns.status == DNS_FOUND ? "found" : "failed");
    if (e->kind == EVENT_EOF)
        effects_add(out, EFFECT_CLOSE, e->owner);
    if (e->kind == EVENT_STOP)
        effects_add(out, EFFECT_STOPPED, 0);
    if (e->kind == EVENT_BYTES) {
        struct buf line = {0};
        for (struct slice rest = e->u.bytes; rest.len > 0;) {
            buf_clear(&line);
            buf_put_slice(&line, slice_cut(&rest, '\n'));
            command(c, e->owner, buf_cstr(&line), out);
        }
        buf_fini(&line);
    }
    c->stepping = false;
}

/* ---- a test's frame ---- */

static bool no_ticks(void *ctx)
{
    (void)ctx;
    return false;
}

static void woken(void *ctx)
{
    struct control *c = ctx;
    io_stop(c->io, 0, 5000);
}

void control_start(struct control *c, struct io_limits limits)
{
    snprintf(c->directory, sizeof(c->directory), "/tmp/tarsier-io-XXXXXX");
    if (!mkdtemp(c->directory))
        abort();
    snprintf(c->socket_path, sizeof(c->socket_path), "%s/mta", c->directory);
    c->hooks.ctx = c;
    c->hooks.step = step;
    c->hooks.wants_ticks = no_ticks;
    if (!c->hooks.woken)
        c->hooks.woken = woken;
    if (!limits.spool_directory)
        limits.spool_directory = c->directory;
    EXPECT(c, io_new(&c->io, &c->hooks, &limits) == ERR_NONE);
    struct buf address = {0}, why = {0};
    buf_printf(&address, "unix:%s", c->socket_path);
    struct io_listen spec = {.address = buf_cstr(&address), .mode = -1, .owner = (uid_t)-1};
    EXPECT(c, io_listen(c->io, &spec, &why) == ERR_NONE);
    buf_fini(&address);
    buf_fini(&why);
}

struct part {
    struct control *c;
    control_script *script;
};

static void *part_main(void *arg)
{
    struct part *p = arg;
    int mta = control_dial(p->c);
    EXPECT(p->c, control_ask(mta, "echo hello") && control_hear(mta, "hello\n"));
    p->script(p->c, mta);
    close(mta);
    io_wake(p->c->io);
    return NULL;
}

void control_run(struct control *c, control_script *script)
{
    struct part p = {.c = c, .script = script};
    pthread_t thread;
    pthread_create(&thread, NULL, part_main, &p);
    io_run(c->io);
    pthread_join(thread, NULL);
    io_free(c->io);
    EXPECT(c, rmdir(c->directory) == 0); /* nothing is left in it */
}

int control_dial(struct control *c)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, c->socket_path, strlen(c->socket_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT(c, connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

static bool write_all(int fd, struct buf *text)
{
    bool ok = write(fd, buf_cstr(text), text->len) == (ssize_t)text->len;
    buf_fini(text);
    return ok;
}

bool control_say(int fd, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return write_all(fd, &text);
}

bool control_ask(int mta, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_put_byte(&text, '\n');
    return write_all(mta, &text);
}

bool control_hear(int fd, const char *fmt, ...)
{
    struct buf want = {0}, got = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&want, fmt, ap);
    va_end(ap);
    bool ok = true;
    while (ok && got.len < want.len) {
        ssize_t n = read(fd, buf_reserve(&got, want.len - got.len), want.len - got.len);
        ok = n > 0;
        got.len += ok ? (size_t)n : 0;
    }
    ok = ok && slice_eq(buf_slice(&got), buf_slice(&want));
    if (!ok)
        printf("# heard \"%s\"\n# want  \"%s\"\n", buf_cstr(&got), buf_cstr(&want));
    buf_fini(&want);
    buf_fini(&got);
    return ok;
}

bool control_hear_blob(int fd, size_t bytes)
{
    static _Thread_local char block[65536];
    size_t have = 0;
    bool ok = true;
    while (ok && have < bytes) {
        ssize_t n = read(fd, block, bytes - have < sizeof(block) ? bytes - have : sizeof(block));
        for (ssize_t i = 0; i < n; i++)
            ok = ok && block[i] == (char)('a' + (have + (size_t)i) % 23);
        ok = ok && n > 0;
        have += n > 0 ? (size_t)n : 0;
    }
    return ok;
}

bool control_hear_end(int fd)
{
    char c;
    return read(fd, &c, 1) == 0;
}

bool control_nothing_more(int mta)
{
    bool ok = true;
    for (int i = 0; ok && i < 5; i++)
        ok = control_ask(mta, "echo quiet%d", i) && control_hear(mta, "quiet%d\n", i);
    return ok;
}
