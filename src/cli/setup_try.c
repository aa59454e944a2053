/* setup_try.c - does it work: the way from smtpd to our socket, and a session with Postfix. */
#include "cli/ctl.h"
#include "cli/detect.h"
#include "cli/setup.h"
#include "setup/files.h"
#include "setup/reach.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { SESSION_PATIENCE_SEC = 60, REPLY_MAX_BYTES = 8192, PROFILES_MAX_BYTES = 1 << 20 };

/* ---- the socket ---- */

/* A file of the kernel's, whose size is told as 0; empty when it cannot be read. */
static void read_kernel(const char *path, struct buf *out)
{
    if (file_read(path, PROFILES_MAX_BYTES, out) != ERR_NONE)
        buf_clear(out);
}

/*
 * Mandatory access control acts on smtpd itself, so what we have tried in its place does not show it.
 */
static void say_mandatory(const char *address)
{
    struct buf enforce = {0}, profiles = {0};
    read_kernel("/sys/fs/selinux/enforce", &enforce);
    read_kernel("/sys/kernel/security/apparmor/profiles", &profiles);
    const char *path = slice_has_prefix(slice_cstr(address), "unix:") ? address + strlen("unix:") : NULL;
    if (slice_has_prefix(slice_of(enforce.ptr ? enforce.ptr : "", enforce.len), "1"))
        printf("  SELinux is enforcing. Where the mail log says \"Permission denied\": ausearch -m avc -c smtpd tells of "
               "it, and\n"
               "  audit2allow makes a rule of that.\n");
    if (postfix_apparmor_confines(slice_of(profiles.ptr ? profiles.ptr : "", profiles.len))) {
        printf("  AppArmor confines smtpd. Where the mail log says \"Permission denied\": dmesg tells of it");
        if (path)
            printf(";\n  the line for its profile: %s rw,", path);
        printf("\n");
    }
    buf_fini(&enforce);
    buf_fini(&profiles);
}

static void say_why(struct setup *s, enum reach_answer answer, const char *user)
{
    const char *address = s->decided.address;
    if (answer == REACH_MISSING)
        printf("  Does tarsierd run? systemctl start tarsierd\n");
    if (answer != REACH_REFUSED || !slice_has_prefix(slice_cstr(address), "unix:"))
        return;
    struct detect_user who;
    detect_user_find("", user, &who);
    const char *modes = detect_socket(&s->arena, "", &who, address + strlen("unix:"));
    printf("  %s\n", modes ? modes : "The modes of the path would allow it.");
    printf("  The usual line of tarsier.conf: listen \"%s\" mode 660 group %s\n", address, user);
}

bool setup_reaches(struct setup *s)
{
    struct buf why = {0};
    const char *user = arena_cstr(&s->arena, postfix_value(&s->values, NULL, "mail_owner"));
    const char *queue = arena_cstr(&s->arena, postfix_value(&s->values, NULL, "queue_directory"));
    bool is_root = geteuid() == 0;
    struct reach_question q = {.address = s->decided.address, .user = user, .chroot = s->decided.chrooted ? queue : NULL};
    enum reach_answer answer = reach_try(&q, &why);
    if (answer == REACH_ANSWERS) {
        printf("\ntarsierd answers at %s", s->decided.address);
        if (is_root)
            printf(", to %s%s%s", user, q.chroot ? " in the chroot " : "", q.chroot ? q.chroot : "");
        printf(is_root ? ".\n" : ". Whether it would answer Postfix's user, only root can try.\n");
        say_mandatory(s->decided.address);
    } else {
        printf("\n%s does not get at tarsierd: %s\n", is_root ? user : "This user", buf_cstr(&why));
        say_why(s, answer, user);
        if (answer == REACH_REFUSED)
            say_mandatory(s->decided.address);
    }
    buf_fini(&why);
    return answer == REACH_ANSWERS;
}

/* ---- a session ---- */

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct timeval patience = {.tv_sec = SESSION_PATIENCE_SEC};
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *to = found; to && fd < 0; to = to->ai_next) {
        fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* A whole reply: its last line has no `-` behind the code (RFC 5321 4.2.1). False: it does not come. */
static bool read_reply(int fd, struct buf *reply)
{
    size_t line = 0;
    buf_clear(reply);
    while (reply->len < REPLY_MAX_BYTES) {
        char c;
        if (recv(fd, &c, 1, 0) != 1)
            return false;
        buf_put_byte(reply, c);
        if (c != '\n')
            continue;
        if (reply->len - line < 5 || reply->ptr[line + 3] != '-')
            return true;
        line = reply->len;
    }
    return false;
}

/* Send a command (NULL: none), and show the first line of what comes. Returns the reply's first digit; 0: there is none. */
static int say(int fd, const char *command, struct buf *reply)
{
    struct buf shown = {0};
    if (command && send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
        return 0;
    bool heard = read_reply(fd, reply);
    buf_printf(&shown, "  %-28.*s ", command ? (int)strcspn(command, "\r") : 9, command ? command : "(connect)");
    if (heard)
        buf_put_visible(&shown, slice_upto(buf_slice(reply), strcspn(buf_cstr(reply), "\r\n")));
    else
        buf_put_cstr(&shown, "no reply");
    printf("%s\n", buf_cstr(&shown));
    buf_fini(&shown);
    return heard && reply->len > 0 && ascii_is_digit(reply->ptr[0]) ? reply->ptr[0] - '0' : 0;
}

/* ---- was it tarsierd that was asked? ---- */

enum count_state { COUNT_KNOWN, COUNT_REFUSED, COUNT_NOBODY };

struct count {
    enum count_state state;
    uint64_t sessions; /* of the mail server, since tarsierd's start */
    struct buf why;    /* unless it is known */
};

static void take_count(void *ctx, const struct ctl_line *row)
{
    struct count *c = ctx;
    if (slice_eq_cstr(ctl_field(row, 0), "sessions_all") && slice_to_u64(ctl_field(row, 1), &c->sessions) == ERR_NONE)
        c->state = COUNT_KNOWN;
}

static void count_sessions(const struct setup *s, struct count *c)
{
    const struct cli_daemon at = {.file = s->file, .patience_sec = SESSION_PATIENCE_SEC};
    c->state = COUNT_REFUSED;
    if (cli_ask_quietly(&at, (struct slice[]){SLICE_LIT("status")}, 1, take_count, c, &c->why) == CLI_NO_DAEMON)
        c->state = COUNT_NOBODY;
}

/* What the counts before and after the session tell; false: tarsierd was not asked. */
static bool say_asked(const struct setup *s, const struct count *before, struct count *after)
{
    bool has_maps = postfix_value(&s->values, NULL, "smtpd_milter_maps").len > 0;
    if (before->state == COUNT_KNOWN && after->state == COUNT_KNOWN && before->sessions != after->sessions) {
        printf("  tarsierd was asked.\n");
        return true;
    }
    if (after->state == COUNT_NOBODY && s->plan->set->control) {
        printf("  A milter has answered, and it was not tarsierd: %s\n", buf_cstr(&after->why));
        return false;
    }
    if (before->state != COUNT_KNOWN || after->state != COUNT_KNOWN) {
        printf("  Whether tarsierd was asked is not known: %s\n",
               after->why.len ? buf_cstr(&after->why) : "it does not tell");
        return true;
    }
    printf("  tarsierd was not asked%s\n",
           has_maps ? ": smtpd_milter_maps has another list for this client. For others it tells nothing." : ".");
    return has_maps;
}

/* ---- all of it ---- */

/*
 * A milter that Postfix does not get at shows as 4xx at MAIL, unless milter_default_action is accept. What is said of the
 * recipient is for others to decide, and shown only.
 */
bool setup_session(struct setup *s)
{
    const char *host, *port;
    struct buf reply = {0};
    postfix_door_address(&s->arena, &s->values, &host, &port);
    struct count before = {0}, after = {0};
    printf("\nA test session with %s, port %s; no mail is sent:\n", host, port);
    count_sessions(s, &before);
    int fd = connect_to(host, port);
    if (fd < 0) {
        printf("  nobody answers: %s\n", strerror(errno));
        buf_fini(&before.why);
        return false;
    }
    bool good =
        say(fd, NULL, &reply) == 2 && say(fd, "EHLO localhost\r\n", &reply) == 2 && say(fd, "MAIL FROM:<>\r\n", &reply) == 2;
    if (good)
        (void)say(fd, "RCPT TO:<postmaster>\r\n", &reply);
    if (good)
        count_sessions(s, &after);
    (void)say(fd, "QUIT\r\n", &reply);
    close(fd);
    good = good && say_asked(s, &before, &after);
    buf_fini(&before.why);
    buf_fini(&after.why);
    buf_fini(&reply);
    return good;
}
