/* page: finds the page of a node on this machine, for the verbs that look at one. */
#pragma once

#include "base/node_page.h"
#include "tools/takt/opts.h"

/* Which node is meant; both may be NULL: the only one there is. */
struct page_choice {
    const char *data; /* its data directory */
    const char *file; /* or the page itself, such as one kept after a crash */
};

/* The options of a verb that takes a choice. */
#define PAGE_OPTIONS(choice)                                                                       \
    {"data", 'd', OPTS_STRING, &(choice).data, "DIR", "the node with this data directory"},        \
    {                                                                                              \
        "page", 'p', OPTS_STRING, &(choice).file, "FILE", "a page, such as one kept after a crash" \
    }

/* page_find maps the page that is meant. Returns 0 or ERR_* with a sentence that says what to do:
 * none runs here, several do (they are named), or of another build. page_close gives it back. */
MUST_USE int page_find(const struct page_choice *choice, const struct node_page **page,
                       struct fault *fault);
void page_close(const struct node_page *page);

/* page_standing says in a word or two how the node is: "runs", "crashed", ... */
const char *page_standing(const struct node_page *page);
