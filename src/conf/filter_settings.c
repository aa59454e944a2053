/* filter_settings.c - the table of the settings in a filter's braces. */
#include "conf/settings.h"
#include "base/mem.h"

#define AT(field) offsetof(struct conf_filter_settings, field)

/* An answer may be waited for as long as an MTA may wait for us; more than a day is a slip of the pen. */
enum { DAY_SEC = 86400 };

static const struct setting rows[] = {
    /* clang-format off */
    {.name = "description", .type = SETTING_STRING, .offset = AT(description), .argument = "\"text\"",
     .text = "What the filter is for; it is shown, and does nothing."},
    {.name = "enabled", .type = SETTING_FLAG, .offset = AT(enabled), .value = true,
     .text = "With no the filter is never asked."},
    {.name = "evaluation", .type = SETTING_FLAG, .offset = AT(evaluation),
     .text = "The filter is asked and its verdict is logged, but nothing of it is applied."},
    {.name = "fallback", .type = SETTING_CHOICE, .offset = AT(fallback), .value = SETTING_FALLBACK_GLOBAL,
     .words = setting_fallback_words, .default_text = "what the global fallback says", .child_only = true, .argument = "what",
     .text = "What counts as the filter's verdict when it gives none: it cannot be reached, is too slow, dies or answers "
             "nonsense."},
    {.name = "timeout connect", .type = SETTING_TIME, .offset = AT(timeout_connect_sec), .value = 5, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long it may take to reach the filter and to agree with it on the protocol."},
    {.name = "timeout command", .type = SETTING_TIME, .offset = AT(timeout_command_sec), .value = 30, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long an answer may take up to DATA. Whenever the filter says that it is still at work, the clock starts again; "
             "so it does in the two below."},
    {.name = "timeout message", .type = SETTING_TIME, .offset = AT(timeout_message_sec), .value = 30, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long an answer may take to a header or a part of the body, and how long the filter may refuse to read."},
    {.name = "timeout end-of-message", .type = SETTING_TIME, .offset = AT(timeout_eom_sec), .value = 300, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long the answer to a whole message may take."},
    {.name = "progress max", .type = SETTING_TIME, .offset = AT(progress_max_sec), .value = 600, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long one answer may take in all, however often the filter says that it is still at work."},
    {.name = "breaker failures", .type = SETTING_NUMBER, .offset = AT(breaker_failures), .value = 5, .min = 0, .max = 1000000,
     .child_only = true, .argument = "number",
     .text = "After so many failures in a row the filter is not tried for a while, and its fallback counts at once. 0: it is "
             "always tried."},
    {.name = "breaker pause", .type = SETTING_TIME, .offset = AT(breaker_pause_sec), .value = 60, .min = 1, .max = DAY_SEC,
     .child_only = true, .argument = "time",
     .text = "How long that while becomes at most. It grows from one failed attempt to the next. When it is over one session "
             "tries the filter; the others follow once the filter has answered that one."},
    /* clang-format on */
};

_Static_assert(COUNT_OF(rows) <= CONF_FILTER_SETTINGS_MAX, "origins need a place each");

const struct settings_table *settings_filter(void)
{
    static const struct settings_table table = {rows, COUNT_OF(rows)};
    return &table;
}
