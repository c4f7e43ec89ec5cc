#include "store/snapshot_load.h"

#include "base/check.h"

struct load {
    struct tree *tree;
    struct machine *machine;
};

static int load_begin(void *self, const struct snapshot_info *info, struct fault *fault)
{
    struct load *load = self;
    tree_load_begin(load->tree, info->node_count);
    return 0;
}

/* What does not fit together is a corrupt file; what does not fit in keeps its own error. */
static int load_failed(struct fault *fault, int err, const char *what)
{
    if (err == ERR_LIMIT || err == ERR_NOMEM)
        return fault_set(fault, err, "%s: more than the configuration or the machine allows", what);
    if (err == ERR_VERSION)
        return fault_set(fault, err, "%s: a version this build does not read", what);
    return fault_set(fault, ERR_CORRUPT, "%s: does not fit (%s)", what, err_name(err));
}

static int load_machine(void *self, struct bytes image, struct fault *fault)
{
    struct load *load = self;
    int err = machine_image_load(load->machine, image.at, (uint64_t)image.size);
    return err ? load_failed(fault, err, "the machine's image") : 0;
}

static int load_acl(void *self, uint32_t id, struct bytes packed, struct fault *fault)
{
    struct load *load = self;
    int err = acl_restore(machine_acls(load->machine), id, packed);
    return err ? load_failed(fault, err, "an ACL") : 0;
}

static int load_node(void *self, const struct tree_image *image, struct fault *fault)
{
    struct load *load = self;
    int err = tree_load_node(load->tree, image, fault);
    if (err)
        return err;
    err = machine_image_node(load->machine, image->path, image->acl, image->owner);
    if (err) {
        int shown = image->path.size < 200 ? image->path.size : 200;
        load_failed(fault, err, "its ACL or its owner");
        return fault_wrap(fault, err == ERR_NOMEM ? err : ERR_CORRUPT, "node '%.*s'", shown,
                          (const char *)image->path.at);
    }
    return 0;
}

int snapshot_load(const struct disk_io *io, const char *name, struct tree *tree,
                  struct machine *machine, struct snapshot_info *info, struct fault *fault)
{
    struct load load = {tree, machine};
    struct snapshot_sink sink = {.self = &load,
                                 .begin = load_begin,
                                 .machine = load_machine,
                                 .acl = load_acl,
                                 .node = load_node};
    int err = snapshot_read(io, name, &sink, info, fault);
    if (err)
        return err;
    err = tree_load_end(tree, info->zxid, fault);
    if (err)
        return fault_wrap(fault, err, "snapshot '%s'", name);
    machine_image_done(machine);
    if (machine_hash(machine) != info->state_hash || machine_index(machine) != info->index ||
        machine_zxid(machine) != info->zxid || machine_term(machine) != info->term ||
        machine_session_count(machine) != info->session_count)
        return fault_set(fault, ERR_CORRUPT,
                         "snapshot '%s': header and contents are of different"
                         " states",
                         name);
    return 0;
}
