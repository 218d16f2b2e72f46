//! A file of the host with other numbers and words in it, each of which can be
//! told from the others where it comes out again.

use std::collections::{BTreeMap, BTreeSet};

/// How a text is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Every number is a large one: what is copied shows.
    Greater,
    /// Large numbers are an eighth smaller: what is the lesser of a number of
    /// the host and another one shows.
    Less,
    /// Every word behind the label of its line is another one.
    Words,
    /// `/proc/cpuinfo` has one more processor.
    Processor,
}

impl Change {
    pub(crate) const ALL: [Change; 4] =
        [Change::Greater, Change::Less, Change::Words, Change::Processor];
}

/// Where in a text something stands: the label of the line, and the column.
pub(crate) type Place = (String, usize);

/// A changed text.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub(crate) text: String,
    /// What was put in, and where.
    marks: BTreeMap<String, Place>,
}

/// What marks begin with: no amount of a recorded machine does. They fit into 32
/// bits, so that what parses the text takes them.
const FIRST: u64 = 734_610_000;

/// Numbers below this are as likely those of a CPU or a device as amounts.
const SMALLEST: u64 = 100;

/// Which CPU it is and which ones belong together. With others the machine would
/// make no sense.
const ORDINALS: [&str; 7] =
    ["processor", "physical id", "core id", "siblings", "cpu cores", "apicid", "initial apicid"];

/// Shorter words are units and states.
const LETTERS: usize = 3;

impl Marked {
    /// A text in which nothing stands out.
    pub(crate) fn of(text: String) -> Self {
        Marked { text, marks: BTreeMap::new() }
    }

    pub(crate) fn new(text: &str, change: Change) -> Self {
        let mut marked = Marked::default();
        if change == Change::Processor {
            marked.text = with_processor(text).unwrap_or_else(|| text.to_owned());
            return marked;
        }
        for line in text.split_inclusive('\n') {
            marked.line(line, change);
        }
        marked
    }

    fn line(&mut self, line: &str, change: Change) {
        let own = label(line);
        // What follows the label, or stands before the colon of an ordinal.
        let is_row = own.is_empty()
            && !line.contains(':')
            && line.contains(|c: char| c.is_ascii_alphabetic());
        let (mut column, mut seen_word) = (0, false);
        let mut rest = line;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let (before, at) = rest.split_at(start);
            let end = at.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
            let (word, after) = at.split_at(end.unwrap_or(at.len()));
            self.text.push_str(before);
            let is_in_label = line.len() - rest.len() + start < label_end(line);
            let whole = word.split('.').next().unwrap_or_default();
            match whole.parse::<u64>() {
                Ok(number) if is_number(word) => {
                    let is_identity = is_in_label
                        || before.ends_with('-')
                        || is_row && !seen_word
                        || column == 0 && own == "Node"
                        || ORDINALS.contains(&own.as_str());
                    let fraction = word.strip_prefix(whole).unwrap_or_default();
                    match change {
                        Change::Greater if !is_identity => {
                            let mark = (FIRST + self.marks.len() as u64).to_string();
                            self.make_room(mark.len() - whole.len().min(mark.len()));
                            self.text.push_str(&mark);
                            self.text.push_str(fraction);
                            self.marks.insert(mark, (own.clone(), column));
                        }
                        Change::Less if !is_identity && number >= SMALLEST => {
                            self.text.push_str(&(number - number / 8 - 1).to_string());
                            self.text.push_str(fraction);
                        }
                        _ => self.text.push_str(word),
                    }
                    column += 1;
                }
                _ => {
                    let is_word = !is_in_label
                        && word.len() > LETTERS
                        && !word.contains('.')
                        && !names_cpu(word);
                    match change {
                        Change::Words if is_word && self.has_label(line, &own, is_row) => {
                            let mark = letters(self.marks.len());
                            self.text.push_str(&mark);
                            self.marks.insert(mark, (own.clone(), column));
                            column += 1;
                        }
                        _ => self.text.push_str(word),
                    }
                    seen_word = true;
                }
            }
            rest = after;
        }
        self.text.push_str(rest);
    }

    /// Of blanks, so that columns stay where they are.
    fn make_room(&mut self, mut columns: usize) {
        while columns > 0 && self.text.ends_with("  ") {
            self.text.pop();
            columns -= 1;
        }
    }

    /// Not the words of a header.
    fn has_label(&self, line: &str, own: &str, is_row: bool) -> bool {
        is_row
            || line.contains(':')
            || !own.is_empty() && line.contains(|c: char| c.is_ascii_digit())
    }

    /// The places of what a text shows, and another one does not.
    pub(crate) fn shown(&self, text: &str, before: &str) -> BTreeSet<&Place> {
        let words = |text: &str| -> BTreeSet<String> {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.filter(|word| self.marks.contains_key(*word)).map(str::to_owned).collect()
        };
        let there = words(before);
        let new = words(text).into_iter().filter(|word| !there.contains(word));
        new.filter_map(|word| self.marks.get(&word)).collect()
    }
}

/// A column of `/proc/interrupts`.
fn names_cpu(word: &str) -> bool {
    let number = word.strip_prefix("CPU");
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The last block again, under the next number.
fn with_processor(cpuinfo: &str) -> Option<String> {
    let start = cpuinfo.rfind("\nprocessor\t")? + 1;
    let block = cpuinfo.get(start..)?.split("\n\n").next()?.trim_end();
    let (first, rest) = block.split_once('\n')?;
    let (key, number) = first.split_once(": ")?;
    let next = number.trim().parse::<u32>().ok()?.checked_add(1)?;
    let end = start + block.len();
    let (before, after) = cpuinfo.split_at_checked(end)?;
    Some(format!("{before}\n\n{key}: {next}\n{rest}{after}"))
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && word.bytes().filter(|byte| *byte == b'.').count() <= 1
}

/// `zqaaab`: no word of a kernel begins so.
fn letters(mut number: usize) -> String {
    let mut word = "zq".to_owned();
    for _ in 0..5 {
        word.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    word
}

/// Where the label of a line ends: at a colon, or behind the first word.
fn label_end(line: &str) -> usize {
    let colon = line.find(':').filter(|end| line.get(*end..).is_some_and(|rest| rest.len() > 1));
    colon.unwrap_or_else(|| {
        let start = line.len() - line.trim_start().len();
        if line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            return start;
        }
        line.trim_start().find(char::is_whitespace).map_or(line.len(), |end| start + end)
    })
}

/// What a line is about, without the number of a CPU or a node.
pub(crate) fn label(line: &str) -> String {
    let label = line.get(..label_end(line)).unwrap_or_default();
    let label = label.replace(|c: char| c.is_ascii_digit(), " ");
    label.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The labels of lines that differ in two texts.
pub(crate) fn differing(one: &str, other: &str) -> BTreeSet<String> {
    let by_label = |text: &str| {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            lines.entry(label(line)).or_default().push(line.to_owned());
        }
        lines
    };
    let (one, other) = (by_label(one), by_label(other));
    let labels = one.keys().chain(other.keys());
    labels.filter(|label| one.get(*label) != other.get(*label)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greater(text: &str) -> String {
        Marked::new(text, Change::Greater).text
    }

    #[test]
    fn amounts_are_marked_and_ordinals_are_not() {
        assert_eq!(
            greater("0.71 12.50 3/103 8\n"),
            "734610000.71 734610001.50 734610002/734610003 734610004\n"
        );
        assert_eq!(greater("MemFree:            12 kB\n"), "MemFree:     734610000 kB\n");
        assert_eq!(greater("cpu0 7 x8\n"), "cpu0 734610000 x8\n");
        assert_eq!(greater("  9:  4 IO-APIC  9-edge\n"), "  9: 734610000 IO-APIC 734610001-edge\n");
        assert_eq!(greater("   8  0 sda 5\n"), "   8  0 sda 734610000\n");
        assert_eq!(greater("processor\t: 3\n"), "processor\t: 3\n");
        assert_eq!(greater("Node 0, zone DMA 4\n"), "Node 0, zone DMA 734610000\n");
        let less = Marked::new("a 800 7\n", Change::Less);
        assert_eq!(less.text, "a 699 7\n");
    }

    #[test]
    fn a_processor_is_added() {
        let more = Marked::new("x\nprocessor\t: 0\nflags\t: a\n\n", Change::Processor).text;
        assert_eq!(more, "x\nprocessor\t: 0\nflags\t: a\n\nprocessor\t: 1\nflags\t: a\n\n");
        assert_eq!(Marked::new("MemFree: 1 kB\n", Change::Processor).text, "MemFree: 1 kB\n");
    }

    #[test]
    fn words_behind_a_label_are_marked() {
        let marked = Marked::new("model name\t: Fast 3000 GHz\nFilename Type\n", Change::Words);
        assert_eq!(marked.text, "model name\t: zqaaaaa 3000 GHz\nFilename Type\n");
        let shown = marked.shown("x zqaaaaa", "x");
        assert_eq!(shown.into_iter().collect::<Vec<_>>(), [&("model name".to_owned(), 0)]);
        assert!(marked.shown("x zqaaaaa", "zqaaaaa").is_empty());
    }

    #[test]
    fn lines_are_compared_by_their_labels() {
        let labels = differing("cpu0 1\ncpu1 2\nbtime 5\n", "cpu0 1\ncpu1 3\nbtime 5\n");
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["cpu"]);
        assert_eq!(differing("1.0 2.0\n", "1.1 2.0\n").len(), 1);
    }
}
