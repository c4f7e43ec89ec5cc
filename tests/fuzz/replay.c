/* replay: runs a fuzz target over its corpus without libFuzzer, so that every build does it with
 * either compiler. Each file is given as it is, cut at a hundred places, and with seeded damage;
 * the sanitizer builds turn a bad access into a failure. Prints TAP, one line a file. */
#include "base/rand.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (4u << 20)
#define FILES_MAX     4096
#define CUTS          100
#define DAMAGES       400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target gets exactly `size` bytes of heap, so that one byte more is an error under ASan. */
static void replay_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_damaged(const uint8_t *data, size_t size, uint64_t seed)
{
    struct rand rand;
    uint8_t *copy = malloc(size);

    if (!copy)
        abort();
    rand_seed(&rand, seed);
    memcpy(copy, data, size);
    for (uint64_t n = 1 + rand_below(&rand, 4); n > 0; n--) {
        size_t at = rand_below(&rand, size);
        switch (rand_below(&rand, 4)) {
        case 0: copy[at] ^= (uint8_t)(1u << rand_below(&rand, 8)); break;
        case 1: copy[at] = (uint8_t)rand_next(&rand); break;
        case 2: copy[at] = copy[rand_below(&rand, size)]; break;
        default: memset(copy + at, rand_below(&rand, 2) ? 0xff : 0, size - at < 4 ? size - at : 4);
        }
    }
    replay_one(copy, size);
    free(copy);
}

static bool replay_file(const char *path)
{
    static uint8_t data[FILE_SIZE_MAX];
    FILE *file = fopen(path, "rb");

    if (!file)
        return false;
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    replay_one(data, size);
    /* Large files are for the whole of a format; damage is for the small ones. */
    uint64_t rounds = size > 65536 ? 8 : 1;
    for (uint64_t i = 0; size && i < CUTS / rounds; i++)
        replay_one(data, size * i / (CUTS / rounds));
    for (uint64_t i = 0; size && i < DAMAGES / rounds; i++)
        replay_damaged(data, size, i);
    return true;
}

static int replay_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    static char *names[FILES_MAX];
    char path[4096];
    struct dirent *entry;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int count = 0, failed = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir)) && count < FILES_MAX)
        if (entry->d_name[0] != '.')
            names[count++] = strdup(entry->d_name);
    closedir(dir);
    qsort(names, (size_t)count, sizeof(names[0]), replay_order);
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]);
        bool good = replay_file(path);
        failed += !good;
        printf("%s %d - %s\n", good ? "ok" : "not ok", i + 1, names[i]);
        fflush(stdout);
        free(names[i]);
    }
    return failed || count == 0;
}
