//! Streams, their errors, and pollables: the runtime's, and those of rendered
//! text, which is there at once.

use crate::Component;
use crate::bindings::exports::wasi::io::{error, poll, streams};
use crate::bindings::wasi::io as host;
use std::cell::Cell;
use std::rc::Rc;
use streams::StreamError;

/// What a stream of the runtime failed with. Text does not fail.
pub(crate) struct IoError(pub(crate) host::error::Error);

impl error::GuestError for IoError {
    fn to_debug_string(&self) -> String {
        self.0.to_debug_string()
    }
}

impl error::Guest for Component {
    type Error = IoError;
}

/// Something to wait for.
pub(crate) enum Pollable {
    Host(host::poll::Pollable),
    Ready,
}

impl Pollable {
    pub(crate) fn host(pollable: host::poll::Pollable) -> poll::Pollable {
        poll::Pollable::new(Pollable::Host(pollable))
    }
}

impl poll::GuestPollable for Pollable {
    fn ready(&self) -> bool {
        match self {
            Pollable::Host(pollable) => pollable.ready(),
            Pollable::Ready => true,
        }
    }

    fn block(&self) {
        if let Pollable::Host(pollable) = self {
            pollable.block();
        }
    }
}

impl poll::Guest for Component {
    type Pollable = Pollable;

    fn poll(list: Vec<poll::PollableBorrow<'_>>) -> Vec<u32> {
        let pollables: Vec<&Pollable> = list.iter().map(poll::PollableBorrow::get).collect();
        let hosts: Option<Vec<_>> = pollables
            .iter()
            .map(|pollable| match pollable {
                Pollable::Host(pollable) => Some(pollable),
                Pollable::Ready => None,
            })
            .collect();
        // Where one is ready, nothing is waited for. An empty list is the
        // guest's mistake, and the runtime's to answer.
        match hosts {
            Some(hosts) => host::poll::poll(&hosts),
            None => (0..)
                .zip(pollables)
                .filter(|(_, pollable)| poll::GuestPollable::ready(*pollable))
                .map(|(place, _)| place)
                .collect(),
        }
    }
}

/// Bytes to read.
pub(crate) enum InputStream {
    Host(host::streams::InputStream),
    Text { text: Rc<[u8]>, position: Cell<usize> },
}

impl InputStream {
    pub(crate) fn host(stream: host::streams::InputStream) -> streams::InputStream {
        streams::InputStream::new(InputStream::Host(stream))
    }

    /// A text from an offset on.
    pub(crate) fn text(text: Rc<[u8]>, offset: u64) -> streams::InputStream {
        let position = Cell::new(usize::try_from(offset).unwrap_or(usize::MAX));
        streams::InputStream::new(InputStream::Text { text, position })
    }
}

/// The next bytes of a text, `len` at most; at its end the stream is closed.
fn next(text: &[u8], position: &Cell<usize>, len: u64) -> Result<Vec<u8>, StreamError> {
    let rest = text.get(position.get()..).unwrap_or_default();
    if rest.is_empty() {
        return Err(StreamError::Closed);
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
    position.set(position.get().saturating_add(len));
    Ok(rest.iter().take(len).copied().collect())
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap_or(u64::MAX)
}

fn failed(error: host::streams::StreamError) -> StreamError {
    match error {
        host::streams::StreamError::LastOperationFailed(error) => {
            StreamError::LastOperationFailed(error::Error::new(IoError(error)))
        }
        host::streams::StreamError::Closed => StreamError::Closed,
    }
}

impl streams::GuestInputStream for InputStream {
    fn read(&self, len: u64) -> Result<Vec<u8>, StreamError> {
        match self {
            InputStream::Host(stream) => stream.read(len).map_err(failed),
            InputStream::Text { text, position } => next(text, position, len),
        }
    }

    fn blocking_read(&self, len: u64) -> Result<Vec<u8>, StreamError> {
        match self {
            InputStream::Host(stream) => stream.blocking_read(len).map_err(failed),
            InputStream::Text { text, position } => next(text, position, len),
        }
    }

    fn skip(&self, len: u64) -> Result<u64, StreamError> {
        match self {
            InputStream::Host(stream) => stream.skip(len).map_err(failed),
            InputStream::Text { text, position } => {
                next(text, position, len).map(|bytes| length(&bytes))
            }
        }
    }

    fn blocking_skip(&self, len: u64) -> Result<u64, StreamError> {
        match self {
            InputStream::Host(stream) => stream.blocking_skip(len).map_err(failed),
            InputStream::Text { .. } => self.skip(len),
        }
    }

    fn subscribe(&self) -> poll::Pollable {
        poll::Pollable::new(match self {
            InputStream::Host(stream) => Pollable::Host(stream.subscribe()),
            InputStream::Text { .. } => Pollable::Ready,
        })
    }
}

/// Where bytes are written to: always the runtime's.
pub(crate) struct OutputStream(host::streams::OutputStream);

impl OutputStream {
    pub(crate) fn host(stream: host::streams::OutputStream) -> streams::OutputStream {
        streams::OutputStream::new(OutputStream(stream))
    }
}

/// What `blocking-write-and-flush` takes at once.
const MOST_AT_ONCE: u64 = 4096;

impl streams::GuestOutputStream for OutputStream {
    fn check_write(&self) -> Result<u64, StreamError> {
        self.0.check_write().map_err(failed)
    }

    fn write(&self, contents: Vec<u8>) -> Result<(), StreamError> {
        self.0.write(&contents).map_err(failed)
    }

    fn blocking_write_and_flush(&self, contents: Vec<u8>) -> Result<(), StreamError> {
        self.0.blocking_write_and_flush(&contents).map_err(failed)
    }

    fn flush(&self) -> Result<(), StreamError> {
        self.0.flush().map_err(failed)
    }

    fn blocking_flush(&self) -> Result<(), StreamError> {
        self.0.blocking_flush().map_err(failed)
    }

    fn subscribe(&self) -> poll::Pollable {
        Pollable::host(self.0.subscribe())
    }

    fn write_zeroes(&self, len: u64) -> Result<(), StreamError> {
        self.0.write_zeroes(len).map_err(failed)
    }

    fn blocking_write_zeroes_and_flush(&self, len: u64) -> Result<(), StreamError> {
        self.0.blocking_write_zeroes_and_flush(len).map_err(failed)
    }

    fn splice(&self, src: streams::InputStreamBorrow<'_>, len: u64) -> Result<u64, StreamError> {
        match src.get::<InputStream>() {
            InputStream::Host(stream) => self.0.splice(stream, len).map_err(failed),
            InputStream::Text { text, position } => {
                let room = self.0.check_write().map_err(failed)?;
                let bytes = next(text, position, len.min(room))?;
                self.0.write(&bytes).map_err(failed)?;
                Ok(length(&bytes))
            }
        }
    }

    fn blocking_splice(
        &self,
        src: streams::InputStreamBorrow<'_>,
        len: u64,
    ) -> Result<u64, StreamError> {
        match src.get::<InputStream>() {
            InputStream::Host(stream) => self.0.blocking_splice(stream, len).map_err(failed),
            InputStream::Text { text, position } => {
                let bytes = next(text, position, len.min(MOST_AT_ONCE))?;
                self.0.blocking_write_and_flush(&bytes).map_err(failed)?;
                Ok(length(&bytes))
            }
        }
    }
}

impl streams::Guest for Component {
    type InputStream = InputStream;
    type OutputStream = OutputStream;
}
