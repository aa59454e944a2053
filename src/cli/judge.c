/*
 * judge.c - `tarsier judge`: what generic_rdns sees of a name, of one or of a list from stdin. The words and weights are those of
 * the configuration, which need not be there.
 */
#include "cli/cli.h"
#include "setup/files.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 4096, /* a name has 253 at the most; a list may hold garbage */
    ERRORS_MAX = 20,       /* told one by one */
};

struct judge {
    const struct plan *plan;
    const struct domain_list *domains;
};

static struct generic_verdict judge_one(const struct judge *j, struct slice name, const struct ip *ip)
{
    struct generic_verdict v;
    policy_judge_name(j->plan->policy, j->domains, name, ip, &v);
    return v;
}

/* An address that is not known is empty or `-`: then the words count, and the form of an IPv6 address. */
static bool read_address(struct slice text, struct ip *ip)
{
    *ip = (struct ip){0};
    return text.len == 0 || slice_eq_cstr(text, "-") || ip_parse(text, ip) == ERR_NONE;
}

/* ---- one name ---- */

static void print_sum(const struct judge *j, const struct generic_verdict *v)
{
    struct buf text = {0};
    int64_t threshold = j->plan->conf->generic.threshold;
    for (unsigned i = 0; i < v->n_reasons; i++) {
        generic_put_reason(&v->reasons[i], &text);
        buf_put_byte(&text, '\n');
    }
    buf_printf(&text, "%s%d point%s: %s (from %lld on a name is selected)\n",
               v->n_reasons ? "= " : "nothing found: ", v->points, v->points == 1 ? "" : "s",
               v->selected ? "selected" : "not selected", (long long)threshold);
    fputs(buf_cstr(&text), stdout);
    buf_fini(&text);
}

/* ---- a list ---- */

/* `name TAB address`; what stands behind a second TAB is nothing to us. Returns what is wrong, or NULL. */
static const char *read_line(struct slice line, struct slice *name, struct slice *address, struct ip *ip)
{
    struct slice rest = line;
    *name = slice_cut(&rest, '\t');
    if (!rest.ptr)
        return "there is no TAB between a name and an address";
    *address = slice_cut(&rest, '\t');
    if (!name->len)
        return "the name is empty";
    return read_address(*address, ip) ? NULL : "the second column is no IP address";
}

static void put_verdict(struct slice name, struct slice address, const struct generic_verdict *v, struct buf *out)
{
    buf_put_slice(out, name);
    buf_put_byte(out, '\t');
    buf_put_slice(out, address);
    buf_printf(out, "\t%d\t%s\t", v->points, v->selected ? "yes" : "no");
    generic_put_reasons(v, out);
    buf_put_byte(out, '\n');
}

struct listing {
    unsigned long line, wrong;
    struct buf out;
};

static void judge_line(const struct judge *j, struct listing *l, struct slice line)
{
    struct slice name, address;
    struct ip ip;
    const char *wrong = line.len >= LINE_MAX_BYTES ? "the line is too long" : read_line(line, &name, &address, &ip);
    if (!wrong) {
        struct generic_verdict v = judge_one(j, name, &ip);
        put_verdict(name, address, &v, &l->out);
        return;
    }
    if (l->wrong++ < ERRORS_MAX)
        fprintf(stderr, "tarsier judge: line %lu: %s\n", l->line, wrong);
    else if (l->wrong == ERRORS_MAX + 1)
        fprintf(stderr, "tarsier judge: …, and more of them\n");
}

static bool flush(struct listing *l)
{
    bool ok = fwrite(l->out.ptr, 1, l->out.len, stdout) == l->out.len;
    buf_clear(&l->out);
    return ok;
}

static bool take_line(struct slice *line)
{
    static const char ends[] = "\r\n";
    *line = slice_trim(*line, ends);
    return line->len > 0 && line->ptr[0] != '#';
}

static int judge_list(const struct judge *j, FILE *in)
{
    struct listing l = {0};
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    bool written = true;
    while (written && (n = getline(&text, &room, in)) >= 0) {
        struct slice line = slice_of(text, (size_t)n);
        l.line++;
        if (take_line(&line))
            judge_line(j, &l, line);
        if (l.out.len > 1 << 16)
            written = flush(&l);
    }
    bool read = !ferror(in);
    if (written && l.out.len)
        written = flush(&l);
    written = fflush(stdout) == 0 && written;
    if (!read || !written)
        fprintf(stderr, "tarsier judge: cannot %s: %s\n", read ? "write" : "read", strerror(errno));
    if (l.wrong)
        fprintf(stderr, "tarsier judge: %lu of %lu lines could not be read\n", l.wrong, l.line);
    free(text);
    buf_fini(&l.out);
    return l.wrong || !read || !written ? CLI_FAILED : CLI_OK;
}

/* ---- both ---- */

static bool is_list(int argc, char **argv)
{
    return argc == 1 && strcmp(argv[0], "-") == 0;
}

static int run(const struct judge *j, int argc, char **argv, const struct ip *ip)
{
    if (is_list(argc, argv))
        return judge_list(j, stdin);
    struct generic_verdict v = judge_one(j, slice_cstr(argv[0]), ip);
    print_sum(j, &v);
    return CLI_OK;
}

int cli_judge(const struct command *c, int argc, char **argv)
{
    const char *file = NULL;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o != 'f')
            return cli_usage(c, NULL);
        file = optarg;
    }
    struct ip ip = {0};
    argc -= optind;
    argv += optind;
    if (argc != 2 && !is_list(argc, argv))
        return cli_usage(c, "it takes a name and an address, or - for a list of them from standard input");
    if (argc == 2 && !read_address(slice_cstr(argv[1]), &ip))
        return cli_usage(c, "the second argument is the client's IP address, or - for one that is not known");
    struct plan *plan = cli_plan(file);
    if (!plan)
        return CLI_FAILED;
    struct domain_list *own = domain_list_open();
    struct judge j = {.plan = plan, .domains = own};
    int status = CLI_FAILED;
    if (own)
        status = run(&j, argc, argv, &ip);
    else
        fprintf(stderr, "tarsier judge: there is no Public Suffix List; install the package publicsuffix\n");
    domain_list_free(own);
    plan_unref(plan);
    return status;
}
