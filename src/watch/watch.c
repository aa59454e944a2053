/*
 * watch.c - exact look-ups with inet_diag_req_v2. No dump request is ever made: one of those walks every socket of the machine.
 *
 * 64 requests share a datagram because a look costs 1.4 us then instead of 5; with many more the answers overrun the receive
 * buffer, and the kernel drops them without a word. A look that decides about a 421 goes alone, so that it depends on nothing.
 */
#include "watch/watch.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WATCH_BATCH = 64,
    WATCH_ANSWER_BYTES = 512, /* an answer is about 120; what is cut off are attributes that nobody reads */
    TCP_NEW_SYN_RECV_ = 12,   /* the kernel's, in no header of user space */
};

struct watch_request {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

/* One look that was asked for; its place in the batch and the batch's first number make the sequence number. */
struct watch_look {
    owner_id owner;
    uint32_t request;
    bool alone, answered;
    struct endpoints ends;
    uint64_t cookie;
};

struct watch {
    int fd;
    uint32_t sequence;
    struct watch_look *looks;
    size_t count, cap;
    struct watch_request out[WATCH_BATCH];
    char in[WATCH_BATCH][WATCH_ANSWER_BYTES];
};

enum err watch_open(struct watch **out)
{
    *out = NULL;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return ERR_IO;
    /* Connected to the kernel: nothing from another process can be taken for an answer. */
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return ERR_IO;
    }
    struct watch *w = mem_zalloc(sizeof(*w));
    w->fd = fd;
    *out = w;
    return ERR_NONE;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    close(w->fd);
    free(w->looks);
    free(w);
}

void watch_add(struct watch *w, const struct effect *look)
{
    w->looks = mem_grow(w->looks, &w->cap, w->count + 1, sizeof(*w->looks));
    w->looks[w->count++] = (struct watch_look){
        .owner = look->owner,
        .request = look->request,
        .alone = look->u.look.alone,
        .ends = look->u.look.ends,
        .cookie = look->u.look.cookie,
    };
}

/*
 * IPv4 is asked for as IPv4 also where smtpd listens on a dual-stack IPv6 socket: the kernel keeps such connections in the
 * table by their IPv4 addresses and does not compare the family.
 */
static void request_fill(struct watch_request *q, const struct watch_look *look, uint32_t sequence)
{
    *q = (struct watch_request){
        .head = {.nlmsg_len = sizeof(*q),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = sequence},
        .body = {.sdiag_family = look->ends.local.family == IP_V6 ? AF_INET6 : AF_INET,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = ~0U},
    };
    struct inet_diag_sockid *id = &q->body.id;
    size_t bytes = look->ends.local.family == IP_V6 ? 16 : 4;
    memcpy(id->idiag_src, look->ends.local.bytes, bytes);
    memcpy(id->idiag_dst, look->ends.remote.bytes, bytes);
    id->idiag_sport = htons(look->ends.local_port);
    id->idiag_dport = htons(look->ends.remote_port);
    id->idiag_cookie[0] = look->cookie ? (uint32_t)look->cookie : INET_DIAG_NOCOOKIE;
    id->idiag_cookie[1] = look->cookie ? (uint32_t)(look->cookie >> 32) : INET_DIAG_NOCOOKIE;
}

static enum look_result state_result(uint8_t state)
{
    switch (state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
    case TCP_NEW_SYN_RECV_:
        return LOOK_ALIVE;
    case TCP_LISTEN:
        return LOOK_LISTEN;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_TIME_WAIT:
    case TCP_CLOSE:
    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
        return LOOK_GONE;
    default:
        return LOOK_UNKNOWN;
    }
}

/* One datagram of the kernel's. It holds one message; anything else that may ever stand in it is passed over. */
static void answer_take(struct watch_look *looks, size_t n, uint32_t first, const char *bytes, size_t len,
                        watch_found *found, void *ctx)
{
    struct nlmsghdr head;
    if (len < sizeof(head))
        return;
    memcpy(&head, bytes, sizeof(head));
    uint32_t at = head.nlmsg_seq - first;
    if (at >= n || looks[at].answered)
        return;
    const char *body = bytes + NLMSG_HDRLEN;
    size_t body_len = len - NLMSG_HDRLEN;
    enum look_result result = LOOK_UNKNOWN;
    uint64_t cookie = 0;
    if (head.nlmsg_type == NLMSG_ERROR && body_len >= sizeof(struct nlmsgerr)) {
        struct nlmsgerr error;
        memcpy(&error, body, sizeof(error));
        /* A wrong cookie is ENOENT today; sock_diag_check_cookie itself says ESTALE. */
        if (error.error == -ENOENT || error.error == -ESTALE)
            result = LOOK_ABSENT;
    } else if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY && body_len >= sizeof(struct inet_diag_msg)) {
        struct inet_diag_msg msg;
        memcpy(&msg, body, sizeof(msg));
        result = state_result(msg.idiag_state);
        cookie = (uint64_t)msg.id.idiag_cookie[1] << 32 | msg.id.idiag_cookie[0];
    }
    looks[at].answered = true;
    found(ctx, looks[at].owner, looks[at].request, result, cookie);
}

/* Read until n looks are answered or nothing is left. */
static void answers_read(struct watch *w, struct watch_look *looks, size_t n, uint32_t first, watch_found *found, void *ctx)
{
    struct iovec iov[WATCH_BATCH];
    struct mmsghdr messages[WATCH_BATCH] = {0};
    for (size_t i = 0; i < WATCH_BATCH; i++) {
        iov[i] = (struct iovec){.iov_base = w->in[i], .iov_len = sizeof(w->in[i])};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    for (size_t left = n; left > 0;) {
        int got = recvmmsg(w->fd, messages, WATCH_BATCH, MSG_DONTWAIT, NULL);
        if (got < 0 && (errno == EINTR || errno == ENOBUFS))
            continue; /* ENOBUFS: an overrun is told once, what did fit follows */
        if (got <= 0)
            return;
        for (int i = 0; i < got; i++)
            answer_take(looks, n, first, w->in[i], messages[i].msg_len, found, ctx);
        left = 0;
        for (size_t i = 0; i < n; i++)
            left += !looks[i].answered;
    }
}

static void batch_run(struct watch *w, struct watch_look *looks, size_t n, watch_found *found, void *ctx)
{
    uint32_t first = w->sequence;
    w->sequence += (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        request_fill(&w->out[i], &looks[i], first + (uint32_t)i);
    ssize_t sent;
    do
        sent = send(w->fd, w->out, n * sizeof(w->out[0]), MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent > 0)
        answers_read(w, looks, n, first, found, ctx);
    for (size_t i = 0; i < n; i++) {
        if (!looks[i].answered)
            found(ctx, looks[i].owner, looks[i].request, LOOK_UNKNOWN, 0);
    }
}

void watch_flush(struct watch *w, watch_found *found, void *ctx)
{
    for (size_t i = 0; i < w->count;) {
        size_t n = 1;
        while (!w->looks[i].alone && n < WATCH_BATCH && i + n < w->count && !w->looks[i + n].alone)
            n++;
        batch_run(w, &w->looks[i], n, found, ctx);
        i += n;
    }
    w->count = 0;
}
