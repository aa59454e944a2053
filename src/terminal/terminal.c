/* terminal.c - ncurses, in its form with wide characters. */
#include "terminal/terminal.h"

#include "base/mem.h"

#define NCURSES_NOMACROS 1 /* functions have types; macros of these names would be in everybody's way */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct terminal {
    SCREEN *screen;
    bool utf8;
};

/* What ncurses would do with a terminal that it does not know is to end the program, so it is asked before. */
static const char *what_is_wrong(void)
{
    int found;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return "standard input and output are not a terminal";
    const char *name = getenv("TERM");
    if (!name || !*name)
        return "TERM is not set";
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK)
        return found < 0 ? "there is no terminfo database (Debian: ncurses-base)"
                         : "TERM names no terminal that is known here";
    const char *move = tigetstr("cup");
    bool moves = move && move != (const char *)-1;
    del_curterm(cur_term); /* newterm(3) makes its own */
    return moves ? NULL : "the terminal that TERM names cannot move its cursor";
}

struct terminal *terminal_open(const char **why)
{
    setlocale(LC_CTYPE, "");
    *why = what_is_wrong();
    if (*why)
        return NULL;
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        *why = "the terminal cannot be used";
        return NULL;
    }
    struct terminal *t = mem_zalloc(sizeof(*t));
    t->screen = screen;
    t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    cbreak();
    noecho();
    curs_set(0);
    set_escdelay(25);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    return t;
}

void terminal_close(struct terminal *t)
{
    if (!t)
        return;
    endwin();
    delscreen(t->screen);
    free(t);
}

struct terminal_size terminal_size(const struct terminal *t)
{
    int height = getmaxy(stdscr), width = getmaxx(stdscr);
    return (struct terminal_size){height > 0 ? (size_t)height : 0, width > 0 ? (size_t)width : 0, t->utf8};
}

void terminal_put(struct terminal *t, size_t row, enum terminal_style style, struct slice line)
{
    static const attr_t attributes[] = {
        [TERMINAL_PLAIN] = A_NORMAL, [TERMINAL_REVERSE] = A_REVERSE, [TERMINAL_BOLD] = A_BOLD};
    (void)t;
    wmove(stdscr, (int)row, 0);
    wclrtoeol(stdscr);
    wattrset(stdscr, (int)attributes[style]);
    waddnstr(stdscr, line.ptr ? line.ptr : "", (int)line.len);
    wattrset(stdscr, (int)A_NORMAL);
}

void terminal_show(struct terminal *t)
{
    (void)t;
    wrefresh(stdscr);
}

static int read_key(void)
{
    static const struct {
        int curses, key;
    } keys[] = {{KEY_RESIZE, TERMINAL_RESIZED}, {KEY_UP, TERMINAL_UP},   {KEY_DOWN, TERMINAL_DOWN},
                {KEY_HOME, TERMINAL_HOME},      {KEY_END, TERMINAL_END}, {ERR, TERMINAL_NO_KEY}};
    int c = wgetch(stdscr);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (keys[i].curses == c)
            return keys[i].key;
    return c >= 0 && c < 256 ? c : TERMINAL_OTHER;
}

/* The time is poll(2)'s: wgetch(3) cannot tell its end from a terminal that is gone, and who asks again would spin. */
int terminal_key(struct terminal *t, int timeout_ms)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    (void)t;
    int key = read_key();
    if (key != TERMINAL_NO_KEY)
        return key;
    int ready = poll(&in, 1, timeout_ms);
    if (ready > 0 && !(in.revents & POLLIN))
        return TERMINAL_GONE;
    key = read_key();
    return key == TERMINAL_NO_KEY && ready > 0 && (in.revents & (POLLHUP | POLLERR)) ? TERMINAL_GONE : key;
}
