/*
 * judgement.c - S25R and generic_rdns on a labelled list of names, side by side. bench/evidence makes tables of what it prints.
 *
 *     judgement FILE          for each line: label, base domain, messages, name, S25R's rule, points, selected
 *     judgement --time FILE   what a judgement costs: S25R and generic_rdns in turns, the least of many rounds
 *
 * FILE has a heading and the columns hostname, address (empty: not known), label, base domain, messages.
 */
#include "base/mem.h"
#include "conf/generic.h"
#include "match/generic.h"
#include "match/s25r.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 200 };

struct host {
    char *name, *label, *base, *messages;
    struct ip ip;
};

struct hosts {
    struct host *all;
    size_t n, cap;
};

static bool read_host(char *line, struct host *h)
{
    char *field[5];
    for (int i = 0; i < 5; i++)
        if (!(field[i] = strsep(&line, "\t\r\n")))
            return false;
    *h = (struct host){.name = mem_strdup(field[0]), .label = mem_strdup(field[2]), .base = mem_strdup(field[3])};
    h->messages = mem_strdup(field[4]);
    return !*field[1] || ip_parse(slice_cstr(field[1]), &h->ip) == ERR_NONE;
}

static bool read_hosts(const char *path, struct hosts *hosts)
{
    FILE *in = fopen(path, "r");
    char line[4096];
    size_t number = 0;
    if (!in) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof(line), in)) {
        if (number++ == 0)
            continue; /* the heading */
        hosts->all = mem_grow(hosts->all, &hosts->cap, hosts->n + 1, sizeof(*hosts->all));
        if (!read_host(line, &hosts->all[hosts->n++])) {
            fprintf(stderr, "%s:%zu: not hostname, address, label, base domain and messages with TABs between\n", path,
                    number);
            fclose(in);
            return false;
        }
    }
    fclose(in);
    return true;
}

static void free_hosts(struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->n; i++) {
        free(hosts->all[i].name);
        free(hosts->all[i].label);
        free(hosts->all[i].base);
        free(hosts->all[i].messages);
    }
    free(hosts->all);
}

/* Owner: generic_words_free(*words). */
static struct generic_rules default_rules(struct generic_words **words)
{
    size_t n = 0, bad;
    struct generic_pattern patterns[512];
    for (size_t class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        struct slice rest = slice_cstr(conf_generic_classes[class].words);
        for (struct slice word; n < COUNT_OF(patterns) && (word = conf_generic_next_word(&rest)).ptr;)
            patterns[n++] = (struct generic_pattern){(enum generic_class) class, word};
    }
    if (generic_words_new(patterns, n, words, &bad) != ERR_NONE)
        PANIC("the built-in words cannot be compiled");
    struct generic_rules rules = {.words = *words, .threshold = CONF_GENERIC_THRESHOLD};
    for (size_t i = 0; i < CONF_GENERIC_WEIGHTS; i++)
        rules.weight[i] = conf_generic_weights[i].points;
    return rules;
}

static void print_all(const struct hosts *hosts, const struct generic_rules *rules, const struct domain_list *list)
{
    for (size_t i = 0; i < hosts->n; i++) {
        const struct host *h = &hosts->all[i];
        struct generic_verdict v;
        generic_judge(rules, list, slice_cstr(h->name), &h->ip, &v);
        printf("%s\t%s\t%s\t%s\t%d\t%d\t%d\n", h->label, h->base, h->messages, h->name, s25r_match(slice_cstr(h->name)),
               v.points, v.selected);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void time_all(const struct hosts *hosts, const struct generic_rules *rules, const struct domain_list *list)
{
    double best[2] = {1e30, 1e30}, bytes = 0;
    unsigned long seen = 0; /* so that nothing is left out as useless */
    for (size_t i = 0; i < hosts->n; i++)
        bytes += (double)strlen(hosts->all[i].name);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (size_t i = 0; i < hosts->n; i++)
            seen += (unsigned long)s25r_match(slice_cstr(hosts->all[i].name));
        double middle = now_us();
        for (size_t i = 0; i < hosts->n; i++) {
            struct generic_verdict v;
            generic_judge(rules, list, slice_cstr(hosts->all[i].name), &hosts->all[i].ip, &v);
            seen += v.selected;
        }
        double end = now_us();
        best[0] = middle - start < best[0] ? middle - start : best[0];
        best[1] = end - middle < best[1] ? end - middle : best[1];
    }
    printf("names %zu, %.1f bytes each: S25R %.3f us, generic_rdns %.3f us a judgement (%lu)\n", hosts->n,
           bytes / (double)hosts->n, best[0] / (double)hosts->n, best[1] / (double)hosts->n, seen);
}

int main(int argc, char **argv)
{
    bool timed = argc == 3 && strcmp(argv[1], "--time") == 0;
    struct hosts hosts = {0};
    if (argc != 2 + timed) {
        fprintf(stderr, "usage: judgement [--time] FILE\n");
        return 2;
    }
    struct domain_list *list = domain_list_open();
    bool ready = list && read_hosts(argv[1 + timed], &hosts) && hosts.n > 0;
    struct generic_words *words = NULL;
    struct generic_rules rules = default_rules(&words);
    if (!ready)
        fprintf(stderr, "judgement: no Public Suffix List, or no names\n");
    else if (timed)
        time_all(&hosts, &rules, list);
    else
        print_all(&hosts, &rules, list);
    generic_words_free(words);
    domain_list_free(list);
    free_hosts(&hosts);
    return fflush(stdout) != 0 || !ready;
}
