//! No text makes the reader panic or take more than its share.

use proptest::prelude::*;

use super::*;

#[test]
fn hostile_documents_are_refused() {
    let deep = "a: ".to_owned() + &"[".repeat(200) + &"]".repeat(200);
    let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let before = n - 1;
        let names = vec![format!("*a{before}"); 9].join(", ");
        text + &format!("a{n}: &a{n} [{names}]\n")
    });
    for text in [deep.as_str(), laughs.as_str(), "a: &x [*x]"] {
        assert!(Document::parse("c.yaml", text, &environment).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = configuration(&text);
    }

    #[test]
    fn nothing_like_yaml_makes_it_panic(text in "[a-c${}:\\[\\]&*|>'\",\n -]{0,120}") {
        let _ = configuration(&text);
    }

    #[test]
    fn no_damage_to_a_valid_file_makes_it_panic(
        start in 0..BASE.len(),
        length in 0..20_usize,
        insert in "[a-z${}:\\[\\]&*\n ~0-9-]{0,12}",
    ) {
        let end = (start + length).min(BASE.len());
        let _ = configuration(&format!("{}{insert}{}", &BASE[..start], &BASE[end..]));
    }
}
