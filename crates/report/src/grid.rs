//! A table as it is printed: words in rows and columns.

/// A table as texts.
pub(crate) struct Grid {
    /// Headings, the first above the names.
    pub(crate) headings: Vec<String>,
    /// Which columns a narrow screen leaves out until all are asked for.
    pub(crate) minor: Vec<bool>,
    /// Rows, the name first.
    pub(crate) rows: Vec<Vec<String>>,
}
