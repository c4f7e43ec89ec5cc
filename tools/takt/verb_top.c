#include "tools/takt/verb_top.h"
#include "tools/takt/page.h"
#include "tools/takt/verb.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct verb_page verb_top_page = {
    .usage = "takt top [--data DIR | --page FILE] [--interval S] [--once] [-o table|json]",
    .about =
        "A node on this machine from inside, each second: what its roles do, how busy they are,\n"
        "how full the links between them were, throughput, where a request's time goes, how it\n"
        "stands in its ensemble. It reads a page of memory that the node shares, and asks it\n"
        "nothing. After a crash the page is still there, as the node left it. q ends it.",
    .examples = "  takt top\n"
                "  takt top --data /var/lib/takt --interval 0.5\n"
                "  takt top --once -o json\n"
                "  takt top --page /dev/shm/takt-0-0123456789abcdef.crashed --once\n",
};

static void verb_top_sleep(double seconds)
{
    struct timespec ts = {.tv_sec = (time_t)seconds,
                          .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&ts, NULL);
}

static void verb_top_print(const struct top_text *text)
{
    for (uint32_t i = 0; i < text->count; i++) {
        enum top_tint tint = text->lines[i].tint;
        printf("%s%s%s\n",
               tint == TOP_HEAD ? verb_tint(stdout, "1")
                                : tint == TOP_WARN ? verb_tint(stdout, "33") : "",
               text->lines[i].text, tint != TOP_PLAIN ? verb_tint(stdout, "0") : "");
    }
}

static void verb_top_screen(const struct top_text *text)
{
    erase();
    for (uint32_t i = 0; i < text->count && (int)i < LINES; i++) {
        int attribute = text->lines[i].tint == TOP_HEAD   ? (int)A_BOLD
                        : text->lines[i].tint == TOP_WARN ? (int)A_REVERSE
                                                          : (int)A_NORMAL;
        attron(attribute);
        mvaddnstr((int)i, 0, text->lines[i].text, COLS);
        attroff(attribute);
    }
    refresh();
}

/* Runs until q, or until the terminal goes. */
static int verb_top_watch(const struct node_page *page, struct top_look looks[2],
                          struct top_text *text, double interval_s)
{
    int at = 0;

    if (!initscr())
        return VERB_FAILED;
    cbreak();
    noecho();
    curs_set(0);
    timeout((int)(interval_s * 1000));
    top_look_take(&looks[at], page, clock_now().mono_ns);
    looks[1 - at] = looks[at];
    for (int key = 0; key != 'q' && key != 'Q' && key != 27;) {
        top_draw(text, page, &looks[1 - at], &looks[at]);
        verb_top_screen(text);
        key = getch();
        at = 1 - at;
        top_look_take(&looks[at], page, clock_now().mono_ns);
    }
    endwin();
    return VERB_OK;
}

static void verb_top_once(const struct node_page *page, struct top_look looks[2],
                          struct top_text *text, double interval_s, bool as_json)
{
    struct json json;

    top_look_take(&looks[0], page, clock_now().mono_ns);
    if (node_page_alive(page))
        verb_top_sleep(interval_s);
    top_look_take(&looks[1], page, clock_now().mono_ns);
    if (as_json) {
        json_init(&json, stdout);
        top_json(&json, page, &looks[0], &looks[1]);
        return;
    }
    top_draw(text, page, &looks[0], &looks[1]);
    verb_top_print(text);
}

int verb_top(int argc, char **argv)
{
    static struct top_text text;
    struct page_choice choice = {0};
    const struct node_page *page;
    const char *output = "table";
    double interval_s = 1;
    bool once = false;
    struct fault fault;
    int rest;
    const struct opts_item items[] = {
        PAGE_OPTIONS(choice),
        {"interval", 'i', OPTS_REAL, &interval_s, "SECONDS", "between two looks", 0, 3600},
        {"once", '1', OPTS_FLAG, &once, NULL, "print one interval and end; so when not a terminal"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_top_page, items, argc, argv, &rest);

    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_top_page, "\"%s\" is one word too many", argv[1]);
    if (interval_s < 0.05)
        return verb_usage(&verb_top_page, "--interval: at least 0.05 seconds");
    if (page_find(&choice, &page, &fault) != 0) {
        fprintf(stderr, "takt top: %s\n", fault.text);
        return VERB_FAILED;
    }
    struct top_look *looks = calloc(2, sizeof(*looks));
    bool as_json = strcmp(output, "json") == 0;
    if (!looks)
        exit_code = VERB_FAILED;
    else if (!once && !as_json && isatty(STDOUT_FILENO) && getenv("TERM"))
        exit_code = verb_top_watch(page, looks, &text, interval_s);
    else
        verb_top_once(page, looks, &text, interval_s, as_json);
    free(looks);
    page_close(page);
    return exit_code == VERB_GO_ON ? VERB_OK : exit_code;
}
