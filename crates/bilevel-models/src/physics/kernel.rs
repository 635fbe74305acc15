//! Blur kernels.

use burn::module::{Module, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::Error;
use crate::error::{ErrorKind, finite, positive};

/// A blur kernel: the image of a point of light.
///
/// Known kernels are fixed, which is how the constructors make them. [`learned`](Self::learned)
/// makes the kernel an upper variable (semi-blind deblurring). Burn's `no_grad` fixes it again.
#[derive(Module, Debug)]
pub struct Kernel<B: Backend> {
    /// `[1, 1, k, k]` with k odd. Not changed to sum to one.
    pub weights: Param<Tensor<B, 4>>,
}

impl<B: Backend> Kernel<B> {
    /// The kernel with given weights, `[1, 1, k, k]`.
    ///
    /// # Errors
    /// If it is not an odd square.
    pub fn new(weights: Tensor<B, 4>) -> Result<Self, Error> {
        let kernel = Self {
            weights: Param::initialized(ParamId::new(), weights.set_require_grad(false)),
        };
        kernel.size().map(|_| kernel)
    }

    /// The `size`×`size` kernel with given numbers, row by row.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_models::physics::Kernel;
    ///
    /// assert!(Kernel::<Cpu>::from_numbers(3, &[1.0 / 9.0; 9], &Default::default()).is_ok());
    /// let error = Kernel::<Cpu>::from_numbers(3, &[0.25; 4], &Default::default()).unwrap_err();
    /// assert_eq!(error.to_string(), "a 3x3 kernel has 9 entries, got 4");
    /// ```
    ///
    /// # Errors
    /// If `size` is even, there are not `size²` numbers, or one of them is not finite.
    pub fn from_numbers(size: usize, numbers: &[f64], device: &B::Device) -> Result<Self, Error> {
        let found = numbers.len();
        if found != size * size {
            return Err(ErrorKind::KernelEntries { size, found }.into());
        }
        for number in numbers {
            finite("an entry of the kernel", *number)?;
        }
        let data = TensorData::new(numbers.to_vec(), [1, 1, size, size]);
        Self::new(Tensor::from_data(data, device))
    }

    /// A Gaussian, sampled at the pixels and normalised to one.
    ///
    /// ```text
    /// k(a, b) ∝ exp(−(a² + b²) / 2σ²)      |a|, |b| ≤ (size − 1) / 2
    /// ```
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_models::physics::Kernel;
    ///
    /// Cpu::use_f64().expect("the first tensors");
    /// let kernel = Kernel::<Cpu>::gaussian(5, 1.0, &Default::default())?;
    /// let total = kernel.weights.val().sum().into_data().to_vec::<f64>().unwrap();
    /// assert!((total[0] - 1.0).abs() < 1e-12);
    /// # Ok::<(), bilevel_models::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `size` is even or above 999, or `sigma` is not positive.
    pub fn gaussian(size: usize, sigma: f64, device: &B::Device) -> Result<Self, Error> {
        check_length(size as f64)?;
        positive("sigma of the Gaussian", sigma)?;
        let half = size as f64 / 2.0 - 0.5;
        let side: Vec<f64> = (0..size)
            .map(|i| (-(i as f64 - half).powi(2) / (2.0 * sigma * sigma)).exp())
            .collect();
        let weights = side.iter().flat_map(|a| side.iter().map(move |b| a * b));
        Self::from_numbers(size, &normalised(weights.collect()), device)
    }

    /// Uniform motion along a straight line of `length` pixels while the shutter is open,
    /// normalised to one.
    ///
    /// `angle` is in radians from the horizontal to the vertical (up). The line is split between
    /// the four pixels around each of its points, by their distances (anti-aliased). The kernel is
    /// the smallest odd square around it.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_models::physics::Kernel;
    ///
    /// let kernel = Kernel::<Cpu>::motion(2.0, 0.0, &Default::default())?;
    /// let weights: Vec<f64> = kernel.weights.val().into_data().iter::<f64>().collect();
    /// for (weight, expected) in weights.iter().zip([0.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0, 0.0, 0.0]) {
    ///     assert!((weight - expected).abs() < 1e-12);
    /// }
    /// # Ok::<(), bilevel_models::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `length` is not positive or above 999, or `angle` is not finite.
    pub fn motion(length: f64, angle: f64, device: &B::Device) -> Result<Self, Error> {
        positive("length of the motion", length)?;
        check_length(length)?;
        finite("angle of the motion", angle)?;
        let (sin, cos) = angle.sin_cos();
        let half = (length / 2.0).ceil();
        let size = 2 * half as usize + 1;
        let points = SAMPLES_A_PIXEL * length.ceil() as usize;
        let mut weights = vec![0.0; size * size];
        for i in 0..points {
            let t = ((i as f64 + 0.5) / points as f64 - 0.5) * length;
            let (row, column) = (half - t * sin, half + t * cos);
            let (r, c) = (row.floor(), column.floor());
            let (down, right) = (row - r, column - c);
            let (r, c) = (r as usize, c as usize);
            for (r, weight_r) in [(r, 1.0 - down), (r + 1, down)] {
                for (c, weight_c) in [(c, 1.0 - right), (c + 1, right)] {
                    // Beyond the last pixel only weights of zero.
                    if let (true, Some(weight)) = (c < size, weights.get_mut(r * size + c)) {
                        *weight += weight_r * weight_c;
                    }
                }
            }
        }
        Self::from_numbers(size, &normalised(weights), device)
    }

    /// The same kernel, to be learned with the regularizer: semi-blind reconstruction.
    ///
    /// On a tape; a plain backend does not know what is learned.
    pub fn learned(self) -> Self {
        Self {
            weights: self.weights.set_require_grad(true),
        }
    }

    /// Its side k.
    ///
    /// # Errors
    /// If it is not an odd square.
    pub fn size(&self) -> Result<usize, Error> {
        match self.weights.dims() {
            [1, 1, k, l] if k == l && k % 2 == 1 => Ok(k),
            shape => Err(ErrorKind::KernelShape { shape }.into()),
        }
    }
}

/// The longest kernel in pixels.
const MOST: usize = 999;

/// Whether a kernel may be so long.
fn check_length(length: f64) -> Result<(), Error> {
    if length <= MOST as f64 {
        Ok(())
    } else {
        Err(ErrorKind::KernelTooLong { length, most: MOST }.into())
    }
}

/// Points at which a motion is looked at, for each pixel of its length.
const SAMPLES_A_PIXEL: usize = 64;

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}
