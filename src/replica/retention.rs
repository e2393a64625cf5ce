//! Bulk records are kept for a number of days or bytes, whichever ends first; then whole days go, and the day's head in
//! the audit chain still proves what they were.

use super::journal::{Position, Unreadable};
use super::shared::Shared;
use crate::domain::settings::Settings;
use crate::domain::time::Day;
use crate::store::{Shelf, StateDb, StoreError};

/// The meta row with the position up to which bulk rows were dropped.
const DROPPED_KEY: &str = "dropped";

/// Drops what settings say is too old, one day at a time.
///
/// # Errors
/// When the disk refuses.
pub(super) fn sweep(shared: &Shared) -> Result<(), Unreadable> {
    let published = shared.window.newest();
    let (settings, today) = (&published.state.settings, published.state.calendar.today);
    let position = shared.journal.position();
    shared.journal.with_db(|db| {
        let dropped = dropped(db)?;
        let Some(upto) = due(&position, settings, today, dropped, db.sizes().tables) else { return Ok(()) };
        // A restart replays from the newest checkpoint on; rows before it are only read by people.
        if db.newest_checkpoint()?.is_none_or(|checkpoint| checkpoint.seq() < upto) {
            return Ok(());
        }
        tracing::info!(first = dropped + 1, last = upto, "dropping bulk records; their days' heads stay");
        db.drop_range(Shelf::Passing, dropped + 1, upto, &[(DROPPED_KEY, &upto.to_be_bytes())])
    })
}

/// The position up to which bulk rows were dropped.
///
/// # Errors
/// When the disk refuses.
pub(super) fn dropped(db: &StateDb) -> Result<u64, StoreError> {
    Ok(db.meta(DROPPED_KEY)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Up to which record bulk rows are to be dropped now: the newest day that is too old, or the oldest when all together are
/// too many bytes.
fn due(position: &Position, settings: &Settings, today: Day, dropped: u64, bytes: u64) -> Option<u64> {
    let kept = || position.days.iter().filter(|(_, end)| *end > dropped);
    let oldest = today.back(settings.retention_days);
    let too_old = kept().filter(|(day, _)| *day < oldest).map(|(_, end)| *end).max();
    let too_many = kept().map(|(_, end)| *end).min().filter(|_| bytes > settings.retention_bytes);
    too_old.or(too_many)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn position() -> Position {
        let days = (10..20).map(|day| (Day(day), u64::from(day) * 100)).collect();
        Position { days: Arc::new(days), ..Position::default() }
    }

    #[test]
    fn days_beyond_the_retention_go_and_the_others_stay() {
        let settings = Settings { retention_days: 5, ..Settings::default() };
        assert_eq!(due(&position(), &settings, Day(20), 0, 0), Some(1_400));
        assert_eq!(due(&position(), &settings, Day(20), 1_400, 0), None);
    }

    #[test]
    fn too_many_bytes_take_the_oldest_day_only() {
        let settings = Settings { retention_days: 50, retention_bytes: 1_000, ..Settings::default() };
        assert_eq!(due(&position(), &settings, Day(20), 1_100, 1_001), Some(1_200));
        assert_eq!(due(&position(), &settings, Day(20), 1_100, 1_000), None);
    }
}
