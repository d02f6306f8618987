//! What a shell completes.

use std::process::Command;

use tests::given;

#[test]
fn bash_completes_commands_and_options() {
    let Some(program) = given("OCG") else { return };
    // As bash does when Tab is pressed: COMP_WORDS is what was typed, COMPREPLY what it may become.
    let completed = |typed: &str| {
        let script = format!(
            "source <(\"$OCG\" completions bash) && COMP_WORDS=({typed}) && COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) && \
             _ocg ocg \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\" && echo \"${{COMPREPLY[@]}}\""
        );
        let bash =
            Command::new("bash").args(["-c", &script]).env("OCG", &program).output().expect("bash runs");
        let said = String::from_utf8_lossy(&bash.stdout).into_owned();
        assert!(bash.status.success(), "{typed}: {said} {}", String::from_utf8_lossy(&bash.stderr));
        said.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("ocg dl"), ["dlq"]);
    assert_eq!(completed("ocg dlq pu"), ["purge"]);
    assert_eq!(completed("ocg dlq redrive --dry"), ["--dry-run"]);
}
