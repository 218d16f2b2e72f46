//! Byte for byte what kernels print, from old ones and new ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use support::World;
use support::container::Group;
use support::machine::{Kernel, Machine};

/// Linux 6.12, x86-64.
const MEMINFO: &str = "\
MemTotal:       16319508 kB
MemFree:         1502432 kB
MemAvailable:   11268640 kB
Buffers:          611764 kB
Cached:          8860828 kB
SwapCached:          180 kB
Mlocked:             128 kB
SwapTotal:       8388604 kB
SwapFree:        8387324 kB
Committed_AS:   14055548 kB
VmallocTotal:   34359738367 kB
Percpu:            12480 kB
HardwareCorrupted:     0 kB
FileHugePages:         0 kB
HugePages_Total:       8
HugePages_Free:        3
Hugepagesize:       2048 kB
Hugetlb:           16384 kB
DirectMap1G:     4194304 kB
";

/// Linux 2.6.18, whose numbers end two columns further left.
const OLD_MEMINFO: &str = "\
MemTotal:     16425892 kB
MemFree:       7431984 kB
Buffers:        417572 kB
SwapTotal:     4192956 kB
SwapFree:      4192956 kB
VmallocTotal: 34359738367 kB
HugePages_Total:     0
Hugepagesize:     2048 kB
";

const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
     /dev/dm-1                               partition\t8388604\t\t1280\t\t-2\n";

const OLD_SWAPS: &str = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n\
     /dev/sda2                               partition\t4192956\t0\t-1\n";

/// A column of 36 spaces, as `%*s` leaves after `none`.
const GAP: &str = "                                    ";

fn host() -> World {
    World::empty()
        .with_host("/proc/meminfo", MEMINFO)
        .with_host("/proc/swaps", SWAPS)
        .with_host("/proc/vmstat", "nr_free_pages 375608\nnr_mlock 32\n")
}

/// 1 GiB with 256 MiB of it used, and 512 MiB of swap with 100 MiB used.
const CONTAINER: &[(&str, &str)] = &[
    ("memory.max", "1073741824\n"),
    ("memory.current", "268435456\n"),
    ("memory.swap.max", "536870912\n"),
    ("memory.swap.current", "104857600\n"),
    (
        "memory.stat",
        "anon 104857600\nfile 52428800\nshmem 8192\nswapcached 4096\nunevictable 65536\n\
         active_file 20480000\ninactive_file 30720000\nslab_reclaimable 1048576\n\
         kernel_stack 131072\npercpu 2048\npgfault 5150\npgmajfault 17\nanon_thp 6291456\n",
    ),
    ("memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"),
    ("hugetlb.2MB.max", "4194304\n"),
    ("hugetlb.2MB.current", "2097152\n"),
    ("io.stat", "8:0 rbytes=1048576 wbytes=524800 rios=100 wios=50 dbytes=4096 dios=1\n"),
    ("memory.pressure", "some avg10=1.00 avg60=0.50 avg300=0.10 total=99\nfull …\n"),
];

#[test]
fn meminfo_of_a_new_kernel() {
    let expected = "\
MemTotal:        1048576 kB
MemFree:          786432 kB
MemAvailable:     837456 kB
Buffers:               0 kB
Cached:            51200 kB
SwapCached:            4 kB
Mlocked:              64 kB
SwapTotal:        524288 kB
SwapFree:         421888 kB
Committed_AS:     204808 kB
VmallocTotal:   34359738367 kB
Percpu:                2 kB
HardwareCorrupted:     0 kB
FileHugePages:         0 kB
HugePages_Total:       2
HugePages_Free:        1
Hugepagesize:       2048 kB
Hugetlb:            4096 kB
DirectMap1G:           0 kB
";
    assert_eq!(host().with_v2(&[CONTAINER]).text("/proc/meminfo"), expected);
}

#[test]
fn meminfo_of_an_old_kernel() {
    let expected = "\
MemTotal:      1048576 kB
MemFree:        786432 kB
Buffers:             0 kB
SwapTotal:      524288 kB
SwapFree:       421888 kB
VmallocTotal: 34359738367 kB
HugePages_Total:     0
Hugepagesize:     2048 kB
";
    let host = World::empty().with_host("/proc/meminfo", OLD_MEMINFO);
    assert_eq!(host.with_v2(&[CONTAINER]).text("/proc/meminfo"), expected);
}

#[test]
fn huge_page_counts_keep_their_columns_when_they_are_long() {
    let pool = |total| {
        format!(
            "MemTotal:       999999999999 kB\nHugePages_Total:   {total}\n\
             Hugepagesize:       2048 kB\n"
        )
    };
    for total in [12345, 123456, 123456789] {
        let host = World::empty().with_host("/proc/meminfo", &pool(total));
        let unlimited = [("hugetlb.2MB.max", "max\n"), ("hugetlb.2MB.current", "0\n")];
        assert_eq!(host.with_v2(&[&unlimited]).text("/proc/meminfo"), pool(total));
    }
}

#[test]
fn swaps_of_a_new_kernel() {
    let expected = format!(
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
         none{GAP}virtual\t\t524288\t\t102400\t\t0\n"
    );
    assert_eq!(host().with_v2(&[CONTAINER]).text("/proc/swaps"), expected);
}

#[test]
fn swaps_of_an_old_kernel() {
    let expected = format!(
        "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n\
         none{GAP}virtual\t\t524288\t102400\t0\n"
    );
    let host = host().with_host("/proc/swaps", OLD_SWAPS);
    assert_eq!(host.with_v2(&[CONTAINER]).text("/proc/swaps"), expected);
}

#[test]
fn long_amounts_of_swap_take_one_tab() {
    let host = host().with_host("/proc/meminfo", "MemTotal: 1 kB\nSwapTotal: 10000000 kB\n");
    let unlimited = [("memory.swap.max", "max\n"), ("memory.swap.current", "1024\n")];
    let expected = format!("none{GAP}virtual\t\t10000000\t1\t\t0");
    assert_eq!(host.with_v2(&[&unlimited]).text("/proc/swaps").lines().nth(1), Some(&*expected));
}

#[test]
fn without_swap_there_is_only_the_header() {
    let header = SWAPS.lines().next().unwrap().to_owned() + "\n";
    let none = [("memory.swap.max", "0\n"), ("memory.swap.current", "0\n")];
    assert_eq!(host().with_v2(&[&none]).text("/proc/swaps"), header);
    // No accounting; hidden by the operator; a kernel without the file.
    assert_eq!(host().text("/proc/swaps"), header);
    let hidden = host().with_v2(&[CONTAINER]).with_setting("swap", "off");
    assert_eq!(hidden.text("/proc/swaps"), header);
    let bare = World::empty().with_host("/proc/meminfo", MEMINFO);
    assert_eq!(bare.text("/proc/swaps"), header);
}

#[test]
fn diskstats_have_the_hosts_columns() {
    let row = "   8       0 sda 100 0 2048 0 50 0 1025 0 0 0 0";
    for (columns, expected) in [
        (11, format!("{row}\n")),
        (15, format!("{row} 1 0 8 0\n")),
        (17, format!("{row} 1 0 8 0 0 0\n")),
        (19, format!("{row} 1 0 8 0 0 0 0 0\n")),
    ] {
        let text = format!(
            "   7       0 loop0{0}\n   8       0 sda{0}\n   8       1 sda1{0}\n 253       0 dm-0{0}\n",
            " 7".repeat(columns)
        );
        let world = World::empty().with_host("/proc/diskstats", &text).with_v2(&[CONTAINER]);
        assert_eq!(world.text("/proc/diskstats"), expected);
    }
}

#[test]
fn diskstats_skip_the_short_rows_of_old_partitions() {
    let text = "   8    0 sda 9 9 9 9 9 9 9 9 9 9 9\n   8    1 sda1 9 9 9 9\n";
    let io = [("io.stat", "8:0 rios=1 rbytes=512\n8:1 rios=1 rbytes=512\n")];
    let world = World::empty().with_host("/proc/diskstats", text).with_v2(&[&io]);
    assert_eq!(world.text("/proc/diskstats"), "   8    0 sda 1 0 1 0 0 0 0 0 0 0 0\n");
}

#[test]
fn diskstats_of_v1_come_from_throttling_or_bfq() {
    const ROWS: &str = " 253       0 vda 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n";
    let bytes = "253:0 Read 8192\n253:0 Write 4096\n253:0 Sync 0\n253:0 Discard 512\nTotal 12800\n";
    let times = "253:0 Read 2\n253:0 Write 1\n253:0 Sync 0\n253:0 Discard 1\nTotal 4\n";
    let idle = "Total 0\n";
    let expected = " 253       0 vda 2 0 16 0 1 0 8 0 0 0 0 1 0 1 0 0 0\n";
    let recursive =
        ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"];
    let own = ["blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"];
    let bfq = ["blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"];
    for files in [
        [(recursive[0], bytes), (recursive[1], times), (bfq[0], idle), (bfq[1], idle)],
        [(recursive[0], idle), (recursive[1], idle), (bfq[0], bytes), (bfq[1], times)],
        [(own[0], bytes), (own[1], times), (bfq[0], bytes), (bfq[1], times)],
    ] {
        let world = World::empty().with_host("/proc/diskstats", ROWS).with_v1(&[&files]);
        assert_eq!(world.text("/proc/diskstats"), expected, "{files:?}");
    }
}

#[test]
fn without_an_io_controller_there_are_no_disks() {
    let host = World::empty()
        .with_host("/proc/diskstats", "   8       0 sda 9 9 9 9 9 9 9 9 9 9 9\n")
        .with_host("/proc/partitions", "major minor  #blocks  name\n\n   8        0    1024 sda\n");
    for world in [host.clone(), host.clone().with_v2(&[&[]]), host.with_v1(&[&[]])] {
        assert_eq!(world.text("/proc/diskstats"), "");
        assert_eq!(world.text("/proc/partitions"), "");
    }
}

#[test]
fn partitions_are_the_disks_with_io() {
    let text = "major minor  #blocks  name\n\n   8        0  500107608 sda\n   8        1     \
                524288 sda1\n  11        0    1048575 sr0\n";
    let world = World::empty().with_host("/proc/partitions", text).with_v2(&[CONTAINER]);
    let expected = "major minor  #blocks  name\n\n   8        0  500107608 sda\n";
    assert_eq!(world.text("/proc/partitions"), expected);
}

#[test]
fn vmstat_counts_pages_kibibytes_and_events() {
    let names = "nr_free_pages nr_zone_unevictable nr_mlock nr_anon_pages nr_file_pages \
                 nr_anon_transparent_hugepages nr_kernel_stack nr_dirtied nr_swapcached pgpgin \
                 pgpgout pgfree pgfault pgmajfault oom_kill nr_unstable";
    let host_text: String = names.split(' ').map(|name| format!("{name} 77777\n")).collect();
    let host = host().with_host("/proc/vmstat", &host_text);
    let expected = "\
nr_free_pages 196608
nr_zone_unevictable 16
nr_mlock 16
nr_anon_pages 25600
nr_file_pages 12801
nr_anon_transparent_hugepages 3
nr_kernel_stack 128
nr_dirtied 0
nr_swapcached 1
pgpgin 1024
pgpgout 512
pgfree 0
pgfault 5150
pgmajfault 17
oom_kill 2
nr_unstable 0
";
    assert_eq!(host.clone().with_v2(&[CONTAINER]).text("/proc/vmstat"), expected);

    // v1 counts charges as pgpgin, and the group's own faults without `total_`.
    let v1 = [
        ("memory.stat", "pgfault 1\ntotal_pgpgin 999\ntotal_pgfault 40\ntotal_pgmajfault 2\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"),
    ];
    let text = host.with_v1(&[&v1]).text("/proc/vmstat");
    for line in ["pgpgin 0", "pgfault 40", "pgmajfault 2", "oom_kill 5"] {
        assert!(text.lines().any(|printed| printed == line), "{line} in {text}");
    }
}

#[test]
fn pressure_is_the_groups_text_or_zeros() {
    let text = "some avg10=1.00 avg60=0.50 avg300=0.10 total=99\nfull …\n";
    let zeros = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n\
                 full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    let host = World::empty()
        .with_host("/proc/pressure/memory", "some avg10=9.00 avg60=9.00 avg300=9.00 total=9\n");
    let path = "/proc/pressure/memory";
    assert_eq!(host.clone().with_v2(&[CONTAINER]).text(path), text);
    // A parent's pressure is not the leaf's, and the root's is the host's.
    assert_eq!(host.clone().with_v2(&[&[], CONTAINER]).text(path), zeros);
    let mut in_root = host.clone().with_v2(&[]);
    in_root.v2.as_mut().unwrap()[0].insert("memory.pressure".into(), text.into());
    assert_eq!(in_root.text(path), zeros);
    assert_eq!(host.with_v1(&[CONTAINER]).text(path), zeros);
}

/// What a person would see, on two kernels under both interfaces. Run with
/// `INSTA_UPDATE=always` to accept a change.
#[test]
fn whole_files() {
    let paths = ["meminfo", "swaps", "diskstats", "vmstat", "partitions", "pressure/io"];
    let group = Group {
        memory_limit: Some(1 << 30),
        memory_usage: 300 << 20,
        swap_limit: Some(512 << 20),
        swap_usage: 10 << 20,
        quota: Some(150_000),
        disks: vec![(8, 0)],
        amounts: (1..30).map(|i| i << 20).collect(),
        ..Group::idle("0-1\n")
    };
    for (kernel, version) in [(Kernel::Old, 1), (Kernel::New, 1), (Kernel::New, 2)] {
        let mut world = World { host: Machine::new(kernel).files(), ..World::empty() };
        match version {
            1 => world.v1 = Some(vec![group.v1(), Default::default()]),
            _ => world.v2 = Some(vec![group.v2(), Default::default()]),
        }
        let files = paths.map(|name| {
            let path = format!("/proc/{name}");
            format!("==> {path} <==\n{}", world.text(&path))
        });
        insta::assert_snapshot!(format!("{kernel:?}-v{version}").to_lowercase(), files.concat());
    }
}
