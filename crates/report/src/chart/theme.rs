//! Colours of charts, for light and dark backgrounds.

/// Colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Of text.
    pub text: (u8, u8, u8),
    /// Of the grid.
    pub grid: (u8, u8, u8),
    /// Of curves; told apart by colour-blind readers too.
    pub palette: [(u8, u8, u8); 8],
}

/// On a light background. The hues of both are those of Okabe and Ito, darkened or lightened until they stand off their background.
pub const LIGHT: Theme = Theme {
    text: (70, 74, 80),
    grid: (224, 224, 219),
    palette: [
        (0, 99, 166),
        (200, 80, 0),
        (0, 128, 96),
        (170, 75, 130),
        (150, 105, 0),
        (45, 140, 190),
        (90, 90, 90),
        (120, 60, 170),
    ],
};

/// On a dark background.
pub const DARK: Theme = Theme {
    text: (176, 182, 190),
    grid: (52, 57, 64),
    palette: [
        (96, 180, 240),
        (245, 150, 70),
        (60, 200, 155),
        (235, 150, 195),
        (240, 200, 80),
        (150, 210, 250),
        (180, 180, 180),
        (190, 150, 250),
    ],
};

impl Theme {
    /// A colour of the palette as CSS writes it.
    #[must_use]
    pub fn css(&self, colour: usize) -> String {
        let (r, g, b) = self.palette[colour % self.palette.len()];
        format!("rgb({r} {g} {b})")
    }
}
