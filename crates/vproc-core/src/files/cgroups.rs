//! `/proc/cgroups`: the kernel's controllers, and how many groups there are.
//!
//! Names, order, hierarchies and whether a controller is enabled are the
//! host's: a container's runtime tells by them which version of cgroups it has
//! (the JDK, runc, kata). The number of groups is that of all containers. A
//! container has its own group and those below, which v2 counts
//! (`nr_descendants` in `cgroup.stat`). No file of v1 does, and a process in a
//! container cannot list what is outside of it: there the number is 1, its own.
//!
//! Source of the layout: `proc_cgroupstats_show` in `kernel/cgroup/cgroup-v1.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::own_found;
use crate::contract::{Class, Entry, Kind, Need, Scope};
use crate::text::pair;
use crate::units::Count;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const STAT: &str = "cgroup.stat";
const DESCENDANTS: &str = "nr_descendants";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/cgroups",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the kernel's controllers, with the number of the container's own groups",
    reason: "counts the groups of all containers (kernel/cgroup/cgroup-v1.c)",
    needs: &[&[Need::ITSELF, Need::v2("", STAT, Scope::Leaf)]],
    history: None,
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(Need::ITSELF.key)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let own = view.given().given("the container's group", Count(1));
    let below = own_found(view, STAT)?.and_then(|stat| {
        let count = pair(stat.text, DESCENDANTS)?;
        Some(stat.trace.read(DESCENDANTS, "", Count(count)))
    });
    for line in text.lines() {
        let mut columns = line.split('\t');
        match (columns.next(), columns.next(), columns.next(), columns.next()) {
            (Some(name), Some(hierarchy), Some(_), Some(enabled)) if !name.starts_with('#') => {
                // Hierarchy 0 is the unified one.
                let below = below.filter(|_| hierarchy == "0").unwrap_or_default();
                out.push_str(name).push_str("\t").push_str(hierarchy).push_str("\t");
                out.push_number(own.plus(below)).push_str("\t").push_line(enabled);
            }
            // The header. A row of another shape would show the host's number.
            _ if line.starts_with('#') => {
                out.push_line(line);
            }
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    const HOST: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
         cpuset\t3\t77\t1\nmemory\t0\t430\t1\nnet_cls\t0\t430\t0\n";

    fn rendered(stat: Option<&str>, depth: u32) -> alloc::string::String {
        let mut inputs = vec![host(Need::ITSELF.key, HOST)];
        inputs.extend(stat.map(|stat| cgroup(STAT, 0, depth, stat)));
        crate::render(ENTRY.path, &snapshot(inputs)).unwrap().text
    }

    #[test]
    fn the_unified_hierarchy_counts_its_groups() {
        let expected = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
             cpuset\t3\t1\t1\nmemory\t0\t6\t1\nnet_cls\t0\t6\t0\n";
        assert_eq!(rendered(Some("nr_descendants 5\nnr_dying_descendants 9\n"), 2), expected);
    }

    #[test]
    fn who_has_no_group_there_counts_one() {
        for text in [rendered(None, 0), rendered(Some("nr_descendants 429\n"), 0)] {
            assert!(!text.contains("430") && text.contains("memory\t0\t1\t1\n"), "{text}");
        }
    }

    #[test]
    fn the_host_sees_all() {
        let mut snapshot = snapshot(vec![host(Need::ITSELF.key, HOST)]);
        snapshot.is_host = true;
        assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, HOST);
    }
}
