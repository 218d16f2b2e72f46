//! Where what is rendered differs from what the kernel prints, and why.

/// A file whose two texts are compared after a change.
pub(crate) struct Difference {
    pub(crate) file: &'static str,
    /// What is compared in place of a text.
    pub(crate) compared: fn(&[u8]) -> Vec<u8>,
    pub(crate) reason: &'static str,
}

/// All differences. Every other file is equal byte by byte, if not at the first
/// read then at one of the next: counters move.
pub(crate) const DIFFERENCES: [Difference; 4] = [
    Difference {
        file: "sched",
        compared: |text| without(text, "clock-delta"),
        reason: "the kernel measures two looks at a clock, for each read anew",
    },
    Difference {
        file: "sessionid",
        compared: |_| Vec::new(),
        reason: "audit counts sessions for the whole host: 4294967295 is shown",
    },
    Difference {
        file: "fd/",
        compared: outside,
        reason: "the kernel shows the path of a file on the host that the container was handed",
    },
    Difference {
        file: "stack",
        compared: |_| Vec::new(),
        reason: "root of a container without a user namespace has CAP_SYS_ADMIN of the host",
    },
];

fn without(text: &[u8], label: &str) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(label.as_bytes())).collect::<Vec<_>>().concat()
}

/// The containers here inherit standard input, output and error, and what cargo
/// has left open.
fn outside(target: &[u8]) -> Vec<u8> {
    const INHERITED: [&[u8]; 3] = [b"/dev/", b"/tmp/", b"(unreachable)"];
    let is_inherited = INHERITED.iter().any(|start| target.starts_with(start));
    if is_inherited { b"outside".to_vec() } else { target.to_vec() }
}
