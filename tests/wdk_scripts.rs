//! The scripts for a Windows machine, as far as a parser sees them: syntax, help, strict mode,
//! `-WhatIf`. And that workflows name actions by commit.
//!
//! They cannot be run here; see docs/test-machine.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tree_sitter::{Node, Parser};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn files(folder: &str, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))? {
        let path = entry?.path();
        if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// All nodes of a tree that `select` chooses, in order.
fn nodes<'t>(root: Node<'t>, select: &dyn Fn(&Node<'t>) -> bool) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    let mut cursor = root.walk();
    let mut rest: Vec<Node<'t>> = vec![root];
    while let Some(node) = rest.pop() {
        if select(&node) {
            found.push(node);
        }
        let mut children: Vec<Node<'t>> = node.children(&mut cursor).collect();
        children.reverse();
        rest.append(&mut children);
    }
    found
}

/// What is wrong with a script.
fn complaints(text: &str, is_module: bool) -> Result<Vec<String>> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into())?;
    let tree = parser.parse(text, None).ok_or("the parser gives no tree")?;
    let root = tree.root_node();
    let mut complaints: Vec<String> = nodes(root, &|node| node.is_error() || node.is_missing())
        .into_iter()
        .map(|node| {
            let at = node.start_position();
            format!(
                "line {}, column {}: not PowerShell",
                at.row + 1,
                at.column + 1
            )
        })
        .collect();
    let mut expect = |holds: bool, complaint: &str| {
        if !holds {
            complaints.push(complaint.to_owned());
        }
    };
    expect(
        text.is_ascii(),
        "Windows PowerShell 5.1 reads a file without a mark as ANSI",
    );
    expect(
        text.contains("\nSet-StrictMode -Version Latest\n"),
        "no strict mode",
    );
    expect(
        text.contains("\n$ErrorActionPreference = 'Stop'\n"),
        "goes on after an error",
    );
    if is_module {
        return Ok(complaints);
    }

    let help = text
        .strip_prefix("<#\n")
        .and_then(|text| text.split_once("\n#>\n"))
        .map_or("", |(help, _)| help);
    for keyword in [".SYNOPSIS", ".DESCRIPTION", ".EXAMPLE"] {
        expect(
            help.lines().any(|line| line == keyword),
            &format!("no {keyword} in its help"),
        );
    }
    let documented: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix(".PARAMETER "))
        .collect();
    // The parameters of the script stand outside any function.
    let own = |node: &Node<'_>| {
        let mut node = *node;
        while let Some(parent) = node.parent() {
            if parent.kind() == "function_statement" {
                return false;
            }
            node = parent;
        }
        true
    };
    let parameters: BTreeSet<&str> =
        nodes(root, &|node| node.kind() == "script_parameter" && own(node))
            .into_iter()
            .filter_map(|parameter| {
                let mut cursor = parameter.walk();
                parameter
                    .children(&mut cursor)
                    .find(|child| child.kind() == "variable")
            })
            .filter_map(|variable| text[variable.byte_range()].strip_prefix('$'))
            .collect();
    expect(
        documented == parameters,
        &format!("parameters {parameters:?}, in its help {documented:?}"),
    );

    // What changes the machine asks first.
    let asks = text.contains("SupportsShouldProcess");
    let changes = [
        "bcdedit.exe",
        "/add-driver",
        "/delete-driver",
        "Set-ItemProperty",
        "Restart-Computer",
    ]
    .iter()
    .any(|command| text.contains(command));
    expect(asks || !changes, "changes the machine without -WhatIf");
    expect(
        !asks || text.contains("ShouldProcess("),
        "takes -WhatIf and does not ask",
    );
    Ok(complaints)
}

#[test]
fn scripts_are_in_order() -> Result {
    let scripts = files("tools/windows", &["ps1", "psm1"])?;
    assert!(scripts.len() > 5, "{scripts:?}");
    for script in scripts {
        // A checkout on Windows may have other line ends.
        let text = fs::read_to_string(&script)?.replace('\r', "");
        let is_module = script
            .extension()
            .is_some_and(|extension| extension == "psm1");
        assert_eq!(complaints(&text, is_module)?, [""; 0], "{script:?}");
    }
    Ok(())
}

#[test]
fn a_wrong_script_is_found() -> Result {
    let good = "<#\n.SYNOPSIS\nx\n\n.DESCRIPTION\nx\n\n.PARAMETER Name\nx\n\n.EXAMPLE\nx\n#>\n\
        [CmdletBinding()]\nparam([string] $Name)\n\nSet-StrictMode -Version Latest\n\
        $ErrorActionPreference = 'Stop'\nWrite-Output $Name\n";
    assert_eq!(complaints(good, false)?, [""; 0]);
    for (from, to, complaint) in [
        ("Write-Output $Name", "if ($Name { }", "not PowerShell"),
        ("Write-Output $Name", "Write-Output '\u{e4}'", "ANSI"),
        ("Set-StrictMode -Version Latest\n", "", "no strict mode"),
        ("'Stop'", "'Continue'", "goes on after an error"),
        (".EXAMPLE", "EXAMPLE", "no .EXAMPLE"),
        (
            ".PARAMETER Name",
            ".PARAMETER Other",
            "in its help {\"Other\"}",
        ),
        (
            "[string] $Name",
            "[string] $Name, [switch] $More",
            "\"More\"",
        ),
        ("Write-Output $Name", "Restart-Computer", "without -WhatIf"),
        (
            "[CmdletBinding()]",
            "[CmdletBinding(SupportsShouldProcess)]",
            "does not ask",
        ),
    ] {
        let found = complaints(&good.replacen(from, to, 1), false)?;
        assert!(
            found.iter().any(|found| found.contains(complaint)),
            "{to}: {found:?}"
        );
    }
    Ok(())
}

/// `uses: owner/name@<commit> # v1.2.3`.
fn is_pinned(line: &str) -> bool {
    let Some((_, reference)) = line.split_once("uses: ") else {
        return true;
    };
    let Some((commit, version)) = reference
        .split_once('@')
        .and_then(|(_, version)| version.split_once(" # v"))
    else {
        return false;
    };
    commit.len() == 40
        && commit.chars().all(|digit| digit.is_ascii_hexdigit())
        && version.starts_with(|digit: char| digit.is_ascii_digit())
}

#[test]
fn workflows_name_actions_by_commit_and_only_read() -> Result {
    let workflows = files(".github/workflows", &["yml", "yaml"])?;
    assert!(workflows.len() >= 2, "{workflows:?}");
    for workflow in workflows {
        let text = fs::read_to_string(&workflow)?.replace('\r', "");
        let loose: Vec<&str> = text.lines().filter(|line| !is_pinned(line)).collect();
        assert_eq!(loose, [""; 0], "{workflow:?}");
        assert!(
            text.contains("\npermissions:\n  contents: read\n"),
            "{workflow:?}"
        );
        assert_eq!(text.matches("permissions:").count(), 1, "{workflow:?}");
        // It would replace what drivers/.cargo/config.toml sets.
        let sets_flags = text.lines().any(|line| line == "  RUSTFLAGS:");
        assert!(!sets_flags, "{workflow:?}");
    }
    assert!(!is_pinned("- uses: actions/checkout@v4"));
    assert!(!is_pinned("- uses: actions/checkout@11bd719 # v4.2.2"));
    Ok(())
}
