//! Of what kind the CPUs are: files below `/sys/devices/system/cpu` that say
//! nothing about load or capacity, as the host has them.
//!
//! A host that lacks one of these, because its kernel is older or its
//! architecture another, has no such file for its containers either.
//!
//! `smt/control` says whether the kernel lets cores run several threads. It
//! may say `on` where `smt/active` says 0: the threads that share a core are
//! not among the container's CPUs.
//!
//! The vulnerabilities are those that kernels up to 6.18 know
//! (`cpu_root_vulnerabilities_attrs` in `drivers/base/cpu.c`). Programs that
//! run untrusted code decide by them how, and a container runs on the host's
//! CPUs with the host's mitigations.
//!
//! # lxcfs
//!
//! lxcfs passes the host's, as this does.

use super::{PASS, pass};
use crate::contract::{Class, Entry, Kind};

macro_rules! passed {
    ($($(#[$doc:meta])* $name:ident = $path:literal, $summary:literal;)*) => {$(
        $(#[$doc])*
        pub(super) static $name: Entry = Entry {
            path: concat!("/sys/devices/system/cpu/", $path),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Passed,
            summary: $summary,
            reason: "says of what kind the CPUs are, nothing of load or capacity (drivers/base/cpu.c)",
            needs: PASS,
            history: None,
            render: pass,
        };
    )*};
}

passed! {
    /// The largest CPU number that the kernel was built for.
    KERNEL_MAX = "kernel_max", "as the host has it: a property of the kernel's build";
    /// The features of the CPUs, for udev.
    MODALIAS = "modalias", "as the host has it: the features that cpuinfo lists";
    /// Whether cores may run several threads.
    SMT_CONTROL = "smt/control", "as the host has it: what the kernel was told";
    MELTDOWN = "vulnerabilities/meltdown", "as the host has it";
    SPECTRE_V1 = "vulnerabilities/spectre_v1", "as the host has it";
    SPECTRE_V2 = "vulnerabilities/spectre_v2", "as the host has it";
    SPEC_STORE_BYPASS = "vulnerabilities/spec_store_bypass", "as the host has it";
    L1TF = "vulnerabilities/l1tf", "as the host has it";
    MDS = "vulnerabilities/mds", "as the host has it";
    TSX_ASYNC_ABORT = "vulnerabilities/tsx_async_abort", "as the host has it";
    ITLB_MULTIHIT = "vulnerabilities/itlb_multihit", "as the host has it";
    SRBDS = "vulnerabilities/srbds", "as the host has it";
    MMIO_STALE_DATA = "vulnerabilities/mmio_stale_data", "as the host has it";
    RETBLEED = "vulnerabilities/retbleed", "as the host has it";
    SPEC_RSTACK_OVERFLOW = "vulnerabilities/spec_rstack_overflow", "as the host has it";
    GATHER_DATA_SAMPLING = "vulnerabilities/gather_data_sampling", "as the host has it";
    REG_FILE_DATA_SAMPLING = "vulnerabilities/reg_file_data_sampling", "as the host has it";
    GHOSTWRITE = "vulnerabilities/ghostwrite", "as the host has it";
    INDIRECT_TARGET_SELECTION = "vulnerabilities/indirect_target_selection", "as the host has it";
    TSA = "vulnerabilities/tsa", "as the host has it";
    VMSCAPE = "vulnerabilities/vmscape", "as the host has it";
    OLD_MICROCODE = "vulnerabilities/old_microcode", "as the host has it";
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::contract::{Content, Input, Need};
    use crate::testing::{host, snapshot};
    use alloc::vec;

    #[test]
    fn the_host_s_text_is_passed() {
        let snapshot = snapshot(vec![host(Need::ITSELF.key, "Vulnerable: no microcode\n")]);
        for path in [MDS.path, KERNEL_MAX.path, "/sys/devices/system/cpu/vulnerabilities/tsa"] {
            let text = crate::render(path, &snapshot).unwrap().text;
            assert_eq!(text, "Vulnerable: no microcode\n", "{path}");
        }
    }

    #[test]
    fn what_the_host_lacks_is_missing() {
        let absent =
            Input { key: Need::ITSELF.key, level: 0, depth: 0, content: Content::Absent(2) };
        let rendered = crate::render(TSA.path, &snapshot(vec![absent]));
        assert_eq!(rendered, Err(Error::MissingInput(Need::ITSELF.key)));
    }
}
