//! Lines that belong to no CPU's paragraph.
//!
//! | line | shows |
//! |---|---|
//! | `Serial` (arm), `system serial number` (alpha) | zeros |
//! | `cpus detected`, `cpus active` (alpha), `ncpus probed`, `ncpus active` (sparc), `CPU count` (xtensa) | the number of visible CPUs |
//! | `cpu active mask` (alpha), `CPU list` (xtensa) | their numbers |
//! | `Cpu0ClkTck`, `Cpu0Bogo`, `CPU0` (sparc) | of visible CPUs, renumbered |
//! | others | the host's: of what kind the machine is |
//!
//! Sources: `arch/alpha/kernel/{setup,smp}.c`, `arch/sparc/kernel/{cpu,smp_64}.c`,
//! `arch/xtensa/kernel/setup.c`.

use super::line::Field;
use crate::Text;
use crate::cgroup::cpu::CpuView;
use crate::text::number;

/// Prints what a container sees of a line.
pub(super) fn print(line: &str, cpus: &CpuView, out: &mut Text) {
    let Some(field) = Field::parse(line) else {
        out.push_str(line);
        return;
    };
    if is_serial(field.key) {
        return field.print_zeros(out);
    }
    if let Some((label, host, rest)) = of_cpu(line) {
        if let Some(shown) = cpus.shown(host) {
            out.push_str(label).push_digits(u64::from(shown), 0).push_str(rest);
        }
        return;
    }
    match field.key {
        // CPUs that are not in use count in some of these.
        _ if cpus.is_complete() => {
            out.push_str(line);
        }
        "cpus detected" | "cpus active" | "ncpus probed" | "ncpus active" | "CPU count" => {
            field.print_number(out, cpus.count());
        }
        "cpu active mask" => field.print_with(out, |out| push_mask(out, cpus)),
        "CPU list" => field.print_with(out, |out| cpus.shown_set().print_list(out)),
        _ => {
            out.push_str(line);
        }
    }
}

fn is_serial(key: &str) -> bool {
    key.split(' ').any(|word| word.eq_ignore_ascii_case("serial"))
}

/// Splits `Cpu12ClkTck : …` into `Cpu`, 12 and the rest.
fn of_cpu(line: &str) -> Option<(&str, u32, &str)> {
    let behind = line.strip_prefix("Cpu").or_else(|| line.strip_prefix("CPU"))?;
    let rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let host = number(behind.strip_suffix(rest)?)?;
    Some((line.strip_suffix(behind)?, u32::try_from(host).ok()?, rest))
}

/// `%016lx` of the first 64 CPUs.
fn push_mask(out: &mut Text, cpus: &CpuView) {
    let bits = cpus.iter().filter_map(|cpu| 1u64.checked_shl(cpu.shown));
    let mask = bits.fold(0, core::ops::BitOr::bitor);
    out.push_str(&alloc::format!("{mask:016x}"));
}
