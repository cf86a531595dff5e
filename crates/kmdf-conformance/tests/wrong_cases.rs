//! Cases that must fail: the runner notices what is wrong with the model and with a case.

use kmdf_conformance::run_files;

/// The output for one case, in a world with a target, a buffer, a request and a callback.
fn run(world: &str, steps: &str) -> String {
    // One expectation that always holds, since a case must have one.
    let steps = steps.trim_end().trim_end_matches(',');
    let source = format!(
        "format = 1\n[world]\ntarget.T = {{}}\nbuffer.p = {{}}\nmemory.M = {{}}\n\
         request.R = {{ target = \"T\" }}\ncallback.cb = {{}}\n\
         [[case]]\nid = \"X1\"\nwhat = \"x\"\nsection = \"1.1\"\nworld = {{ {world} }}\n\
         step = [\n{steps},\n{{ expect = {{ p.data = \"ramp\" }} }}]\n"
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), source).expect("the file can be written");
    let mut output = Vec::new();
    run_files([file.path()], &mut output).expect("memory can be written to");
    let output = String::from_utf8(output).expect("text");
    output.lines().next().unwrap_or_default().to_owned()
}

const WRITE: &str = "call = \"WdfIoTargetSendWriteSynchronously\", IoTarget = \"T\", \
                     InputBuffer = { buffer = \"p\" }, BytesWritten = \"&n\"";

#[test]
fn what_is_not_so_fails_with_its_step() {
    let cases = [
        ("n = 63", "step 2: expected n = 63 (0x3f) got 0x40"),
        (
            "returns = \"STATUS_TIMEOUT\"",
            "step 2: expected returns STATUS_TIMEOUT got STATUS_SUCCESS",
        ),
        ("at = 1", "step 2: expected at 1 got 0"),
        ("breaks = 1", "step 2: expected breaks 1 got 0"),
        (
            "bugcheck = { p1 = 5 }",
            "step 2: expected a bugcheck got the step returned",
        ),
        (
            "hangs = true",
            "step 2: expected the call to hang got the step returned",
        ),
        ("T.irps = 2", "step 2: expected T.irps 2 got 1"),
        ("T.irp = []", "step 2: expected T.irp of length 0 got 1"),
        (
            "T.irp = [{ Length = 63 }]",
            "step 2: expected T.irp[0].Length = 63 (0x3f) got 0x40",
        ),
        (
            "T.irp = [{ SystemBuffer = \"null\" }]",
            "step 2: expected T.irp[0].SystemBuffer = \"null\" (0x0) got",
        ),
        (
            "T.irp = [{ data = \"ramp:1\" }]",
            "step 2: expected T.irp[0].data: 0x01 at byte 0 got 0x00",
        ),
        (
            "T.irp = [{ cancelled = true }]",
            "step 2: expected T.irp[0].cancelled true got false",
        ),
        (
            "T.state = \"WdfIoTargetPurged\"",
            "step 2: expected T.state",
        ),
        ("M.refs = 1", "step 2: expected M.refs 1 got 0"),
        ("M.alive = false", "step 2: expected M.alive false got true"),
        (
            "p.data = 0",
            "step 2: expected p.data: 0x00 at byte 1 got 0x01",
        ),
        ("cb.calls = 1", "step 2: expected cb.calls 1 got 0"),
        ("host.mdls = 1", "step 2: expected host.mdls 1 got 0"),
        ("log = [\"cb\"]", "step 2: expected log"),
        ("n = \"unchanged\"", "step 2: expected n unchanged got 0x40"),
    ];
    for (expect, problem) in cases {
        let steps = format!("{{ do = \"wait\" }},\n{{ {WRITE}, expect = {{ {expect} }} }},");
        let line = run("", &steps);
        assert!(
            line.starts_with(&format!("FAIL X1: {problem}")),
            "{expect}: {line}"
        );
    }
}

#[test]
fn what_ends_a_run_fails_unless_expected() {
    let null = "{ call = \"WdfRequestReuse\", Request = \"R\", ReuseParams = \"null\" }";
    let line = run("", null);
    assert!(
        line.starts_with("FAIL X1: step 1: expected no bugcheck got bugcheck 0x10D"),
        "{line}"
    );
    let expected = null.replace(" }", ", expect = { bugcheck = { p1 = 5 } } }");
    let line = run("", &expected);
    assert!(
        line.contains("expected bugcheck with p1 = 5 got bugcheck 0x10D (0x4"),
        "{line}"
    );
    let line = run("target.T.state = \"stopped\"", &format!("{{ {WRITE} }}"));
    assert_eq!(
        line,
        "FAIL X1: step 1: expected the call to return got it blocks for ever"
    );
    let late = "{ after = 5, call = \"WdfIoTargetSendWriteSynchronously\", IoTarget = \"T\" }";
    let line = run("target.T.state = \"stopped\"", late);
    assert!(line.starts_with("FAIL X1: step 1: expected"), "{line}");
}

#[test]
fn steps_of_threads_and_callbacks_count() {
    let line = run("", "{ after = 5, expect = { at = 6 } }");
    assert_eq!(line, "FAIL X1: step 1: expected at 6 got 5");
    let steps = "{ in = \"cb\", expect = { at = 1 } },
        { call = \"WdfIoTargetFormatRequestForWrite\", IoTarget = \"T\", Request = \"R\", InputBuffer = \"M\" },
        { call = \"WdfRequestSetCompletionRoutine\", Request = \"R\", CompletionRoutine = \"cb\" },
        { call = \"WdfRequestSend\", Request = \"R\", Target = \"T\" },";
    assert_eq!(run("", steps), "FAIL X1: step 1: expected at 1 got 0");
}

#[test]
fn what_the_format_does_not_have_is_malformed() {
    let cases = [
        ("", "{ do = \"sleep\" }", "step 1: unknown action sleep"),
        ("", "{ call = \"WdfFoo\" }", "step 1: unknown DDI WdfFoo"),
        (
            "",
            "{ do = \"wait\", expect = { nobody = 1 } }",
            "unknown name nobody",
        ),
        (
            "",
            "{ do = \"wait\", expect = { T.colour = 1 } }",
            "unknown key colour",
        ),
        (
            "",
            "{ in = \"nobody\", do = \"wait\" }, { do = \"wait\" }",
            "unknown callback nobody",
        ),
        (
            "",
            "{ call = \"WdfIoTargetStart\", IoTarget = \"X\" }",
            "unknown name X",
        ),
        ("colour.c = {}", "{ do = \"wait\" }", "unknown key colour"),
        (
            "target.T.colour = 1",
            "{ do = \"wait\" }",
            "unknown key colour",
        ),
        (
            "target.T.lower = [{ pending = true }]",
            "{ do = \"wait\" }",
            "unknown key pending",
        ),
        ("buffer.M = {}", "{ do = \"wait\" }", "M is two things"),
        ("buffer.host = {}", "{ do = \"wait\" }", "host is reserved"),
        ("client = \"2.0\"", "{ do = \"wait\" }", "client 2.0"),
        (
            "",
            "{ call = \"WdfRequestReuse\", Request = \"R\", ReuseParams = { Colour = 1 } }",
            "WDF_REQUEST_REUSE_PARAMS has no field Colour",
        ),
    ];
    for (world, steps, why) in cases {
        assert_eq!(run(world, steps), format!("FAIL X1: malformed: {why}"));
    }
}

#[test]
fn a_file_that_is_none_is_a_failure() {
    let mut output = Vec::new();
    let outcome =
        run_files(["/nowhere/cases.toml"], &mut output).expect("memory can be written to");
    assert_eq!((outcome.total.passed, outcome.total.failed), (0, 1));
    let output = String::from_utf8(output).expect("text");
    assert!(output.starts_with("FAIL /nowhere/cases.toml: "), "{output}");
    assert!(output.ends_with("\n0 passed, 1 failed\n"), "{output}");
}

/// Formats, registers the routine `cb`, and sends.
const SEND: &str = "
    { call = \"WdfIoTargetFormatRequestForWrite\", IoTarget = \"T\", Request = \"R\", InputBuffer = \"M\" },
    { call = \"WdfRequestSetCompletionRoutine\", Request = \"R\", CompletionRoutine = \"cb\" },
    { call = \"WdfRequestSend\", Request = \"R\", Target = \"T\" },";

#[test]
fn a_case_that_goes_round_in_a_circle_ends() {
    let again = SEND.replace("{ call", "{ in = \"cb\", call");
    let line = run("", &format!("{again}{SEND}"));
    assert!(
        line.ends_with("expected the case to end got 48 invocations inside one another"),
        "{line}"
    );
    let hanging = "{ call = \"WdfIoTargetSendWriteSynchronously\", IoTarget = \"S\" }";
    let line = run(
        "target.T.lower = [{ pend = 1 }], target.S = { state = \"stopped\" }",
        &format!("{again}{SEND}{hanging}"),
    );
    assert!(
        line.ends_with("expected the case to end got 20000 steps executed"),
        "{line}"
    );
}

#[test]
fn a_deadlock_is_a_hang() {
    let lock = "{ call = \"WdfObjectAcquireLock\", Object = \"q\" }";
    let world = "queue.q = { DispatchType = \"WdfIoQueueDispatchManual\" }";
    let line = run(world, &format!("{lock}, {lock}"));
    assert!(line.contains("deadlock"), "{line}");
    let hangs = lock.replace(" }", ", expect = { hangs = true } }");
    assert_eq!(run(world, &format!("{lock}, {hangs}")), "PASS X1");
}

/// The lines for these cases.
fn lines(cases: &str) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("format = 1\n{cases}")).expect("the file can be written");
    let mut output = Vec::new();
    run_files([file.path(), file.path()], &mut output).expect("memory can be written to");
    let output = String::from_utf8(output).expect("text");
    output.lines().map(str::to_owned).collect()
}

#[test]
fn the_labels_of_a_case_have_their_form() {
    let case = |labels: &str| format!("[[case]]\n{labels}\nstep = [{{ expect = {{ at = 0 }} }}]\n");
    let labels = |id: &str, section: &str| {
        case(&format!(
            "id = \"{id}\"\nwhat = \"a case\"\nsection = \"{section}\""
        ))
    };
    for (case, line) in [
        (labels("A1b", "1.2"), "PASS A1b"),
        (labels("A", "1.2"), "FAIL A: malformed: A is no id"),
        (labels("a1", "1"), "FAIL a1: malformed: a1 is no id"),
        (labels("A1", "x"), "FAIL A1: malformed: x is no section"),
        (case("what = \"a case\""), "FAIL ?: malformed: no id"),
    ] {
        assert_eq!(lines(&case)[0], line);
    }
}

#[test]
fn an_id_is_that_of_one_case() {
    let case = |at: u8| {
        format!(
            "[[case]]\nid = \"A1\"\nwhat = \"a case\"\nsection = \"1\"\nstep = [{{ do = \"wait\", expect = {{ at = {at} }} }}]\n"
        )
    };
    // The same file twice is no second case of this id.
    assert_eq!(
        lines(&case(0)),
        ["PASS A1", "PASS A1", "2 passed, 0 failed"]
    );
    let found = lines(&(case(0) + &case(1)));
    assert_eq!(found[0], "PASS A1");
    assert!(
        found[1].starts_with("FAIL A1: malformed: the id is that of another case in "),
        "{}",
        found[1]
    );
}
