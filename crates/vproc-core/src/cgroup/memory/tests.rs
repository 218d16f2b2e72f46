#![allow(clippy::unwrap_used)]

use super::*;
use crate::Knobs;
use crate::contract::{Content, Input};
use crate::testing::{cgroup, snapshot};
use alloc::vec;
use alloc::vec::Vec;

const MIB: u64 = 1 << 20;
const HOST: Kib = Kib(16 << 20);

fn read(inputs: Vec<Input<'_>>) -> Result<(Memory, Swap), Error> {
    let (snapshot, knobs) = (snapshot(inputs), Knobs::default());
    let view = View::new(&snapshot, &knobs, 0);
    let memory = Memory::read(&view)?;
    let size = memory.total(HOST, 4096);
    Ok((memory, Swap::read(&view, &memory, size, Kib(4 << 20))?))
}

fn memory(inputs: Vec<Input<'_>>) -> Memory {
    read(inputs).unwrap().0
}

fn swap(inputs: Vec<Input<'_>>) -> Swap {
    read(inputs).unwrap().1
}

#[test]
fn the_lowest_limit_up_to_the_root_counts() {
    let memory = memory(vec![
        cgroup("memory.max", 0, 3, "max\n"),
        cgroup("memory.max", 1, 2, "104857600\n"),
        cgroup("memory.max", 2, 1, "209715200\n"),
        cgroup("memory.limit_in_bytes", 0, 1, "9223372036854771712\n"),
    ]);
    assert_eq!(memory.limit, Some(Limit { bytes: Bytes(100 * MIB), level: 1 }));
    assert_eq!(memory.total(HOST, 4096), Kib(100 << 10));
}

#[test]
fn size_is_whole_pages_between_one_and_the_hosts() {
    let total = |limit, page_size| {
        let memory = memory(vec![cgroup("memory.max", 0, 1, limit)]);
        memory.total(HOST, page_size)
    };
    assert_eq!(total("max", 4096), HOST);
    assert_eq!(total("9223372036854771712", 4096), HOST);
    assert_eq!(total("18446744073709551615", 65536), HOST);
    assert_eq!(total("70000", 65536), Kib(64));
    assert_eq!(total("0", 4096), Kib(4));
    assert_eq!(total("0", 0), Kib(1));
}

#[test]
fn memory_high_is_a_limit_only_on_request() {
    let inputs = || vec![cgroup("memory.high", 0, 1, "4096"), cgroup("memory.max", 0, 1, "8192")];
    let needs = |setting: &[(&str, &str)]| {
        let knobs = Knobs::parse(setting.iter().copied()).unwrap();
        let environment = snapshot(vec![]).environment;
        NEEDS.iter().filter(|need| (need.when)(&knobs, &environment)).count()
    };
    assert_eq!(needs(&[]) + 1, needs(&[("memory-high", "limit")]));
    assert_eq!(memory(inputs()).total(HOST, 4096), Kib(4));
}

#[test]
fn what_the_root_group_uses_is_the_hosts() {
    let memory = memory(vec![
        cgroup("memory.max", 0, 1, "104857600"),
        cgroup("memory.current", 1, 0, "99999999"),
        cgroup("memory.stat", 1, 0, "anon 99999999\n"),
    ]);
    assert_eq!((memory.usage, memory.stat), (None, Stat::default()));
    assert_eq!(memory.free(Kib(5)), Kib(5));
}

#[test]
fn both_statistics_mean_the_same() {
    let v2 = "anon 1\nfile 2\nkernel 90\nkernel_stack 3\nshmem 4\nfile_mapped 5\nfile_dirty 6\n\
              file_writeback 7\nswapcached 8\nanon_thp 9\nactive_anon 10\ninactive_anon 11\n\
              active_file 12\ninactive_file 13\nunevictable 14\npgfault 99\n";
    // The leaf's own pages, then those of the whole subtree.
    let v1 = "cache 99\nrss 99\ntotal_rss 1\ntotal_cache 2\ntotal_shmem 4\n\
              total_mapped_file 5\ntotal_dirty 6\ntotal_writeback 7\ntotal_swapcached 8\n\
              total_rss_huge 9\ntotal_active_anon 10\ntotal_inactive_anon 11\n\
              total_active_file 12\ntotal_inactive_file 13\ntotal_unevictable 14\n";
    let v2 = memory(vec![cgroup("memory.stat", 0, 1, v2)]).stat;
    let v1 = memory(vec![cgroup(V1_STAT, 0, 1, v1)]).stat;
    assert_eq!(v1, Stat { kernel_stack: Bytes::ZERO, ..v2 });
    assert_eq!((v2.anon, v2.file, v2.anon_thp), (Bytes(1), Bytes(2), Bytes(9)));
}

#[test]
fn kernel_memory_of_v1_is_slab_that_stays() {
    let stat = memory(vec![
        cgroup(V1_STAT, 0, 1, "total_rss 1\n"),
        cgroup("memory.kmem.usage_in_bytes", 0, 1, "8192\n"),
    ])
    .stat;
    assert_eq!((stat.slab, stat.slab_unreclaimable), (Bytes(8192), Bytes(8192)));
    assert_eq!(stat.slab_reclaimable, Bytes::ZERO);
}

#[test]
fn swap_of_v2_has_a_limit_of_its_own() {
    let with = |max, current| {
        swap(vec![
            cgroup("memory.swap.max", 0, 1, max),
            cgroup("memory.swap.current", 0, 1, current),
        ])
    };
    assert_eq!(with("1048576\n", "4096\n"), Swap { total: Kib(1024), used: Kib(4) });
    assert_eq!(with("max\n", "4096\n"), Swap { total: Kib(4 << 20), used: Kib(4) });
    // A limit that was lowered below what is swapped out.
    assert_eq!(with("4096\n", "1048576\n"), Swap { total: Kib(4), used: Kib(4) });
    assert_eq!(with("0\n", "0\n"), Swap::default());
}

#[test]
fn swap_of_v1_is_what_the_common_limit_leaves() {
    let with = |limit, memsw, usage, both, stat| {
        swap(vec![
            cgroup("memory.limit_in_bytes", 0, 1, limit),
            cgroup("memory.memsw.limit_in_bytes", 0, 1, memsw),
            cgroup("memory.usage_in_bytes", 0, 1, usage),
            cgroup("memory.memsw.usage_in_bytes", 0, 1, both),
            cgroup(V1_STAT, 0, 1, stat),
        ])
    };
    const UNLIMITED: &str = "9223372036854771712\n";
    let limited = with("1048576\n", "3145728\n", "4096\n", "12288\n", "total_swap 5120\n");
    assert_eq!(limited, Swap { total: Kib(2048), used: Kib(5) });
    // Without the statistic, from the two usages; they are not read at once.
    let usages = with("1048576\n", "3145728\n", "12288\n", "4096\n", "");
    assert_eq!(usages, Swap { total: Kib(2048), used: Kib(0) });
    let unlimited = with("1048576\n", UNLIMITED, "0\n", "0\n", "");
    assert_eq!(unlimited.total, Kib(4 << 20));
    // Pages of 64 KiB round the same "no limit" further down.
    let large_pages = with("9223372036854710272", "9223372036854710272", "0", "0", "");
    assert_eq!(large_pages.total, Kib(4 << 20));
    assert_eq!(with("4096\n", "4096\n", "0\n", "0\n", ""), Swap::default());
}

/// A container of v1 that uses `usage` of memory, and `both` of memory and swap.
fn v1(limit: &str, memsw: &str, usage: &str, both: &str) -> (Memory, Swap) {
    read(vec![
        cgroup("memory.limit_in_bytes", 0, 1, limit),
        cgroup("memory.memsw.limit_in_bytes", 0, 1, memsw),
        cgroup("memory.usage_in_bytes", 0, 1, usage),
        cgroup("memory.memsw.usage_in_bytes", 0, 1, both),
    ])
    .unwrap()
}

/// 1 MiB of memory and no swap, in which the host's reclaim has swapped out
/// 768 KiB: no more than 256 KiB can be charged.
#[test]
fn what_v1_swapped_out_is_not_free() {
    let (memory, swap) = v1("1048576", "1048576", "0", "786432");
    assert_eq!((memory.free(Kib(1024)), swap), (Kib(256), Swap::default()));
    // With as much swap, it was swapped out into that.
    let (memory, swap) = v1("1048576", "2097152", "0", "786432");
    assert_eq!((memory.free(Kib(1024)), swap.free()), (Kib(1024), Kib(256)));
    // Of half as much, all is in use, and a part of the memory besides.
    let (memory, swap) = v1("1048576", "1572864", "524288", "1310720");
    assert_eq!((memory.free(Kib(1024)), swap.free()), (Kib(256), Kib(0)));
    let (memory, _) = v1("1048576", "9223372036854771712", "0", "786432");
    assert_eq!(memory.free(Kib(1024)), Kib(1024));
}

/// Memory is no larger than the host's, so the rest of the limit is for swap.
#[test]
fn a_limit_of_v1_above_the_hosts_memory_leaves_swap() {
    let (memory, swap) = v1("34359738368", "34359738368", "0", "0");
    assert_eq!((memory.total(HOST, 4096), swap.total), (HOST, Kib(4 << 20)));
    let (_, swap) = v1("17180917760", "17180917760", "0", "0");
    assert_eq!(swap.total, Kib(1024));
}

#[test]
fn hidden_swap_is_none() {
    let inputs = || {
        vec![
            cgroup("memory.swap.current", 0, 1, "0"),
            cgroup("memory.memsw.usage_in_bytes", 0, 1, "4096"),
        ]
    };
    let snapshot = snapshot(inputs());
    let knobs = Knobs::parse([("swap", "off")]).unwrap();
    let view = View::new(&snapshot, &knobs, 0);
    let memory = Memory::read(&view).unwrap();
    assert_eq!(Swap::read(&view, &memory, HOST, HOST).unwrap(), Swap::default());
    assert_ne!(swap(inputs()), Swap::default());
}

#[test]
fn without_accounting_there_is_no_swap() {
    assert_eq!(swap(vec![cgroup("memory.swap.max", 0, 1, "4096")]), Swap::default());
    let of_the_host = vec![cgroup("memory.swap.current", 1, 0, "4096")];
    assert_eq!(swap(of_the_host), Swap::default());
}

#[test]
fn what_is_there_and_unreadable_is_an_error() {
    let denied = Input { key: "memory.current", level: 0, depth: 1, content: Content::Absent(13) };
    assert_eq!(read(vec![denied]).unwrap_err(), Error::MissingInput("memory.current"));
    let odd = vec![cgroup("memory.max", 0, 1, "-1\n")];
    assert!(matches!(read(odd), Err(Error::MalformedInput { key: "memory.max", .. })));
}
