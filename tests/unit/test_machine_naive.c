/* Goal: a difference that test_machine_model finds can be told to be the machine's or the tree's.
 * Method: the same random programs, fewer of them, over the naive tree. */
#define MODEL_SEED_COUNT 300
#include "tests/unit/test_machine_model.c"
