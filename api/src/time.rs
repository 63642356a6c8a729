//! Times as JSON has them.

use chrono::{DateTime, SecondsFormat, Utc};
use flowforge_core::Timestamp;

/// RFC 3339 in UTC with milliseconds, for example `2026-11-20T07:00:00.123Z`.
pub(crate) fn iso(at: Timestamp) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_end_in_z() {
        assert_eq!(iso(Timestamp(1_795_158_000_123)), "2026-11-20T07:00:00.123Z");
    }
}
