//! `/proc/PID/net`: the network namespace of a process.
//!
//! Each file is one that its namespace has for itself and that names nothing
//! else of the host, so it is passed. A container that shares its host's network
//! sees the host's, as it does in a procfs of its own.
//!
//! What lists sockets (`tcp`, `udp`, `unix` and their like) is not served: it has
//! addresses of the kernel's memory, and sockets have `ss`, which asks netlink.
//! Nor is `softnet_stat`, which counts for the whole host.
//!
//! Sources: `proc_tgid_net_lookup` in `fs/proc/proc_net.c`, and each row's.

use super::guarded::passed;
use crate::contract::{Class, Entry, Kind};

macro_rules! rows {
    ($($name:literal $summary:literal $source:literal;)*) => {
        pub(super) static ENTRIES: &[Entry] = &[$(Entry {
            path: concat!("/proc/*/net/", $name),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Passed,
            summary: $summary,
            reason: concat!("its network namespace's own (", $source, ")"),
            needs: &[passed!(concat!("net/", $name))],
            history: None,
            render: passed!(@ concat!("net/", $name)),
        }),*];
    };
}

rows! {
    "arp" "neighbours on the network" "arp_seq_show of net/ipv4/arp.c";
    "dev" "bytes and packets of each interface" "dev_seq_printf_stats of net/core/net-procfs.c";
    "if_inet6" "IPv6 addresses of each interface" "if6_seq_show of net/ipv6/addrconf.c";
    "ipv6_route" "IPv6 routes" "ipv6_route_seq_show of net/ipv6/ip6_fib.c";
    "netstat" "more counters of IPv4 and TCP" "netstat_seq_show of net/ipv4/proc.c";
    "route" "IPv4 routes" "fib_route_seq_show of net/ipv4/fib_trie.c";
    "snmp" "counters of IPv4, TCP and UDP" "snmp_seq_show of net/ipv4/proc.c";
    "snmp6" "counters of IPv6" "snmp6_seq_show of net/ipv6/proc.c";
    "sockstat" "how many sockets there are" "sockstat_seq_show of net/ipv4/proc.c";
    "sockstat6" "how many IPv6 sockets there are" "sockstat6_seq_show of net/ipv6/proc.c";
}
