//! What a policy can say of itself.

use crate::{Entry, Error, Explanation, Rendered, Snapshot, answer};
use alloc::string::String;
use alloc::vec::Vec;

/// A policy: the default one, with what is said here.
///
/// Nothing has a `self`, because a policy has no memory: an instance renders
/// once. What a file has to remember is its [`History`](crate::History).
pub trait Policy {
    /// A short name without spaces.
    const NAME: &'static str;

    /// Knobs of the default policy that are turned unless the operator turns
    /// them: `("cpu-rounding", "ceil")`, `("/proc/vmstat", "mask")`.
    const PRESET: &'static [(&'static str, &'static str)] = &[];

    /// Knobs that are turned for good. Another setting of one is refused.
    const FIXED: &'static [(&'static str, &'static str)] = &[];

    /// Whether nothing but knobs differs from the default policy, so that
    /// no render has to look at [`Policy::entry`].
    #[doc(hidden)]
    const IS_DEFAULT: bool = false;

    /// What is declared of a file of the default policy; `None` takes it away.
    ///
    /// What is denied or masked here is so, whatever [`Policy::render`] says.
    fn entry(entry: Entry) -> Option<Entry> {
        Some(entry)
    }

    /// Files that the default policy does not have.
    fn added() -> Vec<Entry> {
        Vec::new()
    }

    /// Writes the file at `path`, or leaves it to the default policy: `next`.
    fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
        next.render(path, snapshot)
    }

    /// Says why the file at `path` is as it is. As long as a policy does not
    /// say more, that is the default policy's explanation for a text that is the
    /// default policy's; of another, no explanation is better than a wrong one.
    fn explain(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Explanation, Error> {
        let rendered = Self::render(path, snapshot, next)?;
        match next.explain(path, snapshot) {
            Ok(explained) if explained.text == rendered.text => Ok(explained),
            _ => answer::unexplained::<Self>(path, snapshot, rendered.text),
        }
    }
}

/// The default policy, which a [`Policy`] stands in front of.
#[derive(Debug, Clone, Copy)]
pub struct Next(pub(crate) ());

impl Next {
    /// What the default policy renders from these inputs. Path and snapshot need
    /// not be those that were asked for: see [`Snapshot::with`].
    ///
    /// ```
    /// use vproc_sdk::prelude::*;
    ///
    /// struct Seconds;
    ///
    /// impl Policy for Seconds {
    ///     const NAME: &str = "seconds";
    ///
    ///     /// Without the fractions of seconds.
    ///     fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
    ///         let rendered = next.render(path, snapshot)?;
    ///         if path != "/proc/uptime" {
    ///             return Ok(rendered);
    ///         }
    ///         Ok(rendered.map(|text| {
    ///             let whole = |field: &str| field.split('.').next().unwrap_or_default().to_string();
    ///             let fields: Vec<String> = text.split_whitespace().map(whole).collect();
    ///             format!("{}.00\n", fields.join(".00 "))
    ///         }))
    ///     }
    /// }
    /// # let machine = vproc_sdk::capture::Machine::read("../../fixtures/v2-6.12-run-96m.json");
    /// # assert!(machine.unwrap().text::<Seconds>("/proc/uptime").unwrap().ends_with(".00\n"));
    /// ```
    pub fn render(self, path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
        vproc_core::render(path, snapshot)
    }

    /// The same as text, of a file that is always text.
    pub fn text(self, path: &str, snapshot: &Snapshot<'_>) -> Result<String, Error> {
        self.render(path, snapshot).map(|rendered| rendered.text)
    }

    /// How the default policy explains what it renders from these inputs.
    pub fn explain(self, path: &str, snapshot: &Snapshot<'_>) -> Result<Explanation, Error> {
        vproc_core::explain(path, snapshot)
    }
}
