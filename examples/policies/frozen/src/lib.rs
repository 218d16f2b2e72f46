//! The same bytes on every machine, for builds that are to be reproducible.
//!
//! Build systems write into their results what `/proc` tells them: the number of
//! CPUs, the kernel, the boot id, how much memory there is. Here these files are
//! constants of the policy, whatever machine and container they are read in:
//! what `src/machine` has, one CPU and 4 GiB. What else the default policy serves
//! is empty, and what stands for several files is not there.
//!
//! What it cannot freeze: system calls (`uname`, `sysinfo`, `sched_getaffinity`,
//! the clock), and which files there are: what a machine's kernel does not have, is
//! not there as an empty file either.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::Kind;
use vproc_sdk::explanation::{Explanation, Provenance, everywhere};
use vproc_sdk::prelude::*;

const REASON: &str = "the same on every machine";

macro_rules! frozen {
    ($($path:literal)*) => { [$(($path, include_str!(concat!("machine", $path)))),*] };
}

static FILES: [(&str, &str); 16] = frozen! {
    "/proc/meminfo" "/proc/cpuinfo" "/proc/stat" "/proc/uptime" "/proc/loadavg"
    "/proc/version" "/proc/cmdline" "/proc/swaps" "/proc/pressure/cpu" "/proc/pressure/io"
    "/proc/pressure/memory" "/proc/sys/kernel/random/boot_id"
    "/proc/sys/kernel/ostype" "/sys/devices/system/cpu/online"
    "/sys/devices/system/cpu/possible" "/sys/devices/system/cpu/present"
};

fn text(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(frozen, _)| *frozen == path).map(|(_, text)| *text)
}

struct Frozen;

impl Policy for Frozen {
    const NAME: &str = "frozen";

    fn entry(entry: Entry) -> Option<Entry> {
        let is_listed = entry.kind != Kind::File || entry.path.contains('*');
        match text(&entry.path) {
            Some(_) => Some(entry.constant(REASON)),
            None => (!is_listed).then(|| entry.masked("differs from machine to machine")),
        }
    }

    fn render(path: &str, _: &Snapshot<'_>, _: Next) -> Result<Rendered, Error> {
        text(path).map(Rendered::from).ok_or(Error::UnsupportedPath)
    }

    fn explain(path: &str, _: &Snapshot<'_>, _: Next) -> Result<Explanation, Error> {
        let text = text(path).ok_or(Error::UnsupportedPath)?;
        Ok(everywhere(text, Provenance::Constant, REASON))
    }
}

vproc_sdk::export!(Frozen);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{FILES, Frozen, REASON};
    use vproc_sdk::capture::Machine;

    #[test]
    fn machines_cannot_be_told_apart() {
        let texts = |name: &str| {
            let path = format!("../../../fixtures/{name}.json");
            let machine = Machine::read(path).unwrap();
            let entries = machine.manifest::<Frozen>().unwrap_or_default().into_iter();
            let texts = entries.map(|entry| (machine.text::<Frozen>(&entry.path), entry.path));
            texts.collect::<Vec<_>>()
        };
        let texts_of_one = texts("v1-run-256m");
        assert!(texts_of_one.iter().all(|(text, _)| text.is_ok()), "{texts_of_one:?}");
        let with_text = texts_of_one.iter().filter(|(text, _)| text.as_deref() != Ok(""));
        assert_eq!(with_text.count(), FILES.len());
        for other in ["v2-6.12-host", "handmade-s390x"] {
            assert_eq!(texts(other), texts_of_one, "{other}");
        }
    }
    #[test]
    fn each_line_says_why() {
        let machine = Machine::read("../../../fixtures/v1-run-256m.json").unwrap();
        let explained = machine.explanation::<Frozen>("/proc/meminfo").unwrap();
        assert_eq!(machine.text::<Frozen>("/proc/meminfo").as_ref(), Ok(&explained.text));
        assert_eq!(explained.fields.len(), explained.text.lines().count());
        assert!(explained.fields.iter().all(|field| field.reason == REASON));
    }
}
