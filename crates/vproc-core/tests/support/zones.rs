//! What the kernel of a [`Machine`] prints about its zones of memory.

use super::Files;
use super::machine::{Kernel, Machine, cpu_list};
use std::fmt::Write;

/// Two nodes, of which the first has two zones.
const ZONES: [(u32, &str, u64); 3] = [(0, "DMA", 1), (0, "Normal", 7), (1, "Normal", 8)];

impl Machine {
    /// Node, zone, and pages of 4 KiB.
    fn zones(&self) -> impl Iterator<Item = (u32, &'static str, u64)> {
        let sixteenth = self.memory / 4 / 16 + 1;
        ZONES.into_iter().map(move |(node, zone, parts)| (node, zone, sixteenth * parts))
    }

    /// The files of two nodes. All CPUs are in the first.
    pub(super) fn node_directory(&self, files: &mut Files) {
        let directory = "/sys/devices/system/node";
        let width = self.cpus.div_ceil(4) as usize;
        let mut add = |name: &str, text: String| {
            files.insert(format!("{directory}/{name}"), text.into());
        };
        for name in ["online", "possible", "has_memory", "has_normal_memory"] {
            add(name, "0-1\n".into());
        }
        add("has_cpu", "0\n".into());
        add("node0/cpulist", cpu_list(self.cpus));
        add("node1/cpulist", "\n".into());
        add("node0/cpumap", format!("{:0width$x}\n", (1u64 << self.cpus) - 1));
        add("node1/cpumap", format!("{:0width$x}\n", 0));
        add("node0/distance", "10 21\n".into());
        add("node1/distance", "21 10\n".into());
    }

    pub(super) fn zoneinfo(&self) -> String {
        let n = self.activity;
        let mut text = String::new();
        let mut last = None;
        for (node, zone, pages) in self.zones() {
            let _ = writeln!(text, "Node {node}, zone {zone:>8}");
            if self.kernel == Kernel::New && last != Some(node) {
                let _ = writeln!(text, "  per-node stats\n      nr_active_anon {n}");
                let _ = writeln!(text, "      nr_anon_pages {n}\n      newer_than_this_policy {n}");
            }
            last = Some(node);
            let _ = write!(
                text,
                "  pages free     {n}\n        min      11\n        low      14\n        high     17\n\
                 \x20       spanned  {pages}\n        present  {pages}\n"
            );
            if self.kernel == Kernel::New {
                let _ = writeln!(text, "        managed  {pages}");
            }
            let _ = write!(
                text,
                "        protection: (0, {pages}, {pages})\n      nr_free_pages {n}\n  pagesets\n"
            );
            for cpu in 0..self.cpus {
                let _ = writeln!(text, "    cpu: {cpu}\n              count: {n}");
                let _ = writeln!(text, "  vm stats threshold: 4");
            }
            let _ = writeln!(text, "  node_unreclaimable:  {n}\n  start_pfn:           1");
        }
        text
    }

    pub(super) fn buddyinfo(&self) -> String {
        let count = |_| format!("{:6} ", self.activity);
        let line = |(node, zone, _)| {
            let counts: String = (0..11).map(count).collect();
            format!("Node {node}, zone {zone:>8} {counts}\n")
        };
        self.zones().map(line).collect()
    }

    pub(super) fn slabinfo(&self) -> String {
        let n = self.activity;
        format!(
            "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize>\n\
             dentry            {n} {n}    192   21    1 : tunables    0    0    0 : \
             slabdata {n} {n}      0\n"
        )
    }
}
