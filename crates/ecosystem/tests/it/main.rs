//! Whole images, read layer by layer and laid over one another.

mod images;
