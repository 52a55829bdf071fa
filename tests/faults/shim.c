/* Counts the system calls that change files below a folder, and fails or ends one of them.
 *
 * Preloaded into a Python process (see driver.py), which arms it after a fork:
 *     arm(folder, at, action)   action: 0 count only, 1 end the process before the call,
 *                               2 do half of a write and end the process,
 *                               otherwise an errno that this call and all later ones give
 *                               (ENOSPC: those that need room) or that it alone gives (others)
 *     n_calls()                 calls counted so far
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static long at = -1, counted, *shared;
static int action;

void arm(const char *below, long nth, int what, long *counter) {
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    at = nth;
    action = what;
    counted = 0;
    shared = counter;
}

static int below(const char *path) {
    return folder_length && strncmp(path, folder, folder_length) == 0;
}

static int is_ours(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

/* 0: let it be; 1: half of it, then the end; else the errno to give. */
static int fate(int needs_room) {
    long n = __sync_add_and_fetch(&counted, 1);
    if (shared) *shared = n;
    if (action == 0 || n < at) return 0;
    if (action == ENOSPC) return needs_room ? ENOSPC : 0;
    if (n != at) return 0;
    if (action == 1) kill(getpid(), SIGKILL);
    if (action == 2) return needs_room ? 1 : (kill(getpid(), SIGKILL), 1);
    return action;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(code) do { errno = (code); return -1; } while (0)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    if (!is_ours(fd)) return real(fd, data, n);
    int what = fate(1);
    if (what == 1) { real(fd, data, n / 2); kill(getpid(), SIGKILL); }
    if (what) FAIL(what);
    return real(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    if (!is_ours(fd)) return real(fd, parts, n);
    int what = fate(1);
    if (what == 1) { real(fd, parts, n / 2); kill(getpid(), SIGKILL); }
    if (what) FAIL(what);
    return real(fd, parts, n);
}

#define PWRITE(name, offset_type)                                              \
    ssize_t name(int fd, const void *data, size_t n, offset_type offset) {     \
        REAL(name);                                                            \
        if (!is_ours(fd)) return real(fd, data, n, offset);                    \
        int what = fate(1);                                                    \
        if (what == 1) { real(fd, data, n / 2, offset); kill(getpid(), SIGKILL); } \
        if (what) FAIL(what);                                                  \
        return real(fd, data, n, offset);                                      \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_FILE(name, needs_room, declared, given)                             \
    int name declared {                                                        \
        REAL(name);                                                            \
        if (!is_ours(fd)) return real given;                                   \
        int what = fate(needs_room);                                           \
        if (what == 1) { real given; kill(getpid(), SIGKILL); }                \
        if (what) FAIL(what);                                                  \
        return real given;                                                     \
    }
ON_FILE(fsync, 1, (int fd), (fd))
ON_FILE(fdatasync, 1, (int fd), (fd))
ON_FILE(ftruncate, 0, (int fd, off_t size), (fd, size))
ON_FILE(ftruncate64, 0, (int fd, off64_t size), (fd, size))

#define ON_PATH(name, path, declared, given)                                   \
    int name declared {                                                        \
        REAL(name);                                                            \
        if (!below(path)) return real given;                                   \
        int what = fate(0);                                                    \
        if (what) FAIL(what);                                                  \
        return real given;                                                     \
    }
ON_PATH(rename, to, (const char *from, const char *to), (from, to))
ON_PATH(link, to, (const char *from, const char *to), (from, to))
ON_PATH(unlink, path, (const char *path), (path))
ON_PATH(mkdir, path, (const char *path, mode_t mode), (path, mode))
