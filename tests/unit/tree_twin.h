/* tree_twin: the tree as one would write it without readers: an array, copied whole to take a
 * state. For tests: what store/tree.h does must agree with it. */
#pragma once

#include "store/tree.h"

#define TWIN_NODE_MAX 96
#define TWIN_DATA_MAX 1200
#define TWIN_PATH_MAX 64

struct twin_node {
    bool live;
    char path[TWIN_PATH_MAX];
    int32_t data_size;
    uint8_t data[TWIN_DATA_MAX];
    int64_t owner;
    uint32_t acl;
    int32_t creations;
    struct zk_stat stat;
};

struct twin {
    struct twin_node nodes[TWIN_NODE_MAX];
};

void twin_init(struct twin *twin);
struct twin_node *twin_find(struct twin *twin, const char *path);
/* The changes, with the same meaning and the same preconditions as tree_add and its kin. */
void twin_add(struct twin *twin, const char *path, struct bytes data, uint32_t acl, int64_t owner,
              int64_t zxid, int64_t time_ms);
void twin_set(struct twin *twin, const char *path, struct bytes data, int64_t zxid,
              int64_t time_ms);
void twin_set_acl(struct twin *twin, const char *path, uint32_t acl);
void twin_remove(struct twin *twin, const char *path, int64_t zxid);
/* Checks with cmocka that the view shows exactly the twin. */
void twin_agrees(struct twin *twin, const struct tree_view *view);
