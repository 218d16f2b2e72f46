//! `/proc/slabinfo`: the kernel's objects that the container has.
//!
//! Before Linux 5.9 a v1 group has such a table of its own,
//! `memory.kmem.slabinfo`, which is shown as it is. Later kernels count how
//! much slab memory a group has, and not of what: then the table has a row
//! for what can be reclaimed and one for what cannot, in objects of a page,
//! so that the sums of slabtop are the `SReclaimable` and `SUnreclaim` of
//! `/proc/meminfo`. The names and numbers of the host's caches say which file
//! systems, drivers and programs others use, and how much.
//!
//! Only root may read it, as in the kernel.
//!
//! Source of the layout: `print_slabinfo_header` and `cache_show` in
//! `mm/slab_common.c`.
//!
//! # lxcfs
//!
//! lxcfs copies `memory.kmem.slabinfo` of cgroup v1, which is empty on newer kernels,
//! and shows the host's on v2.

use super::meminfo;
use crate::cgroup::memory::{self, Memory};
use crate::cgroup::own_text;
use crate::contract::{Class, Entry, Kind, Need, Scope};
use crate::units::Count;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "slabinfo";
const V1_TABLE: &str = "memory.kmem.slabinfo";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/slabinfo",
    kind: Kind::File,
    mode: 0o400,
    class: Class::Virtual,
    summary: "the slab memory of the container: a row for what can be reclaimed and one for the rest",
    reason: "the host's caches tell what others run (mm/slab_common.c); groups count only sums",
    needs: &[
        &[
            Need::host(HOST, "/proc/slabinfo"),
            Need::v1("memory", V1_TABLE, Scope::Leaf),
            meminfo::HOST_NEED,
        ],
        memory::NEEDS,
        memory::V1_KERNEL_NEEDS,
    ],
    history: None,
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    // Newer kernels have the file without a row in it, or refuse to read it.
    if let Ok(Some(own)) = own_text(view, V1_TABLE)
        && own.lines().nth(HEADER_LINES).is_some()
    {
        out.push_str(own);
        return Ok(None);
    }
    let page_size = view.environment().page_size;
    let memory = Memory::read(view)?;
    let total = memory.total(meminfo::Host::read(view)?.total, page_size);
    let header = text.lines().take(HEADER_LINES);
    header.filter(|line| line.starts_with(['s', '#'])).for_each(|line| {
        out.push_line(line);
    });
    let stat = &memory.stat;
    for (name, amount) in [
        ("slab_reclaimable", stat.slab_reclaimable),
        ("slab_unreclaimable", stat.slab_unreclaimable),
    ] {
        let pages = memory.part(amount, total).pages(page_size);
        push_row(out, name, pages, u64::from(page_size));
    }
    Ok(None)
}

/// The version and the names of the columns.
const HEADER_LINES: usize = 2;

/// `%-17s %6lu %6lu %6u %4u %4d`, then tunables and slabs. A slab is a page
/// with one object.
fn push_row(out: &mut Text, name: &str, pages: Count, page_size: u64) {
    out.push_str(name).push_spaces(17usize.saturating_sub(name.len()));
    for column in ["active_objs", "num_objs"] {
        out.push_str(" ").column(column).push_right(pages, 6);
    }
    out.push_str(" ").push_digits(page_size, 6).push_str("    1    1");
    out.push_str(" : tunables    0    0    0 : slabdata");
    for column in ["active_slabs", "num_slabs"] {
        out.push_str(" ").column(column).push_right(pages, 6);
    }
    out.push_str("      0\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Content, Input};
    use crate::testing::{cgroup, host, snapshot};
    use alloc::string::String;
    use alloc::vec;

    const TEXT: &str = "slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
nvidia_p2p_page_cache      0      0    368   22    2 : tunables    0    0    0 : slabdata      0      0      0
dentry            234567 234567    192   21    1 : tunables    0    0    0 : slabdata  11170  11170      0
";

    fn rendered(others: &[Input<'static>]) -> String {
        let mut inputs = vec![
            host(HOST, TEXT),
            host(meminfo::HOST, "MemTotal: 4000000 kB\n"),
            cgroup("memory.current", 0, 1, "20480000\n"),
            cgroup("memory.stat", 0, 1, "slab_reclaimable 8192000\nslab_unreclaimable 40960\n"),
        ];
        inputs.extend_from_slice(others);
        crate::render(ENTRY.path, &snapshot(inputs)).unwrap().text
    }

    #[test]
    fn sums_are_the_groups() {
        let header: String = TEXT.split_inclusive('\n').take(2).collect();
        let rows = "slab_reclaimable    2000   2000   4096    1    1 : tunables    0    0    0 : \
                    slabdata   2000   2000      0\n\
                    slab_unreclaimable     10     10   4096    1    1 : tunables    0    0    0 : \
                    slabdata     10     10      0\n";
        assert_eq!(rendered(&[]), header.clone() + rows);
        let refused = Input { key: V1_TABLE, level: 0, depth: 1, content: Content::Absent(5) };
        assert_eq!(rendered(&[refused]), header.clone() + rows);
        // As the file is on Linux 5.9 and later.
        assert_eq!(rendered(&[cgroup(V1_TABLE, 0, 1, "")]), header + rows);
    }

    #[test]
    fn a_groups_own_table_is_shown_as_it_is() {
        let own = "slabinfo - version: 2.1\n# name <active_objs>\ndentry 21 21 192 21 1 : \
                   tunables 0 0 0 : slabdata 1 1 0\n";
        assert_eq!(rendered(&[cgroup(V1_TABLE, 0, 1, own)]), own);
        assert!(!rendered(&[cgroup(V1_TABLE, 0, 0, own)]).contains("dentry"), "the root's");
    }
}
