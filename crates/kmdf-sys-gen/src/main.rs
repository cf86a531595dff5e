//! Writes the generated modules of `kmdf-sys`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kmdf-sys/src/generated");
    for file in kmdf_sys_gen::generate()? {
        fs::write(target.join(file.name), file.text)?;
    }
    Ok(())
}
