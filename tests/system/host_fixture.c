/* Writes a tree of files that looks like /proc and /sys of a machine, for the tests of the verbs:
 * host_fixture vm|server|tuned DIR. The directory is made. */
#include "tests/unit/host_fixture.h"

#include <stdio.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    if (argc != 3 || mkdir(argv[2], 0777) != 0 || !host_fixture_make(argv[2], argv[1])) {
        fprintf(stderr, "usage: host_fixture vm|server|tuned DIR\n");
        return 2;
    }
    return 0;
}
