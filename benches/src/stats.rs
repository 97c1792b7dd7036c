//! Numbers out of samples.

/// The value that a share `q` of the samples does not exceed: the nearest rank, so always one of them.
///
/// # Panics
/// Without samples.
pub fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 samples")]
    let rank = (q * sorted.len() as f64).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "q is between 0 and 1")]
    let rank = rank as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The middle one and the extremes of what the rounds gave.
pub struct Spread {
    /// Of an even number the mean of the two in the middle.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        // Of an even number the mean of the two in the middle, which are far apart when there are two.
        let above = quantile(&values.iter().map(|value| -value).collect::<Vec<_>>(), 0.5);
        let median = f64::midpoint(quantile(values, 0.5), -above);
        Some(Self { median, min: quantile(values, 0.0), max: quantile(values, 1.0) })
    }
}
