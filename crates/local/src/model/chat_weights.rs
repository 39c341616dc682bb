//! Loading the chat weights, in a form that computes fast.
//!
//! The published file is in Q4_1 (4 bits and a minimum for each block of 32), for which there is no vector code: it
//! computes five times slower than Q8_0 (8 bits). So the weights are requantised once, kept next to the original and
//! loaded from there afterwards. Files are read, not mapped: mapping needs unsafe code, and the weights are all used anyway.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result};

use super::llama::{Metadata, Tensors};
use crate::error::LocalError;
use crate::layout::Layout;

/// Says in the requantised file which original it was made from.
const SOURCE_KEY: &str = "antiphon.requantised_from";

/// Loads the weights of `layout`, requantised; makes the requantised file when it is missing, stale or damaged.
///
/// # Errors
/// [`LocalError::Missing`] without the original, [`LocalError::Unreadable`] when it cannot be used. A folder that cannot be
/// written to is no error: the work is then repeated at the next start, which the log says.
pub fn load(layout: &Layout) -> std::result::Result<(Metadata, Tensors), LocalError> {
    layout.check_chat()?;
    let original = layout.chat_weights();
    let unreadable = |reason: String| LocalError::Unreadable { path: original.clone(), reason };
    let source = source_of(&original).map_err(|error| unreadable(error.to_string()))?;
    let fast = layout.chat_weights_fast();
    if fast.is_file() {
        match read(&fast, Ok) {
            Ok((metadata, tensors)) if is_made_from(&metadata, &source) => return Ok((metadata, tensors)),
            Ok(_) => {
                tracing::info!(file = %fast.display(), "the requantised weights belong to another file; making them again");
            }
            Err(error) => {
                tracing::warn!(file = %fast.display(), %error, "the requantised weights are damaged; making them again");
            }
        }
    }
    let (mut metadata, tensors) =
        read(&original, requantise).map_err(|error| unreadable(error.to_string()))?;
    metadata.insert(SOURCE_KEY.to_owned(), Value::String(source));
    if let Err(error) = write(&fast, &metadata, &tensors) {
        tracing::warn!(file = %fast.display(), %error, "cannot keep the requantised weights; each start will take about a second longer. Make the folder writable");
    }
    Ok((metadata, tensors))
}

fn source_of(original: &Path) -> std::io::Result<String> {
    let name = original.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(format!("{name}, {} bytes", std::fs::metadata(original)?.len()))
}

fn is_made_from(metadata: &Metadata, source: &str) -> bool {
    matches!(metadata.get(SOURCE_KEY), Some(Value::String(made_from)) if made_from == source)
}

/// Reads a GGUF file tensor by tensor, each passed through `convert`.
fn read(path: &Path, convert: impl Fn(QTensor) -> Result<QTensor>) -> Result<(Metadata, Tensors)> {
    let mut file = BufReader::new(File::open(path)?);
    let content = Content::read(&mut file)?;
    let mut tensors = Tensors::with_capacity(content.tensor_infos.len());
    for name in content.tensor_infos.keys() {
        let tensor = convert(content.tensor(&mut file, name, &Device::Cpu)?)?;
        tensors.insert(name.clone(), tensor);
    }
    Ok((content.metadata, tensors))
}

/// Matrices become Q8_0; vectors and what is Q8_0 already stay.
fn requantise(tensor: QTensor) -> Result<QTensor> {
    let block = GgmlDType::Q8_0.block_size();
    let fits = tensor.shape().dims().last().is_some_and(|columns| columns.is_multiple_of(block));
    if tensor.rank() < 2 || tensor.dtype() == GgmlDType::Q8_0 || !fits {
        return Ok(tensor);
    }
    QTensor::quantize(&tensor.dequantize(&Device::Cpu)?, GgmlDType::Q8_0)
}

/// Writes to a temporary name and renames, so that a crash or a second process never leaves half a file.
fn write(path: &Path, metadata: &Metadata, tensors: &Tensors) -> Result<()> {
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let attempt = || -> Result<()> {
        let mut file = BufWriter::new(File::create(&temporary)?);
        let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        gguf_file::write(&mut file, &metadata, &tensors)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&temporary, path)?;
        Ok(())
    };
    attempt().inspect_err(|_| {
        // The error that matters is the first; what is left over is only a file to remove.
        drop(std::fs::remove_file(&temporary));
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_weights::{small_metadata, small_tensors};
    use super::*;
    use crate::layout::LocalModel;

    fn folder_with_original() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = LocalModel::layout(folder.path());
        let small: Tensors = small_tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let matrix = tensor.rank() == 2;
                let tensor = tensor.dequantize(&Device::Cpu).unwrap();
                let form = if matrix { GgmlDType::Q4_1 } else { GgmlDType::F32 };
                (name, QTensor::quantize(&tensor, form).unwrap())
            })
            .collect();
        write(&layout.chat_weights(), &small_metadata(), &small).unwrap();
        (folder, layout)
    }

    fn forms(tensors: &Tensors) -> (GgmlDType, GgmlDType) {
        (tensors["blk.0.attn_q.weight"].dtype(), tensors["blk.0.attn_norm.weight"].dtype())
    }

    #[test]
    fn requantises_once_and_then_reads_the_copy() {
        let (folder, layout) = folder_with_original();
        let (_, first) = load(&layout).unwrap();
        assert_eq!(forms(&first), (GgmlDType::Q8_0, GgmlDType::F32));
        let made = std::fs::metadata(layout.chat_weights_fast()).unwrap().modified().unwrap();
        let (metadata, second) = load(&layout).unwrap();
        assert_eq!(std::fs::metadata(layout.chat_weights_fast()).unwrap().modified().unwrap(), made);
        assert_eq!(metadata["llama.block_count"].to_u32().unwrap(), 2);
        for (name, tensor) in &first {
            assert_eq!(tensor.data().unwrap(), second[name].data().unwrap(), "{name}");
        }
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 2, "no temporary file is left");
    }

    #[test]
    fn a_damaged_or_foreign_copy_is_made_again() {
        let (_folder, layout) = folder_with_original();
        load(&layout).unwrap();
        let good = std::fs::read(layout.chat_weights_fast()).unwrap();
        std::fs::write(layout.chat_weights_fast(), &good[..good.len() / 2]).unwrap();
        load(&layout).unwrap();
        assert_eq!(std::fs::metadata(layout.chat_weights_fast()).unwrap().len(), good.len() as u64);

        std::fs::copy(layout.chat_weights(), layout.chat_weights_fast()).unwrap();
        let (_, tensors) = load(&layout).unwrap();
        assert_eq!(forms(&tensors).0, GgmlDType::Q8_0);
    }

    #[test]
    fn a_damaged_original_is_an_error_with_the_remedy() {
        let (_folder, layout) = folder_with_original();
        std::fs::write(layout.chat_weights(), b"GGUF but not really").unwrap();
        let message = load(&layout).unwrap_err().to_string();
        assert!(message.contains("scripts/fetch-local-model"), "{message}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_only_the_copy() {
        let (_folder, layout) = folder_with_original();
        // A folder in the place of the copy stops the rename for every user, also for root.
        std::fs::create_dir(layout.chat_weights_fast()).unwrap();
        let (_, tensors) = load(&layout).unwrap();
        assert_eq!(forms(&tensors).0, GgmlDType::Q8_0);
    }
}
