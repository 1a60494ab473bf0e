//! oci.
