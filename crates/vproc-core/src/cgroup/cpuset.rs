//! Sets of CPU numbers, as the kernel prints them: `0-2,5`.

use crate::{Error, Text};
use alloc::vec::Vec;

/// The largest CPU number that is believed. Kernels are built for at most
/// 8192 CPUs (`NR_CPUS`, `arch/x86/Kconfig`); the cap keeps a text such as
/// `0-4294967295` from costing anything.
pub const LAST: u32 = 65_535;

/// CPU numbers without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    last: u32,
    /// How many CPUs of the set come before.
    before: u32,
}

impl Range {
    const fn len(&self) -> u32 {
        self.last - self.first + 1
    }
}

/// A set of CPU numbers up to [`LAST`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuSet {
    /// In ascending order, neither overlapping nor adjacent.
    ranges: Vec<Range>,
}

impl CpuSet {
    /// The numbers from 0 up to, and without, `count`.
    pub fn dense(count: u32) -> Self {
        let mut set = CpuSet::default();
        if let Some(last) = count.checked_sub(1) {
            set.push(0, last.min(LAST));
        }
        set
    }

    /// Numbers that ascend.
    pub fn from_ascending(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut set = CpuSet::default();
        numbers.into_iter().for_each(|number| set.push(number, number));
        set
    }

    /// Reads a list as the kernel prints it (`%*pbl`, `lib/vsprintf.c`).
    /// Space, newlines and NULs around it do not count; an empty list is an
    /// empty set. `key` is the input, for the error.
    #[inline(never)] // called from several places
    pub fn parse(key: &'static str, text: &str) -> Result<Self, Error> {
        let list = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
        let mut bounds: Vec<(u32, u32)> = Vec::new();
        for part in list.split(',').filter(|_| !list.is_empty()) {
            bounds.push(range(key, part)?);
        }
        if !bounds.is_sorted() {
            bounds.sort_unstable();
        }
        let mut set = CpuSet::default();
        for (first, last) in bounds {
            set.push(first, last);
        }
        Ok(set)
    }

    /// Adds a range that begins at or after the last one's beginning.
    fn push(&mut self, first: u32, last: u32) {
        match self.ranges.last_mut() {
            Some(range) if first <= range.last + 1 => range.last = range.last.max(last),
            _ => self.ranges.push(Range { first, last, before: self.len() }),
        }
    }

    /// How many CPUs it has.
    pub fn len(&self) -> u32 {
        self.ranges.last().map_or(0, |range| range.before + range.len())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|range| range.last)
    }

    /// The numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.ranges.iter().flat_map(|range| range.first..=range.last)
    }

    /// How many CPUs of the set are below `cpu`, if it is one of them.
    pub fn rank(&self, cpu: u32) -> Option<u32> {
        let index = self.ranges.partition_point(|range| range.last < cpu);
        let range = self.ranges.get(index).filter(|range| range.first <= cpu)?;
        Some(range.before + (cpu - range.first))
    }

    /// Whether a CPU is one of them.
    pub fn contains(&self, cpu: u32) -> bool {
        self.rank(cpu).is_some()
    }

    /// The CPUs that are in both.
    pub fn intersection(&self, other: &CpuSet) -> CpuSet {
        let mut set = CpuSet::default();
        let (mut ours, mut theirs) =
            (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first <= last {
                set.push(first, last);
            }
            if a.last < b.last {
                ours.next()
            } else {
                theirs.next()
            };
        }
        set
    }

    /// The first `count` CPUs.
    pub fn first(&self, count: u32) -> CpuSet {
        let mut set = CpuSet::default();
        for range in self.ranges.iter().take_while(|range| range.before < count) {
            let room = count - range.before;
            set.push(range.first, range.last.min(range.first + (room - 1)));
        }
        set
    }

    /// Prints a mask with a digit for each four of the numbers up to `last`,
    /// in groups of eight: `%*pb` (`bitmap_string`, `lib/vsprintf.c`).
    #[inline(never)] // called from several places
    pub fn print_mask(&self, last: u32, out: &mut Text) {
        let mut words = alloc::vec![0u32; last as usize / 32 + 1];
        for number in self.iter() {
            if let Some(word) = words.get_mut(number as usize / 32) {
                *word |= 1 << (number % 32);
            }
        }
        // The first group has as many digits as the numbers in it need.
        let mut digits = (last % 32) / 4 + 1;
        for (word, index) in words.iter().rev().zip(0..) {
            out.push_str(if index == 0 { "" } else { "," });
            for digit in (0..digits).rev() {
                let nibble = (word >> (digit * 4)) & 0xf;
                out.push_repeated(char::from_digit(nibble, 16).unwrap_or('0'), 1);
            }
            digits = 8;
        }
    }

    /// Prints the list and a newline.
    pub fn print(&self, out: &mut Text) {
        self.print_list(out);
        out.push_str("\n");
    }

    /// Prints the list alone.
    pub fn print_list(&self, out: &mut Text) {
        for (range, index) in self.ranges.iter().zip(0u32..) {
            out.push_str(if index == 0 { "" } else { "," });
            out.push_digits(u64::from(range.first), 0);
            if range.last > range.first {
                out.push_str("-").push_digits(u64::from(range.last), 0);
            }
        }
    }
}

fn range(key: &'static str, text: &str) -> Result<(u32, u32), Error> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (cpu(key, first)?, cpu(key, last)?);
    if first > last {
        return Err(Error::malformed(key, "a range of CPUs that ends before it begins"));
    }
    Ok((first, last))
}

fn cpu(key: &'static str, text: &str) -> Result<u32, Error> {
    let number = crate::text::number(text).ok_or(Error::malformed(key, "not a list of CPUs"))?;
    match u32::try_from(number) {
        Ok(number) if number <= LAST => Ok(number),
        _ => Err(Error::malformed(key, "a CPU number above 65535")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::String;
    use proptest::prelude::*;

    fn set(text: &str) -> CpuSet {
        CpuSet::parse("list", text).unwrap()
    }

    fn print(set: &CpuSet) -> String {
        let mut out = Text::new();
        set.print(&mut out);
        out.into_string()
    }

    #[test]
    fn prints_what_it_read() {
        for text in ["0\n", "0-2,5\n", "\n", "0,2,4\n", "3-7,65535\n"] {
            assert_eq!(print(&set(text)), text);
        }
    }

    #[test]
    fn space_and_nuls_around_a_list_do_not_count() {
        assert_eq!(set(" 0-3\n\0"), set("0-3"));
        assert!(set("\0\n").is_empty());
    }

    #[test]
    fn order_and_overlap_do_not_matter() {
        assert_eq!(print(&set("5,0-2,1-3,4")), "0-5\n");
    }

    #[test]
    fn hostile_lists_are_refused() {
        for text in
            ["0-4294967295", "65536", "99999999999999999999", "3-1", "0-", "-1", "a", "0,,1"]
        {
            assert!(CpuSet::parse("list", text).is_err(), "{text}");
        }
    }

    fn members() -> impl Strategy<Value = BTreeSet<u32>> {
        proptest::collection::btree_set(0u32..70, 0..40)
    }

    fn of(members: &BTreeSet<u32>) -> CpuSet {
        let mut set = CpuSet::default();
        members.iter().for_each(|&cpu| set.push(cpu, cpu));
        set
    }

    proptest! {
        #[test]
        fn is_a_set(a in members(), b in members(), count in 0u32..50) {
            let (ours, theirs) = (of(&a), of(&b));
            prop_assert_eq!(set(&print(&ours)), ours.clone());
            prop_assert_eq!(ours.len() as usize, a.len());
            prop_assert!(ours.iter().eq(a.iter().copied()));
            prop_assert!(ours.intersection(&theirs).iter().eq(a.intersection(&b).copied()));
            prop_assert!(ours.first(count).iter().eq(a.iter().copied().take(count as usize)));
            for cpu in 0..70 {
                let rank = a.contains(&cpu).then(|| a.range(..cpu).count() as u32);
                prop_assert_eq!(ours.rank(cpu), rank);
            }
        }
    }
}
