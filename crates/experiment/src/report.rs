//! Records shown to people: what a run bought, beside the run it is measured against, and what it
//! left of each layer. Plain text for terminals, Markdown for notes.

mod figures;
mod layers;
mod summary;
mod table;

pub use layers::{layer_markdown, layer_picture, record_picture};
pub use summary::{summary, summary_markdown};
pub use table::{comparison_markdown, comparison_table};
