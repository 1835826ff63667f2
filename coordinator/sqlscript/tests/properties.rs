//! What holds for every text: nothing is lost, nothing panics.

use cutover_sqlscript::{Dialect, PieceKind, lint, split};
use proptest::prelude::*;

/// Fragments that open, close or end something in some dialect.
fn fragment() -> impl Strategy<Value = String> {
    let marks = prop::sample::select(vec![
        ";",
        "'",
        "\"",
        "`",
        "\\",
        "--",
        "-- ",
        "#",
        "/*",
        "*/",
        "/*!50001 ",
        "/*+",
        "$$",
        "$a$",
        "$1",
        "(",
        ")",
        "[",
        "]",
        "\n",
        "\r\n",
        " ",
        "\t",
        "/",
        "\n/\n",
        "/\n",
        "@",
        "@v",
        "@@",
        ":=",
        "=",
        ",",
        ".",
        "GO",
        "\nGO\n",
        "GO 2",
        "DELIMITER ;;\n",
        "DELIMITER",
        ";;",
        "\\G",
        "\\g",
        "\\d",
        "\\N",
        "E'",
        "q'[",
        "]'",
        "nq'",
        "//",
        "\u{feff}",
        "\u{e9}",
        "\u{1f600}",
        "BEGIN",
        "END",
        "IF",
        "END IF",
        "CASE",
        "LOOP",
        "REPEAT",
        "WHILE",
        "FOR",
        "THEN",
        "ATOMIC",
        "CREATE",
        "PROCEDURE",
        "FUNCTION",
        "TRIGGER",
        "ALTER",
        "TABLE",
        "ADD",
        "DROP",
        "COLUMN",
        "DECLARE",
        "HANDLER",
        "SET",
        "SELECT",
        "INTO",
        "FROM",
        "UPDATE",
        "INSERT",
        "USE",
        "USE x\n",
        "EXECUTE",
        "PREPARE",
        "REM x\n",
        "--#SET TERMINATOR @\n",
        "TIMESTAMP",
        "NOT NULL",
        "ON",
        "TRUNCATE",
        "SET sql_mode='NO_BACKSLASH_ESCAPES';",
        "\\restrict x\n",
        "x",
        "1",
        "0x",
        ":r",
        "ELSE",
    ]);
    prop_oneof![8 => marks.prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec((fragment(), prop::bool::ANY), 0..40).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(part, space)| if space { part + " " } else { part })
            .collect()
    })
}

fn check(text: &str) {
    for dialect in Dialect::ALL {
        let Ok(script) = split(text, dialect) else {
            continue;
        };
        let joined: String = script.pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(joined, text, "{dialect}");
        let mut at = 0;
        for piece in &script.pieces {
            let before = &text[..piece.span.start];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            assert_eq!(
                (piece.line, piece.column),
                (before.matches('\n').count() + 1, column),
                "{dialect}: {piece:?}"
            );
        }
        for piece in &script.pieces {
            assert_eq!(piece.span, at..at + piece.text.len(), "{dialect}");
            at = piece.span.end;
        }
        let statements = script.pieces.iter().filter_map(|piece| match piece.kind {
            PieceKind::Statement(index) => Some((index, piece)),
            PieceKind::Blank | PieceKind::Comment | PieceKind::Terminator | PieceKind::ClientCommand => None,
        });
        for (expected, (index, piece)) in statements.enumerate() {
            let statement = &script.statements[index];
            assert_eq!((index, &statement.span), (expected, &piece.span), "{dialect}");
            assert!(!statement.text.is_empty(), "{dialect}");
            if dialect != Dialect::Wso2Compat {
                assert_eq!(statement.text, piece.text, "{dialect}");
            }
            let before = &text[..statement.span.start];
            assert_eq!(statement.line, before.matches('\n').count() + 1, "{dialect}");
        }
        let numbered = script
            .pieces
            .iter()
            .filter(|piece| matches!(piece.kind, PieceKind::Statement(_)))
            .count();
        assert_eq!(script.statements.len(), numbered, "{dialect}");
        for finding in lint(&script) {
            assert!(
                finding.line <= text.matches('\n').count() + 1,
                "{dialect}: {finding:?}"
            );
        }
        for from in 0..=script.statements.len() {
            assert!(
                script
                    .session_prerequisites(from)
                    .iter()
                    .all(|index| *index < from)
            );
        }
    }
}

/// Splitting a statement by itself gives that statement: what was sent to the server is one statement.
fn check_alone(text: &str) {
    for dialect in [Dialect::Postgres, Dialect::H2] {
        let Ok(script) = split(text, dialect) else {
            continue;
        };
        if text.to_ascii_lowercase().contains("conforming") {
            continue;
        }
        for statement in &script.statements {
            let again = split(&statement.text, dialect).unwrap_or_else(|error| panic!("{dialect}: {error}"));
            assert_eq!(again.statements.len(), 1, "{dialect}: {:?}", statement.text);
            assert_eq!(again.statements[0].sha256, statement.sha256);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_when_joined_then_equal_the_input(text in script()) {
        check(&text);
        check_alone(&text);
    }

    #[test]
    fn any_text_when_split_then_does_not_panic(text in "\\PC{0,60}|(?s).{0,60}") {
        check(&text);
    }

    /// Statements without any special character come back as they were, whatever the quotes hold.
    #[test]
    fn statements_when_joined_by_semicolons_then_split_back(
        bodies in prop::collection::vec("[a-z]{1,8}( [a-z0-9]{1,5}){0,3}( '[a-z;/# @*-]{0,6}')?", 1..8)
    ) {
        let bodies: Vec<String> = bodies.into_iter().map(|body| format!("zz {body}")).collect();
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Oracle, Dialect::Mssql, Dialect::H2] {
            let script = split(&(bodies.join(" ;\n") + ";"), dialect).unwrap();
            let texts: Vec<&String> = script.statements.iter().map(|statement| &statement.text).collect();
            prop_assert_eq!(&texts, &bodies.iter().collect::<Vec<_>>(), "{}", dialect);
        }
    }
}
