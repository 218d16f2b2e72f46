//! What the daemon says while it runs.

use std::io;
use tracing::level_filters::LevelFilter;

#[derive(clap::Args)]
pub(crate) struct Choice {
    /// How much to log
    #[arg(long, value_name = "LEVEL", default_value = "info",
          value_parser = ["error", "warn", "info", "debug"])]
    log_level: String,

    /// Log lines for people, or JSON for machines
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
}

impl Choice {
    /// Logs to standard error from now on.
    pub(crate) fn start(&self) {
        let level = self.log_level.parse().unwrap_or(LevelFilter::INFO); // clap admits no other
        let builder = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_target(false)
            .with_writer(io::stderr);
        // journald has the time, and no use for colours.
        let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
        match (self.log_format.as_str(), under_systemd) {
            ("json", _) => builder.json().init(),
            (_, true) => builder.with_ansi(false).without_time().init(),
            _ => builder.with_ansi(false).init(),
        }
    }

    /// The same choice, for a worker.
    pub(crate) fn arguments(&self) -> Vec<String> {
        ["--log-level", &self.log_level, "--log-format", &self.log_format]
            .map(str::to_owned)
            .to_vec()
    }
}
