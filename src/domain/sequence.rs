//! Which sequences of a slave's epoch were counted: the highest, and the few runs below it that are missing
//! (decision 11).

use super::name::{Name, sha256};
use super::slave::{EPOCHS, Epoch, Epochs, MISSING_RANGES, Range, ReportRefusal};
use super::time::Moment;

/// What a sequence is to a slave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not counted yet.
    New,
    /// Counted before.
    Counted,
    /// Will never be counted.
    Refused(ReportRefusal),
}

/// What must close after a sequence was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closing {
    /// The oldest run of missing sequences.
    Gap(Range),
    /// The epoch that was silent for longest.
    Epoch(Name),
}

/// How a closed epoch is remembered.
pub(super) fn epoch_hash(epoch: &str) -> u64 {
    let hash = sha256(&[epoch.as_bytes()]);
    u64::from_be_bytes(*hash.first_chunk::<8>().expect("a SHA-256 has 32 bytes"))
}

/// Whether a sequence was counted already.
pub(super) fn judge(epochs: &[Epoch], closed: &[u64], name: &str, sequence: u64) -> Verdict {
    let Some(epoch) = epochs.iter().find(|epoch| *epoch.name == *name) else {
        let gone = !closed.is_empty() && closed.contains(&epoch_hash(name));
        return if gone { Verdict::Refused(ReportRefusal::EpochClosed) } else { Verdict::New };
    };
    let holds = |range: &Range| (range.first..=range.last).contains(&sequence);
    if sequence > epoch.highest || epoch.missing.iter().any(holds) {
        Verdict::New
    } else if epoch.closed.iter().any(holds) || epoch.closed_to.is_some_and(|closed| sequence <= closed) {
        Verdict::Refused(ReportRefusal::GapClosed)
    } else {
        Verdict::Counted
    }
}

/// Marks a sequence as counted.
pub(super) fn mark(epochs: &mut Epochs, name: &Name, sequence: u64, now: Moment) {
    let Some(place) = epochs.iter().position(|epoch| epoch.name == *name) else {
        let mut missing = Vec::new();
        if let Some(last) = sequence.checked_sub(1) {
            missing.push(Range { first: 0, last });
        }
        epochs.reserve_exact(1);
        epochs.push(Epoch {
            name: name.clone(),
            highest: sequence,
            missing,
            closed: Vec::new(),
            closed_to: None,
            last: now,
        });
        return;
    };
    let epoch = &mut epochs[place];
    epoch.last = now;
    if sequence > epoch.highest {
        if sequence - epoch.highest > 1 {
            epoch.missing.push(Range { first: epoch.highest + 1, last: sequence - 1 });
        }
        epoch.highest = sequence;
    } else {
        take(&mut epoch.missing, sequence);
    }
    let latest = epochs.len() - 1;
    if place != latest {
        epochs[place..].rotate_left(1);
    }
}

/// Takes one sequence out of the missing runs.
fn take(missing: &mut Vec<Range>, sequence: u64) {
    let Some(place) = missing.iter().position(|range| (range.first..=range.last).contains(&sequence)) else { return };
    let range = missing[place];
    let below = (sequence > range.first).then(|| Range { first: range.first, last: sequence - 1 });
    let above = (sequence < range.last).then(|| Range { first: sequence + 1, last: range.last });
    missing.splice(place..=place, [below, above].into_iter().flatten());
}

/// What is one too many.
pub(super) fn closing(epochs: &[Epoch]) -> Option<Closing> {
    if epochs.len() > EPOCHS {
        return epochs.first().map(|epoch| Closing::Epoch(epoch.name.clone()));
    }
    let latest = epochs.last()?;
    let over = latest.missing.len() > MISSING_RANGES;
    latest.missing.first().filter(|_| over).map(|range| Closing::Gap(*range))
}

/// Closes a run of missing sequences.
pub(super) fn close_gap(epochs: &mut [Epoch], name: &Name, range: Range) {
    if let Some(epoch) = epochs.iter_mut().find(|epoch| epoch.name == *name) {
        epoch.missing.retain(|missing| missing.last > range.last);
        epoch.closed.push(range);
        if epoch.closed.len() > MISSING_RANGES {
            let forgotten = epoch.closed.remove(0);
            epoch.closed_to = epoch.closed_to.max(Some(forgotten.last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_may_come_in_any_order_and_count_once() {
        let mut epochs = Epochs::new();
        let name: Name = "e".into();
        for sequence in [5, 2, 9, 0, 4, 1, 3, 8, 6, 7] {
            assert_eq!(judge(&epochs, &[], &name, sequence), Verdict::New, "{sequence}");
            mark(&mut epochs, &name, sequence, Moment(1));
            assert_eq!(judge(&epochs, &[], &name, sequence), Verdict::Counted, "{sequence}");
        }
        assert_eq!(epochs[0].missing, []);
        assert_eq!(epochs[0].highest, 9);
    }

    #[test]
    fn a_closed_gap_is_refused_and_never_counted() {
        let mut epochs = Epochs::new();
        let name: Name = "".into();
        for step in 1..=MISSING_RANGES as u64 + 1 {
            mark(&mut epochs, &name, step * 10, Moment(step));
        }
        let Some(Closing::Gap(range)) = closing(&epochs) else { panic!("33 ranges are one too many") };
        assert_eq!(range, Range { first: 0, last: 9 });
        close_gap(&mut epochs, &name, range);
        assert_eq!(closing(&epochs), None);
        assert_eq!(judge(&epochs, &[], &name, 7), Verdict::Refused(ReportRefusal::GapClosed));
        assert_eq!(judge(&epochs, &[], &name, 11), Verdict::New);
        assert_eq!(judge(&epochs, &[], &name, 10), Verdict::Counted);
        close_gap(&mut epochs, &name, Range { first: 11, last: 19 });
        assert_eq!(judge(&epochs, &[], &name, 10), Verdict::Counted);
    }

    #[test]
    fn the_greatest_sequence_there_is_does_not_overflow() {
        let mut epochs = Epochs::new();
        mark(&mut epochs, &"".into(), 3, Moment(1));
        mark(&mut epochs, &"".into(), u64::MAX, Moment(1));
        assert_eq!(judge(&epochs, &[], "", u64::MAX), Verdict::Counted);
        assert_eq!(judge(&epochs, &[], "", u64::MAX - 1), Verdict::New);
    }
}
