//! One channel of an image, laid out so that every tap of a kernel reads a shifted copy of it.

use super::geometry::Geometry;

/// The layout of a padded channel in which a convolution of any stride has stride one.
///
/// The padded channel is split into `stride[0] * stride[1]` phases (the pixels whose row and column
/// have the same remainder), each a plane of `rows x pitch`. Result `t = (a, b)` has the flat index
/// `a * pitch + b`, and tap `k` reads it at `offsets[k] + a * pitch + b`: consecutive results read
/// consecutive memory, whatever the stride and the dilation.
#[derive(Clone, Debug)]
pub struct Plane {
    rows: usize,
    /// Distance of two rows.
    pub pitch: usize,
    phases: [usize; 2],
    padding: [isize; 2],
    /// Distance of two channels: a channel's phases, and room that keeps channels off each other's
    /// cache lines.
    pub stride: usize,
    /// Where each tap of the kernel begins.
    pub offsets: Vec<usize>,
}

/// Elements that a kernel may read past the last channel, when its last tile is not full.
pub const SLACK: usize = 256;

impl Plane {
    /// The layout of an image's channel, read by the results of `geometry`.
    pub fn of_image(geometry: &Geometry) -> Self {
        let Geometry {
            output,
            kernel,
            stride,
            dilation,
            padding,
            ..
        } = *geometry;
        Self::new(
            output,
            kernel,
            stride,
            dilation,
            padding.map(|p| p as isize),
        )
    }

    /// The layout of a result's channel, read by the pixels of the image: the kernel is turned by
    /// 180 degrees and the padding becomes `dilation (kernel - 1) - padding` (negative: rows are
    /// cut off). Only for stride one.
    pub fn of_output(geometry: &Geometry) -> Self {
        debug_assert_eq!(geometry.stride, [1, 1]);
        let Geometry {
            image,
            kernel,
            dilation,
            padding,
            ..
        } = *geometry;
        let padding =
            [0, 1].map(|d| (dilation[d] * (kernel[d] - 1)) as isize - padding[d] as isize);
        Self::new(image, kernel, [1, 1], dilation, padding)
    }

    fn new(
        output: [usize; 2],
        kernel: [usize; 2],
        phases: [usize; 2],
        dilation: [usize; 2],
        padding: [isize; 2],
    ) -> Self {
        let reach = |d: usize| (kernel[d] - 1) * dilation[d] / phases[d];
        let [rows, pitch] = [0, 1].map(|d| output[d] + reach(d));
        let phase = rows * pitch;
        let offset = |k: [usize; 2]| {
            let at = [0, 1].map(|d| k[d] * dilation[d]);
            let which = (at[0] % phases[0]) * phases[1] + at[1] % phases[1];
            which * phase + at[0] / phases[0] * pitch + at[1] / phases[1]
        };
        let offsets = (0..kernel[0])
            .flat_map(|a| (0..kernel[1]).map(move |b| [a, b]))
            .map(offset)
            .collect();
        // An odd number of cache lines: channels of a power-of-two size would share a few of them.
        let lines = (phases[0] * phases[1] * phase).div_ceil(LINE) | 1;
        Self {
            rows,
            pitch,
            phases,
            padding,
            stride: lines * LINE,
            offsets,
        }
    }

    /// Flat length of the results: from the first to one past the last.
    pub fn span(&self, output: [usize; 2]) -> usize {
        match output {
            [0, _] | [_, 0] => 0,
            [height, width] => (height - 1) * self.pitch + width,
        }
    }

    /// Calls `visit(pixels, cells, step)` for every run of pixels that has cells in the plane:
    /// pixel `p` of the run stands at `cells + (p - pixels.start) / step`, for every `step`-th
    /// pixel.
    fn runs(&self, image: [usize; 2], mut visit: impl FnMut(usize, usize, usize, usize)) {
        let [height, width] = image.map(|n| n as isize);
        let [sy, sx] = self.phases;
        for phase_y in 0..sy {
            for row in 0..self.rows {
                let y = (row * sy + phase_y) as isize - self.padding[0];
                if !(0..height).contains(&y) {
                    continue;
                }
                for phase_x in 0..sx {
                    // x = column * sx + phase_x - padding within the image
                    let shift = self.padding[1] - phase_x as isize;
                    let first = shift.max(0).unsigned_abs().div_ceil(sx);
                    let end = (width + shift)
                        .max(0)
                        .unsigned_abs()
                        .div_ceil(sx)
                        .min(self.pitch);
                    if first < end {
                        let x = (first * sx) as isize - shift;
                        let cell =
                            ((phase_y * sx + phase_x) * self.rows + row) * self.pitch + first;
                        visit((y * width + x) as usize, cell, end - first, sx);
                    }
                }
            }
        }
    }

    /// Writes a channel of `image` size into a plane that was zero.
    pub fn fill<E: Copy>(&self, channel: &[E], image: [usize; 2], plane: &mut [E]) {
        self.runs(image, |pixel, cell, count, step| {
            let cells = &mut plane[cell..cell + count];
            if step == 1 {
                cells.copy_from_slice(&channel[pixel..pixel + count]);
            } else {
                let pixels = channel[pixel..].iter().step_by(step);
                cells.iter_mut().zip(pixels).for_each(|(c, p)| *c = *p);
            }
        });
    }

    /// Adds a plane to a channel of `image` size: the adjoint of [`fill`](Self::fill).
    pub fn drain<E: Copy + std::ops::AddAssign>(
        &self,
        plane: &[E],
        image: [usize; 2],
        channel: &mut [E],
    ) {
        self.runs(image, |pixel, cell, count, step| {
            let pixels = channel[pixel..].iter_mut().step_by(step);
            let cells = &plane[cell..cell + count];
            pixels.zip(cells).for_each(|(p, c)| *p += *c);
        });
    }
}

/// Elements of a cache line of 64 bytes, for `f32`.
const LINE: usize = 16;
