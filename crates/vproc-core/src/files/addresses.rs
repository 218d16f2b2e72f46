//! `/proc/modules`, `/proc/kallsyms`, `/proc/iomem` and `/proc/ioports`, with zeros
//! for addresses.
//!
//! The kernel prints the addresses to an opener with privileges, and zeros of
//! the same width to others (`m_show` in `kernel/module/procfs.c`, `s_show` in
//! `kernel/kallsyms.c`, `r_show` in `kernel/resource.c`). A host that reads for a
//! container has privileges that the container has not, so its text is turned into
//! what others get. What stands beside the addresses is the same for everybody.
//!
//! # lxcfs
//!
//! lxcfs does not have these files.

use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

macro_rules! entry {
    ($name:ident $path:literal $summary:literal $reason:literal $line:ident) => {
        pub(crate) static $name: Entry = Entry {
            path: $path,
            kind: Kind::File,
            mode: 0o444,
            class: Class::Filtered,
            summary: $summary,
            reason: $reason,
            needs: super::PASS,
            history: None,
            render: |view, out| render(view, out, $line),
        };
    };
}

entry! {
    MODULES "/proc/modules" "the kernel's modules, without addresses"
    "shows addresses to root of the host (kernel/module/procfs.c)" module
}
entry! {
    KALLSYMS "/proc/kallsyms" "names of the kernel's functions and data, without addresses"
    "shows addresses to root of the host (kernel/kallsyms.c); has megabytes, so it is not put over \
     the container's own, which is right" symbol
}
entry! {
    IOMEM "/proc/iomem" "who uses which memory, without addresses"
    "shows addresses to root of the host (kernel/resource.c)" resource
}
entry! {
    IOPORTS "/proc/ioports" "who uses which ports, without addresses"
    "shows addresses to root of the host (kernel/resource.c)" resource
}

#[inline(never)]
fn render(
    view: &View<'_>,
    out: &mut Text,
    print: fn(&str, &mut Text) -> Option<()>,
) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(Need::ITSELF.key)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    for line in text.lines() {
        // Nobody knows where an address stands in a line of another shape.
        if print(line, out).is_some() {
            out.push_str("\n");
        }
    }
    Ok(None)
}

/// `nf_tables 376832 2 nft_ct,nft_nat, Live 0xffffffffc0a0e000 (E)`: the
/// address has the digits of a pointer, and stands before the taints.
fn module(line: &str, out: &mut Text) -> Option<()> {
    let digits =
        |word: &'_ str| word.strip_prefix("0x").filter(|digits| is_hex(digits)).map(str::len);
    let words = || line.split(' ');
    words().nth(ADDRESS).and_then(digits)?;
    for (column, word) in words().enumerate() {
        out.push_str(if column == 0 { "" } else { " " });
        match digits(word).filter(|_| column == ADDRESS) {
            Some(digits) => out.push_str("0x").push_repeated('0', digits),
            None => out.push_str(word),
        };
    }
    Some(())
}

/// The column of a module's address, from 0.
const ADDRESS: usize = 5;

/// `ffffffff81000000 T _stext`, and ` [module]` behind a tab: the address has the
/// digits of a pointer.
fn symbol(line: &str, out: &mut Text) -> Option<()> {
    let (address, rest) = line.split_once(' ')?;
    is_hex(address).then_some(())?;
    out.push_repeated('0', address.len()).push_str(" ").push_str(rest);
    Some(())
}

/// `  000a0000-000bffff : PCI Bus 0000:00`. Ports have four digits, or eight
/// where there are more than 65,536; memory has eight, or more where the
/// number needs them, which a zero does not.
fn resource(line: &str, out: &mut Text) -> Option<()> {
    let range = line.trim_start_matches(' ');
    let (start, rest) = range.split_once('-')?;
    let (end, rest) = rest.split_once(' ')?;
    let name = rest.strip_prefix(": ")?;
    (is_hex(start) && is_hex(end)).then_some(())?;
    let width = if start.len() <= 4 { 4 } else { 8 };
    out.push_spaces(line.len() - range.len()).push_repeated('0', width);
    out.push_str("-").push_repeated('0', width).push_str(" : ").push_str(name);
    Some(())
}

fn is_hex(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{host, snapshot};
    use alloc::vec;

    fn rendered(entry: &Entry, text: &str) -> alloc::string::String {
        let snapshot = snapshot(vec![host(Need::ITSELF.key, text)]);
        crate::render(entry.path, &snapshot).unwrap().text
    }

    #[test]
    fn modules_are_nowhere() {
        let text = "nf_tables 376832 2 nft_ct,nft_nat, Live 0xffffffffc0a0e000 (E)\n\
                    overlay 212992 1 - Live 0xffffffffc09d0000\n\
                    old 1 0 - Live 0xc0a0e000\n\
                    odd ffffffffc0a0e000\n";
        let zeros = "nf_tables 376832 2 nft_ct,nft_nat, Live 0x0000000000000000 (E)\n\
                     overlay 212992 1 - Live 0x0000000000000000\n\
                     old 1 0 - Live 0x00000000\n";
        assert_eq!(rendered(&MODULES, text), zeros);
        assert_eq!(rendered(&MODULES, zeros), zeros);
        // A kernel without modules has none; one without any loaded is empty.
        assert_eq!(rendered(&MODULES, ""), "");
    }

    #[test]
    fn symbols_are_nowhere() {
        let text = "ffffffff81000000 T _stext\nffffffffc0a0e000 t nf_init\t[nf_tables]\n\
                    c0100000 A old\nno address\nffffffff81000001\n";
        let zeros = "0000000000000000 T _stext\n0000000000000000 t nf_init\t[nf_tables]\n\
                     00000000 A old\n";
        assert_eq!(rendered(&KALLSYMS, text), zeros);
        assert_eq!(rendered(&KALLSYMS, zeros), zeros);
    }

    #[test]
    fn resources_have_the_width_that_others_see() {
        // As Linux 6.18 prints them to root and to others.
        let root = "00000000-00000fff : Reserved\n000f0000-000fffff : System ROM\n\
                    100000000-61fffffff : System RAM\n  5ffe00000-5ffffffff : Crash kernel\n\
                    fffff0000000-ffffffffffff : x-y : z\n";
        let others = "00000000-00000000 : Reserved\n00000000-00000000 : System ROM\n\
                      00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n\
                      00000000-00000000 : x-y : z\n";
        assert_eq!(rendered(&IOMEM, root), others);
        let root = "0000-0cf7 : PCI Bus 0000:00\n  0060-0060 : keyboard\n";
        let others = "0000-0000 : PCI Bus 0000:00\n  0000-0000 : keyboard\n";
        assert_eq!(rendered(&IOPORTS, root), others);
    }
}
