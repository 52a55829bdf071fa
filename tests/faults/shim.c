/* Counts the system calls that change files below a folder, and fails or ends one of them.
 *
 * Preloaded into a Python process (see driver.py), which arms it after a fork:
 *     arm(folder, at, action, counters)
 *         action: 0 count only, 1 end the process before the call, 2 do half of a write and end the
 *         process, -1 end it before the call of that number among those of any kind, wherever they
 *         go (reads, locks, sockets, waits); otherwise an errno that this call and all later ones
 *         give (ENOSPC: those that need room) or that it alone gives (others)
 *         counters: writing calls so far, calls of any kind, and those before the first connection
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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static long at = -1, counted, stepped, *shared;
static int action;

void arm(const char *below, long nth, int what, long *counter) {
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    at = nth;
    action = what;
    counted = stepped = 0;
    shared = counter;
}

/* Counts a call of any kind. */
static void step(void) {
    if (!folder_length) return;
    long n = __sync_add_and_fetch(&stepped, 1);
    if (shared) shared[1] = n;
    if (action == -1 && n == at) kill(getpid(), SIGKILL);
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
    if (shared) shared[0] = n;
    if (action <= 0 || n < at) return 0;
    if (action == ENOSPC) return needs_room ? ENOSPC : 0;
    if (n != at) return 0;
    if (action == 1) kill(getpid(), SIGKILL);
    if (action == 2) return needs_room ? 1 : (kill(getpid(), SIGKILL), 1);
    return action;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(code) do { errno = (code); return -1; } while (0)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write); step();
    if (!is_ours(fd)) return real(fd, data, n);
    int what = fate(1);
    if (what == 1) { real(fd, data, n / 2); kill(getpid(), SIGKILL); }
    if (what) FAIL(what);
    return real(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev); step();
    if (!is_ours(fd)) return real(fd, parts, n);
    int what = fate(1);
    if (what == 1) { real(fd, parts, n / 2); kill(getpid(), SIGKILL); }
    if (what) FAIL(what);
    return real(fd, parts, n);
}

#define PWRITE(name, offset_type)                                              \
    ssize_t name(int fd, const void *data, size_t n, offset_type offset) {     \
        REAL(name); step();                                                    \
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
        REAL(name); step();                                                    \
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
        REAL(name); step();                                                    \
        if (!below(path)) return real given;                                   \
        int what = fate(0);                                                    \
        if (what) FAIL(what);                                                  \
        return real given;                                                     \
    }
ON_PATH(rename, to, (const char *from, const char *to), (from, to))
ON_PATH(link, to, (const char *from, const char *to), (from, to))
ON_PATH(unlink, path, (const char *path), (path))
ON_PATH(mkdir, path, (const char *path, mode_t mode), (path, mode))

#define COUNTED(type, name, declared, given)                                   \
    type name declared {                                                       \
        REAL(name); step();                                                    \
        return real given;                                                     \
    }
COUNTED(ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
COUNTED(ssize_t, pread, (int fd, void *data, size_t n, off_t from), (fd, data, n, from))
COUNTED(ssize_t, pread64, (int fd, void *data, size_t n, off64_t from), (fd, data, n, from))
COUNTED(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
COUNTED(off64_t, lseek64, (int fd, off64_t offset, int whence), (fd, offset, whence))
COUNTED(int, close, (int fd), (fd))
COUNTED(int, stat, (const char *path, struct stat *found), (path, found))
COUNTED(int, fstat, (int fd, struct stat *found), (fd, found))
COUNTED(int, access, (const char *path, int mode), (path, mode))
int connect(int fd, const struct sockaddr *to, socklen_t n) {
    REAL(connect); step();
    if (shared && !shared[2]) shared[2] = stepped;
    return real(fd, to, n);
}
COUNTED(ssize_t, recv, (int fd, void *data, size_t n, int flags), (fd, data, n, flags))
COUNTED(ssize_t, send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *data, int flags), (fd, data, flags))
COUNTED(int, epoll_wait, (int fd, struct epoll_event *found, int most, int wait), (fd, found, most, wait))

#define WITH_THIRD(name, first_type, type, third_type)                         \
    int name(first_type first, type second, ...) {                             \
        REAL(name); step();                                                    \
        va_list more;                                                          \
        va_start(more, second);                                                \
        third_type third = va_arg(more, third_type);                           \
        va_end(more);                                                          \
        return real(first, second, third);                                     \
    }
WITH_THIRD(open, const char *, int, int)
WITH_THIRD(open64, const char *, int, int)
WITH_THIRD(fcntl, int, int, void *)
WITH_THIRD(fcntl64, int, int, void *)
