//! Which processor it is stays untold.
//!
//! Model, family, stepping, microcode, clock, caches and flags of `/proc/cpuinfo` say
//! what a cloud rents out, and how old it is. This policy replaces their values,
//! shortens the flags to those that every 64-bit x86 has, and takes away what the
//! kernel knows about its vulnerabilities. The layout stays, so that parsers of
//! the file do as before; how many CPUs there are is the default policy's answer.
//! What it cannot hide: the instruction `cpuid` (on ARM `MIDR_EL1`) and the time
//! that things take. Libraries that choose code by `cpuid` are as fast as before.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::prelude::*;
use vproc_sdk::text::with_values;

/// What x86-64 is, without extensions (System V ABI, "micro-architecture levels").
const BASELINE: [&str; 24] = [
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
        Ok(if path == "/proc/cpuinfo" { rendered.map(hidden) } else { rendered })
    }
}

/// arch/x86/kernel/cpu/proc.c, arch/arm64/kernel/cpuinfo.c.
fn hidden(cpuinfo: &str) -> String {
    with_values(cpuinfo, |key, value| {
        Some(match key {
            "vendor_id" | "model name" | "vendor" | "Hardware" => "unknown".into(),
            "cpu family" | "model" | "stepping" | "CPU variant" | "CPU revision" => "0".into(),
            "microcode" | "CPU implementer" | "CPU part" => "0x0".into(),
            "cpu MHz" => "1000.000".into(),
            "bogomips" | "BogoMIPS" => "2000.00".into(),
            "cache size" => "1024 KB".into(),
            "TLB size" => "1024 4K pages".into(),
            "cpuid level" => "13".into(),
            "address sizes" => "46 bits physical, 48 bits virtual".into(),
            "Features" => "fp asimd".into(),
            "bugs" | "vmx flags" | "power management" => String::new(),
            "flags" => {
                let kept = value.split(' ').filter(|flag| BASELINE.contains(flag));
                kept.collect::<Vec<_>>().join(" ")
            }
            _ => return None,
        })
    })
}

vproc_sdk::export!(HiddenCpu);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::HiddenCpu;
    use vproc_sdk::capture::Machine;

    #[test]
    fn nothing_tells_the_processor() {
        for name in ["v1-run-256m", "v2-6.12-host", "handmade-arm64"] {
            let path = format!("../../../fixtures/{name}.json");
            let machine = Machine::read(path).unwrap();
            let cpuinfo = machine.text::<HiddenCpu>("/proc/cpuinfo").unwrap_or_default();
            assert!(cpuinfo.starts_with("processor\t: 0\n"), "{cpuinfo}");
            for word in ["Intel", "AMD", "avx", "spectre", "0xd0c", "0x41"] {
                assert!(!cpuinfo.contains(word), "{name}: {word}");
            }
        }
    }
}
