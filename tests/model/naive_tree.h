/* naive_tree: the tree's twin: every prototype of store/tree.h, written to be obviously right and
 * nothing else. Each state is an array of pointers to immutable nodes; a change copies the array.
 * Linear search, no hash, no reclaim: for small trees in tests.
 *
 * A program links either store/tree.c or this file: compiled into a program, it takes the place of
 * the library's tree. */
#pragma once

#include "store/tree.h"
