//! `/proc/interrupts`: which interrupts there are, on the container's CPUs.
//!
//! The rows are the host's: number or name, chip, and who handles it. The
//! columns are the CPUs in use that the container sees, under its numbers.
//! Every count is 0, as in the `intr` line of `/proc/stat`. Nobody counts
//! interrupts for each container, and what a CPU counts is the activity of
//! everybody whose work it did: on a CPU that is shared, keystrokes, packets
//! and disk requests of others can be told from it, and the rows `THR`, `TRM`
//! and `MCE` tell how hot the machine is (GHSA-6fw5-f8r9-fgfm, for which
//! container engines mask the whole file). That a CPU is the container's
//! alone cannot be known from its cpuset: the kernel's own threads and the
//! host's programs may run there as well.
//!
//! Source of the layout: `show_interrupts` in `kernel/irq/proc.c`, and
//! `arch_show_interrupts` of each architecture. A row is a label, a colon, a
//! number of ten digits for each CPU and a description; rows such as `ERR`
//! have one number whatever the CPUs are.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::cpu::{self, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::text::{digits, number};
use crate::trace::Provenance;
use crate::{Error, Text, View};
use alloc::string::String;
use alloc::vec::Vec;

const HOST: &str = "interrupts";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/interrupts",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the host's rows with the container's CPUs as columns; no counts",
    reason: "counts are everybody's activity and tell the machine's temperature (kernel/irq/proc.c)",
    needs: &[&[Need::host(HOST, "/proc/interrupts")], cpu::NEEDS],
    history: None,
    render: |view, out| uncounted(view, HOST, out),
};

/// A table with a column for each CPU: the host's rows, the container's CPUs,
/// and 0 for each count.
#[inline(never)] // of interrupts and softirqs
pub(super) fn uncounted(
    view: &View<'_>,
    host: &'static str,
    out: &mut Text,
) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(host)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    let columns = header.split_ascii_whitespace().filter(|name| is_cpu(name)).count();
    if columns == 0 {
        return Err(Error::malformed(host, "no columns `CPU…` in the first line"));
    }
    out.lines_are(Provenance::Filtered, "a column for each of the container's CPUs");
    out.push_spaces(header.len() - header.trim_start().len());
    let cpus = CpuView::read(view)?;
    let mut zeros = String::new();
    for cpu in cpus.iter() {
        out.push_str("CPU").push_digits(u64::from(cpu.shown), 0);
        out.push_spaces(NUMBER_WIDTH.saturating_sub(digits(u64::from(cpu.shown))));
        zeros.push_str(ZERO);
    }
    out.push_str("\n");
    out.lines_are(Provenance::Constant, "the host's row without its counts: they are everybody's");
    for row in rows.lines() {
        // A row of another shape may be anything.
        let Some((label, rest)) = row.split_once(':') else { continue };
        let (counts, description) = skip_numbers(rest, columns);
        out.push_str(label).push_str(":");
        match counts {
            _ if counts == columns => out.push_str(&zeros).push_str(description),
            1 if description.is_empty() => out.push_str(ZERO),
            _ => out.push_str(&zeros),
        };
        out.push_str("\n");
    }
    Ok(None)
}

/// `%-8d` after `CPU` in the header.
const NUMBER_WIDTH: usize = 8;

/// ` %10u` of 0.
const ZERO: &str = "          0";

fn is_cpu(name: &str) -> bool {
    name.strip_prefix("CPU").and_then(number).is_some()
}

/// Passes over at most `most` numbers; says how many there were and what
/// follows them.
fn skip_numbers(text: &str, most: usize) -> (usize, &str) {
    let (mut rest, mut count) = (text, 0);
    while count < most {
        let word = rest.trim_ascii_start();
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let after = word.get(digits..).unwrap_or("");
        if digits == 0 || !(after.is_empty() || after.starts_with(' ')) {
            break;
        }
        (rest, count) = (after, count + 1);
    }
    (count, rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Content, Input};
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    const X86: &str = "            CPU0       CPU1       CPU2       CPU10      
   8:          1          0          0          0  IO-APIC   8-edge      rtc0
1234:      10034 12345678901          7          0 PCI-MSIX-0000:00:05.0   1-edge      eth0-rx-0
 NMI:        123        123        123        123   Non-maskable interrupts
 TRM:          4          0          0          9   Thermal event interrupts
 MCP:         39         39         39         39   Machine check polls
 ERR:          7
 MIS:          0
";

    fn rendered(text: &str, cpus: &'static str, numbering: &'static str) -> String {
        let inputs = vec![
            host(HOST, text),
            host("cpu-online", "0-2,10\n"),
            cgroup("cpuset.cpus", 0, 1, cpus),
        ];
        let mut snapshot = snapshot(inputs);
        snapshot.environment.settings = vec![("cpu-numbering", numbering)];
        crate::render(ENTRY.path, &snapshot).unwrap().text
    }

    #[test]
    fn rows_stay_and_counts_do_not() {
        assert_eq!(
            rendered(X86, "1,10\n", "dense"),
            "            CPU0       CPU1       
   8:          0          0  IO-APIC   8-edge      rtc0
1234:          0          0 PCI-MSIX-0000:00:05.0   1-edge      eth0-rx-0
 NMI:          0          0   Non-maskable interrupts
 TRM:          0          0   Thermal event interrupts
 MCP:          0          0   Machine check polls
 ERR:          0
 MIS:          0
"
        );
        let host_numbers = rendered(X86, "1,10\n", "host");
        assert!(host_numbers.starts_with("            CPU1       CPU10      \n   8:"));
    }

    #[test]
    fn other_architectures_have_other_labels() {
        let arm64 = "           CPU0       CPU1       
  3:      71234      66012     GICv3  27 Level     arch_timer
IPI0:        12         34       Rescheduling interrupts
Err:          0
";
        let expected = "           CPU0       
  3:          0     GICv3  27 Level     arch_timer
IPI0:          0       Rescheduling interrupts
Err:          0
";
        assert_eq!(rendered(arm64, "0\n", "dense"), expected);
    }

    #[test]
    fn a_single_cpu_tells_a_description_from_a_number() {
        let text = "           CPU0       \n  4:         99   12-edge  x\nERR:          5\n";
        let expected = "           CPU0       \n  4:          0   12-edge  x\nERR:          0\n";
        assert_eq!(rendered(text, "0\n", "dense"), expected);
    }

    #[test]
    fn what_is_no_row_is_not_shown() {
        let text = "           CPU0       CPU1       \n 77 secrets\n  1: 5 6 x\n  2: 5 x 6\n  3:\n";
        let expected = "           CPU0       CPU1       \n  1:          0          0 x\n  \
                        2:          0          0\n  3:          0          0\n";
        assert_eq!(rendered(text, "0-1\n", "dense"), expected);
    }

    #[test]
    fn the_host_sees_its_own_and_odd_text_is_an_error() {
        let mut own = snapshot(vec![host(HOST, X86)]);
        own.is_host = true;
        assert_eq!(crate::render(ENTRY.path, &own).unwrap().text, X86);
        for text in ["", "  1: 5 6\n", "CPUs\n"] {
            let odd = snapshot(vec![host(HOST, text), host("cpu-online", "0\n")]);
            assert!(matches!(
                crate::render(ENTRY.path, &odd),
                Err(Error::MalformedInput { key: HOST, .. })
            ));
        }
        let absent = Input { key: HOST, level: 0, depth: 0, content: Content::Absent(2) };
        let without = crate::render(ENTRY.path, &snapshot(vec![absent]));
        assert_eq!(without, Err(Error::MissingInput(HOST)));
    }
}
