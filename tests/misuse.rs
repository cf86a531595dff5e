//! What must not compile: each program in `tests/misuse` is one mistake, with what the compiler
//! says of it beside it.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
