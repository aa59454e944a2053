/*
 * setup.c - `tarsier setup postfix`: Postfix's main.cf made to ask tarsierd, and back. It shows, asks, and does; what is
 * decided stands in postfix/.
 */
#include "cli/setup.h"
#include "conf/settings.h"
#include "file/replace.h"
#include "postfix/mta.h"
#include "setup/files.h"
#include "setup/postfix.h"
#include "setup/program.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAIN_CF_MAX_BYTES = 8 << 20 };

/* What maincf_undo may take out beside smtpd_milters. */
static const char *const all_extras[] = {"milter_default_action = accept", "smtpd_forbid_unauth_pipelining = yes"};

static const char usual_listen[] = "unix:/var/spool/postfix/tarsier/tarsier.sock";

/* Several lines, each with two blanks before it. */
static void say_lines(const char *text)
{
    struct buf out = {0};
    struct slice rest = slice_trim(slice_cstr(text), "\n");
    while (rest.ptr) {
        buf_put_cstr(&out, "  ");
        buf_put_visible(&out, slice_cut(&rest, '\n'));
        buf_put_byte(&out, '\n');
    }
    fputs(buf_cstr(&out), stdout);
    buf_fini(&out);
}

static int failed(const char *text)
{
    fflush(stdout);
    fprintf(stderr, "tarsier setup: %s\n", text);
    return CLI_FAILED;
}

/* ---- reading ---- */

/* NULL, or what is wrong. */
static const char *read_postfix(struct setup *s)
{
    struct buf why = {0};
    const char *wrong = NULL;
    s->main_cf = arena_printf(&s->arena, "%s/main.cf", s->config_dir);
    if (file_read(s->main_cf, MAIN_CF_MAX_BYTES, &s->text) != ERR_NONE)
        return arena_printf(&s->arena, "%s cannot be read; -c names another directory of Postfix's", s->main_cf);
    if (setup_postfix_services(s->config_dir, postfix_advice_wanted, &s->arena, &s->values, &why) != ERR_NONE)
        wrong = arena_cstr(&s->arena, buf_slice(&why));
    buf_fini(&why);
    return wrong;
}

/* How many smtpd there may be at its port; 0: not known. */
static uint32_t sessions_of(struct setup *s, const struct postfix_values *values)
{
    struct buf master = {0};
    struct slice limit = postfix_value(values, NULL, "default_process_limit");
    const char *main_cf = arena_printf(&s->arena, "default_process_limit = %.*s\n", SLICE_ARG(limit));
    uint32_t n = 0;
    if (file_read(arena_printf(&s->arena, "%s/master.cf", s->config_dir), MAIN_CF_MAX_BYTES, &master) == ERR_NONE)
        n = mta_sessions(slice_cstr(main_cf), buf_slice(&master));
    buf_fini(&master);
    return n;
}

/* ---- saying ---- */

static bool ask(const struct setup *s, const char *question)
{
    char answer[16];
    if (s->yes)
        return true;
    printf("%s [y/N] ", question);
    fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void say_advice(struct setup *s, const struct postfix_values *after)
{
    struct buf text = {0}, lines = {0}, why = {0};
    size_t n;
    if (postfix_advise(&s->arena, s->plan->conf, after, &s->decided, sessions_of(s, after), &text) > 0) {
        printf("\nWarning:\n");
        say_lines(buf_cstr(&text));
    }
    if (setup_postfix_networks(s->config_dir, s->plan, &lines, &n, &why) == ERR_NONE && lines.len > 0) {
        printf("\nPostfix takes these for its own, and tarsierd does not. Lines for /etc/tarsier/conf.d/:\n");
        say_lines(buf_cstr(&lines));
    }
    buf_fini(&text);
    buf_fini(&lines);
    buf_fini(&why);
}

/* ---- doing ---- */

static bool is_running(const struct setup *s)
{
    const char *const argv[] = {"postfix", "-c", s->config_dir, "status", NULL};
    struct buf out = {0}, why = {0};
    bool running = program_run(argv, &out, &why) == ERR_NONE;
    buf_fini(&out);
    buf_fini(&why);
    return running;
}

/* False after a message. A Postfix that does not run needs no reload. */
static bool reload(const struct setup *s, bool *running)
{
    const char *const argv[] = {"postfix", "-c", s->config_dir, "reload", NULL};
    struct buf out = {0}, why = {0};
    *running = is_running(s);
    bool done = !*running || program_run(argv, &out, &why) == ERR_NONE;
    if (!done)
        (void)failed(buf_cstr(&why));
    else
        printf("%s\n", *running ? "Postfix is reloaded." : "Postfix does not run: nothing to reload.");
    buf_fini(&out);
    buf_fini(&why);
    return done;
}

/* Write and reload; false after a message. */
static bool put_in_force(const struct setup *s, struct slice text, bool *running)
{
    if (file_exchange(s->main_cf, text) == ERR_NONE)
        return reload(s, running);
    fflush(stdout);
    fprintf(stderr, "tarsier setup: %s cannot be written: %s\n", s->main_cf, strerror(errno));
    return false;
}

/* Postfix does not do with it: as it was. */
static int back_out(const struct setup *s)
{
    bool running;
    if (put_in_force(s, buf_slice(&s->text), &running))
        printf("%s is as it was.\n", s->main_cf);
    return failed("the test session failed; the mail log tells why");
}

static int finish(struct setup *s, struct slice changed)
{
    bool running;
    if (!ask(s, "\nMake this change and reload Postfix?")) {
        printf("Nothing was changed.\n");
        return CLI_FAILED;
    }
    if (!put_in_force(s, changed, &running))
        return CLI_FAILED;
    if (running && !setup_session(s))
        return back_out(s);
    printf("Done. To undo it: tarsier setup postfix --undo\n");
    return CLI_OK;
}

/* ---- setting up ---- */

/* Postfix asks already: only looked at. */
static int look_only(struct setup *s)
{
    printf("Postfix asks tarsierd already (%s): nothing to change.\n", s->decided.milter);
    bool good = setup_reaches(s);
    say_advice(s, &s->values);
    if (good && !s->dry_run && is_running(s))
        good = setup_session(s);
    return good ? CLI_OK : CLI_FAILED;
}

static int set_up(struct setup *s)
{
    struct buf changed = {0}, shown = {0}, why = {0};
    struct postfix_values after;
    int status = CLI_FAILED;
    postfix_setup_decide(&s->arena, s->plan->conf, &s->values, buf_slice(&s->text), &s->decided);
    if (s->decided.is_asked)
        return look_only(s);
    if (s->decided.blocked)
        return failed(s->decided.blocked);
    maincf_set_up(buf_slice(&s->text), &s->decided.change, &changed);
    if (setup_compare(s, buf_slice(&changed), &after, &shown, &why) != ERR_NONE) {
        status = failed(buf_cstr(&why));
    } else {
        printf("%s, as postconf -n tells it:\n", s->main_cf);
        say_lines(buf_cstr(&shown));
        bool good = setup_reaches(s);
        say_advice(s, &after);
        if (s->dry_run)
            status = good ? CLI_OK : CLI_FAILED;
        else
            status = good ? finish(s, buf_slice(&changed)) : failed("nothing was changed: Postfix would not reach tarsierd");
    }
    buf_fini(&changed);
    buf_fini(&shown);
    buf_fini(&why);
    return status;
}

/* ---- and back ---- */

/* Without a configuration that can be read: the usual socket. */
static const char *milter_for_undo(struct setup *s)
{
    if (!s->plan) {
        struct slice queue = postfix_value(&s->values, NULL, "queue_directory"),
                     path = slice_cstr(usual_listen + strlen("unix:"));
        bool below = queue.len > 0 && slice_has_prefix(path, arena_printf(&s->arena, "%.*s/", SLICE_ARG(queue)));
        return arena_printf(&s->arena, "unix:%.*s", SLICE_ARG(below ? slice_from(path, queue.len + 1) : path));
    }
    postfix_setup_decide(&s->arena, s->plan->conf, &s->values, buf_slice(&s->text), &s->decided);
    return s->decided.milter ? s->decided.milter : "unix:tarsier/tarsier.sock";
}

static int undo(struct setup *s)
{
    struct maincf_change change = {.milter = milter_for_undo(s), .extras = {all_extras[0], all_extras[1]}};
    struct buf changed = {0}, shown = {0}, why = {0};
    struct postfix_values after;
    int status = CLI_FAILED;
    bool running;
    if (!maincf_undo(buf_slice(&s->text), &change, &changed)) {
        printf("%s does not name %s: nothing to undo.\n", s->main_cf, change.milter);
        buf_fini(&changed);
        return CLI_OK;
    }
    if (setup_compare(s, buf_slice(&changed), &after, &shown, &why) != ERR_NONE) {
        status = failed(buf_cstr(&why));
    } else {
        printf("%s, as postconf -n tells it:\n", s->main_cf);
        say_lines(buf_cstr(&shown));
        if (s->dry_run)
            status = CLI_OK;
        else if (!ask(s, "\nMake this change and reload Postfix?"))
            printf("Nothing was changed.\n");
        else
            status = put_in_force(s, buf_slice(&changed), &running) ? CLI_OK : CLI_FAILED;
    }
    buf_fini(&changed);
    buf_fini(&shown);
    buf_fini(&why);
    return status;
}

/* ---- the command ---- */

static const char *read_options(const struct command *c, int argc, char **argv, struct setup *s)
{
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            s->file = optarg;
        else if (o == 'c')
            s->config_dir = optarg;
        else if (o == 'y')
            s->yes = true;
        else if (o == 'n')
            s->dry_run = true;
        else if (o == 'u')
            s->undo = true;
        else
            return "";
    }
    return optind == argc ? NULL : "it takes no arguments but its options";
}

int cli_setup(const struct command *c, int argc, char **argv)
{
    struct setup s = {.config_dir = "/etc/postfix"};
    const char *wrong = read_options(c, argc, argv, &s);
    if (wrong)
        return cli_usage(c, wrong);
    s.plan = cli_plan(s.file);
    if (!s.plan && !s.undo)
        return CLI_FAILED;
    wrong = read_postfix(&s);
    int status = wrong ? failed(wrong) : s.undo ? undo(&s) : set_up(&s);
    fflush(stdout);
    plan_unref(s.plan);
    buf_fini(&s.text);
    arena_fini(&s.arena);
    return status;
}
