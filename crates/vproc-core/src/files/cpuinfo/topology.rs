//! How many of a package's CPUs and cores a container sees.
//!
//! x86, ia64 and s390 print in each CPU's paragraph of how many its package
//! is made: `siblings` are CPUs (`topology_core_cpumask`), `cpu cores` cores
//! (`booted_cores`). Where a container sees the whole package the host's
//! numbers stand; where it sees a part they count that.

use super::line::Field;
use crate::Text;
use crate::text::number;
use alloc::vec::Vec;

/// Drawer, book and package: s390 numbers packages within books, and books
/// within drawers; others have packages alone.
type Package = [u64; 3];

/// Where a CPU sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    package: Package,
    core: u64,
    is_visible: bool,
}

/// The places of all of the host's CPUs.
#[derive(Debug, Default)]
pub(super) struct Survey {
    places: Vec<Place>,
}

impl Survey {
    /// A CPU's paragraph begins. Until its lines say otherwise it is a core
    /// of its own, of the same package as others.
    pub(super) fn begin(&mut self, is_visible: bool) {
        let own = u64::MAX - self.places.len() as u64;
        self.places.push(Place { package: [0; 3], core: own, is_visible });
    }

    /// A line of the CPU's paragraph.
    pub(super) fn line(&mut self, line: &str) {
        // Most lines are something else.
        if !matches!(line.as_bytes(), [b'p' | b'c' | b'b' | b'd', ..]) {
            return;
        }
        let (Some(field), Some(place)) = (Field::parse(line), self.places.last_mut()) else {
            return;
        };
        let [drawer, book, package] = &mut place.package;
        let level = match field.key {
            "physical id" => package,
            "core id" => &mut place.core,
            "book id" => book,
            "drawer id" => drawer,
            _ => return,
        };
        *level = number(field.value).unwrap_or(*level);
    }

    pub(super) fn count(mut self) -> Topology {
        let order: Vec<Package> = self.places.iter().map(|place| place.package).collect();
        self.places.sort_unstable();
        let mut packages: Vec<Shown> = Vec::new();
        let mut last = None;
        for place in &self.places {
            if packages.last().is_none_or(|shown| shown.package != place.package) {
                packages.push(Shown { package: place.package, siblings: 0, cores: 0, hidden: 0 });
            }
            let Some(shown) = packages.last_mut() else { continue };
            if !place.is_visible {
                shown.hidden += 1;
                continue;
            }
            shown.siblings += 1;
            let core = Some((place.package, place.core));
            if core != last {
                shown.cores += 1;
                last = core;
            }
        }
        Topology { order, packages }
    }
}

/// What is shown of a package.
#[derive(Debug, Clone, Copy)]
struct Shown {
    package: Package,
    siblings: u32,
    cores: u32,
    hidden: u32,
}

/// What is shown of every package.
#[derive(Debug)]
pub(super) struct Topology {
    /// The package of each CPU, in the order of the paragraphs.
    order: Vec<Package>,
    packages: Vec<Shown>,
}

impl Topology {
    /// Prints a line of the paragraph at `index`.
    pub(super) fn print(&self, index: usize, line: &str, out: &mut Text) {
        match self.changed(index, line) {
            Some((field, value)) => field.print_number(out, value),
            None => {
                out.push_str(line);
            }
        }
    }

    fn changed<'a>(&self, index: usize, line: &'a str) -> Option<(Field<'a>, u32)> {
        if !line.starts_with("siblings") && !line.starts_with("cpu cores") {
            return None;
        }
        let package = self.order.get(index)?;
        let found = self.packages.binary_search_by_key(package, |shown| shown.package).ok()?;
        let shown = self.packages.get(found).filter(|shown| shown.hidden > 0)?;
        let field = Field::parse(line)?;
        match field.key {
            "siblings" => Some((field, shown.siblings)),
            "cpu cores" => Some((field, shown.cores)),
            _ => None,
        }
    }
}
