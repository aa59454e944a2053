/* check.c - the questions that need nothing running: is the file right, what does it say, what does it lack of Postfix's. */
#include "setup/check.h"
#include "conf/print.h"
#include "setup/load.h"
#include "setup/postfix.h"

#include <stdio.h>

static void diags_to_stderr(const struct diags *diags, enum diag_level least)
{
    struct buf text = {0};
    diags_print_from(diags, least, &text);
    fputs(buf_cstr(&text), stderr);
    buf_fini(&text);
}

/*
 * --check --postfix: what the configuration lacks of Postfix's own networks, as lines for it. They are the answer to a question, so
 * --quiet leaves them. False after a message when Postfix cannot be asked.
 */
static bool tell_networks(const struct check_question *q, const struct plan *plan)
{
    struct buf lines = {0}, why = {0};
    size_t n;
    bool asked = setup_postfix_networks(q->postfix_dir, plan, &lines, &n, &why) == ERR_NONE;
    if (!asked)
        fprintf(stderr, "%s: Postfix's networks cannot be compared: %s\n", q->program, buf_cstr(&why));
    else if (n == 0 && !q->quiet)
        printf("Postfix's mynetworks, relayhost and relay_domains: nothing to add\n");
    else if (n > 0)
        printf("# Lines to add before the racl line that holds, best in a file of their own in /etc/tarsier/conf.d/:\n");
    fputs(buf_cstr(&lines), stdout);
    buf_fini(&lines);
    buf_fini(&why);
    return asked;
}

bool check_tell(const struct check_question *q)
{
    struct loaded l;
    loaded_read(q->file, q->postfix_dir, &l);
    if (!q->show)
        loaded_check_system(&l, false);
    diags_to_stderr(&l.diags, q->quiet ? DIAG_ERROR : DIAG_NOTE);
    if (l.plan && q->show) {
        struct buf text = {0};
        conf_print(l.plan->conf, &text);
        fwrite(text.ptr, 1, text.len, stdout);
        buf_fini(&text);
    } else if (l.plan && !q->quiet) {
        printf("%s: no errors, %zu warning%s\n", q->file, l.diags.warnings, l.diags.warnings == 1 ? "" : "s");
    }
    bool is_right = l.plan && (!q->networks || tell_networks(q, l.plan));
    loaded_fini(&l);
    if (fflush(stdout) != 0) {
        perror(q->program);
        return false;
    }
    return is_right;
}
