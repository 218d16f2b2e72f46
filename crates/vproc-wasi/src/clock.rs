//! The monotonic clock, which hands out pollables.

use crate::Component;
use crate::bindings::exports::wasi::clocks::monotonic_clock::{Duration, Guest, Instant};
use crate::bindings::exports::wasi::io::poll::Pollable;
use crate::bindings::wasi::clocks::monotonic_clock as host;
use crate::streams;

impl Guest for Component {
    fn now() -> Instant {
        host::now()
    }

    fn resolution() -> Duration {
        host::resolution()
    }

    fn subscribe_instant(when: Instant) -> Pollable {
        streams::Pollable::host(host::subscribe_instant(when))
    }

    fn subscribe_duration(when: Duration) -> Pollable {
        streams::Pollable::host(host::subscribe_duration(when))
    }
}
