//! The child of the tests.

fn main() {
    scan::sandbox::read_layer_main()
}
