#include "tools/takt/sh_tree.h"

#include <stdlib.h>

#define SH_TREE_WINDOW 256 /* deletes in flight */

static int sh_tree_push(struct sh *sh, struct sh_tree *tree, char *path)
{
    if (tree->count == tree->room) {
        size_t room = tree->room ? 2 * tree->room : 64;
        char **paths = realloc(tree->paths, room * sizeof(*paths));
        if (paths == NULL) {
            free(path);
            return sh_complain(sh, ERR_NOMEM, "no memory for %zu paths", room);
        }
        tree->paths = paths;
        tree->room = room;
    }
    if (path == NULL)
        return sh_complain(sh, ERR_NOMEM, "no memory for a path");
    tree->paths[tree->count++] = path;
    return 0;
}

void sh_tree_fini(struct sh_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        free(tree->paths[i]);
    free(tree->paths);
    *tree = (struct sh_tree){0};
}

static int sh_tree_compare_down(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

/* Pushes path's children on the stack, so that the first in order is popped first. */
static int sh_tree_open(struct sh *sh, const char *path, struct sh_tree *stack, int32_t *error)
{
    char **names;
    uint32_t count;
    int err = sh_children(sh, path, &names, &count, error);
    if (err != 0 || *error != ZK_OK)
        return err;
    qsort(names, count, sizeof(*names), sh_tree_compare_down);
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = sh_tree_push(sh, stack, sh_join(path, names[i]));
    free(names);
    return err;
}

int sh_tree_collect(struct sh *sh, const char *path, struct sh_tree *tree)
{
    struct sh_tree stack = {0};
    *tree = (struct sh_tree){0};
    int err = sh_tree_push(sh, &stack, strdup(path));
    while (err == 0 && stack.count > 0) {
        int32_t error = ZK_OK;
        char *at = stack.paths[--stack.count];
        err = sh_tree_open(sh, at, &stack, &error);
        if (err == 0 && error == ZK_OK) {
            err = sh_tree_push(sh, tree, at);
            continue;
        }
        if (err == 0 && (error != ZK_NO_NODE || strcmp(at, path) == 0))
            err = sh_refused(sh, at, error);
        free(at);
    }
    sh_tree_fini(&stack);
    if (err != 0)
        sh_tree_fini(tree);
    return err;
}

/* Sends deletes for paths[from..to), the last first, then takes the answers. *refused and *error
 * keep the first refusal that matters. */
static int sh_tree_delete_some(struct sh *sh, const struct sh_tree *tree, size_t from, size_t to,
                               const char **refused, int32_t *error)
{
    struct zkclient_reply reply;
    struct fault fault;
    for (size_t i = to; i > from; i--) {
        struct bytes path = bytes_of_string(tree->paths[i - 1]);
        struct jute_out *out = sh_request(sh, ZK_OP_DELETE, 4 + sh_path_size(path));
        if (out == NULL)
            return ERR_IO;
        zkwire_put_path_int(out, path, -1);
        zkclient_submit(&sh->client);
    }
    for (size_t i = to; i > from; i--) {
        int err = zkclient_next(&sh->client, &reply, &fault);
        if (err != 0)
            return sh_complain(sh, err, "%s; the subtree is deleted in part", fault.text);
        if (reply.error != ZK_OK && reply.error != ZK_NO_NODE && *refused == NULL) {
            *refused = tree->paths[i - 1];
            *error = reply.error;
        }
    }
    return 0;
}

int sh_tree_delete(struct sh *sh, const struct sh_args *args)
{
    struct sh_tree tree;
    const char *refused = NULL;
    int32_t error = ZK_OK;
    int err = sh_tree_collect(sh, sh_args_text(args, 0), &tree);
    if (err != 0)
        return err;
    for (size_t to = tree.count; to > 0 && err == 0 && refused == NULL;) {
        size_t from = to > SH_TREE_WINDOW ? to - SH_TREE_WINDOW : 0;
        err = sh_tree_delete_some(sh, &tree, from, to, &refused, &error);
        to = from;
    }
    if (err == 0 && refused != NULL)
        err = sh_refused(sh, refused, error);
    if (err == 0 && sh->as_json) {
        sh_json_begin(sh, sh_args_text(args, 0));
        json_int(&sh->json, "deleted", (int64_t)tree.count);
        sh_json_end(sh);
    }
    sh_tree_fini(&tree);
    return err;
}
