//! Problems from end to end, through the front door.

mod denoising;
mod guide;
mod ridge;
