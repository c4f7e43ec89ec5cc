#include "tools/takt/page.h"

#include <stdio.h>
#include <string.h>

/* Without a choice: a node that runs, if there is one only; else a page that is the only one. */
static int page_find_any(char path[NODE_PAGE_PATH_MAX], struct fault *fault)
{
    char paths[16][NODE_PAGE_PATH_MAX], names[400] = "";
    uint32_t count = node_page_list(paths, 16), live = 0, chosen = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct node_page *page;
        size_t used = strlen(names);
        if (node_page_open(paths[i], &page, fault) != 0)
            continue;
        if (node_page_alive(page)) {
            live++;
            chosen = i;
            snprintf(names + used, sizeof(names) - used, "%s--data %s", used ? " or " : "",
                     page->data_dir);
        }
        node_page_close(page);
    }
    if (live > 1)
        return fault_set(fault, ERR_CONFIG, "%u nodes run here; say which: %.200s", live, names);
    if (live == 0 && count != 1)
        return fault_set(fault, ERR_NOTFOUND,
                         "no node with a page runs here (page.shown, see taktd --help-config)%s",
                         count ? "; name one that ended: --page " NODE_PAGE_DIR "/takt-..." : "");
    memcpy(path, paths[chosen], NODE_PAGE_PATH_MAX);
    return 0;
}

int page_find(const struct page_choice *choice, const struct node_page **page, struct fault *fault)
{
    char path[NODE_PAGE_PATH_MAX];
    int err = 0;

    if (choice->file)
        return node_page_open(choice->file, page, fault);
    if (choice->data) {
        if (node_page_path(choice->data, path) != 0)
            return fault_set(fault, ERR_NOTFOUND, "there is no directory %s", choice->data);
    } else {
        err = page_find_any(path, fault);
    }
    if (!err)
        err = node_page_open(path, page, fault);
    if (err == ERR_NOTFOUND && choice->data)
        fault_set(fault, err,
                  "no node of this user shows itself for %s: it does not run, or page.shown is off",
                  choice->data);
    return err;
}

void page_close(const struct node_page *page)
{
    node_page_close(page);
}

const char *page_standing(const struct node_page *page)
{
    switch (atomic_load_explicit(&page->state, memory_order_acquire)) {
    case NODE_PAGE_STARTING: return node_page_alive(page) ? "starts" : "died while it started";
    case NODE_PAGE_RUNNING: return node_page_alive(page) ? "runs" : "crashed or was killed";
    case NODE_PAGE_STOPPED: return "stopped";
    case NODE_PAGE_FAILED: return "stopped with an error";
    default: return "is in an unknown state";
    }
}
