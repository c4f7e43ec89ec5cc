/* Any bytes as a snapshot file: the loader refuses or takes them, and never reads past them. The
 * first byte says how: even, the bytes as they are; odd, checksums and digest are made right first,
 * so that what lies behind them is reached. */
#include "base/crc32c.h"
#include "store/snapshot_format.h"
#include "store/snapshot_load.h"
#include "tests/unit/mem_disk.h"

#include <stdlib.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Seals header, blocks and trailer over whatever they hold, as far as the sizes make sense. */
static void seal(uint8_t *file, size_t size)
{
    struct snapshot_header header;
    struct snapshot_block block;
    if (size < sizeof(header))
        return;
    memcpy(&header, file, sizeof(header));
    header.crc = snapshot_header_crc(&header);
    memcpy(file, &header, sizeof(header));
    for (size_t at = sizeof(header); at + sizeof(block) <= size;) {
        memcpy(&block, file + at, sizeof(block));
        if (block.stored_size > size - at - sizeof(block))
            return;
        uint8_t *stored = file + at + sizeof(block);
        if (block.kind == SNAPSHOT_BLOCK_TRAILER &&
            block.stored_size == sizeof(struct snapshot_trailer)) {
            XXH128_hash_t hash = XXH3_128bits(file, at);
            const uint64_t digest[2] = {hash.low64, hash.high64};
            memcpy(stored, digest, sizeof(digest)); /* the trailer's first field */
        }
        block.crc = snapshot_block_crc(&block, stored);
        memcpy(file + at, &block, sizeof(block));
        at += sizeof(block) + block.stored_size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tree_config tree_config = {.memory_limit = 1 << 26, .nodes_max = 1 << 12};
    static const struct machine_config machine_config = {.session_count_max = 16,
                                                         .acl_count_max = 16};
    struct mem_disk disk;
    struct tree *tree;
    struct machine *machine;
    struct snapshot_info info;
    struct fault fault = {""};
    if (size < 1 || tree_create(&tree, &tree_config) != 0)
        return 0;
    if (machine_create(&machine, &machine_config, tree) != 0)
        abort();
    mem_disk_init(&disk);
    uint8_t *file = malloc(size);
    if (!file)
        abort();
    memcpy(file, data + 1, size - 1);
    if (data[0] & 1)
        seal(file, size - 1);
    mem_disk_put(&disk, "snapshot.0000000000000001", file, size - 1);
    free(file);
    int err = snapshot_load(&disk.io, "snapshot.0000000000000001", tree, machine, &info, &fault);
    if (err != 0 && fault.text[0] == 0)
        abort(); /* a refusal says why */
    if (err == 0 && tree_node_count(tree) != info.node_count + 1)
        abort();
    machine_destroy(machine);
    tree_destroy(tree);
    mem_disk_fini(&disk);
    return 0;
}
