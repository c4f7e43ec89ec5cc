#include "tools/takt/verb_top.h"

#include "base/check.h"
#include "base/clock.h"
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
        "A node on this machine from inside, each --interval: what its roles do, how busy they\n"
        "are, how full the links between them were, throughput, where a request's time goes, how\n"
        "it stands in its ensemble. It reads a page of memory that the node shares, and asks it\n"
        "nothing. Each table says which time it is of: the node joins the stamps of the steps\n"
        "once a second, the rest is of this moment. After a crash the page is still there, as the\n"
        "node left it, and what is shown is of its whole life. q ends it.",
    .examples = "  takt top\n"
                "  takt top --data /var/lib/takt --interval 0.5\n"
                "  takt top --once -o json\n"
                "  takt top --page /dev/shm/takt-0-0123456789abcdef.crashed --once\n",
};

#define TOP_FIRST_NS    (200 * NS_PER_MS) /* the first picture of a terminal comes sooner */
#define TOP_SEEN_NS_MAX (2 * NS_PER_S)    /* CTL looks once a second */

static void verb_top_sleep(uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
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

/* Waits until mono_ns, whatever else is typed meanwhile. True: the user wants to leave. */
static bool verb_top_wait(uint64_t mono_ns)
{
    for (uint64_t now_ns; (now_ns = clock_now().mono_ns) < mono_ns;) {
        timeout((int)((mono_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS));
        int key = getch();
        if (key == 'q' || key == 'Q' || key == 27)
            return true;
    }
    return false;
}

/* The next look, into the place of the older one. Returns where it is. */
static int verb_top_look(const struct node_page *page, struct top_look looks[2], int at)
{
    if (node_page_alive(page)) {
        top_look_take(&looks[1 - at], page, clock_now().mono_ns, &looks[at]);
        return 1 - at;
    }
    top_look_life(looks, page);
    return 1;
}

/* Runs until q, or until the terminal goes. */
static int verb_top_watch(const struct node_page *page, struct top_look looks[2],
                          struct top_text *text, uint64_t interval_ns)
{
    uint64_t next_ns = clock_now().mono_ns;
    int at = 0;

    if (!initscr())
        return VERB_FAILED;
    cbreak();
    noecho();
    curs_set(0);
    top_look_take(&looks[0], page, next_ns, NULL);
    next_ns += interval_ns < TOP_FIRST_NS ? interval_ns : TOP_FIRST_NS;
    while (!verb_top_wait(next_ns)) {
        next_ns = clock_now().mono_ns + interval_ns;
        at = verb_top_look(page, looks, at);
        top_draw(text, page, &looks[1 - at], &looks[at]);
        verb_top_screen(text);
    }
    endwin();
    return VERB_OK;
}

/* One interval; with `steps` as much longer as the node takes to look at itself. */
static void verb_top_interval(const struct node_page *page, const struct top_look *first,
                              uint64_t interval_ns, bool steps)
{
    uint64_t until_ns = first->mono_ns + interval_ns + TOP_SEEN_NS_MAX;

    if (node_page_alive(page))
        verb_top_sleep(interval_ns);
    while (steps && node_page_alive(page) && clock_now().mono_ns < until_ns &&
           atomic_load_explicit(&page->seen_ns, memory_order_acquire) == first->seen_ns)
        verb_top_sleep(NS_PER_MS);
}

static void verb_top_once(const struct node_page *page, struct top_look looks[2],
                          struct top_text *text, uint64_t interval_ns, bool as_json)
{
    struct json json;

    top_look_take(&looks[0], page, clock_now().mono_ns, NULL);
    verb_top_interval(page, &looks[0], interval_ns, !as_json);
    CHECK(verb_top_look(page, looks, 0) == 1);
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
    uint64_t interval_ns = (uint64_t)(interval_s * NS_PER_S);
    bool as_json = strcmp(output, "json") == 0;
    if (!looks)
        exit_code = VERB_FAILED;
    else if (!once && !as_json && isatty(STDOUT_FILENO) && getenv("TERM"))
        exit_code = verb_top_watch(page, looks, &text, interval_ns);
    else
        verb_top_once(page, looks, &text, interval_ns, as_json);
    free(looks);
    page_close(page);
    return exit_code == VERB_GO_ON ? VERB_OK : exit_code;
}
