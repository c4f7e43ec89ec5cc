/* mem_disk: a disk_io over memory for tests of one module: files are plain buffers, and the Nth
 * call can be made to fail. Nothing is ever lost; tests/sim/sim_disk is the disk that forgets. */
#pragma once

#include "base/disk_io.h"

#include <stdbool.h>

#define MEM_DISK_FILE_MAX 32

struct mem_disk_file {
    bool there;
    char name[DISK_PATH_SIZE_MAX];
    uint8_t *bytes;
    uint64_t size;
};

struct mem_disk {
    struct disk_io io;
    struct mem_disk_file files[MEM_DISK_FILE_MAX];
    int open_count;
    uint32_t calls;   /* made since the test set it to 0 */
    uint32_t fail_at; /* the call with this number, from 1, fails; 0 = none does */
    int fail_err;     /* with this */
};

void mem_disk_init(struct mem_disk *disk);
void mem_disk_fini(struct mem_disk *disk);
struct mem_disk_file *mem_disk_file(struct mem_disk *disk, const char *name);
/* Puts a file there, or replaces it. */
void mem_disk_put(struct mem_disk *disk, const char *name, const void *bytes, uint64_t size);
