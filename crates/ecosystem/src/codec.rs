//! The compression of a layer, told by its first bytes.
