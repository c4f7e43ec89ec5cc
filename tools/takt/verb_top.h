/* verb_top: what `takt top` shows, in two parts: two looks at a page and what lies between them,
 * and the lines that are made of it. How the lines reach the screen is verb_top.c's business. */
#pragma once

#include "base/node_page.h"
#include "tools/takt/json.h"

#define TOP_LINES_MAX 96u
#define TOP_LINE_SIZE 160u

/* A page as it was at one moment: a copy, for the node goes on. Counters and turns are the roles'
 * own, of this moment; steps are joined by CTL about once a second, so their window is the one
 * between CTL's last two looks that were met, whatever the interval of the looks here. */
struct top_look {
    uint64_t mono_ns;
    uint64_t metric[METRIC_COUNT]; /* sums over the roles; max for what is a maximum */
    uint64_t turns[NODE_PAGE_ROLES], busy_ns[NODE_PAGE_ROLES];
    uint64_t seen_ns, seen_before_ns; /* CTL's looks that `steps` and `steps_before` are of */
    struct hist steps[TRACE_STEPS], steps_before[TRACE_STEPS];
};

enum top_tint { TOP_PLAIN, TOP_HEAD, TOP_WARN };

struct top_text {
    uint32_t count;
    struct {
        enum top_tint tint;
        char text[TOP_LINE_SIZE];
    } lines[TOP_LINES_MAX];
};

/* top_look_take copies what is counted now. last is the look before, not `look`; NULL: the first
 * one, whose steps are all since the start. */
void top_look_take(struct top_look *look, const struct node_page *page, uint64_t mono_ns,
                   const struct top_look *last);

/* top_look_life makes the two looks of a node that is gone: its start, and CTL's last look at it.
 */
void top_look_life(struct top_look looks[2], const struct node_page *page);

/* top_draw makes the lines of what happened from `before` to `now`. */
void top_draw(struct top_text *text, const struct node_page *page, const struct top_look *before,
              const struct top_look *now);

/* top_json writes the same as one JSON object. */
void top_json(struct json *json, const struct node_page *page, const struct top_look *before,
              const struct top_look *now);
