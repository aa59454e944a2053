/*
 * maillog.h - Postfix's mail log: one line in, what it says of mail out. Knows the forms of Postfix 3.5 to 3.10 as they stand in
 * files that syslogd, rsyslog, journalctl or Postfix itself has written. Opens no file and reads no clock; which lines belong to
 * one message is join.h's.
 */
#ifndef TARSIER_FORMATS_MAILLOG_H
#define TARSIER_FORMATS_MAILLOG_H

#include "base/clock.h"
#include "base/ip.h"

enum maillog_kind {
    MAILLOG_OTHER,      /* not Postfix, or a line of Postfix that tells nothing of who sent what */
    MAILLOG_UNREAD,     /* should be read, and its form is not known */
    MAILLOG_CONNECT,    /* client */
    MAILLOG_DISCONNECT, /* client */
    MAILLOG_UNVERIFIED, /* client, name: the name does not lead back to the address; temporary: for now */
    MAILLOG_CLIENT,     /* id, client, name, authenticated, origin: a message begins */
    MAILLOG_LOCAL,      /* id: a message that was submitted on this machine */
    MAILLOG_REFUSED,    /* client, name, verdict, stage, envelope, helo; id where a message had begun */
    MAILLOG_SEEN,       /* permit, warn, milter-hold and the like: as REFUSED, but the mail goes on */
    MAILLOG_PROXY,      /* proxy-accept, proxy-reject: verdict, envelope, helo; the client is the process' own */
    MAILLOG_QUEUED,     /* id, sender, n_recipients */
    MAILLOG_RECIPIENT,  /* id, recipient: one delivery attempt */
    MAILLOG_REMOVED,    /* id: its message is done */
};

enum maillog_verdict { MAILLOG_ACCEPTS, MAILLOG_TEMPFAILS, MAILLOG_REJECTS, MAILLOG_DISCARDS };

struct maillog_line {
    enum maillog_kind kind;
    struct wall time;
    unsigned repeated;        /* "message repeated N times"; else 1 */
    struct slice host;        /* the machine that wrote it */
    struct slice program;     /* "postfix/smtpd", "mx1/submission/smtpd" */
    struct slice pid;         /* digits; NONE: it has none */
    struct slice id;          /* of the queue; NONE: none, or NOQUEUE */
    struct ip client;         /* IP_NONE: not told, or "unknown" */
    struct slice name;        /* verified name; NONE: "unknown", or not told */
    struct slice login;       /* SASL method or user; NONE: not authenticated */
    bool has_origin;          /* orig_queue_id, orig_client: it has been in a Postfix before (content filter, front end) */
    struct ip origin;         /* orig_client's; IP_NONE: not told, or "unknown" */
    struct slice origin_name; /* its verified name; NONE: "unknown", or not told */
    struct slice stage;       /* "RCPT", "END-OF-MESSAGE"; NONE where no stage is told */
    enum maillog_verdict verdict;
    struct slice sender, recipient; /* without angle brackets, and empty for <>; NONE: not told */
    struct slice helo;
    uint64_t n_recipients;
    bool temporary;
};

/* Where a file's times stand: what a line without a year means depends on the lines before it. */
struct maillog_clock {
    struct wall latest;           /* in: no line of the file is younger by more than a day: its mtime, or now */
    int year, month;              /* of the last line without a year; year 0: none yet */
    int day_year, day_month, day; /* the day whose start is known */
    int64_t day_start_sec;
    bool day_is_utc;
};

/*
 * Read one line, without its newline. Times without a zone are local ones. All slices of *out point into the line.
 * A line of no form at all is UNREAD, with time 0.
 */
void maillog_read(struct maillog_clock *clock, struct slice line, struct maillog_line *out);

#endif
