//! A second opinion: the `procfs-core` crate reads what was rendered, and the
//! grammars of `vproc-check` know its lines.

use super::World;
use super::grammar::grammar;
use super::invariants::Texts;
use super::readers::reader;

/// Every file reads that would read if it were the host's own. Returns how
/// many there were.
#[track_caller]
pub fn check(world: &World, texts: &Texts) -> usize {
    let mut read = 0;
    for (path, text) in texts {
        let host = match world.host.get(path) {
            Some(super::Datum::Text(host)) => host,
            _ => "",
        };
        // What is made up of a host may be none of a kernel's.
        if let Some(obeys) = grammar(path)
            && (host.is_empty() || obeys(host).is_ok())
            && !text.is_empty()
        {
            assert_eq!(obeys(text), Ok(()), "{path}:\n{text}");
        }
        let Some(reads) = reader(path) else { continue };
        let host_reads = match world.host.get(path) {
            Some(super::Datum::Text(host)) => reads(host),
            _ => true,
        };
        if host_reads {
            assert!(reads(text), "procfs-core cannot read {path}:\n{text}");
            read += 1;
        }
    }
    read
}
