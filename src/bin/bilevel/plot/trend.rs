//! The course of a noisy series.

/// Median of each value and its neighbours, `window / 2` on each side where there are as many.
///
/// ```text
/// t_i = median { v_j : |i − j| ≤ ⌊window / 2⌋ }
/// ```
/// A median, not a mean, so that one exploding batch does not bend the curve. The values must be
/// finite.
pub(crate) fn running_median(values: &[f64], window: usize) -> Vec<f64> {
    let reach = window / 2;
    (0..values.len())
        .map(|i| {
            let end = (i + reach + 1).min(values.len());
            median(values[i.saturating_sub(reach)..end].to_vec())
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        values[middle - 1].midpoint(values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_does_not_show() {
        let trend = running_median(&[1.0, 1.0, 1e9, 1.0, 1.0], 3);
        assert_eq!(trend, [1.0; 5]);
    }

    #[test]
    fn a_straight_line_keeps_its_inside() {
        let line: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(running_median(&line, 5)[2..18], line[2..18]);
    }

    #[test]
    fn a_window_of_one_changes_nothing() {
        assert_eq!(running_median(&[3.0, 1.0, 2.0], 1), [3.0, 1.0, 2.0]);
        assert!(running_median(&[], 5).is_empty());
    }
}
