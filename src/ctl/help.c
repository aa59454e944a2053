/* help.c - the table of commands for people, shells and the manual. */
#include "base/mem.h"
#include "ctl/commands.h"

#include <string.h>

enum { COLUMNS = 80, TEXT_COLUMN = 6, OPTION_COLUMN = 26 };

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

void ctl_put_help_of(const struct ctl_command *c, struct buf *out)
{
    buf_printf(out, "tarsier %s%s%s\n%*s", c->name, c->arguments[0] ? " " : "", c->arguments, TEXT_COLUMN, "");
    put_wrapped(out, TEXT_COLUMN, TEXT_COLUMN, c->text);
    buf_put_byte(out, '\n');
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

void ctl_put_help(struct buf *out)
{
    buf_put_cstr(out, "usage: tarsier COMMAND [OPTIONS] [ARGUMENTS]\n\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        buf_put_cstr(out, "  ");
        ctl_put_help_of(ctl_command_row(i), out);
    }
    buf_put_cstr(out, "  tarsier help [COMMAND]\n  tarsier version\n\nMore: man tarsier\n");
}

/* ---- shells ---- */

/* For each first word the words that may follow; for each command its options. Arguments are files for want of better. */
void ctl_put_bash(struct buf *out)
{
    buf_put_cstr(out, "# bash completion for tarsier(1); made by `tarsier completion bash`\n_tarsier()\n{\n"
                      "    local at=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                      "    case \"${COMP_WORDS[*]:1:COMP_CWORD-1} \" in\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        buf_printf(out, "    \"%s \"*) words=\"", c->name);
        size_t length = strlen(c->name);
        for (size_t k = 0; k < CTL_COMMANDS; k++) {
            const char *other = ctl_command_row(k)->name;
            if (strncmp(other, c->name, length) == 0 && other[length] == ' ')
                buf_printf(out, "%s ", other + length + 1);
        }
        for (const struct ctl_option *o = c->options; o && o->name; o++)
            buf_printf(out, "--%s ", o->name);
        buf_put_cstr(out, "\" ;;\n");
    }
    buf_put_cstr(out, "    \" \") words=\"help version ");
    for (size_t i = 0; i < CTL_COMMANDS; i++)
        buf_printf(out, "%s ", ctl_command_row(i)->name);
    buf_put_cstr(out, "\" ;;\n    esac\n"
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

void ctl_put_zsh(struct buf *out)
{
    buf_put_cstr(out, "#compdef tarsier\n# zsh completion for tarsier(1); made by `tarsier completion zsh`\n"
                      "_tarsier() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        if (strchr(c->name, ' '))
            continue;
        buf_printf(out, "        '%s:", c->name);
        put_zsh_text(c->text, out);
        buf_put_cstr(out, "'\n");
    }
    buf_put_cstr(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
                      "    case \"${words[2]}\" in\n");
    for (size_t i = 0; i < CTL_COMMANDS; i++) {
        const struct ctl_command *c = ctl_command_row(i);
        if (strchr(c->name, ' '))
            continue;
        buf_printf(out, "    %s) _arguments", c->name);
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
