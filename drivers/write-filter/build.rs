//! With the WDK: links a driver. Elsewhere: nothing but what a host's linker asks for.

fn main() -> Result<(), kmdf_build::Error> {
    kmdf_build::configure_driver()
}
