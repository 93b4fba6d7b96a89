//! A configuration as YAML for people, without its secrets.

use crate::config::{Node, Value};

/// Options whose values are nobody's business. (Those of Prometheus' type `Secret`.)
const SECRETS: [&str; 19] = [
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "key",
    "secrets",
    "proxy_connect_header",
    "token",
    "secret_key",
    "auth_token",
    "private_key",
    "service_account_key",
    "application_secret",
    "consumer_key",
    "key_passphrase",
    "account_key",
    "api_key",
    "secret",
    "integration_key",
];

/// Block style; what is secret is `<secret>`.
pub fn redacted(node: &Node) -> String {
    let mut text = String::new();
    put(node, 0, false, &mut text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.trim_start_matches('\n').trim_start_matches(' ').to_owned()
}

fn put(node: &Node, depth: usize, is_secret: bool, text: &mut String) {
    match &node.value {
        Value::Mapping(entries) if entries.is_empty() => text.push_str(" {}\n"),
        Value::Mapping(entries) => {
            let mut pad = if text.ends_with('-') { " ".to_owned() } else { format!("\n{}", "  ".repeat(depth)) };
            for entry in entries {
                if pad.starts_with('\n') && text.ends_with('\n') {
                    pad.remove(0);
                }
                text.push_str(&pad);
                text.push_str(&scalar(&entry.key, true));
                text.push(':');
                let is_secret = is_secret || SECRETS.contains(&entry.key.as_str());
                put(&entry.value, depth + 1, is_secret, text);
                pad = "  ".repeat(depth);
            }
        }
        Value::Sequence(items) if items.is_empty() => text.push_str(" []\n"),
        Value::Sequence(items) => {
            for item in items {
                if !text.ends_with('\n') && !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&"  ".repeat(depth));
                text.push('-');
                put(item, depth + 1, is_secret, text);
            }
        }
        Value::Scalar { .. } if node.is_null() => text.push('\n'),
        Value::Scalar { .. } if is_secret => text.push_str(" <secret>\n"),
        Value::Scalar { text: value, plain } => {
            text.push(' ');
            text.push_str(&scalar(value, *plain));
            text.push('\n');
        }
        Value::Removed => text.push('\n'),
    }
}

/// As it is where nobody could take it for something else, else in quotes.
fn scalar(value: &str, plain: bool) -> String {
    let is_simple =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '(' | ')' | '+' | '=' | '<' | '>');
    let starts_well =
        value.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '<' | '$' | '('));
    let looks_typed = matches!(value, "true" | "false" | "null" | "~" | "yes" | "no" | "on" | "off")
        || value.parse::<f64>().is_ok()
        || value.starts_with("0x");
    if starts_well && value.chars().all(is_simple) && (plain || !looks_typed) {
        return value.to_owned();
    }
    // JSON's strings are YAML's.
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    const TEXT: &str = "\
global:
  scrape_interval: 15s
  external_labels: {}
scrape_configs:
- job_name: 'a b'
  basic_auth:
    username: u
    password: \"p w\"
  params:
    module: [x, '1', 2]
  static_configs:
  - targets: ['h:1']
    labels: {on: 'true', off: true}
  relabel_configs:
  - regex: '(.+):(\\d+)'
    replacement: $1
- job_name: c
  http_headers: {x: {secrets: [y]}}
";

    #[test]
    fn a_configuration_says_the_same_but_for_its_secrets() {
        let document = Document::verbatim("a.yml", TEXT).unwrap();
        let shown = redacted(document.root());
        insta::assert_snapshot!(shown);
        let secret = TEXT.replace("\"p w\"", "<secret>").replace("[y]", "[<secret>]");
        let expected = Document::verbatim("a.yml", &secret).unwrap();
        assert_eq!(Document::verbatim("a.yml", &shown).unwrap().root(), expected.root());
    }
}
