/* Preloaded into a program, this breaks it once: when the file named by BREAKS_WHEN is there, the next look at the wall
 * clock on the main thread fails. No such look can fail by itself, so the program takes it for a mistake, and panics. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    static int broken;
    const char *when = getenv("BREAKS_WHEN");
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (clock == CLOCK_REALTIME && !broken && when && syscall(SYS_gettid) == getpid() && access(when, F_OK) == 0) {
        broken = 1;
        errno = EINVAL;
        return -1;
    }
    return real(clock, at);
}
