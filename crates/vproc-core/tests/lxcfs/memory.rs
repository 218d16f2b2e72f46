//! `/proc/meminfo` and `/proc/swaps`.

use super::support::World;
use super::{container, row, shows_the_host};

const LIMITED: (&str, &str) = ("memory.max", "1073741824\n");
const USED: (&str, &str) = ("memory.current", "268435456\n");

/// A line of `/proc/meminfo` of a group with this `memory.stat`.
#[track_caller]
fn of_statistics(stat: &str, label: &str) -> u64 {
    let group = [LIMITED, USED, ("memory.stat", stat)];
    amount(&container().with_v2(&[&group]), label)
}

#[track_caller]
fn amount(world: &World, label: &str) -> u64 {
    row(&world.text("/proc/meminfo"), label)[0]
}

/// lxcfs subtracts without a floor: `MemFree` is about 16 EiB.
#[test]
fn free_is_zero_where_the_limit_was_lowered_below_the_usage() {
    let v2 = [("memory.max", "1048576\n"), ("memory.current", "2097152\n")];
    let v1 = [("memory.limit_in_bytes", "1048576\n"), ("memory.usage_in_bytes", "2097152\n")];
    for world in [container().with_v2(&[&v2]), container().with_v1(&[&v1])] {
        assert_eq!(amount(&world, "MemFree"), 0);
        assert_eq!(amount(&world, "MemAvailable"), 0);
    }
}

/// lxcfs shows 0 on v2: it takes `file_mapped` for another `file`.
#[test]
fn mapped_is_what_is_mapped() {
    assert_eq!(of_statistics("file 409600\nfile_mapped 8192\n", "Mapped"), 8);
    assert_eq!(of_statistics("file 409600\nfile_mapped 8192\n", "Cached"), 400);
}

/// lxcfs shows 0 on v2 for both.
#[test]
fn dirty_and_writeback_are_counted() {
    let stat = "file_dirty 12288\nfile_writeback 4096\n";
    assert_eq!([of_statistics(stat, "Dirty"), of_statistics(stat, "Writeback")], [12, 4]);
}

/// lxcfs shows 0 for all of them, on v1 (`total_rss_huge`) and on v2.
#[test]
fn huge_pages_are_counted() {
    let stat = "anon_thp 4194304\nshmem_thp 2097152\nfile_thp 6291456\n";
    let shown = ["AnonHugePages", "ShmemHugePages", "FileHugePages"];
    assert_eq!(shown.map(|label| of_statistics(stat, label)), [4096, 2048, 6144]);
    let v1 = [("memory.stat", "total_rss 8388608\ntotal_rss_huge 4194304\n")];
    assert_eq!(amount(&container().with_v1(&[&v1]), "AnonHugePages"), 4096);
}

/// lxcfs computes `AnonPages` from lists that locked pages have left:
/// 18014398509441552 kB.
#[test]
fn anonymous_pages_do_not_wrap_where_shared_ones_are_locked() {
    let stat = "anon 16384\nshmem 67108864\nactive_anon 4096\ninactive_anon 12288\n\
                unevictable 67108864\n";
    assert_eq!(of_statistics(stat, "AnonPages"), 16);
}

/// lxcfs copies `KReclaimable`, `Percpu`, `PageTables`, `Committed_AS`,
/// `HugePages_*`, `DirectMap*` and every line that it does not know.
#[test]
fn no_amount_in_use_is_the_hosts() {
    for world in [container().with_v2(&[&[LIMITED, USED]]), container().with_v1(&[&[]])] {
        let text = world.text("/proc/meminfo");
        assert!(!shows_the_host(&text), "{text}");
    }
    let stat = "slab_reclaimable 8192\npercpu 4096\npagetables 12288\nkernel_stack 16384\n";
    let shown = ["KReclaimable", "Percpu", "PageTables", "KernelStack"];
    assert_eq!(shown.map(|label| of_statistics(stat, label)), [8, 4, 12, 16]);
}

/// lxcfs copies the host's `CommitLimit`, here of 12 GiB.
#[test]
fn the_commit_limit_is_a_share_of_the_containers_memory() {
    let world = container().with_v2(&[&[LIMITED, USED]]);
    assert_eq!(amount(&world, "CommitLimit"), 512 << 10);
}

/// lxcfs 6 copies the host's; 7 prints `Zswap` a column short.
#[test]
fn compressed_swap_is_the_containers_and_in_its_column() {
    let stat = ("memory.stat", "zswap 4096\nzswapped 16384\n");
    let swap = [("memory.swap.max", "1073741824\n"), ("memory.swap.current", "65536\n")];
    let text = container().with_v2(&[&[LIMITED, USED, stat, swap[0], swap[1]]]);
    let text = text.text("/proc/meminfo");
    assert!(
        text.contains("\nZswap:                 4 kB\nZswapped:             16 kB\n"),
        "{text}"
    );
}

/// lxcfs shows the whole host: it wants `memory.stat` in the leaf.
#[test]
fn a_leaf_without_the_memory_controller_has_its_parents_limit() {
    let world = container().with_v2(&[&[], &[LIMITED, USED]]);
    assert_eq!(amount(&world, "MemTotal"), 1 << 20);
    assert_eq!(amount(&world, "MemFree"), 768 << 10);
}

/// lxcfs 2 looked at the leaf alone: lxc/lxcfs#44.
#[test]
fn the_lowest_limit_of_the_ancestors_counts() {
    let wide = [("memory.max", "2147483648\n"), USED];
    let unlimited = [("memory.max", "max\n")];
    for groups in [[&wide[..], &[LIMITED]], [&unlimited[..], &[LIMITED]]] {
        assert_eq!(amount(&container().with_v2(&groups), "MemTotal"), 1 << 20);
    }
}

/// lxcfs shows more available than there is to a container in the root group,
/// which has statistics and no usage.
#[test]
fn no_more_is_available_than_there_is() {
    let mut in_root = container().with_v2(&[]);
    let stat = "file 4194304\nactive_file 4194304\nslab_reclaimable 4194304\n";
    in_root.v2.as_mut().unwrap()[0].insert("memory.stat".into(), stat.into());
    let filled = [("memory.stat", "active_file 2147483648\n"), LIMITED, USED];
    for world in [in_root, container().with_v2(&[&filled])] {
        assert_eq!(amount(&world, "MemAvailable"), amount(&world, "MemTotal"));
    }
}

/// lxcfs showed a `MemTotal` of 0, by which `ps` divides: lxc/lxcfs#389.
#[test]
fn there_is_always_some_memory() {
    let nothing = [("memory.max", "0\n"), USED];
    assert_eq!(amount(&container().with_v2(&[&nothing]), "MemTotal"), 4);
}

/// lxcfs left the slab out (lxc/lxcfs#671), and at times counted shared memory,
/// which cannot be reclaimed (lxc/lxcfs#222).
#[test]
fn available_is_what_can_be_reclaimed() {
    let stat = "file 10485760\nshmem 8388608\ninactive_anon 8388608\nactive_file 1048576\n\
                inactive_file 1048576\nslab_reclaimable 4194304\n";
    let free = of_statistics(stat, "MemFree");
    assert_eq!(of_statistics(stat, "MemAvailable"), free + 6 * 1024);
}

/// lxcfs shows 0 on v1, whose statistics do not name kernel memory.
#[test]
fn kernel_memory_of_v1_is_in_the_slab() {
    let group = [("memory.stat", "cache 0\n"), ("memory.kmem.usage_in_bytes", "3145728\n")];
    assert_eq!(amount(&container().with_v1(&[&group]), "Slab"), 3072);
}

/// lxcfs subtracts without a floor: `SwapFree` of 18446744073709551488 kB
/// (lxc/lxcfs#115).
#[test]
fn free_swap_is_zero_where_the_limit_was_lowered_below_the_usage() {
    let v2 = [("memory.swap.max", "1048576\n"), ("memory.swap.current", "2097152\n")];
    let v1 = [
        ("memory.limit_in_bytes", "1048576\n"),
        ("memory.usage_in_bytes", "1048576\n"),
        ("memory.memsw.limit_in_bytes", "2097152\n"),
        ("memory.memsw.usage_in_bytes", "4194304\n"),
    ];
    for world in [container().with_v2(&[&v2]), container().with_v1(&[&v1])] {
        assert_eq!([amount(&world, "SwapTotal"), amount(&world, "SwapFree")], [1024, 0]);
        let swaps = world.text("/proc/swaps");
        assert!(swaps.contains("virtual\t\t1024\t\t1024\t\t"), "{swaps}");
    }
}

/// lxcfs adds the memory limit to `SwapTotal` on v1, and not to
/// `/proc/swaps`.
#[test]
fn swap_of_v1_is_not_memory_and_swap() {
    let limits = [
        ("memory.limit_in_bytes", "1073741824\n"),
        ("memory.usage_in_bytes", "4096\n"),
        ("memory.memsw.limit_in_bytes", "1610612736\n"),
        ("memory.memsw.usage_in_bytes", "8192\n"),
        ("memory.swappiness", "0\n"),
    ];
    let world = container().with_v1(&[&limits]);
    assert_eq!([amount(&world, "SwapTotal"), amount(&world, "SwapFree")], [524288, 524284]);
    assert!(world.text("/proc/swaps").contains("\t524288\t\t4\t\t"));
}

/// lxcfs shows the lesser of host swap and memory in `/proc/meminfo`, and the
/// host's swap in `/proc/swaps`.
#[test]
fn unlimited_swap_of_v1_is_the_hosts_size_in_both_files() {
    let unlimited = [
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.usage_in_bytes", "4096\n"),
        ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
        ("memory.memsw.usage_in_bytes", "4096\n"),
    ];
    // Less memory than swap.
    let world = container().with_v1(&[&unlimited]).with_host(
        "/proc/meminfo",
        "MemTotal:        2097152 kB\nSwapTotal:       4194304 kB\nSwapFree:           4321 kB\n",
    );
    assert_eq!([amount(&world, "SwapTotal"), amount(&world, "SwapFree")], [4194304, 4194304]);
    assert!(world.text("/proc/swaps").contains("\t4194304\t\t0\t\t"));
}

/// lxcfs looks for swap accounting once, when it starts, above the container:
/// with an empty root there is none (lxc/lxcfs#534).
#[test]
fn swap_is_there_as_soon_as_the_group_accounts_it() {
    let path = "/proc/swaps";
    let before = container().with_v2(&[&[LIMITED, USED]]).text(path);
    assert_eq!(before.lines().count(), 1, "{before}");
    let swap = [("memory.swap.max", "1048576\n"), ("memory.swap.current", "0\n")];
    let world = container().with_v2(&[&swap, &[]]);
    assert_eq!(world.text(path).lines().count(), 2);
    assert_eq!(amount(&world, "SwapTotal"), 1024);
}

/// lxcfs shows the host's swap areas where it finds no group, and an empty text
/// where a value cannot be read.
#[test]
fn without_accounting_there_is_a_header_and_no_swap() {
    for world in [container(), container().with_v2(&[&[]]), container().with_v1(&[&[]])] {
        let swaps = world.text("/proc/swaps");
        assert!(swaps.starts_with("Filename\t") && swaps.lines().count() == 1, "{swaps}");
        assert_eq!([amount(&world, "SwapTotal"), amount(&world, "SwapFree")], [0, 0]);
    }
}
