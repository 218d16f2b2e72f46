//! `/proc/cmdline` and `/proc/bootconfig`: what the kernel was started with.
//!
//! The text names the host's disks, and may hold addresses and passwords: it
//! is for the kernel and for the host's init. Programs in a container ask for
//! a few parameters that say how the kernel behaves, which are [`KEPT`] by
//! default. The knob `cmdline` chooses: `redact`, `constant`, `pass`.
//!
//! Sources: `fs/proc/cmdline.c`, `fs/proc/bootconfig.c`, and for the syntax
//! `next_arg` in `lib/cmdline.c`: parameters are separated by blanks, a value
//! may stand in double quotes, and what follows `--` is for init.
//!
//! # lxcfs
//!
//! lxcfs does not have these files.

use crate::contract::{Class, Entry, Kind, Need};
use crate::knobs::BootParameters;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &[&[Need]] =
    &[&[Need::ITSELF.when(|knobs, _| knobs.cmdline != BootParameters::Constant)]];

/// The command line.
pub(super) static CMDLINE: Entry = Entry {
    path: "/proc/cmdline",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the parameters that say how the kernel behaves (knob cmdline)",
    reason: "names disks, and may hold passwords, of the host (fs/proc/cmdline.c)",
    needs: HOST,
    history: None,
    render: cmdline,
};

/// What the boot loader gave beside it.
pub(super) static BOOTCONFIG: Entry = Entry {
    path: "/proc/bootconfig",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "of the keys below kernel the same as in cmdline (knob cmdline)",
    reason: "may hold passwords of the host, as cmdline (fs/proc/bootconfig.c)",
    needs: HOST,
    history: None,
    render: bootconfig,
};

/// What gVisor shows, without its name: the shape that readers expect.
const CONSTANT: &str = "BOOT_IMAGE=/vmlinuz quiet\n";

/// Parameters that a container's programs may ask for: which mitigations and
/// security modules there are, how cgroups and huge pages work. Each has a
/// choice or an amount for its value, no name and no address. Those that number
/// CPUs are not among them: a container's CPUs have other numbers.
const KEPT: &str = include_str!("boot_parameters.txt");

/// Whether a parameter is shown with its value.
fn is_kept(name: &str, value: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_,.:-".contains(&byte);
    KEPT.lines().any(|kept| kept == name) && value.len() <= MAX_VALUE && value.bytes().all(is_word)
}

/// Longer than any choice or amount.
const MAX_VALUE: usize = 64;

fn cmdline(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let how = view.knobs().cmdline;
    if how == BootParameters::Constant {
        out.push_str(CONSTANT);
        return Ok(None);
    }
    let text = view.text(Need::ITSELF.key)?;
    if how == BootParameters::Pass || view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let mut gap = "";
    for parameter in parameters(text).take_while(|parameter| *parameter != "--") {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if is_kept(name, value) {
            out.push_str(gap).push_str(parameter);
            gap = " ";
        }
    }
    out.push_str("\n");
    Ok(None)
}

/// The parameters: a blank within double quotes separates nothing.
fn parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c: char| {
        is_quoted ^= c == '"';
        c.is_ascii_whitespace() && !is_quoted
    })
    .filter(|parameter| !parameter.is_empty())
}

/// `kernel.mitigations = "auto", "nosmt"`, a key and its values on each line.
/// A comment holds the boot loader's command line.
fn bootconfig(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let how = view.knobs().cmdline;
    if how == BootParameters::Constant {
        return Ok(None);
    }
    let text = view.text(Need::ITSELF.key)?;
    if how == BootParameters::Pass || view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    for line in text.lines() {
        let Some((key, values)) = line.split_once('=') else { continue };
        let is_known = key.strip_prefix("kernel.").is_some_and(|name| {
            let mut values = values.split(',').map(|value| value.trim().trim_matches('"'));
            values.all(|value| is_kept(name.trim(), value))
        });
        if is_known {
            out.push_line(line);
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{host, snapshot};
    use alloc::string::String;
    use alloc::vec;

    fn rendered(entry: &Entry, text: &str, how: &'static str) -> String {
        let mut snapshot = snapshot(vec![host(Need::ITSELF.key, text)]);
        snapshot.environment.settings = vec![("cmdline", how)];
        crate::render(entry.path, &snapshot).unwrap().text
    }

    const LINE: &str = "BOOT_IMAGE=/boot/vmlinuz root=UUID=0123-4567 ro quiet mitigations=auto,nosmt \
                        init.token=\"s3 quiet cr3t\" psi=1 lsm=\"landlock secret\" ip=10.0.0.7 -- \
                        --token quiet fips=1\n";

    #[test]
    fn parameters_of_the_kernel_stay_and_names_of_the_host_go() {
        assert_eq!(rendered(&CMDLINE, LINE, "redact"), "ro quiet mitigations=auto,nosmt psi=1\n");
        assert_eq!(rendered(&CMDLINE, "root=/dev/sda1\n", "redact"), "\n");
        assert_eq!(rendered(&CMDLINE, LINE, "pass"), LINE);
        assert_eq!(rendered(&CMDLINE, LINE, "constant"), CONSTANT);
    }

    #[test]
    fn bootconfig_follows() {
        let text = "kernel.mitigations = \"auto\", \"nosmt\"\nkernel.root = \"UUID=0123\"\n\
                    init.token = \"s3cr3t\"\n# Parameters from bootloader:\n# root=UUID=0123\n";
        let kept = "kernel.mitigations = \"auto\", \"nosmt\"\n";
        assert_eq!(rendered(&BOOTCONFIG, text, "redact"), kept);
        assert_eq!(rendered(&BOOTCONFIG, text, "pass"), text);
        assert_eq!(rendered(&BOOTCONFIG, text, "constant"), "");
    }

    #[test]
    fn a_constant_needs_no_host() {
        let mut snapshot = snapshot(vec![]);
        assert_eq!(
            crate::render(CMDLINE.path, &snapshot),
            Err(Error::MissingInput(Need::ITSELF.key))
        );
        snapshot.environment.settings = vec![("cmdline", "constant")];
        let declared = crate::manifest(&snapshot.environment).unwrap();
        let cmdline = declared.iter().find(|declared| declared.path == CMDLINE.path).unwrap();
        assert!(cmdline.needs.is_empty());
    }
}
