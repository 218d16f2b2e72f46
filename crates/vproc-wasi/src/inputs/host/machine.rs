//! What kind of machine the host is, and its clock.

use super::super::hidden;
use super::{NoInputs, text};
use vproc_snapshot::{Environment, Setting};

const AUXV: &str = "/vproc/proc/self/auxv";
const ARCH: &str = "/vproc/proc/sys/kernel/arch";
const UPTIME: &str = "/vproc/proc/uptime";

/// `uapi/linux/auxvec.h`.
const AT_PAGESZ: u64 = 6;
const AT_CLKTCK: u64 = 17;

/// What WASI has no call for, the kernel has told the runtime in its auxiliary
/// vector.
pub(super) fn environment(settings: Vec<Setting>) -> Result<Environment, NoInputs> {
    let malformed =
        |path: &str, reason: &str| NoInputs::Malformed { path: path.into(), reason: reason.into() };
    let auxv =
        hidden::read(AUXV).map_err(|error| NoInputs::Unreadable { path: AUXV.into(), error })?;
    let number = |tag| auxiliary(&auxv, tag).and_then(|value| u32::try_from(value).ok());
    let page_size = number(AT_PAGESZ).filter(|size| size.is_power_of_two());
    let machine = match std::env::var("VPROC_MACHINE") {
        Ok(machine) => machine,
        // Since Linux 6.1.
        Err(_) => text(ARCH)
            .map_err(|_| malformed(ARCH, "not there; set VPROC_MACHINE to what `uname -m` prints"))?
            .trim_end()
            .to_owned(),
    };
    Ok(Environment {
        page_size: page_size.ok_or_else(|| malformed(AUXV, "no size of a page"))?,
        user_hz: number(AT_CLKTCK).ok_or_else(|| malformed(AUXV, "no ticks a second"))?,
        huge_page_size: huge_page_size().unwrap_or(0),
        machine,
        settings,
    })
}

/// An entry of the vector, of a kernel of 64 bits in either order of bytes.
fn auxiliary(vector: &[u8], wanted: u64) -> Option<u64> {
    let (words, _) = vector.as_chunks::<8>();
    let find = |decode: fn([u8; 8]) -> u64| {
        let (pairs, _) = words.as_chunks::<2>();
        let pair = pairs.iter().find(|[tag, _]| decode(*tag) == wanted)?;
        Some(decode(pair[1]))
    };
    find(u64::from_le_bytes).or_else(|| find(u64::from_be_bytes))
}

/// Bytes of a huge page of the default size, where there is a pool of them or
/// may be one.
fn huge_page_size() -> Option<u64> {
    let has_pool = ["nr_hugepages", "nr_overcommit_hugepages"].into_iter().any(|name| {
        text(&format!("/vproc/proc/sys/vm/{name}")).is_ok_and(|count| count.trim() != "0")
    });
    if !has_pool {
        return None;
    }
    let meminfo = text("/vproc/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// `CLOCK_BOOTTIME` in nanoseconds. WASI's monotonic clock starts anywhere.
pub(super) fn now() -> Result<u64, NoInputs> {
    let uptime = text(UPTIME)?;
    let nanos = uptime.split(' ').next().and_then(|seconds| {
        let (whole, hundredths) = seconds.split_once('.')?;
        let whole: u64 = whole.parse().ok()?;
        let hundredths: u64 = hundredths.parse().ok()?;
        whole.checked_mul(1_000_000_000)?.checked_add(hundredths.checked_mul(10_000_000)?)
    });
    nanos.ok_or_else(|| NoInputs::Malformed { path: UPTIME.into(), reason: "not a time".into() })
}
