/* err.c - texts of the error values. */
#include "base/err.h"

static const char *const texts[ERR_MAX_] = {
    [ERR_NONE] = "no error",         [ERR_SYNTAX] = "syntax error",       [ERR_RANGE] = "value out of range",
    [ERR_LIMIT] = "limit reached",   [ERR_UNSUPPORTED] = "not supported", [ERR_NOT_FOUND] = "not found",
    [ERR_EXISTS] = "exists already", [ERR_CORRUPT] = "damaged data",      [ERR_FULL] = "no room",
    [ERR_BUSY] = "in use",           [ERR_TIMEOUT] = "timed out",         [ERR_IO] = "system error",
};

const char *err_text(enum err e)
{
    if ((unsigned)e >= ERR_MAX_ || !texts[e])
        return "unknown error";
    return texts[e];
}
