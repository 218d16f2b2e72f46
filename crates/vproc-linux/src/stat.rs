//! The few fields of `/proc/PID/stat` and `/proc/PID/status` that are needed
//! here.

/// Fields of `/proc/PID/stat`, see proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: u8,
    pub(crate) parent: u32,
    flags: u64,
    /// Ticks after boot.
    pub(crate) start: u64,
}

/// `PF_EXITING` of `include/linux/sched.h`.
const PF_EXITING: u64 = 0x4;

impl Stat {
    /// Reads the fields behind the command. The command may contain anything
    /// but NUL, `) R 1` too: the last parenthesis ends it.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        // Fields 5 to 8 stand between: group, session, terminal, its group.
        let flags = fields.nth(4)?.parse().ok()?;
        // Field 22, after 10 to 21.
        let start = fields.nth(12)?.parse().ok()?;
        Some(Stat { state, parent, flags, start })
    }

    /// Whether the task is on its way out. Its groups are no longer its own:
    /// v1 hierarchies then say `/` (`proc_cgroup_show`).
    pub(crate) fn is_exiting(&self) -> bool {
        self.flags & PF_EXITING != 0 || matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The values of a line of `/proc/PID/status`, such as `NSpid:`.
pub(crate) fn status_numbers(text: &[u8], label: &str) -> Vec<u32> {
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(label.as_bytes()))
        .and_then(|values| std::str::from_utf8(values).ok())
        .map(|values| values.split_ascii_whitespace().flat_map(str::parse).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 0 0";

    fn parse(text: &str) -> Option<Stat> {
        Stat::parse(text.as_bytes())
    }

    #[test]
    fn a_command_cannot_pose_as_fields() {
        for command in ["sh", "a b", ")", "x) R 1 1 (y", "a) R (", ""] {
            let stat = parse(&format!("77 ({command}) D {REST}"));
            let expected = Stat { state: b'D', parent: 1, flags: 4194560, start: 4711 };
            assert_eq!(stat, Some(expected), "{command}");
        }
    }

    #[test]
    fn commands_are_bytes() {
        let mut text = b"77 (\xff\xfe) S ".to_vec();
        text.extend_from_slice(REST.as_bytes());
        assert_eq!(Stat::parse(&text).map(|stat| stat.state), Some(b'S'));
    }

    #[test]
    fn exiting_tasks_show() {
        let with = |state: &str, flags: u64| {
            parse(&format!("1 (a) {state} 1 1 1 0 -1 {flags} {}", "0 ".repeat(13)))
        };
        assert_eq!(with("S", 0).map(|stat| stat.is_exiting()), Some(false));
        assert_eq!(with("R", 4).map(|stat| stat.is_exiting()), Some(true));
        assert_eq!(with("Z", 0).map(|stat| stat.is_exiting()), Some(true));
    }

    #[test]
    fn short_text_is_no_stat() {
        for text in ["", "77", "77 (a", "77 (a)", "77 (a) R", "77 (a) R 1 2 3"] {
            assert_eq!(parse(text), None);
        }
    }

    #[test]
    fn status_lines_are_found_by_label() {
        let status = b"Name:\tNSpid:\t9\nTgid:\t12\nNSpid:\t12\t3\t1\nSeccomp:\t0\n";
        assert_eq!(status_numbers(status, "NSpid:"), [12, 3, 1]);
        assert_eq!(status_numbers(status, "Tgid:"), [12]);
        assert!(status_numbers(status, "Missing:").is_empty());
    }
}
