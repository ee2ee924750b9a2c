//! Constants of sockets. Source: Linux 6.18 `include/linux/socket.h`, `include/linux/net.h`.

use super::Names;

/// Address families.
#[rustfmt::skip]
pub(crate) const FAMILIES: Names = Names {
    unknown: "AF_???",
    list: &[
        (0, "AF_UNSPEC"), (1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6"), (16, "AF_NETLINK"),
        (17, "AF_PACKET"), (40, "AF_VSOCK"),
    ],
};

/// Kinds of sockets.
#[rustfmt::skip]
pub(crate) const TYPES: Names = Names {
    unknown: "SOCK_???",
    list: &[
        (1, "SOCK_STREAM"), (2, "SOCK_DGRAM"), (3, "SOCK_RAW"), (4, "SOCK_RDM"),
        (5, "SOCK_SEQPACKET"), (6, "SOCK_DCCP"), (10, "SOCK_PACKET"),
    ],
};

/// Flags of new sockets.
#[rustfmt::skip]
pub(crate) const TYPE_FLAGS: Names = Names {
    unknown: "SOCK_???",
    list: &[
        (0o2000000, "SOCK_CLOEXEC"), (0o4000, "SOCK_NONBLOCK"),
    ],
};

/// Protocols of the Internet.
#[rustfmt::skip]
pub(crate) const INET_PROTOCOLS: Names = Names {
    unknown: "IPPROTO_???",
    list: &[
        (0, "IPPROTO_IP"), (1, "IPPROTO_ICMP"), (6, "IPPROTO_TCP"), (17, "IPPROTO_UDP"),
        (58, "IPPROTO_ICMPV6"), (255, "IPPROTO_RAW"),
    ],
};

/// Flags of messages.
#[rustfmt::skip]
pub(crate) const MSG: Names = Names {
    unknown: "MSG_???",
    list: &[
        (1, "MSG_OOB"), (2, "MSG_PEEK"), (4, "MSG_DONTROUTE"), (8, "MSG_CTRUNC"),
        (0x10, "MSG_PROBE"), (0x20, "MSG_TRUNC"), (0x40, "MSG_DONTWAIT"), (0x80, "MSG_EOR"),
        (0x100, "MSG_WAITALL"), (0x200, "MSG_FIN"), (0x400, "MSG_SYN"), (0x800, "MSG_CONFIRM"),
        (0x1000, "MSG_RST"), (0x2000, "MSG_ERRQUEUE"), (0x4000, "MSG_NOSIGNAL"),
        (0x8000, "MSG_MORE"), (0x10000, "MSG_WAITFORONE"), (0x40000, "MSG_BATCH"),
        (0x4000000, "MSG_ZEROCOPY"), (0x20000000, "MSG_FASTOPEN"),
        (0x40000000, "MSG_CMSG_CLOEXEC"),
    ],
};

/// Sides that shutdown ends.
#[rustfmt::skip]
pub(crate) const SHUTDOWN: Names = Names {
    unknown: "SHUT_???",
    list: &[
        (0, "SHUT_RD"), (1, "SHUT_WR"), (2, "SHUT_RDWR"),
    ],
};

/// Levels of options.
#[rustfmt::skip]
pub(crate) const LEVELS: Names = Names {
    unknown: "SOL_???",
    list: &[
        (0, "SOL_IP"), (1, "SOL_SOCKET"), (6, "SOL_TCP"), (17, "SOL_UDP"), (41, "SOL_IPV6"),
    ],
};

/// Options of sockets.
#[rustfmt::skip]
pub(crate) const SOCKET_OPTIONS: Names = Names {
    unknown: "SO_???",
    list: &[
        (1, "SO_DEBUG"), (2, "SO_REUSEADDR"), (3, "SO_TYPE"), (4, "SO_ERROR"),
        (5, "SO_DONTROUTE"), (6, "SO_BROADCAST"), (7, "SO_SNDBUF"), (8, "SO_RCVBUF"),
        (9, "SO_KEEPALIVE"), (10, "SO_OOBINLINE"), (12, "SO_PRIORITY"), (13, "SO_LINGER"),
        (15, "SO_REUSEPORT"), (16, "SO_PASSCRED"), (17, "SO_PEERCRED"), (18, "SO_RCVLOWAT"),
        (19, "SO_SNDLOWAT"), (20, "SO_RCVTIMEO_OLD"), (21, "SO_SNDTIMEO_OLD"),
        (29, "SO_TIMESTAMP_OLD"), (30, "SO_ACCEPTCONN"), (38, "SO_PROTOCOL"), (39, "SO_DOMAIN"),
    ],
};

/// Kinds of ancillary data.
#[rustfmt::skip]
pub(crate) const CMSG_TYPES: Names = Names {
    unknown: "SCM_???",
    list: &[
        (1, "SCM_RIGHTS"), (2, "SCM_CREDENTIALS"),
    ],
};
