//! `/proc/locks`: the locks that the container's processes hold.
//!
//! The kernel leaves out those of processes that the procfs does not know, but
//! counts them; here they are counted without, because a gap tells how many
//! others hold. Locks of open files (`OFDLCK`), whose owner is -1, the kernel
//! shows to everybody; here nobody can tell whose they are, and they are left
//! out. Of a lock that is shown, those who wait for it are, too: with number 0
//! where they are outside.
//!
//! Prints: `locks_show` and `lock_get_status` in `fs/locks.c`.

use super::Rendered;
use super::ids::{self, Ids};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Text, View};

pub(super) static ENTRIES: &[Entry] = &[Entry {
    path: "/proc/locks",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the locks of the container's processes, in its own numbers",
    reason: "its rows and pids are those of the procfs that is read (locks_show in fs/locks.c)",
    needs: &[&[Need::ITSELF], ids::NEEDS],
    history: None,
    render,
}];

fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let text = view.text(Need::ITSELF.key)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let ids = Ids::read(view)?;
    let mut count: u64 = 0;
    let mut is_shown = false;
    for lock in text.lines().filter_map(Lock::parse) {
        let owner = lock.owner.parse().ok().and_then(|outside| ids.find(outside));
        if !lock.waits {
            is_shown = owner.is_some();
            count += u64::from(is_shown);
        }
        if is_shown {
            out.push_number(count).push_str(":").push_str(lock.before);
            out.push_number(u64::from(owner.unwrap_or(0)))
                .push_str(" ")
                .push_str(lock.after)
                .push_str("\n");
        }
    }
    Ok(None)
}

/// `17: POSIX  ADVISORY  WRITE 4242 fe:00:5308959 0 EOF`, and who waits for it:
/// `17: -> POSIX  ADVISORY  WRITE 4243 fe:00:5308959 0 EOF`.
struct Lock<'a> {
    waits: bool,
    /// From behind the colon to the owner.
    before: &'a str,
    owner: &'a str,
    after: &'a str,
}

impl<'a> Lock<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once(':')?;
        // The owner stands before the device and the inode: the only word with
        // two colons, or `<none>` of a file that is gone.
        let is_file = |word: &str| word.matches(':').count() == 2 || word.starts_with("<none>");
        let file = rest.split(' ').find(|word| is_file(word))?;
        let (head, after) = rest.split_at_checked(rest.find(file)?)?;
        let head = head.strip_suffix(' ')?;
        let (_, owner) = head.rsplit_once(' ')?;
        let before = head.strip_suffix(owner)?;
        let waits = rest.trim_start().starts_with("->");
        Some(Lock { waits, before, owner, after })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::testing::{host, snapshot};
    use alloc::vec;

    const HOSTS: &str = "\
1: POSIX  ADVISORY  WRITE 4000 fe:00:111 0 EOF
2: FLOCK  ADVISORY  WRITE 5001 fe:00:5308959 0 EOF
2:  -> FLOCK  ADVISORY  WRITE 5002 fe:00:5308959 0 EOF
2: -> FLOCK  ADVISORY  READ 4000 fe:00:5308959 0 EOF
3: OFDLCK ADVISORY  READ -1 fe:00:222 0 EOF
4: LEASE  ACTIVE    READ 4001 fe:00:333 0 EOF
4: -> LEASE  BREAKING  READ 5001 fe:00:333 0 EOF
5: POSIX  *NOINODE* MANDATORY READ 5002 <none>:0 7 9
6: nonsense
7: DELEG  ACTIVE    READ 50
";

    #[test]
    fn locks_of_others_leave_no_trace() {
        let processes = "5001 1 process\n5002 9 process\n";
        let inputs = vec![
            host("host", HOSTS),
            host("processes", processes),
            host("init-status", "NSpid:\t5001\t1\n"),
        ];
        let mut snapshot = snapshot(inputs);
        let text = crate::render("/proc/locks", &snapshot).unwrap().text;
        let expected = "\
1: FLOCK  ADVISORY  WRITE 1 fe:00:5308959 0 EOF
1:  -> FLOCK  ADVISORY  WRITE 9 fe:00:5308959 0 EOF
1: -> FLOCK  ADVISORY  READ 0 fe:00:5308959 0 EOF
2: POSIX  *NOINODE* MANDATORY READ 9 <none>:0 7 9
";
        assert_eq!(text, expected);
        snapshot.is_host = true;
        assert_eq!(crate::render("/proc/locks", &snapshot).unwrap().text, HOSTS);
    }
}
