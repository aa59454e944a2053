/* maincf.c - any text as main.cf: set up and taken back it is what it was, and set up it asks us first. */
#include "postfix/maincf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct maincf_change change = {
    .milter = "unix:tarsier/tarsier.sock",
    .extras = {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"}};

static bool has(struct slice text, const char *word)
{
    for (struct slice s = slice_cstr(word); text.len >= s.len; text = slice_from(text, 1))
        if (slice_eq(slice_upto(text, s.len), s))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct buf changed = {0}, back = {0};
    bool ours_before = has(text, change.milter) || has(text, "tarsier setup postfix");
    maincf_set_up(text, &change, &changed);
    if (!maincf_sets(buf_slice(&changed), "smtpd_milters") || !has(buf_slice(&changed), change.milter))
        PANIC("it does not ask us");
    bool found = maincf_undo(buf_slice(&changed), &change, &back);
    if (!found)
        PANIC("its own work is not found");
    if (!ours_before && !slice_eq(text, slice_of(back.ptr ? back.ptr : "", back.len)))
        PANIC("it is not what it was");
    buf_fini(&changed);
    buf_fini(&back);
    return 0;
}
