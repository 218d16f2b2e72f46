//! `/proc/schedstat`: the container's CPUs and which of them balance load with
//! one another.
//!
//! The lines are the host's, of the CPUs in use that the container sees, under
//! its numbers. A scheduling domain spans those of its CPUs that the container
//! sees. The kernel keeps no domain of a single CPU, and none that spans what
//! the one below it does (`sd_degenerate`, `sd_parent_degenerate` in
//! `kernel/sched/topology.c`); nor does the container see such. Every count is
//! 0: the kernel counts all tasks of a CPU, and no group's.
//!
//! `timestamp` is the kernel's clock in jiffies, and stays.
//!
//! Sources of the layout: `show_schedstat` in `kernel/sched/stats.c`,
//! `Documentation/scheduler/sched-stats.rst`. Version 16 orders a domain's
//! counts otherwise than 15, and version 17 puts the domain's name before the
//! mask and has more counts; all of them are words that are numbers.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::cpu::{self, CpuSet, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::text::number;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "schedstat";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/schedstat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the container's CPUs and the scheduling domains among them; no counts",
    reason: "counts all tasks of a CPU, whoever's they are (kernel/sched/stats.c)",
    needs: &[&[Need::host(HOST, "/proc/schedstat")], cpu::NEEDS],
    history: None,
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let cpus = CpuView::read(view)?;
    let last = cpus.shown_set().last().unwrap_or(0);
    let mut domains: Option<Domains> = None;
    for (line, at) in text.lines().zip(1u32..) {
        let mut words = line.split_ascii_whitespace();
        let label = words.next().unwrap_or("");
        match label {
            "version" | "timestamp" => {
                out.push_line(line);
            }
            _ if label.starts_with("cpu") => {
                let cpu = label.strip_prefix("cpu").and_then(number);
                let shown = cpu.and_then(|cpu| cpus.shown(u32::try_from(cpu).ok()?));
                domains = shown.map(|_| Domains::default());
                if let Some(shown) = shown {
                    out.push_str("cpu").push_number(u64::from(shown));
                    push_zeros(out, words);
                }
            }
            _ if label.starts_with("domain") => {
                if let Some(domains) = &mut domains {
                    let reason = "a domain without a mask of CPUs";
                    let malformed = Error::MalformedInput { key: HOST, line: at, reason };
                    domains.print(out, &cpus, last, words).ok_or(malformed)?;
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

fn push_zeros<'a>(out: &mut Text, words: impl Iterator<Item = &'a str>) {
    for _ in words.filter(|word| number(word).is_some()) {
        out.push_str(" 0");
    }
    out.push_str("\n");
}

/// The domains of a CPU that were printed.
#[derive(Default)]
struct Domains {
    count: u64,
    /// What the last one spans.
    span: CpuSet,
}

impl Domains {
    /// Prints a domain from the words after its label, if the container can
    /// tell it from the one below. `None` where the words are no domain.
    fn print<'a>(
        &mut self,
        out: &mut Text,
        cpus: &CpuView,
        last: u32,
        mut words: impl Iterator<Item = &'a str>,
    ) -> Option<()> {
        let first = words.next()?;
        let (name, mask) = match is_mask(first) {
            true => (None, mask_words(first)?),
            false => (Some(first), mask_words(words.next()?)?),
        };
        let seen = cpus.iter().filter(|cpu| is_set(&mask, cpu.host));
        let span = CpuSet::from_ascending(seen.map(|cpu| cpu.shown));
        if span.len() < 2 || span == self.span {
            return Some(());
        }
        out.push_str("domain").push_number(self.count);
        if let Some(name) = name {
            out.push_str(" ").push_str(name);
        }
        span.print_mask(last, out.push_str(" "));
        push_zeros(out, words);
        self.count += 1;
        self.span = span;
        Some(())
    }
}

/// Whether a word is a mask rather than a name: kernels name domains in
/// capitals (`SMT`, `MC`, `PKG`), and print masks in small letters.
fn is_mask(word: &str) -> bool {
    !word.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Groups of eight hexadecimal digits, the highest first.
fn mask_words(text: &str) -> Option<Vec<u32>> {
    let mut words = Vec::with_capacity(text.len() / 9 + 1);
    for group in text.rsplit(',') {
        let mut word = 0u32;
        for digit in group.chars() {
            word = word.checked_mul(16)? | digit.to_digit(16)?;
        }
        words.push(word);
    }
    (!text.is_empty()).then_some(words)
}

fn is_set(mask: &[u32], number: u32) -> bool {
    mask.get(number as usize / 32).is_some_and(|word| word >> (number % 32) & 1 == 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::string::String;
    use alloc::vec;

    fn rendered(text: &str, cpus: &'static str, numbering: &'static str) -> Result<String, Error> {
        let online = "0-3,33\n";
        let inputs =
            vec![host(HOST, text), host("cpu-online", online), cgroup("cpuset.cpus", 0, 1, cpus)];
        let mut snapshot = snapshot(inputs);
        snapshot.environment.settings = vec![("cpu-numbering", numbering)];
        crate::render(ENTRY.path, &snapshot).map(|rendered| rendered.text)
    }

    const V15: &str = "version 15
timestamp 4295432
cpu0 1 0 2 3 4 5 6 7 8
domain0 00,00000003 1 2 3
domain1 00,0000000f 4 5 6
domain2 02,0000000f 7 8 9
cpu1 1 0 2 3 4 5 6 7 8
domain0 00,00000003 1 2 3
cpu33 9 0 9 9 9 9 9 9 9
domain0 02,0000000f 7 8 9
";

    #[test]
    fn domains_span_what_the_container_sees() {
        assert_eq!(
            rendered(V15, "0-1,33\n", "dense").unwrap(),
            "version 15
timestamp 4295432
cpu0 0 0 0 0 0 0 0 0 0
domain0 3 0 0 0
domain1 7 0 0 0
cpu1 0 0 0 0 0 0 0 0 0
domain0 3 0 0 0
cpu2 0 0 0 0 0 0 0 0 0
domain0 7 0 0 0
"
        );
        assert_eq!(
            rendered(V15, "0,33\n", "host").unwrap(),
            "version 15
timestamp 4295432
cpu0 0 0 0 0 0 0 0 0 0
domain0 2,00000001 0 0 0
cpu33 0 0 0 0 0 0 0 0 0
domain0 2,00000001 0 0 0
"
        );
        assert_eq!(
            rendered(V15, "1\n", "dense").unwrap(),
            "version 15\ntimestamp 4295432\ncpu0 0 0 0 0 0 0 0 0 0\n",
            "a single CPU balances with none"
        );
    }

    #[test]
    fn version_17_names_domains() {
        let text = "version 17\ntimestamp 5\ncpu2 1 0 2\ndomain0 MC 0c 5 6\ndomain1 PKG 0f 5 6 7\n\
                    domain2 NODE 0f 1 2\nNewer 5\ncpu3 4 5 6\n";
        assert_eq!(
            rendered(text, "2-3\n", "dense").unwrap(),
            "version 17\ntimestamp 5\ncpu0 0 0 0\ndomain0 MC 3 0 0\ncpu1 0 0 0\n"
        );
    }

    #[test]
    fn a_domain_without_a_mask_is_an_error() {
        for domain in ["domain0", "domain0 MC", "domain0 0x3 1", "domain0 123456789 1"] {
            let text = alloc::format!("version 15\ncpu0 1\n{domain}\n");
            assert_eq!(
                rendered(&text, "0\n", "dense"),
                Err(Error::MalformedInput {
                    key: HOST,
                    line: 3,
                    reason: "a domain without a mask of CPUs"
                }),
                "{domain}"
            );
        }
    }

    /// Every level of a large machine, with all of its CPUs.
    #[test]
    fn a_thousand_cpus_are_no_trouble() {
        use core::fmt::Write;
        let all = ["ffffffff"; 36].join(",");
        let mut text = String::from("version 15\ntimestamp 1\n");
        for cpu in 0..1152 {
            let _ = write!(text, "cpu{cpu} 1 2 3 4 5 6 7 8 9\ndomain0 {all} 1 2 3 4\n");
        }
        let inputs = vec![host(HOST, &text), host("cpu-online", "0-1151\n")];
        let rendered = crate::render(ENTRY.path, &snapshot(inputs)).unwrap().text;
        let zeroed = text.replace(" 1 2 3 4 5 6 7 8 9\n", " 0 0 0 0 0 0 0 0 0\n");
        assert_eq!(rendered, zeroed.replace(" 1 2 3 4\n", " 0 0 0 0\n"));
    }
}
