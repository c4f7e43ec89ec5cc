/* path: what a znode path may look like (zk_protocol.md section 11), and its parts. Pure.
 *
 *   /app/lock-0000000001      parent "/app", name "lock-0000000001"
 *   /app                      parent "/",    name "app"
 *
 * A path is judged as the reference judges it after decoding UTF-8 to UTF-16: bytes that are not
 * well-formed UTF-8 become U+FFFD there, which is one of the forbidden characters, as is everything
 * outside the Basic Multilingual Plane (its halves are surrogates). Any role may call these. */
#pragma once

#include "base/jute.h"

#include <stdbool.h>

#define PATH_SEQUENCE_SIZE 11 /* most bytes a sequence suffix takes: %010d of an int32 */

/* path_valid says whether a path passes the full check: absolute, no empty, "." or ".." component,
 * no '/' at the end but in "/", no forbidden character, well-formed UTF-8. Null is not valid. */
bool path_valid(struct bytes path);

/* path_has_nul says whether a zero byte occurs. Assumes the path is not null. */
bool path_has_nul(struct bytes path);

/* path_parent gives what lies before the last '/', as a part of path: "" for "/a", null (size -1)
 * when there is no '/'. path_name gives what lies behind the last '/'. Both borrow path. */
struct bytes path_parent(struct bytes path);
struct bytes path_name(struct bytes path);

/* path_below says whether path is top itself or lies below it. "/" has everything below it. */
bool path_below(struct bytes path, struct bytes top);

/* path_is compares with a C string. */
bool path_is(struct bytes path, const char *string);

/* path_special: "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config": never deleted. */
bool path_special(struct bytes path);
