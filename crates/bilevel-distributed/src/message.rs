//! What the master and its workers say to each other, and the bytes of it.
//!
//! ```text
//! "BLVL"  version u16  length u64  CRC-32 u32  body          all little-endian; the body by postcard
//! ```
//!
//! A message is checked before it is read: mark, version, length against a limit and the bytes at
//! hand, checksum. Reading it allocates no more than its bytes pay for, and runs nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::EstimateSettings;
use crate::communicator::Payload;
use crate::error::{Error, ErrorKind};

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is new, and these are the lengths of its x and y.
    Hello {
        /// Entries of x.
        upper: usize,
        /// Entries of y.
        lower: usize,
    },
    /// It has made its step.
    Step {
        /// `xᵢ`.
        x: Floats,
        /// `yᵢ`.
        y: Floats,
        /// `Gᵢ` before the step.
        loss: f64,
    },
    /// It has made its half of a round of the estimate: `y'ᵢ`.
    Round(Floats),
    /// Its product on the way back: `∇²yy gᵢ wᵢ`, after the last one `Σ ∇²vy gᵢ wᵢ`.
    Product(Floats),
}

/// What the master says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Directive {
    /// Start from here.
    Welcome(Box<Welcome>),
    /// Step with these multipliers.
    Update {
        /// Iterations done.
        iteration: usize,
        /// `θᵢ`.
        theta: Floats,
        /// `{λ_l}`, in the order of the planes.
        lambda: Vec<f64>,
        /// If planes have changed.
        planes: Option<PlaneChange>,
    },
    /// Make your half of a round.
    Round {
        /// `v`, if this is the first one.
        v: Option<Floats>,
        /// `z'`.
        z: Floats,
        /// `φᵢ`.
        phi: Floats,
    },
    /// Multiply `wᵢ`, on the way back.
    PullBack(
        /// `wᵢ`.
        Floats,
    ),
    /// Say it again: it could not be used.
    Refuse(
        /// Why.
        String,
    ),
    /// End.
    Stop(
        /// Why.
        String,
    ),
}

/// All that a worker needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Iterations done.
    pub iteration: usize,
    /// `η_x`.
    pub upper_step: f64,
    /// `η_y`.
    pub lower_step: f64,
    /// Of the estimate.
    pub estimate: EstimateSettings,
    /// How numbers are sent.
    pub precision: Precision,
    /// `xᵢ` as the master knows it.
    pub x: Floats,
    /// `yᵢ` as the master knows it.
    pub y: Floats,
    /// `θᵢ`.
    pub theta: Floats,
    /// `{λ_l}`.
    pub lambda: Vec<f64>,
    /// All planes: ids and `b_{i,l}`.
    pub planes: Vec<(u64, Floats)>,
}

/// How the planes have changed. A plane is sent once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaneChange {
    /// Ids of those in force, in their order.
    pub kept: Vec<u64>,
    /// New ones: ids and `b_{i,l}`.
    pub new: Vec<(u64, Floats)>,
}

/// How numbers are sent.
///
/// Both sides compute in `f64`. In single precision half the bytes are sent, and both go on with
/// what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// `f32`.
    Single,
    /// `f64`.
    Double,
}

/// Numbers as they are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Floats {
    /// `f32`.
    Single(Vec<f32>),
    /// `f64`.
    Double(Vec<f64>),
}

impl Precision {
    /// `v`, to be sent.
    pub fn pack(self, v: &[f64]) -> Floats {
        match self {
            Precision::Single => Floats::Single(v.iter().map(|&v| v as f32).collect()),
            Precision::Double => Floats::Double(v.to_vec()),
        }
    }

    /// `v` as the other side will know it.
    pub fn round(self, v: Vec<f64>) -> Vec<f64> {
        match self {
            Precision::Single => v.into_iter().map(|v| f64::from(v as f32)).collect(),
            Precision::Double => v,
        }
    }
}

impl Floats {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Floats::Single(v) => v.len(),
            Floats::Double(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    pub fn unpack(self) -> Vec<f64> {
        match self {
            Floats::Single(v) => v.into_iter().map(f64::from).collect(),
            Floats::Double(v) => v,
        }
    }
}

impl Answer {
    /// How many numbers of vectors it carries.
    pub fn floats(&self) -> usize {
        match self {
            Answer::Hello { .. } => 0,
            Answer::Step { x, y, .. } => x.len() + y.len(),
            Answer::Round(v) | Answer::Product(v) => v.len(),
        }
    }
}

impl Directive {
    /// How many numbers of vectors it carries, multipliers included.
    pub fn floats(&self) -> usize {
        let of_planes = |planes: &[(u64, Floats)]| planes.iter().map(|(_, b)| b.len()).sum();
        match self {
            Directive::Welcome(welcome) => {
                let slices: usize = of_planes(&welcome.planes);
                let vectors = welcome.x.len() + welcome.y.len() + welcome.theta.len();
                vectors + welcome.lambda.len() + slices
            }
            Directive::Update {
                theta,
                lambda,
                planes,
                ..
            } => {
                let slices: usize = planes.as_ref().map_or(0, |change| of_planes(&change.new));
                theta.len() + lambda.len() + slices
            }
            Directive::Round { v, z, phi } => {
                v.as_ref().map_or(0, Floats::len) + z.len() + phi.len()
            }
            Directive::PullBack(w) => w.len(),
            Directive::Refuse(_) | Directive::Stop(_) => 0,
        }
    }
}

const MARK: [u8; 4] = *b"BLVL";
/// Changes with every change of [`Answer`], [`Directive`] or a checkpoint.
const VERSION: u16 = 1;
const HEADER: usize = 18;

/// The bytes of a message.
///
/// ```
/// use bilevel_distributed::message::{Answer, decode, encode};
///
/// let hello = Answer::Hello { upper: 3, lower: 4 };
/// let bytes = encode(&hello);
/// assert_eq!(decode::<Answer>(&bytes, 100)?, hello);
/// assert!(decode::<Answer>(&bytes, 2).unwrap_err().to_string().contains("the limit is 2"));
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
pub fn encode<M: Serialize>(message: &M) -> Payload {
    let mut bytes = Vec::from(MARK);
    bytes.resize(HEADER, 0);
    let mut bytes = postcard::to_extend(message, bytes).expect("a message of ours has a form");
    let length = (bytes.len() - HEADER) as u64;
    let checksum = crc32fast::hash(&bytes[HEADER..]);
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    bytes[6..14].copy_from_slice(&length.to_le_bytes());
    bytes[14..18].copy_from_slice(&checksum.to_le_bytes());
    Payload::from(bytes)
}

pub(crate) fn too_long(bytes: usize, most: usize) -> String {
    format!("it has {bytes} bytes, the limit is {most}")
}

/// The message of these bytes; its body may have `most` bytes.
///
/// # Errors
/// If they are not the bytes of such a message, whole and unchanged.
pub fn decode<M: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<M, Error> {
    let fail = |reason: String| Err(ErrorKind::Message { reason }.into());
    if bytes.len() < HEADER || bytes[..4] != MARK {
        return fail("it does not begin as messages of this program do".to_owned());
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version != VERSION {
        return fail(format!(
            "it is of version {version}, this program speaks {VERSION}: use the same program everywhere"
        ));
    }
    let body = &bytes[HEADER..];
    if body.len() > most {
        return fail(too_long(body.len(), most));
    }
    if (body.len() as u64).to_le_bytes() != bytes[6..14] {
        return fail("it is not whole".to_owned());
    }
    if crc32fast::hash(body).to_le_bytes() != bytes[14..18] {
        return fail("its checksum is wrong".to_owned());
    }
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok(_) => fail("it is longer than what it says".to_owned()),
        Err(e) => fail(e.to_string()),
    }
}
