//! Open files.
//!
//! A handle keeps the text of its last read at offset 0, so that the reads
//! that follow go on in the same text. Two things about it outlive the worker:
//! that it was rendered, for which request, and how long the text was (a record
//! in one file for all handles); and, where the reader did not take all of it
//! at once, the text itself.
//!
//! With a journal, a worker may meet a request that the one before has answered.
//! It must not render again, because the reader goes on in the text that it
//! got: so there every text is kept.

use crate::container::{Body, Container, lock};
use crate::node::Node;
use crate::psi::Trigger;
use crate::state::StateDirectory;
use rustix::fs::{Mode, OFlags, open};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

/// What a handle has rendered.
#[derive(Default)]
pub(crate) enum Text {
    /// Nothing yet.
    #[default]
    None,
    /// This.
    Here(Body),
    /// A text of this length, which a worker before this one handed out as a
    /// whole and took along.
    Delivered(u64),
}

/// An open file.
pub(crate) struct Handle {
    pub(crate) id: u64,
    pub(crate) node: Node,
    /// Whose view was opened; none for files that are no container's.
    pub(crate) container: Option<Arc<Container>>,
    pub(crate) text: Mutex<Text>,
    /// The request that it was rendered for.
    rendered_for: AtomicU64,
    pub(crate) trigger: Mutex<Option<Trigger>>,
    slot: Mutex<Option<u32>>,
    /// Whether something of it is kept in a file of its own.
    kept: AtomicBool,
}

/// All open files.
pub(crate) struct Handles {
    directory: StateDirectory,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Handle>>>,
    records: File,
    slots: Mutex<Slots>,
    /// Handles of workers before this one.
    inherited: Mutex<HashMap<u64, Inherited>>,
    /// Whether requests that were answered may come again.
    has_journal: bool,
    cannot_keep: Once,
}

/// What is known of a handle that a worker before this one gave out.
#[derive(Clone, Copy)]
struct Inherited {
    slot: u32,
    length: u64,
    rendered_for: u64,
}

#[derive(Default)]
struct Slots {
    free: Vec<u32>,
    end: u32,
}

const RECORD: usize = 32;
const TRIGGER: &str = ".trigger";

impl Handles {
    /// `incarnation` counts the workers of a mount, so that no two give out
    /// the same handle. With a journal, requests may come again that were
    /// answered.
    pub(crate) fn open(
        directory: &StateDirectory,
        incarnation: u32,
        has_journal: bool,
    ) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = directory.file("handles");
        let mut records = File::from(open(path, flags, Mode::RUSR | Mode::WUSR)?);
        let mut bytes = Vec::new();
        records.read_to_end(&mut bytes)?;
        let mut slots = Slots::default();
        let mut inherited = HashMap::new();
        for record in bytes.chunks(RECORD) {
            let slot = slots.end;
            slots.end += 1;
            match parse(record) {
                Some([id, length, rendered_for]) => {
                    inherited.insert(id, Inherited { slot, length, rendered_for });
                }
                None => slots.free.push(slot),
            }
        }
        Ok(Handles {
            directory: directory.clone(),
            next: AtomicU64::new(u64::from(incarnation) << 40 | 1),
            open: Mutex::default(),
            records,
            slots: Mutex::new(slots),
            inherited: Mutex::new(inherited),
            has_journal,
            cannot_keep: Once::new(),
        })
    }

    /// A new handle.
    pub(crate) fn add(&self, node: Node, container: Option<Arc<Container>>) -> Arc<Handle> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.insert(Handle {
            id,
            node,
            container,
            text: Mutex::default(),
            rendered_for: AtomicU64::new(0),
            trigger: Mutex::default(),
            slot: Mutex::default(),
            kept: AtomicBool::new(false),
        })
    }

    fn insert(&self, handle: Handle) -> Arc<Handle> {
        Arc::clone(lock(&self.open).entry(handle.id).or_insert_with(|| Arc::new(handle)))
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Handle>> {
        lock(&self.open).get(&id).cloned()
    }

    /// A handle that a worker before this one gave out.
    pub(crate) fn adopt(
        &self,
        id: u64,
        node: Node,
        container: Option<Arc<Container>>,
    ) -> Arc<Handle> {
        let mut open = lock(&self.open);
        if let Some(handle) = open.get(&id) {
            return Arc::clone(handle);
        }
        let record = lock(&self.inherited).remove(&id);
        let text = match (fs::read(self.text_file(id)), record) {
            (Ok(text), Some(record)) if u64::try_from(text.len()) == Ok(record.length) => {
                Text::Here(text.into())
            }
            (_, Some(record)) => Text::Delivered(record.length),
            (_, None) => Text::None,
        };
        let handle = Arc::new(Handle {
            id,
            node,
            container,
            text: Mutex::new(text),
            rendered_for: AtomicU64::new(record.map_or(0, |record| record.rendered_for)),
            trigger: Mutex::default(),
            slot: Mutex::new(record.map(|record| record.slot)),
            // There may be a trigger, too.
            kept: AtomicBool::new(true),
        });
        open.insert(id, Arc::clone(&handle));
        handle
    }

    /// Notes what a handle has rendered for a request, before it is handed
    /// out: all of it at once, or a first part. Where that cannot be noted, a
    /// reader who goes on after a restart gets another text.
    pub(crate) fn rendered(&self, handle: &Handle, request: u64, text: &Body, at_once: bool) {
        handle.rendered_for.store(request, Ordering::Relaxed);
        if let Err(error) = self.keep(handle, request, text, at_once) {
            self.cannot_keep.call_once(|| {
                tracing::warn!(%error, "cannot keep what readers are in the middle of; a restart may mix it");
            });
        }
    }

    fn keep(&self, handle: &Handle, request: u64, text: &Body, at_once: bool) -> io::Result<()> {
        if !at_once || self.has_journal {
            handle.kept.store(true, Ordering::Relaxed);
            fs::write(self.text_file(handle.id), text)?;
        }
        let mut slot = lock(&handle.slot);
        let slot = *slot.get_or_insert_with(|| {
            let mut slots = lock(&self.slots);
            slots.free.pop().unwrap_or_else(|| {
                slots.end += 1;
                slots.end - 1
            })
        });
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let words = [handle.id, length, request];
        let mut record = [0; RECORD];
        for (bytes, value) in record.chunks_mut(8).zip(words.into_iter().chain([seal(words)])) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        self.records.write_all_at(&record, u64::from(slot) * RECORD as u64)
    }

    /// Whether a handle was rendered for this request, which then came again.
    pub(crate) fn was_rendered_for(&self, handle: &Handle, request: u64) -> bool {
        handle.rendered_for.load(Ordering::Relaxed) == request
    }

    /// Keeps a trigger for the next worker, and whom it has to wake.
    pub(crate) fn keep_trigger(&self, handle: &Handle, wake: Option<u64>, text: &[u8]) {
        handle.kept.store(true, Ordering::Relaxed);
        let mut page = wake.unwrap_or(0).to_le_bytes().to_vec();
        page.extend_from_slice(text);
        let file = self.trigger_file(handle.id);
        let new = file.with_extension("new");
        if let Err(error) = fs::write(&new, page).and_then(|()| fs::rename(new, file)) {
            self.cannot_keep.call_once(|| {
                tracing::warn!(%error, "cannot keep a trigger; a restart forgets it");
            });
        }
    }

    /// A trigger that a worker before this one has set.
    pub(crate) fn kept_trigger(&self, handle: &Handle) -> Option<Vec<u8>> {
        let page = fs::read(self.trigger_file(handle.id)).ok()?;
        Some(page.get(8..)?.to_vec())
    }

    /// Whom to wake, so that they ask again: those who polled a worker before
    /// this one.
    pub(crate) fn waiting(&self) -> Vec<u64> {
        let Ok(listing) = fs::read_dir(self.directory.file("texts")) else { return Vec::new() };
        let triggers = listing
            .flatten()
            .filter(|file| file.file_name().to_str().is_some_and(|name| name.ends_with(TRIGGER)));
        let wake = triggers.filter_map(|file| {
            let page = fs::read(file.path()).ok()?;
            Some(u64::from_le_bytes(page.get(..8)?.try_into().ok()?)).filter(|wake| *wake != 0)
        });
        wake.collect()
    }

    /// The file was closed.
    pub(crate) fn release(&self, id: u64) {
        let handle = lock(&self.open).remove(&id);
        let inherited = lock(&self.inherited).remove(&id).map(|record| record.slot);
        let kept = handle.as_ref().is_none_or(|handle| handle.kept.load(Ordering::Relaxed));
        let slot = handle.and_then(|handle| *lock(&handle.slot)).or(inherited);
        if let Some(slot) = slot {
            let _ = self.records.write_all_at(&[0; RECORD], u64::from(slot) * RECORD as u64);
            lock(&self.slots).free.push(slot);
        }
        if kept {
            let _ = fs::remove_file(self.text_file(id));
            let _ = fs::remove_file(self.trigger_file(id));
        }
    }

    fn trigger_file(&self, id: u64) -> PathBuf {
        self.directory.file("texts").join(format!("{id:x}{TRIGGER}"))
    }

    fn text_file(&self, id: u64) -> PathBuf {
        self.directory.file("texts").join(format!("{id:x}"))
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.open).len() + lock(&self.inherited).len()
    }
}

fn parse(record: &[u8]) -> Option<[u64; 3]> {
    let word = |place: usize| {
        Some(u64::from_le_bytes(record.get(place * 8..place * 8 + 8)?.try_into().ok()?))
    };
    let words @ [id, ..] = [word(0)?, word(1)?, word(2)?];
    (id != 0 && word(3)? == seal(words)).then_some(words)
}

/// Tells a record from one that was written in part.
fn seal([id, length, request]: [u64; 3]) -> u64 {
    !(id.rotate_left(17) ^ length ^ request.rotate_left(31))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::node::{PathId, View};

    fn node() -> Node {
        Node::new(View::Reader, PathId::ROOT)
    }

    #[test]
    fn the_next_worker_knows_what_was_rendered() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(temporary.path()).unwrap();
        let first = Handles::open(&directory, 1, false).unwrap();
        let [whole, part, fresh, closed] = [(); 4].map(|()| first.add(node(), None));
        first.rendered(&whole, 7, &b"all of it".as_slice().into(), true);
        first.rendered(&part, 7, &b"more to come".as_slice().into(), false);
        first.rendered(&closed, 7, &b"x".as_slice().into(), true);
        first.release(closed.id);

        let second = Handles::open(&directory, 2, false).unwrap();
        let text = |handle: &Handle| {
            let adopted = second.adopt(handle.id, node(), None);
            std::mem::take(&mut *lock(&adopted.text))
        };
        assert!(matches!(text(&whole), Text::Delivered(9)));
        assert!(matches!(text(&part), Text::Here(text) if &*text == b"more to come"));
        assert!(matches!(text(&fresh), Text::None));
        assert!(matches!(text(&closed), Text::None));
        let new = second.add(node(), None);
        assert!([whole.id, part.id, fresh.id, closed.id].iter().all(|id| *id != new.id));
        // The record of the closed one is used again, those of the others not.
        second.rendered(&new, 7, &b"y".as_slice().into(), true);
        let third = Handles::open(&directory, 3, false).unwrap();
        assert_eq!(lock(&third.inherited).len(), 3);
    }

    #[test]
    fn with_a_journal_every_text_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(temporary.path()).unwrap();
        let first = Handles::open(&directory, 1, true).unwrap();
        let whole = first.add(node(), None);
        first.rendered(&whole, 4, &b"all of it".as_slice().into(), true);
        let second = Handles::open(&directory, 2, true).unwrap();
        let adopted = second.adopt(whole.id, node(), None);
        assert!(matches!(&*lock(&adopted.text), Text::Here(text) if &**text == b"all of it"));
        assert!(second.was_rendered_for(&adopted, 4) && !second.was_rendered_for(&adopted, 6));
    }
}
