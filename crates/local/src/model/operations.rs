//! The few operations that would otherwise be many small ones: norms, rotation, masked softmax.
//!
//! Each walks over rows of plain `f32` slices and makes a new tensor. Inputs must be contiguous; that is checked.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// The rows of a contiguous `f32` input, each as long as its last dimension.
fn rows<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
    name: &str,
) -> Result<(std::slice::ChunksExact<'a, f32>, usize)> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("{name} needs a contiguous input, got {layout:?}")
    };
    let width = layout.dims().last().copied().unwrap_or(0);
    if width == 0 {
        bail!("{name} needs a last dimension, got {layout:?}")
    }
    Ok((storage.as_slice::<f32>()?[start..end].chunks_exact(width), width))
}

#[expect(clippy::cast_precision_loss, reason = "widths are a few thousand")]
fn mean(sum: f32, count: usize) -> f32 {
    sum / count as f32
}

/// Divides each row by its root mean square and multiplies by a weight per column (Zhang and Sennrich, 2019).
#[derive(Debug)]
pub struct RmsNorm {
    /// `[w]`.
    pub weight: Vec<f32>,
    /// Added to the mean square.
    pub epsilon: f32,
}

impl RmsNorm {
    /// `[…, w]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = rows(storage, layout, self.name())?;
        if width != self.weight.len() {
            bail!("rms_norm has {} weights for rows of {width}", self.weight.len())
        }
        let mut output = Vec::with_capacity(layout.shape().elem_count());
        for row in rows {
            let square = row.iter().map(|value| value * value).sum();
            let scale = (mean(square, width) + self.epsilon).sqrt().recip();
            output.extend(row.iter().zip(&self.weight).map(|(value, weight)| value * scale * weight));
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }
}

/// Brings each row to mean 0 and variance 1, then multiplies by a weight and adds a bias per column.
#[derive(Debug)]
pub struct LayerNorm {
    /// `[w]`.
    pub weight: Vec<f32>,
    /// `[w]`.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

impl LayerNorm {
    /// `[…, w]` to the same shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = rows(storage, layout, self.name())?;
        if width != self.weight.len() || width != self.bias.len() {
            bail!("layer_norm has {} weights for rows of {width}", self.weight.len())
        }
        let mut output = Vec::with_capacity(layout.shape().elem_count());
        for row in rows {
            let middle = mean(row.iter().sum(), width);
            let square = row.iter().map(|value| (value - middle) * (value - middle)).sum();
            let scale = (mean(square, width) + self.epsilon).sqrt().recip();
            let columns = row.iter().zip(&self.weight).zip(&self.bias);
            output.extend(columns.map(|((value, weight), bias)| (value - middle) * scale * weight + bias));
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }
}

/// The sines and cosines of rotary position embedding (Su et al., 2021), for all positions of the context.
///
/// The pairs are neighbours (2i, 2i+1): GGUF files of the llama architecture hold the query and key rows in this order.
#[derive(Debug)]
pub struct Rotation {
    /// `[positions, d / 2]` of (cosine, sine).
    table: Vec<(f32, f32)>,
    half: usize,
}

impl Rotation {
    /// Prepares `positions` positions for heads of `width` (even) with the frequency base `base`.
    #[expect(clippy::cast_precision_loss, reason = "positions and widths are a few thousand")]
    pub fn new(positions: usize, width: usize, base: f32) -> Self {
        let half = width / 2;
        let mut table = Vec::with_capacity(positions * half);
        for position in 0..positions {
            for pair in 0..half {
                let frequency = base.powf(-2.0 * pair as f32 / width as f32);
                let (sine, cosine) = (position as f32 * frequency).sin_cos();
                table.push((cosine, sine));
            }
        }
        Self { table, half }
    }

    /// Rotates `[n, h, d]`, whose first row is at position `start`, and turns it to `[h, n, d]`.
    pub fn forward(&self, input: &Tensor, start: usize) -> Result<Tensor> {
        input.apply_op1_no_bwd(&RotateFrom { rotation: self, start })
    }
}

struct RotateFrom<'a> {
    rotation: &'a Rotation,
    start: usize,
}

impl CustomOp1 for RotateFrom<'_> {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = rows(storage, layout, self.name())?;
        let (count, heads, _) = layout.shape().dims3()?;
        let half = self.rotation.half;
        let positions = self.rotation.table.len() / half;
        if width != 2 * half || self.start + count > positions {
            bail!("cannot rotate {layout:?} from position {} of {positions}", self.start)
        }
        let mut output = vec![0.0; layout.shape().elem_count()];
        for (index, row) in rows.enumerate() {
            let (token, head) = (index / heads, index % heads);
            let at = (self.start + token) * half;
            let turns = &self.rotation.table[at..at + half];
            let place = (head * count + token) * width;
            let target = output[place..place + width].chunks_exact_mut(2);
            for ((pair, turned), (cosine, sine)) in row.chunks_exact(2).zip(target).zip(turns) {
                turned[0] = pair[0] * cosine - pair[1] * sine;
                turned[1] = pair[0] * sine + pair[1] * cosine;
            }
        }
        Ok((CpuStorage::F32(output), Shape::from((heads, count, width))))
    }
}

/// Softmax over the first columns of each row; the columns after them get exactly 0.
///
/// `visible` gives for the number of a row (counted over all leading dimensions) how many columns it may see. So one
/// operation serves both the causal mask of a decoder and the padding mask of an encoder, and no mask is ever stored.
pub struct VisibleSoftmax<F> {
    /// Multiplied with the scores before the softmax.
    pub scale: f32,
    /// Row number to visible columns; at least 1 and at most the width.
    pub visible: F,
}

impl<F: Fn(usize) -> usize> VisibleSoftmax<F> {
    /// `[…, t]` to the same shape.
    pub fn forward(&self, scores: &Tensor) -> Result<Tensor> {
        scores.apply_op1_no_bwd(self)
    }
}

impl<F: Fn(usize) -> usize> CustomOp1 for VisibleSoftmax<F> {
    fn name(&self) -> &'static str {
        "visible_softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = rows(storage, layout, self.name())?;
        let mut output = vec![0.0; layout.shape().elem_count()];
        for (index, (row, shares)) in rows.zip(output.chunks_exact_mut(width)).enumerate() {
            let visible = (self.visible)(index);
            if visible == 0 || visible > width {
                bail!("row {index} of {layout:?} cannot see {visible} columns")
            }
            let row = &row[..visible];
            let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for (share, score) in shares.iter_mut().zip(row) {
                *share = ((score - highest) * self.scale).exp();
                total += *share;
            }
            for share in &mut shares[..visible] {
                *share /= total;
            }
        }
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn close(tensor: &Tensor, expected: &[f32]) {
        let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values.len(), expected.len());
        for (value, wanted) in values.iter().zip(expected) {
            assert!((value - wanted).abs() < 1e-5, "{values:?} instead of {expected:?}");
        }
    }

    #[test]
    fn rms_norm_of_known_numbers() {
        // Mean square of (3, 4) is 12.5, its root 3.5355.
        let norm = RmsNorm { weight: vec![1.0, 2.0], epsilon: 0.0 };
        let input = Tensor::new(&[[3f32, 4.0], [0.3, 0.4]], &Device::Cpu).unwrap();
        close(&norm.forward(&input).unwrap(), &[0.848_528, 2.262_742, 0.848_528, 2.262_742]);
    }

    #[test]
    fn layer_norm_of_known_numbers() {
        let norm = LayerNorm { weight: vec![1.0, 2.0], bias: vec![0.5, 0.0], epsilon: 0.0 };
        let input = Tensor::new(&[[1f32, 3.0]], &Device::Cpu).unwrap();
        close(&norm.forward(&input).unwrap(), &[-0.5, 2.0]);
    }

    #[test]
    fn rotation_turns_pairs_by_position_and_puts_heads_first() {
        // Width 2 has one pair with frequency 1: position p turns by p radians. Two tokens, two heads.
        let rotation = Rotation::new(4, 2, 10_000.0);
        let input =
            Tensor::new(&[[[1f32, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], &Device::Cpu).unwrap();
        let turned = rotation.forward(&input, 1).unwrap();
        let (s1, c1) = 1f32.sin_cos();
        let (s2, c2) = 2f32.sin_cos();
        close(&turned, &[c1, s1, c2, s2, -s1, c1, -s2, c2]);
        assert!(rotation.forward(&input, 3).is_err(), "position 4 is beyond the table");
    }

    #[test]
    fn softmax_sees_only_the_visible_columns() {
        let scores = Tensor::new(&[[0f32, 4f32.ln(), 9.0], [0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let softmax = VisibleSoftmax { scale: 1.0, visible: |row| if row == 0 { 2 } else { 3 } };
        close(&softmax.forward(&scores).unwrap(), &[0.2, 0.8, 0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
        let nothing = VisibleSoftmax { scale: 1.0, visible: |_| 0 };
        assert!(nothing.forward(&scores).is_err());
        let beyond = VisibleSoftmax { scale: 1.0, visible: |_| 4 };
        assert!(beyond.forward(&scores).is_err());
    }

    #[test]
    fn strided_inputs_are_refused() {
        let norm = RmsNorm { weight: vec![1.0, 1.0], epsilon: 0.0 };
        let input = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap().t().unwrap();
        assert!(norm.forward(&input).is_err());
    }
}
