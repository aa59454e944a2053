/* err.h - the one list of error values. Text is made at the edges (err_text), never carried. */
#ifndef TARSIER_BASE_ERR_H
#define TARSIER_BASE_ERR_H

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
    ERR_NONE = 0,
    ERR_SYNTAX,      /* the bytes do not follow their grammar */
    ERR_RANGE,       /* a value outside its bounds */
    ERR_LIMIT,       /* a limit of ours was reached (length, number, matching effort) */
    ERR_UNSUPPORTED, /* known, but not done here */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_CORRUPT, /* stored data that we cannot have written */
    ERR_FULL,    /* no room: disk, map, queue */
    ERR_BUSY,    /* somebody else has it */
    ERR_TIMEOUT,
    ERR_IO,  /* the system refused; errno tells more where it is still at hand */
    ERR_MAX_ /* number of values, not one of them */
};

/* A few words for a log line; never NULL. */
const char *err_text(enum err e);

#endif
