//! An image filter.

use plugin_core::Result;
use tests::{ImageFilter, Size};

/// Turns dark into light.
pub(super) struct Negative;

impl ImageFilter for Negative {
    fn name(&self) -> Result<String> {
        Ok("Negative".to_owned())
    }
    fn apply(&self, size: &Size, pixels: &[u8], progress: &dyn Fn(f32) -> bool) -> Result<Vec<u8>> {
        let line = size.width as usize * 3;
        if pixels.len() != line * size.height as usize {
            return Err("the image has more or fewer pixels than it says".into());
        }
        let mut done = Vec::with_capacity(pixels.len());
        for line in pixels.chunks(line.max(1)) {
            done.extend(line.iter().map(|byte| !byte));
            if !progress(done.len() as f32 / pixels.len() as f32) {
                return Err("stopped by the user".into());
            }
        }
        Ok(done)
    }
}
