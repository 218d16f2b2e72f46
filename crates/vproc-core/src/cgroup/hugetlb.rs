//! Huge pages of the default size that a container may use.
//!
//! Source: `Documentation/admin-guide/cgroup-v2.rst`, "HugeTLB".

use super::{lower, lowest_limit, own_bytes};
use crate::contract::{CgroupVersion, Need, Scope};
use crate::trace::Amount;
use crate::units::{Bytes, Count, Kib};
use crate::{Error, View};

const LIMIT: &str = "hugetlb.max";
const USAGE: &str = "hugetlb.current";
const V1_LIMIT: &str = "hugetlb.limit_in_bytes";
const V1_USAGE: &str = "hugetlb.usage_in_bytes";

macro_rules! needs {
    ($($name:literal = $bytes:expr),* $(,)?) => {
        /// Limit and usage, of the one size that is the host's default.
        pub const NEEDS: &[Need] = &[$(
            need(LIMIT, CgroupVersion::V2, concat!("hugetlb.", $name, ".max"), Scope::Lineage)
                .when(|_, environment| environment.huge_page_size == $bytes),
            need(USAGE, CgroupVersion::V2, concat!("hugetlb.", $name, ".current"), Scope::Nearest)
                .when(|_, environment| environment.huge_page_size == $bytes),
            need(V1_LIMIT, CgroupVersion::V1, concat!("hugetlb.", $name, ".limit_in_bytes"), Scope::Lineage)
                .when(|_, environment| environment.huge_page_size == $bytes),
            need(V1_USAGE, CgroupVersion::V1, concat!("hugetlb.", $name, ".usage_in_bytes"), Scope::Nearest)
                .when(|_, environment| environment.huge_page_size == $bytes),
        )*];
    };
}

const fn need(key: &'static str, version: CgroupVersion, name: &'static str, scope: Scope) -> Need {
    let need = match version {
        CgroupVersion::V1 => Need::v1("hugetlb", name, scope),
        CgroupVersion::V2 => Need::v2("hugetlb", name, scope),
    };
    need.keyed(key)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

// Default sizes: x86-64, arm64, riscv 2 MiB; s390x 1 MiB; ppc64 16 MiB;
// arm64 with pages of 16 KiB 32 MiB, of 64 KiB 512 MiB.
needs! {
    "64KB" = 64 * KIB,
    "1MB" = MIB,
    "2MB" = 2 * MIB,
    "16MB" = 16 * MIB,
    "32MB" = 32 * MIB,
    "512MB" = 512 * MIB,
    "1GB" = GIB,
}

/// Huge pages of the default size. None where nothing limits or counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HugePages {
    /// Pages that the container may use.
    pub total: Count,
    /// Of these, pages that it does not use.
    pub free: Count,
}

impl HugePages {
    /// Reads [`NEEDS`]. `host_total` is the host's `HugePages_Total`, `size`
    /// the bytes of a page, `memory` the container's `MemTotal`: readers
    /// subtract the pool from it.
    pub fn read(
        view: &View<'_>,
        host_total: Count,
        size: Bytes,
        memory: Kib,
    ) -> Result<Self, Error> {
        let none = |why| {
            let nothing = view.given().given(why, Count::ZERO);
            Ok(HugePages { total: nothing, free: nothing })
        };
        if size == Bytes::ZERO || host_total == Count::ZERO {
            return none("the host has no pool of huge pages");
        }
        let usage = match own_bytes(view, USAGE)? {
            Some(usage) => Some(usage),
            None => own_bytes(view, V1_USAGE)?,
        };
        let Some(usage) = usage else { return none("no group counts huge pages") };
        let limit = lower(lowest_limit(view, LIMIT)?, lowest_limit(view, V1_LIMIT)?);
        let total = match limit {
            Some(limit) => limit.bytes.in_parts_of(size).min(host_total),
            None => host_total.noted("no group limits huge pages"),
        };
        let total = total.min(memory.bytes().in_parts_of(size)).named("HugePages_Total");
        Ok(HugePages { total, free: total.minus(usage.in_parts_of_up(size)) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Knobs;
    use crate::contract::{Environment, Input, Source};
    use crate::testing::{cgroup, snapshot};
    use alloc::vec;
    use alloc::vec::Vec;

    /// Room for all of the host's pages.
    const MEMORY: Kib = Kib(4 << 20);
    const SIZE: Bytes = Bytes(2 * MIB);

    fn read(inputs: Vec<Input<'_>>) -> HugePages {
        let (snapshot, knobs) = (snapshot(inputs), Knobs::default());
        HugePages::read(&View::new(&snapshot, &knobs, 0), Count(512), SIZE, MEMORY).unwrap()
    }

    #[test]
    fn limit_and_usage_become_pages() {
        for (limit, usage) in [(LIMIT, USAGE), (V1_LIMIT, V1_USAGE)] {
            let with = |max, parent, current| {
                read(vec![
                    cgroup(limit, 0, 2, max),
                    cgroup(limit, 1, 1, parent),
                    cgroup(usage, 0, 2, current),
                ])
            };
            let parents = with("33554432\n", "8388608\n", "2097152\n");
            assert_eq!(parents, HugePages { total: Count(4), free: Count(3) });
            let unlimited = with("9223372036854771712\n", "9223372036854771712\n", "0\n");
            assert_eq!(unlimited, HugePages { total: Count(512), free: Count(512) });
            // Lowered below the usage; a part of a page is a page in use.
            let lowered = with("2097152\n", "2097152\n", "6291456\n");
            assert_eq!(lowered, HugePages { total: Count(1), free: Count(0) });
            assert_eq!(
                with("4194304\n", "4194304\n", "1\n"),
                HugePages { total: Count(2), free: Count(1) }
            );
        }
        let max = read(vec![cgroup(LIMIT, 0, 1, "max\n"), cgroup(USAGE, 0, 1, "0\n")]);
        assert_eq!(max, HugePages { total: Count(512), free: Count(512) });
    }

    #[test]
    fn without_accounting_of_its_own_there_are_none() {
        assert_eq!(read(vec![]), HugePages::default());
        assert_eq!(read(vec![cgroup(LIMIT, 0, 1, "4194304")]), HugePages::default());
        let of_the_host = vec![cgroup(USAGE, 0, 0, "4194304")];
        assert_eq!(read(of_the_host), HugePages::default());
    }

    #[test]
    fn a_host_without_a_pool_has_none_to_give() {
        let (snapshot, knobs) = (snapshot(vec![cgroup(USAGE, 0, 1, "0")]), Knobs::default());
        let view = View::new(&snapshot, &knobs, 0);
        assert_eq!(HugePages::read(&view, Count(0), SIZE, MEMORY), Ok(HugePages::default()));
        assert_eq!(
            HugePages::read(&view, Count(512), Bytes::ZERO, MEMORY),
            Ok(HugePages::default())
        );
    }

    #[test]
    fn files_of_the_hosts_default_size_are_asked_for() {
        let names = |huge_page_size| -> Vec<&'static str> {
            let environment = Environment { huge_page_size, ..snapshot(vec![]).environment };
            let wanted = NEEDS.iter().filter(|need| (need.when)(&Knobs::default(), &environment));
            wanted
                .filter_map(|need| match need.source {
                    Source::Cgroup { name, .. } => Some(name),
                    _ => None,
                })
                .collect()
        };
        let expected = [
            "hugetlb.1GB.max",
            "hugetlb.1GB.current",
            "hugetlb.1GB.limit_in_bytes",
            "hugetlb.1GB.usage_in_bytes",
        ];
        assert_eq!(names(GIB), expected);
        assert_eq!(names(0), [""; 0]);
    }
}
