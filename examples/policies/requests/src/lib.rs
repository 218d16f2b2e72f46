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

use vproc_sdk::explanation::{Explanation, Origin};
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
        next.render(path, &Asked::of(snapshot).in_place_of_limits(snapshot))
    }

    fn explain(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Explanation, Error> {
        let asked = Asked::of(snapshot);
        let mut explained = next.explain(path, &asked.in_place_of_limits(snapshot))?;
        // Not in the name of a limit that says something else.
        for step in &mut explained.steps {
            match (&mut step.from, &asked) {
                (
                    Origin::Input { key, level: 0, raw, .. },
                    Asked { memory: Some((of, bytes)), .. },
                ) if LIMITS.contains(key) && raw == bytes => {
                    *key = of;
                    if !explained.inputs.contains(of) {
                        explained.inputs.push(of);
                    }
                }
                (from @ Origin::Input { key: WEIGHT, .. }, Asked { weight: Some(_), .. }) => {
                    *from = Origin::Given(CONVERTED);
                }
                _ => {}
            }
        }
        Ok(explained)
    }
}

const LIMITS: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];
const WEIGHT: &str = "cpu.weight";
const CONVERTED: &str = "hundredths of a CPU, from cpu.weight as runtimes convert";

/// What a container asked for.
struct Asked {
    /// Bytes, and the input that says so.
    memory: Option<(&'static str, String)>,
    /// A weight of which 100 is a CPU.
    weight: Option<String>,
}

fn known(snapshot: &Snapshot<'_>, key: &str) -> Option<u64> {
    snapshot.text(key).and_then(|text| number(text.trim()))
}

impl Asked {
    fn of(snapshot: &Snapshot<'_>) -> Self {
        let amount = |key| known(snapshot, key).map(|bytes| (bytes, key));
        let memory = amount("memory.low").max(amount("memory.min")).filter(|(b, _)| *b > 0);
        let memory = memory.or(amount("memory.soft_limit_in_bytes"));
        let weight = known(snapshot, WEIGHT).filter(|weight| *weight != 100);
        Asked {
            memory: memory.map(|(bytes, key)| (key, bytes.to_string())),
            weight: weight.map(|weight| (shares(weight) * 100 / 1024).max(1).to_string()),
        }
    }

    fn in_place_of_limits<'a>(&'a self, snapshot: &Snapshot<'a>) -> Snapshot<'a> {
        let mut asked = snapshot.clone();
        for key in LIMITS {
            // What is above the limit cannot be had.
            let limit = known(snapshot, key).unwrap_or(u64::MAX);
            let bytes = self.memory.as_ref().map(|(_, bytes)| bytes.as_str());
            if let Some(bytes) = bytes.filter(|b| number(b).is_some_and(|b| b < limit)) {
                asked = asked.with(key, 0, Content::Text(bytes));
            }
        }
        if let Some(weight) = &self.weight {
            asked = asked.with(WEIGHT, 0, Content::Text(weight));
        }
        asked
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
    use super::{CONVERTED, Origin, Requests};
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
    #[test]
    fn a_request_is_named_where_it_counts() {
        let explained = pod().explanation::<Requests>("/proc/meminfo").unwrap();
        assert_eq!(Ok(&explained.text), pod().text::<Requests>("/proc/meminfo").as_ref());
        let of = |key: &str| {
            let mut steps = explained.steps.iter();
            steps.find_map(|step| match &step.from {
                Origin::Input { key: known, raw, .. } if *known == key => Some((*raw, step.value)),
                _ => None,
            })
        };
        assert_eq!(of("memory.min"), Some(("134217728", 134_217_728)));
        assert!(explained.inputs.contains(&"memory.min"));
        assert_eq!(of("memory.max"), None);
        let explained = pod().explanation::<Requests>("/proc/stat").unwrap();
        let mut converted =
            explained.steps.iter().filter(|s| matches!(s.from, Origin::Given(CONVERTED)));
        // 39 are 1024 shares, but for rounding.
        assert_eq!(converted.next().map(|step| step.value), Some(97));
    }
}
