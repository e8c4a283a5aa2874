//! A link as a QR code, for phones that look at a wall: what of it is dark, as one path of SVG.

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around the code, without which readers do not find it.
const MARGIN: i32 = 4;

/// A code, drawn in a square of `size` units a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Modules a side, with the margin.
    pub size: i32,
    /// The dark modules: what `d` of a path takes.
    pub path: String,
}

impl Picture {
    /// The code of a text; `None` if it is too long for one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        // As few modules as can be, so that each is large; the library then corrects as many errors as fit into them.
        let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let run = (x..code.size()).take_while(|&x| code.get_module(x, y)).count() as i32;
                if run > 0 {
                    path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + MARGIN, y + MARGIN));
                }
                x += run.max(1);
            }
        }
        Some(Self { size: code.size() + 2 * MARGIN, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a path covers.
    fn drawn(picture: &Picture) -> Vec<Vec<bool>> {
        let mut modules = vec![vec![false; picture.size as usize]; picture.size as usize];
        for piece in picture.path.split_terminator('z') {
            let numbers: Vec<usize> =
                piece.split(['M', ' ', 'h', 'v', '-']).filter_map(|number| number.parse().ok()).collect();
            let [x, y, width, 1, back] = numbers[..] else { panic!("{piece}") };
            assert_eq!(width, back, "{piece} is no rectangle");
            modules[y][x..x + width].fill(true);
        }
        modules
    }

    #[test]
    fn the_path_covers_the_dark_modules_and_no_other() {
        let text = "https://lab.example/apt/?preset=salience-random&seed=3&lock=preset,seed&hide=device#lab";
        let picture = Picture::of(text).expect("short enough");
        let code = QrCode::encode_text(text, QrCodeEcc::Low).expect("short enough");
        let dark = |x: usize, y: usize| code.get_module(x as i32 - MARGIN, y as i32 - MARGIN);
        for (y, row) in drawn(&picture).iter().enumerate() {
            for (x, covered) in row.iter().enumerate() {
                assert_eq!(*covered, dark(x, y), "column {x}, row {y}");
            }
        }
        assert_eq!(picture.size, code.size() + 8, "a margin of four modules on both sides");
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(Picture::of(&"a".repeat(2_900)).is_some());
        assert_eq!(Picture::of(&"a".repeat(3_000)), None);
    }
}
