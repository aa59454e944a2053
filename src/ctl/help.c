/* help.c - the table of commands for people, shells and the manual. */
#include "base/mem.h"
#include "ctl/commands.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 80, TEXT_COLUMN = 6, OPTION_COLUMN = 30 };

/* The words of a text, wrapped; column: where the line is now. */
static void put_wrapped(struct buf *out, size_t column, size_t indent, const char *text)
{
    bool is_first = true;
    for (struct slice rest = slice_cstr(text); rest.ptr;) {
        struct slice word = slice_cut(&rest, ' ');
        if (!is_first && column + 1 + word.len > COLUMNS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        if (!is_first) {
            buf_put_byte(out, ' ');
            column++;
        }
        buf_put_slice(out, word);
        column += word.len;
        is_first = false;
    }
}

static void put_option_word(const struct ctl_option *o, struct buf *out)
{
    if (o->is_short)
        buf_printf(out, "-%c", o->letter);
    else
        buf_printf(out, "--%s", o->name);
    if (o->argument)
        buf_printf(out, " %s", o->argument);
}

static void put_command(const struct ctl_command *c, struct buf *out)
{
    buf_printf(out, "tarsier %s%s%s\n%*s", c->name, c->arguments[0] ? " " : "", c->arguments, TEXT_COLUMN, "");
    put_wrapped(out, TEXT_COLUMN, TEXT_COLUMN, c->text);
    buf_put_byte(out, '\n');
}

void ctl_put_help_of(const struct ctl_command *c, struct buf *out)
{
    put_command(c, out);
    for (const struct ctl_option *o = c->options; o && o->name; o++) {
        size_t before = out->len;
        buf_printf(out, "%*s", TEXT_COLUMN + 2, "");
        put_option_word(o, out);
        size_t column = out->len - before;
        int gap = column + 2 > OPTION_COLUMN ? 2 : (int)(OPTION_COLUMN - column);
        buf_printf(out, "%*s", gap, "");
        put_wrapped(out, column + (size_t)gap, OPTION_COLUMN, o->text);
        buf_put_byte(out, '\n');
    }
}

/* "grey" of "grey list": its first word, and the second one, which is empty where there is none. */
static struct slice first_word(size_t i, struct slice *second)
{
    *second = slice_cstr(ctl_command_row(i)->name);
    return slice_cut(second, ' ');
}

/* Rows with the same first word stand together. */
static bool begins_a_group(size_t i)
{
    struct slice none;
    return i == 0 || !slice_eq(first_word(i, &none), first_word(i - 1, &none));
}

bool ctl_put_help_of_group(struct slice first, struct buf *out)
{
    size_t n = 0;
    bool are_longer = false;
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        struct slice second;
        if (!slice_eq(first_word(i, &second), first))
            continue;
        if (n++ > 0)
            buf_put_cstr(out, "  ");
        (second.len > 0 ? put_command : ctl_put_help_of)(ctl_command_row(i), out);
        are_longer = are_longer || second.len > 0;
    }
    return are_longer;
}

void ctl_put_help(struct buf *out)
{
    buf_put_cstr(out, "usage: tarsier COMMAND [OPTIONS] [ARGUMENTS]\n\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        buf_put_cstr(out, "  ");
        put_command(ctl_command_row(i), out);
    }
    buf_put_cstr(out, "  tarsier help [COMMAND]\n      all commands, or one with its options, as COMMAND --help does\n"
                      "  tarsier version\n\nMore: man tarsier\n");
}

/* ---- shells ---- */

static void put_seconds(size_t i, const char *separator, struct buf *out)
{
    struct slice group, second;
    group = first_word(i, &second);
    bool is_first = true;
    for (; i < CTL_COMMANDS && slice_eq(first_word(i, &second), group); i++) {
        if (second.len > 0)
            buf_printf(out, "%s%.*s", is_first ? "" : separator, SLICE_ARG(second));
        is_first = is_first && second.len == 0;
    }
}

static void put_option_names(const struct ctl_command *c, struct buf *out)
{
    for (const struct ctl_option *o = c->options; o && o->name; o++)
        buf_printf(out, " --%s", o->name);
}

/* The options whose argument is no word of ours: the shell's own completion, of files, is the best then. */
static void put_bash_arguments(struct buf *out)
{
    buf_put_cstr(out, "    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n    ");
    for (size_t i = 0; i < CTL_COMMANDS; i++)
        for (const struct ctl_option *o = ctl_command_row(i)->options; o && o->name; o++) {
            char name[64];
            snprintf(name, sizeof(name), "--%s|", o->name);
            if (o->argument && !strstr(buf_cstr(out), name))
                buf_put_cstr(out, name);
        }
    buf_put_cstr(out, "-f) return ;;\n    esac\n");
}

/* What may follow the words that are there: the longer names of commands first. Arguments are files for want of better. */
void ctl_put_bash(struct buf *out)
{
    buf_put_cstr(out, "# bash completion for tarsier(1); made by `tarsier completion bash`\n_tarsier()\n{\n"
                      "    local at=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n");
    put_bash_arguments(out);
    buf_put_cstr(out, "    case \"${COMP_WORDS[*]:1:COMP_CWORD-1} \" in\n    \" \") words=\"help version");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        struct slice second, first = first_word(i, &second);
        if (begins_a_group(i))
            buf_printf(out, " %.*s", SLICE_ARG(first));
    }
    buf_put_cstr(out, "\" ;;\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        if (!strchr(c->name, ' '))
            continue;
        buf_printf(out, "    \"%s \"*) words=\"", c->name);
        put_option_names(c, out);
        buf_put_cstr(out, "\" ;;\n");
    }
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        struct slice second, first = first_word(i, &second);
        if (!begins_a_group(i))
            continue;
        buf_printf(out, "    \"%.*s \"*) words=\"", SLICE_ARG(first));
        put_seconds(i, " ", out);
        if (second.len == 0)
            put_option_names(ctl_command_row(i), out);
        buf_put_cstr(out, "\" ;;\n");
    }
    buf_put_cstr(out, "    esac\n"
                      "    COMPREPLY=($(compgen -W \"$words\" -- \"$at\"))\n"
                      "}\ncomplete -o default -F _tarsier tarsier\n");
}

/* A text within the single quotes and colons of zsh's _describe. */
static void put_zsh_text(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_put_cstr(out, "'\\''");
        else if (*text == ':' || *text == '[' || *text == ']')
            buf_printf(out, "\\%c", *text);
        else
            buf_put_byte(out, *text);
    }
}

/* The first words of all commands, each with what it does, or with the words that may follow. */
static void put_zsh_commands(struct buf *out)
{
    buf_put_cstr(out, "    local -a names\n    names=(\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        struct slice second, first = first_word(i, &second);
        if (!begins_a_group(i))
            continue;
        buf_printf(out, "        '%.*s:", SLICE_ARG(first));
        if (second.len == 0)
            put_zsh_text(ctl_command_row(i)->text, out);
        else
            put_seconds(i, ", ", out);
        buf_put_cstr(out, "'\n");
    }
    buf_put_cstr(out, "        'help:tell of all commands, or of one'\n        'version:tell the version'\n    )\n"
                      "    if (( CURRENT == 2 )); then\n        _describe command names\n        return\n    fi\n");
}

/* The second words, where the first one has any; behind it a command may take arguments of its own. */
static void put_zsh_seconds(struct buf *out)
{
    buf_put_cstr(out, "    names=()\n    case \"${words[2]}\" in\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        struct slice second, group = first_word(i, &second);
        if (!begins_a_group(i) || (second.len == 0 && (i + 1 == CTL_COMMANDS || begins_a_group(i + 1))))
            continue;
        buf_printf(out, "    %.*s) names=(", SLICE_ARG(group));
        for (size_t k = i; k < CTL_COMMANDS && slice_eq(first_word(k, &second), group); k++) {
            if (second.len == 0)
                continue;
            buf_printf(out, "'%.*s:", SLICE_ARG(second));
            put_zsh_text(ctl_command_row(k)->text, out);
            buf_put_cstr(out, "' ");
        }
        buf_put_cstr(out, ") ;;\n");
    }
    buf_put_cstr(out, "    esac\n    (( CURRENT == 3 && $#names )) && _describe command names\n");
}

void ctl_put_zsh(struct buf *out)
{
    buf_put_cstr(out, "#compdef tarsier\n# zsh completion for tarsier(1); made by `tarsier completion zsh`\n_tarsier() {\n");
    put_zsh_commands(out);
    put_zsh_seconds(out);
    /* _arguments counts from the last word of the command's name */
    buf_put_cstr(out, "    local name=\"${words[2]}\" n=1\n    case \"${words[2]} ${words[3]}\" in\n    ");
    for (size_t i = 0, n = 0; i < CTL_COMMANDS; i++)
        if (strchr(ctl_command_row(i)->name, ' '))
            buf_printf(out, "%s'%s'", n++ ? "|" : "", ctl_command_row(i)->name);
    buf_put_cstr(out, ")\n        name=\"${words[2]} ${words[3]}\" n=2 ;;\n    esac\n"
                      "    shift $n words\n    (( CURRENT -= n ))\n    case \"$name\" in\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        buf_printf(out, "    '%s') _arguments", c->name);
        for (const struct ctl_option *o = c->options; o && o->name; o++) {
            buf_printf(out, " '--%s[", o->name);
            put_zsh_text(o->text, out);
            buf_put_byte(out, ']');
            if (o->argument)
                buf_printf(out, ":%s:_files", o->argument);
            buf_put_byte(out, '\'');
        }
        buf_put_cstr(out, " '*::argument:_files' ;;\n");
    }
    buf_put_cstr(out, "    esac\n}\n_tarsier \"$@\"\n");
}

/* ---- the manual ---- */

/* A quote would be taken for one of mdoc's own, and so would a dot at a line's beginning. */
static void put_mdoc(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '"')
            buf_put_cstr(out, "\\(dq");
        else if (*text == '-')
            buf_put_cstr(out, "\\-");
        else
            buf_put_byte(out, *text);
    }
}

static void put_option(const struct ctl_option *o, struct buf *out)
{
    char letter[] = {o->letter, '\0'};
    buf_printf(out, ".It Fl %s%s", o->is_short ? "" : "-", o->is_short ? letter : o->name);
    if (o->argument)
        buf_printf(out, " Ar %s", o->argument);
    buf_put_byte(out, '\n');
    put_mdoc(o->text, out);
    buf_put_cstr(out, ".\n");
}

void ctl_put_manual(struct buf *out)
{
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        buf_printf(out, ".It Ic %s", c->name);
        if (c->arguments[0]) {
            buf_put_cstr(out, " Ar \"");
            put_mdoc(c->arguments, out);
            buf_put_byte(out, '"');
        }
        buf_put_byte(out, '\n');
        put_mdoc(c->text, out);
        if (c->right == CTL_LOCAL)
            buf_put_cstr(out, ".\n");
        else
            buf_printf(out, " (class\n.Cm %s ) .\n", ctl_right_name(c->right));
        if (!c->options || !c->options->name)
            continue;
        buf_put_cstr(out, ".Bl -tag -width indent -compact\n");
        for (const struct ctl_option *o = c->options; o->name; o++)
            put_option(o, out);
        buf_put_cstr(out, ".El\n");
    }
}

void ctl_put_manual_of_requests(struct buf *out)
{
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        if (c->right == CTL_LOCAL)
            continue;
        buf_printf(out, ".It Ic %s Ta Cm %s Ta %d", c->name, ctl_right_name(c->right), c->least);
        if (c->most > c->least)
            buf_printf(out, " to %d", c->most);
        buf_put_byte(out, '\n');
    }
}
