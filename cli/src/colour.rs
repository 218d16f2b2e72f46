//! Colour for people at a terminal.

use std::io::IsTerminal;

/// Whether, and how, words are coloured.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    is_on: bool,
}

/// How a word looks: the parameters of `ESC [ … m` (console_codes(4)).
#[derive(Clone, Copy)]
pub(crate) enum Look {
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Palette {
    /// Colours on a terminal that knows them, unless the user wants none
    /// (no-color.org).
    pub(crate) fn of_stdout() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Palette { is_on: std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb }
    }

    /// No colours.
    pub(crate) const PLAIN: Palette = Palette { is_on: false };

    pub(crate) fn paint(self, look: Look, text: &str) -> String {
        if !self.is_on || text.is_empty() {
            return text.to_owned();
        }
        let code = match look {
            Look::Bold => 1,
            Look::Faint => 2,
            Look::Red => 31,
            Look::Green => 32,
            Look::Yellow => 33,
            Look::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
