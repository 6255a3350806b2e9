"""What the kernel refuses to a judged program: Landlock for files, seccomp for system calls.

Runs inside the sandbox, on the standard library alone. A process confines itself for good, and
all that it starts with it; neither needs any privilege. See landlock(7) and seccomp(2).
"""

import ctypes
import errno
import os
import platform
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
SET_DUMPABLE, SET_SUBREAPER = 4, 36

_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1, 2, 4, 8
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE_CONTROL
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_SIGNAL_SCOPE_ABI, _TRUNCATE_ABI = 6, 3


def prctl(option: int, value: int) -> None:
    """Call prctl(2) and raise OSError if it fails."""
    _checked(_LIBC.prctl(option, value, 0, 0, 0), "prctl")


def landlock_abi() -> int:
    """Return the version of the kernel's Landlock, 0 if it has none."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, 0, 1)))


def make_ruleset(readable: list[str], devices: list[str], writable: list[str]) -> int:
    """Return the descriptor of a Landlock ruleset; all that it does not name is refused.

    ``readable`` may be read and executed, ``devices`` read and written, ``writable`` are folders
    where everything is allowed. Paths that do not exist are left out.
    """
    abi = landlock_abi()
    rights = (1 << 13) - 1
    if abi >= 2:
        rights |= _REFER
    if abi >= _TRUNCATE_ABI:
        rights |= _TRUNCATE
    if abi >= 5:
        rights |= _DEVICE_CONTROL
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= _SIGNAL_SCOPE_ABI else 0
    attributes = struct.pack("=QQQ", rights, 0, scopes)
    size = 24 if scopes else 8
    ruleset = _checked(_LIBC.syscall(_CREATE_RULESET, attributes, size, 0), "landlock")
    for paths, allowed in (
        (readable, _EXECUTE | _READ | _READ_FOLDER),
        (devices, _WRITE | _READ),
        (writable, rights & ~_DEVICE_CONTROL),
    ):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, place)
    _checked(_LIBC.syscall(_ADD_RULE, ruleset, 1, rule, 0), "landlock")
    os.close(place)


def confine(ruleset: int | None, own_network: bool, same_user: bool) -> None:
    """Confine this process and all that it will start.

    ``own_network``: it has a network of its own, without a way out, and may use it.
    ``same_user``: it runs as the user whom it must not harm.
    """
    prctl(_NO_NEW_PRIVS, 1)
    abi = 0
    if ruleset is not None:
        abi = landlock_abi()
        _checked(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0), "landlock")
        os.close(ruleset)
    program = _program(
        families=_OWN_NETWORK if own_network else (),
        only_signals_to=None if abi >= _SIGNAL_SCOPE_ABI else os.getpid(),
        refused=_REFUSED
        + (_ATTRIBUTES if same_user else ())
        + (("truncate",) if same_user and abi < _TRUNCATE_ABI else ()),
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    _checked(_LIBC.prctl(_SET_SECCOMP, _FILTER, header, 0, 0), "seccomp")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)


# ---------------------------------------------------------------- system calls

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# Number on x86-64 and on ARM64; None where there is no such call.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "add_key": (248, 217),
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fremovexattr": (199, 16),
    "fsconfig": (431, 431),
    "fsetxattr": (190, 7),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "futimesat": (261, None),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prlimit64": (302, 261),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "settimeofday": (164, 170),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "shmat": (30, 196),
    "shmget": (29, 194),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "truncate": (76, 45),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
    "vhangup": (153, 58),
}
# Refused whatever their arguments. memfd_create, shared memory, message queues and keys hold
# memory that no limit counts; the rest reaches other processes or the machine.
_REFUSED = (
    "add_key", "acct", "adjtimex", "bpf", "chroot", "clock_settime", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module",
    "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "memfd_create", "memfd_secret", "migrate_pages",
    "modify_ldt", "mount", "mount_setattr", "move_mount", "move_pages", "mq_open", "msgget",
    "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open", "personality",
    "pidfd_getfd", "pivot_root", "process_madvise", "process_mrelease", "process_vm_readv",
    "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key",
    "sched_setattr", "semget", "setdomainname", "sethostname", "setns", "settimeofday", "shmat",
    "shmget", "swapoff", "swapon", "syslog", "umount2", "unshare", "uselib", "userfaultfd",
    "vhangup",
)  # fmt: skip
# Landlock does not cover a file's mode, owner, times and attributes.
_ATTRIBUTES = (
    "chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fremovexattr",
    "fsetxattr", "futimesat", "lchown", "lremovexattr", "lsetxattr", "removexattr",
    "removexattrat", "setxattr", "setxattrat", "utime", "utimensat", "utimes",
)  # fmt: skip
_SIGNALS = (
    "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
)  # fmt: skip
_ON_ITSELF = {  # calls that may name another process, and the argument that does; 0 is oneself
    "prlimit64": 0, "sched_setaffinity": 0, "sched_setparam": 0, "sched_setscheduler": 0,
    "setpriority": 1,
}  # fmt: skip
_OWN_NETWORK = (1, 2, 10, 16)  # Unix, IPv4, IPv6, netlink: all that a network namespace parts
_NEW_NAMESPACES = 0x7E020000  # flags of clone

_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16


def _program(
    families: tuple[int, ...], only_signals_to: int | None, refused: tuple[str, ...]
) -> bytes:
    """Return the filter that the kernel runs before each system call, as BPF instructions."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    refuse = _do(_RETURN, _REFUSE | errno.EPERM)
    allow = _do(_RETURN, _ALLOW)
    program = [
        _do(_LOAD, _ARCHITECTURE_AT),
        _do(_EQUALS, architecture, 1, 0),
        _do(_RETURN, _KILL),
        _do(_LOAD, _NUMBER_AT),
        _do(_AT_LEAST, 0x40000000, 0, 1),  # the x32 calls, which have numbers of their own
        refuse,
    ]

    def when(name: str, *body: bytes) -> None:
        number = _NUMBERS[name][column]
        if number is not None:
            program.extend([_do(_EQUALS, number, 0, len(body)), *body])

    def argument(index: int) -> bytes:
        return _do(_LOAD, _ARGUMENTS_AT + 8 * index)

    for name in refused:
        when(name, refuse)
    when("clone3", _do(_RETURN, _REFUSE | errno.ENOSYS))  # its flags are out of sight: use clone
    when("clone", argument(0), _do(_ANY_BIT, _NEW_NAMESPACES, 0, 1), refuse, allow)
    allowed = [step for family in families for step in (_do(_EQUALS, family, 0, 1), allow)]
    when("socket", argument(0), *allowed, refuse)
    for name, index in _ON_ITSELF.items():
        when(name, argument(index), _do(_EQUALS, 0, 1, 0), refuse, allow)
    if only_signals_to is not None:
        for name in _SIGNALS:
            when(name, argument(0), _do(_EQUALS, only_signals_to, 1, 0), refuse, allow)
    return b"".join([*program, allow])


def _do(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
