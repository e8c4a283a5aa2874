//! Where the names of points stand so that they cover each other and the points as little as can be.

/// Radius of a marker in pixels.
pub(super) const MARKER_RADIUS: f64 = 4.0;

/// Width of a character in heights of the text: a little more than that of system fonts.
const CHARACTER: f64 = 0.6;
/// How often names are placed.
const SWEEPS: usize = 3;
/// How many distances from the marker are tried.
const REACH: u32 = 7;

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

    /// The point of it that is nearest.
    pub(super) fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.x, self.x + self.w), y.clamp(self.y, self.y + self.h))
    }

    /// How far it is from a point.
    pub(super) fn distance(&self, at: (f64, f64)) -> f64 {
        let (x, y) = self.nearest(at);
        (x - at.0).hypot(y - at.1)
    }
}

/// Where each name stands, beside its marker: of the places around it that which covers least of other names, markers and
/// `bars` (lines from one point to another), near before far. Names are placed one after the other, then again knowing
/// where all others are.
pub(super) fn place(
    markers: &[(i32, i32)],
    bars: &[[(i32, i32); 2]],
    names: &[String],
    size: f64,
    room: &Rect,
) -> Vec<Rect> {
    let dot = |(x, y): &(i32, i32)| {
        let (x, y, r) = (f64::from(*x), f64::from(*y), MARKER_RADIUS);
        Rect { x: x - r, y: y - r, w: 2.0 * r, h: 2.0 * r }
    };
    let bar = |[from, to]: &[(i32, i32); 2]| {
        let (x, y) = (f64::from(from.0.min(to.0)), f64::from(from.1.min(to.1)));
        Rect { x, y, w: f64::from((to.0 - from.0).abs()).max(1.0), h: f64::from((to.1 - from.1).abs()).max(1.0) }
    };
    let taken: Vec<Rect> = markers.iter().map(dot).chain(bars.iter().map(bar)).collect();
    let mut placed: Vec<Rect> = Vec::with_capacity(names.len());
    for _ in 0..SWEEPS {
        for (own, ((x, y), name)) in markers.iter().zip(names).enumerate() {
            let (at, w) = ((f64::from(*x), f64::from(*y)), CHARACTER * size * name.chars().count() as f64);
            let others = || placed.iter().enumerate().filter(|(other, _)| *other != own).map(|(_, rect)| rect);
            let cost = |of: &Rect| {
                let covered: f64 = others().chain(&taken).map(|other| of.shared(other)).sum();
                let cut = of.w * of.h - of.shared(room);
                // Rounded, so that of places that are as good the first is taken.
                (10.0 * (covered + 100.0 * cut.max(0.0) + of.distance(at))).round()
            };
            let best = candidates(at, w, size).min_by(|a, b| cost(a).total_cmp(&cost(b)));
            let best = best.unwrap_or(Rect { x: at.0, y: at.1, w, h: size });
            match placed.get_mut(own) {
                Some(before) => *before = best,
                None => placed.push(best),
            }
        }
    }
    placed
}

/// Right, left, above, below and between, near and far.
fn candidates((x, y): (f64, f64), w: f64, h: f64) -> impl Iterator<Item = Rect> {
    (0..REACH).flat_map(move |far| {
        let gap = MARKER_RADIUS + 3.0 + 0.75 * h * f64::from(far);
        let (right, left, middle) = (x + gap, x - gap - w, x - w / 2.0);
        let (above, below, level) = (y - gap - h, y + gap, y - h / 2.0);
        let beside = (x + MARKER_RADIUS + 3.0, x - MARKER_RADIUS - 3.0 - w);
        [
            (right, level),
            (left, level),
            (middle, above),
            (middle, below),
            (right, above),
            (right, below),
            (left, above),
            (left, below),
            (beside.0, above),
            (beside.0, below),
            (beside.1, above),
            (beside.1, below),
        ]
        .into_iter()
        .map(move |(x, y)| Rect { x, y, w, h })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_near_points_do_not_cover_each_other() {
        let room = Rect { x: 50.0, y: 0.0, w: 450.0, h: 300.0 };
        let crowd = [(200, 150), (204, 152), (206, 148), (214, 160), (196, 141), (230, 150), (202, 170), (490, 150)];
        let names = [
            "outlier_aware",
            "random",
            "wanda",
            "magnitude",
            "w/o self-distillation",
            "one_shot",
            "cubic",
            "at the edge",
        ]
        .map(str::to_owned);
        let placed = place(&crowd, &[], &names, 12.0, &room);
        for (place, a) in placed.iter().enumerate() {
            let covered = placed[place + 1..].iter().find(|b| a.shared(b) > 0.0);
            assert_eq!(covered, None, "{} at {a:?} is covered", names[place]);
            assert!((a.shared(&room) - a.w * a.h).abs() < 1e-6, "{} at {a:?} is cut", names[place]);
        }
    }

    #[test]
    fn a_name_alone_stands_right_beside_its_point() {
        let room = Rect { x: 0.0, y: 0.0, w: 400.0, h: 300.0 };
        let name = ["random".to_owned()];
        let at = |bars: &[[(i32, i32); 2]]| place(&[(100, 100)], bars, &name, 12.0, &room)[0];
        assert_eq!((at(&[]).x, at(&[]).y), (107.0, 94.0));
        // Off its own bar.
        let label = at(&[[(80, 100), (120, 100)]]);
        assert!(label.y > 100.0 || label.y + label.h < 100.0, "{label:?}");
    }
}
