//! What a container asked for, in place of its limits.
//!
//! In Kubernetes, a container may use memory and CPUs of others up to its limit,
//! but only its request is its own. Programs that size themselves by `/proc` then
//! plan with what may be taken from them. The rule here: where a request is known
//! and below the limit, it is the limit.
//!
//! - Memory, cgroup v2: `memory.min` or `memory.low` of the container's group, the
//!   higher one. Kubernetes writes the first with the feature gate `MemoryQoS`,
//!   Docker the second for `--memory-reservation`. v1: `memory.soft_limit_in_bytes`.
//! - CPUs: `cpu.shares / 1024` of v1; on v2 the same from `cpu.weight`, by the
//!   conversion of the container runtimes until 2025, of which weight 39 is a CPU.
//!
//! Where no request of memory was written, the limit counts as ever. A container
//! without a request of CPUs has the fewest shares, and sees one CPU. What cannot
//! be known: a request without that feature gate, and a weight that was converted
//! otherwise; 100, which is the kernel's own, counts as a CPU. A container that
//! uses more than it asked for has no free memory.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::prelude::*;
use vproc_sdk::text::number;

struct Requests;

impl Policy for Requests {
    const NAME: &str = "requests";
    const FIXED: &[(&str, &str)] = &[("cpus", "shares")];

    fn entry(entry: Entry) -> Option<Entry> {
        let needs = |key| entry.needs.iter().any(|need| need.key == key);
        let mut more = Vec::new();
        if needs("memory.max") {
            more.push(Need::v2("memory", "memory.min", Scope::Leaf));
            more.push(Need::v2("memory", "memory.low", Scope::Leaf));
        }
        if needs("memory.limit_in_bytes") {
            more.push(Need::v1("memory", "memory.soft_limit_in_bytes", Scope::Leaf));
        }
        Some(more.into_iter().fold(entry, Entry::needing))
    }

    fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
        let known = |key| snapshot.text(key).and_then(|text| number(text.trim()));
        let soft = known("memory.soft_limit_in_bytes");
        let bytes = known("memory.min").max(known("memory.low")).filter(|b| *b > 0).or(soft);
        let bytes = bytes.map(|bytes| bytes.to_string());
        let weight = known("cpu.weight").filter(|weight| *weight != 100);
        let weight = weight.map(|weight| (shares(weight) * 100 / 1024).max(1).to_string());
        let mut asked = snapshot.clone();
        for key in ["memory.max", "memory.limit_in_bytes"] {
            // What is above the limit cannot be had.
            let limit = known(key).unwrap_or(u64::MAX);
            if let Some(bytes) = bytes.as_deref().filter(|b| number(b).is_some_and(|b| b < limit)) {
                asked = asked.with(key, 0, Content::Text(bytes));
            }
        }
        if let Some(weight) = &weight {
            asked = asked.with("cpu.weight", 0, Content::Text(weight));
        }
        next.render(path, &asked)
    }
}

/// `weight = 1 + (shares - 2) * 9999 / 262142`, the other way round.
fn shares(weight: u64) -> u64 {
    2 + weight.min(10_000).saturating_sub(1) * 262_142 / 9999
}

vproc_sdk::export!(Requests);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Requests;
    use vproc_sdk::capture::Machine;

    /// A container of Kubernetes: 128 MiB and a CPU asked for, 384 MiB and one and a half allowed.
    fn pod() -> Machine {
        Machine::read("captures/pod-v2.json").unwrap()
    }

    #[test]
    fn requests_count_where_limits_would() {
        let total = |machine: &Machine| {
            let meminfo = machine.text::<Requests>("/proc/meminfo").unwrap_or_default();
            meminfo.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(total(&pod()), "MemTotal:         131072 kB");
        let online = pod().text::<Requests>("/sys/devices/system/cpu/online");
        assert_eq!(online.as_deref(), Ok("0\n"));
    }
}
