//! No bytes bring the linter down, and its places are places in the file.

use std::fs;
use std::path::Path;

use kmdf_inf::{Level, Options, lint, render, to_json};
use proptest::prelude::*;

fn good() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/good");
    let entries = fs::read_dir(folder).expect("the corpus is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect()
}

fn judge(bytes: &[u8]) {
    for (name, level) in [
        ("x.inx", Level::WindowsDriver),
        ("x.inf", Level::Universal),
        ("x", Level::Signature),
    ] {
        let report = lint(name, bytes, &Options::at(level));
        for finding in &report.findings {
            assert!(finding.line >= 1 && finding.column >= 1);
            assert!(finding.line <= bytes.len() + 1, "{finding:?}");
            assert!(
                !finding.message.is_empty() && !finding.help.is_empty(),
                "{finding:?}"
            );
        }
        assert_eq!(render(&report, false).is_empty(), report.is_clean());
        to_json(&[report]).expect("serializes");
    }
}

/// Text out of what INF files are made of.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[Version]\nSignature=\"$Windows NT$\"\n".to_owned()),
        Just("[Manufacturer]\n%a%=M,NT$ARCH$.10.0...20348\n[M.NT$ARCH$.10.0...20348]\n%b%=I,root\\x\n".to_owned()),
        Just("[I.NT]\n".to_owned()),
        Just("[I.NT.Services]\nAddService=s,2,I.NT\n".to_owned()),
        Just("Needs=I.NT\nInclude=\n".to_owned()),
        Just("CopyFiles=I.NT,@x\nAddReg=I.NT\n".to_owned()),
        Just("HKR,,Security,,\"D:(A;;GA;;;".to_owned()),
        "[\\[\\]%$\"\\\\;,=\\r\\n \\ta-c0-9{}()é\u{1}]{0,12}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        judge(&bytes);
    }

    #[test]
    fn any_soup(text in soup()) {
        judge(text.as_bytes());
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        judge(&[b"\xFF\xFE".as_slice(), &wide].concat());
    }

    #[test]
    fn any_change_to_a_good_file(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..8),
    ) {
        let mut files = good();
        let at = file.index(files.len());
        let mut bytes = files.swap_remove(at);
        for (place, change, byte) in changes {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            match change {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        judge(&bytes);
    }
}

/// A file that refers to itself in a circle, and one that refers ever deeper.
#[test]
fn circles_and_depth() {
    let head = "[Version]\nSignature=\"$Windows NT$\"\n[Manufacturer]\n%a%=M,NTamd64\n[M.NTamd64]\n%b%=S0,root\\x\n";
    judge(format!("{head}[S0]\nNeeds=S1\n[S1]\nNeeds=S0,S1\nAddReg=S0\nCopyFiles=S1\n").as_bytes());
    let deep: String = (0..5000)
        .map(|n| format!("[S{n}]\nNeeds=S{}\n", n + 1))
        .collect();
    judge(format!("{head}{deep}").as_bytes());
}
