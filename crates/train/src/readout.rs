//! What the host reads back of a training step, in one transfer.

use apt_nn::checkpoint::read_back;
use apt_nn::{NnError, named};
use burn::tensor::Tensor;

/// The results of a step: as tensors `[n]` on the device, as values on the host.
pub(crate) struct StepReadout<T> {
    /// The loss that is minimised, `[1]`.
    pub(crate) loss: T,
    /// Its part of the task, `[1]`.
    pub(crate) task_loss: T,
    /// Norm of the gradient before clipping, `[1]`.
    pub(crate) grad_norm: T,
    /// Its part of the teacher, `[1]`.
    pub(crate) distill_loss: Option<T>,
    /// Scores of all blocks, `[heads | neurons | hidden]`.
    pub(crate) scores: Option<T>,
    /// √kurtosis of all blocks, in the same order.
    pub(crate) outliers: Option<T>,
    /// Importances of every adapter, one or one per component.
    pub(crate) importances: Vec<T>,
}

impl<T> StepReadout<T> {
    /// Every part through `f`. This order is that of the transfer.
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> StepReadout<U> {
        StepReadout {
            loss: f(self.loss),
            task_loss: f(self.task_loss),
            grad_norm: f(self.grad_norm),
            distill_loss: self.distill_loss.map(&mut f),
            scores: self.scores.map(&mut f),
            outliers: self.outliers.map(&mut f),
            importances: self.importances.into_iter().map(f).collect(),
        }
    }
}

impl StepReadout<Tensor<1>> {
    /// Reads every part back; none may have autodiff.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub(crate) async fn read(self) -> Result<StepReadout<Vec<f32>>, NnError> {
        let mut parts = Vec::new();
        let lengths = self.map(|part| {
            let [n] = part.dims();
            parts.push(part);
            n
        });
        let values = read_back(named::concat(parts), "the step's results").await?;
        let mut rest = values.into_iter();
        Ok(lengths.map(|n| rest.by_ref().take(n).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::StepReadout;
    use burn::tensor::{Device, Tensor, TensorData};
    use pollster::block_on;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    #[test]
    fn every_part_comes_back_as_itself() {
        let (taught, scored) = (Some(&[4.0][..]), Some(&[5.0, 6.0][..]));
        for (distill_loss, scores, outliers) in
            [(None, None, None), (taught, None, None), (taught, scored, None), (None, scored, Some(&[0.5, 0.0][..]))]
        {
            let sent = StepReadout {
                loss: tensor(&[1.0]),
                task_loss: tensor(&[2.0]),
                grad_norm: tensor(&[3.0]),
                distill_loss: distill_loss.map(tensor),
                scores: scores.map(tensor),
                outliers: outliers.map(tensor),
                importances: vec![tensor(&[7.0]), tensor(&[8.0, 9.0])],
            };
            let read = block_on(sent.read()).expect("the CPU reads");
            assert_eq!([read.loss, read.task_loss, read.grad_norm], [[1.0], [2.0], [3.0]]);
            assert_eq!(read.distill_loss.as_deref(), distill_loss);
            assert_eq!(read.scores.as_deref(), scores);
            assert_eq!(read.outliers.as_deref(), outliers);
            assert_eq!(read.importances, [vec![7.0], vec![8.0, 9.0]]);
        }
    }
}
