//! Huge pages of the default size that a container may use.
//!
//! Source: `Documentation/admin-guide/cgroup-v2.rst`, "HugeTLB".

use super::{lower, lowest_limit, own_bytes};
use crate::contract::{CgroupVersion, Need, Scope};
use crate::units::Bytes;
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
    pub total: u64,
    /// Of these, pages that it does not use.
    pub free: u64,
}

impl HugePages {
    /// Reads [`NEEDS`]. `host_total` is the host's `HugePages_Total`, `size`
    /// the bytes of a page.
    pub fn read(view: &View<'_>, host_total: u64, size: Bytes) -> Result<Self, Error> {
        if size == Bytes::ZERO || host_total == 0 {
            return Ok(HugePages::default());
        }
        let usage = match own_bytes(view, USAGE)? {
            Some(usage) => Some(usage),
            None => own_bytes(view, V1_USAGE)?,
        };
        let Some(usage) = usage else { return Ok(HugePages::default()) };
        let limit = lower(lowest_limit(view, LIMIT)?, lowest_limit(view, V1_LIMIT)?);
        let total = limit.map_or(host_total, |limit| (limit.bytes.0 / size.0).min(host_total));
        Ok(HugePages { total, free: total.saturating_sub(usage.0.div_ceil(size.0)) })
    }
}
