//! `/proc/zoneinfo`: the container's memory by zones.
//!
//! The nodes are those of the container's cpuset, the zones the host's. The
//! amounts are those of the container's `/proc/vmstat` and `/proc/meminfo`,
//! split over the zones as [`crate::cgroup::nodes`] says:
//!
//! | line | shows |
//! |---|---|
//! | `spanned`, `present`, `managed` | a part of MemTotal |
//! | `free`, `nr_free_pages` | a part of MemFree |
//! | `min`, `low`, `high`, `promo` | the host's, as much smaller as the zone is |
//! | other names of `/proc/vmstat` | a part of what stands there |
//! | `cpu: N` | the container's CPUs, with zeros |
//! | others (`protection`, `start_pfn`, …) | 0 for each number |
//!
//! Source of the layout: `zoneinfo_show_print` in `mm/vmstat.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use super::{meminfo, vmstat};
use crate::cgroup::cpu::{self, CpuView};
use crate::cgroup::memory::{self, Memory};
use crate::cgroup::nodes::{self, Nodes, Zone, zone_line};
use crate::cgroup::{events, io};
use crate::contract::{Class, Entry, Kind};
use crate::text::number;
use crate::trace::{Amount, Provenance};
use crate::units::Count;
use crate::{Error, Text, View};
use alloc::vec::Vec;

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/zoneinfo",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the container's memory, split over the zones of its nodes as the host's is",
    reason: "counts the pages of everybody (mm/vmstat.c); no group counts its own by zones",
    needs: &[
        nodes::NEEDS,
        vmstat::HOST_NEEDS,
        memory::NEEDS,
        memory::V1_KERNEL_NEEDS,
        events::NEEDS,
        io::NEEDS,
        cpu::NEEDS,
    ],
    history: None,
    render,
};

/// What stands in a container's zones.
struct Container<'a> {
    nodes: Nodes<'a>,
    /// Pages.
    total: Count,
    free: Count,
    counts: Vec<(&'a str, Count)>,
    cpus: CpuView,
}

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(nodes::ZONES)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let mut counts = out.another();
    (vmstat::ENTRY.render)(view, &mut counts)?;
    let (total, free) = pages(view)?;
    let container = Container {
        nodes: Nodes::read(view)?,
        total,
        free,
        counts: counts.amounts().collect(),
        cpus: CpuView::read(view)?,
    };
    container.print(text, out);
    Ok(None)
}

/// MemTotal and MemFree in pages.
#[inline(never)] // called from several places
pub(super) fn pages(view: &View<'_>) -> Result<(Count, Count), Error> {
    let page_size = view.environment().page_size;
    let memory = Memory::read(view)?;
    let total = memory.total(meminfo::Host::read(view)?.total, page_size);
    let free = memory.free(total);
    Ok((total.bytes().pages(page_size), free.bytes().pages(page_size)))
}

impl Container<'_> {
    fn print(&self, text: &str, out: &mut Text) {
        let mut zones = self.nodes.zones().iter();
        let mut zone = None;
        let mut of_node = false;
        let mut pagesets = Pagesets::default();
        for line in text.lines() {
            if let Some((node, name, _)) = zone_line(line) {
                pagesets.print(&self.cpus, out);
                let shown = self.nodes.shown(node);
                zone = shown.and_then(|_| zones.next());
                if let Some(shown) = shown {
                    out.lines_are(Provenance::Filtered, "a zone of a node of the container's cpuset");
                    out.push_str("Node ").push_digits(u64::from(shown), 0).push_str(", zone ");
                    out.push_spaces(NAME_WIDTH.saturating_sub(name.len())).push_line(name);
                }
                continue;
            }
            let Some(zone) = zone else { continue };
            if pagesets.take(line) {
                continue;
            }
            pagesets.print(&self.cpus, out);
            match line.trim_ascii() {
                "per-node stats" => of_node = true,
                start if start.starts_with("pages free") => of_node = false,
                _ => {}
            }
            match self.value(line, zone, of_node) {
                Some(value) => {
                    let before = line.trim_end_matches(|c: char| c.is_ascii_digit());
                    if !value.origin().is_some() {
                        out.rule(Provenance::Constant, NOT_COUNTED);
                    }
                    out.push_str(before).push_number(value).push_str("\n");
                }
                None => push_zeroed(out, line),
            }
        }
        pagesets.print(&self.cpus, out);
    }

    /// The number at the end of a line; `None` where it has none, or several.
    fn value(&self, line: &str, zone: &Zone<'_>, of_node: bool) -> Option<Count> {
        let line = line.trim_ascii_start();
        let (name, host) = line.strip_prefix("pages ").unwrap_or(line).split_once(' ')?;
        let host = number(host.trim_ascii())?;
        Some(match name {
            "free" => self.nodes.in_zone(self.free, zone),
            "spanned" | "present" | "managed" => self.nodes.in_zone(self.total, zone),
            "min" | "low" | "high" | "promo" => {
                let (host, size) = (Count(host), self.nodes.in_zone(self.total, zone));
                host.share(size, Count(zone.pages)).min(host)
            }
            _ => {
                let (_, count) = self.counts.iter().find(|(known, _)| *known == name)?;
                match of_node {
                    true => self.nodes.in_node(*count, zone.node),
                    false => self.nodes.in_zone(*count, zone),
                }
            }
        })
    }
}

/// `%8s` of a zone's name.
pub(super) const NAME_WIDTH: usize = 8;

/// The lines about the pages that CPUs keep for themselves: of the host's
/// first CPU, repeated for each of the container's.
#[derive(Default)]
struct Pagesets<'a> {
    /// Whether such lines are being read.
    open: bool,
    cpus: u32,
    lines: Vec<&'a str>,
}

impl<'a> Pagesets<'a> {
    /// Takes a line that is one of these.
    fn take(&mut self, line: &'a str) -> bool {
        if line.starts_with("    cpu: ") {
            self.open = true;
            self.cpus += 1;
            return true;
        }
        let is_of_cpu = self.open && (line.starts_with("      ") || line.starts_with("  vm stats"));
        if is_of_cpu && self.cpus == 1 {
            self.lines.push(line);
        }
        is_of_cpu
    }

    /// Prints what was taken.
    fn print(&mut self, cpus: &CpuView, out: &mut Text) {
        let Pagesets { open, lines, .. } = core::mem::take(self);
        for cpu in cpus.iter().filter(|_| open) {
            out.lines_are(Provenance::Filtered, "a CPU of the container");
            out.push_str("    cpu: ").push_digits(u64::from(cpu.shown), 0).push_str("\n");
            lines.iter().for_each(|line| push_zeroed(out, line));
        }
    }
}

const NOT_COUNTED: &str = "not counted by cgroups";

/// A line with 0 in place of each number.
fn push_zeroed(out: &mut Text, line: &str) {
    out.lines_are(Provenance::Constant, NOT_COUNTED);
    let mut rest = line;
    let is_digit = |c: char| c.is_ascii_digit();
    while let Some(start) = rest.find(is_digit) {
        let (before, after) = rest.split_at(start);
        // A digit within a name, such as that of `DMA32`, stays.
        let is_name = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let end = after.find(|c: char| !is_digit(c)).unwrap_or(after.len());
        let (digits, after) = after.split_at(end);
        out.push_str(before).push_str(if is_name { digits } else { "0" });
        rest = after;
    }
    out.push_line(rest);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Input, Snapshot};
    use crate::testing::{cgroup, host, snapshot};
    use alloc::string::String;
    use alloc::vec;

    /// Linux 6.18, shortened.
    const ZONES: &str = "Node 0, zone    DMA32
  per-node stats
      nr_active_anon 394
      nr_slab_reclaimable 111654
      nr_vmscan_write 3695817
  pages free     772915
        boost    0
        min      2200
        low      2989
        spanned  1044480
        present  782336
        managed  100000
        cma      0
        protection: (0, 0, 19968, 19968)
      nr_free_pages 772915
      nr_zone_active_anon 17
      numa_hit     450843256
  pagesets
    cpu: 0
              count:    11
              high_max: 240
  vm stats threshold: 36
    cpu: 1
              count:    22
              high_max: 240
  vm stats threshold: 36
  node_unreclaimable:  0
  start_pfn:           4096
Node 0, zone   Device
  pages free     0
        managed  0
        protection: (0, 0)
Node 1, zone   Normal
  per-node stats
      nr_active_anon 394
  pages free     772915
        managed  300000
  pagesets
    cpu: 0
              count:    11
  vm stats threshold: 36
  start_pfn:           4096
";

    fn inputs() -> Vec<Input<'static>> {
        vec![
            host(nodes::ZONES, ZONES),
            host(
                "vmstat",
                "nr_free_pages 1\nnr_active_anon 2\nnr_zone_active_anon 2\n\
                  nr_slab_reclaimable 3\nnr_vmscan_write 4\nnuma_hit 5\n",
            ),
            host(meminfo::HOST, "MemTotal: 4000000 kB\n"),
            host("cpu-online", "0-1\n"),
            cgroup("memory.max", 0, 1, "40960000\n"),
            cgroup("memory.current", 0, 1, "20480000\n"),
            cgroup("memory.stat", 0, 1, "active_anon 8192000\nslab_reclaimable 40960\n"),
        ]
    }

    fn text(snapshot: &Snapshot<'_>) -> String {
        crate::render(ENTRY.path, snapshot).unwrap().text
    }

    #[test]
    fn amounts_are_parts_of_the_containers() {
        let expected = "Node 0, zone    DMA32
  per-node stats
      nr_active_anon 500
      nr_slab_reclaimable 2
      nr_vmscan_write 0
  pages free     1250
        boost    0
        min      55
        low      74
        spanned  2500
        present  2500
        managed  2500
        cma      0
        protection: (0, 0, 0, 0)
      nr_free_pages 1250
      nr_zone_active_anon 500
      numa_hit     0
  pagesets
    cpu: 0
              count:    0
              high_max: 0
  vm stats threshold: 0
    cpu: 1
              count:    0
              high_max: 0
  vm stats threshold: 0
  node_unreclaimable:  0
  start_pfn:           0
Node 0, zone   Device
  pages free     0
        managed  0
        protection: (0, 0)
Node 1, zone   Normal
  per-node stats
      nr_active_anon 1500
  pages free     3750
        managed  7500
  pagesets
    cpu: 0
              count:    0
  vm stats threshold: 0
    cpu: 1
              count:    0
  vm stats threshold: 0
  start_pfn:           0
";
        assert_eq!(text(&snapshot(inputs())), expected);
    }

    #[test]
    fn nodes_and_cpus_are_the_containers() {
        let mut inputs = inputs();
        inputs.push(cgroup("cpuset.cpus.effective", 0, 1, "1\n"));
        inputs.push(cgroup("cpuset.mems.effective", 0, 1, "1\n"));
        let mut snapshot = snapshot(inputs);
        let expected = "Node 0, zone   Normal
  per-node stats
      nr_active_anon 2000
  pages free     5000
        managed  10000
  pagesets
    cpu: 0
              count:    0
  vm stats threshold: 0
  start_pfn:           0
";
        assert_eq!(text(&snapshot), expected);
        snapshot.environment.settings = vec![("cpu-numbering", "host")];
        let numbered = expected.replace("Node 0", "Node 1").replace("cpu: 0", "cpu: 1");
        assert_eq!(text(&snapshot), numbered);
        snapshot.is_host = true;
        assert_eq!(text(&snapshot), ZONES);
    }
}
