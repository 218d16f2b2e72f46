//! How `procfs-core`, which is no part of this project, reads files of `/proc`.

use procfs_core::prelude::*;
use procfs_core::{
    CpuInfo, CpuPressure, DiskStats, ExplicitSystemInfo, IoPressure, KernelStats, LoadAverage,
    Meminfo, MemoryPressure, PartitionEntry, Uptime, VmStat,
};

fn reads<T: FromRead>(text: &str) -> bool {
    // It reads `/proc/cpuinfo` and others with panics where lines are odd.
    std::panic::catch_unwind(|| T::from_read(text.as_bytes()).is_ok()).unwrap_or(false)
}

fn reads_stat(text: &str) -> bool {
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 100,
        page_size: 4096,
        is_little_endian: true,
    };
    KernelStats::from_read(text.as_bytes(), &system).is_ok()
}

/// Before Linux 5.13 there is no line `full` for the CPU, which the crate wants.
fn reads_cpu_pressure(text: &str) -> bool {
    let is_old = text.starts_with("some ") && text.lines().count() == 1;
    let full = if is_old { "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" } else { "" };
    reads::<CpuPressure>(&format!("{text}{full}"))
}

/// How the crate reads a path, if it does.
pub(crate) fn reader(path: &str) -> Option<fn(&str) -> bool> {
    Some(match path {
        "/proc/meminfo" => reads::<Meminfo>,
        "/proc/cpuinfo" => reads::<CpuInfo>,
        "/proc/stat" => reads_stat,
        "/proc/uptime" => reads::<Uptime>,
        "/proc/loadavg" => reads::<LoadAverage>,
        "/proc/diskstats" => reads::<DiskStats>,
        "/proc/vmstat" => reads::<VmStat>,
        "/proc/partitions" => reads::<Vec<PartitionEntry>>,
        "/proc/pressure/cpu" => reads_cpu_pressure,
        "/proc/pressure/memory" => reads::<MemoryPressure>,
        "/proc/pressure/io" => reads::<IoPressure>,
        _ => return None,
    })
}
