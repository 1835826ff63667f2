//! How long to wait before dialling again: a fleet must not come back in one wave.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);
/// A stream that held this long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { ceiling: FIRST }
    }
}

impl Backoff {
    /// The next wait, after an attempt that lasted `lasted`: between half of the ceiling and all of it.
    pub(super) fn next(&mut self, lasted: Duration) -> Duration {
        if lasted >= GOOD {
            self.ceiling = FIRST;
        }
        let wait = self.ceiling.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_start_again_after_a_good_stream() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next(Duration::ZERO)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[11] >= LONGEST / 2);
        assert!(backoff.next(GOOD) <= FIRST);
    }
}
