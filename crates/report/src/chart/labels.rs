//! Where the names of points stand so that they cover each other and the points as little as can be.

/// Radius of a marker in pixels.
pub(super) const MARKER_RADIUS: f64 = 4.0;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Rect {
    /// The area that both cover.
    fn shared(&self, other: &Self) -> f64 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        w.max(0.0) * h.max(0.0)
    }
}

/// The upper left corner of each name, beside its marker: of the places around it that which covers least.
pub(super) fn place(markers: &[(i32, i32)], names: &[&str], size: f64, room: &Rect) -> Vec<(i32, i32)> {
    let dots: Vec<Rect> = markers
        .iter()
        .map(|(x, y)| Rect {
            x: f64::from(*x) - MARKER_RADIUS,
            y: f64::from(*y) - MARKER_RADIUS,
            w: 2.0 * MARKER_RADIUS,
            h: 2.0 * MARKER_RADIUS,
        })
        .collect();
    let mut taken = dots;
    markers
        .iter()
        .zip(names)
        .map(|((x, y), name)| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            let (w, h) = (0.55 * size * name.chars().count() as f64, size);
            let best = candidates(x, y, w, h).min_by(|a, b| cost(a, &taken, room).total_cmp(&cost(b, &taken, room)));
            let best = best.unwrap_or(Rect { x, y, w, h });
            taken.push(best);
            (best.x as i32, best.y as i32)
        })
        .collect()
}

/// Right, left, above, below and between, near before far.
fn candidates(x: f64, y: f64, w: f64, h: f64) -> impl Iterator<Item = Rect> {
    [1.0, 2.5, 4.0].into_iter().flat_map(move |far| {
        let gap = MARKER_RADIUS + 3.0 * far;
        let (right, left, middle) = (x + gap, x - gap - w, x - w / 2.0);
        let (above, below, level) = (y - gap - h, y + gap - 2.0, y - h / 2.0);
        [
            (right, level),
            (left, level),
            (middle, above),
            (middle, below),
            (right, above),
            (right, below),
            (left, above),
            (left, below),
        ]
        .into_iter()
        .map(move |(x, y)| Rect { x, y, w, h })
    })
}

/// What it covers, and much more if it is cut by the edge.
fn cost(of: &Rect, taken: &[Rect], room: &Rect) -> f64 {
    let covered: f64 = taken.iter().map(|other| of.shared(other)).sum();
    covered + 100.0 * (of.w * of.h - of.shared(room)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_near_points_do_not_cover_each_other() {
        let room = Rect { x: 0.0, y: 0.0, w: 400.0, h: 300.0 };
        let markers = [(200, 150), (204, 152), (206, 148), (390, 150)];
        let names = ["outlier_aware", "random", "wanda", "at the edge"];
        let placed = place(&markers, &names, 12.0, &room);
        let boxes: Vec<Rect> = placed
            .iter()
            .zip(names)
            .map(|((x, y), name)| Rect { x: f64::from(*x), y: f64::from(*y), w: 6.6 * name.len() as f64, h: 12.0 })
            .collect();
        for (place, a) in boxes.iter().enumerate() {
            assert!(boxes[place + 1..].iter().all(|b| a.shared(b) < 8.0), "{boxes:?}");
            assert!(a.x + a.w <= 401.0, "{a:?} is cut");
        }
    }
}
