//! The adjoint of gathering: every pixel is spread over the results that its taps reach.

use pulp::{Simd, WithSimd};

use super::plane::{Plane, SLACK};
use super::weights::Weights;
use crate::kernel::element::Element;
use crate::kernel::memory;
use crate::kernel::parallel;
use crate::kernel::tile::{self, Sink, Tile};

/// `x[n, o, plane(k, t)] += sum over i of weight(i, o, k) r[n, i, t]`.
///
/// A matrix product with `outputs * taps` rows, whose blocks are added to shifted places of a plane
/// while they are still in cache. Work: as many fused multiplications as for gathering, at full
/// speed for 8 channels read or more, however few are written.
pub struct Scatter<'a, E> {
    /// Number of images.
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
    /// Layout of the channels written.
    pub plane: Plane,
    /// One number a channel written.
    pub bias: Option<&'a [E]>,
}

impl<E: Element> Scatter<'_, E> {
    /// Runs the sum over `r [batch, groups, inputs, source]`; `weights.at(group, o, i, k)` counts
    /// the channels within the group.
    pub fn run(&self, r: &[E], weights: &Weights<'_, E>) -> Vec<E> {
        let area = self.target[0] * self.target[1];
        let mut results = vec![E::default(); self.batch * self.groups * self.outputs * area];
        if !results.is_empty() {
            self.scatter(r, weights, &mut results);
        }
        results
    }
}

/// Parts that the work is cut into, at least.
const SHARES: usize = 8;

/// The weights of a block of rows, the row running fastest, and where each row is added.
struct Packed<E> {
    rows: usize,
    places: Vec<usize>,
    weights: Vec<E>,
}

impl<E: Element> Scatter<'_, E> {
    fn scatter(&self, r: &[E], weights: &Weights<'_, E>, results: &mut [E]) {
        let &Scatter {
            batch,
            groups,
            inputs,
            outputs,
            source,
            target,
            ref plane,
            bias,
        } = self;
        let machine = E::machine();
        let area = target[0] * target[1];
        let taps = plane.offsets.len();
        let packed: Vec<Vec<Packed<E>>> = (0..groups)
            .map(|group| {
                tile::blocks(machine, outputs * taps)
                    .into_iter()
                    .map(|(first, rows)| {
                        let rows_of = first..first + rows;
                        let places = rows_of
                            .clone()
                            .map(|m| m / taps * plane.stride + plane.offsets[m % taps]);
                        let columns = (0..inputs).flat_map(|i| {
                            let at = move |m| weights.at(group, m / taps, i, m % taps);
                            rows_of.clone().map(at)
                        });
                        Packed {
                            rows,
                            places: places.collect(),
                            weights: columns.collect(),
                        }
                    })
                    .collect()
            })
            .collect();
        // One panel of pixels for all blocks: as wide as the highest of them takes it.
        let highest = packed[0]
            .iter()
            .map(|packed| packed.rows)
            .max()
            .expect("a row at least");
        let widest = tile::widest(machine.registers, highest);
        let tiles = tile::tiles(source, plane.pitch, machine.lanes, widest);
        // Few images: the tiles of one are shared out, each share with a plane of its own. (Never by the
        // number of threads: the result must not depend on it.)
        let shares = SHARES.div_ceil(batch * groups).min(tiles.len()).max(1);
        let share = tiles.len().div_ceil(shares).max(1);
        let source_area = source[0] * source[1];
        parallel::chunks(results, outputs * area, &|index, channels| {
            let group = index % groups;
            let planes = parallel::map(tiles.len().div_ceil(share), 1, &|part| {
                let mut planes = memory::zeros(outputs * plane.stride + SLACK);
                E::dispatch(Tiles {
                    r: &r[index * inputs * source_area..][..inputs * source_area],
                    source,
                    pitch: plane.pitch,
                    tiles: parallel::chunk(&tiles, share, part),
                    packed: &packed[group],
                    planes: &mut planes,
                });
                planes
            });
            for (o, channel) in channels.chunks_exact_mut(area).enumerate() {
                if let Some(bias) = bias {
                    channel.fill(bias[group * outputs + o]);
                }
                for planes in &planes {
                    plane.drain(&planes[o * plane.stride..], target, channel);
                }
            }
        });
    }
}

struct Tiles<'a, E> {
    r: &'a [E],
    source: [usize; 2],
    pitch: usize,
    tiles: &'a [Tile],
    packed: &'a [Packed<E>],
    planes: &'a mut [E],
}

impl<E: Element> WithSimd for Tiles<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [height, width] = self.source;
        let area = height * width;
        let inputs = self.r.len() / area;
        let lanes = E::lanes::<S>();
        let widest = self
            .tiles
            .iter()
            .map(|tile| tile.registers)
            .max()
            .unwrap_or(0);
        let mut panel = memory::zeros::<E>(inputs * widest * lanes);
        let mut sink = Places {
            planes: self.planes,
            places: &[],
            start: 0,
        };
        for tile in self.tiles {
            let length = tile.registers * lanes;
            let offsets: Vec<usize> = (0..inputs).map(|i| i * length).collect();
            let panel = &mut panel[..inputs * length];
            let (y, x) = (tile.start / self.pitch, tile.start % self.pitch);
            let rows = panel
                .chunks_exact_mut(length)
                .zip(self.r.chunks_exact(area));
            if x + length <= width {
                for (row, channel) in rows {
                    let to = E::registers_mut::<S>(row);
                    let from = E::registers::<S>(&channel[y * width + x..][..length]);
                    for (to, from) in to.iter_mut().zip(from) {
                        *to = *from;
                    }
                }
            } else {
                for (row, channel) in rows {
                    row.fill(E::default());
                    let (mut y, mut x, mut at) = (y, x, 0);
                    while at < tile.end - tile.start && y < height {
                        let count = (tile.end - tile.start - at).min(self.pitch - x);
                        let kept = count.min(width.saturating_sub(x));
                        if kept > 0 {
                            row[at..at + kept].copy_from_slice(&channel[y * width + x..][..kept]);
                        }
                        (y, x, at) = (y + 1, 0, at + count);
                    }
                }
            }
            sink.start = tile.start;
            for packed in self.packed {
                sink.places = &packed.places;
                let block = (packed.rows, tile.registers);
                tile::multiply(simd, block, &packed.weights, &offsets, panel, &mut sink);
            }
        }
    }
}

/// Adds the rows of a block to the planes, each at its tap's place.
struct Places<'a, E> {
    planes: &'a mut [E],
    places: &'a [usize],
    start: usize,
}

impl<E: Element> Sink<E> for Places<'_, E> {
    #[inline(always)]
    fn put<S: Simd, const V: usize>(&mut self, simd: S, row: usize, values: [E::Lanes<S>; V]) {
        let place = &mut self.planes[self.places[row] + self.start..][..V * E::lanes::<S>()];
        let place = E::registers_mut::<S>(place);
        for v in 0..V {
            place[v] = E::add_lanes(simd, place[v], values[v]);
        }
    }
}
