//! Long series made short enough to draw without losing their peaks.

pub use apt_core::averages::mean;

/// A point of a curve.
pub type Point = (f64, f64);

/// More points than this are thinned before they are drawn.
pub const DRAWN: usize = 600;

/// At most about `limit` of the points, in order: of each stretch its lowest and its highest, and the first and last of
/// all. A curve drawn through them covers the same pixels as one through all.
#[must_use]
pub fn thin(points: &[Point], limit: usize) -> Vec<Point> {
    if points.len() <= limit.max(4) {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil((limit / 2).max(2));
    let mut kept = Vec::with_capacity(limit + 2);
    for part in points.chunks(stretch) {
        let by_height = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (part.iter().min_by(by_height), part.iter().max_by(by_height)) else { continue };
        let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        kept.push(*first);
        if second != first {
            kept.push(*second);
        }
    }
    for (at_front, end) in [(true, points.first()), (false, points.last())] {
        let Some(end) = end else { continue };
        let here = if at_front { kept.first() } else { kept.last() };
        if here != Some(end) {
            if at_front { kept.insert(0, *end) } else { kept.push(*end) }
        }
    }
    kept
}

/// The mean of each point and those up to `width` before it: what is left of a noisy curve without its noise.
#[must_use]
pub fn smooth(points: &[Point], width: usize) -> Vec<Point> {
    let width = width.max(1);
    let mut sum = 0.0;
    let means = points.iter().enumerate().map(|(place, point)| {
        sum += point.1;
        if let Some(left) = place.checked_sub(width) {
            sum -= points[left].1;
        }
        (point.0, sum / width.min(place + 1) as f64)
    });
    means.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_ends_order_and_peaks() {
        let mut points: Vec<Point> = (0..10_000).map(|x| (f64::from(x), (f64::from(x) / 90.0).sin())).collect();
        points[5003].1 = 40.0;
        points[7007].1 = -40.0;
        let kept = thin(&points, DRAWN);
        assert!(kept.len() <= DRAWN + 2, "{} points", kept.len());
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
        for peak in [5003, 7007] {
            assert!(kept.contains(&points[peak]), "the peak at {peak} is lost");
        }
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points = vec![(1.0, 2.0), (2.0, 1.0), (3.0, 5.0)];
        assert_eq!(thin(&points, DRAWN), points);
        assert_eq!(thin(&[], DRAWN), []);
    }

    #[test]
    fn smoothing_is_a_mean_over_what_came_last() {
        let points = [(1.0, 4.0), (2.0, 0.0), (3.0, 2.0), (4.0, 6.0)];
        assert_eq!(smooth(&points, 2), [(1.0, 4.0), (2.0, 2.0), (3.0, 1.0), (4.0, 4.0)]);
        assert_eq!(smooth(&points, 0), points);
    }
}
