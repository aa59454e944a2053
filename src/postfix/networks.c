/* networks.c - Postfix's lists of addresses, as match_list.c reads mynetworks, and what our configuration lacks of them. */
#include "postfix/networks.h"
#include "base/mem.h"

#include <string.h>

enum {
    FILES_DEEP_MAX = 3,     /* a file that names a file; Postfix has no bound, a circle would have no end */
    NETS_MAX = 100000,      /* of a file that is not what it should be */
    EVERYBODY_BITS_V4 = 7,  /* so wide or wider a network is nobody's own */
    EVERYBODY_BITS_V6 = 15, /* 2000::/3 and the like */
    LINE_MAX_COLUMNS = 100,
};

const char *const postfix_networks_wanted[] = {"mynetworks", "relayhost", "relay_domains", "mydestination", NULL};

/* ---- reading ---- */

static void *push(struct arena *arena, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 16;
    void *grown = arena_alloc(arena, *cap * size);
    if (n > 0)
        memcpy(grown, items, n * size);
    return grown;
}

static void add_unread(struct arena *arena, struct slice word, struct postfix_networks *out)
{
    out->unread = push(arena, out->unread, out->n_unread, &out->unread_cap, sizeof(*out->unread));
    out->unread[out->n_unread++] = word;
}

/* "192.0.2.0/24", "[2001:db8::]/32", "[::ffff:127.0.0.0]/104", "192.0.2.1"; in a cidr: table also without brackets. */
static bool net_read(struct slice word, struct postfix_net *out)
{
    struct slice address = word, bits = SLICE_NONE;
    size_t slash = slice_rfind(word, '/');
    if (slash < word.len) {
        address = slice_upto(word, slash);
        bits = slice_from(word, slash + 1);
    }
    if (address.len > 2 && address.ptr[0] == '[' && address.ptr[address.len - 1] == ']')
        address = slice_from(slice_upto(address, address.len - 1), 1);
    if (ip_parse(address, &out->net) != ERR_NONE)
        return false;
    unsigned width = ip_width_bits(&out->net);
    uint64_t n = width;
    if (bits.ptr && slice_to_u64(bits, &n) != ERR_NONE)
        return false;
    bool mapped = width == 32 && slice_find(address, ':') < address.len;
    if (mapped && bits.ptr) {
        if (n < 96)
            return false;
        n -= 96;
    }
    if (n > width)
        return false;
    out->bits = (unsigned)n;
    out->net = ip_mask(&out->net, out->bits);
    return true;
}

struct reading {
    struct arena *arena;
    const struct postfix_files *files;
    struct postfix_networks *out;
    unsigned deep;
};

static void list_read(struct reading *r, struct slice value);

/* The lines of a file without comments; of a cidr: table only the first word of each. */
static void lines_read(struct reading *r, struct slice text, bool first_words)
{
    while (text.ptr) {
        struct slice line = slice_trim(slice_cut(&text, '\n'), " \t\r"), word = line;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (!first_words)
            list_read(r, line);
        else if (postfix_word(&line, &word))
            list_read(r, word);
    }
}

static bool file_named(struct reading *r, struct slice path, bool first_words)
{
    struct slice text;
    if (!r->files || r->deep >= FILES_DEEP_MAX || !r->files->read(r->files->ctx, arena_cstr(r->arena, path), &text))
        return false;
    r->deep++;
    lines_read(r, text, first_words);
    r->deep--;
    return true;
}

static bool word_read(struct reading *r, struct slice word)
{
    struct postfix_net net = {.is_exception = slice_has_prefix(word, "!")};
    struct slice name = net.is_exception ? slice_from(word, 1) : word;
    if (net_read(name, &net)) {
        if (r->out->n >= NETS_MAX)
            return false;
        r->out->nets = push(r->arena, r->out->nets, r->out->n, &r->out->cap, sizeof(*r->out->nets));
        r->out->nets[r->out->n++] = net;
        return true;
    }
    if (net.is_exception)
        return false;
    if (slice_has_prefix(name, "/"))
        return file_named(r, name, false);
    return slice_has_prefix(name, "cidr:/") && file_named(r, slice_from(name, strlen("cidr:")), true);
}

static void list_read(struct reading *r, struct slice value)
{
    for (struct slice word; postfix_word(&value, &word);)
        if (!word_read(r, word))
            add_unread(r->arena, word, r->out);
}

void postfix_networks_read(struct arena *arena, struct slice value, const struct postfix_files *files,
                           struct postfix_networks *out)
{
    *out = (struct postfix_networks){0};
    list_read(&(struct reading){.arena = arena, .files = files, .out = out}, value);
}

/* ---- comparing ---- */

struct comparing {
    const struct policy *policy;
    const struct conf *conf;
    struct buf *out;
    struct buf domains; /* lines that name one: they want `domainexact` before them */
    size_t statements;
};

static bool covers(const struct postfix_net *wide, const struct postfix_net *narrow)
{
    return wide->bits <= narrow->bits && ip_in(&narrow->net, &wide->net, wide->bits);
}

/* The first entry that holds an address decides, in Postfix. */
static bool is_decided_above(const struct postfix_networks *n, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (covers(&n->nets[k], &n->nets[i]))
            return true;
    return false;
}

/* An exception says something where a network behind it holds it, which we know or shall know. */
static bool is_taken_below(const struct postfix_networks *n, size_t i)
{
    for (size_t k = i + 1; k < n->n; k++)
        if (!n->nets[k].is_exception && covers(&n->nets[k], &n->nets[i]))
            return true;
    return false;
}

static bool is_everybody(const struct postfix_net *net)
{
    return net->bits <= (net->net.family == IP_V4 ? EVERYBODY_BITS_V4 : EVERYBODY_BITS_V6);
}

static bool is_lacking(const struct comparing *c, const struct postfix_networks *n, size_t i)
{
    const struct postfix_net *net = &n->nets[i];
    enum policy_side side = policy_network_side(c->policy, &net->net, net->bits);
    if (is_decided_above(n, i) || is_everybody(net))
        return false;
    if (net->is_exception)
        return side == POLICY_SIDE_LOCAL || (side == POLICY_SIDE_REMOTE && is_taken_below(n, i));
    return side == POLICY_SIDE_REMOTE;
}

static void put_net(const struct postfix_net *net, struct buf *out)
{
    char text[IP_TEXT_MAX];
    buf_printf(out, "%s/%u", ip_format(&net->net, text), net->bits);
}

/* One statement of all that lack, broken at LINE_MAX_COLUMNS. */
static void put_statement(struct comparing *c, const struct postfix_networks *n, bool exceptions, const char *why)
{
    struct buf net = {0};
    size_t found = 0, column = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (n->nets[i].is_exception != exceptions || !is_lacking(c, n, i))
            continue;
        buf_clear(&net);
        put_net(&n->nets[i], &net);
        if (found++ == 0)
            buf_printf(c->out, "# %s\nnetwork %s {", why, exceptions ? "remote" : "local");
        column += net.len + 1;
        if (column > LINE_MAX_COLUMNS) {
            buf_put_cstr(c->out, "\n   ");
            column = net.len;
        }
        buf_put_byte(c->out, ' ');
        buf_put_slice(c->out, buf_slice(&net));
    }
    if (found > 0)
        buf_put_cstr(c->out, " }\n");
    c->statements += found > 0;
    buf_fini(&net);
}

static void put_untold(struct comparing *c, const struct postfix_networks *n)
{
    for (size_t i = 0; i < n->n; i++) {
        if (!is_everybody(&n->nets[i]) || n->nets[i].is_exception)
            continue;
        buf_put_cstr(c->out, "# mynetworks has ");
        put_net(&n->nets[i], c->out);
        buf_put_cstr(c->out, ", which is nearly everybody: Postfix relays for them all. It is not taken over.\n");
    }
    for (size_t i = 0; i < n->n_unread; i++) {
        buf_put_cstr(c->out, "# mynetworks has ");
        buf_put_visible(c->out, n->unread[i]);
        buf_put_cstr(c->out, ", which is no address, or cannot be read here: look at it yourself.\n");
    }
}

/* ---- hosts by name ---- */

static bool item_is(const struct conf_item *item, struct slice domain)
{
    struct slice have = item->text;
    if (item->is_regex)
        return false;
    return slice_eq_nocase(slice_has_prefix(have, ".") ? slice_from(have, 1) : have, domain);
}

static bool clause_names(const struct conf_clause *clause, struct slice domain)
{
    const struct conf_term *term = &clause->term;
    if (clause->negated || term->kind != CONF_TERM_ITEMS || term->item_kind != CONF_ITEM_DOMAIN)
        return false;
    if (!term->list)
        return item_is(&term->item, domain);
    for (size_t i = 0; i < term->list->n_items; i++)
        if (item_is(&term->list->items[i], domain))
            return true;
    return false;
}

/* Whether a line of its own lets this domain in already. */
static bool is_let_in(const struct conf *conf, struct slice domain)
{
    for (size_t i = 0; i < conf->n_acls; i++)
        if (conf->acls[i].action == CONF_WHITELIST && conf->acls[i].n_clauses == 1 &&
            clause_names(&conf->acls[i].clauses[0], domain))
            return true;
    return false;
}

/* "[mail.isp.example]:587", "isp.example:smtp", "[192.0.2.1]", "[2001:db8::1]:25": what stands before the port. */
static struct slice host_of(struct slice relay)
{
    if (slice_has_prefix(relay, "["))
        return slice_from(slice_upto(relay, slice_find(relay, ']')), 1);
    return slice_upto(relay, slice_find(relay, ':'));
}

static bool is_domain(struct slice s)
{
    bool dot = false;
    for (size_t i = 0; i < s.len; i++) {
        dot |= s.ptr[i] == '.';
        if (!ascii_is_alpha(s.ptr[i]) && !ascii_is_digit(s.ptr[i]) && s.ptr[i] != '.' && s.ptr[i] != '-')
            return false;
    }
    return dot && s.ptr[0] != '.' && s.ptr[s.len - 1] != '.';
}

static void put_domain(struct comparing *c, struct slice domain, bool *begun, const char *why)
{
    if (!is_domain(domain) || is_let_in(c->conf, domain))
        return;
    if (!*begun)
        buf_printf(&c->domains, "# %s\n", why);
    *begun = true;
    buf_printf(&c->domains, "racl whitelist domain %.*s\n", SLICE_ARG(domain));
    c->statements++;
}

static void compare_relayhost(struct comparing *c, struct slice value)
{
    struct slice host = host_of(value);
    struct postfix_net net = {0};
    bool begun = false;
    if (host.len == 0)
        return;
    if (!net_read(host, &net)) {
        put_domain(c, host, &begun, "relayhost: bounces for your users come back from there.");
        return;
    }
    struct postfix_networks one = {.nets = &net, .n = 1};
    put_statement(c, &one, false, "relayhost: bounces for your users come back from there.");
}

static bool has_word(struct slice list, struct slice wanted)
{
    for (struct slice word; postfix_word(&list, &word);)
        if (slice_eq_nocase(word, wanted))
            return true;
    return false;
}

/* Before compatibility level 2 the default of relay_domains is $mydestination: this host itself. */
static void compare_relay_domains(struct comparing *c, struct slice domains, struct slice own)
{
    bool begun = false;
    for (struct slice word; postfix_word(&domains, &word);)
        if (!has_word(own, word))
            put_domain(c, word, &begun, "relay_domains: the servers of these domains send through this host.");
}

size_t postfix_networks_compare(const struct policy *policy, const struct conf *conf, const struct postfix_values *values,
                                const struct postfix_files *files, struct buf *out)
{
    struct comparing c = {.policy = policy, .conf = conf, .out = out};
    struct arena arena = {0};
    struct postfix_networks own;
    postfix_networks_read(&arena, postfix_value(values, NULL, "mynetworks"), files, &own);
    put_statement(&c, &own, false, "mynetworks: Postfix lets them send to anybody.");
    put_statement(&c, &own, true, "mynetworks takes these out with `!`.");
    put_untold(&c, &own);
    compare_relayhost(&c, postfix_value(values, NULL, "relayhost"));
    compare_relay_domains(&c, postfix_value(values, NULL, "relay_domains"), postfix_value(values, NULL, "mydestination"));
    if (c.domains.len > 0)
        buf_put_cstr(out, "domainexact\n");
    buf_put_slice(out, buf_slice(&c.domains));
    buf_fini(&c.domains);
    arena_fini(&arena);
    return c.statements;
}
