//! Files read as the kernel's do: the crate `procfs-core`, which many programs
//! use, can read them.

use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::Trial;
use procfs_core::prelude::*;
use procfs_core::{
    CpuInfo, CpuPressure, DiskStats, ExplicitSystemInfo, IoPressure, KernelStats, LoadAverage,
    Meminfo, MemoryPressure, PartitionEntry, Uptime, VmStat,
};

pub(crate) fn check(trial: &Trial<'_>, shown: &Shown, report: &mut Report) {
    for (path, text) in shown {
        let Some(reads) = reader(path) else { continue };
        // Files of another architecture or an older kernel it may not read.
        if host_text(trial, path).is_some_and(|own| !reads(own)) {
            continue;
        }
        report.tried(Check::Layout);
        let complaint = if !text.is_empty() && !text.ends_with('\n') {
            "it does not end with a newline"
        } else if !reads(text) {
            "a parser of the kernel's file (procfs-core) cannot read it"
        } else {
            continue;
        };
        let finding = Finding::new(Check::Layout, Severity::Error, complaint);
        report.find(finding.on(trial.name).at(path));
    }
}

/// The host's own text of the file.
pub(crate) fn host_text<'t>(trial: &'t Trial<'_>, path: &str) -> Option<&'t str> {
    use vproc_snapshot::{Content, Source};
    let records = trial.readings.records.iter();
    let mut own = records.filter(|record| record.source == Source::Host(path.to_owned()));
    match &own.next()?.found.first()?.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

fn reads<T: FromRead>(text: &str) -> bool {
    // It panics where lines are odd.
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

fn reader(path: &str) -> Option<fn(&str) -> bool> {
    Some(match path {
        "/proc/meminfo" => reads::<Meminfo>,
        "/proc/cpuinfo" => reads::<CpuInfo>,
        "/proc/stat" => reads_stat,
        "/proc/uptime" => reads::<Uptime>,
        "/proc/loadavg" => reads::<LoadAverage>,
        "/proc/diskstats" => reads::<DiskStats>,
        "/proc/vmstat" => reads::<VmStat>,
        "/proc/partitions" => reads::<Vec<PartitionEntry>>,
        "/proc/pressure/cpu" => reads::<CpuPressure>,
        "/proc/pressure/memory" => reads::<MemoryPressure>,
        "/proc/pressure/io" => reads::<IoPressure>,
        _ => return None,
    })
}
