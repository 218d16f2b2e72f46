//! Which processor it is stays untold.
//!
//! Model, family, stepping, microcode, clock, caches and flags of `/proc/cpuinfo` say
//! what a cloud rents out, and how old it is. This policy replaces their values,
//! shortens flags to those that every processor of the architecture has, and takes away
//! what the kernel knows about its vulnerabilities. It knows the files of x86, arm, arm64,
//! POWER and s390x; a line that it does not know says `unknown`. The layout stays, so that
//! parsers of the file do as before; how many CPUs there are is the default policy's
//! answer. What it cannot hide: the instruction `cpuid` (on ARM `MIDR_EL1`) and the time
//! that things take. Libraries that choose code by `cpuid` are as fast as before.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::explanation::{Explanation, Provenance, with_other_lines};
use vproc_sdk::prelude::*;
use vproc_sdk::text::with_values;

const CPUINFO: &str = "/proc/cpuinfo";

/// What x86-64 is, without extensions (System V ABI, "micro-architecture levels"), and
/// then 64-bit ARM, ARMv7 with its floating-point registers, and z/Architecture.
const BASELINE: [&str; 35] = [
    "fpu",
    "de",
    "pse",
    "tsc",
    "msr",
    "pae",
    "mce",
    "cx8",
    "apic",
    "sep",
    "mtrr",
    "pge",
    "mca",
    "cmov",
    "pat",
    "clflush",
    "mmx",
    "fxsr",
    "sse",
    "sse2",
    "syscall",
    "nx",
    "lm",
    "hypervisor",
    "fp",
    "asimd",
    "half",
    "thumb",
    "fastmult",
    "vfp",
    "edsp",
    "tls",
    "esan3",
    "zarch",
    "stfle",
];

/// Lines that count CPUs and say where they are, or what every processor of the
/// architecture has.
const HARMLESS: [&str; 23] = [
    "processor",
    "physical id",
    "siblings",
    "core id",
    "cpu cores",
    "apicid",
    "initial apicid",
    "fpu",
    "fpu_exception",
    "wp",
    "clflush size",
    "cache_alignment",
    "CPU architecture",
    "timebase",
    "# processors",
    "max thread id",
    "cpu number",
    "book id",
    "drawer id",
    "dedicated",
    "address",
    "cpu",
    "hart",
];

struct HiddenCpu;

impl Policy for HiddenCpu {
    const NAME: &str = "hidden-cpu";

    fn entry(entry: Entry) -> Option<Entry> {
        let tells = entry.path.starts_with("/sys/devices/system/cpu/vulnerabilities/")
            || entry.path == "/sys/devices/system/cpu/modalias";
        (!tells).then_some(entry)
    }

    fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
        let rendered = next.render(path, snapshot)?;
        Ok(if path == CPUINFO { rendered.map(hidden) } else { rendered })
    }

    fn explain(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Explanation, Error> {
        let explained = next.explain(path, snapshot)?;
        if path != CPUINFO {
            return Ok(explained);
        }
        let text = hidden(&explained.text);
        Ok(with_other_lines(explained, text, Provenance::Constant, REASON))
    }
}

const REASON: &str = "which processor it is stays untold";

/// arch/{x86/kernel/cpu/proc,arm64/kernel/cpuinfo,arm/kernel/setup,
/// powerpc/kernel/setup-common,s390/kernel/processor}.c.
fn hidden(cpuinfo: &str) -> String {
    with_values(cpuinfo, |key, value| {
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        Some(match key {
            // The name on POWER; a number on others.
            "cpu" if !is_number => "unknown".into(),
            key if HARMLESS.contains(&key) => return None,
            "cpu family" | "stepping" | "CPU variant" | "CPU revision" => "0".into(),
            "model" if is_number => "0".into(),
            "microcode" | "CPU implementer" | "CPU part" => "0x0".into(),
            "cpu MHz" => "1000.000".into(),
            "cpu MHz dynamic" | "cpu MHz static" => "1000".into(),
            "clock" => "1000.000000MHz".into(),
            "bogomips" | "BogoMIPS" | "bogomips per cpu" => "2000.00".into(),
            "cache size" => "1024 KB".into(),
            "TLB size" => "1024 4K pages".into(),
            "cpuid level" => "13".into(),
            "address sizes" => "46 bits physical, 48 bits virtual".into(),
            "revision" => "0.0 (pvr 0000 0000)".into(),
            "Revision" | "machine" if value.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                "0000".into()
            }
            "Serial" => "0000000000000000".into(),
            "version" => "00".into(),
            "identification" => "000000".into(),
            "facilities" => "0 1 2".into(),
            "bugs" | "vmx flags" | "power management" => String::new(),
            "flags" | "Features" | "features" => {
                let kept = value.split(' ').filter(|flag| BASELINE.contains(flag));
                kept.collect::<Vec<_>>().join(" ")
            }
            key if key.starts_with("processor ") => {
                "version = 00,  identification = 000000,  machine = 0000".into()
            }
            key if key.starts_with("cache") => cache(value),
            _ => "unknown".into(),
        })
    })
}

/// A cache of s390x: which it is, but not how large.
fn cache(value: &str) -> String {
    let word = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let other = match name {
            "level" | "type" | "scope" => value,
            "size" => "1024K",
            "line_size" => "256",
            _ => "8",
        };
        format!("{name}={other}")
    };
    value.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

vproc_sdk::export!(HiddenCpu);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{HiddenCpu, REASON};
    use vproc_sdk::capture::Machine;

    /// All machines that were recorded, or made up for their architecture.
    fn machines() -> Vec<(String, Machine)> {
        let files = std::fs::read_dir("../../../fixtures").unwrap().map(|file| file.unwrap());
        let captures =
            files.map(|file| file.path()).filter(|p| p.extension() == Some("json".as_ref()));
        captures.map(|p| (p.display().to_string(), Machine::read(p).unwrap())).collect()
    }

    #[test]
    fn nothing_tells_the_processor() {
        let mut architectures = 0;
        for (name, machine) in machines() {
            let cpuinfo = machine.text::<HiddenCpu>("/proc/cpuinfo").unwrap();
            architectures += usize::from(name.contains("handmade"));
            let first = ["processor\t: 0\n", "vendor_id       : unknown\n# processors    : "];
            assert!(first.iter().any(|start| cpuinfo.starts_with(start)), "{name}: {cpuinfo}");
            for word in [
                "Intel", "AMD", "QEMU", "avx", "sse4", "spectre", "ibrs", // x86
                "0xd0", "0x41", "asimddp", "ARMv7", "vfpv4", "BCM2835", "a02082",
                "beef", // ARM
                "POWER", "pvr 004e", "2800", "pSeries", "IBM", "Radix", // POWER
                "3906", "0F38", "21881", "5208", "vxe", "27 28", "128K", // s390x
            ] {
                assert!(!cpuinfo.contains(word), "{name}: {word} in {cpuinfo}");
            }
        }
        assert!(architectures >= 5);
    }

    #[test]
    fn parsers_find_the_lines_that_they_look_for() {
        struct Default;
        impl vproc_sdk::Policy for Default {
            const NAME: &str = "default";
        }
        for (name, machine) in machines() {
            let keys = |text: String| -> Vec<String> {
                text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
            };
            let before = keys(machine.text::<Default>("/proc/cpuinfo").unwrap());
            let after = machine.text::<HiddenCpu>("/proc/cpuinfo").unwrap();
            assert_eq!(keys(after), before, "{name}");
        }
    }

    #[test]
    fn each_line_says_why() {
        let machine = Machine::read("../../../fixtures/v1-run-256m.json").unwrap();
        let explained = machine.explanation::<HiddenCpu>("/proc/cpuinfo").unwrap();
        let line = |label: &str| explained.fields.iter().find(|f| f.label == label).unwrap();
        assert_eq!(line("model name").reason, REASON);
        let text = &explained.text;
        assert_eq!(text.get(line("model name").range.clone()), Some("model name\t: unknown"));
        // What is not hidden has the default policy's reasons, and its place.
        assert_ne!(line("processor").reason, REASON);
        for field in explained.fields.iter().filter(|field| field.line > 0) {
            let before = text.get(..field.range.start).unwrap();
            assert_eq!(before.matches('\n').count() + 1, usize::try_from(field.line).unwrap());
        }
    }
}
