//! A table as it is printed: words in rows and columns.

/// A table as texts.
pub(crate) struct Grid {
    /// Headings, the first above the names.
    pub(crate) headings: Vec<String>,
    /// Rows, the name first.
    pub(crate) rows: Vec<Vec<String>>,
}
