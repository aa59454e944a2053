/* plain_generic.c - the judgement of names a second time. */
#include "plain_generic.h"

#include "base/mem.h"
#include "conf/generic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

#define DIGITS  "0123456789"
#define HEX     DIGITS "abcdef"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"

/* How many characters of the set stand at s. */
static size_t run_of(const char *s, const char *set)
{
    return strspn(s, set);
}

static bool run_begins(const char *text, size_t at, const char *set)
{
    return in(text[at], set) && (at == 0 || !in(text[at - 1], set));
}

static char *copy_of(const char *text, size_t len)
{
    char *copy = mem_zalloc(len + 1);
    memcpy(copy, text, len);
    return copy;
}

/* ---- the defaults ---- */

struct generic_rules plain_default_rules(void)
{
    struct generic_pattern patterns[512];
    size_t n = 0, bad;
    for (int class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        struct slice rest = slice_cstr(conf_generic_classes[class].words);
        for (struct slice word; (word = conf_generic_next_word(&rest)).ptr;)
            patterns[n++] = (struct generic_pattern){(enum generic_class) class, word};
    }
    struct generic_rules rules = {.threshold = CONF_GENERIC_THRESHOLD};
    struct generic_words *words;
    if (generic_words_new(patterns, n, &words, &bad) != ERR_NONE)
        abort();
    rules.words = words;
    for (int f = 0; f < CONF_GENERIC_WEIGHTS; f++)
        rules.weight[f] = conf_generic_weights[f].points;
    return rules;
}

/* ---- IPv4 ---- */

static bool plain_hex4(const char *text, const uint8_t o[4])
{
    char a[9], b[9];
    snprintf(a, sizeof(a), "%02x%02x%02x%02x", o[0], o[1], o[2], o[3]);
    snprintf(b, sizeof(b), "%02x%02x%02x%02x", o[3], o[2], o[1], o[0]);
    return strstr(text, a) || strstr(text, b);
}

static bool plain_one_number(const char *text, const uint8_t o[4])
{
    char want[3][16];
    snprintf(want[0], 16, "%d%d%d%d", o[0], o[1], o[2], o[3]);
    snprintf(want[1], 16, "%d%d%d%d", o[3], o[2], o[1], o[0]);
    snprintf(want[2], 16, "%lu", o[0] * 16777216UL + o[1] * 65536UL + o[2] * 256UL + o[3]);
    for (size_t i = 0; text[i]; i++)
        for (int w = 0; run_begins(text, i, DIGITS) && w < 3; w++)
            if (run_of(text + i, DIGITS) >= 8 && run_of(text + i, DIGITS) == strlen(want[w]) &&
                strncmp(text + i, want[w], strlen(want[w])) == 0)
                return true;
    return false;
}

struct number {
    int value;
    size_t from, to;
};

static size_t plain_numbers(const char *text, struct number *out)
{
    size_t n = 0;
    for (size_t i = 0; text[i]; i++) {
        size_t len = run_begins(text, i, DIGITS) ? run_of(text + i, DIGITS) : 0;
        size_t each = len == 6 || len == 9 || len == 12 ? 3 : len <= 3 ? len : 0;
        for (size_t k = i; each && k < i + len; k += each) {
            char digits[4] = "";
            memcpy(digits, text + k, each);
            out[n++] = (struct number){atoi(digits), k, k + each};
        }
    }
    return n;
}

static enum generic_spelling plain_ipv4(const char *text, const uint8_t o[4])
{
    if (plain_hex4(text, o))
        return GENERIC_SPELLS_HEX;
    if (plain_one_number(text, o))
        return GENERIC_SPELLS_ONE_NUMBER;
    struct number *numbers = mem_zalloc((strlen(text) + 1) * sizeof(*numbers));
    size_t n = plain_numbers(text, numbers);
    bool pair = false;
    for (size_t i = 0; i + 1 < n; i++) {
        int a = numbers[i].value, b = numbers[i + 1].value;
        if (numbers[i + 1].from - numbers[i].to <= 2)
            pair |=
                (a == o[0] && b == o[1]) || (a == o[1] && b == o[0]) || (a == o[2] && b == o[3]) || (a == o[3] && b == o[2]);
    }
    int found = 0, large = 0;
    for (int octet = 3; octet >= 0; octet--)
        for (size_t i = 0; i < n; i++)
            if (numbers[i].value == o[octet]) {
                numbers[i].value = -1;
                found++;
                large += o[octet] > 9;
                break;
            }
    free(numbers);
    if (found == 4)
        return GENERIC_SPELLS_FOUR;
    return found == 3 && large >= 2 ? GENERIC_SPELLS_THREE : pair ? GENERIC_SPELLS_TWO : GENERIC_SPELLS_NOTHING;
}

/* ---- IPv6 ---- */

static bool plain_half(const char *text, const uint8_t bytes[16])
{
    char all[33] = "", back[33] = "", half[17], *bare = mem_zalloc(strlen(text) + 1);
    for (int i = 0; i < 16; i++)
        snprintf(all + strlen(all), 3, "%02x", bytes[i]);
    for (int i = 0; i < 32; i++)
        back[i] = all[31 - i];
    for (size_t i = 0, n = 0; text[i]; i++)
        if (text[i] != '-' && text[i] != '.')
            bare[n++] = text[i];
    bool found = false;
    const char *const wanted[4] = {all, all + 16, back, back + 16};
    for (int w = 0; w < 4; w++) {
        snprintf(half, sizeof(half), "%.16s", wanted[w]);
        found |= strstr(bare, half) != NULL;
    }
    free(bare);
    return found;
}

static bool plain_groups(const char *text, const uint8_t bytes[16])
{
    struct number *groups = mem_zalloc((strlen(text) + 1) * sizeof(*groups));
    size_t n = 0;
    for (size_t i = 0; text[i]; i++)
        if (run_begins(text, i, HEX)) {
            size_t len = run_of(text + i, HEX), zeros = strspn(text + i, "0");
            if (zeros > len)
                zeros = len;
            char digits[5] = "";
            memcpy(digits, text + i + zeros, len - zeros <= 4 ? len - zeros : 0);
            groups[n++].value = len - zeros <= 4 ? (int)strtol(digits, NULL, 16) : -1;
        }
    bool found = false;
    for (size_t i = 0; i + 4 <= n; i++)
        for (int g = 0; g + 4 <= 8; g++) {
            int equal = 0, zeros = 0;
            for (int k = 0; k < 4; k++) {
                equal += groups[i + (size_t)k].value == bytes[2 * (g + k)] * 256 + bytes[2 * (g + k) + 1];
                zeros += groups[i + (size_t)k].value == 0;
            }
            found |= equal == 4 && zeros <= 1;
        }
    free(groups);
    return found;
}

/* At text[at]: one to four hexadecimal digits that are a whole run of letters and digits. Its length, or 0. */
static size_t group_at(const char *text, size_t at)
{
    size_t len = run_of(text + at, HEX);
    bool whole = (at == 0 || !in(text[at - 1], LETTERS DIGITS)) && !in(text[at + len], LETTERS DIGITS);
    return whole && len >= 1 && len <= 4 ? len : 0;
}

static bool plain_form(const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        if (run_begins(text, i, HEX) && run_of(text + i, HEX) == 32)
            return true;
        for (int joint = 0; joint < 2; joint++) {
            size_t at = i, len, n = 0;
            bool digit = false;
            while ((len = group_at(text, at)) > 0) {
                digit |= strcspn(text + at, DIGITS) < len;
                n++;
                at += len;
                if (n >= 6 && digit)
                    return true;
                if (text[at] != "-."[joint])
                    break;
                at++;
            }
        }
    }
    return false;
}

static enum generic_spelling plain_spelling(const char *text, const struct ip *ip)
{
    if (ip->family == IP_V4)
        return plain_ipv4(text, ip->bytes);
    if (ip->family != IP_V6)
        return plain_form(text) ? GENERIC_SPELLS_FORM : GENERIC_SPELLS_NOTHING;
    if (plain_half(text, ip->bytes))
        return GENERIC_SPELLS_HALF;
    if (plain_groups(text, ip->bytes))
        return GENERIC_SPELLS_GROUPS;
    return plain_form(text) ? GENERIC_SPELLS_FORM : GENERIC_SPELLS_NOTHING;
}

/* ---- words ---- */

static bool is_of_class(const char *word, int class)
{
    struct slice rest = slice_cstr(conf_generic_classes[class].words);
    for (struct slice p; (p = conf_generic_next_word(&rest)).ptr;) {
        bool open_front = p.ptr[0] == '*', open_back = p.ptr[p.len - 1] == '*';
        char letters[64];
        snprintf(letters, sizeof(letters), "%.*s", (int)(p.len - open_front - open_back), p.ptr + open_front);
        size_t len = strlen(letters), all = strlen(word);
        for (size_t at = 0; at + len <= all; at++)
            if (strncmp(word + at, letters, len) == 0 && (open_front || at == 0) && (open_back || at + len == all))
                return true;
    }
    return false;
}

struct words {
    char *first[CONF_GENERIC_CLASSES], *weak[2];
};

static void keep(char **to, const char *word)
{
    if (!*to)
        *to = copy_of(word, strlen(word));
}

static void plain_word(struct words *w, const char *word)
{
    bool of[CONF_GENERIC_CLASSES];
    for (int class = 0; class < CONF_GENERIC_CLASSES; class ++)
        of[class] = is_of_class(word, class);
    if (of[GENERIC_WEAK] && !of[GENERIC_DYNAMIC] && !of[GENERIC_LINE]) {
        if (w->weak[0] && strcmp(w->weak[0], word) != 0)
            keep(&w->weak[1], word);
        keep(&w->weak[0], word);
    }
    if (of[GENERIC_SERVER])
        of[GENERIC_SITE] = false;
    for (int class = 0; class < CONF_GENERIC_CLASSES; class ++)
        if (of[class])
            keep(&w->first[class], word);
}

static void each_word(const char *text, struct words *w, bool only_mail)
{
    for (size_t i = 0; text[i]; i++)
        if (run_begins(text, i, LETTERS)) {
            size_t len = run_of(text + i, LETTERS);
            char *word = copy_of(text + i, len);
            if (!only_mail)
                plain_word(w, word);
            else if (strstr(word, "mail") || strstr(word, "smtp"))
                keep(&w->first[GENERIC_SERVER], word);
            free(word);
        }
}

/* ---- the sum ---- */

static int points(struct buf *reasons, int n, const char *text, const char *one, const char *two)
{
    buf_printf(reasons, "%s%+d %s%s%s%s", reasons->len ? "; " : "", n, text, one ? one : "", two ? ", " : "",
               two ? two : "");
    return n;
}

static const char *const spelled[] = {
    "",
    "the name spells the address in hexadecimal",
    "the name spells the address in one number",
    "the name spells the four numbers of the address",
    "the name spells three of the four numbers of the address",
    "the name spells two neighbouring numbers of the address",
    "the name spells half of the address or more in hexadecimal",
    "the name spells four groups of the address",
    "the name has the form of an IPv6 address",
};

static int plain_sum(const char *text, const char *base, const struct ip *ip, struct buf *reasons)
{
    int sum = 0;
    struct words w = {0};
    enum generic_spelling s = plain_spelling(text, ip);
    each_word(text, &w, false);
    each_word(base, &w, true);
    bool number = false;
    for (size_t i = 0; text[i]; i++)
        number |= run_of(text + i, DIGITS) >= 4;
    if (s != GENERIC_SPELLS_NOTHING)
        sum += points(reasons, s == GENERIC_SPELLS_TWO ? 2 : 4, spelled[s], NULL, NULL);
    if (w.first[GENERIC_DYNAMIC])
        sum += points(reasons, 4, "word of a changing address: ", w.first[GENERIC_DYNAMIC], NULL);
    else if (w.first[GENERIC_LINE])
        sum += points(reasons, 3, "word of a line: ", w.first[GENERIC_LINE], NULL);
    bool swap = w.weak[1] && strcmp(w.weak[0], w.weak[1]) > 0;
    if (w.weak[0])
        sum += points(reasons, w.weak[1] ? 2 : 1, "weak words of a line: ", w.weak[swap], w.weak[1] ? w.weak[!swap] : NULL);
    if (number && s == GENERIC_SPELLS_NOTHING)
        sum += points(reasons, 2, "a number of four digits or more", NULL, NULL);
    if (w.first[GENERIC_SERVER])
        sum += points(reasons, -5, "word of a mail server: ", w.first[GENERIC_SERVER], NULL);
    if (w.first[GENERIC_SITE])
        sum += points(reasons, -1, "word of a server: ", w.first[GENERIC_SITE], NULL);
    for (int class = 0; class < CONF_GENERIC_CLASSES; class ++)
        free(w.first[class]);
    free(w.weak[0]);
    free(w.weak[1]);
    return sum;
}

int plain_judge(const struct domain_list *list, struct slice name, const struct ip *ip, struct buf *reasons)
{
    char *text = mem_zalloc(name.len + 1), *base = mem_zalloc(name.len + 1);
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    struct slice tail = domain_base_icann(list, name);
    size_t cut = tail.ptr ? name.len - tail.len : name.len;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i] ? ascii_lower(name.ptr[i]) : '?'; /* no end of the string */
        if (i < cut && !(tail.ptr && i + 1 == cut))            /* the dot before the base domain is no text */
            text[i] = c;
        else if (i >= cut)
            base[i - cut] = c;
    }
    int sum = strpbrk(text, DIGITS) ? plain_sum(text, base, ip, reasons) : 0;
    free(text);
    free(base);
    return sum;
}
