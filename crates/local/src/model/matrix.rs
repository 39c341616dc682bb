//! Multiplication with a quantised matrix, in the way that is quicker for the number of rows.

use std::sync::Arc;

use candle_core::quantized::{QMatMul, QTensor};
use candle_core::{Device, Module, Result, Tensor};

/// From this many rows on it is quicker to make the matrix `f32` for the moment and use the general multiplication, whose cost for
/// a row falls as rows are added; the quantised one costs the same for each. Measured with Q8_0 on AVX-512: 16 rows are even with
/// 12, and 64 rows take a third of the time.
const MANY_ROWS: usize = 16;

/// A quantised matrix `[out, in]`.
#[derive(Debug)]
pub struct Matrix {
    weights: Arc<QTensor>,
    multiply: QMatMul,
}

impl Matrix {
    /// A matrix of these weights, which may be shared.
    pub fn new(weights: Arc<QTensor>) -> Result<Self> {
        Ok(Self { multiply: QMatMul::from_arc(weights.clone())?, weights })
    }

    /// `[n, in]` to `[n, out]`.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        if input.dim(0)? < MANY_ROWS {
            self.multiply.forward(input)
        } else {
            input.matmul(&self.weights.dequantize(&Device::Cpu)?.t()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::GgmlDType;

    #[test]
    fn both_ways_give_the_same() {
        let weights = Tensor::randn(0f32, 1.0, (24, 64), &Device::Cpu).unwrap();
        let matrix = Matrix::new(Arc::new(QTensor::quantize(&weights, GgmlDType::Q8_0).unwrap())).unwrap();
        let input = Tensor::randn(0f32, 1.0, (MANY_ROWS, 64), &Device::Cpu).unwrap();
        let many = matrix.forward(&input).unwrap().to_vec2::<f32>().unwrap();
        for (index, row) in many.iter().enumerate() {
            let one = matrix.forward(&input.narrow(0, index, 1).unwrap()).unwrap();
            for (left, right) in row.iter().zip(one.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
                // Rows are rounded to 8 bits in the quantised way: sums of 64 products differ by less than 1 %.
                assert!((left - right).abs() < 0.25, "{left} and {right}");
            }
        }
    }
}
