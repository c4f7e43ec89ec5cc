#include "base/grace.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GRACE_TOLD 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define GRACE_TOLD 1
#endif

#ifdef GRACE_TOLD
void __tsan_acquire(void *address);
void __tsan_release(void *address);

static char grace_mark; /* stands for the grace periods of the process */

void grace_reader_done(void)
{
    __tsan_release(&grace_mark);
}

void grace_passed(void)
{
    __tsan_acquire(&grace_mark);
}
#else
void grace_reader_done(void)
{
}

void grace_passed(void)
{
}
#endif
