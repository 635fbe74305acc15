//! Convolution by gathering: every result sums the pixels that its taps reach.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::plane::{Plane, SLACK};
use super::weights::Weights;
use crate::kernel::element::Element;
use crate::kernel::memory::{self, Scratch};
use crate::kernel::parallel;
use crate::kernel::tile::{self, Sink, Tile};

/// `r[n, o, t] = bias[o] + sum over i, k of weight(o, i, k) x[n, i, plane(k, t)]` in every group.
///
/// Work: `batch * outputs * inputs * taps * output` fused multiplications, at full speed for 4
/// channels of results or more.
pub struct Gather<'a, E> {
    /// Images times groups.
    pub batch: usize,
    /// Number of groups.
    pub groups: usize,
    /// Channels read, in one group.
    pub inputs: usize,
    /// Channels written, in one group.
    pub outputs: usize,
    /// Size of the channels read.
    pub source: [usize; 2],
    /// Size of the channels written.
    pub target: [usize; 2],
    /// Layout of the channels read.
    pub plane: Plane,
    /// One number a channel written.
    pub bias: Option<&'a [E]>,
}

impl<E: Element> Gather<'_, E> {
    /// Runs the sum over `x [batch, groups, inputs, source]`; `weights.at(group, o, i, k)` counts
    /// the channels within the group.
    #[allow(unsafe_code)]
    pub fn run(&self, x: &[E], weights: &Weights<'_, E>) -> Vec<E> {
        let count = [self.batch * self.groups, self.inputs];
        let planes = planes(x, self.source, &self.plane, count);
        let area = self.target[0] * self.target[1];
        let length = count[0] * self.outputs * area;
        let write = |results: &mut [MaybeUninit<E>]| {
            if !results.is_empty() {
                self.gather(&planes, weights, results);
            }
        };
        // SAFETY: every block of channels of every image is one job; a job's tiles cover every row of
        // its channels, and `Rows` writes all of a tile that lies in a row.
        unsafe { memory::written(length, write) }
    }
}

/// Every channel of `x [count, inputs, image]` in the layout `plane`, channels in order, with room
/// to read past the end.
pub fn planes<E: Element>(
    x: &[E],
    image: [usize; 2],
    plane: &Plane,
    [count, inputs]: [usize; 2],
) -> Scratch<E> {
    let area = image[0] * image[1];
    memory::zeroed_chunks(count, inputs * plane.stride, SLACK, &|index, planes| {
        let channels = &x[index * inputs * area..][..inputs * area];
        let planes = planes.chunks_exact_mut(plane.stride);
        if area > 0 {
            for (to, from) in planes.zip(channels.chunks_exact(area)) {
                plane.fill(from, image, to);
            }
        }
    })
}

/// Columns of weights that a thread packs at a time, at least.
const PACKED: usize = 1 << 9;

/// The channels `first..first + rows` of one image and group.
struct Block<'a, E> {
    image: usize,
    packed: &'a Packed<E>,
    results: &'a mut [MaybeUninit<E>],
}

/// The weights of a block of channels, the channel running fastest.
struct Packed<E> {
    first: usize,
    rows: usize,
    weights: Vec<E>,
}

impl<E: Element> Gather<'_, E> {
    fn gather(&self, planes: &[E], weights: &Weights<'_, E>, results: &mut [MaybeUninit<E>]) {
        let &Gather {
            groups,
            inputs,
            outputs,
            target,
            ref plane,
            ..
        } = self;
        let machine = E::machine();
        let area = target[0] * target[1];
        let blocks = tile::blocks(machine, outputs);
        let offsets: Vec<usize> = (0..inputs)
            .flat_map(|i| {
                plane
                    .offsets
                    .iter()
                    .map(move |offset| i * plane.stride + offset)
            })
            .collect();
        let taps = plane.offsets.len();
        let blocks_of_groups: Vec<_> = (0..groups)
            .flat_map(|group| {
                blocks
                    .iter()
                    .map(move |&(start, rows)| (group, start, rows))
            })
            .collect();
        let least = (PACKED / (inputs * taps)).max(1);
        let packed = parallel::map(blocks_of_groups.len(), least, &|block| {
            let (group, start, rows) = blocks_of_groups[block];
            let mut packed = Vec::with_capacity(inputs * taps * rows);
            for i in 0..inputs {
                for k in 0..taps {
                    packed.extend((start..start + rows).map(|o| weights.at(group, o, i, k)));
                }
            }
            Packed {
                first: group * outputs + start,
                rows,
                weights: packed,
            }
        });
        let tiles: Vec<(usize, Vec<Tile>)> = [1, 2, 4, 8]
            .into_iter()
            .filter(|rows| blocks.iter().any(|(_, used)| used == rows))
            .map(|rows| {
                let widest = tile::widest(machine.registers, rows);
                (
                    rows,
                    tile::tiles(target, plane.pitch, machine.lanes, widest),
                )
            })
            .collect();

        let mut rest = results;
        let mut jobs = Vec::with_capacity(self.batch * packed.len());
        for image in 0..self.batch {
            for packed in &packed {
                let (results, next) = rest.split_at_mut(packed.rows * area);
                rest = next;
                jobs.push(Block {
                    image,
                    packed,
                    results,
                });
            }
        }
        parallel::each(jobs, &|job: Block<'_, E>| {
            E::dispatch(Tiles {
                pixels: &planes
                    [(job.image * groups + job.packed.first / outputs) * inputs * plane.stride..],
                tiles: &tiles
                    .iter()
                    .find(|(rows, _)| *rows == job.packed.rows)
                    .expect("tiles for every block")
                    .1,
                offsets: &offsets,
                target,
                pitch: plane.pitch,
                bias: self
                    .bias
                    .map(|bias| &bias[job.packed.first..][..job.packed.rows]),
                block: job,
            });
        });
    }
}

struct Tiles<'a, E> {
    block: Block<'a, E>,
    pixels: &'a [E],
    tiles: &'a [Tile],
    offsets: &'a [usize],
    target: [usize; 2],
    pitch: usize,
    bias: Option<&'a [E]>,
}

impl<E: Element> WithSimd for Tiles<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Packed {
            rows, ref weights, ..
        } = *self.block.packed;
        let mut sink = Rows {
            results: self.block.results,
            target: self.target,
            pitch: self.pitch,
            start: 0,
            bias: self.bias,
        };
        for tile in self.tiles {
            sink.start = tile.start;
            let pixels = &self.pixels[tile.start..];
            tile::multiply(
                simd,
                (rows, tile.registers),
                weights,
                self.offsets,
                pixels,
                &mut sink,
            );
        }
    }
}

/// Writes a tile into the channels of a result, without the gaps between its rows.
struct Rows<'a, E> {
    results: &'a mut [MaybeUninit<E>],
    target: [usize; 2],
    pitch: usize,
    start: usize,
    bias: Option<&'a [E]>,
}

impl<E: Element> Sink<E> for Rows<'_, E> {
    #[inline(always)]
    fn put<S: Simd, const V: usize>(&mut self, simd: S, row: usize, mut values: [E::Lanes<S>; V]) {
        if let Some(bias) = self.bias {
            let bias = E::splat(simd, bias[row]);
            for value in &mut values {
                *value = E::add_lanes(simd, *value, bias);
            }
        }
        let [height, width] = self.target;
        let lanes = E::lanes::<S>();
        let (mut y, mut x) = (self.start / self.pitch, self.start % self.pitch);
        let channel = &mut self.results[row * height * width..][..height * width];
        if x + V * lanes <= width {
            let place = &mut channel[y * width + x..][..V * lanes];
            let place = E::registers_unwritten::<S>(place);
            for v in 0..V {
                place[v].write(values[v]);
            }
            return;
        }
        let mut left: &[E] = pulp::bytemuck::cast_slice(&values);
        while !left.is_empty() && y < height {
            let count = left.len().min(self.pitch - x);
            let kept = count.min(width.saturating_sub(x));
            if kept > 0 {
                let place = &mut channel[y * width + x..][..kept];
                for (to, from) in place.iter_mut().zip(left) {
                    to.write(*from);
                }
            }
            left = &left[count..];
            (y, x) = (y + 1, 0);
        }
    }
}
