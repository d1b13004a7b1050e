/* A file layer that fails on purpose, put between a process and its C library (LD_PRELOAD).
 *
 * It counts every call that changes a file or folder below one folder, whatever language makes it,
 * and at a chosen one kills the process, tears the write, or lets it fail. It can also let every
 * read and write do only a part of what it was asked, which the system is free to do. Until it is
 * armed it passes everything on. See file_layer.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, COUNT, KILL, TEAR, FAIL_ONCE, FAIL_FROM, SHORT };

static _Atomic int mode = OFF;
static atomic_long steps;
static long at;
static int fault;
static int trace = -1;
static char prefix[PATH_MAX];
static size_t prefix_length;

void file_layer_arm(const char *folder, int new_mode, long step, int error, int trace_fd) {
    strncpy(prefix, folder, sizeof prefix - 1);
    prefix_length = strlen(prefix);
    at = step;
    fault = error;
    trace = trace_fd;
    atomic_store(&steps, 0);
    atomic_store(&mode, new_mode);
}

long file_layer_steps(void) { return atomic_load(&steps); }

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static int below(const char *path) { return strncmp(path, prefix, prefix_length) == 0; }

static int path_below(int folder, const char *path, char *full) {
    char link[64];
    ssize_t length = 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = readlink(link, full, PATH_MAX - 2);
        if (length < 0) return 0;
        full[length++] = '/';
    }
    strncpy(full + length, path, PATH_MAX - 1 - length);
    full[PATH_MAX - 1] = 0;
    return below(full);
}

static int fd_below(int fd, char *full) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, full, PATH_MAX - 1);
    if (length < 0) return 0;
    full[length] = 0;
    return below(full);
}

/* Count a step; die at the chosen one. Returns 1 where the call shall fail, 2 where it is torn. */
static int step(const char *call, const char *path, int is_write) {
    int now = atomic_load(&mode);
    if (now == OFF || now == SHORT) return 0;
    long number = atomic_fetch_add(&steps, 1) + 1;
    if (trace >= 0) {
        char line[PATH_MAX + 32];
        int length = snprintf(line, sizeof line, "%s %s\n", call, path + prefix_length);
        syscall(SYS_write, trace, line, length);
    }
    if (now == COUNT || number < at) return 0;
    if (now == FAIL_FROM || (now == FAIL_ONCE && number == at)) {
        errno = fault;
        return 1;
    }
    if (number > at) return 0;
    if (now == TEAR && is_write) return 2;
    if (now == KILL || now == TEAR) die();
    return 0;
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define ARMED (atomic_load(&mode) != OFF)
#define PART(size) ((size) > 61 ? 61 : (size))

static size_t short_of(size_t size, int fd) {
    char full[PATH_MAX];
    return atomic_load(&mode) == SHORT && fd_below(fd, full) ? PART(size) : size;
}

ssize_t write(int fd, const void *data, size_t size) {
    NEXT(write);
    char full[PATH_MAX];
    if (ARMED && fd_below(fd, full)) {
        int verdict = step("write", full, 1);
        if (verdict == 1) return -1;
        if (verdict == 2) {
            next(fd, data, size / 2);
            die();
        }
    }
    return next(fd, data, ARMED ? short_of(size, fd) : size);
}

#define POSITIONED_WRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t place) { \
        NEXT(name); \
        char full[PATH_MAX]; \
        if (ARMED && fd_below(fd, full)) { \
            int verdict = step("pwrite", full, 1); \
            if (verdict == 1) return -1; \
            if (verdict == 2) { \
                next(fd, data, size / 2, place); \
                die(); \
            } \
        } \
        return next(fd, data, ARMED ? short_of(size, fd) : size, place); \
    }
POSITIONED_WRITE(pwrite)
POSITIONED_WRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(writev);
    char full[PATH_MAX];
    if (ARMED && fd_below(fd, full)) {
        int verdict = step("writev", full, 1);
        if (verdict == 1) return -1;
        if (verdict == 2) {
            next(fd, parts, count / 2 ? count / 2 : 1);
            die();
        }
        if (atomic_load(&mode) == SHORT && count > 1) return next(fd, parts, 1);
    }
    return next(fd, parts, count);
}

ssize_t read(int fd, void *data, size_t size) {
    NEXT(read);
    return next(fd, data, ARMED ? short_of(size, fd) : size);
}

#define POSITIONED_READ(name) \
    ssize_t name(int fd, void *data, size_t size, off_t place) { \
        NEXT(name); \
        return next(fd, data, ARMED ? short_of(size, fd) : size, place); \
    }
POSITIONED_READ(pread)
POSITIONED_READ(pread64)

#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(name); \
        char full[PATH_MAX]; \
        va_list rest; \
        va_start(rest, flags); \
        mode_t rights = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (ARMED && CHANGES(flags) && path_below(AT_FDCWD, path, full) && step("open", full, 0)) \
            return -1; \
        return next(path, flags, rights); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        NEXT(name); \
        char full[PATH_MAX]; \
        va_list rest; \
        va_start(rest, flags); \
        mode_t rights = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (ARMED && CHANGES(flags) && path_below(folder, path, full) && step("open", full, 0)) \
            return -1; \
        return next(folder, path, flags, rights); \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_FD(name) \
    int name(int fd) { \
        NEXT(name); \
        char full[PATH_MAX]; \
        if (ARMED && fd_below(fd, full) && step(#name, full, 0)) return -1; \
        return next(fd); \
    }
ON_FD(fsync)
ON_FD(fdatasync)

#define TRUNCATE(name) \
    int name(int fd, off_t size) { \
        NEXT(name); \
        char full[PATH_MAX]; \
        if (ARMED && fd_below(fd, full) && step("ftruncate", full, 0)) return -1; \
        return next(fd, size); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *old, const char *new) {
    NEXT(rename);
    char full[PATH_MAX];
    if (ARMED && path_below(AT_FDCWD, new, full) && step("rename", full, 0)) return -1;
    return next(old, new);
}

int renameat(int from, const char *old, int to, const char *new) {
    NEXT(renameat);
    char full[PATH_MAX];
    if (ARMED && path_below(to, new, full) && step("rename", full, 0)) return -1;
    return next(from, old, to, new);
}

int unlink(const char *path) {
    NEXT(unlink);
    char full[PATH_MAX];
    if (ARMED && path_below(AT_FDCWD, path, full) && step("unlink", full, 0)) return -1;
    return next(path);
}

int unlinkat(int folder, const char *path, int flags) {
    NEXT(unlinkat);
    char full[PATH_MAX];
    if (ARMED && path_below(folder, path, full) && step("unlink", full, 0)) return -1;
    return next(folder, path, flags);
}

int mkdir(const char *path, mode_t rights) {
    NEXT(mkdir);
    char full[PATH_MAX];
    if (ARMED && path_below(AT_FDCWD, path, full) && step("mkdir", full, 0)) return -1;
    return next(path, rights);
}

int rmdir(const char *path) {
    NEXT(rmdir);
    char full[PATH_MAX];
    if (ARMED && path_below(AT_FDCWD, path, full) && step("rmdir", full, 0)) return -1;
    return next(path);
}
