//! A batch of token sequences as plain numbers: what data is made into and what a model reads.

/// Sequences padded on the right to one length. Matrices are row-major `[sequences, length]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    /// Token ids `[sequences, length]`.
    pub ids: Vec<i32>,
    /// Token types `[sequences, length]`: 0 for the first text, 1 for the second, 0 where padded.
    pub type_ids: Vec<i32>,
    /// Tokens of each sequence before its padding `[sequences]`.
    pub lengths: Vec<usize>,
}

impl TokenBatch {
    /// Sequences of one type; `ids` are `[lengths.len(), length]`.
    pub fn of_one_type(ids: Vec<i32>, lengths: Vec<usize>) -> Self {
        Self { type_ids: vec![0; ids.len()], ids, lengths }
    }

    /// Sequences.
    pub fn size(&self) -> usize {
        self.lengths.len()
    }

    /// Tokens of each sequence, padding included.
    pub fn length(&self) -> usize {
        self.ids.len() / self.size().max(1)
    }

    /// The sequences `rows`, padded as they are here.
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let tokens = rows.start * self.length()..rows.end * self.length();
        let (ids, type_ids) = (self.ids[tokens.clone()].to_vec(), self.type_ids[tokens].to_vec());
        Self { ids, type_ids, lengths: self.lengths[rows].to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_out_with_their_padding() {
        let batch = TokenBatch {
            ids: vec![1, 2, 0, 3, 4, 5, 6, 0, 0],
            type_ids: vec![0, 0, 0, 0, 1, 1, 0, 0, 0],
            lengths: vec![2, 3, 1],
        };
        assert_eq!((batch.size(), batch.length()), (3, 3));
        let cut = TokenBatch { ids: vec![3, 4, 5, 6, 0, 0], type_ids: vec![0, 1, 1, 0, 0, 0], lengths: vec![3, 1] };
        assert_eq!(batch.rows(1..3), cut);
        assert_eq!((TokenBatch::default().size(), TokenBatch::default().length()), (0, 0));
    }
}
