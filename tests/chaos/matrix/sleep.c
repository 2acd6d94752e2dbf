/* libfaketime turns an absolute deadline of the monotonic clock into one of its own, and after a jump
   into none at all (EINVAL), of which Python's time.sleep dies. Sleeping needs no lie. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
