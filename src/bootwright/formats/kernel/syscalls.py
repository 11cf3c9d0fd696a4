"""System calls of 64-bit programs on arm64: the old ones that it never had, and handlers of another name.

include/uapi/asm-generic/unistd.h: what stood there under __ARCH_WANT_SYSCALL_NO_AT, _NO_FLAGS and
_DEPRECATED (Linux 4.1), which arm64 does not define, and `__SYSCALL(__NR_fstat, sys_newfstat)` and its like
(Linux 6.12). The kernel has functions for the old ones all the same: 32-bit programs call them.
"""

from __future__ import annotations

from collections.abc import Mapping

_ROWS = """
open openat
creat openat
link linkat
unlink unlinkat
rmdir unlinkat
mkdir mkdirat
mknod mknodat
chmod fchmodat
chown fchownat
lchown fchownat
access faccessat
rename renameat2
readlink readlinkat
symlink symlinkat
utime utimensat
utimes utimensat
futimesat utimensat
stat newfstatat
lstat newfstatat
pipe pipe2
dup2 dup3
epoll_create epoll_create1
epoll_wait epoll_pwait
inotify_init inotify_init1
eventfd eventfd2
signalfd signalfd4
select pselect6
poll ppoll
alarm setitimer
getpgrp getpgid
pause rt_sigsuspend
time gettimeofday
getdents getdents64
ustat statfs
fork clone
vfork clone
recv recvfrom
send sendto
"""
REPLACED: Mapping[str, str] = dict(line.split() for line in _ROWS.strip().splitlines())
"""Old call → the one that a 64-bit program on arm64 makes in its place, as its C library does."""
HANDLERS: Mapping[str, str] = {
    "fstat": "newfstat",
    "fstatat": "newfstatat",
    "uname": "newuname",
    "umount2": "umount",
    "sendfile": "sendfile64",
    "fadvise64": "fadvise64_64",
}
"""Call → the name of the function for it, where that is another."""
