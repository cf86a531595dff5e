//! What is checked in is what the generator writes.

use std::fs;
use std::path::Path;

#[test]
fn generated_files_are_up_to_date() -> Result<(), Box<dyn std::error::Error>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kmdf-sys/src/generated");
    let mut expected = vec!["mod.rs"];
    for file in kmdf_sys_gen::generate()? {
        // A checkout may have turned the ends of lines into those of Windows.
        let found = fs::read_to_string(target.join(file.name))?.replace("\r\n", "\n");
        assert!(
            found == file.text,
            "kmdf-sys/src/generated/{} is not what the generator writes: run `cargo run -p kmdf-sys-gen`",
            file.name
        );
        expected.push(file.name);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(target)? {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected, "files that the generator does not write");
    Ok(())
}

#[test]
fn the_function_table_has_no_gaps() -> Result<(), Box<dyn std::error::Error>> {
    let abi = kmdf_sys_gen::model::Abi::load()?;
    let indexes: Vec<u32> = abi
        .functions
        .iter()
        .map(|function| function.index)
        .collect();
    assert_eq!(indexes, (0..458).collect::<Vec<_>>());
    let declared = abi
        .functions
        .iter()
        .filter(|function| function.params.is_some());
    assert_eq!(declared.count(), 445);
    Ok(())
}
