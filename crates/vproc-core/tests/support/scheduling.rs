//! What the kernel of a [`Machine`] prints about its CPUs at work.

use super::machine::{Kernel, Machine};
use std::fmt::Write;

impl Machine {
    /// A header and a column for each CPU, as `kernel/irq/proc.c` has them.
    fn per_cpu(&self, indent: usize, rows: &[(&str, &str)]) -> String {
        let mut text = " ".repeat(indent);
        for cpu in 0..self.cpus {
            let _ = write!(text, "CPU{cpu:<8}");
        }
        text.push('\n');
        for (label, description) in rows {
            text.push_str(label);
            let columns = if description.is_empty() { 1 } else { self.cpus };
            for _ in 0..columns {
                let _ = write!(text, " {:10}", self.activity);
            }
            let _ = writeln!(text, "{}", description.trim_start_matches('-'));
        }
        text
    }

    pub(super) fn interrupts(&self) -> String {
        self.per_cpu(
            11,
            &[
                ("  0:", "   IO-APIC   2-edge      timer"),
                (" 24:", "  PCI-MSI 114688-edge      virtio5-config"),
                ("LOC:", "   Local timer interrupts"),
                ("TRM:", "   Thermal event interrupts"),
                ("ERR:", ""),
            ],
        )
    }

    pub(super) fn softirqs(&self) -> String {
        self.per_cpu(20, &[("          HI:", "-"), ("       TIMER:", "-"), ("         RCU:", "-")])
    }

    pub(super) fn schedstat(&self) -> String {
        let (version, name) = match self.kernel {
            Kernel::Old => (15, ""),
            Kernel::New => (17, " PKG"),
        };
        let mut text = format!("version {version}\ntimestamp 4295432000\n");
        let counts = |count: usize| format!(" {}", self.activity).repeat(count);
        let all =
            format!("{:0width$x}", (1u64 << self.cpus) - 1, width = self.cpus.div_ceil(4) as usize);
        for cpu in 0..self.cpus {
            let _ = writeln!(text, "cpu{cpu}{}", counts(9));
            if self.cpus > 1 {
                let _ = writeln!(text, "domain0{name} {all}{}", counts(36));
            }
        }
        text
    }
}
