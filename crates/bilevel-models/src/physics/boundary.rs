//! What lies outside of an image.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// What a blur sees beyond the edge of an image.
///
/// For a row `a b c d` and two pixels on each side:
///
/// | boundary | row |
/// |---|---|
/// | `Reflect` | `c b · a b c d · c b` |
/// | `Periodic` | `c d · a b c d · a b` |
/// | `Zero` | `0 0 · a b c d · 0 0` |
/// | `Valid` | nothing is added: data are smaller than the image |
///
/// `Reflect` is the usual choice for photographs; `Valid` is the only one that claims nothing about
/// what the camera did not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boundary {
    /// The mirror image, in which the pixels of the edge itself are not repeated.
    #[default]
    Reflect,
    /// The image again.
    Periodic,
    /// Black.
    Zero,
    /// Nothing: only pixels whose surroundings are all in the image have data.
    Valid,
}

impl Boundary {
    /// `P u`: images with `m` pixels more at each edge, `[n, c, h, w]` to `[n, c, h + 2m, w + 2m]`;
    /// unchanged for [`Valid`](Self::Valid).
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_models::physics::Boundary;
    /// use burn::tensor::{Shape, Tensor};
    ///
    /// let u = Tensor::<Cpu, 4>::from_data([[[[1.0, 2.0], [3.0, 4.0]]]], &Default::default());
    /// let padded = Boundary::Reflect.pad(u, 1);
    /// assert_eq!(padded.shape(), Shape::new([1, 1, 4, 4]));
    /// let rows: Vec<f64> = padded.into_data().iter::<f64>().collect();
    /// assert_eq!(rows[..4], [4.0, 3.0, 4.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If `m` is more than the other pixels of a row or column (`Reflect`: `m < h, w`; `Periodic`:
    /// `m ≤ h, w`).
    pub fn pad<B: Backend>(self, images: Tensor<B, 4>, m: usize) -> Tensor<B, 4> {
        if m == 0 || self == Self::Valid {
            return images;
        }
        [2, 3].into_iter().fold(images, |u, axis| {
            let n = u.dims()[axis];
            let (before, after) = match self {
                Self::Reflect => (
                    u.clone().narrow(axis, 1, m).flip([axis as isize]),
                    u.clone().narrow(axis, n - 1 - m, m).flip([axis as isize]),
                ),
                Self::Periodic => (
                    u.clone().narrow(axis, n - m, m),
                    u.clone().narrow(axis, 0, m),
                ),
                Self::Zero | Self::Valid => {
                    let zeros = zeros_like(&u, axis, m);
                    (zeros.clone(), zeros)
                }
            };
            Tensor::cat(vec![before, u, after], axis)
        })
    }

    /// `Pᵀ z`, the adjoint of [`pad`](Self::pad): what was copied is added up where it came from.
    ///
    /// `⟨P u, z⟩ = ⟨u, Pᵀ z⟩` for all `u` and `z`. `[n, c, h + 2m, w + 2m]` to `[n, c, h, w]`.
    ///
    /// # Panics
    /// As `pad`, for the smaller image.
    pub fn pad_adjoint<B: Backend>(self, padded: Tensor<B, 4>, m: usize) -> Tensor<B, 4> {
        if m == 0 || self == Self::Valid {
            return padded;
        }
        [3, 2].into_iter().fold(padded, |z, axis| {
            let n = z.dims()[axis] - 2 * m;
            let before = z.clone().narrow(axis, 0, m);
            let after = z.clone().narrow(axis, m + n, m);
            let inside = z.narrow(axis, m, n);
            match self {
                Self::Reflect => {
                    let [before, after] = [before, after].map(|side| side.flip([axis as isize]));
                    inside
                        + among_zeros(before, axis, 1, n)
                        + among_zeros(after, axis, n - 1 - m, n)
                }
                Self::Periodic => {
                    inside + among_zeros(before, axis, n - m, n) + among_zeros(after, axis, 0, n)
                }
                Self::Zero | Self::Valid => inside,
            }
        })
    }

    /// Height and width after [`pad`](Self::pad).
    pub(super) fn padded_size(self, size: [usize; 2], m: usize) -> [usize; 2] {
        match self {
            Self::Valid => size,
            _ => size.map(|n| n + 2 * m),
        }
    }
}

/// Zeros in the shape of `t`, but `length` long on `axis`.
fn zeros_like<B: Backend>(t: &Tensor<B, 4>, axis: usize, length: usize) -> Tensor<B, 4> {
    let mut shape = t.dims();
    shape[axis] = length;
    Tensor::zeros(shape, &t.device())
}

/// `part` from position `at` of an axis of length `n`, zeros elsewhere.
fn among_zeros<B: Backend>(part: Tensor<B, 4>, axis: usize, at: usize, n: usize) -> Tensor<B, 4> {
    let after = n - at - part.dims()[axis];
    let zeros = |length| (length > 0).then(|| zeros_like(&part, axis, length));
    let (before, after) = (zeros(at), zeros(after));
    let pieces = [before, Some(part), after].into_iter().flatten().collect();
    Tensor::cat(pieces, axis)
}
