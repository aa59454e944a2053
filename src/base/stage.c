/* stage.c - the stages' names. */
#include "base/stage.h"

const char *stage_name(enum stage stage)
{
    static const char *const names[STAGE_MAX_] = {
        [STAGE_CONNECT] = "connect",    [STAGE_HELO] = "helo",     [STAGE_MAIL] = "mail", [STAGE_RCPT] = "rcpt",
        [STAGE_DATA] = "data",          [STAGE_HEADER] = "header", [STAGE_EOH] = "eoh",   [STAGE_BODY] = "body",
        [STAGE_EOM] = "end-of-message", [STAGE_END] = "end",
    };
    return names[stage];
}
