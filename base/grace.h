/* grace: tells ThreadSanitizer what a grace period of liburcu means; nothing in any other build.
 * liburcu's barriers are assembly, which the sanitizer cannot see, so that every free behind a
 * grace period would look like a race with the reads before it. Everybody who waits for one says so
 * here:
 *
 *   reader: reads, grace_reader_done, quiescent state    writer: synchronize, grace_passed, free
 */
#pragma once

/* grace_reader_done: the reads of this thread so far are over. Right before it tells liburcu. */
void grace_reader_done(void);
/* grace_passed: what readers read before their last grace_reader_done is over. Right behind the
 * wait for a grace period. */
void grace_passed(void);
